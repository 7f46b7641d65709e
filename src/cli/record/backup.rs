//! `record backup`: a copy of a SQLite record, also while a service signs into it.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;

use crate::cli::place::{RecordArg, RecordPlace};
use crate::cli::{Failure, Format, FormatArg, print_json, print_lines};
use crate::record::check::{RecordCheck, check_record};
use crate::record::sqlite::SqliteRecord;
use checkpoint::counted::counted;

#[derive(Args)]
pub(in crate::cli) struct Backup {
    /// The file to write; it must not exist
    file: PathBuf,
    #[command(flatten)]
    place: RecordArg,
    #[command(flatten)]
    format: FormatArg,
}

impl Backup {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let RecordPlace::Sqlite(path) = &self.place.record else {
            let place = &self.place.record;
            return Err(Failure::Impossible(format!(
                "--record: is {place}; expected sqlite:PATH. A PostgreSQL record is copied by \
                 `pg_dump --format custom --schema checkpoint_signer`, as docs/backup.md does it, and any record by \
                 `record export`"
            )));
        };
        let shown = self.file.display();
        let failed = |error: &dyn Display| Failure::Impossible(format!("{shown}: {error}"));
        if self.file.symlink_metadata().is_ok() {
            return Err(failed(&"exists already, and is left as it is"));
        }
        let folder = match self.file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // SQLite makes files of its own beside it meanwhile.
        let making = tempfile::Builder::new()
            .prefix(".record-backup-")
            .tempdir_in(folder);
        let making = making.map_err(|e| failed(&e))?;
        let copy = making.path().join("record.sqlite");
        let record = SqliteRecord::open_beside(path).map_err(Failure::impossible)?;
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&copy);
        drop(made.map_err(|e| failed(&e))?);
        record.copy(&copy).await.map_err(|e| failed(&e))?;
        let RecordCheck {
            tree,
            problems,
            told,
            unchecked,
        } = verify(&copy).await?;
        if let Some(first) = told.first() {
            return Err(Failure::Negative(format!(
                "the record is wrong, so it is not copied: {}, the first: {first}; `record verify` lists \
                 what is wrong",
                counted(problems, "problem", "problems")
            )));
        }
        if let Some(unchecked) = unchecked.first() {
            let problem =
                format!("not all of the copy was checked, so it is not kept: {unchecked}");
            return Err(Failure::Impossible(problem));
        }
        keep(&copy, &self.file, folder).map_err(|e| failed(&e))?;
        let (rows, root) = (tree.size(), tree.root().to_string());
        match self.format.format {
            Format::Json => print_json(&json!({ "rows": rows, "root": root })),
            Format::Text => print_lines([
                format!("{shown}: {}, root {root}", counted(rows, "row", "rows")),
                "next: keep a head beside it, as `record head` prints it: only that tells later whether it is the newest copy"
                    .into(),
            ]),
        }
    }
}

/// Reads the copy as whoever restores it would.
async fn verify(copy: &Path) -> Result<RecordCheck, Failure> {
    let record = SqliteRecord::open_beside(copy).map_err(Failure::impossible)?;
    check_record(&record).await.map_err(Failure::impossible)
}

/// Under its own name only when it is complete and on the disk.
fn keep(copy: &Path, file: &Path, folder: &Path) -> std::io::Result<()> {
    File::open(copy)?.sync_all()?;
    renameat_with(CWD, copy, CWD, file, RenameFlags::NOREPLACE)?;
    File::open(folder)?.sync_all()
}

//! A place for one server: its folder, its key in a file, and its record.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use checkpoint::key::{Algorithm, ValidityWindow, parse_instant};
use checkpoint::signing::KeySecret;
use checkpoint_signer::record::Record;
use checkpoint_signer::record::postgres::PostgresRecord;
use checkpoint_signer::record::sqlite::SqliteRecord;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::postgres::Database;
use crate::process::family_cpu_seconds;
use crate::settings::StoreKind;

const BINARY: &str = env!("CARGO_BIN_EXE_checkpoint-signer");

const RECORD_FILE: &str = "record.sqlite";

/// The document of a key whose window holds every row of a filled record.
pub fn key_document(bits: usize) -> String {
    let at = |text| parse_instant(text).unwrap();
    let window = ValidityWindow::new(at("1990-01-01"), at("2099-01-01")).unwrap();
    let key_id = "load".parse().unwrap();
    let made = KeySecret::generate(key_id, window, Algorithm::Ps256, bits, None);
    made.unwrap().0.to_string()
}

pub struct Place {
    folder: TempDir,
    /// None when the record is a file in the folder.
    database: Option<Database<'static>>,
}

impl Place {
    /// Makes an empty record by `record init`.
    pub async fn make(store: StoreKind, key_document: &str) -> Self {
        let database = match store {
            StoreKind::Sqlite => None,
            StoreKind::Postgres => Some(Database::new().await),
        };
        let folder = tempfile::tempdir().unwrap();
        let place = Self { folder, database };
        let key = place.file("key.json");
        std::fs::write(&key, key_document).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let init = place.command(&["record", "init"]).output().unwrap();
        assert!(init.status.success(), "record init: {init:?}");
        place
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with its record, in the folder; without the caller's environment, which may change what it does.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let record = match &self.database {
            None => format!("sqlite:{RECORD_FILE}"),
            Some(database) => database.url(),
        };
        let mut command = Command::new(BINARY);
        command.args(arguments).args(["--record", &record]);
        command.current_dir(self.folder.path()).env_clear();
        command
    }

    /// The record, opened by this process.
    pub async fn open(&self) -> Arc<dyn Record> {
        match &self.database {
            None => Arc::new(SqliteRecord::open(&self.file(RECORD_FILE)).unwrap()),
            Some(database) => Arc::new(PostgresRecord::open(&database.address()).await.unwrap()),
        }
    }

    /// Does what the store would otherwise do after many rows in the middle of a measurement.
    pub async fn settle(&self) {
        match &self.database {
            None => {
                let connection = Connection::open(self.file(RECORD_FILE)).unwrap();
                let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
                let busy: bool = connection
                    .query_row(checkpoint, [], |row| row.get(0))
                    .unwrap();
                assert!(!busy, "the record is in use still");
            }
            Some(database) => {
                let client = database.client().await;
                client.batch_execute("VACUUM (ANALYZE)").await.unwrap();
                client.batch_execute("CHECKPOINT").await.unwrap();
            }
        }
    }

    /// A folder on the disk that makes the record durable.
    pub fn durable_folder(&self) -> &Path {
        match &self.database {
            None => self.folder.path(),
            Some(database) => &database.server.folder,
        }
    }

    /// CPU time of the database's processes; 0 without a database, whose work is the server's own.
    pub fn database_cpu_seconds(&self) -> f64 {
        let Some(database) = &self.database else {
            return 0.0;
        };
        let file = database.server.folder.join("data/postmaster.pid");
        let text = std::fs::read_to_string(file).unwrap();
        family_cpu_seconds(text.lines().next().unwrap().trim().parse().unwrap())
    }
}

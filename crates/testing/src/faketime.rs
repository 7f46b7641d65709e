//! Another day than today: for the whole test run, as `.ci/on-another-day` makes it, or for one program, by libfaketime.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

const NEED: &str =
    "libfaketime is needed: Debian's package, installed or by `apt-get download libfaketime`";

const NAME: &str = "libfaketimeMT.so.1";

/// The variables of libfaketime, where the tests themselves run under it. Nothing otherwise.
pub fn same_day() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        name == "LD_PRELOAD" || name.starts_with("FAKETIME")
    })
}

/// The variables by which a program, and those that it starts, has its clock begin at a time, `2028-02-29 11:00:00` (UTC).
pub fn beginning(time: &str) -> Vec<(&'static str, String)> {
    [common(), vec![("FAKETIME", format!("@{time}"))]].concat()
}

/// The same for a clock that is moved while the program runs: `set` writes the file.
pub fn moved_by(file: &Path) -> Vec<(&'static str, String)> {
    let file = ("FAKETIME_TIMESTAMP_FILE", file.display().to_string());
    [common(), vec![file, ("FAKETIME_NO_CACHE", "1".into())]].concat()
}

/// Moves a clock.
pub fn set(file: &Path, time: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, format!("@{time}\n")).expect("a file for the time");
    std::fs::rename(new, file).expect("its name");
}

fn common() -> Vec<(&'static str, String)> {
    static LIBRARY: LazyLock<PathBuf> = LazyLock::new(library);
    vec![
        ("LD_PRELOAD", LIBRARY.display().to_string()),
        // The clock that measures is the machine's.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ("TZ", "UTC".into()),
    ]
}

fn library() -> PathBuf {
    if let Some(installed) = find(Path::new("/usr/lib")) {
        return installed;
    }
    let folder = crate::kept().join("libfaketime");
    // Several test processes may want it at once. The lock ends with the file's handle.
    let lock = File::create(folder.with_extension("lock")).expect("a lock file");
    lock.lock().expect("the lock on libfaketime");
    std::fs::create_dir_all(&folder).expect("a folder");
    if find(&folder).is_none() {
        let fetch = "apt-get download libfaketime && for p in *.deb; do dpkg -x $p .; done";
        let mut shell = Command::new("sh");
        let said = shell.args(["-c", fetch]).current_dir(&folder).output();
        assert!(find(&folder).is_some(), "{NEED}: {said:?}");
    }
    find(&folder).expect(NEED)
}

fn find(folder: &Path) -> Option<PathBuf> {
    let files = walkdir::WalkDir::new(folder).into_iter().flatten();
    let mut files = files.map(walkdir::DirEntry::into_path);
    files.find(|path| path.ends_with(NAME))
}

//! The report to file away.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// A case of the vectors: its checkpoints, and the keyring that they are verified with.
fn history(name: &str) -> (Vec<String>, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/histories.json");
    let all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    let cases = all["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["name"] == name).unwrap();
    let checkpoints = case["checkpoints"].as_array().unwrap();
    let keyring = &all["keyrings"][case["keyring"].as_str().unwrap()];
    (checkpoints.iter().map(text).collect(), text(keyring))
}

struct Archive {
    folder: TempDir,
}

impl Archive {
    fn new(keyring: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("archive")).unwrap();
        std::fs::write(folder.path().join("keyring.json"), keyring).unwrap();
        Self { folder }
    }

    fn put(&self, name: &str, content: &str) {
        std::fs::write(self.folder.path().join("archive").join(name), content).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_checkpoint-verify"));
        command
            .args(arguments)
            .args(["--keys", "keyring.json"])
            .current_dir(self.folder.path())
            .env_clear();
        command
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    }

    fn page(&self) -> (Option<i32>, String) {
        self.run(&["archive", "--format", "html"])
    }
}

fn sha256(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same checkpoint, of another day, so that its signature is not over it.
fn on_day(checkpoint: &str, day: u32) -> String {
    let mut changed: Value = serde_json::from_str(checkpoint).unwrap();
    changed["timestamp"] = format!("2025-06-{day:02}T23:59:59Z").into();
    changed["checkpoint_id"] = format!("chk_changed_{day}").into();
    changed.to_string()
}

#[test]
fn the_headline_counts_and_faults_between_checkpoints_come_first() {
    let (checkpoints, keyring) = history("two hashes in one place");
    let archive = Archive::new(&keyring);
    archive.put("a.ndjson", &checkpoints.join("\n"));
    let (code, page) = archive.page();
    assert_eq!(code, Some(1), "{page}");
    assert!(
        page.contains(">Something is wrong: 2 of 2 checkpoints are signed, but contradicted</h1>"),
        "{page}"
    );
    archive.put("changed.json", &on_day(&checkpoints[0], 29));
    archive.put("readme.txt", "");
    let (code, page) = archive.page();
    assert_eq!(code, Some(1), "{page}");
    let headline = "Something is wrong: 1 of 3 checkpoints is not genuine; 2 are signed, but contradicted; 1 input was not checked<";
    assert!(page.contains(headline), "{page}");
    let at = |text: &str| page.find(text).unwrap();
    assert!(at("Signed, but contradicted (2)") < at("Not genuine (1)"));
    assert!(at("Not genuine (1)") < at("Not checked (1)"));
    assert!(at("Not checked (1)") < at("The keys"));
    // In the words of the service's page, beside those for programs.
    assert!(
        page.contains("Two histories <code>SECOND_HISTORY</code>"),
        "{page}"
    );
    assert!(
        page.contains("Changed, or not signed like this <code>INVALID_SIGNATURE</code>"),
        "{page}"
    );
}

/// What the table says of this: a count.
fn counted(page: &str, title: &str) -> Option<String> {
    let (_, row) = page.split_once(&format!("<th scope=\"row\">{title}"))?;
    let (_, cell) = row.split_once("<td>")?;
    cell.split_once("</td>").map(|(count, _)| count.to_owned())
}

#[test]
fn one_that_is_contradicted_is_not_counted_as_genuine_and_neither_are_its_copies() {
    let (days, keyring) = history("day by day");
    let (pair, _) = history("two hashes in one place");
    let archive = Archive::new(&keyring);
    archive.put("a.ndjson", &[&days[..], &pair[..]].concat().join("\n"));
    let (code, text) = archive.run(&["archive", "--format", "json"]);
    assert_eq!(code, Some(1), "{text}");
    let found: Value = serde_json::from_str(&text).unwrap();
    let summary = &found["summary"];
    let all = summary["valid"].as_u64().unwrap();
    let contradicted = summary["contradicted"].as_u64().unwrap();
    assert!((2..all).contains(&contradicted), "{summary}");
    let (_, page) = archive.page();
    let count = |title: &str| counted(&page, title).and_then(|count| count.parse().ok());
    assert_eq!(count("Genuine"), Some(all - contradicted), "{page}");
    assert_eq!(count("Signed, but contradicted"), Some(contradicted));
    let of_ledger = format!("<dt>Genuine</dt><dd>{}</dd>", all - contradicted);
    assert_eq!(page.matches(&of_ledger).count(), 1, "{page}");

    // The same ones once more.
    archive.put("b.ndjson", &pair.join("\n"));
    let (_, page) = archive.page();
    let count = |title: &str| counted(&page, title).and_then(|count| count.parse().ok());
    assert_eq!(count("Genuine"), Some(all - contradicted), "{page}");
    assert_eq!(count("Signed, but contradicted"), Some(contradicted + 2));
    assert!(
        page.contains("3 checkpoints are there once more, unchanged"),
        "{page}"
    );
}

#[test]
fn whom_only_files_name_that_are_not_genuine_is_told_as_a_claim() {
    let (days, keyring) = history("day by day");
    let archive = Archive::new(&keyring);
    archive.put("a.ndjson", &days.join("\n"));
    let (_, page) = archive.page();
    assert!(!page.contains("only claimed"), "{page}");
    assert!(!page.contains("those that are not genuine"), "{page}");
    let mut other: Value = serde_json::from_str(&days[0]).unwrap();
    other["ledger_id"] = "org_framed".into();
    archive.put("b.json", &other.to_string());
    archive.put("c.json", &on_day(&days[0], 29));
    let (code, page) = archive.page();
    assert_eq!(code, Some(1), "{page}");
    let (known, claimed) = page
        .split_once("Ledgers that are only claimed (1)")
        .unwrap();
    let (_, known) = known.split_once("By ledger").unwrap();
    assert!(
        known.contains("org_xyz789") && !known.contains("org_framed"),
        "{known}"
    );
    assert!(
        known.contains("<dt>Not genuine, and claimed for it</dt><dd>1</dd>"),
        "{known}"
    );
    assert!(
        claimed.contains("<code>org_framed</code>: 1 checkpoint<"),
        "{claimed}"
    );
    assert!(page.contains("those that are not genuine"), "{page}");
}

#[test]
fn times_stand_there_as_the_page_tells_them() {
    let (days, keyring) = history("two hashes in one place");
    let archive = Archive::new(&keyring);
    archive.put("a.ndjson", &days.join("\n"));
    archive.put("c.json", &on_day(&days[0], 29));
    let (_, page) = archive.page();
    assert!(page.contains(" UTC</dd>"), "{page}");
    let iso = page.split(|c: char| !c.is_ascii_alphanumeric() && !"-:".contains(c));
    let found: Vec<&str> = iso.filter(|word| word.ends_with(":00Z")).collect();
    assert_eq!(found, [""; 0], "{page}");
}

#[test]
fn each_line_names_ledger_checkpoint_file_and_line() {
    let (checkpoints, keyring) = history("two hashes in one place");
    let archive = Archive::new(&keyring);
    let lines = [&checkpoints[..], &[on_day(&checkpoints[0], 29)]].concat();
    archive.put("a.ndjson", &lines.join("\n"));
    let (_, page) = archive.page();
    for place in [
        "archive/a.ndjson:1",
        "archive/a.ndjson:2",
        "archive/a.ndjson:3",
    ] {
        let where_ = format!("<dt>Where</dt><dd><code>{place}</code></dd>");
        assert_eq!(page.matches(&where_).count(), 1, "{place}: {page}");
    }
    let named = "<dt>Ledger</dt><dd><code>org_xyz789</code></dd></div><div><dt>Checkpoint</dt><dd><code>chk_changed_29</code>";
    assert!(page.contains(named), "{page}");
    assert_eq!(page.matches("<dt>Checkpoint</dt>").count(), 3, "{page}");
}

#[test]
fn a_day_whose_checkpoint_is_not_genuine_is_not_also_a_day_without_one() {
    let (checkpoints, keyring) = history("a day is missing");
    let archive = Archive::new(&keyring);
    archive.put("a.ndjson", &checkpoints.join("\n"));
    let (code, page) = archive.page();
    assert_eq!(code, Some(0), "{page}");
    assert!(page.contains("Days without a checkpoint (1)"), "{page}");
    let changed = on_day(&checkpoints[0], 2);
    archive.put("changed.json", &changed);
    let (code, page) = archive.page();
    assert_eq!(code, Some(1), "{page}");
    assert!(
        page.contains("chk_changed_2<") && !page.contains("without a checkpoint"),
        "{page}"
    );
    // Two for that day, and one for a day that has a genuine one, are no more than that.
    archive.put("again.json", &changed.replace("T23:", "T22:"));
    archive.put("other.json", &on_day(&checkpoints[0], 1));
    let (_, text) = archive.run(&["archive"]);
    let told = "1 day without a checkpoint between 2025-06-01T23:59:59Z (chk_2025-06-01) and 2025-06-03T23:59:59Z (chk_2025-06-03); \
                for 1 of them there is one that is not valid";
    assert!(text.contains(told), "{text}");

    // Of a month, the other days are still told.
    let (checkpoints, keyring) = history("a month is missing, later ones first");
    let archive = Archive::new(&keyring);
    archive.put("a.ndjson", &checkpoints.join("\n"));
    archive.put("changed.json", &on_day(&checkpoints[0], 2));
    archive.put("changed-too.json", &on_day(&checkpoints[0], 3));
    let (_, page) = archive.page();
    assert!(
        page.contains("26 days without a checkpoint between"),
        "{page}"
    );
    assert!(
        page.contains("; for 2 of them there is one that is not valid"),
        "{page}"
    );
}

#[test]
fn it_names_what_was_read_by_its_sha_256_and_the_program_by_its_version() {
    let (checkpoints, keyring) = history("day by day");
    let archive = Archive::new(&keyring);
    let lines = checkpoints.join("\n");
    archive.put("a.ndjson", &lines);
    archive.put("b.json", &checkpoints[0]);
    let (code, page) = archive.page();
    assert_eq!(code, Some(0), "{page}");
    let (a, b) = (sha256(lines.as_bytes()), sha256(checkpoints[0].as_bytes()));
    let list = format!("{a}  archive/a.ndjson\n{b}  archive/b.json\n");
    for told in [a, b, sha256(list.as_bytes()), sha256(keyring.as_bytes())] {
        assert!(page.contains(&told), "{told}: {page}");
    }
    let version = concat!("by checkpoint-verify ", env!("CARGO_PKG_VERSION"));
    assert!(page.contains(version), "{page}");

    // A file by itself, one that is compressed (as it stands), and what can be read once alone.
    let mut child = archive
        .command(&["archive/b.json", "-", "--format", "html"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, lines.as_bytes()).unwrap();
    drop(input);
    let page = child.wait_with_output().unwrap().stdout;
    let page = String::from_utf8(page).unwrap();
    for told in [sha256(checkpoints[0].as_bytes()), sha256(lines.as_bytes())] {
        assert!(page.contains(&told), "{told}: {page}");
    }
    assert!(page.contains("standard input (-)"), "{page}");
}

#[test]
fn what_was_not_read_to_its_end_has_no_sha_256() {
    let (_, keyring) = history("day by day");
    let archive = Archive::new(&keyring);
    let page = archive
        .command(&["archive/none.json", "-", "--format", "html"])
        .stdin(Stdio::from(std::fs::File::open("/dev/null").unwrap()))
        .output()
        .unwrap()
        .stdout;
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("Nothing was checked"), "{page}");
    assert!(page.contains("<code>archive/none.json</code>"), "{page}");
    assert!(page.contains("<code>none: "), "{page}");
}

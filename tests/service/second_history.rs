//! Whoever has the key in force can sign a second history, and a head over it: `verify --log` finds it all the same.

use std::path::Path;

use checkpoint::checkpoint::Checkpoint;
use checkpoint::jws::SignedCheckpoint;
use checkpoint::key::{Algorithm, ValidityWindow, parse_instant};
use checkpoint::keyring::Keyring;
use checkpoint::log::head::SignedHead;
use checkpoint::log::proof::TreeHead;
use checkpoint::log::tree::{Frontier, TreeHash};
use checkpoint::signing::{KeySecret, SigningKey};
use serde_json::{Value, json};

/// The days of a ledger, as they are signed one after the other.
struct Thief(SigningKey);

/// A row: its name, its day in January, its entries, its volume, and the minute in which it was signed.
type Row = (&'static str, u32, u64, i64, u32);

const SOUND: [Row; 3] = [
    ("chk_1", 1, 10, 100, 1),
    ("chk_2", 2, 20, 200, 2),
    ("chk_3", 3, 30, 300, 3),
];

impl Thief {
    fn new() -> Self {
        let at = |text| parse_instant(text).unwrap();
        let window = ValidityWindow::new(at("2025-01-01"), at("2026-01-01")).unwrap();
        let name = "key-2025".parse().unwrap();
        let (secret, _) = KeySecret::generate(name, window, Algorithm::Ps256, 2048, None).unwrap();
        Self(KeySecret::parse(&secret, None).unwrap().into_signing_key())
    }

    fn row(&self, row: Row) -> String {
        self.row_at(row, &format!("2025-02-01T00:{:02}:00Z", row.4))
    }

    fn row_at(&self, (id, day, count, volume, _): Row, signed_at: &str) -> String {
        let json = json!({
            "checkpoint_id": id, "ledger_id": "org_1", "timestamp": format!("2025-01-{day:02}T23:59:59Z"),
            "cumulative_hash": format!("sha256:{}", "0a".repeat(32)), "entry_count": count,
            "total_volume": volume, "organization_summaries": [],
        });
        let checkpoint = Checkpoint::from_json(json.to_string().as_bytes()).unwrap();
        let iat = parse_instant(signed_at).unwrap();
        let jws = self.0.open_at(iat).unwrap().sign(checkpoint.payload());
        let jws = jws.unwrap();
        SignedCheckpoint { checkpoint, jws }.published_json()
    }

    /// An export of these rows, and a head over the first of them.
    fn write(&self, folder: &Path, rows: &[String], covered: usize, resumptions: Value) {
        self.write_at(folder, rows, covered, resumptions, "2025-03-01");
    }

    fn write_at(
        &self,
        folder: &Path,
        rows: &[String],
        covered: usize,
        resumptions: Value,
        signed_at: &str,
    ) {
        let tree = |rows: &[String]| {
            let mut tree = Frontier::default();
            rows.iter()
                .for_each(|row| tree.push(TreeHash::leaf(row.as_bytes())));
            tree
        };
        let mut keyring = Keyring::default();
        keyring.insert(self.0.version().clone()).unwrap();
        std::fs::write(folder.join("keys.json"), keyring.to_jwks()).unwrap();
        let mut first = json!({
            "record_export": 1, "rows": rows.len(), "root": tree(rows).root().to_string(), "keyring": { "keys": [] },
        });
        if resumptions != json!([]) {
            first["clock_resumptions"] = resumptions;
        }
        let text = format!("{first}\n{}\n", rows.join("\n"));
        std::fs::write(folder.join("export.ndjson"), text).unwrap();
        let key = self.0.open_at(parse_instant(signed_at).unwrap()).unwrap();
        let tree = tree(&rows[..covered]);
        let tree = TreeHead {
            size: tree.size(),
            root: tree.root(),
        };
        let head = SignedHead::sign(&key, &"a-record".parse().unwrap(), tree).unwrap();
        std::fs::write(folder.join("head.jws"), head.jws().compact()).unwrap();
    }
}

fn run(folder: &Path, arguments: &str) -> (i32, String) {
    let mut command = crate::starter::binary();
    let command = command.args(arguments.split(' ')).current_dir(folder);
    let output = command.output().unwrap();
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), shown)
}

const IN_LOG: &str = "verify --log export.ndjson --record-head head.jws --keys keys.json";

#[test]
fn a_second_history_is_found_under_a_head_and_beyond_it() {
    let (thief, folder) = (Thief::new(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let sound: Vec<String> = SOUND.map(|row| thief.row(row)).to_vec();
    let none = || json!([]);
    thief.write(folder, &sound, 3, none());
    let (code, shown) = run(folder, IN_LOG);
    assert_eq!(code, 0, "{shown}");
    let cases = [
        (thief.row(("chk_2", 4, 40, 400, 4)), "SECOND_CONTENT", 3),
        (thief.row(("chk_3b", 4, 30, 301, 4)), "SECOND_HISTORY", 4),
        (thief.row(("chk_4", 4, 25, 400, 4)), "ENTRY_COUNT_FELL", 4),
        (thief.row(("chk_4", 2, 40, 400, 4)), "TIMESTAMP_FELL", 4),
        (thief.row(("chk_4", 4, 40, 400, 1)), "CLOCK_WENT_BACK", 4),
        (sound[0].clone(), "ROW_TWICE", 2),
    ];
    for (row, name, first) in cases {
        let rows = [&sound[..], &[row]].concat();
        // Under a head, and beyond one.
        for covered in [4, 3] {
            thief.write(folder, &rows, covered, none());
            let (code, shown) = run(folder, IN_LOG);
            let lines = format!("{name:<18} export.ndjson:{first}, export.ndjson:5: ");
            assert!(code == 1 && shown.contains(&lines), "{name}\n{shown}");
            assert!(shown.contains("COVERED            export"), "{shown}");
            let (code, shown) = run(folder, &format!("{IN_LOG} --format json"));
            let found: Value = serde_json::from_str(&shown).unwrap();
            let faults = found["faults"].as_array().unwrap();
            let told = faults.iter().any(|fault| fault["finding"] == name);
            assert!(code == 1 && told, "{shown}");
        }
    }
}

#[test]
fn times_that_begin_again_where_the_first_line_says_so_are_told_with_whose_word_that_is() {
    let (thief, folder) = (Thief::new(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let mut rows: Vec<String> = SOUND.map(|row| thief.row(row)).to_vec();
    rows.push(thief.row(("chk_4", 4, 40, 400, 1)));
    let seconds = |text: &str| parse_instant(text).unwrap().timestamp();
    let resumptions = json!([{
        "after_rows": 3, "newest_signed_at": seconds("2025-02-01T00:03:00Z"),
        "resumed_from": seconds("2025-02-01T00:00:30Z"), "by": "ops", "reason": "ran ahead",
    }]);
    thief.write(folder, &rows, 4, resumptions);
    let (code, shown) = run(folder, IN_LOG);
    let told = "after row 3 the times begin again from 2025-02-01T00:00:30Z, by ops (ran ahead)";
    assert!(code == 0 && shown.contains(told), "{shown}");
    // Without a head as well, in every form.
    let plain = "verify export.ndjson --keys keys.json";
    let (code, shown) = run(folder, plain);
    let line = format!("CLOCK_RESUMED      export.ndjson: {told}");
    assert!(code == 0 && shown.contains(&line), "{shown}");
    let (code, shown) = run(folder, &format!("{plain} --format json"));
    let found: Value = serde_json::from_str(&shown).unwrap();
    let note = &found["notes"][0];
    assert_eq!((code, &note["finding"]), (0, &json!("CLOCK_RESUMED")));
    assert!(note["explanation"].as_str().unwrap().contains(told));
    // For people, times are as the page has them.
    let for_people = "the times begin again from 1 February 2025, 00:00:30 UTC, by ops (ran ahead)";
    for (format, told) in [("ndjson", told), ("html", for_people)] {
        let (code, shown) = run(folder, &format!("{plain} --format {format}"));
        assert!(code == 0 && shown.contains(told), "{shown}");
    }
}

#[test]
fn rows_that_are_dated_in_the_future_are_noted() {
    let at = |text| parse_instant(text).unwrap();
    let window = ValidityWindow::new(at("9000-01-01"), at("9001-01-01")).unwrap();
    let name = "key-9000".parse().unwrap();
    let (secret, _) = KeySecret::generate(name, window, Algorithm::Ps256, 2048, None).unwrap();
    let key = KeySecret::parse(&secret, None).unwrap().into_signing_key();
    let thief = Thief(key);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let row = thief.row_at(SOUND[0], "9000-02-01T00:00:00Z");
    thief.write_at(folder, &[row], 1, json!([]), "9000-03-01");
    let plain = "verify export.ndjson --keys keys.json";
    let (code, shown) = run(folder, plain);
    let told = "DATED_AHEAD        1 checkpoint is signed at times that are yet to come, the first in export.ndjson:2 at \
                9000-02-01T00:00:00Z";
    assert!(code == 0 && shown.contains(told), "{shown}");
    let (code, shown) = run(folder, &format!("{plain} --format json"));
    let found: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (code, &found["notes"][0]["finding"]),
        (0, &json!("DATED_AHEAD"))
    );
    let (code, shown) = run(folder, IN_LOG);
    let told = "NOTE               export.ndjson: line 2 is signed at 9000-02-01T00:00:00Z";
    assert!(code == 0 && shown.contains(told), "{shown}");
    let (code, shown) = run(folder, &format!("{IN_LOG} --format json"));
    let found: Value = serde_json::from_str(&shown).unwrap();
    assert!(code == 0 && found["dated_ahead"].is_string(), "{shown}");
}

#[test]
fn an_export_whose_first_line_has_another_root_is_not_whole_without_a_head_either() {
    let (thief, folder) = (Thief::new(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let rows: Vec<String> = SOUND.map(|row| thief.row(row)).to_vec();
    thief.write(folder, &rows, 3, json!([]));
    let plain = "verify export.ndjson --keys keys.json";
    let (code, shown) = run(folder, plain);
    assert_eq!(code, 0, "{shown}");
    let sound = std::fs::read_to_string(folder.join("export.ndjson")).unwrap();
    let lines: Vec<&str> = sound.lines().collect();
    let moved = [lines[0], lines[2], lines[1], lines[3]].join("\n");
    std::fs::write(folder.join("export.ndjson"), moved).unwrap();
    let (code, shown) = run(folder, plain);
    let told = "NOT_WHOLE          export.ndjson: its first line says";
    assert!(code == 1 && shown.contains(told), "{shown}");
    for format in ["json", "ndjson", "html"] {
        let (code, shown) = run(folder, &format!("{plain} --format {format}"));
        let told = "export.ndjson: its first line says that the 3 rows have the root";
        assert!(code == 1 && shown.contains(told), "{shown}");
    }
}

//! The lines of an export as other programs leave them: `verify`, with and without a head, `record import` and `record restore`
//! take and refuse the same, and say what it is.

use std::path::Path;

use checkpoint::keyring::Keyring;
use checkpoint::log::head::SignedHead;
use checkpoint::log::proof::TreeHead;
use checkpoint::log::tree::{Frontier, TreeHash};
use checkpoint::signing::SigningKey;
use serde_json::Value;

use crate::support::at;
use crate::transfer::{NOON, empty, exported, fingerprint};
use testing::record::key;

/// The exit code, and all that was printed.
fn run(folder: &Path, arguments: &str) -> (i32, String) {
    let mut command = crate::starter::binary();
    let output = command.args(arguments.split(' ')).current_dir(folder);
    let output = output.output().unwrap();
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), shown)
}

/// A keyring and a head over the lines.
fn put_head(folder: &Path, key: &SigningKey, rows: &[&str]) {
    let mut keyring = Keyring::default();
    keyring.insert(key.version().clone()).unwrap();
    std::fs::write(folder.join("keys.json"), keyring.to_jwks()).unwrap();
    let mut tree = Frontier::default();
    rows.iter()
        .for_each(|row| tree.push(TreeHash::leaf(row.as_bytes())));
    let tree = TreeHead {
        size: tree.size(),
        root: tree.root(),
    };
    let open = key.open_at(at(NOON)).unwrap();
    let head = SignedHead::sign(&open, &"a-record".parse().unwrap(), tree).unwrap();
    std::fs::write(folder.join("head.jws"), head.jws().compact()).unwrap();
}

const VERIFY: &str = "verify lines.ndjson --keys keys.json";
const IN_LOG: &str = "verify --log lines.ndjson --record-head head.jws --keys keys.json";

/// What each command does with an export: the exit code, and a part of what it says.
struct Case {
    text: String,
    verify: (i32, &'static str),
    in_log: (i32, &'static str),
    import: (i32, &'static str),
}

#[tokio::test]
async fn an_export_is_taken_and_refused_alike_by_whoever_reads_it() {
    let (folder, export) = exported().await;
    let text = std::fs::read_to_string(export).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    put_head(folder.path(), &key(), &lines[1..]);
    let with = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines.insert(at, line);
        lines.join("\n")
    };
    let other_form = lines[4].replacen('{', "{ ", 1);
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(3_000_000));
    let taken = |text: String| Case {
        text,
        verify: (0, "25 VALID"),
        in_log: (0, "COVERED"),
        import: (0, "25 rows, 0 of them"),
    };
    let cases = [
        taken(text.clone()),
        taken(text.replace('\n', "\r\n")),
        taken(text.replace('\n', " \t \n")),
        taken(text.trim_end().to_owned()),
        Case {
            text: with(3, ""),
            verify: (
                1,
                "lines.ndjson:4: this is not a signed checkpoint: json: is empty",
            ),
            in_log: (
                1,
                "lines.ndjson:4: this is not a signed checkpoint: json: is empty",
            ),
            import: (2, "line 4: is empty; expected a row"),
        },
        Case {
            text: format!("{text} \n"),
            verify: (
                1,
                "lines.ndjson:27: this is not a signed checkpoint: json: is empty",
            ),
            in_log: (
                1,
                "lines.ndjson:27: this is not a signed checkpoint: json: is empty",
            ),
            import: (2, "line 27: is empty; expected a row"),
        },
        Case {
            text: format!("\u{feff}{text}"),
            verify: (1, "json: begins with a byte order mark (BOM)"),
            in_log: (2, "line 1: begins with a byte order mark (BOM)"),
            import: (2, "line 1: begins with a byte order mark (BOM)"),
        },
        Case {
            text: text.replace(lines[4], &other_form),
            verify: (
                1,
                "NOT_WHOLE          lines.ndjson: line 5 is not in its canonical form",
            ),
            in_log: (
                1,
                "NOT_WHOLE          lines.ndjson: line 5 is not in its canonical form",
            ),
            import: (2, "line 5: is not in its canonical form"),
        },
        Case {
            text: with(9, &long),
            verify: (
                1,
                "lines.ndjson:10: this is not a signed checkpoint: json: is longer than 1048576 bytes",
            ),
            in_log: (2, "line 10: is longer than 1048576 bytes"),
            import: (2, "line 10: is longer than 1048576 bytes"),
        },
        Case {
            text: with(26, lines[25]),
            verify: (
                1,
                "NOT_WHOLE          lines.ndjson: its first line says that 25 rows were exported, and it has 26",
            ),
            in_log: (
                1,
                "NOT_WHOLE          lines.ndjson: its first line says 25 rows",
            ),
            import: (1, "the export is wrong"),
        },
        Case {
            text: lines[..25].join("\n"),
            verify: (
                1,
                "NOT_WHOLE          lines.ndjson: its first line says that 25 rows were exported, and it has 24",
            ),
            in_log: (
                1,
                "NOT_WHOLE          lines.ndjson: its first line says 25 rows",
            ),
            import: (1, "rows: is 25, but 24 rows follow"),
        },
    ];
    for (number, case) in cases.iter().enumerate() {
        std::fs::write(folder.path().join("lines.ndjson"), &case.text).unwrap();
        let place = empty(&folder, &format!("record-{number}.sqlite"));
        let trust = fingerprint();
        let import = format!(
            "record import lines.ndjson --record {place} --trust {trust} --believe-revocations"
        );
        for (asked, expected) in [
            (VERIFY, case.verify),
            (IN_LOG, case.in_log),
            (&import, case.import),
        ] {
            let (code, shown) = run(folder.path(), asked);
            assert!(
                code == expected.0 && shown.contains(expected.1),
                "{number}: {asked}: expected {expected:?}: {code}: {shown}"
            );
            assert!(!shown.contains("were not checked"), "{shown}");
        }
    }
}

#[tokio::test]
async fn all_rows_of_an_export_with_too_many_or_too_few_are_checked() {
    let (folder, export) = exported().await;
    let text = std::fs::read_to_string(export).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    put_head(folder.path(), &key(), &lines[1..]);
    let more = format!("{text}{}\n", lines[25]);
    for (text, rows) in [(more, 26), (lines[..21].join("\n"), 20)] {
        std::fs::write(folder.path().join("lines.ndjson"), text).unwrap();
        let output = crate::starter::binary()
            .args(format!("{VERIFY} --format json").split(' '))
            .current_dir(folder.path())
            .output()
            .unwrap();
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{found}");
        assert_eq!(found["summary"]["verdicts"]["VALID"], rows, "{found}");
        assert_eq!(found["not_checked"], serde_json::json!([]), "{found}");
        assert_eq!(found["faults"][0]["finding"], "NOT_WHOLE", "{found}");
    }
}

#[tokio::test]
async fn published_lines_are_restored_whatever_ends_them() {
    let (folder, export) = exported().await;
    let text = std::fs::read_to_string(export).unwrap();
    let (_, rows) = text.split_once('\n').unwrap();
    let changed = rows.replacen('\n', "\n\n", 2);
    for (text, code, told) in [
        (
            rows.replace('\n', "\r\n"),
            0,
            "0 of 25 checkpoints were added",
        ),
        (
            rows.replace('\n', "  \n"),
            0,
            "0 of 25 checkpoints were added",
        ),
        (
            changed,
            2,
            "line 2: json: is empty; expected an object; nothing was restored",
        ),
        (
            format!("\u{feff}{rows}"),
            2,
            "line 1: json: begins with a byte order mark (BOM)",
        ),
    ] {
        std::fs::write(folder.path().join("rows.ndjson"), &text).unwrap();
        let restored = run(
            folder.path(),
            "record restore rows.ndjson --record sqlite:record.sqlite",
        );
        assert!(
            restored.0 == code && restored.1.contains(told),
            "{told}: {restored:?}"
        );
    }
}

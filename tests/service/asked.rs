//! What was asked for and not checked is an exit of 2, in words and in JSON; evidence hides nothing, and fakes no line.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A folder with a keyring, a valid checkpoint, and one that was changed.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let golden = Path::new(ROOT).join("tests/golden");
        std::fs::copy(golden.join("keyring.json"), folder.at("keys")).unwrap();
        let published = std::fs::read_to_string(golden.join("PS256.published.json")).unwrap();
        let unsigned = std::fs::read_to_string(golden.join("checkpoint.json")).unwrap();
        folder.put("unsigned.json", &unsigned);
        folder.put("valid.json", &published);
        folder.put("forged.json", &published.replacen("chk_", "chk-", 1));
        for name in [
            "e_forged.ndjson",
            "f3_rolledback.jws",
            "h12.jws",
            "h7.jws",
            "kr.json",
        ] {
            let from = Path::new(ROOT).join("tests/service/log").join(name);
            std::fs::copy(from, folder.at(name)).unwrap();
        }
        folder
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn put(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        std::fs::write(self.at(name), text).unwrap();
    }

    fn text(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.at(name)).unwrap();
        text.trim_end().to_owned()
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = crate::starter::binary();
        command
            .args(arguments.split(' '))
            .current_dir(self.0.path());
        command
    }

    /// The exit code, and all that was printed.
    pub fn run(&self, arguments: &str) -> (i32, String) {
        ended(&mut self.command(arguments))
    }

    /// The exit code, and the JSON on standard output.
    fn json(&self, arguments: &str) -> (i32, Value) {
        let output = self.command(arguments).output().unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        let value = serde_json::from_str(&shown);
        let value = value.unwrap_or_else(|error| panic!("{arguments}: {error}: {shown:?}"));
        (output.status.code().unwrap(), value)
    }
}

fn ended(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), shown)
}

#[test]
fn rows_beyond_a_head_are_verified_and_those_that_are_wrong_are_named() {
    let folder = Folder::new();
    let ask = "verify --log e_forged.ndjson --record-head h7.jws --keys kr.json";
    let (code, shown) = folder.run(ask);
    assert_eq!(code, 1, "{shown}");
    for part in [
        "e_forged.ndjson:9: ",
        "MALFORMED          e_forged.ndjson:10: ",
        "the first 7 of 9 rows",
        "rows 8 to 9 are beyond the head: each was verified",
        "NOT_WHOLE          e_forged.ndjson: its first line says 12 rows",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let (code, found) = folder.json(&format!("{ask} --format json"));
    assert_eq!(
        (code, &found["covered"], &found["rows"]),
        (1, &7.into(), &9.into())
    );
    assert_eq!(found["faults"][0]["line"], 9);
    assert_eq!(found["verdicts"]["VALID"], 7);
    // Rows that only were cut off are missed, too.
    let text = folder.text("e_forged.ndjson");
    let seven: Vec<&str> = text.lines().take(8).collect();
    folder.put("cut.ndjson", &format!("{}\n", seven.join("\n")));
    let (code, shown) = folder.run(&ask.replace("e_forged", "cut"));
    assert!(code == 1 && shown.contains("NOT_WHOLE"), "{shown}");
    let (code, shown) = folder.run("verify cut.ndjson --keys kr.json");
    assert!(
        code == 1 && shown.contains("NOT_WHOLE          cut.ndjson: its first line says that 12 rows were exported, and it has 7"),
        "{shown}"
    );
}

#[test]
fn a_record_that_went_back_is_found_by_its_heads_without_a_service() {
    let folder = Folder::new();
    let ask = |from: &str, to: &str| {
        format!(
            "record consistency --from {from} --to {to} --keys kr.json --server http://127.0.0.1:1"
        )
    };
    // Whichever is called the later one: the smaller was signed after the larger.
    for (from, to) in [
        ("h12.jws", "f3_rolledback.jws"),
        ("f3_rolledback.jws", "h12.jws"),
    ] {
        let (code, shown) = folder.run(&ask(from, to));
        assert!(
            code == 1 && shown.contains("NOT ONE RECORD: the record went back"),
            "{shown}"
        );
        assert!(
            shown.contains("12 rows, signed at") && shown.contains("3 rows, signed at"),
            "{shown}"
        );
        let (code, found) = folder.json(&format!("{} --format json", ask(from, to)));
        assert_eq!((code, &found["consistent"]), (1, &false.into()));
        assert!(found["explanation"].as_str().unwrap().contains("went back"));
    }
    // The wrong way round is told by the times of signing.
    let (code, shown) = folder.run(&ask("h12.jws", "h7.jws"));
    assert!(
        code == 2 && shown.contains("the wrong way round"),
        "{shown}"
    );
    let (code, found) = folder.json(&format!("{} --format json", ask("h12.jws", "h7.jws")));
    assert_eq!((code, &found["consistent"]), (2, &Value::Null));
    assert!(
        found["not_checked"][0]
            .as_str()
            .unwrap()
            .contains("wrong way round")
    );
    // The same head twice needs no service; two that grew do.
    assert_eq!(folder.run(&ask("h7.jws", "h7.jws")).0, 0);
    assert_eq!(folder.run(&ask("h7.jws", "h12.jws")).0, 2);
    // Nothing is said of a head that was changed.
    folder.put(
        "changed.jws",
        &folder.text("h12.jws").replacen("pZm6", "pZm7", 1),
    );
    let (code, shown) = folder.run(&ask("changed.jws", "f3_rolledback.jws"));
    assert!(
        code == 1 && shown.contains("changed.jws: the head is INVALID_SIGNATURE"),
        "{shown}"
    );
}

#[test]
fn an_export_is_verified_by_itself_and_what_would_not_be_is_told() {
    let folder = Folder::new();
    let ask = "verify --log e_forged.ndjson --record-head h7.jws --keys kr.json";
    for more in ["valid.json", "--proof valid.json"] {
        let (code, shown) = folder.run(&format!("{ask} {more}"));
        assert_eq!(code, 2, "{shown}");
        assert!(
            shown.contains("--log: all rows of the export are checked, and FILE or --proof"),
            "{shown}"
        );
    }
}

#[test]
fn no_flag_is_ignored_silently() {
    let folder = Folder::new();
    let refused = [
        (
            "verify valid.json --keys keys --record-head h7.jws",
            "--record-head: ",
        ),
        (
            "verify valid.json --keys keys --server http://127.0.0.1:1",
            "--server: ",
        ),
        (
            "verify valid.json --keys keys --server-ca keys",
            "--server-ca: ",
        ),
        (
            "verify --log e_forged.ndjson --record-head h7.jws --keys kr.json --ledger org_1",
            "--ledger: ",
        ),
        (
            "verify --log e_forged.ndjson --record-head h7.jws --keys kr.json --since 2025-01-01",
            "--since: ",
        ),
        (
            "verify --proof h7.jws --keys kr.json --until 2025-01-01",
            "--until: ",
        ),
        (
            "verify valid.json --keys keys --since 2025-01-02 --until 2025-01-01",
            "--since: ",
        ),
        (
            "verify valid.json --server http://127.0.0.1:1 --client-certificate a --client-key b",
            "--client-certificate: ",
        ),
        (
            "keys list --server http://127.0.0.1:1 --server-ca keys",
            "--server-ca: ",
        ),
        (
            "sign unsigned.json --server http://127.0.0.1:1 --server-ca keys",
            "--server-ca: ",
        ),
        (
            "health --server http://127.0.0.1:1 --server-ca keys",
            "--server-ca: ",
        ),
        ("rollover status --server-ca keys", "--server-ca: "),
        ("serve --record sqlite:none --data elsewhere", "--data: "),
        (
            "serve --record sqlite:none --public-url https://a.example",
            "--public-url: ",
        ),
        (
            "serve --record sqlite:none --server-ca keys",
            "--server-ca: ",
        ),
        (
            "serve --record sqlite:none --tls-minimum 1.2",
            "--tls-certificate",
        ),
        (
            "serve --record sqlite:none --source file:none --read-older-versions",
            "--read-older-versions: ",
        ),
        (
            "serve --dev --environment prod --grpc 127.0.0.1:0",
            "--environment: ",
        ),
    ];
    for (arguments, says) in refused {
        let (code, shown) = folder.run(arguments);
        assert!(
            code == 2 && shown.contains(says),
            "{arguments}: {code} {shown}"
        );
    }
    let made = ["record", "init", "--record", "sqlite:record.sqlite"];
    assert_eq!(folder.run(&made.join(" ")).0, 0);
    for flag in [
        "--algorithm RS256",
        "--key-id k --valid-from 2025-01-01 --valid-until 2026-01-01",
    ] {
        let (code, shown) = folder.run(&format!(
            "keys import keys --record sqlite:record.sqlite {flag}"
        ));
        assert!(
            code == 2 && shown.contains("would not be used"),
            "{flag}: {shown}"
        );
    }
    let (code, shown) = folder.run("keys import keys --record sqlite:record.sqlite");
    assert!(code == 1 && shown.contains("--trust sha256:"), "{shown}");
    // The environment is set for many commands: it is told, but for where a service is.
    let mut command = folder.command("verify valid.json --keys keys");
    command.env("CHECKPOINT_SIGNER_SERVER", "http://127.0.0.1:1");
    let (code, shown) = ended(command.env("CHECKPOINT_SIGNER_RECORD_HEAD", "h7.jws"));
    let told = "--record-head, which the environment sets, is not used";
    assert!(code == 0 && shown.contains(told), "{shown}");
    assert!(!shown.contains("--server"), "{shown}");
    // Who names a service sees what keeps it from being asked.
    let mut command = folder.command("verify valid.json --server http://127.0.0.1:1");
    let (code, shown) = ended(command.env("CHECKPOINT_SIGNER_KEYS", "keys"));
    let told = "--server: would not be used: --keys verifies offline, and asks no service; give one of them \
                (the environment sets --keys)";
    assert!(code == 2 && shown.contains(told), "{shown}");
}

#[test]
fn nothing_hides_a_checkpoint() {
    let folder = Folder::new();
    let (valid, forged) = (folder.text("valid.json"), folder.text("forged.json"));
    let members = r#""record_export":1,"rows":1,"root":"00","keyring":{"keys":[]}"#;
    for hidden in [
        forged.replacen('{', r#"{"record_export":1,"#, 1),
        forged.replacen('{', &format!("{{{members},"), 1),
        r#"{"record_export":1,"rows":1}"#.to_owned(),
    ] {
        for name in ["lines.ndjson", "lines.json"] {
            folder.put(name, &format!("{hidden}\n{valid}\n"));
            let (code, shown) = folder.run(&format!("verify {name} --keys keys"));
            assert!(
                code == 1 && shown.contains(&format!("{name}:1: ")),
                "{hidden}: {shown}"
            );
            assert!(shown.contains("2 checkpoints"), "{shown}");
        }
    }
}

#[test]
fn what_was_not_read_is_named_and_ends_in_2() {
    let folder = Folder::new();
    let valid = folder.text("valid.json");
    folder.put("archive/a.JSON", &valid);
    folder.put("archive/b.txt", &valid);
    folder.put("archive/c.ndjson.gz", "\u{1f}");
    folder.put("archive/d.json", "");
    folder.put("archive/deep/e.json", " \n\n");
    std::os::unix::fs::symlink(folder.at("forged.json"), folder.at("archive/f.json")).unwrap();
    std::os::unix::fs::symlink(folder.0.path(), folder.at("archive/deep/g")).unwrap();
    let (code, found) = folder.json("verify archive --keys keys --format json");
    assert_eq!(
        (code, &found["summary"]["checkpoints"]),
        (2, &1.into()),
        "{found}"
    );
    let not_checked: Vec<&str> = found["not_checked"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_str().unwrap())
        .collect();
    assert_eq!(not_checked.len(), 6, "{not_checked:?}");
    for (place, told) in not_checked.iter().zip([
        "b.txt: ",
        "c.ndjson.gz: ",
        "d.json: is empty",
        "deep/e.json: is empty",
        "deep/g: is a symbolic link",
        "f.json: is a symbolic link",
    ]) {
        assert!(place.starts_with(&format!("archive/{told}")), "{place}");
    }
    let (code, shown) = folder.run("verify archive --keys keys");
    assert!(code == 2 && shown.contains("NOT CHECKED: 6"), "{shown}");
    assert!(
        shown.contains("not checked: archive/f.json: is a symbolic link"),
        "{shown}"
    );
    let (code, page) = folder.run("verify archive --keys keys --format html");
    assert!(
        code == 2 && page.contains("genuine, but 6 inputs were not checked"),
        "{page}"
    );
    // Beside something that is wrong, it is told all the same.
    let (code, shown) = folder.run("verify archive forged.json --keys keys");
    assert!(
        code == 1 && shown.contains("not checked: archive/b.txt"),
        "{shown}"
    );
}

#[test]
fn that_nothing_was_checked_is_told_in_every_form() {
    let folder = Folder::new();
    std::fs::create_dir(folder.at("none")).unwrap();
    folder.put("empty.ndjson", "");
    folder.put("blank.json", "\n \n");
    folder.put(
        "only.ndjson",
        &format!(
            "{}\n",
            folder.text("e_forged.ndjson").lines().next().unwrap()
        ),
    );
    for asked in [
        "none",
        "empty.ndjson",
        "blank.json",
        "/dev/null",
        "only.ndjson",
        "missing.json",
        "valid.json --ledger org_none",
    ] {
        for format in ["text", "json", "ndjson", "html"] {
            let (code, shown) =
                folder.run(&format!("verify {asked} --keys keys --format {format}"));
            // A first line that speaks of rows which are not there is contradicted by the file.
            let expected = if asked == "only.ndjson" { 1 } else { 2 };
            let told = shown.to_lowercase().replace('_', " ");
            let is_told = [
                "nothing was checked",
                "nothing in it was checked",
                "not checked",
            ];
            assert!(
                code == expected && is_told.iter().any(|words| told.contains(words)),
                "{asked} {format}: {code} {shown}"
            );
        }
        let (_, found) = folder.json(&format!("verify {asked} --keys keys --format json"));
        assert_ne!(found["not_checked"].as_array().unwrap().len(), 0, "{asked}");
        assert_ne!(found["summary"]["not_checked"], 0, "{asked}");
    }
}

#[test]
fn nothing_from_elsewhere_reaches_the_terminal_unseen() {
    let folder = Folder::new();
    let tricks = "x\n\rVALID              y\u{1b}[2K\u{9b}31m\u{202e}\u{2066}\u{2028}\u{85}\u{200b}\u{7f}\tz";
    let forged = folder.text("forged.json");
    let name = format!("{tricks}.json");
    folder.put(&name, &forged);
    let mut keyring: Value = serde_json::from_str(&folder.text("keys")).unwrap();
    for key in keyring["keys"].as_array_mut().unwrap() {
        key["revoked"] = serde_json::json!({ "revoked_at": 0, "reason": tricks });
    }
    folder.put("revoked", &keyring.to_string());
    let member = serde_json::to_string(tricks).unwrap();
    folder.put(
        "member.json",
        &forged.replacen('{', &format!("{{{member}:1e999,"), 1),
    );
    folder.put(&format!("archive/{tricks}.txt"), "");
    let is_seen = |c: char| {
        c == '\n'
            || !(c.is_control()
                || ('\u{200b}'..='\u{200f}').contains(&c)
                || ('\u{2028}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c))
    };
    let missing = format!("{tricks}missing");
    let cases: [(&str, Vec<&str>); 9] = [
        ("forged", vec!["verify", &name, "--keys", "keys"]),
        (
            "many",
            vec!["verify", &name, "valid.json", "--keys", "keys"],
        ),
        ("revoked", vec!["verify", "valid.json", "--keys", "revoked"]),
        ("member", vec!["verify", "member.json", "--keys", "keys"]),
        ("not read", vec!["verify", "archive", "--keys", "keys"]),
        ("not there", vec!["verify", &missing, "--keys", "keys"]),
        ("keyring", vec!["verify", "valid.json", "--keys", &missing]),
        (
            "head",
            vec![
                "record",
                "consistency",
                "--from",
                &missing,
                "--to",
                "h7.jws",
                "--keys",
                "kr.json",
            ],
        ),
        (
            "argument",
            vec![
                "verify",
                "valid.json",
                "--keys",
                "keys",
                &missing,
                "--nothing",
            ],
        ),
    ];
    for (case, arguments) in &cases {
        for format in ["text", "json", "ndjson", "html"] {
            let mut command = folder.command("--log-level");
            command.arg("warn").args(arguments);
            if *case != "head" {
                command.args(["--format", format]);
            }
            let (code, shown) = ended(&mut command);
            assert_ne!(code, 0, "{case} {format}: {shown}");
            assert!(shown.chars().all(is_seen), "{case} {format}: {shown:?}");
            let fakes = |line: &str| line.starts_with("VALID ") && !line.contains("valid.json: ");
            assert!(!shown.lines().any(fakes), "{case} {format}: {shown}");
        }
    }
}

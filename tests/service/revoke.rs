//! `keys revoke`: what it would do is told before, and asked of a person at a terminal; it is done all the same from a script.

use serde_json::Value;
use testing::{starter, wait};

use crate::cli::Dev;

const LEAKED: [&str; 2] = ["--reason", "it leaked"];

impl Dev {
    /// The name of the key that signs.
    fn signs(&self) -> Option<String> {
        let (_, out, _) = self.run(&["keys", "list", "--format", "json"]);
        let list: Value = serde_json::from_str(&out).unwrap();
        let keys = list["keys"].as_array().unwrap();
        let signs = keys.iter().find(|key| key["signing"] == true)?;
        Some(signs["key_id"].as_str().unwrap().to_owned())
    }

    fn type_in(&self, command: &str) -> (i32, String) {
        let mut shell = starter::program("sh");
        let output = wait::output(shell.args(["-c", command]).current_dir(self.folder.path()));
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap(),
            String::from_utf8(text).unwrap(),
        )
    }

    /// Runs it at a terminal, on which a person types a line.
    fn at_a_terminal(&self, typed: &str, arguments: &[&str]) -> (i32, String, String) {
        const TYPE: &str = "import os, pty, subprocess, sys\n\
                            ours, theirs = pty.openpty()\n\
                            os.write(ours, sys.argv[1].encode() + b'\\n')\n\
                            sys.exit(subprocess.run(sys.argv[2:], stdin=theirs).returncode)";
        let mut python = starter::program("python3");
        let program = testing::checkpoint_signer();
        let python = python
            .args(["-c", TYPE, typed])
            .arg(program)
            .args(arguments);
        let python = python
            .args(["--server", &self.server])
            .current_dir(self.folder.path());
        let output = wait::output(python);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    }
}

#[test]
fn a_dry_run_tells_what_would_not_be_trusted_and_the_command_and_changes_nothing() {
    let dev = Dev::start();
    dev.save("signed.json", &["sign", "checkpoint.json"]);
    let key_id = dev.signs().unwrap();
    let revoke = [
        "keys",
        "revoke",
        &key_id,
        "--distrust-from",
        "2020-01-01",
        "--dry-run",
    ];
    let (code, out, error) = dev.run(&[&revoke[..], &LEAKED].concat());
    assert_eq!(code, 0, "{error}");
    for part in [
        &format!("revokes {key_id} (ACTIVE, ") as &str,
        "publishes why: it leaked",
        "not trusted any more: what it signed at or after 2020-01-01T00:00:00Z; on record: 1",
        "SIGNS NOTHING AFTERWARDS: no other key is in force",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (_, shown, _) = dev.run(&[&revoke[..], &LEAKED, &["--format", "json"]].concat());
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["signatures_not_trusted"], 1);
    assert_eq!(shown["signs_afterwards"], Value::Null);
    assert_eq!(dev.signs().as_ref(), Some(&key_id));
    assert_eq!(dev.run(&["verify", "signed.json"]).0, 0);
    // The command that it tells does what it told.
    let (_, next) = out.split_once("nothing was changed\nnext: ").unwrap();
    let (code, done) = dev.type_in(next.trim());
    assert_eq!(code, 0, "{next}: {done}");
    assert!(
        done.contains("REVOKED")
            && done.contains("distrusted from 2020-01-01T00:00:00Z: it leaked"),
        "{done}"
    );
    assert_eq!(dev.signs(), None);
    let (code, verdict, _) = dev.run(&["verify", "signed.json"]);
    assert!(code == 1 && verdict.starts_with("KEY_REVOKED"), "{verdict}");
    let (code, out, _) = dev.run(&[&revoke[..], &LEAKED].concat());
    assert!(
        code == 0 && out.contains("is revoked already, distrusted from 2020-01-01T00:00:00Z"),
        "{out}"
    );
}

#[test]
fn a_dry_run_without_an_instant_counts_from_now_and_its_command_says_so() {
    let dev = Dev::start();
    dev.save("signed.json", &["sign", "checkpoint.json"]);
    let key_id = dev.signs().unwrap();
    // It was signed a while ago.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let (_, out, _) = dev.run(&[&["keys", "revoke", &key_id, "--dry-run"], &LEAKED[..]].concat());
    assert!(out.contains("; on record: 0"), "{out}");
    let (_, next) = out.split_once("next: ").unwrap();
    assert!(next.contains(" --distrust-from 2"), "{next}");
    assert_eq!(dev.type_in(next.trim()).0, 0);
    assert_eq!(
        dev.run(&["verify", "signed.json"]).0,
        0,
        "what was signed before stays valid"
    );
}

#[test]
fn at_a_terminal_the_name_of_the_key_is_asked_for() {
    let dev = Dev::start();
    let key_id = dev.signs().unwrap();
    let revoke = [&["keys", "revoke", &key_id], &LEAKED[..]].concat();
    for wrong in ["yes", "", "dev-checkpoint-key"] {
        let (code, out, error) = dev.at_a_terminal(wrong, &revoke);
        assert_eq!((code, out.as_str()), (1, ""), "{error}");
        assert!(
            error.contains("Type the name of the key to go on:"),
            "{error}"
        );
        assert!(
            error.contains(&format!(
                "nothing was changed: {wrong:?} is not the name of the key; expected {key_id}"
            )),
            "{error}"
        );
        assert_eq!(dev.signs().as_ref(), Some(&key_id));
    }
    let json = [&revoke[..], &["--format", "json"]].concat();
    let (code, out, error) = dev.at_a_terminal(&key_id, &json);
    assert_eq!(code, 0, "{error}");
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["state"], "REVOKED");
}

#[test]
fn nothing_is_asked_with_yes_or_without_a_terminal() {
    for yes in [true, false] {
        let dev = Dev::start();
        let key_id = dev.signs().unwrap();
        let revoke = [&["keys", "revoke", &key_id], &LEAKED[..]].concat();
        let (code, out, error) = match yes {
            true => dev.at_a_terminal("", &[&revoke[..], &["--yes"]].concat()),
            false => dev.run(&revoke),
        };
        assert!(code == 0 && out.contains("REVOKED"), "{out}{error}");
        assert!(!error.contains("Type the name"), "{error}");
    }
}

#[test]
fn an_instant_that_is_none_or_is_to_come_and_a_key_that_is_unknown_are_told_by_the_flag() {
    let dev = Dev::start();
    let key_id = dev.signs().unwrap();
    for (instant, code, expected) in [
        (
            "2999-01-01",
            1,
            "--distrust-from: lies in the future; expected now or earlier",
        ),
        ("2999-01-01", 1, "; this machine's clock shows 20"),
        (
            "2016-12-31T23:59:60Z",
            2,
            "a leap second, which is told apart nowhere here; expected the second before it, 2016-12-31T23:59:59Z",
        ),
        (
            "1969-12-31",
            2,
            "of the year 1969; expected a year from 1970 to 9999",
        ),
    ] {
        for mode in [&["--dry-run"][..], &[]] {
            let revoke = ["keys", "revoke", &key_id, "--distrust-from", instant];
            let (found, _, error) = dev.run(&[&revoke[..], &LEAKED, mode].concat());
            assert!(
                found == code && error.contains("--distrust-from") && error.contains(expected),
                "{error}"
            );
        }
    }
    let (code, _, error) =
        dev.run(&[&["keys", "revoke", "none", "--dry-run"], &LEAKED[..]].concat());
    assert!(code == 1 && error.contains("KEY_NOT_FOUND"), "{error}");
    // Its keys are in a file: no rollover of a secret.
    let (_, names) = error.split_once("; on record: ").unwrap();
    assert!(names.lines().next().unwrap().contains(&key_id), "{error}");
    let (_, next) = error.split_once("\nnext: ").unwrap();
    assert!(next.contains(" keys list --server http://"), "{next}");
    assert_eq!(dev.type_in(next.trim()).0, 0, "{next}");
    assert_eq!(dev.signs(), Some(key_id));
}

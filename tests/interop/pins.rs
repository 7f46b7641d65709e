//! The vectors of `vectors/pins.json`: forged keyrings and checkpoints, and what a pin makes of them. What an impostor
//! signed is never valid.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::server::{program, run};

/// The files of one case.
struct Case {
    name: String,
    folder: TempDir,
    pin: Option<String>,
    verdict: Option<String>,
    exit: i64,
}

impl Case {
    fn all() -> Vec<Self> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/pins.json");
        let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        vectors["cases"]
            .as_array()
            .unwrap()
            .iter()
            .map(Self::new)
            .collect()
    }

    fn new(case: &Value) -> Self {
        let folder = TempDir::new().unwrap();
        let text = |name: &str| case[name].as_str().map(str::to_owned);
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("published.json", &text("checkpoint").unwrap());
        write("keyring.json", &case["keyring"].to_string());
        Self {
            name: text("name").unwrap(),
            pin: text("pin"),
            verdict: text("verdict"),
            exit: case["exit"].as_i64().unwrap(),
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn verify(&self, format: &str) -> Output {
        let mut command = program();
        command.args([
            "verify",
            "published.json",
            "--keys",
            "keyring.json",
            "--format",
            format,
        ]);
        if let Some(pin) = &self.pin {
            command.args(["--pin", pin]);
        }
        run(command.current_dir(self.folder.path()))
    }
}

fn said(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

#[test]
fn the_command_line_gives_the_verdict_of_each_vector() {
    for case in Case::all() {
        let output = case.verify("json");
        let (name, shown) = (&case.name, said(&output));
        assert_eq!(
            output.status.code().map(i64::from),
            Some(case.exit),
            "{name}: {shown}"
        );
        let Some(verdict) = &case.verdict else {
            assert!(
                output.stdout.is_empty(),
                "{name}: nothing was verified: {shown}"
            );
            continue;
        };
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            report["verdicts"][0]["verdict"],
            verdict.as_str(),
            "{name}: {shown}"
        );
        let pinned = &report["summary"]["pinned"]["fingerprint"];
        assert_eq!(pinned.as_str(), case.pin.as_deref(), "{name}: {shown}");
        let text = said(&case.verify("text"));
        let pinned = text.contains("\nPINNED ");
        assert_eq!(pinned, case.pin.is_some(), "{name}: {text}");
    }
}

#[test]
fn a_refused_pin_is_told_the_fingerprints_of_the_keyring_and_to_compare_them() {
    let case = |name: &str| {
        Case::all()
            .into_iter()
            .find(|case| case.name == name)
            .unwrap()
    };
    let right = case("the pinned key signed").pin.unwrap();
    for name in [
        "a name",
        "a thumbprint",
        "upper case",
        "a truncated one",
        "no prefix",
    ] {
        let case = case(&format!("pinned is {name}"));
        let said = said(&case.verify("text"));
        assert!(
            said.starts_with("checkpoint-signer: --pin: is "),
            "{name}: {said}"
        );
        let told = format!(
            "keyring.json says of itself: key-2025 {right}. Pin one of these only after comparing"
        );
        assert!(said.contains(&told), "{name}: {said}");
    }
    let said = said(&case("pinned is the fingerprint of no key").verify("text"));
    for told in [
        "no key of the keyring has the fingerprint",
        "key-2025 sha256:",
        "key-2026 sha256:",
        "key-2027 sha256:",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
}

#[test]
fn every_command_with_a_keyring_takes_a_fingerprint_alone_and_once() {
    let case = Case::all()
        .into_iter()
        .find(|case| case.name == "the pinned key signed")
        .unwrap();
    let right = case.pin.as_deref().unwrap();
    for command in [
        &["verify", "published.json"][..],
        &[
            "verify",
            "--log",
            "export.ndjson",
            "--record-head",
            "head.jws",
        ],
        &["verify", "published.json", "--proof", "proof.json"],
        &["record", "consistency", "--from", "a.jws", "--to", "b.jws"],
    ] {
        let run_with = |pins: &[&str]| {
            let pins = pins.iter().flat_map(|pin| ["--pin", pin]);
            let mut program = program();
            program
                .args(command)
                .args(["--keys", "keyring.json"])
                .args(pins);
            run(program.current_dir(case.folder.path()))
        };
        let output = run_with(&["key-2025"]);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        assert!(
            said(&output).contains("--pin: is \"key-2025\""),
            "{command:?}: {}",
            said(&output)
        );
        let output = run_with(&[right, right]);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        assert!(
            said(&output).contains("cannot be used multiple times"),
            "{command:?}: {}",
            said(&output)
        );
    }
    let mut program = program();
    let bare = program.args(["verify", "published.json", "--pin", right]);
    assert_eq!(
        run(bare.current_dir(case.folder.path())).status.code(),
        Some(2)
    );
}

#[test]
fn a_name_that_could_be_taken_for_a_fingerprint_is_refused_wherever_a_key_comes_in() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let named = "liD36x9_opt8qvRAjh_8W0Uw0m2hNLf9Ekv-AvxWcXA";
    let expected = "could be taken for the fingerprint or thumbprint of a key";
    let refused = |arguments: &[&str]| {
        let output = run(program().args(arguments).current_dir(folder.path()));
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    };
    let window = ["--valid-from", "2025-01-01", "--valid-until", "2026-01-01"];
    let generate = |key_id: &str, out: &str| {
        let mut arguments = vec!["keys", "generate", "--bits", "2048", "--key-id", key_id];
        arguments.extend(["--out", out].iter().chain(&window));
        arguments.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let strings = generate(named, "named.json");
    refused(&strings.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(!at("named.json").exists());
    let made = run(program()
        .args(generate("key-2025", "key.json"))
        .current_dir(folder.path()));
    assert!(made.status.success(), "{}", said(&made));
    let init = ["record", "init", "--record", "sqlite:record.sqlite"];
    assert!(
        run(program().args(init).current_dir(folder.path()))
            .status
            .success()
    );
    let keyring = Case::all()
        .into_iter()
        .find(|case| case.name.starts_with("an impostor after"))
        .unwrap();
    std::fs::copy(keyring.path("keyring.json"), at("keyring.json")).unwrap();
    refused(&[
        "keys",
        "import",
        "keyring.json",
        "--record",
        "sqlite:record.sqlite",
    ]);
    refused(&["keys", "fingerprint", "keyring.json"]);
}

//! Settings from flags, the environment and a file, and `config check`: the real binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

mod log_level;
mod masked;

use testing::{authority, starter};

use std::path::Path;

use authority::{Authority, replace};
use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

const EXAMPLE: &str = include_str!("../../deploy/checkpoint-signer.toml");

/// A folder with an empty record and a file of settings.
fn folder(settings: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let init = ["record", "init", "--record", "sqlite:record.sqlite"];
    assert_eq!(run(folder.path(), &[], &init).0, 0);
    std::fs::write(folder.path().join("s.toml"), settings).unwrap();
    folder
}

/// Exit code, standard output, standard error.
fn run(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> (i32, String, String) {
    let mut command = crate::starter::binary();
    command
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(folder);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

const CHECK: [&str; 4] = ["config", "check", "--config", "s.toml"];

fn check(folder: &Path, variables: &[(&str, &str)], flags: &[&str]) -> (i32, Value) {
    let arguments = [&CHECK[..], &["--format", "json"], flags].concat();
    let (code, out, error) = run(folder, variables, &arguments);
    (
        code,
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code} {out} {error}")),
    )
}

fn setting<'a>(checked: &'a Value, name: &str) -> &'a Value {
    let settings = checked["settings"].as_array().unwrap();
    settings
        .iter()
        .find(|setting| setting["name"] == name)
        .unwrap()
}

fn faults(checked: &Value) -> Vec<String> {
    let faults = checked["faults"].as_array().unwrap().iter();
    let text = |fault: &Value| {
        format!(
            "{}: {}",
            fault["field"].as_str().unwrap(),
            fault["problem"].as_str().unwrap()
        )
    };
    faults.map(text).collect()
}

#[test]
fn a_flag_goes_before_the_environment_and_the_environment_before_the_file() {
    let with = folder("record = \"sqlite:record.sqlite\"\ngrpc = \"127.0.0.1:1\"\n");
    let without = folder("record = \"sqlite:record.sqlite\"\n");
    let variable = [("CHECKPOINT_SIGNER_GRPC", "127.0.0.1:2")];
    let flag = ["--grpc", "127.0.0.1:3"];
    for (folder, variables, flags, value, from) in [
        (&without, &[][..], &[][..], "127.0.0.1:50051", "default"),
        (&with, &[], &[], "127.0.0.1:1", "file"),
        (&with, &variable, &[], "127.0.0.1:2", "environment"),
        (&with, &variable, &flag, "127.0.0.1:3", "flag"),
    ] {
        let (code, checked) = check(folder.path(), variables, flags);
        let grpc = setting(&checked, "grpc");
        assert_eq!(
            (code, &grpc["values"][0], &grpc["from"]),
            (0, &value.into(), &from.into())
        );
    }
    let (_, checked) = check(with.path(), &[], &[]);
    assert_eq!(setting(&checked, "grpc")["at"], "s.toml:2");
}

#[test]
fn the_file_may_be_named_by_the_environment() {
    let folder = folder("record = \"sqlite:record.sqlite\"\n");
    let variable = [("CHECKPOINT_SIGNER_CONFIG", "s.toml")];
    let (code, out, _) = run(folder.path(), &variable, &["config", "check"]);
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains("sqlite:record.sqlite  (file s.toml:1)"),
        "{out}"
    );
}

#[test]
fn serve_takes_the_file_and_the_rules_between_flags_hold() {
    // A record of the file that is missing shows that serve took it from there.
    let folder = folder("record = \"sqlite:elsewhere.sqlite\"\nsource = \"file:key.json\"\n");
    let (code, _, error) = run(folder.path(), &[], &["serve", "--config", "s.toml"]);
    assert_eq!(code, 2);
    assert!(error.contains("elsewhere.sqlite is missing"), "{error}");
    let half = ["serve", "--config", "s.toml", "--tls-key", "tls.key"];
    let (code, _, error) = run(folder.path(), &[], &half);
    assert_eq!(code, 2);
    assert!(error.contains("--tls-certificate"), "{error}");
}

#[test]
fn an_environment_and_the_secret_of_another_one_are_a_fault() {
    let folder = folder(
        "record = \"sqlite:record.sqlite\"\nsource = \"secretsmanager:amply/staging/checkpoint-signing-key\"\nenvironment = \"prod\"\n",
    );
    std::fs::write(folder.path().join("record.sqlite"), "").unwrap();
    let (code, checked) = check(folder.path(), &[], &[]);
    let found = faults(&checked).join("\n");
    assert_eq!(code, 1);
    assert!(found.starts_with("--source: "), "{found}");
    assert!(
        found.contains("staging") && found.contains("prod"),
        "{found}"
    );
}

#[test]
fn all_faults_are_told_at_once() {
    let folder = folder(
        "grcp = 1\ngrpc = \"nowhere\"\ndev = \"yes\"\nlog-name = [\"a\"]\ntls-key = \"no.key\"\nhttp = \"x\"\n\
         source = \"file:no.json\"\nenvironment = \"moon\"\nrecord = \"sqlite:\"\npublic-url = {a=1}\n",
    );
    let (code, checked) = check(folder.path(), &[], &[]);
    let found = faults(&checked).join("\n");
    assert_eq!(code, 1);
    for expected in [
        "s.toml:1: grcp: is not a setting of serve; expected perhaps grpc",
        "--grpc (file s.toml:2): is \"nowhere\"",
        "s.toml:3: dev: is of type string; expected true or false",
        "s.toml:4: log-name: is of type array; expected one value",
        "--tls-key (file s.toml:5): no.key: No such file",
        "--http (file s.toml:6): is \"x\"",
        "--environment (file s.toml:8): is \"moon\"",
        "--record (file s.toml:9): is",
        "s.toml:10: public-url: is of type table",
        "--tls-certificate: is missing",
    ] {
        assert!(found.contains(expected), "{expected}\n--\n{found}");
    }
}

#[test]
fn a_key_file_that_is_not_written_as_it_should_be_is_a_warning_and_no_fault() {
    let folder = folder("record = \"sqlite:record.sqlite\"\nsource = \"file:key.json\"\n");
    let make = "keys generate --key-id key-2025 --valid-from 2025-01-01 --valid-until 2026-01-01 --bits 2048 --out key.json";
    let make: Vec<&str> = make.split(' ').collect();
    assert_eq!(run(folder.path(), &[], &make).0, 0);
    let (code, checked) = check(folder.path(), &[], &[]);
    assert_eq!((code, &checked["warnings"]), (0, &serde_json::json!([])));
    let path = folder.path().join("key.json");
    let document = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, document.replace("\\n", "\\\\n")).unwrap();
    let (code, checked) = check(folder.path(), &[], &[]);
    assert_eq!((code, &checked["faults"]), (0, &serde_json::json!([])));
    let warning = &checked["warnings"][0];
    assert_eq!(warning["field"], "--source");
    let problem = warning["problem"].as_str().unwrap();
    assert!(
        problem.starts_with("file:key.json: private_key: was read"),
        "{problem}"
    );
    assert!(problem.contains("escaped twice"), "{problem}");
    let (code, shown, _) = run(folder.path(), &[], &CHECK);
    assert_eq!(code, 0);
    assert!(
        shown.contains("\nwarning: --source: file:key.json: private_key: was read"),
        "{shown}"
    );
    assert!(shown.ends_with("no faults\n"), "{shown}");
}

#[test]
fn what_is_missing_or_cannot_be_read_is_a_fault() {
    let folder = folder("");
    for (settings, expected) in [
        ("", "--record: is missing"),
        ("record = \"sqlite:none.sqlite\"", "none.sqlite is missing"),
        (
            "record = \"sqlite:record.sqlite\"\nsource = \"file:none.json\"",
            "none.json: No such file",
        ),
        (
            "record = \"sqlite:record.sqlite\"\nsource = \"file:s.toml\"",
            "--source: file:s.toml",
        ),
        (
            "record = \"sqlite:record.sqlite\"\ngrpc = \"0.0.0.0:1\"",
            "can be reached from other machines",
        ),
        (
            "dev = true\ngrpc = \"0.0.0.0:1\"",
            "--dev listens on loopback only",
        ),
        (
            "record = \"sqlite:record.sqlite\"\nknown-head = \"none.jws\"",
            "--known-head: none.jws: No such file",
        ),
        (
            "record = \"sqlite:record.sqlite\"\nknown-head = \"s.toml\"",
            "--known-head: s.toml: ",
        ),
        (
            "record = \"sqlite:record.sqlite\"\nhead-file = \"s.toml\"",
            "--head-file s.toml: is damaged",
        ),
        (
            "record = \"sqlite:record.sqlite\"\nhead-file = \"none/head.jws\"",
            "--head-file none/head.jws: No such file",
        ),
        (
            "record = \"sqlite:record.sqlite\"\nmetrics = \"http\"",
            "--metrics: is http, but --http is missing",
        ),
        (
            "record = \"sqlite:record.sqlite\"\nsource = \"file:key.json\"\nread-older-versions = true",
            "--read-older-versions: would not be used",
        ),
        (
            "record = \"sqlite:record.sqlite\"\nhttp = \"0.0.0.0:50051\"",
            "--http: is 0.0.0.0:50051, but --grpc is 127.0.0.1:50051",
        ),
        (
            "record = \"sqlite:record.sqlite\"\npeer = \"amply\"",
            "--peer: server: \"amply\" is not the URL of a server",
        ),
        (
            "record = \"sqlite:record.sqlite\"\npeer = \"http://127.0.0.1:99999\"",
            "--peer: server: \"http://127.0.0.1:99999\" is not the URL of a server",
        ),
        (
            "record = \"sqlite:record.sqlite\"\npeer = \"http://127.0.0.1:0\"",
            "--peer: server: \"http://127.0.0.1:0\" is not the URL of a server",
        ),
        (
            "record = \"sqlite:record.sqlite\"\npeer = \"http://127.0.0.1:1/v1\"",
            "--peer: server: \"http://127.0.0.1:1/v1\" is not the URL of a server",
        ),
        (
            "record = \"sqlite:record.sqlite\"\npeer = \"http://127.0.0.1:1?a\"",
            "--peer: server: \"http://127.0.0.1:1?a\" is not the URL of a server",
        ),
        (
            "record = \"sqlite:record.sqlite\"\npeer = \"http://127.0.0.1:1\"\nserver-ca = \"s.toml\"",
            "--peer: --server-ca: would not be used",
        ),
        (
            "record = \"sqlite:record.sqlite\"\nlog-level = \"inof\"",
            "\"inof\" is not a level; expected off, error",
        ),
        (
            "record = \"sqlite:record.sqlite\"\nlog-level = \"nonsense=xyz\"",
            "expected off, error",
        ),
        ("record = ", "s.toml:1: is not TOML"),
    ] {
        std::fs::write(folder.path().join("s.toml"), settings).unwrap();
        let (code, checked) = check(folder.path(), &[], &[]);
        assert_eq!(code, 1, "{settings}");
        let found = faults(&checked).join("\n");
        assert!(found.contains(expected), "{settings}: {found}");
    }
    let missing = run(
        folder.path(),
        &[],
        &["config", "check", "--config", "none.toml"],
    );
    assert_eq!(missing.0, 2);
    assert!(missing.2.contains("--config: none.toml"), "{}", missing.2);
}

#[test]
fn a_variable_that_is_no_flags_is_told() {
    let folder = folder("record = \"sqlite:record.sqlite\"\n");
    let variables = [
        ("CHECKPOINT_SIGNER_KNOWN_HEADS", "head.jws"),
        // Kubernetes sets these for a service of that name.
        ("CHECKPOINT_SIGNER_SERVICE_HOST", "10.0.0.1"),
        ("CHECKPOINT_SIGNER_GRPC_PORT", "tcp://10.0.0.1:50051"),
        ("CHECKPOINT_SIGNER_GRPC_PORT_50051_TCP_ADDR", "10.0.0.1"),
    ];
    let (code, checked) = check(folder.path(), &variables, &[]);
    let expected = "CHECKPOINT_SIGNER_KNOWN_HEADS: no flag has this variable, and nothing reads it";
    let found = faults(&checked);
    let told: Vec<_> = found
        .iter()
        .filter(|fault| fault.contains("CHECKPOINT_SIGNER_"))
        .collect();
    assert_eq!((code, told), (1, vec![&expected.to_owned()]));
    let (_, _, error) = run(folder.path(), &variables, &["keys", "list"]);
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_secret_in_the_file_is_refused_and_none_is_shown() {
    for value in [
        "postgres://u:HIDDEN@db.example/d",
        "postgres://db.example/d?password=HIDDEN",
        "postgres://u:HIDDEN@db.example:99999/d",
        "HIDDEN",
    ] {
        let folder = folder(&format!("record = \"{value}\"\n"));
        for arguments in [&CHECK[..], &["serve", "--config", "s.toml"]] {
            let (code, out, error) = run(folder.path(), &[], arguments);
            assert_ne!(code, 0);
            assert!(
                !out.contains("HIDDEN") && !error.contains("HIDDEN"),
                "{out}{error}"
            );
            let all = format!("{out}{error}");
            assert!(
                all.contains("s.toml:1: record: holds a secret")
                    && all.contains("secretsmanager:NAME"),
                "{all}"
            );
        }
        // The environment may hold it; it is not shown either.
        std::fs::write(folder.path().join("s.toml"), "").unwrap();
        let (_, out, error) = run(
            folder.path(),
            &[("CHECKPOINT_SIGNER_RECORD", value)],
            &CHECK,
        );
        assert!(
            !out.contains("HIDDEN") && !error.contains("HIDDEN"),
            "{out}{error}"
        );
        assert!(
            out.contains("(environment CHECKPOINT_SIGNER_RECORD)"),
            "{out}"
        );
    }
}

#[test]
fn what_is_given_twice_is_told() {
    let folder = folder("record = \"sqlite:record.sqlite\"\n");
    let twice = [
        "--config",
        "s.toml",
        "--grpc",
        "127.0.0.1:1",
        "--grpc",
        "127.0.0.1:2",
    ];
    let (code, checked) = check(folder.path(), &[], &twice);
    let found = faults(&checked).join("\n");
    assert_eq!(code, 1, "{found}");
    assert!(
        found.contains("--config: is given more than once"),
        "{found}"
    );
    assert!(found.contains("--grpc: is given more than once"), "{found}");
}

#[test]
fn a_password_for_another_service_is_refused_and_not_shown() {
    let folder = folder("record = \"sqlite:record.sqlite\"\n");
    for (variable, arguments) in [
        (
            "CHECKPOINT_SIGNER_PEER",
            &["serve", "--config", "s.toml"][..],
        ),
        ("CHECKPOINT_SIGNER_PEER", &CHECK),
        ("CHECKPOINT_SIGNER_SERVER", &["keys", "list"]),
    ] {
        for url in [
            "http://u:HIDDEN@h.example:1",
            "http://u:HIDDEN@h.example:99999",
        ] {
            let (code, out, error) = run(folder.path(), &[(variable, url)], arguments);
            assert_ne!(code, 0, "{variable} {url}");
            let all = format!("{out}{error}");
            assert!(!all.contains("HIDDEN"), "{all}");
            assert!(all.contains("...@h.example"), "{all}");
        }
    }
}

#[test]
fn every_flag_of_serve_can_be_set_in_the_file() {
    let folder = folder("");
    let (_, help, _) = run(folder.path(), &[], &["serve", "--help"]);
    let flags = help
        .lines()
        .filter_map(|line| line.trim().split(' ').find(|w| w.starts_with("--")));
    let starts = |line: &&str| !matches!(*line, "--help" | "--version" | "--config");
    let mut seen = 0;
    for flag in flags.filter(starts) {
        let name = flag
            .trim_start_matches("--")
            .trim_end_matches([',', '.', ';', ')']);
        let (_, checked) = check(folder.path(), &[], &[]);
        if !checked["settings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|setting| setting["name"] == name)
        {
            // A word of the text, such as `--record` of another command.
            assert!(
                !help.lines().any(|line| line.trim().starts_with(flag)),
                "{flag}"
            );
            continue;
        }
        seen += 1;
        let is_set = ["\"x\"", "true", "[\"x\"]"].iter().any(|value| {
            std::fs::write(folder.path().join("s.toml"), format!("{name} = {value}\n")).unwrap();
            let (_, checked) = check(folder.path(), &[], &[]);
            // A setting for secrets takes no plain text, and says so.
            setting(&checked, name)["from"] == "file"
                || faults(&checked)
                    .iter()
                    .any(|fault| fault.contains("holds a secret"))
        });
        assert!(is_set, "{flag}");
    }
    assert!(seen >= 15, "{seen}");
}

#[test]
fn the_example_file_has_no_fault_where_its_files_are() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    authority.issue(folder.path(), "server", "localhost");
    replace(&folder.path().join("clients.crt"), authority.pem());
    let roles = "[clients.\"DNS:auditors.example.org\"]\nroles = [\"auditor\"]\n";
    replace(&folder.path().join("roles.toml"), roles);
    let place = format!("{}/", folder.path().display());
    replace(
        &folder.path().join("s.toml"),
        &EXAMPLE.replace("/etc/checkpoint-signer/", &place),
    );
    let (code, checked) = check(folder.path(), &[], &[]);
    assert_eq!((code, faults(&checked)), (0, Vec::new()));
    replace(&folder.path().join("server.key"), "no key");
    replace(
        &folder.path().join("roles.toml"),
        "[clients.\"DNS:a\"]\nroles = []\n",
    );
    let (code, checked) = check(folder.path(), &[], &[]);
    let found = faults(&checked).join("\n");
    assert_eq!(code, 1);
    assert!(
        found.contains("--tls-key: ") && found.contains("--roles: "),
        "{found}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_judged_and_never_a_panic(
        text in prop_oneof![
            "\\PC{0,80}",
            "((grpc|record|dev|roles|x|log-name) ?= ?(\"\\PC{0,9}\"|[0-9]{1,4}|true|\\[[0-9,]{0,4}\\]|\\{\\})\n){0,6}",
        ]
    ) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("s.toml"), text).unwrap();
        let (code, out, error) = run(folder.path(), &[], &CHECK);
        prop_assert!(code == 1 || code == 0, "{code} {error}");
        prop_assert!(!error.contains("panicked") && out.contains("fault"));
    }
}

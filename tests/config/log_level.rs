//! The log is not silenced by a slip: a filter that says nothing of this program is refused wherever it stands, and a service's
//! warnings and its audit log are written under any filter.

use std::fs::{File, Permissions};
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use testing::wait;

use crate::{check, faults, folder, run};

const RECORD: &str = "record = \"sqlite:record.sqlite\"\n";

/// Each with what is right.
const SLIPS: [(&str, &str); 4] = [
    (
        "wran",
        "\"wran\" is not a level; expected off, error, warn, info, debug or trace (perhaps warn)",
    ),
    (
        "checkpoint-signer=debug",
        "\"checkpoint-signer\" names nothing of this program; expected perhaps checkpoint_signer",
    ),
    (
        "info,foo=info",
        "\"foo\" names nothing of this program; expected checkpoint_signer, a module of it",
    ),
    ("checkpoint_signer=wran", "(perhaps warn)"),
];

/// The folder, variables and flags.
type Case<'a> = (&'a Path, &'a [(&'a str, &'a str)], &'a [&'a str]);

const VARIABLE: &str = "CHECKPOINT_SIGNER_LOG_LEVEL";

#[test]
fn a_slip_in_the_filter_is_refused_by_serve_and_told_by_config_check_wherever_it_stands() {
    for (slip, expected) in SLIPS {
        let in_file = format!("{RECORD}log-level = \"{slip}\"\n");
        let folder_of_file = folder(&in_file);
        let other = folder(RECORD);
        let variable = [(VARIABLE, slip)];
        let cases: [Case<'_>; 3] = [
            (other.path(), &[], &["--log-level", slip]),
            (other.path(), &variable, &[]),
            (folder_of_file.path(), &[], &[]),
        ];
        for (folder, variables, flags) in cases {
            let (code, checked) = check(folder, variables, flags);
            let told = faults(&checked).join("\n");
            assert_eq!(code, 1, "{slip}: {told}");
            assert!(
                told.contains("--log-level") && told.contains(expected),
                "{told}"
            );
            let serve = ["serve", "--config", "s.toml", "--source", "file:none.json"];
            let serve = [&serve[..], flags].concat();
            let (code, out, told) = run(folder, variables, &serve);
            assert_eq!((code, out.as_str()), (2, ""), "{slip}: {told}");
            assert!(
                told.contains("--log-level") && told.contains(expected),
                "{told}"
            );
        }
    }
}

#[test]
fn other_commands_refuse_it_as_well_and_take_what_they_say_is_right() {
    let folder = folder(RECORD);
    let keys = ["keys", "list", "--server", "http://127.0.0.1:1"];
    for (slip, right) in [
        ("wran", "warn"),
        ("checkpoint-signer=debug", "checkpoint_signer=debug"),
    ] {
        let (_, _, told) = run(
            folder.path(),
            &[],
            &[&["--log-level", slip], &keys[..]].concat(),
        );
        assert!(told.contains("perhaps"), "{told}");
        let (_, _, told) = run(
            folder.path(),
            &[],
            &[&["--log-level", right], &keys[..]].concat(),
        );
        assert!(told.contains("does not answer"), "{told}");
    }
}

/// What a service logs that signs, and whose key file can be read by others, which it warns of.
fn log_of(flags: &[&str], variables: &[(&str, &str)]) -> Vec<Value> {
    let folder = folder(RECORD);
    let path = |name| folder.path().join(name);
    let generate = ["keys", "generate", "--key-id", "k", "--bits", "2048"];
    let window = ["--valid-from", "2020-01-01", "--valid-until", "2099-01-01"];
    let generate = [&generate[..], &window, &["--out", "keys.json"]].concat();
    let (code, _, told) = run(folder.path(), &[], &generate);
    assert_eq!(code, 0, "{told}");
    std::fs::set_permissions(path("keys.json"), Permissions::from_mode(0o644)).unwrap();
    let mut child = testing::starter::binary()
        .args(["serve", "--config", "s.toml", "--source", "file:keys.json"])
        .args(["--grpc", "127.0.0.1:0"])
        .args(flags)
        .envs(variables.iter().copied())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(path("log")).unwrap())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let line = wait::line(child.id(), &mut stdout, "a service to say where it listens");
    let server = line.strip_prefix("gRPC on ").unwrap_or_default();
    let example = testing::root().join("examples/checkpoint.json");
    let sign = ["sign", example.to_str().unwrap(), "--server", server];
    let (code, _, told) = run(folder.path(), &[], &sign);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(code, 0, "{told}");
    let log = std::fs::read_to_string(path("log")).unwrap();
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect()
}

fn has(log: &[Value], logger: &str, message: &str) -> bool {
    let has = |line: &&Value| {
        let is = |member: &str, text: &str| line[member].as_str().is_some_and(|s| s.contains(text));
        is("logger", logger) && is("message", message)
    };
    log.iter().any(|line| has(&line))
}

const WARNING: &str = "the key file can be read by others";
const AUDITED: &str = "a checkpoint is signed";
const TOLD: &str = "--silence-warnings leaves them out";

#[test]
fn no_filter_takes_a_services_warnings_and_its_audit_log_away() {
    for filter in [
        "off",
        "error",
        "checkpoint_signer=off",
        "checkpoint_signer=error,info",
        "checkpoint_signer::source::file=off,debug",
        "checkpoint_signer[{path}]=off,debug",
        "audit=off,warn",
        "audit[{who}]=off,debug",
        "hyper=debug",
    ] {
        let log = log_of(&["--log-level", filter], &[]);
        assert!(has(&log, "checkpoint_signer", WARNING), "{filter}: {log:?}");
        assert!(has(&log, "audit", AUDITED), "{filter}: {log:?}");
        let says_less = !filter.starts_with("audit") && !filter.contains('[');
        assert_eq!(has(&log, "checkpoint_signer", TOLD), says_less, "{filter}");
    }
}

#[test]
fn the_flag_that_says_so_takes_warnings_away_and_leaves_the_audit_log() {
    let off = ["--log-level", "off"];
    let flag = [&off[..], &["--silence-warnings"]].concat();
    let variable = [("CHECKPOINT_SIGNER_SILENCE_WARNINGS", "true")];
    for log in [log_of(&flag, &[]), log_of(&off, &variable)] {
        assert!(has(&log, "audit", AUDITED), "{log:?}");
        assert!(log.iter().all(|line| line["logger"] == "audit"), "{log:?}");
    }
}

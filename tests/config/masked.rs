//! What a command says of a value that it refuses: the field and what would be right, and nothing that may be secret.

use crate::run;

/// Every command with `--record`.
const COMMANDS: [&[&str]; 8] = [
    &["serve"],
    &["config", "check"],
    &["record", "init"],
    &["record", "verify"],
    &["record", "export", "--out", "out"],
    &["record", "import", "file"],
    &["record", "restore", "file"],
    &["keys", "import", "file"],
];

/// Each is refused, and with what is said of it.
const WRONG: [(&str, &str); 5] = [
    (
        "postgres://u:HIDDEN@h/d?unknown=1",
        "is a parameter that this service does not support",
    ),
    (
        "postgres://u:1/HIDDEN@h/d?unknown=1",
        "is a parameter that this service does not support",
    ),
    ("postgres://u:HIDDEN@h", "expected postgres://"),
    ("postgres:u:HIDDEN@h/d", "expected postgres://"),
    ("HIDDEN", "expected sqlite:PATH"),
];

#[test]
fn no_command_repeats_a_record_that_it_refuses() {
    let folder = tempfile::tempdir().unwrap();
    for command in COMMANDS {
        for (value, problem) in WRONG {
            let flag = [command, &["--record", value]].concat();
            let attached = format!("--record={value}");
            let attached = [command, &[attached.as_str()]].concat();
            let variable = [("CHECKPOINT_SIGNER_RECORD", value)];
            for (variables, arguments) in [
                (&[][..], &flag[..]),
                (&[], &attached),
                (&variable[..], command),
            ] {
                let (code, out, error) = run(folder.path(), variables, arguments);
                let all = format!("{out}{error}");
                let refused = if command == ["config", "check"] { 1 } else { 2 };
                assert_eq!(code, refused, "{command:?}: {all}");
                assert!(!all.contains("HIDDEN"), "{command:?}: {all}");
                assert!(
                    all.contains("--record") && all.contains(problem),
                    "{command:?}: {all}"
                );
            }
        }
    }
}

#[test]
fn an_address_in_the_wrong_place_is_not_repeated_either() {
    let folder = tempfile::tempdir().unwrap();
    let address = "postgres://u:HIDDEN@h/d";
    for arguments in [
        &["record", "init", address][..],
        &["record", "init", "--", address],
        &["record", address],
        &[address],
        &["serve", "--source", address],
        &["serve", "--environment", address],
        &["serve", "--recrod", address],
    ] {
        let (code, out, error) = run(folder.path(), &[], arguments);
        assert_eq!(code, 2, "{arguments:?}");
        assert!(
            !out.contains("HIDDEN") && !error.contains("HIDDEN"),
            "{error}"
        );
    }
}

#[test]
fn what_holds_no_secret_is_told_as_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (&["record", "init", "--record", "sqlite:"][..], "'sqlite:'"),
        (&["serve", "--grpc", "nowhere"], "'nowhere'"),
        (&["record", "init", "--record"], "a value is required"),
        (&["record", "initt"], "'initt'"),
    ] {
        let (code, _, error) = run(folder.path(), &[], arguments);
        assert_eq!(code, 2);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn no_help_repeats_what_a_variable_has() {
    let folder = tempfile::tempdir().unwrap();
    let hidden = "https://u:HIDDEN@h/";
    let names = [
        "SERVERS",
        "SERVER",
        "PEER",
        "OTLP",
        "SECRET",
        "PUBLIC_URL",
        "SOURCE",
        "RECORD",
        "HEALTH_URL",
    ];
    let names = names.map(|name| format!("CHECKPOINT_SIGNER_{name}"));
    let variables: Vec<_> = names.iter().map(|name| (name.as_str(), hidden)).collect();
    let commands: [&[&str]; 9] = [
        &["serve"],
        &["config", "check"],
        &["sign"],
        &["keys", "list"],
        &["keys", "revoke"],
        &["rollover", "status"],
        &["record", "accept-promotion"],
        &["record", "verify"],
        &["health"],
    ];
    for command in commands {
        for help in ["--help", "-h"] {
            let asked = [command, &[help]].concat();
            let (code, out, error) = run(folder.path(), &variables, &asked);
            assert_eq!(code, 0, "{command:?}: {error}");
            assert!(out.contains("CHECKPOINT_SIGNER_"), "{command:?}: {out}");
            assert!(
                !format!("{out}{error}").contains("HIDDEN"),
                "{command:?}: {out}"
            );
        }
    }
}

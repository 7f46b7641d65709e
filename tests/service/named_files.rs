//! Files named on the command line: what may never end is refused at once, wherever it is named, and what a shell gives for
//! `<(...)` is read.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::wait::watch;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

/// A folder with good files, and with a pipe, a socket and a folder.
struct Folder(
    TempDir,
    #[allow(dead_code, reason = "kept open")] UnixListener,
);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["keyring.json", "PS256.published.json", "checkpoint.json"] {
            std::fs::copy(Path::new(GOLDEN).join(name), at(name)).unwrap();
        }
        for name in ["h7.jws", "kr.json", "e_forged.ndjson"] {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/service/log");
            std::fs::copy(from.join(name), at(name)).unwrap();
        }
        std::fs::create_dir(at("folder")).unwrap();
        let made = Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(made.success());
        let socket = UnixListener::bind(at("socket")).unwrap();
        let folder = Self(folder, socket);
        let (code, shown) = folder.run("record init --record sqlite:record.sqlite");
        assert_eq!(code, 0, "{shown}");
        folder
    }

    /// The exit code, and all that was printed.
    fn run(&self, arguments: &str) -> (i32, String) {
        let child = Command::new(env!("CARGO_BIN_EXE_checkpoint-signer"))
            .args(arguments.split(' '))
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _watch = watch(child.id(), arguments);
        let output = child.wait_with_output().unwrap();
        let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap_or(-1), shown)
    }
}

#[test]
fn a_pipe_a_device_a_socket_or_a_folder_is_refused_wherever_it_is_named() {
    let folder = Folder::new();
    let serve = "serve --record sqlite:record.sqlite --grpc 127.0.0.1:0";
    let asks = [
        "keys import @ --record sqlite:record.sqlite".to_owned(),
        "keys fingerprint @".into(),
        "verify @ --keys keyring.json".into(),
        "verify PS256.published.json --keys @".into(),
        "verify --log @ --record-head h7.jws --keys kr.json".into(),
        "verify --log e_forged.ndjson --record-head @ --keys kr.json".into(),
        "verify --proof @ --keys keyring.json".into(),
        "record consistency --from @ --to h7.jws --keys kr.json".into(),
        "record consistency --from h7.jws --to @ --keys kr.json".into(),
        "record consistency --from h7.jws --to h7.jws --keys @".into(),
        "record proof org chk --record-head @".into(),
        "record import @ --record sqlite:record.sqlite".into(),
        "record restore @ --record sqlite:record.sqlite".into(),
        "sign @".into(),
        "keys list --server https://127.0.0.1:1 --server-ca @".into(),
        format!("{serve} --config @"),
        "config check --config @".into(),
        format!("{serve} --source file:keyring.json --known-head @"),
        format!(
            "{serve} --source file:keyring.json --tls-certificate @ --tls-key @ --tls-client-ca @ --roles @"
        ),
    ];
    for ask in &asks {
        for (place, named) in [
            ("pipe", "a pipe"),
            ("/dev/zero", "a device"),
            ("socket", "a socket"),
            ("folder", "a folder"),
        ] {
            // A folder of checkpoints is verified.
            if ask.starts_with("verify @") && place == "folder" {
                continue;
            }
            let ask = ask.replace('@', place);
            let (code, shown) = folder.run(&ask);
            assert_eq!(code, 2, "{ask}: {shown}");
            assert!(shown.contains(named), "{ask}: {shown}");
        }
    }
}

#[test]
fn what_a_shell_gives_for_a_substitution_is_read() {
    let folder = Folder::new();
    let program = env!("CARGO_BIN_EXE_checkpoint-signer");
    for line in [
        format!("{program} verify <(cat PS256.published.json) --keys <(cat keyring.json)"),
        format!("cat PS256.published.json | {program} verify /dev/stdin --keys keyring.json"),
        format!("{program} verify PS256.published.json --keys - < keyring.json"),
    ] {
        let mut bash = Command::new("bash");
        let bash = bash.args(["-c", &line]).current_dir(folder.0.path());
        let output = bash.output().unwrap();
        let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {shown}");
        assert!(shown.starts_with("VALID "), "{line}: {shown}");
    }
}

#[test]
fn who_closes_standard_output_changes_no_exit_code() {
    let folder = Folder::new();
    let published = std::fs::read_to_string(folder.0.path().join("PS256.published.json")).unwrap();
    let published = format!("{}\n", published.trim_end());
    let forged = published.replacen("chk_", "chk-", 1);
    std::fs::write(folder.0.path().join("good.ndjson"), published.repeat(3000)).unwrap();
    std::fs::write(
        folder.0.path().join("bad.ndjson"),
        [published.repeat(3000), forged].concat(),
    )
    .unwrap();
    let program = env!("CARGO_BIN_EXE_checkpoint-signer");
    for (ask, expected) in [
        (
            "verify good.ndjson --keys keyring.json --format ndjson",
            "0",
        ),
        ("verify bad.ndjson --keys keyring.json --format ndjson", "1"),
        (
            "verify bad.ndjson folder --keys keyring.json --format json",
            "1",
        ),
        ("verify absent.ndjson --keys keyring.json", "2"),
        ("keys fingerprint keyring.json", "0"),
        ("record verify --record sqlite:record.sqlite", "0"),
        ("completions bash", "0"),
        ("man", "0"),
    ] {
        // Nobody reads: the pipe is closed before anything is written.
        let line = format!("{{ sleep 0.2; {program} {ask} 2> err; echo $? > code; }} | true");
        let mut bash = Command::new("bash");
        let done = bash.args(["-c", &line]).current_dir(folder.0.path());
        assert!(done.status().unwrap().success());
        let code = std::fs::read_to_string(folder.0.path().join("code")).unwrap();
        let said = std::fs::read_to_string(folder.0.path().join("err")).unwrap();
        assert_eq!(code.trim(), expected, "{ask}: {said}");
        assert!(!said.contains("pipe"), "{ask}: {said}");
    }
}

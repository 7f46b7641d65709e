//! `serve --dev`: what it tells a person to type is typed, to the letter.

use std::path::Path;

use tempfile::TempDir;

use crate::server::{Serving, program, run_well};

/// A service for trying out, in a folder that was empty.
struct Dev {
    serving: Serving,
    folder: TempDir,
    /// The lines to copy.
    commands: Vec<String>,
    /// Where the page is.
    http: String,
}

impl Dev {
    fn start(arguments: &[&str]) -> Self {
        let folder = TempDir::with_prefix("checkpoint-signer-dev-").unwrap();
        let mut serve = program();
        serve
            .args(["serve", "--dev"])
            .args(arguments)
            .current_dir(folder.path());
        let log = tempfile::Builder::new()
            .tempfile()
            .unwrap()
            .into_temp_path();
        let mut serving = Serving::start(serve, &log);
        let (mut commands, mut http) = (Vec::new(), String::new());
        loop {
            let line = serving.line();
            match line.strip_prefix("  ") {
                Some(command) if !command.starts_with('#') => commands.push(command.to_owned()),
                _ if line.starts_with("End with") => break,
                _ => {}
            }
            if let Some(place) = line.strip_prefix("HTTP on ") {
                http = place.into();
            }
        }
        Self {
            serving,
            folder,
            commands,
            http,
        }
    }

    fn type_in(&self, command: &str) -> String {
        let mut shell = crate::starter::program("sh");
        run_well(shell.args(["-c", command]).current_dir(self.folder.path()))
    }

    fn read(&self, path: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.folder.path().join(path)).unwrap()
    }
}

#[test]
fn every_command_that_dev_prints_succeeds() {
    let dev = Dev::start(&[]);
    assert_eq!(dev.commands.len(), 4, "{:?}", dev.commands);
    let printed: Vec<String> = dev
        .commands
        .iter()
        .map(|command| dev.type_in(command))
        .collect();
    let valid = printed.iter().filter(|text| text.starts_with("VALID "));
    assert_eq!(
        valid.count(),
        2,
        "asking the service, and offline: {printed:?}"
    );
    dev.serving.interrupt();
}

#[test]
fn the_sign_command_that_dev_prints_takes_a_copy_of_the_example() {
    let dev = Dev::start(&[]);
    let sign = &dev.commands[0];
    dev.type_in(sign);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/checkpoint.json");
    std::fs::copy(example, dev.folder.path().join("copy.json")).unwrap();
    let copied = sign
        .replace("checkpoint-signer-data/checkpoint.json", "copy.json")
        .replace("checkpoint-signer-data/signed.json", "copy-signed.json");
    assert_ne!(sign, &copied);
    dev.type_in(&copied);
    // It is the same checkpoint, so that it gets the same signature.
    let (first, again) = (
        dev.read("checkpoint-signer-data/signed.json"),
        dev.read("copy-signed.json"),
    );
    assert_eq!(first, again);
}

#[test]
fn the_commands_that_dev_prints_work_for_a_folder_with_spaces_in_its_name() {
    let dev = Dev::start(&["--data", "it's for trying out"]);
    for command in &dev.commands {
        dev.type_in(command);
    }
    assert!(
        dev.read("it's for trying out/signed.json")
            .contains("signature")
    );
}

#[test]
fn a_keyring_that_is_named_by_a_url_is_fetched_by_the_command_that_is_told() {
    let dev = Dev::start(&[]);
    dev.type_in(&dev.commands[0]);
    let program = testing::checkpoint_signer();
    let keys = format!("{}/.well-known/jwks.json", dev.http);
    let signed = "checkpoint-signer-data/signed.json";
    for command in [
        format!("verify {signed} --keys {keys}"),
        format!("verify --keys={keys} {signed}"),
        format!("keys fingerprint {keys}"),
    ] {
        let mut shell = crate::starter::program("sh");
        let typed = format!("{} {command}", program.display());
        let output = shell
            .args(["-c", &typed])
            .current_dir(dev.folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains(&format!("{keys}: is a URL; expected a file. Next: curl ")),
            "{said}"
        );
        let (_, next) = said.split_once("Next: ").unwrap();
        let done = dev.type_in(next.lines().next().unwrap());
        assert!(
            done.starts_with("VALID ") || done.starts_with("sha256:"),
            "{done}"
        );
        std::fs::remove_file(dev.folder.path().join("jwks.json")).unwrap();
    }
}

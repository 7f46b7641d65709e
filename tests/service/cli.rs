//! The command line: the real binary, its output and its exit codes.

use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::wait::{line, until, watch};

const EXAMPLE: &str = include_str!("../../examples/checkpoint.json");

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = crate::starter::binary();
    command.args(arguments).current_dir(folder);
    command
}

/// Exit code, standard output, standard error.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command(folder, arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// `serve --dev` in a folder of its own.
pub(crate) struct Dev {
    pub(crate) folder: TempDir,
    child: Child,
    pub(crate) server: String,
    http: String,
}

impl Dev {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    fn start_in(folder: TempDir) -> Self {
        let arguments = [
            "serve",
            "--dev",
            "--grpc",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
        ];
        let mut child = command(folder.path(), &arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        // The first line is for a person.
        let lines = [(); 3].map(|()| line(child.id(), &mut stdout, "where the service listens"));
        let server = lines[1].strip_prefix("gRPC on ").unwrap().to_owned();
        let http = lines[2].strip_prefix("HTTP on ").unwrap().to_owned();
        std::fs::write(folder.path().join("checkpoint.json"), EXAMPLE).unwrap();
        Self {
            folder,
            child,
            server,
            http,
        }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let arguments = [arguments, &["--server", &self.server]].concat();
        run(self.folder.path(), &arguments)
    }

    /// Runs a command whose output becomes a file.
    pub(crate) fn save(&self, name: &str, arguments: &[&str]) {
        let (code, out, error) = self.run(arguments);
        assert_eq!(code, 0, "{error}");
        std::fs::write(self.folder.path().join(name), out).unwrap();
    }

    /// SIGTERM, and the exit code.
    fn terminate(&mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        let _ending = watch(self.child.id(), "SIGTERM to end the service");
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_demo_tells_its_story_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, error) = run(folder.path(), &["demo"]);
    assert_eq!(code, 0, "{out}{error}");
    for part in [
        "EQUIVOCATION",
        "ROLLBACK",
        "KEY_EXPIRED",
        "KEY_REVOKED",
        "NOT_SERVING",
    ] {
        assert!(out.contains(part), "{part}");
    }
    assert!(out.ends_with("Every step was as it should be.\n"), "{out}");
}

#[test]
fn sign_and_verify_by_service_and_offline() {
    let dev = Dev::start();
    dev.save("signed.json", &["sign", "checkpoint.json"]);
    dev.save("keyring.json", &["keys", "export"]);
    let (code, out, _) = dev.run(&["verify", "signed.json"]);
    assert_eq!(code, 0, "{out}");
    assert!(
        out.starts_with("VALID ") && out.contains("in the service's record"),
        "{out}"
    );
    let offline = [
        "verify",
        "signed.json",
        "--keys",
        "keyring.json",
        "--format",
        "json",
    ];
    let (code, out, _) = run(dev.folder.path(), &offline);
    assert_eq!(
        (code, json(&out)["verdicts"][0]["verdict"].as_str()),
        (0, Some("VALID"))
    );
}

#[test]
fn verify_ends_in_1_for_a_bad_one_and_in_2_when_it_could_not_check() {
    let dev = Dev::start();
    dev.save("signed.json", &["sign", "checkpoint.json"]);
    dev.save("keyring.json", &["keys", "export"]);
    let folder = dev.folder.path();
    let signed = std::fs::read_to_string(folder.join("signed.json")).unwrap();
    std::fs::write(folder.join("bad.json"), signed.replace("15842", "15843")).unwrap();
    std::fs::write(folder.join("broken-keyring.json"), "{}").unwrap();
    let verify = |files: &[&str], by: &[&str]| {
        let (code, out, error) = run(folder, &[&["verify"], files, by].concat());
        (code, out + &error)
    };
    let keys = ["--keys", "keyring.json"];
    assert_eq!(verify(&["signed.json"], &keys).0, 0);
    let (code, shown) = verify(&["signed.json", "bad.json"], &keys);
    assert!(code == 1 && shown.contains("INVALID_SIGNATURE"), "{shown}");
    let (code, shown) = verify(&["signed.json", "missing.json"], &keys);
    assert!(
        code == 2 && shown.contains("missing.json") && shown.contains("VALID"),
        "{shown}"
    );
    assert_eq!(verify(&["bad.json", "missing.json"], &keys).0, 1);
    assert_eq!(
        verify(&["signed.json"], &["--keys", "broken-keyring.json"]).0,
        2
    );
    assert_eq!(
        verify(&["signed.json"], &["--server", "http://127.0.0.1:1"]).0,
        2
    );
    assert_eq!(verify(&["signed.json"], &["--server", "nowhere"]).0, 2);
    assert_eq!(verify(&["signed.json"], &[]).0, 2);
}

#[test]
fn sign_ends_in_1_when_refused_and_in_2_when_nobody_answers() {
    let dev = Dev::start();
    let folder = dev.folder.path();
    assert_eq!(dev.run(&["sign", "checkpoint.json"]).0, 0);
    std::fs::write(folder.join("other.json"), EXAMPLE.replace("284729340", "1")).unwrap();
    let (code, _, error) = dev.run(&["sign", "other.json"]);
    assert!(code == 1 && error.contains("EQUIVOCATION"), "{error}");
    std::fs::write(
        folder.join("wrong.json"),
        EXAMPLE.replace("sha256:", "md5:"),
    )
    .unwrap();
    let (code, _, error) = dev.run(&["sign", "wrong.json"]);
    assert!(code == 1 && error.contains("cumulative_hash"), "{error}");
    assert_eq!(dev.run(&["sign", "missing.json"]).0, 2);
    let nobody = ["sign", "checkpoint.json", "--server", "http://127.0.0.1:1"];
    assert_eq!(run(folder, &nobody).0, 2);
}

#[test]
fn standard_input_is_read_too() {
    let dev = Dev::start();
    let piped = |program: &str| {
        let script = format!("cat checkpoint.json | {program} sign - | {program} verify -");
        let script = Command::new("sh")
            .args(["-c", &script])
            .current_dir(dev.folder.path())
            .env("CHECKPOINT_SIGNER_SERVER", &dev.server)
            .output();
        String::from_utf8(script.unwrap().stdout).unwrap()
    };
    assert!(piped(env!("CARGO_BIN_EXE_checkpoint-signer")).starts_with("VALID "));
}

#[test]
fn health_names_the_services_that_there_are() {
    let dev = Dev::start();
    let (code, _, error) = dev.run(&["health", "--service", "SigningService"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("SERVICE_NOT_FOUND: "), "{error}");
    let (_, services) = error.trim().split_once("; expected one of ").unwrap();
    for service in services.split(", ") {
        let (code, out, error) = dev.run(&["health", "--service", service]);
        assert_eq!((code, out.trim()), (0, "SERVING"), "{service}: {error}");
    }
    assert!(services.contains("amply.checkpoint.v1.SigningService"));
}

#[tokio::test]
async fn health_is_told_without_a_certificate_to_who_stands_beside_the_service() {
    let dev = Dev::start();
    let asked = |url: &str, more: &[&str]| {
        let health = ["health", "--health-url", url];
        run(dev.folder.path(), &[&health[..], more].concat())
    };
    let url = format!("{}/health", dev.http);
    let signing = ["--service", "amply.checkpoint.v1.SigningService"];
    for more in [&[][..], &signing] {
        let (code, out, error) = asked(&url, more);
        assert_eq!((code, out.trim()), (0, "SERVING"), "{error}");
    }
    let keys = dev.run(&["keys", "list", "--format", "json"]).1;
    let keys = json(&keys)["keys"].clone();
    let mut keys = keys.as_array().unwrap().iter();
    let active = keys.find(|key| key["state"] == "ACTIVE").unwrap();
    let key_id = active["key_id"].as_str().unwrap();
    let revoke = ["keys", "revoke", key_id, "--reason", "a drill"];
    assert_eq!(dev.run(&revoke).0, 0);
    // The process is well: a restart would help nobody.
    let (code, out, error) = asked(&url, &[]);
    assert_eq!((code, out.trim()), (0, "SERVING"), "{error}");
    let refused = async || asked(&url, &signing).0 != 0;
    until("health to tell of the revocation", refused).await;
    let (code, out, _) = asked(&url, &signing);
    assert!(code == 1 && out.starts_with("NOT_SERVING\n"), "{out}");
    assert!(out.contains("revoked"), "{out}");
    let grpc = format!("{}/health", dev.server);
    let page = format!("{}/", dev.http);
    for port in ["99999", "0", ""] {
        let none = format!("http://127.0.0.1:{port}/health");
        let (code, out, error) = asked(&none, &[]);
        assert_eq!(code, 2, "{port}: {out}");
        assert!(error.contains("has a port that is none"), "{port}: {error}");
    }
    for (url, more, expected) in [
        (&*grpc, &[][..], "answers something else"),
        (&*page, &[], "is no http://"),
        ("http://10.0.0.1:9464/health", &[], "is not on this machine"),
        ("http://example.org/health", &[], "is not on this machine"),
        (
            "http://127.0.0.1.example.org/health",
            &[],
            "is not on this machine",
        ),
        (
            "http://[2001:db8::1]:9464/health",
            &[],
            "is not on this machine",
        ),
        (
            "http://u:se%20cret@127.0.0.1:1/health",
            &[],
            "a user or a password",
        ),
        (
            "http://u:se%20cret@10.0.0.1/health",
            &[],
            "a user or a password",
        ),
        ("https://u:se%20cret@10.0.0.1/health", &[], "is no http://"),
        ("http://127.0.0.1:1/health?x=1", &[], "is no http://"),
        ("http://[::1]:1/health", &[], "does not answer"),
        ("http://127.0.0.1:1/health", &[], "does not answer"),
        ("https://127.0.0.1/health", &[], "is no http://"),
        ("nowhere", &[], "is no http://"),
        (&*url, &["--service", "x"], "--service: is x"),
    ] {
        let (code, _, error) = asked(url, more);
        assert!(code == 2 && error.contains(expected), "{url}: {error}");
        assert!(!error.contains("se%20cret"), "{url}: {error}");
    }
}

#[test]
fn serve_without_a_record_is_refused_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let serve = [
        "serve",
        "--source",
        "file:k.json",
        "--record",
        "sqlite:r.sqlite",
    ];
    let (code, _, error) = run(folder.path(), &serve);
    assert!(
        code == 2 && error.contains("record init --record sqlite:r.sqlite"),
        "{error}"
    );
    assert_eq!(
        run(
            folder.path(),
            &["record", "init", "--record", "sqlite:r.sqlite"]
        )
        .0,
        0
    );
    let (code, _, error) = run(
        folder.path(),
        &["record", "init", "--record", "sqlite:r.sqlite"],
    );
    assert!(code == 2 && error.contains("exists already"), "{error}");
    let (code, _, error) = run(folder.path(), &["record", "init", "--record", "r.sqlite"]);
    assert!(
        code == 2 && error.contains("expected sqlite:PATH, postgres://"),
        "{error}"
    );
}

#[test]
fn serve_ends_in_0_on_sigterm_and_keeps_its_folder() {
    let mut dev = Dev::start();
    dev.save("signed.json", &["sign", "checkpoint.json"]);
    assert_eq!(dev.terminate(), 0);
    let folder = std::mem::replace(&mut dev.folder, tempfile::tempdir().unwrap());
    let again = Dev::start_in(folder);
    let (code, out, _) = again.run(&["verify", "signed.json"]);
    assert!(
        code == 0 && out.contains("in the service's record"),
        "{out}"
    );
}

#[test]
fn a_generated_key_is_its_owners_alone_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let generate = |from, until, bits| {
        let arguments = [
            "keys",
            "generate",
            "--key-id",
            "key-2030",
            "--valid-from",
            from,
            "--valid-until",
            until,
            "--bits",
            bits,
            "--out",
            "key.json",
            "--format",
            "json",
        ];
        run(folder.path(), &arguments)
    };
    let (code, _, error) = generate("2030-01-01", "2030-01-01", "2048");
    assert!(code == 2 && error.contains("valid-until"), "{error}");
    let (code, _, error) = generate("2030-01-01", "2031-01-01", "1024");
    assert!(code == 2 && error.contains("2048 to 8192"), "{error}");
    let (code, out, _) = generate("2030-01-01", "2031-01-01", "2048");
    assert_eq!((code, json(&out)["algorithm"].as_str()), (0, Some("PS256")));
    assert!(!out.contains("PRIVATE"), "{out}");
    let path = folder.path().join("key.json");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let made = std::fs::read(&path).unwrap();
    assert_eq!(generate("2030-01-01", "2031-01-01", "2048").0, 2);
    assert_eq!(std::fs::read(&path).unwrap(), made);
}

#[test]
fn keys_are_listed_exported_imported_and_revoked() {
    let dev = Dev::start();
    let folder = dev.folder.path();
    let (_, out, _) = dev.run(&["keys", "list", "--format", "json"]);
    // Late in the year, there is the next one's, too.
    let keys = json(&out)["keys"].clone();
    let signing = |key: &&Value| key["signing"] == true;
    let key = keys.as_array().unwrap().iter().find(signing).unwrap();
    let key_id = key["key_id"].as_str().unwrap().to_owned();
    dev.save(
        "keys.pem",
        &["keys", "export", "--format", "pem", "--key-id", &key_id],
    );
    dev.save("keys.json", &["keys", "export", "--key-id", &key_id]);
    // Another record takes over the public keys of this one.
    let record = ["--record", "sqlite:other.sqlite"];
    assert_eq!(
        run(folder, &[&["record", "init"], &record[..]].concat()).0,
        0
    );
    let import =
        |arguments: &[&str]| run(folder, &[&["keys", "import"], arguments, &record].concat());
    let (code, _, error) = import(&["keys.json"]);
    assert!(code == 1 && error.contains("--trust sha256:"), "{error}");
    let trust = error.split("--trust ").nth(1).unwrap();
    let trust = trust.split(';').next().unwrap();
    assert_eq!(import(&["keys.json", "--trust", trust]).0, 0);
    assert_eq!(
        import(&["keys.json"]).0,
        0,
        "importing again changes nothing"
    );
    assert_eq!(import(&["keys.pem"]).0, 2, "PEM has no window");
    let window = ["--valid-from", "2020-01-01", "--valid-until", "2021-01-01"];
    let (code, _, error) = import(&[&["keys.pem", "--key-id", &key_id], &window[..]].concat());
    assert!(code == 1 && error.contains("window"), "{error}");

    dev.save("signed.json", &["sign", "checkpoint.json"]);
    let (code, out, _) = dev.run(&[
        "keys", "revoke", &key_id, "--reason", "a drill", "--format", "json",
    ]);
    assert_eq!((code, json(&out)["state"].as_str()), (0, Some("REVOKED")));
    let again = ["keys", "revoke", &key_id, "--reason"];
    let (_, out, _) = dev.run(&[&again[..], &["a drill"]].concat());
    assert!(!out.contains("NOTE"), "{out}");
    let (code, out, _) = dev.run(&[&again[..], &["another reason"]].concat());
    assert!(code == 0 && out.contains("nothing was changed"), "{out}");
    let health = ["health", "--service", "amply.checkpoint.v1.SigningService"];
    assert_eq!(dev.run(&health).0, 1);
    assert_eq!(dev.run(&["health"]).0, 0);
    let (code, _, error) = dev.run(&["keys", "revoke", "key-1999", "--reason", "x"]);
    assert!(code == 1 && error.contains("KEY_NOT_FOUND"), "{error}");
}

#[test]
fn completions_and_the_man_page_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = run(folder.path(), &["completions", shell]);
        assert!(code == 0 && out.contains("checkpoint-signer"), "{shell}");
    }
    let (code, out, _) = run(folder.path(), &["man"]);
    assert!(code == 0 && out.contains(".TH checkpoint-signer"));
}

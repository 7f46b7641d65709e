//! The service in its image.

use std::io::BufReader;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::authority::{Authority, read};
use crate::dockerfile::{bases, last_stage, root};
use crate::image::{Image, USER, ended};
use crate::wait;

/// `serve`, ended with this.
struct Serving {
    grpc: String,
    child: Child,
}

impl Serving {
    fn start(image: &Image, arguments: &[&str]) -> Self {
        let program = last_stage().entrypoint;
        let all = [
            &[program[0].as_str(), "serve", "--grpc", "127.0.0.1:0"],
            arguments,
        ]
        .concat();
        let mut child = image
            .command(&all)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let line = wait::line(child.id(), &mut stdout, "the image's service to listen");
        let grpc = line.trim().strip_prefix("gRPC on ").map(str::to_owned);
        let mut serving = Self {
            grpc: String::new(),
            child,
        };
        serving.grpc = grpc.unwrap_or_else(|| panic!("it did not start: {line}"));
        serving
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All files below a folder.
fn files(image: &Image) -> Vec<PathBuf> {
    let walk = walkdir::WalkDir::new(image.files.path()).into_iter();
    let found = walk
        .map(Result::unwrap)
        .filter(|entry| !entry.file_type().is_dir());
    let mut found: Vec<PathBuf> = found
        .map(|entry| {
            let inner = entry.path().strip_prefix(image.files.path()).unwrap();
            PathBuf::from("/").join(inner)
        })
        .collect();
    found.sort();
    found
}

#[test]
fn it_holds_the_program_the_authorities_and_its_user_and_no_shell() {
    let stage = last_stage();
    assert_eq!(stage.from, "scratch");
    let image = Image::unpacked();
    let expected = [
        "/etc/passwd",
        "/etc/ssl/certs/ca-certificates.crt",
        "/usr/bin/checkpoint-signer",
    ];
    assert_eq!(files(&image), expected.map(PathBuf::from));
    assert_eq!(stage.user, format!("{USER}:{USER}"));
    for shell in ["/bin/sh", "/bin/bash", "/usr/bin/env"] {
        let found = ended(image.command(&[shell]).output().unwrap());
        assert_eq!(found.code, 127, "{}", found.text);
    }
}

#[test]
fn its_program_needs_no_library_and_says_what_it_was_built_from() {
    let said = Image::unpacked().must(&["--version"]);
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        said.starts_with(&format!("checkpoint-signer {version}\n")),
        "{said}"
    );
    assert!(
        said.contains("commit: 0123456789abcdef0123456789abcdef01234567\n"),
        "{said}"
    );
    assert!(said.contains("\ncompiler: rustc 1."), "{said}");
    assert!(
        said.contains("target: x86_64-unknown-linux-gnu, static, "),
        "{said}"
    );
}

#[test]
fn it_signs_and_verifies_with_a_root_that_cannot_be_written() {
    let image = Image::with_mounts();
    let key = [
        "--key-id",
        "key-1",
        "--valid-from",
        "2026-01-01",
        "--valid-until",
        "2126-01-01",
        "--bits",
        "2048",
    ];
    image.must(&[&["keys", "generate", "--out", "/data/key.json"], &key[..]].concat());
    let record = ["--record", "sqlite:/data/record.sqlite"];
    image.must(&[&["record", "init"], &record[..]].concat());
    let source = ["--source", "file:/data/key.json"];
    let service = Serving::start(&image, &[&source[..], &record].concat());

    let checkpoint = root().join("examples/checkpoint.json");
    std::fs::copy(checkpoint, image.data.path().join("checkpoint.json")).unwrap();
    let server = ["--server", service.grpc.as_str()];
    let signed = image.must(&[&["sign", "/data/checkpoint.json"], &server[..]].concat());
    std::fs::write(image.data.path().join("signed.json"), signed).unwrap();
    let verdict = image.must(&[&["verify", "/data/signed.json"], &server[..]].concat());
    assert!(verdict.starts_with("VALID"), "{verdict}");

    // Secrets and records belong to the image's user, and to nobody else.
    if rustix::process::geteuid().is_root() {
        let metadata = std::fs::metadata(image.data.path().join("record.sqlite")).unwrap();
        assert_eq!(metadata.uid(), USER);
    }
    let elsewhere = image.run(&["record", "init", "--record", "sqlite:/usr/record.sqlite"]);
    assert_eq!(elsewhere.code, 2, "{}", elsewhere.text);
    assert!(!image.files.path().join("usr/record.sqlite").exists());
}

#[test]
fn it_writes_the_files_of_the_service_beside_it_as_its_user() {
    let image = Image::with_mounts();
    // As ECS starts it, but for the name of the folder: here, /data is what can be written.
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("of all"));
    let server = authority.issue(folder.path(), "server", "localhost");
    let (certificate, key) = (read(&server.certificate), read(&server.key));
    let roles = "[clients.\"URI:spiffe://amply.example/ledger\"]\nroles = [\"signer\"]\n";
    let secret = serde_json::json!({
        "certificate": certificate, "key": key, "client_ca": authority.pem(), "roles": roles,
    });
    let [program] = &last_stage().entrypoint[..] else {
        panic!("one word");
    };
    let mut command = image.command(&[program, "files", "--to", "/data"]);
    let ended = ended(
        command
            .env("FILES_SECRET", secret.to_string())
            .output()
            .unwrap(),
    );
    assert_eq!(ended.code, 0, "{}", ended.text);
    let written = image.data.path().join("tls.key");
    assert_eq!(read(&written), key);
    let metadata = std::fs::metadata(written).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o600);
    if rustix::process::geteuid().is_root() {
        assert_eq!(metadata.uid(), USER);
    }
    assert_eq!(last_stage().volumes, [PathBuf::from("/files")]);
}

#[test]
fn what_it_is_made_from_is_named_by_digest_and_it_says_what_it_is() {
    let bases = bases();
    assert_eq!(bases.len(), 2);
    for base in &bases {
        let digest = base.split("@sha256:").nth(1).unwrap_or_default();
        assert!(base == "scratch" || digest.len() == 64, "{base}");
    }
    let labels = last_stage().labels;
    for label in [
        "title",
        "description",
        "licenses",
        "revision=\"$SOURCE_COMMIT\"",
    ] {
        let label = format!("org.opencontainers.image.{label}");
        assert!(labels.contains(&label), "{label}: {labels}");
    }
}

#[test]
fn the_layer_of_the_dependencies_is_made_from_the_manifests_alone() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let text = std::fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    let (before, _) = text.split_once("\nCOPY . .\n").unwrap();
    let copies = before.lines().filter_map(|line| line.strip_prefix("COPY "));
    let mut copied = Vec::new();
    for words in copies {
        let mut names: Vec<&str> = words.split_whitespace().collect();
        let to = place.join(names.pop().unwrap());
        std::fs::create_dir_all(&to).unwrap();
        for name in names {
            let file = Path::new(name).file_name().unwrap();
            std::fs::copy(root().join(name), to.join(file)).unwrap();
            copied.push(name.to_owned());
        }
    }
    let mut manifests = vec!["Cargo.toml".to_owned()];
    for krate in std::fs::read_dir(root().join("crates")).unwrap() {
        let name = krate.unwrap().file_name().into_string().unwrap();
        manifests.push(format!("crates/{name}/Cargo.toml"));
    }
    for manifest in manifests {
        assert!(copied.contains(&manifest), "{manifest} is not copied");
    }
    let stubs = |what: &str| {
        let mut bash = crate::starter::program("bash");
        let output = bash
            .args(["deploy/image/stubs", what])
            .current_dir(place)
            .output();
        assert!(output.unwrap().status.success(), "stubs {what}");
    };
    stubs("make");
    // Cargo finds every target that the manifests name.
    let mut cargo = crate::starter::program(env!("CARGO"));
    let metadata = [
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ];
    let output = cargo.args(metadata).current_dir(place).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    stubs("remove");
    let left = walkdir::WalkDir::new(place).into_iter().map(Result::unwrap);
    let left = left.filter(|entry| entry.path().extension().is_some_and(|end| end == "rs"));
    assert_eq!(left.count(), 0);
}

#[test]
fn it_has_no_health_check_of_its_own_and_health_asks_the_service_and_finds_it_by_name() {
    let image = Image::with_mounts();
    let record = ["--record", "sqlite:/data/record.sqlite"];
    image.must(&[&["record", "init"], &record[..]].concat());
    // One that asks without TLS would have every container replaced that serves with it.
    assert_eq!(last_stage().health, "NONE");
    // No key: the process is well, and says that it cannot sign.
    let service = Serving::start(
        &image,
        &[&["--source", "file:/data/none.json"][..], &record].concat(),
    );
    let by_name = service.grpc.replace("127.0.0.1", "localhost");
    for server in [&service.grpc, &by_name] {
        let server = ["--server", server.as_str()];
        let said = image.must(&[&["health"], &server[..]].concat());
        assert_eq!(said, "SERVING\n");
    }
    let signing = [
        "health",
        "--service",
        "amply.checkpoint.v1.SigningService",
        "--server",
        &by_name,
    ];
    assert_eq!(image.run(&signing).code, 1);
    drop(service);
    let gone = image.run(&["health", "--server", &by_name]);
    assert_ne!(gone.code, 0, "{}", gone.text);
}

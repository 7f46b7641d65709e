//! Compiles the protos with protox, so that no protoc is needed, and notes what is built from what and what a filter of the log
//! may name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    note_build()?;
    note_log_targets()?;
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(
        [
            "amply/checkpoint/v1/checkpoint.proto",
            "amply/checkpoint/v1/signing_service.proto",
            "amply/checkpoint/v1/verification_service.proto",
            "amply/checkpoint/v1/key_service.proto",
            "amply/checkpoint/v1/record_service.proto",
        ],
        ["proto"],
    )?;
    // Server reflection answers from this set.
    let out = PathBuf::from(env::var("OUT_DIR")?).join("descriptors.bin");
    fs::write(out, prost::Message::encode_to_vec(&descriptors))?;
    let configured = || {
        tonic_prost_build::configure()
            .extern_path(".google.rpc.Status", "::tonic_types::Status")
            .codec_path("crate::grpc::codec::StrictCodec")
    };
    configured()
        .build_server(false)
        .compile_fds(descriptors.clone())?;
    // The servers use the same messages, but for those that hold a checkpoint to sign or a signed one.
    let served = PathBuf::from(env::var("OUT_DIR")?).join("served");
    fs::create_dir_all(&served)?;
    let mut servers = configured()
        .build_client(false)
        .out_dir(served)
        .extern_path(".amply.checkpoint.v1", "crate::wire::proto");
    for (message, served) in [
        ("SignCheckpointRequest", "crate::grpc::codec::Unread"),
        (
            "SignCheckpointResponse",
            "crate::wire::signing::SignCheckpointResponse",
        ),
        (
            "SignCheckpointsRequest",
            "crate::wire::signing::SignCheckpointsRequest",
        ),
        (
            "SignCheckpointsResponse",
            "crate::wire::signing::SignCheckpointsResponse",
        ),
    ] {
        servers = servers.extern_path(format!(".amply.checkpoint.v1.{message}"), served);
    }
    servers.compile_fds(descriptors)?;
    Ok(())
}

/// What `--version` tells. The commit comes from the environment alone: the image's build has no `.git`, and a build
/// that looked there would be done again after each commit.
fn note_build() -> Result<(), Box<dyn std::error::Error>> {
    for (variable, otherwise) in [
        ("SOURCE_COMMIT", "not stated"),
        ("SOURCE_DATE_EPOCH", "not stated"),
    ] {
        println!("cargo:rerun-if-env-changed={variable}");
        let value = env::var(variable).unwrap_or_else(|_| otherwise.into());
        println!("cargo:rustc-env=BUILD_{variable}={value}");
    }
    let rustc = Command::new(env::var("RUSTC")?).arg("--version").output()?;
    let rustc = String::from_utf8(rustc.stdout)?;
    println!("cargo:rustc-env=BUILD_RUSTC={}", rustc.trim());
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let linked = match features.split(',').any(|feature| feature == "crt-static") {
        true => "static",
        false => "dynamic",
    };
    let (target, profile) = (env::var("TARGET")?, env::var("PROFILE")?);
    println!("cargo:rustc-env=BUILD_TARGET={target}, {linked}, {profile}");
    Ok(())
}

/// The sources of this project's crates that are in the program.
const SOURCES: [(&str, &str); 4] = [
    ("checkpoint_signer", "src"),
    ("checkpoint", "crates/checkpoint/src"),
    ("checkpoint_verify", "crates/verify/src"),
    ("files", "crates/files/src"),
];

/// What an event of the log may come from: our modules, and the libraries of the lock file, a line each.
fn note_log_targets() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=Cargo.lock");
    let lock = fs::read_to_string("Cargo.lock")?;
    let names = lock
        .lines()
        .filter_map(|line| line.strip_prefix("name = \""));
    let mut targets: BTreeSet<String> = names
        .map(|name| name.trim_end_matches('"').replace('-', "_"))
        .collect();
    for (name, folder) in SOURCES {
        println!("cargo:rerun-if-changed={folder}");
        add_modules(Path::new(folder), name, &mut targets)?;
    }
    let lines: Vec<String> = targets.into_iter().collect();
    let out = PathBuf::from(env::var("OUT_DIR")?).join("log_targets.txt");
    Ok(fs::write(out, lines.join("\n"))?)
}

fn add_modules(folder: &Path, module: &str, targets: &mut BTreeSet<String>) -> io::Result<()> {
    targets.insert(module.into());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let inner = format!("{module}::{stem}");
        if path.is_dir() {
            add_modules(&path, &inner, targets)?;
        } else if path.extension().is_some_and(|ext| ext == "rs")
            && !["lib", "main", "mod"].contains(&stem.as_ref())
        {
            targets.insert(inner);
        }
    }
    Ok(())
}

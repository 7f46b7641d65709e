//! Keys and certificates as operators make them: by the `openssl` command line, which shares no code with this crate. They stand in
//! `tests/core/openssl`, with the recipe.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// The text of a file of the folder.
pub(crate) fn file(name: &str) -> String {
    let path = folder().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The number in a file of a prime.
pub(crate) fn hex(name: &str) -> String {
    file(name).trim().to_owned()
}

/// Whether `openssl dgst` verifies a SHA-256 signature with a public key of the folder.
pub(crate) fn verifies(key: &str, options: &[&str], message: &[u8], signature: &[u8]) -> bool {
    let given = tempfile::tempdir().unwrap();
    let [message_file, signature_file] =
        ["message", "signature"].map(|name| given.path().join(name));
    fs::write(&message_file, message).unwrap();
    fs::write(&signature_file, signature).unwrap();
    let arguments = [
        &["dgst", "-sha256", "-verify", key],
        options,
        &["-signature"],
    ]
    .concat();
    let output = openssl(&arguments, &[&signature_file, &message_file], folder());
    output.status.success()
}

/// The SHA-256 signature that `openssl dgst` makes with a private key of the folder.
pub(crate) fn signature(key: &str, options: &[&str], message: &[u8]) -> Vec<u8> {
    let given = tempfile::tempdir().unwrap();
    let message_file = given.path().join("message");
    fs::write(&message_file, message).unwrap();
    let arguments = [&["dgst", "-sha256", "-sign", key], options].concat();
    let output = openssl(&arguments, &[&message_file], folder());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn openssl(arguments: &[&str], files: &[&Path], folder: &Path) -> Output {
    Command::new("openssl")
        .args(arguments)
        .args(files)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| {
            panic!("these tests need the openssl command (OpenSSL 3) on the PATH: {error}")
        })
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/core/openssl"))
}

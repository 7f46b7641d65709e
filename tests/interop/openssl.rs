//! Private keys made by openssl, and the secret documents that hold them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The two forms of PEM that the contract accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Pkcs1,
    Pkcs8,
}

impl Form {
    fn begins_with(self) -> &'static str {
        match self {
            Self::Pkcs1 => "-----BEGIN RSA PRIVATE KEY-----",
            Self::Pkcs8 => "-----BEGIN PRIVATE KEY-----",
        }
    }
}

/// An RSA key as PEM. Generating is slow, so that each size is made once, under a lock.
pub(crate) fn private_key(form: Form, bits: usize) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let lock = File::create(folder.join("openssl-keys.lock")).expect("a lock file");
    lock.lock().expect("the lock on the keys");
    let pkcs8 = made_once(
        folder.join(format!("openssl-rsa-{bits}.pkcs8.pem")),
        |file| {
            Command::new("openssl")
                .args(["genpkey", "-algorithm", "RSA", "-pkeyopt"])
                .arg(format!("rsa_keygen_bits:{bits}"))
                .arg("-out")
                .arg(file)
                .output()
        },
    );
    let path = match form {
        Form::Pkcs8 => pkcs8,
        Form::Pkcs1 => made_once(
            folder.join(format!("openssl-rsa-{bits}.pkcs1.pem")),
            |file| {
                Command::new("openssl")
                    .args(["pkey", "-traditional", "-in"])
                    .arg(&pkcs8)
                    .arg("-out")
                    .arg(file)
                    .output()
            },
        ),
    };
    let pem = std::fs::read_to_string(path).expect("the key");
    assert!(
        pem.starts_with(form.begins_with()),
        "openssl made no {form:?}"
    );
    pem
}

/// The file is complete whenever it exists: it gets its name last.
fn made_once(
    path: PathBuf,
    make: impl FnOnce(&Path) -> std::io::Result<std::process::Output>,
) -> PathBuf {
    if !path.exists() {
        let unfinished = path.with_extension("unfinished");
        let output = make(&unfinished)
            .unwrap_or_else(|error| panic!("the openssl command is needed: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl makes no key: {said}");
        std::fs::rename(&unfinished, &path).expect("to name the finished key");
    }
    path
}

/// The secret document of a key, with a window that holds whenever the tests run.
pub(crate) fn secret(key_id: &str, algorithm: &str, private_key: &str) -> String {
    serde_json::json!({
        "private_key": private_key,
        "key_id": key_id,
        "valid_from": "2020-01-01",
        "valid_until": "2100-01-01",
        "algorithm": algorithm,
    })
    .to_string()
}

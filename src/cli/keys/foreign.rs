//! Files that are no public keys: what they are instead, and the command that makes of them what is expected.

use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use checkpoint::keyring::SkippedKey;

/// What is said of a private key that stands where a public one belongs.
const LEAKED: &str = "Whoever has this file has the key: where it was sent or published, the key must be taken for leaked, so revoke it \
                      and roll it over";

/// The members by which a file is told.
#[derive(Deserialize)]
struct Members {
    keys: Option<IgnoredAny>,
    kty: Option<IgnoredAny>,
    d: Option<IgnoredAny>,
    private_key: Option<IgnoredAny>,
    value: Option<Box<Members>>,
}

/// Why a file is refused before it is read as a keyring or as PEM; none when it may be one.
pub(super) fn instead(text: &[u8], path: &Path) -> Option<String> {
    let file = quoted(path);
    match text.first()? {
        b'{' => object(text, &file),
        b'[' => Some(format!(
            "is an array; expected a JWK Set, an object with keys: `jq '{{keys: .}}' {file} > keyring.json`"
        )),
        _ => pem(&String::from_utf8_lossy(text), &file),
    }
}

fn object(text: &[u8], file: &str) -> Option<String> {
    // What is no JSON is told by who reads the keyring.
    let members: Members = serde_json::from_slice(text).ok()?;
    let inner = members.value.as_deref();
    let (path, has_key) = match inner {
        Some(inner) if members.private_key.is_none() => {
            (".value.private_key", inner.private_key.is_some())
        }
        _ => (".private_key", members.private_key.is_some()),
    };
    if has_key {
        return Some(format!(
            "private_key: is a secret document, which holds the private key; expected the public half alone: `jq -r {path} {file} | \
             openssl rsa -pubout -out public.pem`, with --key-id, --valid-from and --valid-until. {LEAKED}"
        ));
    }
    if members.keys.is_some() || members.kty.is_none() {
        return None;
    }
    Some(match members.d {
        Some(_) => format!(
            "d: is a JWK with its private half; expected a JWK Set of public halves: `jq '{{keys: [{{kty, kid, n, e, alg, use, nbf, \
             exp}}]}}' {file} > keyring.json`. {LEAKED}"
        ),
        None => format!(
            "is one JWK; expected a JWK Set, an object with keys: `jq '{{keys: [.]}}' {file} > keyring.json`"
        ),
    })
}

fn pem(text: &str, file: &str) -> Option<String> {
    let labels: Vec<&str> = text
        .split("-----BEGIN ")
        .skip(1)
        .filter_map(|rest| rest.split("-----").next())
        .collect();
    if labels.iter().any(|label| label.ends_with("PRIVATE KEY")) {
        return Some(format!(
            "is a private key; expected the public half alone: `openssl pkey -in {file} -pubout -out public.pem`. {LEAKED}"
        ));
    }
    match labels.as_slice() {
        [] | ["PUBLIC KEY" | "RSA PUBLIC KEY"] => None,
        ["CERTIFICATE", ..] => Some(format!(
            "is a certificate; expected its public key: `openssl x509 -in {file} -noout -pubkey > public.pem`"
        )),
        [_] => None,
        several => Some(format!(
            "holds {} documents of PEM; expected one key, whose name and window the flags say, or a JWK Set, which has all: \
             `checkpoint-signer keys export > keyring.json`",
            several.len()
        )),
    }
}

/// A JWK Set in which no key was read.
pub(super) fn without_keys(skipped: &[SkippedKey]) -> String {
    let kinds: Vec<String> = skipped.iter().take(3).map(ToString::to_string).collect();
    let found = match kinds.is_empty() {
        true => "is a JWK Set without a key".into(),
        false => format!("is a JWK Set without an RSA key ({})", kinds.join("; ")),
    };
    format!(
        "{found}; expected at least one, with kid, kty \"RSA\", n, e, alg, nbf and exp, as `checkpoint-signer keys export` prints them"
    )
}

/// A file's name for a shell.
fn quoted(path: &Path) -> String {
    let name = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '_' | '-');
    match name.chars().all(is_plain) {
        true => name,
        false => format!("'{}'", name.replace('\'', r"'\''")),
    }
}

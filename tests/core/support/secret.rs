//! Secret documents, and the check that no error tells anything of the key in them.

use checkpoint::key::KeyVersion;
use checkpoint::signing::{KeySecret, SecretError};
use rsa::BoxedUint;

use super::document::Document;
use super::rsa_numbers::RsaNumbers;

/// Characters of key material that a message may not have in common with the key.
const WINDOW: usize = 16;

/// The contract's secret with this PEM.
pub(crate) fn secret(pem: &str) -> Document {
    Document::new([
        ("private_key", &serde_json::json!(pem).to_string()),
        ("key_id", "\"amply-checkpoint-key-2025\""),
        ("valid_from", "\"2025-01-01\""),
        ("valid_until", "\"2026-01-01\""),
    ])
}

impl Document {
    /// The public half of a secret that must be right.
    pub(crate) fn version(&self) -> KeyVersion {
        let secret = KeySecret::parse(&self.text(), None);
        secret
            .unwrap_or_else(|error| panic!("{error}"))
            .version()
            .clone()
    }
}

/// Asserts that `text` has exactly one fault, of `field` and with `found` in its sentence, and that the fault
/// holds nothing of any key in `text`.
pub(crate) fn assert_refused(text: &str, field: &str, found: &str) {
    let error = error(KeySecret::parse(text, None));
    let [fault] = error.0.as_slice() else {
        panic!("expected one fault, of {field}: {error}");
    };
    assert_eq!(fault.field, field, "{error}");
    assert!(fault.problem.contains(found), "{error}");
    assert!(fault.problem.contains("expected"), "{error}");
    assert_silent(&error, text);
}

/// The error of what must be wrong.
pub(crate) fn error<T>(result: Result<T, SecretError>) -> SecretError {
    match result {
        Ok(_) => panic!("this secret must be refused"),
        Err(error) => error,
    }
}

/// Asserts that neither form of an error has 16 characters in a row in common with the text's keys.
pub(crate) fn assert_silent(error: &SecretError, text: &str) {
    for message in [error.to_string(), format!("{error:?}")] {
        assert_silent_text(&message, text);
    }
}

/// The same of any message.
pub(crate) fn assert_silent_text(message: &str, text: &str) {
    let material = material(text);
    let said: Vec<char> = message
        .replace("\\\\n", "")
        .replace("\\n", "")
        .chars()
        .collect();
    for window in said.windows(WINDOW) {
        let window: String = window.iter().collect();
        assert!(!material.contains(&window), "{message} tells {window}");
    }
}

/// Everything that looks like base64 or hexadecimal in the text, without line ends, and the secret numbers of
/// all complete keys in it.
fn material(text: &str) -> String {
    let text = text.replace("\\n", "\n");
    let is_body = |line: &&str| line.len() >= WINDOW && line.chars().all(is_base64);
    let words = text.split(|c: char| c.is_whitespace() || c == '"');
    let mut material: String = words.filter(is_body).collect();
    for part in text.split("-----BEGIN RSA PRIVATE KEY-----").skip(1) {
        let Some((body, _)) = part.split_once("-----END") else {
            continue;
        };
        let pem = format!("-----BEGIN RSA PRIVATE KEY-----{body}-----END RSA PRIVATE KEY-----");
        if let Some(numbers) = RsaNumbers::find_in_pem(&pem) {
            material.extend(numbers.secrets().map(digits));
        }
    }
    material
}

fn digits(number: &BoxedUint) -> String {
    let hex = number.to_string_radix_vartime(16);
    let decimal = number.to_string_radix_vartime(10);
    format!(" {hex} {} {decimal} ", hex.to_uppercase())
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')
}

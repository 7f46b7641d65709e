//! What a document comes in: bytes, whose text may be UTF-16, base64, or a string of JSON.
//!
//! A document that is as it should be is taken as it stands, without a copy.

use std::ops::Deref;

use base64::Engine as _;
use zeroize::Zeroizing;

use super::error::SecretError;
use super::json::{unescape, with_escaped_line_ends};
use super::oddity::{Oddities, Oddity};
use super::unicode;
use crate::key::DerKind;

/// How many coats a document may wear.
const MAX_COATS: usize = 6;

/// A document made of PEM alone: name and window are to be replaced.
const OF_PEM: &str = "{private_key: ., key_id: \"amply-checkpoint-key-2027\", valid_from: \"2027-01-01\", valid_until: \
                      \"2028-01-01\"}";

/// The text of a document.
pub(super) enum Text<'a> {
    /// As it came.
    Borrowed(&'a str),
    /// Decoded.
    Copied(Zeroizing<String>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Copied(text) => text,
        }
    }
}

/// The text of an object or an array, out of whatever it came in.
pub(super) fn open<'a>(bytes: &'a [u8], oddities: &mut Oddities) -> Result<Text<'a>, SecretError> {
    let mut text = match str::from_utf8(bytes) {
        Ok(text) if !text.starts_with('\u{feff}') && !text.contains('\0') => Text::Borrowed(text),
        _ => Text::Copied(decoded(bytes, oddities)?),
    };
    for _ in 0..MAX_COATS {
        let Some(inner) = without_coat(&text, oddities)? else {
            break;
        };
        text = Text::Copied(inner);
    }
    Ok(text)
}

fn without_coat(
    text: &str,
    oddities: &mut Oddities,
) -> Result<Option<Zeroizing<String>>, SecretError> {
    let content = text.trim();
    if content.starts_with(['{', '[']) {
        return Ok(without_escaped_quotes(content, oddities).or_else(|| {
            let mended = with_escaped_line_ends(text)?;
            oddities.note(Oddity::RawLineEnds);
            Some(mended)
        }));
    }
    if content.starts_with('"') {
        let inner = unescape(content).filter(|inner| is_document(inner) || is_coat(inner.trim()));
        oddities.note_if(inner.is_some(), Oddity::JsonInString);
        return Ok(inner);
    }
    match is_base64(content) {
        true => in_base64(content, oddities),
        false => Ok(None),
    }
}

fn in_base64(
    text: &str,
    oddities: &mut Oddities,
) -> Result<Option<Zeroizing<String>>, SecretError> {
    let Some(bytes) = from_base64(text) else {
        return Ok(None);
    };
    let decode =
        |file: &str| format!("`tr -d '\\r\\n' < secret.json | openssl base64 -d -A -out {file}`, ");
    if let Some(problem) = binary(&bytes, &decode("secret.der")) {
        return Err(SecretError::one("secret", problem));
    }
    let mut found = Oddities::default();
    let Some(inner) = unicode::decoded(&bytes, &mut found) else {
        return Ok(None);
    };
    if inner.contains("PRIVATE KEY-----") && !is_document(&inner) {
        let problem = format!(
            "is PEM alone, in base64; expected the JSON of a document: {}{}",
            decode("rsa.pem"),
            then_document()
        );
        return Err(SecretError::one("secret", problem));
    }
    if !is_document(&inner) && !is_coat(inner.trim()) {
        return Ok(None);
    }
    oddities.note(Oddity::Base64);
    oddities.extend(&found);
    Ok(Some(inner))
}

/// `{\"private_key\": ...}`: the inside of a string of JSON.
fn without_escaped_quotes(text: &str, oddities: &mut Oddities) -> Option<Zeroizing<String>> {
    let inside = text.strip_prefix(['{', '['])?.trim_start();
    if !inside
        .trim_start_matches("\\n")
        .trim_start()
        .starts_with("\\\"")
    {
        return None;
    }
    let mut quoted = Zeroizing::new(String::with_capacity(text.len() + 2));
    quoted.push('"');
    quoted.push_str(text);
    quoted.push('"');
    let inner = unescape(&quoted)?;
    oddities.note(Oddity::EscapedQuotes);
    Some(inner)
}

fn is_document(text: &str) -> bool {
    text.trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with(['{', '['])
}

fn is_coat(text: &str) -> bool {
    text.starts_with('"') || is_base64(text)
}

/// Whether a text is base64 alone, as a document in it is: never shorter than this.
fn is_base64(text: &str) -> bool {
    let is_digit =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '\n' | '\r');
    text.len() >= 64 && text.chars().all(is_digit)
}

fn from_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    let is_content = |byte: &u8| !matches!(byte, b'\n' | b'\r' | b'=');
    digits.extend(text.bytes().filter(is_content));
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(digits.len())]);
    let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
    let size = engine.decode_slice(digits.as_slice(), &mut bytes).ok()?;
    bytes.truncate(size);
    Some(bytes)
}

fn decoded(bytes: &[u8], oddities: &mut Oddities) -> Result<Zeroizing<String>, SecretError> {
    if let Some(text) = unicode::decoded(bytes, oddities) {
        return Ok(text);
    }
    let problem = binary(bytes, "`cp secret.json secret.der`, ").unwrap_or_else(|| {
        "is neither UTF-8 nor UTF-16; expected the JSON of a document in UTF-8".into()
    });
    Err(SecretError::one("secret", problem))
}

/// What bytes are that are no text, and the commands that make a document of them. `before` has them in secret.der.
fn binary(bytes: &[u8], before: &str) -> Option<String> {
    let then = then_document();
    let (what, how) = match DerKind::of(bytes)? {
        DerKind::Pkcs12 => (
            "PKCS#12 (.p12, .pfx)",
            "`openssl pkcs12 -in secret.der -nocerts -nodes | openssl pkey -out rsa.pem`",
        ),
        DerKind::Public => return Some(no_private("a public key in DER")),
        DerKind::Certificate => return Some(no_private("a certificate in DER")),
        DerKind::Encrypted => (
            "an encrypted key in DER",
            "`openssl pkcs8 -inform DER -in secret.der -out rsa.pem`",
        ),
        _ => (
            "a key in DER",
            "`openssl pkey -inform DER -in secret.der -out rsa.pem`",
        ),
    };
    Some(format!(
        "is {what}; expected the JSON of a document with PEM: {before}{how}, {then}"
    ))
}

fn then_document() -> String {
    format!("then `jq -Rs '{OF_PEM}' rsa.pem > mended.json`, with its own name and window")
}

fn no_private(what: &str) -> String {
    format!(
        "is {what}; expected the JSON of a document with the private key that belongs to it, as PEM: `jq -Rs '{OF_PEM}' rsa.pem > \
         mended.json`, with its own name and window"
    )
}

/// What a text is that is not the JSON of a document, and the command that makes one of it; empty where there is nothing to say.
pub(super) fn instead(text: &str) -> String {
    let content = text.trim();
    let has_pem = content.contains("PRIVATE KEY-----");
    let with = |what: &str, command: &str| {
        format!(
            "; it is {what}: `{command} secret.json > mended.json`, with its own name and window"
        )
    };
    if content.starts_with('"') && has_pem {
        return with("a string of JSON that holds PEM", &format!("jq '{OF_PEM}'"));
    }
    let python =
        |code: &str| format!("; it is {{}}: `python3 -c '{code}' < secret.json > mended.json`");
    if content.starts_with("{'") || content.starts_with("{ '") {
        let command =
            python("import ast, json, sys; print(json.dumps(ast.literal_eval(sys.stdin.read())))");
        return command.replace("{}", "a dict of Python, with single quotes");
    }
    let first = content.lines().next().unwrap_or_default();
    if first.contains("private_key") && first.contains(',') && !first.contains(['{', ':']) {
        let command =
            python("import csv, json, sys; print(json.dumps(next(csv.DictReader(sys.stdin))))");
        return command.replace("{}", "CSV");
    }
    if content.starts_with("-----BEGIN") {
        return with("PEM alone", &format!("jq -Rs '{OF_PEM}'"));
    }
    if has_pem && !content.starts_with(['{', '[']) {
        return with("text with PEM in it", &format!("jq -Rs '{OF_PEM}'"));
    }
    String::new()
}

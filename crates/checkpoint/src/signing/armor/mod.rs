//! Reads private keys as people have them: PEM whose lines, dashes or letters a shell, a form, a mail or a program has changed.
//!
//! Two promises. What is well formed is read by the strict reader alone, [`PrivateKey::from_pem`]; this one looks where that one
//! fails. And nothing is guessed: a text is read when one key alone can be meant, which passes the same full validation, and what was
//! odd is told as [`Oddities`]. All else is a [`Refusal`], which names what it is and the commands that mend it. Of two keys that
//! differ, none is taken.
//!
//! Texts and bytes in between are wiped.

mod blocks;
mod body;
mod foreign;
mod refusal;
mod tidy;

use zeroize::Zeroizing;

use super::json::{Members, unescape};
use super::oddity::{Oddities, Oddity};
use super::unicode;
use crate::key::{DerKind, PrivateKey, PrivateKeyError};
use blocks::{Block, Blocks, End};
pub(super) use refusal::Refusal;

/// How many coats a key may wear: base64 of PEM in JSON in base64 are three.
const MAX_DEPTH: usize = 6;

/// Most private keys that are compared: each is checked in full.
const MAX_KEYS: usize = 4;

/// Fewest characters that are taken for a document in base64: no name or date is as long.
const MIN_BASE64: usize = 64;

/// Reads the private key of a text.
///
/// # Errors
/// [`Refusal`] says what it is instead.
pub(super) fn read(text: &str, oddities: &mut Oddities) -> Result<PrivateKey, Refusal> {
    // The strict reader takes text before BEGIN for none.
    if text.trim_start().starts_with("-----BEGIN ") {
        match PrivateKey::from_pem(text) {
            Ok(key) => return Ok(key),
            Err(error) if is_of_key(&error) => return Err(error.into()),
            Err(_) => {}
        }
    }
    let mut found = Oddities::default();
    let key = read_odd(text, MAX_DEPTH, &mut found)?;
    oddities.extend(&found);
    Ok(key)
}

/// Whether the key was read, and is refused.
fn is_of_key(error: &PrivateKeyError) -> bool {
    use PrivateKeyError as Error;
    matches!(
        error,
        Error::NotRsa(_)
            | Error::PssOnly { .. }
            | Error::MultiPrime
            | Error::Public(_)
            | Error::Inconsistent
    )
}

fn read_odd(text: &str, depth: usize, oddities: &mut Oddities) -> Result<PrivateKey, Refusal> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Refusal::NotPem);
    };
    if text
        .trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t'])
        .starts_with('{')
    {
        return in_json(text, depth, oddities);
    }
    let text = tidy::tidy(text, oddities);
    let blocks = Blocks::of(&text, oddities);
    if blocks.found.is_empty() && blocks.without_begin.is_empty() {
        return unmarked(&text, depth, oddities);
    }
    let (private, others): (Vec<&Block<'_>>, Vec<&Block<'_>>) = blocks
        .found
        .iter()
        .partition(|block| foreign::is_private(&block.label));
    let key = match private.as_slice() {
        [] => {
            let refusal = foreign::without_private(&blocks);
            return Err(refusal.unwrap_or(Refusal::NotPem));
        }
        [block] => block_key(block, oddities)?,
        several => same_key(several, oddities)?,
    };
    oddities.note_if(blocks.has_text_around, Oddity::TextAround);
    let beside = !others.is_empty() || !blocks.without_begin.is_empty();
    oddities.note_if(beside, Oddity::OtherPem);
    Ok(key)
}

fn block_key(block: &Block<'_>, oddities: &mut Oddities) -> Result<PrivateKey, Refusal> {
    let End::Same = block.end else {
        return Err(foreign::ended(block));
    };
    let is_pkcs1 = match block.label.as_str() {
        "RSA PRIVATE KEY" => true,
        "PRIVATE KEY" => false,
        "OPENSSH PRIVATE KEY" => {
            let bytes = body::decode(block.body, &mut Oddities::default());
            return Err(bytes.map_or(Refusal::OpenSsh, |bytes| foreign::openssh(&bytes)));
        }
        other => return Err(foreign::labelled(other)),
    };
    let found = body::read(block.body, oddities)?;
    oddities.note_if(found.is_pkcs1 != is_pkcs1, Oddity::OtherLabel);
    Ok(found.key)
}

/// The key that all of several documents hold.
fn same_key(blocks: &[&Block<'_>], oddities: &mut Oddities) -> Result<PrivateKey, Refusal> {
    let differ = || Refusal::SeveralKeys(blocks.iter().map(|block| block.label.clone()).collect());
    if blocks.len() > MAX_KEYS {
        return Err(differ());
    }
    let mut only: Option<PrivateKey> = None;
    for block in blocks {
        let key = block_key(block, oddities).map_err(|_| differ())?;
        if only
            .as_ref()
            .is_some_and(|only| only.public_key() != key.public_key())
        {
            return Err(differ());
        }
        only = Some(key);
    }
    oddities.note(Oddity::Repeated);
    only.ok_or(Refusal::NotPem)
}

/// A text without BEGIN and END: the base64 alone, or base64 of the whole.
fn unmarked(text: &str, depth: usize, oddities: &mut Oddities) -> Result<PrivateKey, Refusal> {
    let digits = text.trim().trim_matches(['"', '\'', '`']);
    // What is known by its first characters need not be decoded.
    let refusal = foreign::unlabelled(text);
    if !matches!(refusal, Refusal::NotPem | Refusal::Reference(_)) || digits.len() < MIN_BASE64 {
        return Err(refusal);
    }
    let mut found = Oddities::default();
    let Ok(bytes) = body::decode(digits, &mut found) else {
        return Err(refusal);
    };
    if let Some(refusal) = foreign::bytes(&bytes) {
        return Err(refusal);
    }
    if bytes.first() != Some(&0x30) {
        let Some(inner) = unicode::decoded(&bytes, &mut found) else {
            return Err(refusal);
        };
        let key = read_odd(&inner, depth, &mut found)?;
        found.note(Oddity::Base64);
        oddities.extend(&found);
        return Ok(key);
    }
    if DerKind::of(&bytes).is_none() {
        return Err(refusal);
    }
    let key = PrivateKey::from_der(&bytes).map_err(|error| Refusal::of_der(&bytes, error))?;
    found.note(Oddity::NoMarkers);
    oddities.extend(&found);
    Ok(key)
}

/// JSON that holds the PEM: the key file of a service account, or the document once more.
fn in_json(text: &str, depth: usize, oddities: &mut Oddities) -> Result<PrivateKey, Refusal> {
    let start = text.trim_start_matches('\u{feff}');
    let members = Members::parse(start).map_err(|_| foreign::unlabelled(text))?;
    if members.get("kty").is_some() {
        return Err(Refusal::Jwk);
    }
    let names = [
        "key_id",
        "valid_from",
        "valid_until",
        "algorithm",
        "endorsement",
    ];
    if names.iter().any(|name| members.get(name).is_some()) {
        return Err(Refusal::Document);
    }
    let pem: Option<Zeroizing<String>> = members
        .get("private_key")
        .and_then(|raw| unescape(raw.get()));
    let pem = pem.ok_or(Refusal::NotPem)?;
    let key = read_odd(&pem, depth, oddities)?;
    oddities.note(Oddity::JsonAroundPem);
    Ok(key)
}

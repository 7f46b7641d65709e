//! A text that is not one checkpoint a line: one checkpoint, or a list of some.

use std::io::{Error, Read, Result};

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// Largest list that is read, in bytes: it is in memory as a whole. A page of `/v1/checkpoints` has a hundred.
const MAX_LIST_BYTES: usize = 64 << 20;

/// Bytes by which a list shows: what stands in it is long.
const SHOWN: usize = 64;

/// What `/v1/checkpoints` gives, and nothing else: a text that has any other member is judged as a checkpoint.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List<'a> {
    #[serde(borrow)]
    checkpoints: Vec<&'a RawValue>,
    #[serde(rename = "next_page", default)]
    _next_page: IgnoredAny,
}

/// What a text is, as far as that was looked at.
pub(super) enum Begun {
    /// A list, or an array: what is in it.
    List(Vec<Bytes>),
    /// No list, and what was read of it.
    Other(Vec<u8>),
}

/// Reads a list, if it is one.
///
/// # Errors
/// When it cannot be read, or is a list that is too long.
pub(super) fn begin(reader: &mut dyn Read) -> Result<Begun> {
    let mut text = Vec::new();
    read_up_to(reader, SHOWN, &mut text)?;
    if !may_be_list(&text) {
        return Ok(Begun::Other(text));
    }
    read_up_to(reader, MAX_LIST_BYTES + 1, &mut text)?;
    if text.len() > MAX_LIST_BYTES {
        return Err(Error::other(format!(
            "is a list of more than {MAX_LIST_BYTES} bytes, which is the most that is read as one; expected several lists (a page of \
             /v1/checkpoints has a hundred), or one checkpoint on each line, as it was published, without a bound (.ndjson). What writes \
             JSON anew may hide that a member stands there twice"
        )));
    }
    let text = Bytes::from(text);
    Ok(match listed(&text) {
        Some(checkpoints) => Begun::List(checkpoints),
        None => Begun::Other(text.into()),
    })
}

fn read_up_to(reader: &mut dyn Read, most: usize, text: &mut Vec<u8>) -> Result<()> {
    let room = most.saturating_sub(text.len()) as u64;
    reader.take(room).read_to_end(text).map(|_| ())
}

/// Whether it begins like a list. Blanks may stand before all of it; then it is judged as it always was.
fn may_be_list(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let member = text.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    let is_list = |text: &[u8]| {
        [&b"\"checkpoints\""[..], b"\"next_page\""]
            .iter()
            .any(|name| text.starts_with(name))
    };
    text.starts_with(b"[") || member.is_some_and(is_list)
}

/// The checkpoints of a list, or of an array; none when it is neither.
fn listed(document: &Bytes) -> Option<Vec<Bytes>> {
    let checkpoints = match document.trim_ascii_start().first()? {
        b'[' => serde_json::from_slice(document).ok()?,
        b'{' => serde_json::from_slice::<List>(document).ok()?.checkpoints,
        _ => return None,
    };
    let checkpoints: Vec<&RawValue> = checkpoints;
    let bytes = |one: &&RawValue| document.slice_ref(one.get().as_bytes());
    Some(checkpoints.iter().map(bytes).collect())
}

pub(super) fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

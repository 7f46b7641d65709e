//! A text that is not one checkpoint a line: one checkpoint, or a list of some.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// What `/v1/checkpoints` gives, and nothing else: a text that has any other member is judged as a checkpoint.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List<'a> {
    #[serde(borrow)]
    checkpoints: Vec<&'a RawValue>,
    #[serde(rename = "next_page", default)]
    _next_page: IgnoredAny,
}

/// The checkpoints of a list, or of an array; none when it is neither.
pub(super) fn listed(document: &Bytes) -> Option<Vec<Bytes>> {
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

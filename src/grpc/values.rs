//! Messages counted on the wire, before anything is made of them: an empty struct of two bytes becomes hundreds in memory, so
//! that a message of few mebibytes could take hundreds.
//!
//! Attack: millions of empty structs in a message of few bytes each. Shown by `tests/web/attack.rs` (`pathological_protobuf`) and
//! `tests/service/wrong_input.rs` (`values_have_a_bound_whatever_their_bytes`).

use std::any::TypeId;

use crate::wire::proto::{
    SignCheckpointRequest, SignCheckpointsRequest, VerifyCheckpointRequest,
    VerifyCheckpointsRequest,
};
use checkpoint::checkpoint::MAX_VALUES;

/// Deepest nesting of messages that prost reads.
const MAX_DEPTH: usize = 100;

/// Where messages with values stand in a message: the field, whether each of it is a value, and what is in it.
struct Shape(&'static [(u32, bool, &'static Shape)]);

static CHECKPOINT: Shape = Shape(&[(7, true, &STRUCT), (8, false, &STRUCT)]);
static SIGNED_CHECKPOINT: Shape = Shape(&[(1, false, &CHECKPOINT)]);
static STRUCT: Shape = Shape(&[(1, true, &MEMBER)]);
static MEMBER: Shape = Shape(&[(2, false, &VALUE)]);
static VALUE: Shape = Shape(&[(5, false, &STRUCT), (6, false, &LIST)]);
static LIST: Shape = Shape(&[(1, true, &VALUE)]);
static SIGN: Shape = Shape(&[(1, false, &CHECKPOINT)]);
static SIGN_ITEM: Shape = Shape(&[(2, false, &CHECKPOINT)]);
static VERIFY: Shape = Shape(&[(1, false, &SIGNED_CHECKPOINT)]);
static VERIFY_ITEM: Shape = Shape(&[(2, false, &SIGNED_CHECKPOINT)]);

fn shape_of<U: 'static>() -> Option<&'static Shape> {
    let found = TypeId::of::<U>();
    let shapes = [
        (TypeId::of::<SignCheckpointRequest>(), &SIGN),
        (TypeId::of::<SignCheckpointsRequest>(), &SIGN_ITEM),
        (TypeId::of::<VerifyCheckpointRequest>(), &VERIFY),
        (TypeId::of::<VerifyCheckpointsRequest>(), &VERIFY_ITEM),
    ];
    let mut shapes = shapes.into_iter();
    shapes.find_map(|(of, shape)| (of == found).then_some(shape))
}

/// Counts the values in a request's checkpoint.
///
/// # Errors
/// A sentence, when there are more than a checkpoint may have. What is no protobuf is left to whoever reads it.
pub(super) fn check<U: 'static>(message: &[u8]) -> Result<(), String> {
    let Some(shape) = shape_of::<U>() else {
        return Ok(());
    };
    let mut left = MAX_VALUES;
    match count(message, shape, MAX_DEPTH, &mut left) {
        Some(()) => Ok(()),
        None => Err(format!(
            "has more than {MAX_VALUES} values in its checkpoint, or groups; expected fewer"
        )),
    }
}

/// None when there are too many, or when what follows cannot be told.
fn count(mut message: &[u8], shape: &Shape, depth: usize, left: &mut usize) -> Option<()> {
    while !message.is_empty() {
        let Some(tag) = varint(&mut message) else {
            // It ends in the middle: prost says so.
            return Some(());
        };
        let length = match tag & 7 {
            0 => {
                if varint(&mut message).is_none() {
                    return Some(());
                }
                continue;
            }
            1 => 8,
            5 => 4,
            2 => match varint(&mut message) {
                Some(length) => usize::try_from(length).unwrap_or(usize::MAX),
                None => return Some(()),
            },
            // Groups: nothing here has any (protobuf, "Encoding", "Groups").
            _ => return None,
        };
        let Some((inside, rest)) = message.split_at_checked(length) else {
            return Some(());
        };
        message = rest;
        let field = u32::try_from(tag >> 3).unwrap_or(u32::MAX);
        let mut known = shape.0.iter();
        if let (2, Some((_, is_value, inner))) =
            (tag & 7, known.find(|(number, _, _)| *number == field))
        {
            if *is_value {
                *left = left.checked_sub(1)?;
            }
            // Deeper ones are refused by prost.
            if let Some(depth) = depth.checked_sub(1) {
                count(inside, inner, depth, left)?;
            }
        }
    }
    Some(())
}

/// Protobuf's base 128 numbers, of at most ten bytes.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *bytes = bytes.get(index + 1..)?;
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::value::Kind;
    use prost_types::{ListValue, Struct, Value};

    use super::*;
    use crate::wire::proto::verify_checkpoints_request::Subject;
    use crate::wire::proto::{Checkpoint, SignedCheckpoint};

    fn members(count: usize) -> Struct {
        let fields = (0..count).map(|n| (n.to_string(), Value::from(1.0)));
        Struct {
            fields: fields.collect(),
        }
    }

    fn list(count: usize) -> Struct {
        let values = vec![Value::from(true); count - 1];
        let kind = Some(Kind::ListValue(ListValue { values }));
        Struct {
            fields: [("a".to_owned(), Value { kind })].into(),
        }
    }

    fn signed(checkpoint: Checkpoint) -> SignedCheckpoint {
        SignedCheckpoint {
            checkpoint: Some(checkpoint),
            ..Default::default()
        }
    }

    #[test]
    fn values_are_counted_wherever_they_stand() {
        let kinds: [fn(usize) -> Checkpoint; 3] = [
            |count| Checkpoint {
                additional_members: Some(list(count)),
                ..Default::default()
            },
            |count| Checkpoint {
                organization_summaries: vec![Struct::default(); count],
                ..Default::default()
            },
            |count| Checkpoint {
                organization_summaries: vec![members(count - 1)],
                ..Default::default()
            },
        ];
        for kind in kinds {
            for (count, expected) in [(MAX_VALUES, true), (MAX_VALUES + 1, false)] {
                let checkpoint = kind(count);
                let sign = SignCheckpointRequest {
                    checkpoint: Some(checkpoint.clone()),
                    omit_content: false,
                };
                let verify = VerifyCheckpointsRequest {
                    subject: Some(Subject::SignedCheckpoint(signed(checkpoint))),
                    ..Default::default()
                };
                let sign = check::<SignCheckpointRequest>(&sign.encode_to_vec());
                let verify = check::<VerifyCheckpointsRequest>(&verify.encode_to_vec());
                assert_eq!((sign.is_ok(), verify.is_ok()), (expected, expected));
            }
        }
    }

    #[test]
    fn what_is_no_message_is_left_to_prost_and_groups_are_not_followed() {
        for bytes in [&[0x0a_u8][..], &[0x0a, 5, 1], &[0xff; 20], &[8]] {
            let _ = check::<SignCheckpointRequest>(bytes);
        }
        assert!(check::<SignCheckpointRequest>(&[0x0b]).is_err());
    }
}

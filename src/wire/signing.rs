//! The messages of `SigningService` as the service reads them, and its answers, in `answers`: between the wire and the core, with nothing in
//! between.

use prost::Message as _;

pub(crate) use super::answers::{Answered, SignCheckpointResponse, SignCheckpointsResponse};
use super::proto;
use super::structs::{self, Field, Fields};
use ::checkpoint::checkpoint::{
    Checkpoint, Content, EntryCount, InvalidCheckpoint, Items, Outline, Timestamp, TotalVolume,
};
use ::checkpoint::fault::FieldFault;

/// A checkpoint of a request, or why it is not one.
pub(crate) type Asked = Result<Checkpoint, InvalidCheckpoint>;

/// Asks for one signature.
pub(crate) struct SignCheckpointRequest {
    pub(crate) checkpoint: Asked,
    pub(crate) omit_content: bool,
}

/// One item of a stream to sign.
pub(crate) struct SignCheckpointsRequest {
    pub(crate) request_id: String,
    pub(crate) checkpoint: Asked,
    pub(crate) omit_content: bool,
    /// What it took on the wire.
    pub(crate) bytes: usize,
}

fn asked(wire: Option<proto::Checkpoint>) -> Asked {
    wire.ok_or_else(|| FieldFault::new("checkpoint", "is missing; expected a checkpoint"))?
        .try_into()
}

impl From<proto::SignCheckpointRequest> for SignCheckpointRequest {
    fn from(wire: proto::SignCheckpointRequest) -> Self {
        Self {
            checkpoint: asked(wire.checkpoint),
            omit_content: wire.omit_content,
        }
    }
}

impl From<proto::SignCheckpointsRequest> for SignCheckpointsRequest {
    fn from(wire: proto::SignCheckpointsRequest) -> Self {
        Self {
            bytes: wire.encoded_len(),
            request_id: wire.request_id,
            omit_content: wire.omit_content,
            checkpoint: asked(wire.checkpoint),
        }
    }
}

impl SignCheckpointRequest {
    /// Reads a message that is certainly right; none for every other, which is left to prost.
    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        let (mut checkpoint, mut omit_content) = (None, None);
        let mut fields = Fields(message);
        while fields.are_left() {
            match fields.next()? {
                (1, Field::Bytes(found)) if checkpoint.is_none() => checkpoint = Some(found),
                (2, Field::Varint(found)) if omit_content.is_none() => omit_content = Some(found),
                _ => return None,
            }
        }
        Some(Self {
            checkpoint: Ok(read_checkpoint(checkpoint?)?),
            omit_content: omit_content.is_some_and(|found| found != 0),
        })
    }
}

impl SignCheckpointsRequest {
    /// Reads a message that is certainly right; none for every other, which is left to prost.
    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        let (mut request_id, mut checkpoint, mut omit_content) = (None, None, None);
        let mut fields = Fields(message);
        while fields.are_left() {
            match fields.next()? {
                (1, found) if request_id.is_none() => request_id = Some(found.text()?),
                (2, Field::Bytes(found)) if checkpoint.is_none() => checkpoint = Some(found),
                (3, Field::Varint(found)) if omit_content.is_none() => omit_content = Some(found),
                _ => return None,
            }
        }
        Some(Self {
            omit_content: omit_content.is_some_and(|found| found != 0),
            request_id: request_id.unwrap_or_default().into(),
            checkpoint: Ok(read_checkpoint(checkpoint?)?),
            bytes: message.len(),
        })
    }
}

fn read_checkpoint(message: &[u8]) -> Option<Checkpoint> {
    let (mut checkpoint_id, mut ledger_id, mut cumulative_hash) = (None, None, None);
    let (mut timestamp, mut entry_count, mut total_volume) = (None, None, None);
    // Its text is mostly shorter.
    let mut content = Content::begin(message.len());
    let mut fields = Fields(message);
    while fields.are_left() {
        match fields.next()? {
            (1, found) if checkpoint_id.is_none() => {
                checkpoint_id = Some(found.text()?.parse().ok()?);
            }
            (2, found) if ledger_id.is_none() => ledger_id = Some(found.text()?.parse().ok()?),
            (3, Field::Bytes(found)) if timestamp.is_none() => {
                timestamp = Some(read_timestamp(found)?);
            }
            (4, found) if cumulative_hash.is_none() => {
                cumulative_hash = Some(found.text()?.parse().ok()?);
            }
            (5, Field::Varint(found)) if entry_count.is_none() => {
                entry_count = Some(EntryCount::try_from(i128::from(found)).ok()?);
            }
            (6, Field::Varint(found)) if total_volume.is_none() => {
                let found = i128::from(found.cast_signed());
                total_volume = Some(TotalVolume::try_from(found).ok()?);
            }
            (7, Field::Bytes(first)) => {
                content.summaries(|items| read_summaries(first, &mut fields, items))?;
            }
            (8, Field::Bytes(found)) => {
                content.additional(|members| structs::read_members(found, members))?;
            }
            _ => return None,
        }
    }
    let outline = Outline {
        checkpoint_id: checkpoint_id?,
        ledger_id: ledger_id?,
        timestamp: timestamp?,
        cumulative_hash: cumulative_hash?,
        // Numbers that are 0 are left out.
        entry_count: entry_count.or(EntryCount::try_from(0).ok())?,
        total_volume: total_volume.or(TotalVolume::try_from(0).ok())?,
    };
    content.finish(outline).ok()
}

/// All that follow one another. Further ones behind other fields are left to prost.
fn read_summaries<'a>(
    first: &'a [u8],
    fields: &mut Fields<'a>,
    out: &mut Items<'_, 'a>,
) -> Option<()> {
    let mut summary = first;
    loop {
        out.item(|place| place.object(|members| structs::read_members(summary, members)))?;
        let behind = *fields;
        match fields.next() {
            Some((7, Field::Bytes(next))) => summary = next,
            _ => {
                *fields = behind;
                return Some(());
            }
        }
    }
}

fn read_timestamp(message: &[u8]) -> Option<Timestamp> {
    let (mut seconds, mut fields) = (0, Fields(message));
    if fields.are_left() {
        let (1, Field::Varint(found)) = fields.next()? else {
            return None;
        };
        seconds = found.cast_signed();
    }
    let whole = !fields.are_left();
    whole.then(|| Timestamp::from_unix(seconds, 0).ok())?
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;
    use prost_types::value::Kind;
    use prost_types::{ListValue, Struct, Value};

    use super::super::proto::sign_checkpoints_response::Outcome;
    use super::*;
    use ::checkpoint::checkpoint::MAX_VALUES;
    use ::checkpoint::jws::{DetachedJws, JwsType, ProtectedHeader, SignedCheckpoint};
    use ::checkpoint::key::Algorithm;

    fn name() -> impl Strategy<Value = String> {
        // Where the orders of UTF-8 and UTF-16 differ, what is escaped, and none.
        "[a-c\"\u{e000}\u{ffff}\u{10000}é]{0,2}"
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Kind::NullValue(0)),
            any::<bool>().prop_map(Kind::BoolValue),
            (-1000_i32..1000).prop_map(|number| Kind::NumberValue(number.into())),
            any::<f64>().prop_map(Kind::NumberValue),
            (-1e9..1e9_f64).prop_map(Kind::NumberValue),
            "[a-z\"\\\\é\u{1}\u{10000}]{0,200}".prop_map(Kind::StringValue),
        ];
        let leaf = leaf.prop_map(|kind| Value { kind: Some(kind) });
        let value = leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|values| Kind::ListValue(ListValue { values })),
                prop::collection::btree_map(name(), inner, 0..4)
                    .prop_map(|fields| Kind::StructValue(Struct { fields })),
            ]
            .prop_map(|kind| Value { kind: Some(kind) })
        });
        prop_oneof![20 => value, 1 => Just(Value { kind: None })]
    }

    fn any_struct() -> impl Strategy<Value = Struct> {
        let fields = prop::collection::btree_map(name(), any_value(), 0..4);
        fields.prop_map(|fields| Struct { fields })
    }

    fn any_checkpoint() -> impl Strategy<Value = proto::Checkpoint> {
        let summaries = prop::collection::vec(any_struct(), 0..4);
        let additional = prop::option::of(any_struct());
        let numbers = (-1_i64..1 << 40, 0_u64..1 << 54, any::<i64>());
        (numbers, summaries, additional).prop_map(
            |((seconds, entry_count, total_volume), organization_summaries, additional_members)| {
                proto::Checkpoint {
                    checkpoint_id: "chk_1".into(),
                    ledger_id: "org_1".into(),
                    timestamp: Some(prost_types::Timestamp { seconds, nanos: 0 }),
                    cumulative_hash: format!("sha256:{}", "0a".repeat(32)),
                    entry_count: entry_count >> (entry_count % 54),
                    total_volume: total_volume >> (9 + total_volume.rem_euclid(55)),
                    organization_summaries,
                    additional_members,
                }
            },
        )
    }

    /// What prost makes of it; none when it is refused.
    fn ordinary(message: &[u8]) -> Option<Checkpoint> {
        let message = proto::SignCheckpointRequest::decode(message).ok()?;
        SignCheckpointRequest::from(message).checkpoint.ok()
    }

    fn fast(message: &[u8]) -> Option<Checkpoint> {
        SignCheckpointRequest::read(message)?.checkpoint.ok()
    }

    fn payload(checkpoint: Option<&Checkpoint>) -> Option<&[u8]> {
        checkpoint.map(|checkpoint| checkpoint.payload().as_bytes())
    }

    fn request(checkpoint: proto::Checkpoint) -> Vec<u8> {
        let checkpoint = Some(checkpoint);
        proto::SignCheckpointRequest {
            checkpoint,
            omit_content: false,
        }
        .encode_to_vec()
    }

    fn signed(checkpoint: Checkpoint) -> SignedCheckpoint {
        let header = ProtectedHeader {
            alg: Algorithm::Ps256,
            iat: DateTime::from_timestamp(1_748_779_200, 0).unwrap(),
            kid: "key-2025".parse().unwrap(),
            typ: JwsType::Checkpoint,
        };
        let sign = |_: &[u8]| Ok::<_, std::convert::Infallible>(vec![7; 384]);
        let Ok(jws) = DetachedJws::create(header, checkpoint.payload().as_bytes(), sign);
        SignedCheckpoint { checkpoint, jws }
    }

    proptest! {
        #[test]
        fn what_is_read_at_once_is_what_prost_reads(checkpoint in any_checkpoint()) {
            let message = request(checkpoint.clone());
            let ordinary = ordinary(&message);
            let fast = fast(&message);
            prop_assert_eq!(payload(fast.as_ref()), payload(ordinary.as_ref()));
            let item = proto::SignCheckpointsRequest {
                request_id: "7".into(),
                checkpoint: Some(checkpoint),
                omit_content: true,
            };
            let item = item.encode_to_vec();
            let fast = SignCheckpointsRequest::read(&item);
            prop_assert_eq!(fast.is_some(), ordinary.is_some());
            if let Some(fast) = fast {
                let read = (fast.request_id.as_str(), fast.bytes, fast.omit_content);
                prop_assert_eq!(read, ("7", item.len(), true));
                let checkpoint = fast.checkpoint.ok();
                prop_assert_eq!(payload(checkpoint.as_ref()), payload(ordinary.as_ref()));
            }
        }

        #[test]
        fn a_changed_byte_misleads_nobody(
            checkpoint in any_checkpoint(), at in any::<prop::sample::Index>(), byte in any::<u8>(), insert in any::<bool>(),
        ) {
            let mut message = request(checkpoint);
            let at = at.index(message.len());
            match insert {
                true => message.insert(at, byte),
                false => message[at] = byte,
            }
            if let Some(fast) = fast(&message) {
                let ordinary = ordinary(&message);
                prop_assert_eq!(payload(Some(&fast)), payload(ordinary.as_ref()));
            }
        }

        #[test]
        fn what_is_written_is_what_prost_writes(checkpoint in any_checkpoint()) {
            let Ok(checkpoint) = Checkpoint::try_from(checkpoint) else {
                return Ok(());
            };
            let signed = signed(checkpoint);
            for omit_content in [false, true] {
                let mut message = proto::SignedCheckpoint::from(&signed);
                if omit_content {
                    message.checkpoint = None;
                    message.payload.clear();
                    message.published_json.clear();
                }
                let answered = || Answered { signed: signed.clone(), omit_content };
                let expected = proto::SignCheckpointResponse { signed_checkpoint: Some(message.clone()) };
                let (mut found, mut length) = (Vec::new(), 0);
                let response = SignCheckpointResponse::Answered(Box::new(answered()));
                response.write(&mut found, |_, found| length = found);
                prop_assert_eq!(&found, &expected.encode_to_vec());
                prop_assert_eq!(length, found.len());
                for request_id in ["", "7"] {
                    let expected = proto::SignCheckpointsResponse {
                        request_id: request_id.into(),
                        outcome: Some(Outcome::SignedCheckpoint(message.clone())),
                    };
                    let response = SignCheckpointsResponse::Item {
                        request_id: request_id.into(),
                        outcome: Box::new(Ok(answered())),
                    };
                    let mut found = Vec::new();
                    response.write(&mut found, |_, found| length = found);
                    prop_assert_eq!(&found, &expected.encode_to_vec());
                    prop_assert_eq!(length, found.len());
                }
            }
        }
    }

    #[test]
    fn values_have_the_same_bound() {
        for (count, is_read) in [(MAX_VALUES, true), (MAX_VALUES + 1, false)] {
            let checkpoint = proto::Checkpoint {
                organization_summaries: vec![Struct::default(); count],
                ..(&ordinary_checkpoint()).into()
            };
            assert_eq!(fast(&request(checkpoint)).is_some(), is_read, "{count}");
        }
    }

    fn ordinary_checkpoint() -> Checkpoint {
        Checkpoint::from_json(include_bytes!("../../examples/checkpoint.json")).unwrap()
    }

    #[test]
    fn an_ordinary_checkpoint_is_read_at_once() {
        assert!(fast(&request((&ordinary_checkpoint()).into())).is_some());
    }
}

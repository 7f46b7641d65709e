//! Checkpoints, signed ones, and verdicts on them.

use std::collections::BTreeMap;

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as ProtoValue};

use super::{proto, read_instant, timestamp};
use ::checkpoint::checkpoint;
use ::checkpoint::checkpoint::{
    Checkpoint, Draft, EntryCount, InvalidCheckpoint, JsonObject, JsonValue, MAX_NESTING, Outline,
    Text, TotalVolume, Value,
};
use ::checkpoint::fault::{Faults, FieldFault};
use ::checkpoint::jws::{DetachedJws, SignedCheckpoint};
use ::checkpoint::key::Algorithm;
use ::checkpoint::verdict::{Verdict, VerdictKind};

impl TryFrom<proto::Checkpoint> for Checkpoint {
    type Error = InvalidCheckpoint;

    fn try_from(wire: proto::Checkpoint) -> Result<Self, InvalidCheckpoint> {
        let mut faults = Faults::default();
        let checkpoint_id = faults.take("checkpoint_id", wire.checkpoint_id.parse());
        let ledger_id = faults.take("ledger_id", wire.ledger_id.parse());
        let timestamp = faults.take(
            "timestamp",
            wire.timestamp
                .ok_or(checkpoint::FieldError::Missing("whole seconds in UTC"))
                .and_then(|t| checkpoint::Timestamp::from_unix(t.seconds, t.nanos)),
        );
        let cumulative_hash = faults.take("cumulative_hash", wire.cumulative_hash.parse());
        let entry_count = i128::from(wire.entry_count);
        let entry_count = faults.take("entry_count", EntryCount::try_from(entry_count));
        let total_volume = i128::from(wire.total_volume);
        let total_volume = faults.take("total_volume", TotalVolume::try_from(total_volume));
        let mut organization_summaries = Vec::with_capacity(wire.organization_summaries.len());
        for (index, summary) in wire.organization_summaries.into_iter().enumerate() {
            // The array is the first level of the member, the object the second.
            match object(summary, &format!("organization_summaries[{index}]"), 2) {
                Ok(summary) => organization_summaries.push(summary),
                Err(fault) => faults.push(fault),
            }
        }
        let additional = wire.additional_members.unwrap_or_default();
        let additional_members = match object(additional, "additional_members", 0) {
            Ok(members) => Some(members),
            Err(fault) => {
                faults.push(fault);
                None
            }
        };
        Draft {
            checkpoint_id,
            ledger_id,
            timestamp,
            cumulative_hash,
            entry_count,
            total_volume,
            organization_summaries: Some(organization_summaries),
            additional_members,
        }
        .finish(faults)
    }
}

impl From<&Checkpoint> for proto::Checkpoint {
    fn from(checkpoint: &Checkpoint) -> Self {
        let content = checkpoint.content();
        let mut summaries = content.summaries();
        summaries.value();
        let organization_summaries = std::iter::from_fn(|| {
            summaries.has_more().then(|| {
                summaries.value();
                wire_object(&mut summaries)
            })
        });
        let additional = content.additional_members();
        let additional = additional.map(|(name, mut text)| (name.into(), wire_value(&mut text)));
        let fields: BTreeMap<_, _> = additional.collect();
        Self {
            organization_summaries: organization_summaries.collect(),
            additional_members: (!fields.is_empty()).then_some(Struct { fields }),
            ..small(checkpoint.fields())
        }
    }
}

/// A checkpoint without its structs, which may be large.
pub(super) fn small(fields: &Outline) -> proto::Checkpoint {
    proto::Checkpoint {
        checkpoint_id: fields.checkpoint_id.to_string(),
        ledger_id: fields.ledger_id.to_string(),
        timestamp: Some(timestamp(fields.timestamp.instant())),
        cumulative_hash: fields.cumulative_hash.to_string(),
        entry_count: fields.entry_count.get(),
        total_volume: fields.total_volume.get(),
        organization_summaries: Vec::new(),
        additional_members: None,
    }
}

/// What is said of a signature, without what was signed.
pub(super) fn around(jws: &DetachedJws) -> proto::SignedCheckpoint {
    let header = jws.header();
    proto::SignedCheckpoint {
        checkpoint: None,
        signature: jws.compact(),
        key_id: header.kid.to_string(),
        algorithm: proto::SignatureAlgorithm::from(header.alg).into(),
        signed_at: Some(timestamp(header.iat)),
        payload: Vec::new(),
        published_json: String::new(),
    }
}

impl From<Algorithm> for proto::SignatureAlgorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Ps256 => Self::Ps256,
            Algorithm::Rs256 => Self::Rs256,
        }
    }
}

impl From<&SignedCheckpoint> for proto::SignedCheckpoint {
    fn from(signed: &SignedCheckpoint) -> Self {
        Self {
            checkpoint: Some((&signed.checkpoint).into()),
            payload: signed.checkpoint.payload().as_bytes().to_vec(),
            published_json: signed.published_json(),
            ..around(&signed.jws)
        }
    }
}

impl TryFrom<proto::SignedCheckpoint> for SignedCheckpoint {
    type Error = InvalidCheckpoint;

    /// Of the fields that follow from checkpoint and signature, those that are set must agree with them.
    fn try_from(wire: proto::SignedCheckpoint) -> Result<Self, InvalidCheckpoint> {
        let missing = || FieldFault::new("checkpoint", "is missing; expected a checkpoint");
        let checkpoint = wire.checkpoint.ok_or_else(missing)?.try_into()?;
        let jws = DetachedJws::parse(&wire.signature)
            .map_err(|error| FieldFault::new("signature", error.to_string()))?;
        let signed = Self { checkpoint, jws };
        let header = signed.jws.header();
        let algorithm = proto::SignatureAlgorithm::from(header.alg) as i32;
        let payload = signed.checkpoint.payload().as_bytes();
        let agrees = [
            (
                "key_id",
                wire.key_id.is_empty() || wire.key_id == header.kid.as_str(),
            ),
            (
                "algorithm",
                wire.algorithm == 0 || wire.algorithm == algorithm,
            ),
            (
                "signed_at",
                wire.signed_at.is_none_or(|t| t == timestamp(header.iat)),
            ),
            (
                "payload",
                wire.payload.is_empty() || wire.payload == payload,
            ),
            (
                "published_json",
                wire.published_json.is_empty() || wire.published_json == signed.published_json(),
            ),
        ];
        match agrees.iter().find(|(_, agrees)| !agrees) {
            None => Ok(signed),
            Some((field, _)) => Err(FieldFault::new(
                *field,
                "contradicts checkpoint and signature; expected it to agree, or to be empty",
            )
            .into()),
        }
    }
}

impl From<VerdictKind> for proto::VerdictKind {
    fn from(kind: VerdictKind) -> Self {
        match kind {
            VerdictKind::Valid => Self::Valid,
            VerdictKind::InvalidSignature => Self::InvalidSignature,
            VerdictKind::UnknownKey => Self::UnknownKey,
            VerdictKind::OutsideValidity => Self::OutsideValidity,
            VerdictKind::KeyRevoked => Self::KeyRevoked,
            VerdictKind::AlgorithmMismatch => Self::AlgorithmMismatch,
            VerdictKind::Malformed => Self::Malformed,
        }
    }
}

/// A verdict on the wire.
pub(crate) fn verdict(verdict: Verdict, recorded: Option<bool>) -> proto::Verdict {
    proto::Verdict {
        kind: proto::VerdictKind::from(verdict.kind).into(),
        key_id: verdict.key_id.map(|id| id.to_string()).unwrap_or_default(),
        signed_at: verdict.signed_at.map(timestamp),
        explanation: verdict.explanation,
        recorded,
    }
}

/// None for a kind that this program does not know.
pub(crate) fn read_verdict(wire: proto::Verdict) -> Option<Verdict> {
    let kind = match wire.kind() {
        proto::VerdictKind::Unspecified => return None,
        proto::VerdictKind::Valid => VerdictKind::Valid,
        proto::VerdictKind::InvalidSignature => VerdictKind::InvalidSignature,
        proto::VerdictKind::UnknownKey => VerdictKind::UnknownKey,
        proto::VerdictKind::OutsideValidity => VerdictKind::OutsideValidity,
        proto::VerdictKind::KeyRevoked => VerdictKind::KeyRevoked,
        proto::VerdictKind::AlgorithmMismatch => VerdictKind::AlgorithmMismatch,
        proto::VerdictKind::Malformed => VerdictKind::Malformed,
    };
    Some(Verdict {
        kind,
        key_id: wire.key_id.parse().ok(),
        signed_at: read_instant(wire.signed_at),
        explanation: wire.explanation,
    })
}

/// `depth` counts the levels from the top-level member on, as the JSON reader does.
fn object(wire: Struct, path: &str, depth: usize) -> Result<JsonObject, FieldFault> {
    check_nesting(path, depth)?;
    let members = wire.fields.into_iter();
    let members = members.map(|(name, found)| {
        let path = format!("{path}.{}", checkpoint::plain_name(&name));
        Ok((name.into(), value(found, &path, depth + 1)?))
    });
    let members = members.collect::<Result<_, _>>()?;
    // A map has each name once.
    JsonObject::new(members).map_err(|_| FieldFault::new(path, "has a member twice"))
}

fn value(wire: ProtoValue, path: &str, depth: usize) -> Result<JsonValue, FieldFault> {
    match wire.kind {
        Some(Kind::NullValue(_)) => Ok(JsonValue::Null),
        Some(Kind::BoolValue(found)) => Ok(JsonValue::Bool(found)),
        Some(Kind::StringValue(found)) => Ok(JsonValue::String(found.into())),
        Some(Kind::NumberValue(found)) => {
            checkpoint::number(found).map_err(|problem| FieldFault::new(path, problem))
        }
        Some(Kind::StructValue(found)) => object(found, path, depth).map(JsonValue::Object),
        Some(Kind::ListValue(ListValue { values })) => {
            check_nesting(path, depth)?;
            let values = values.into_iter().enumerate();
            let values = values.map(|(i, item)| value(item, &format!("{path}[{i}]"), depth + 1));
            let values: Vec<JsonValue> = values.collect::<Result<_, _>>()?;
            Ok(JsonValue::Array(values.into()))
        }
        None => Err(FieldFault::new(
            path,
            "has no kind; expected null, a boolean, a number, a string, a list or a struct",
        )),
    }
}

fn check_nesting(path: &str, depth: usize) -> Result<(), FieldFault> {
    if depth > MAX_NESTING {
        let field: String = path.chars().take_while(|c| !matches!(c, '[')).collect();
        return Err(FieldFault::new(
            field,
            format!(
                "nests deeper than {MAX_NESTING}; expected fewer objects and arrays in one another"
            ),
        ));
    }
    Ok(())
}

/// The members behind the beginning of an object.
fn wire_object(object: &mut Text<'_>) -> Struct {
    let members = std::iter::from_fn(|| {
        let name = object.has_more().then(|| object.name())?;
        Some((name.into(), wire_value(object)))
    });
    Struct {
        fields: members.collect(),
    }
}

fn wire_value(text: &mut Text<'_>) -> ProtoValue {
    let kind = match text.value() {
        Value::Null => Kind::NullValue(0),
        Value::Bool(found) => Kind::BoolValue(found),
        Value::Number(found) => Kind::NumberValue(found),
        Value::String(found) => Kind::StringValue(found.into()),
        Value::Array => {
            let items = std::iter::from_fn(|| text.has_more().then(|| wire_value(text)));
            Kind::ListValue(ListValue {
                values: items.collect(),
            })
        }
        Value::Object => Kind::StructValue(wire_object(text)),
    };
    ProtoValue { kind: Some(kind) }
}

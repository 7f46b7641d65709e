//! The checkpoint: what a ledger publishes, and the bytes of it that are signed.
//!
//! A [`Checkpoint`] that exists is valid: every field went through the one constructor of its type, and
//! its [`Payload`] is within bounds. Whether it may be *signed* (its place in the ledger's history, its
//! timestamp against the clock) is the signer's question, not asked here.

mod canonical;
mod fields;
mod json;
mod outline;
mod text;
mod tree;
mod writing;

use std::any::Any;
use std::borrow::Cow;
use std::ops::Range;
use std::slice::SliceIndex;
use std::sync::Arc;

use chrono::TimeDelta;

pub use fields::{
    CheckpointId, CumulativeHash, EntryCount, FieldError, LedgerId, MAX_SAFE_INTEGER, Timestamp,
    TotalVolume,
};
pub use json::{MAX_JSON_BYTES, MAX_NESTING, MAX_VALUES, number, parse_object, plain_name};
pub use outline::{CanonicalJson, Outline, OutlineText, PublishedOutline};
pub use text::{Text, Value};
pub use tree::{JsonObject, JsonValue};
pub use writing::{Content, Items, Members, Place, Written};

use crate::fault::{self, Faults, FieldFault};
use canonical::Part;

/// Largest payload in bytes. A signed checkpoint holds its content three times (fields, payload,
/// published JSON), and the fields take up to 5.5 times their JSON; so it stays within the 4 MiB that gRPC
/// clients accept by default.
pub const MAX_PAYLOAD_BYTES: usize = 512 * 1024;

/// How far a checkpoint's timestamp may be ahead of the clock.
pub const TIMESTAMP_TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// The member of the published JSON that the payload leaves out.
pub const SIGNATURE_MEMBER: &str = "signature";

/// The members that every checkpoint has, in the order of the contract.
const MEMBERS: [&str; 7] = [
    "checkpoint_id",
    "ledger_id",
    "timestamp",
    "cumulative_hash",
    "entry_count",
    "total_volume",
    SUMMARIES_MEMBER,
];

/// The member that may be large.
const SUMMARIES_MEMBER: &str = "organization_summaries";

/// Why something is no checkpoint: at least one fault, each naming its field.
#[derive(Debug, thiserror::Error)]
#[error("{}", fault::list(.0))]
pub struct InvalidCheckpoint(pub Vec<FieldFault>);

impl From<FieldFault> for InvalidCheckpoint {
    fn from(fault: FieldFault) -> Self {
        Self(vec![fault])
    }
}

/// The RFC 8785 (JCS) bytes of a checkpoint: exactly what is signed. A clone shares them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payload(Arc<Canonical>);

/// A canonical text, made once, and where its signature goes, and its summaries are.
#[derive(PartialEq, Eq, Debug)]
struct Canonical {
    text: String,
    signature_at: usize,
    summaries: Range<usize>,
}

impl Payload {
    /// The bytes, UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.text.as_bytes()
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// The parts of a checkpoint, each valid by itself.
#[derive(Clone, Debug)]
pub struct CheckpointFields {
    /// Its name within the ledger.
    pub checkpoint_id: CheckpointId,
    /// The ledger.
    pub ledger_id: LedgerId,
    /// When the ledger took it.
    pub timestamp: Timestamp,
    /// The head of the hash chain.
    pub cumulative_hash: CumulativeHash,
    /// Entries up to here.
    pub entry_count: EntryCount,
    /// Sum of the entries, in minor units.
    pub total_volume: TotalVolume,
    /// One object an organisation.
    pub organization_summaries: Vec<JsonObject>,
    /// Every other member of the published JSON.
    pub additional_members: JsonObject,
}

impl From<Outline> for CheckpointFields {
    /// Without content.
    fn from(outline: Outline) -> Self {
        Self {
            checkpoint_id: outline.checkpoint_id,
            ledger_id: outline.ledger_id,
            timestamp: outline.timestamp,
            cumulative_hash: outline.cumulative_hash,
            entry_count: outline.entry_count,
            total_volume: outline.total_volume,
            organization_summaries: Vec::new(),
            additional_members: JsonObject::default(),
        }
    }
}

/// The parts of a checkpoint as far as they are good: what is missing here is among the faults.
pub struct Draft {
    /// Its name within the ledger.
    pub checkpoint_id: Option<CheckpointId>,
    /// The ledger.
    pub ledger_id: Option<LedgerId>,
    /// When the ledger took it.
    pub timestamp: Option<Timestamp>,
    /// The head of the hash chain.
    pub cumulative_hash: Option<CumulativeHash>,
    /// Entries up to here.
    pub entry_count: Option<EntryCount>,
    /// Sum of the entries, in minor units.
    pub total_volume: Option<TotalVolume>,
    /// One object an organisation.
    pub organization_summaries: Option<Vec<JsonObject>>,
    /// Every other member of the published JSON.
    pub additional_members: Option<JsonObject>,
}

impl Draft {
    /// The checkpoint, if there are no faults; all faults at once otherwise.
    ///
    /// # Errors
    /// [`InvalidCheckpoint`] has `faults`; without any, what makes no checkpoint of the parts.
    pub fn finish(self, faults: Faults) -> Result<Checkpoint, InvalidCheckpoint> {
        let faults = faults.into_vec();
        if !faults.is_empty() {
            return Err(InvalidCheckpoint(faults));
        }
        let incomplete = || FieldFault::new("checkpoint", "is incomplete; expected all fields");
        Checkpoint::new(self.fields().ok_or_else(incomplete)?)
    }

    fn fields(self) -> Option<CheckpointFields> {
        Some(CheckpointFields {
            checkpoint_id: self.checkpoint_id?,
            ledger_id: self.ledger_id?,
            timestamp: self.timestamp?,
            cumulative_hash: self.cumulative_hash?,
            entry_count: self.entry_count?,
            total_volume: self.total_volume?,
            organization_summaries: self.organization_summaries?,
            additional_members: self.additional_members?,
        })
    }
}

/// A valid checkpoint: where it stands in its ledger's history, and its payload, which is all that is kept of what may be large. A clone
/// shares both.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    outline: Arc<Outline>,
    payload: Payload,
    _held: Option<Arc<dyn Any + Send + Sync>>,
}

impl Checkpoint {
    /// Puts the parts together.
    ///
    /// # Errors
    /// [`InvalidCheckpoint`] when an additional member has a reserved name, or the payload is larger than
    /// [`MAX_PAYLOAD_BYTES`].
    pub fn new(fields: CheckpointFields) -> Result<Self, InvalidCheckpoint> {
        let CheckpointFields {
            organization_summaries,
            additional_members,
            ..
        } = &fields;
        let members = additional_members.members();
        let members = members.map(|(name, value)| (name, Part::Value(value)));
        let has = |name: &str| additional_members.has(name);
        let summaries = Part::Objects(organization_summaries);
        Self::of_parts(Outline::from(&fields), summaries, members, has, 0)
    }

    /// `has` says whether there is an additional member of a name; what is large takes `about` so many bytes.
    fn of_parts<'a>(
        outline: Outline,
        summaries: Part<'_>,
        additional: impl Iterator<Item = (&'a str, Part<'a>)>,
        has: impl Fn(&str) -> bool,
        about: usize,
    ) -> Result<Self, InvalidCheckpoint> {
        let mut reserved = MEMBERS.iter().chain([&SIGNATURE_MEMBER]);
        if let Some(name) = reserved.find(|name| has(name)) {
            return Err(FieldFault::new(
                format!("additional_members.{name}"),
                "has the name of a member that stands elsewhere; expected another name",
            )
            .into());
        }
        let canonical = outline.canonical(summaries, additional, about);
        let length = canonical.text.len();
        if length > MAX_PAYLOAD_BYTES {
            return Err(FieldFault::new(
                "checkpoint",
                format!("has a payload of {length} bytes; expected at most {MAX_PAYLOAD_BYTES}"),
            )
            .into());
        }
        Ok(Self {
            outline: Arc::new(outline),
            payload: Payload(Arc::new(canonical)),
            _held: None,
        })
    }

    /// Reads an unsigned checkpoint from JSON text.
    ///
    /// # Errors
    /// [`InvalidCheckpoint`] names every member that is missing or wrong; a `signature` is one.
    pub fn from_json(text: &[u8]) -> Result<Self, InvalidCheckpoint> {
        let mut members = parse_object(text)?;
        let mut faults = Faults::default();
        if members.take(SIGNATURE_MEMBER).is_some() {
            faults.push(FieldFault::new(
                SIGNATURE_MEMBER,
                "is there already; expected a checkpoint that is not signed yet",
            ));
        }
        Self::from_members(members, faults)
    }

    /// Reads the published JSON: an unsigned checkpoint, and the text of its `signature` member.
    ///
    /// # Errors
    /// [`InvalidCheckpoint`] names every member that is missing or wrong.
    pub fn from_published_json(text: &[u8]) -> Result<(Self, String), InvalidCheckpoint> {
        let mut members = parse_object(text)?;
        let mut faults = Faults::default();
        let signature = match members.take(SIGNATURE_MEMBER) {
            Some(JsonValue::String(signature)) => signature.into(),
            found => {
                faults.push(FieldFault::new(
                    SIGNATURE_MEMBER,
                    format!(
                        "{}; expected a detached JWS",
                        found.as_ref().map_or("is missing", json::describe)
                    ),
                ));
                String::new()
            }
        };
        Ok((Self::from_members(members, faults)?, signature))
    }

    /// Reads the members but for the signature, whose `faults` are reported together with theirs.
    fn from_members(
        mut members: JsonObject,
        mut faults: Faults,
    ) -> Result<Self, InvalidCheckpoint> {
        let checkpoint_id = faults.take(
            "checkpoint_id",
            json::string(members.take("checkpoint_id")).and_then(|id| Ok(id.parse()?)),
        );
        let ledger_id = faults.take(
            "ledger_id",
            json::string(members.take("ledger_id")).and_then(|id| Ok(id.parse()?)),
        );
        let timestamp = faults.take(
            "timestamp",
            json::string(members.take("timestamp")).and_then(|time| time.parse()),
        );
        let cumulative_hash = faults.take(
            "cumulative_hash",
            json::string(members.take("cumulative_hash")).and_then(|hash| hash.parse()),
        );
        let entry_count = faults.take(
            "entry_count",
            json::integer(members.take("entry_count")).and_then(EntryCount::try_from),
        );
        let total_volume = faults.take(
            "total_volume",
            json::integer(members.take("total_volume")).and_then(TotalVolume::try_from),
        );
        let organization_summaries = faults.take(
            "organization_summaries",
            json::objects(members.take("organization_summaries")),
        );
        Draft {
            checkpoint_id,
            ledger_id,
            timestamp,
            cumulative_hash,
            entry_count,
            total_volume,
            organization_summaries,
            additional_members: Some(members),
        }
        .finish(faults)
    }

    /// Where it stands in its ledger's history.
    pub fn fields(&self) -> &Outline {
        &self.outline
    }

    /// The same checkpoint, which with all its clones holds something until nothing of it is left: its part of a bounded memory.
    #[must_use]
    pub fn holding(self, held: Arc<dyn Any + Send + Sync>) -> Self {
        Self {
            _held: Some(held),
            ..self
        }
    }

    /// What of it may be large, to be read.
    pub fn content(&self) -> ContentText<'_> {
        let Canonical {
            text, summaries, ..
        } = &*self.payload.0;
        ContentText {
            text: Text::of(text),
            summaries: summaries.clone(),
        }
    }

    /// The bytes to sign.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The object to publish, in its JCS form: the payload's members and the signature.
    pub fn published_json(&self, signature: &str) -> String {
        let (before, member, after) = self.published_parts(signature);
        [before, &member, after].concat()
    }

    /// The published object in three parts, of which only the one in the middle, the signature's member, is made here.
    pub fn published_parts(&self, signature: &str) -> (&str, String, &str) {
        let mut member = Vec::with_capacity(signature.len() + SIGNATURE_MEMBER.len() + 8);
        canonical::string(&mut member, SIGNATURE_MEMBER);
        member.push(b':');
        canonical::string(&mut member, signature);
        // The timestamp follows it at the latest.
        member.push(b',');
        // It is made of strings.
        let member = String::from_utf8(member).unwrap_or_default();
        let Canonical {
            text, signature_at, ..
        } = &*self.payload.0;
        let (before, after) = text.split_at_checked(*signature_at).unwrap_or((text, ""));
        (before, member, after)
    }
}

/// What of a checkpoint may be large.
#[derive(Clone, Debug)]
pub struct ContentText<'a> {
    /// All of it.
    text: Text<'a>,
    summaries: Range<usize>,
}

impl<'a> ContentText<'a> {
    /// The summaries: an array of objects.
    pub fn summaries(&self) -> Text<'a> {
        self.text.at(self.of(self.summaries.clone()))
    }

    /// The additional members, in the order of RFC 8785.
    pub fn additional_members(&self) -> impl Iterator<Item = (Cow<'a, str>, Text<'a>)> {
        let mut members = self.text;
        members.value();
        std::iter::from_fn(move || {
            while members.has_more() {
                let (name, value) = (members.name(), members);
                match &*name {
                    // It is known where they end.
                    SUMMARIES_MEMBER => members = members.at(self.of(self.summaries.end..)),
                    _ => members.skip(),
                }
                if !MEMBERS.contains(&&*name) {
                    return Some((name, value));
                }
            }
            None
        })
    }

    fn of(&self, range: impl SliceIndex<str, Output = str>) -> &'a str {
        self.text.rest().get(range).unwrap_or_default()
    }
}

impl From<&CheckpointFields> for Outline {
    fn from(fields: &CheckpointFields) -> Self {
        Self {
            checkpoint_id: fields.checkpoint_id.clone(),
            ledger_id: fields.ledger_id.clone(),
            timestamp: fields.timestamp,
            cumulative_hash: fields.cumulative_hash,
            entry_count: fields.entry_count,
            total_volume: fields.total_volume,
        }
    }
}

impl Outline {
    /// The RFC 8785 form of the whole object.
    fn canonical<'a>(
        &self,
        summaries: Part<'_>,
        additional: impl Iterator<Item = (&'a str, Part<'a>)>,
        about: usize,
    ) -> Canonical {
        let (timestamp, hash) = (self.timestamp.to_string(), self.cumulative_hash.to_string());
        // Neither is beyond 2^53-1.
        let entry_count = i64::try_from(self.entry_count.get()).unwrap_or(i64::MAX);
        let members = [
            ("checkpoint_id", Part::Text(self.checkpoint_id.as_str())),
            ("cumulative_hash", Part::Text(&hash)),
            ("entry_count", Part::Integer(entry_count)),
            ("ledger_id", Part::Text(self.ledger_id.as_str())),
            (SUMMARIES_MEMBER, summaries),
            ("timestamp", Part::Text(&timestamp)),
            ("total_volume", Part::Integer(self.total_volume.get())),
        ];
        let object = canonical::object(&members, additional, SIGNATURE_MEMBER, about);
        let mut values = members.iter().zip(object.values);
        let summaries = values.find(|((name, _), _)| *name == SUMMARIES_MEMBER);
        Canonical {
            // It is made of strings.
            text: String::from_utf8(object.text).unwrap_or_default(),
            signature_at: object.place,
            summaries: summaries.map(|(_, range)| range).unwrap_or_default(),
        }
    }
}

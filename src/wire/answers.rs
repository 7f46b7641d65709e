//! The answers of `SigningService` as the service writes them.

use bytes::{BufMut, Bytes};
use prost::Message as _;
use tonic_types::pb;

use super::checkpoints::{around, small};
use super::proto;
use super::structs::{self, begin, delimited_len};
use ::checkpoint::checkpoint::Checkpoint;
use ::checkpoint::jws::SignedCheckpoint;
use proto::sign_checkpoints_response::Outcome;

/// What is signed, on its way to the caller.
pub(crate) struct Answered {
    pub(crate) signed: SignedCheckpoint,
    /// The caller has the content already.
    pub(crate) omit_content: bool,
}

/// One signature, durably recorded.
pub(crate) enum SignCheckpointResponse {
    Answered(Box<Answered>),
    /// The same as the wire has it.
    Written(Bytes),
}

impl SignCheckpointResponse {
    /// What it takes on the wire, about; none of it when it is written already.
    pub(crate) fn about(&self) -> usize {
        match self {
            Self::Answered(answered) => about(answered),
            Self::Written(_) => 0,
        }
    }

    /// Writes the message; `reserve` is told its length before.
    pub(crate) fn write<B: BufMut>(&self, out: &mut B, reserve: impl FnOnce(&mut B, usize)) {
        match self {
            Self::Answered(answered) => {
                let signed = Written::of(answered);
                reserve(out, delimited_len(signed.length));
                signed.write(1, out);
            }
            Self::Written(written) => {
                reserve(out, written.len());
                out.put_slice(written);
            }
        }
    }
}

/// The answer to one item of the stream.
pub(crate) enum SignCheckpointsResponse {
    Item {
        request_id: String,
        outcome: Box<Result<Answered, pb::Status>>,
    },
    /// The same as the wire has it.
    Written(Bytes),
}

impl SignCheckpointsResponse {
    /// What it takes on the wire, about; none of it when it is written already.
    pub(crate) fn about(&self) -> usize {
        match self {
            Self::Item { outcome, .. } => outcome.as_ref().as_ref().map_or(0, about),
            Self::Written(_) => 0,
        }
    }

    /// Writes the message; `reserve` is told its length before.
    pub(crate) fn write<B: BufMut>(&self, out: &mut B, reserve: impl FnOnce(&mut B, usize)) {
        let (request_id, outcome) = match self {
            Self::Item {
                request_id,
                outcome,
            } => (request_id.clone(), outcome.as_ref()),
            Self::Written(written) => {
                reserve(out, written.len());
                return out.put_slice(written);
            }
        };
        let mut small = proto::SignCheckpointsResponse {
            request_id,
            outcome: None,
        };
        match outcome {
            Ok(answered) => {
                let signed = Written::of(answered);
                reserve(out, small.encoded_len() + delimited_len(signed.length));
                small.encode_raw(out);
                signed.write(2, out);
            }
            Err(refusal) => {
                small.outcome = Some(Outcome::Refusal(refusal.clone()));
                reserve(out, small.encoded_len());
                small.encode_raw(out);
            }
        }
    }
}

/// The content stands there three times: as fields, as payload, as published JSON.
fn about(answered: &Answered) -> usize {
    match answered.omit_content {
        true => 0,
        false => 3 * answered.signed.checkpoint.payload().as_bytes().len(),
    }
}

/// A `SignedCheckpoint` on its way to the wire.
struct Written<'a> {
    content: Option<Content<'a>>,
    /// It without its checkpoint and what is large.
    around: proto::SignedCheckpoint,
    length: usize,
}

/// What the caller has sent, in all its forms.
struct Content<'a> {
    /// The checkpoint without what is large, ...
    checkpoint: proto::Checkpoint,
    /// ... which is here.
    large: Vec<u8>,
    checkpoint_length: usize,
    payload: &'a [u8],
    published: (&'a str, String, &'a str),
}

impl<'a> Written<'a> {
    fn of(answered: &'a Answered) -> Self {
        let SignedCheckpoint { checkpoint, jws } = &answered.signed;
        let around = around(jws);
        let content = (!answered.omit_content).then(|| Content::of(checkpoint, &around.signature));
        let length = around.encoded_len() + content.as_ref().map_or(0, Content::length);
        Self {
            content,
            around,
            length,
        }
    }

    /// As this field of the message that it is in.
    fn write(&self, field: u8, out: &mut impl BufMut) {
        begin(out, field, self.length);
        if let Some(content) = &self.content {
            begin(out, 1, content.checkpoint_length);
            content.checkpoint.encode_raw(out);
            out.put_slice(&content.large);
        }
        self.around.encode_raw(out);
        if let Some(content) = &self.content {
            begin(out, 6, content.payload.len());
            out.put_slice(content.payload);
            begin(out, 7, published_len(&content.published));
            let (before, member, after) = &content.published;
            for part in [before, member.as_str(), after] {
                out.put_slice(part.as_bytes());
            }
        }
    }
}

impl<'a> Content<'a> {
    fn of(checkpoint: &'a Checkpoint, signature: &str) -> Self {
        let (small, content) = (small(checkpoint.fields()), checkpoint.content());
        let payload = checkpoint.payload().as_bytes();
        // Mostly a bit more than its text.
        let mut large = Vec::with_capacity(payload.len() + payload.len() / 2);
        structs::write_objects(content.summaries(), 7, &mut large);
        structs::write_struct(content.additional_members(), 8, &mut large);
        Self {
            checkpoint_length: small.encoded_len() + large.len(),
            checkpoint: small,
            large,
            payload,
            published: checkpoint.published_parts(signature),
        }
    }

    fn length(&self) -> usize {
        delimited_len(self.checkpoint_length)
            + delimited_len(self.payload.len())
            + delimited_len(published_len(&self.published))
    }
}

fn published_len((before, member, after): &(&str, String, &str)) -> usize {
    before.len() + member.len() + after.len()
}

//! Between the messages of protobuf and the types of the core, both ways, once: what the edge for gRPC answers, and what the command line
//! and the replicas read of it.

mod answers;
mod checkpoints;
mod keys;
mod record;
pub(crate) mod signing;
mod structs;

pub(crate) use checkpoints::{read_verdict, verdict};
#[cfg(feature = "aws")]
pub(crate) use keys::read_algorithm;
pub(crate) use keys::{key, read_state};
pub(crate) use record::{inclusion, proof, read_proof};

use chrono::{DateTime, Utc};
use prost_types::Timestamp;

use checkpoint::checkpoint as core;

/// The messages and services of `amply.checkpoint.v1`, generated from `proto/`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::missing_errors_doc)]
pub mod proto {
    tonic::include_proto!("amply.checkpoint.v1");

    /// The serialized `FileDescriptorSet`, for server reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}

/// The servers of these services.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::missing_errors_doc)]
pub(crate) mod served {
    include!(concat!(env!("OUT_DIR"), "/served/amply.checkpoint.v1.rs"));
}

/// An instant on the wire, whole seconds.
pub(crate) fn timestamp(instant: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: instant.timestamp(),
        nanos: 0,
    }
}

/// An instant of a request: whole seconds, years 1970 to 9999.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn instant(wire: Timestamp) -> Result<DateTime<Utc>, core::FieldError> {
    Ok(core::Timestamp::from_unix(wire.seconds, wire.nanos)?.instant())
}

/// An instant of an answer; none when there is none, or it is beyond what is told of.
pub(crate) fn read_instant(wire: Option<Timestamp>) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(wire?.seconds, 0)
}

//! The signed head of the record: how many rows it has, and the root of the tree over them.
//!
//! A head is a JWS in the ordinary compact form, `typ: record-head+jws`, by the key in force over the JCS form of
//!
//! ```json
//! {"log":"amply-checkpoint-record","root":"<64 hexadecimal digits>","rows":15842,"timestamp":1736985605}
//! ```
//!
//! `log` names the record, `timestamp` is the header's `iat`. Who holds a head can have every row proved against it, and
//! every later head as well ([`super::proof`]): a row that was changed, moved or taken away cannot be hidden from them.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::proof::TreeHead;
use super::tree::NotAHash;
use crate::checkpoint::{MAX_SAFE_INTEGER, parse_object};
use crate::fault::FieldFault;
use crate::identifier::{IdentifierError, identifier};
use crate::jws::{EmbeddedJws, JwsError, JwsType};

/// Largest signed head in bytes, as JWS or as note: a signature by an 8192 bit key, and the longest names.
pub const MAX_HEAD_BYTES: usize = 8192;

/// The name of a record that was given none.
pub const DEFAULT_LOG: &str = "amply-checkpoint-record";

identifier! {
    /// Names a record as a log of signatures: what its heads are heads of.
    LogName
}

/// Why a text is no signed head.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// It is longer than [`MAX_HEAD_BYTES`].
    #[error("is longer than {MAX_HEAD_BYTES} bytes; expected no more")]
    TooLong,
    /// It is no JWS, or a JWS of something else.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// The payload is no strict JSON object.
    #[error("payload: {0}")]
    Json(#[from] FieldFault),
    /// A member is missing or has the wrong type.
    #[error("payload: {0} is missing or not {1}")]
    Member(&'static str, &'static str),
    /// The root is not a hash.
    #[error("payload: root {0}")]
    Root(#[from] NotAHash),
    /// The name is not one that a record may have.
    #[error("payload: log {0}")]
    Log(#[from] IdentifierError),
    /// The payload and the header say different times.
    #[error("timestamp: is not the header's iat")]
    Timestamp,
}

/// What a head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordHead {
    /// Of which record.
    pub log: LogName,
    /// How many rows, and the root over them.
    pub tree: TreeHead,
    /// When it was signed, by the signer's clock. Whole seconds.
    pub timestamp: DateTime<Utc>,
}

impl RecordHead {
    /// The JSON text, in its JCS form.
    pub fn payload(&self) -> String {
        // A name and a hash need no escaping.
        format!(
            r#"{{"log":"{}","root":"{}","rows":{},"timestamp":{}}}"#,
            self.log,
            self.tree.root,
            self.tree.size,
            self.timestamp.timestamp()
        )
    }

    /// Reads the JSON text. Members that are not known are covered by the signature, and ignored.
    fn from_payload(text: &str) -> Result<Self, HeadError> {
        let members = parse_object(text.as_bytes())?.to_map();
        let string = |name| {
            let found = members.get(name).and_then(Value::as_str);
            found.ok_or(HeadError::Member(name, "a string"))
        };
        let rows = members.get("rows").and_then(Value::as_u64);
        let rows = rows.filter(|rows| *rows <= MAX_SAFE_INTEGER);
        let timestamp = members.get("timestamp").and_then(Value::as_i64);
        let timestamp = timestamp.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        Ok(Self {
            log: string("log")?.parse()?,
            tree: TreeHead {
                size: rows.ok_or(HeadError::Member("rows", "a number of rows"))?,
                root: string("root")?.parse()?,
            },
            timestamp: timestamp
                .ok_or(HeadError::Member("timestamp", "a time in whole seconds"))?,
        })
    }
}

/// A head whose form is right. Whether a key made it: see [`super::verify_head`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    pub(super) head: RecordHead,
    pub(super) jws: EmbeddedJws,
}

impl SignedHead {
    /// Reads the compact form. White space around it is ignored: it stands in a file.
    ///
    /// # Errors
    /// [`HeadError`] says what is wrong with its form.
    pub fn parse(compact: &str) -> Result<Self, HeadError> {
        if compact.len() > MAX_HEAD_BYTES {
            return Err(HeadError::TooLong);
        }
        let jws = EmbeddedJws::parse_as(JwsType::RecordHead, compact.trim_ascii())?;
        let head = RecordHead::from_payload(jws.payload())?;
        match jws.header().iat == head.timestamp {
            true => Ok(Self { head, jws }),
            false => Err(HeadError::Timestamp),
        }
    }

    /// What it says.
    pub fn head(&self) -> &RecordHead {
        &self.head
    }

    /// The JWS.
    pub fn jws(&self) -> &EmbeddedJws {
        &self.jws
    }
}

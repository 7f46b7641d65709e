//! The head of the record as other transparency logs give theirs: a checkpoint (<https://c2sp.org/tlog-checkpoint>) in a
//! signed note (<https://c2sp.org/signed-note>), for witnesses and monitors that read those.
//!
//! ```text
//! amply-checkpoint-record
//! 15842
//! <the root in base64>
//!
//! — amply-checkpoint-record <base64 of key id and signature>
//! ```
//!
//! The text up to the blank line is signed, its last line end included, by the key of this service that is in force. C2SP
//! has no type for RSA, so the signature's type is `0xff` and one of the names below, and the key id is the first four bytes
//! of `SHA-256(key name || 0x0A || 0xff || type name || DER of the SubjectPublicKeyInfo)`. The key name is that of the log.
//!
//! | algorithm of the key | type name |
//! | --- | --- |
//! | PS256 | `checkpoint-signer/rsa-pss-sha256`: RSASSA-PSS, SHA-256, MGF1 with SHA-256, salt of 32 bytes |
//! | RS256 | `checkpoint-signer/rsa-pkcs1v15-sha256`: RSASSA-PKCS1-v1_5, SHA-256 |
//!
//! A note has no time: see the JWS ([`super::head`]) for that. A verifier that does not know the type ignores the line, as
//! the format wants it, and may add its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::head::{LogName, MAX_HEAD_BYTES};
use super::proof::TreeHead;
use super::tree::TreeHash;
use crate::identifier::IdentifierError;
use crate::key::Algorithm;
use crate::key::KeyVersion;

/// Before the type's name: a type that C2SP assigned no byte to.
const EXTENSION_TYPE: u8 = 0xff;

/// Most signature lines: witnesses add theirs. The format wants 16 to be accepted.
const MAX_SIGNATURES: usize = 64;

/// Largest note in bytes.
pub const MAX_NOTE_BYTES: usize = MAX_HEAD_BYTES + MAX_SIGNATURES * 1024;

/// Why a text is no note of a record's head.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is longer than [`MAX_NOTE_BYTES`].
    #[error("is longer than {MAX_NOTE_BYTES} bytes; expected no more")]
    TooLong,
    /// It is not text, a blank line and signature lines.
    #[error("is not a signed note; expected text, a blank line and lines of a signature each")]
    Form,
    /// The text is no checkpoint of a log.
    #[error("line {0} is not {1}")]
    Line(u8, &'static str),
    /// The first line is no name.
    #[error("line 1 {0}")]
    Name(#[from] IdentifierError),
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// Tells keys of one name apart.
    pub key_id: [u8; 4],
    /// The raw signature.
    pub signature: Vec<u8>,
}

/// A note whose form is right. Whether a key made it: see [`super::verify_note`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Of which record.
    pub log: LogName,
    /// What it says.
    pub tree: TreeHead,
    /// What is signed.
    pub text: String,
    /// By whom; there may be others than keys of this service.
    pub signatures: Vec<NoteSignature>,
}

/// The first four bytes of the hash that names a key, its algorithm and its name in a note.
pub fn key_id(log: &LogName, key: &KeyVersion) -> [u8; 4] {
    let type_name = match key.algorithm {
        Algorithm::Ps256 => "checkpoint-signer/rsa-pss-sha256",
        Algorithm::Rs256 => "checkpoint-signer/rsa-pkcs1v15-sha256",
    };
    let digest = Sha256::new()
        .chain_update(log.as_str())
        .chain_update([b'\n', EXTENSION_TYPE])
        .chain_update(type_name)
        .chain_update(key.public_key.to_der())
        .finalize();
    digest.first_chunk().copied().unwrap_or_default()
}

impl Note {
    /// Reads a note.
    ///
    /// # Errors
    /// [`NoteError`] says what is wrong with its form.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLong);
        }
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Form);
        }
        // The last empty line divides it, and the text keeps its line end.
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Form)?;
        let text = format!("{text}\n");
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Form)?;
        let signatures: Vec<_> = lines
            .split('\n')
            .map(signature)
            .collect::<Option<_>>()
            .ok_or(NoteError::Form)?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::Form);
        }
        let mut body = text.split_terminator('\n');
        let log = body.next().unwrap_or_default().parse()?;
        let size = body.next().and_then(rows);
        let root = body.next().and_then(|root| STANDARD.decode(root).ok());
        let root: Option<[u8; 32]> = root.and_then(|root| root.try_into().ok());
        let tree = TreeHead {
            size: size.ok_or(NoteError::Line(2, "a number of rows"))?,
            root: TreeHash::from(root.ok_or(NoteError::Line(3, "a hash in base64"))?),
        };
        // What this service signs has no further lines, and who reads them might take them for something.
        match body.next() {
            None => Ok(Self {
                log,
                tree,
                text,
                signatures,
            }),
            Some(_) => Err(NoteError::Line(
                4,
                "known to this program; expected three lines",
            )),
        }
    }
}

/// A number has one text.
fn rows(line: &str) -> Option<u64> {
    let rows = line.parse::<u64>().ok()?;
    (rows.to_string() == line).then_some(rows)
}

fn signature(line: &str) -> Option<NoteSignature> {
    let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
    if name.is_empty() || name.contains('+') || name.contains(char::is_whitespace) {
        return None;
    }
    let bytes = STANDARD.decode(signature).ok()?;
    let (key_id, signature) = bytes.split_first_chunk()?;
    Some(NoteSignature {
        name: name.into(),
        key_id: *key_id,
        signature: signature.to_vec(),
    })
}

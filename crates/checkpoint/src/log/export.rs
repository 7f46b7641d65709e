//! A record as a file of lines (NDJSON), to move it to another store or to hand it to an auditor.
//!
//! The first line is an object with the number of rows, the root of the tree over them and the keyring (a JWK Set);
//! each further line is the published JSON of a row, in the order of the record: the leaves of the tree.

use std::io::BufRead;

use chrono::DateTime;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::tree::{Frontier, TreeHash};
use crate::checkpoint::{InvalidCheckpoint, MAX_JSON_BYTES};
use crate::history::Resumption;
use crate::jws::SignedCheckpoint;
use crate::keyring::{Keyring, KeyringFile, KeyringFileError, MAX_KEYRING_BYTES, SkippedKey};
use crate::lines::{ByteOrderMark, Lines};

/// The version of the format.
const VERSION: u32 = 1;

/// What the first line has besides the keyring, generously: some hundred resumptions of the clock, each with its reason.
const HEADER_BYTES: usize = 1 << 20;

/// The bytes of rows that are held at once, as published; one row more may be. With what is read of them it is some three times as much.
pub const ROWS_BYTES: usize = 8 << 20;

/// The first line: nothing but these members, so that no checkpoint is taken for one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportHeader {
    record_export: u32,
    /// How many rows follow.
    pub rows: u64,
    /// The root of the tree over them, in hexadecimal.
    pub root: String,
    keyring: Box<RawValue>,
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "objects"
    )]
    clock_resumptions: Vec<Resumed>,
    /// The environment that the record belongs to, when it is bound to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

/// A [`Resumption`]; times are seconds since 1970.
#[derive(Serialize, Deserialize)]
struct Resumed {
    after_rows: u64,
    newest_signed_at: i64,
    resumed_from: i64,
    by: String,
    reason: String,
}

/// Serde takes an array of the members' values for an object, too.
fn objects<'de, D: Deserializer<'de>>(texts: D) -> Result<Vec<Resumed>, D::Error> {
    let texts = Vec::<Box<RawValue>>::deserialize(texts)?;
    let object = |text: &RawValue| match text.get().starts_with('{') {
        true => serde_json::from_str(text.get()).map_err(D::Error::custom),
        false => Err(D::Error::custom("is no object")),
    };
    texts.iter().map(|text| object(text)).collect()
}

impl From<&Resumption> for Resumed {
    fn from(resumption: &Resumption) -> Self {
        Self {
            after_rows: resumption.after_rows,
            newest_signed_at: resumption.newest_signed_at.timestamp(),
            resumed_from: resumption.resumed_from.timestamp(),
            by: resumption.by.clone(),
            reason: resumption.reason.clone(),
        }
    }
}

impl Resumed {
    fn read(&self) -> Option<Resumption> {
        Some(Resumption {
            after_rows: self.after_rows,
            newest_signed_at: DateTime::from_timestamp(self.newest_signed_at, 0)?,
            resumed_from: DateTime::from_timestamp(self.resumed_from, 0)?,
            by: self.by.clone(),
            reason: self.reason.clone(),
        })
    }
}

impl ExportHeader {
    /// That of a record with these rows, keys and resumptions of the clock.
    ///
    /// # Errors
    /// When the keyring has no JSON form.
    pub fn new(
        rows: &Frontier,
        keyring: &Keyring,
        resumptions: &[Resumption],
    ) -> serde_json::Result<Self> {
        Ok(Self {
            record_export: VERSION,
            rows: rows.size(),
            root: rows.root().to_string(),
            keyring: RawValue::from_string(keyring.to_jwks())?,
            clock_resumptions: resumptions.iter().map(Resumed::from).collect(),
            environment: None,
        })
    }

    /// The resumptions of the clock that it tells of.
    ///
    /// # Errors
    /// [`ReadError`] when one has a time that is not one.
    pub fn resumptions(&self) -> Result<Vec<Resumption>, ReadError> {
        let read: Option<_> = self.clock_resumptions.iter().map(Resumed::read).collect();
        read.ok_or_else(|| {
            ReadError::NotAnExport("clock_resumptions: a time is out of range".into())
        })
    }

    /// Reads the line; the keyring is not looked at.
    ///
    /// # Errors
    /// [`ReadError`] when it is anything else, or of another version.
    pub fn parse(line: &[u8]) -> Result<Self, ReadError> {
        ByteOrderMark::check(line)?;
        if !line.trim_ascii_start().starts_with(b"{") {
            return Err(ReadError::NotAnExport("is no object".into()));
        }
        let header: Self = serde_json::from_slice(line)
            .map_err(|error| ReadError::NotAnExport(error.to_string()))?;
        header.resumptions()?;
        match header.record_export {
            VERSION => Ok(header),
            other => Err(ReadError::Version(other)),
        }
    }
}

/// Why an export cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file fails.
    #[error("the export cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It is in another coding, or was written anew.
    #[error("line 1: {0}")]
    Mark(#[from] ByteOrderMark),
    /// It is something else.
    #[error(
        "line 1: is not the first line of a record's export: {0}; expected a file that was exported whole"
    )]
    NotAnExport(String),
    /// A later program wrote it.
    #[error("line 1: record_export: is {0}; this program knows {VERSION}")]
    Version(u32),
    /// The keyring is wrong.
    #[error("line 1: keyring: {0}")]
    Keyring(#[from] KeyringFileError),
    /// A line is longer than any that was written.
    #[error("line {0}: is longer than {1} bytes")]
    TooLong(u64, usize),
    /// A line is not a row.
    #[error("line {0}: {1}")]
    Row(u64, InvalidCheckpoint),
    /// Nothing stands where a row should.
    #[error("line {0}: is empty; expected a row")]
    Empty(u64),
    /// A row is not as it was exported, though its content may be.
    #[error(
        "line {0}: is not in its canonical form (RFC 8785); expected the line as it was exported"
    )]
    NotCanonical(u64),
}

/// The first row that is not in its canonical form, if that is all that is wrong with an export: in this form, its rows have
/// the root that its first line tells.
///
/// # Errors
/// [`ReadError`] when it cannot be read, or is no export.
pub fn row_in_other_form(export: impl BufRead) -> Result<Option<u64>, ReadError> {
    let mut reader = ExportReader::open(export)?;
    let (mut tree, mut first) = (Frontier::default(), None);
    while let Some((number, line)) = reader.line(MAX_JSON_BYTES)? {
        let row = SignedCheckpoint::from_published_json(line);
        let row = row.map_err(|error| ReadError::Row(number, error))?;
        if row.published_json().as_bytes() != line {
            first = first.or(Some(number));
        }
        tree.push(TreeHash::of(&row));
    }
    let as_promised = tree.size() == reader.rows && tree.root().to_string() == reader.root;
    Ok(first.filter(|_| as_promised))
}

/// Reads an export, row by row.
pub struct ExportReader<R> {
    lines: Lines<R>,
    /// How many rows the first line promises.
    pub rows: u64,
    /// The root of the tree over them, in hexadecimal.
    pub root: String,
    /// The keys.
    pub keyring: Keyring,
    /// Those of kinds that are not known here.
    pub skipped: Vec<SkippedKey>,
    /// Where an operator let signing go on from the true time.
    pub resumptions: Vec<Resumption>,
    /// The environment that the record belonged to, by its name.
    pub environment: Option<String>,
}

impl<R: BufRead> ExportReader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// [`ReadError`] when it is not that of an export.
    pub fn open(lines: R) -> Result<Self, ReadError> {
        let mut reader = Self {
            lines: Lines::new(lines),
            rows: 0,
            root: String::new(),
            keyring: Keyring::default(),
            skipped: Vec::new(),
            resumptions: Vec::new(),
            environment: None,
        };
        let first = reader.line(MAX_KEYRING_BYTES + HEADER_BYTES)?;
        let header = ExportHeader::parse(first.map_or(&[], |(_, line)| line))?;
        reader.resumptions = header.resumptions()?;
        reader.rows = header.rows;
        reader.root = header.root;
        reader.environment = header.environment;
        let file = KeyringFile::read(header.keyring.get().as_bytes())?;
        (reader.keyring, reader.skipped) = (file.keyring, file.skipped);
        Ok(reader)
    }

    /// The next rows, up to `most`, and not many more than [`ROWS_BYTES`]; none at the end.
    ///
    /// # Errors
    /// [`ReadError`] names the line.
    pub fn next_rows(&mut self, most: usize) -> Result<Vec<SignedCheckpoint>, ReadError> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < most
            && bytes < ROWS_BYTES
            && let Some((number, line)) = self.line(MAX_JSON_BYTES)?
        {
            if line.is_empty() {
                return Err(ReadError::Empty(number));
            }
            let row = SignedCheckpoint::from_published_json(line);
            let row = row.map_err(|error| ReadError::Row(number, error))?;
            if row.published_json().as_bytes() != line {
                return Err(ReadError::NotCanonical(number));
            }
            bytes += line.len();
            rows.push(row);
        }
        Ok(rows)
    }

    /// What follows the lines that were read.
    pub fn into_rest(self) -> R {
        self.lines.into_rest()
    }

    /// The next line and its number, within its bound; none at the end.
    fn line(&mut self, most: usize) -> Result<Option<(u64, &[u8])>, ReadError> {
        match self.lines.next(most)? {
            Some((number, line)) if line.len() > most => Err(ReadError::TooLong(number, most)),
            line => Ok(line),
        }
    }
}

//! The fields of a checkpoint that have a form of their own, one type and one constructor each.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};

use crate::fault::excerpt;
use crate::hex::{self, Hex};
use crate::identifier::{IdentifierError, identifier};
use crate::key::{LeapSecond, YearOutside};

/// Largest magnitude of a number: 2^53-1. Beyond it, the JSON of other languages rounds integers (RFC 8259,
/// section 6), and two readers would see two different checkpoints.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

const HASH_PREFIX: &str = "sha256:";
const HASH_BYTES: usize = 32;
const TIMESTAMP_FORM: &str = "%Y-%m-%dT%H:%M:%SZ";

identifier! {
    /// Names a checkpoint within its ledger.
    CheckpointId
}

identifier! {
    /// Names one append-only hash chain: an organisation's, or `global`.
    LedgerId
}

/// What is wrong with one field's value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The member is not there.
    #[error("is missing; expected {0}")]
    Missing(&'static str),
    /// The member is there, with another JSON type.
    #[error("{found}; expected {expected}")]
    Type {
        /// What is there.
        found: &'static str,
        /// What should be there.
        expected: &'static str,
    },
    /// The text is no identifier.
    #[error(transparent)]
    Identifier(#[from] IdentifierError),
    /// The text is no timestamp of the published form.
    #[error("is {0}; expected whole seconds in UTC as YYYY-MM-DDTHH:MM:SSZ")]
    Timestamp(String),
    /// The text is a leap second, which Unix time does not have.
    #[error(transparent)]
    LeapSecond(#[from] LeapSecond),
    /// The text is an instant of another year.
    #[error(transparent)]
    YearOutside(#[from] YearOutside),
    /// The instant has a fraction of a second.
    #[error("has {0} nanoseconds; expected whole seconds")]
    FractionOfSecond(i32),
    /// The instant is outside of the years 1970 to 9999.
    #[error("is {0} seconds from 1970; expected a year from 1970 to 9999")]
    Year(i64),
    /// The text is no hash.
    #[error("is {0}; expected sha256: and 64 lowercase hexadecimal digits")]
    Hash(String),
    /// The number has a fraction.
    #[error("is {0}; expected an integer")]
    Fraction(String),
    /// The number is out of bounds.
    #[error("is {found}; expected {least} to 9007199254740991 (2^53-1)")]
    Bounds {
        /// The number.
        found: String,
        /// The lower bound.
        least: &'static str,
    },
}

/// When the ledger took the checkpoint: whole seconds UTC, years 1970 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// From seconds since 1970 and nanoseconds, as protobuf's `Timestamp` has them.
    ///
    /// # Errors
    /// [`FieldError`] when there are nanoseconds, or the year is out of bounds.
    pub fn from_unix(seconds: i64, nanoseconds: i32) -> Result<Self, FieldError> {
        if nanoseconds != 0 {
            return Err(FieldError::FractionOfSecond(nanoseconds));
        }
        DateTime::from_timestamp(seconds, 0)
            .filter(|time| (1970..=9999).contains(&time.year()))
            .map(Self)
            .ok_or(FieldError::Year(seconds))
    }

    /// The instant.
    pub fn instant(self) -> DateTime<Utc> {
        self.0
    }
}

impl FromStr for Timestamp {
    type Err = FieldError;

    /// Reads exactly the published form, so that one instant has one text.
    fn from_str(text: &str) -> Result<Self, FieldError> {
        let Some(time) = instant(text) else {
            YearOutside::check(text)?;
            LeapSecond::check(text)?;
            return Err(FieldError::Timestamp(excerpt(text)));
        };
        if !(1970..=9999).contains(&time.year()) {
            YearOutside::check(text)?;
        }
        Self::from_unix(time.and_utc().timestamp(), 0)
    }
}

/// `YYYY-MM-DDTHH:MM:SSZ` and nothing else: chrono reads shorter forms and the leap second :60 as well.
fn instant(text: &str) -> Option<NaiveDateTime> {
    let number = |part: &str| -> Option<u32> {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    };
    let (date, time) = text.strip_suffix('Z')?.split_at_checked(10)?;
    let (year, rest) = date.split_at_checked(4)?;
    let (month, day) = rest.strip_prefix('-')?.split_at_checked(2)?;
    let (hour, rest) = time.strip_prefix('T')?.split_at_checked(2)?;
    let (minute, second) = rest.strip_prefix(':')?.split_at_checked(2)?;
    let (day, second) = (day.strip_prefix('-')?, second.strip_prefix(':')?);
    if day.len() != 2 || second.len() != 2 {
        return None;
    }
    let year = i32::try_from(number(year)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(month)?, number(day)?)?;
    date.and_hms_opt(number(hour)?, number(minute)?, number(second)?)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.format(TIMESTAMP_FORM).fmt(f)
    }
}

/// The head of the ledger's hash chain, a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CumulativeHash([u8; HASH_BYTES]);

impl CumulativeHash {
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }
}

impl From<[u8; HASH_BYTES]> for CumulativeHash {
    fn from(hash: [u8; HASH_BYTES]) -> Self {
        Self(hash)
    }
}

impl FromStr for CumulativeHash {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        let wrong = || FieldError::Hash(excerpt(text));
        let digits = text.strip_prefix(HASH_PREFIX).ok_or_else(wrong)?;
        hex::decode(digits).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for CumulativeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HASH_PREFIX}{}", Hex(&self.0))
    }
}

/// Entries in the ledger: 0 to [`MAX_SAFE_INTEGER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryCount(u64);

impl EntryCount {
    /// The number of entries.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<i128> for EntryCount {
    type Error = FieldError;

    fn try_from(count: i128) -> Result<Self, FieldError> {
        u64::try_from(count)
            .ok()
            .filter(|count| *count <= MAX_SAFE_INTEGER)
            .map(Self)
            .ok_or(FieldError::Bounds {
                found: count.to_string(),
                least: "0",
            })
    }
}

/// Sum of the entries in minor units: -[`MAX_SAFE_INTEGER`] to [`MAX_SAFE_INTEGER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TotalVolume(i64);

impl TotalVolume {
    /// The sum in minor units.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i128> for TotalVolume {
    type Error = FieldError;

    fn try_from(volume: i128) -> Result<Self, FieldError> {
        i64::try_from(volume)
            .ok()
            .filter(|volume| volume.unsigned_abs() <= MAX_SAFE_INTEGER)
            .map(Self)
            .ok_or(FieldError::Bounds {
                found: volume.to_string(),
                least: "-9007199254740991",
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_instant_has_one_text() {
        let good = "2025-01-15T23:59:59Z";
        assert_eq!(good.parse::<Timestamp>().unwrap().to_string(), good);
        for other in [
            "2025-01-15T23:59:59+00:00",
            "2025-01-15T23:59:59.0Z",
            "2025-01-15t23:59:59z",
            "2025-1-15T23:59:59Z",
            "+2025-01-15T23:59:59Z",
            "2025-01-15T23:59:60Z",
            "2025-02-30T00:00:00Z",
            " 2025-01-15T23:59:59Z",
            "1969-12-31T23:59:59Z",
            "10000-01-01T00:00:00Z",
            "",
        ] {
            assert!(other.parse::<Timestamp>().is_err(), "{other}");
        }
    }

    #[test]
    fn a_leap_second_and_a_year_outside_are_told_as_such() {
        for (text, expected) in [
            ("2016-12-31T23:59:60Z", "a leap second"),
            (
                "1969-12-31T23:59:59Z",
                "is \"1969-12-31T23:59:59Z\", of the year 1969; expected a year from 1970 to 9999",
            ),
            ("10000-01-01T00:00:00Z", "of the year 10000"),
            ("2016-12-31T23:59:61Z", "expected whole seconds in UTC"),
        ] {
            let refused = text.parse::<Timestamp>().unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn a_hash_is_64_lowercase_digits() {
        let good = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(good.parse::<CumulativeHash>().unwrap().to_string(), good);
        for other in [
            "0a".repeat(32),
            format!("sha256:{}", "0A".repeat(32)),
            format!("sha256:{}", "0a".repeat(31)),
            format!("sha256:{}", "0a".repeat(33)),
            format!("sha256:{}é", "0a".repeat(31)),
            format!("sha512:{}", "0a".repeat(32)),
        ] {
            assert!(other.parse::<CumulativeHash>().is_err(), "{other}");
        }
    }
}

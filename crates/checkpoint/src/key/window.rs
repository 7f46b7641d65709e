//! When a key may sign: a half-open window of whole seconds.

use std::fmt;
use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Timelike, Utc};

use crate::fault::excerpt;

/// What RFC 3339 can write from 1970 on. A clock's tolerance before or after it is an instant as well.
const YEARS: RangeInclusive<i32> = 1970..=9999;

/// Why a text is no instant, or two instants no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The text is neither a date nor an RFC 3339 instant.
    #[error(
        "is {0}; expected a date (2025-01-01, midnight UTC) or an RFC 3339 instant of whole seconds"
    )]
    Instant(String),
    /// The text is a leap second, which Unix time does not have.
    #[error(transparent)]
    LeapSecond(#[from] LeapSecond),
    /// The text is a day or an instant of another year.
    #[error(transparent)]
    Year(#[from] YearOutside),
    /// The instant has a fraction of a second.
    #[error(
        "is {0}, with a fraction of a second; expected a date (2025-01-01, midnight UTC) or an RFC 3339 instant of whole seconds"
    )]
    Fraction(String),
    /// The window would be empty.
    #[error("is {until}, which is not after valid_from {from}; expected a later instant")]
    Empty {
        /// Where it would begin.
        from: String,
        /// Where it would end.
        until: String,
    },
}

/// Reads a date (midnight UTC) or an RFC 3339 instant of whole seconds, years 1970 to 9999.
///
/// # Errors
/// [`WindowError::Instant`] for everything else.
pub fn parse_instant(text: &str) -> Result<DateTime<Utc>, WindowError> {
    YearOutside::check(text)?;
    LeapSecond::check(text)?;
    let wrong = |_| WindowError::Instant(excerpt(text));
    let instant = match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        // chrono reads 2025-1-1 as well, which no standard knows.
        Ok(date) if date.to_string() == text => date.and_time(NaiveTime::MIN).and_utc(),
        _ => DateTime::parse_from_rfc3339(text).map_err(wrong)?.to_utc(),
    };
    if !YEARS.contains(&instant.year()) {
        return Err(YearOutside::new(text, instant.year().into()).into());
    }
    match instant.nanosecond() {
        0 => Ok(instant),
        _ => Err(WindowError::Fraction(excerpt(text))),
    }
}

/// A text that is a day or an instant outside of the years 1970 to 9999.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is {text}, of the year {year}; expected a year from 1970 to 9999")]
pub struct YearOutside {
    text: String,
    year: i64,
}

impl YearOutside {
    fn new(text: &str, year: i64) -> Self {
        let text = excerpt(text);
        Self { text, year }
    }

    /// Refuses what begins as such a day, with as many digits as its year takes.
    pub(crate) fn check(text: &str) -> Result<(), Self> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = unsigned.split_at(digits);
        let sign = if text.starts_with('-') { -1 } else { 1 };
        let year = digits.parse::<i64>().ok().map(|year| sign * year);
        let known = |year: &i64| i32::try_from(*year).is_ok_and(|year| YEARS.contains(&year));
        // What has fewer digits is no year as RFC 3339 writes it.
        let year = year.filter(|year| digits.len() >= 4 && !known(year));
        match year.filter(|_| is_month_and_day(rest)) {
            Some(year) => Err(Self::new(text, year)),
            None => Ok(()),
        }
    }
}

/// Whether it goes on `-12-31`.
fn is_month_and_day(text: &str) -> bool {
    let form = text.bytes().take(6).map(|byte| match byte {
        b'0'..=b'9' => b'9',
        other => other,
    });
    form.eq(*b"-99-99")
}

/// A text that is a leap second, `23:59:60`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is {text}, a leap second, which is told apart nowhere here; expected the second before it, {before}, or after it, {after}"
)]
pub struct LeapSecond {
    text: String,
    before: String,
    after: String,
}

impl LeapSecond {
    /// Refuses what RFC 3339 reads as one.
    pub(crate) fn check(text: &str) -> Result<(), Self> {
        // chrono has it as the second before, with more nanoseconds than a second has.
        let read = DateTime::parse_from_rfc3339(text).ok();
        let leap = read.filter(|read| read.nanosecond() >= 1_000_000_000);
        let Some(before) = leap.and_then(|leap| leap.to_utc().with_nanosecond(0)) else {
            return Ok(());
        };
        Err(Self {
            text: excerpt(text),
            before: instant_text(before),
            after: instant_text(before + TimeDelta::seconds(1)),
        })
    }
}

/// The instant that is so many seconds after the beginning of 1970; none when it is not within the years 1970 to 9999.
pub(crate) fn instant_of(seconds: i64) -> Option<DateTime<Utc>> {
    let instant = DateTime::from_timestamp(seconds, 0);
    instant.filter(|instant| YEARS.contains(&instant.year()))
}

/// Writes an instant as RFC 3339 with whole seconds, `2025-01-01T00:00:00Z`.
pub fn instant_text(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Half-open: `from <= t < until`, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidityWindow {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl ValidityWindow {
    /// A window of at least one second; fractions of a second are cut off.
    ///
    /// # Errors
    /// [`WindowError::Empty`] when it does not end after it begins.
    pub fn new(from: DateTime<Utc>, until: DateTime<Utc>) -> Result<Self, WindowError> {
        let whole = |instant: DateTime<Utc>| instant.with_nanosecond(0).unwrap_or(instant);
        let (from, until) = (whole(from), whole(until));
        if until <= from {
            return Err(WindowError::Empty {
                from: instant_text(from),
                until: instant_text(until),
            });
        }
        Ok(Self { from, until })
    }

    /// The first instant inside.
    pub fn from(&self) -> DateTime<Utc> {
        self.from
    }

    /// The first instant after.
    pub fn until(&self) -> DateTime<Utc> {
        self.until
    }

    /// Whether the instant lies inside.
    pub fn contains(&self, instant: DateTime<Utc>) -> bool {
        self.from <= instant && instant < self.until
    }
}

impl fmt::Display for ValidityWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, until) = (instant_text(self.from), instant_text(self.until));
        write!(f, "{from} <= t < {until}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        parse_instant(text).unwrap()
    }

    #[test]
    fn a_window_holds_its_first_instant_and_not_its_last() {
        let window = ValidityWindow::new(at("2025-01-01"), at("2026-01-01")).unwrap();
        let nanosecond = TimeDelta::nanoseconds(1);
        assert!(!window.contains(window.from() - nanosecond));
        assert!(window.contains(window.from()));
        assert!(window.contains(window.until() - nanosecond));
        assert!(!window.contains(window.until()));
    }

    #[test]
    fn a_date_is_midnight_utc_and_offsets_are_understood() {
        assert_eq!(instant_text(at("2025-01-01")), "2025-01-01T00:00:00Z");
        assert_eq!(at("2025-01-01T01:00:00+01:00"), at("2025-01-01"));
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "2025",
            "2025-13-01",
            "2025-02-29",
            "2025-1-1",
            "01/01/2025",
            "2025-01-01T00:00:00",
            "2025-01-01T00:00:00.5Z",
            "2025-06-30T23:59:60Z",
            "1969-12-31",
            "tomorrow",
        ] {
            assert!(parse_instant(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_leap_second_and_a_year_outside_are_told_as_such() {
        for (text, expected) in [
            (
                "2016-12-31T23:59:60Z",
                "a leap second, which is told apart nowhere here; expected the second before it, 2016-12-31T23:59:59Z, or after \
                 it, 2017-01-01T00:00:00Z",
            ),
            ("2017-01-01T00:59:60.5+01:00", "2017-01-01T00:00:00Z"),
            (
                "1969-12-31",
                "is \"1969-12-31\", of the year 1969; expected a year from 1970 to 9999",
            ),
            ("1970-01-01T00:30:00+01:00", "of the year 1969"),
            ("9999-12-31T23:30:00-01:00", "of the year 10000"),
            ("10000-01-01", "of the year 10000"),
            ("20266-01-01T00:00:00Z", "of the year 20266"),
            ("-0001-01-01", "of the year -1"),
            ("0026-01-01", "of the year 26"),
            (
                "2026-01-01T00:00:00.25Z",
                "with a fraction of a second; expected a date",
            ),
            ("99-01-01", "expected a date (2025-01-01, midnight UTC)"),
        ] {
            let refused = parse_instant(text).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn an_empty_window_is_refused() {
        for until in ["2025-01-01", "2024-12-31"] {
            assert!(
                ValidityWindow::new(at("2025-01-01"), at(until)).is_err(),
                "{until}"
            );
        }
    }
}

//! The clock of Secrets Manager, by the `Date` of its answers.

use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_secretsmanager::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_secretsmanager::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_secretsmanager::error::BoxError;
use aws_sdk_secretsmanager::primitives::{DateTime as HttpDate, DateTimeFormat};
use chrono::{DateTime, Datelike as _, Utc};

use crate::timekeeping::{SecondClock, uptime};

/// Years that its clock can show: there was no Secrets Manager before the first, and after the last, a mistake in the answer is
/// likelier than one of the machine's clock.
const DATES: RangeInclusive<i32> = 2018..=2199;

/// How much of an unreadable `Date` is repeated.
const DATE_SHOWN: usize = 40;

/// Reads the clock of Secrets Manager from each of its answers (RFC 9110, section 6.6.1).
#[derive(Debug)]
pub(crate) struct DateReader {
    clock: SecondClock,
    /// When the question was sent that is being answered: they are asked one after the other.
    asked: Mutex<Duration>,
}

impl DateReader {
    /// What it reads, this clock shows.
    pub(crate) fn new(clock: &SecondClock) -> Self {
        Self {
            clock: clock.clone(),
            asked: Mutex::default(),
        }
    }
}

impl Intercept for DateReader {
    fn name(&self) -> &'static str {
        "DateReader"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = uptime();
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        match read_date(context.response().headers().get("date")) {
            Ok(date) => self.clock.note(date, asked),
            Err(fault) => self.clock.note_fault(fault),
        }
        Ok(())
    }
}

/// What the `Date` of an answer says, or why that is no time of Secrets Manager's clock.
pub(crate) fn read_date(found: Option<&str>) -> Result<DateTime<Utc>, String> {
    const EXPECTED: &str = "expected a date of HTTP, such as \"Tue, 24 Nov 2026 03:08:25 GMT\"";
    let problem = |found: &str| format!("the Date of Secrets Manager's answer {found}; {EXPECTED}");
    let Some(text) = found else {
        return Err(problem("is missing"));
    };
    let shown: String = text.chars().take(DATE_SHOWN).collect();
    let date = HttpDate::from_str(text.trim(), DateTimeFormat::HttpDate).ok();
    let date = date.and_then(|date| DateTime::from_timestamp(date.secs(), 0));
    let Some(date) = date else {
        return Err(problem(&format!("is {shown:?}")));
    };
    match DATES.contains(&date.year()) {
        true => Ok(date),
        false => {
            let (first, last) = (DATES.start(), DATES.end());
            let found = format!("is {shown:?}, not of a year from {first} to {last}");
            Err(problem(&found))
        }
    }
}

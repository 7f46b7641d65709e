//! The yearly rhythm: keys end at a new year, so that the rotation of every December comes in time, whatever day the first one was
//! made on, and also after a leak.

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::{Overrides, StepRefusal};
use checkpoint::key::{KeyId, ValidityWindow, WARN_DAYS, instant_text};

/// What a window has to last at least: one that ends within the days of the first warning would want the next rollover at once.
fn least() -> TimeDelta {
    TimeDelta::days(WARN_DAYS.into_iter().max().unwrap_or_default())
}

/// The beginning of the day.
pub(super) fn midnight(now: DateTime<Utc>) -> DateTime<Utc> {
    now.date_naive().and_time(NaiveTime::MIN).and_utc()
}

/// The end of a key that follows no other one: the first new year for which the rotation of the December before is not missed, so that
/// it signs for two months at least and for fourteen at most.
pub(super) fn first_end(now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let years = now.year()..=now.year().checked_add(2)?;
    let mut ends = years.filter_map(new_year);
    ends.find(|end| *end > now + least())
}

/// The first rotation of a December that comes when a key has ended already; none where the next one is in time.
pub(super) fn missed_rotation(until: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let of_year = |year| NaiveDate::from_ymd_opt(year, 12, 1);
    let mut rotations = (now.year()..=now.year().checked_add(1)?).filter_map(of_year);
    let next = rotations.find_map(|day| {
        let day = day.and_time(NaiveTime::MIN).and_utc();
        (now < day + TimeDelta::days(1)).then_some(day)
    });
    next.filter(|day| until <= *day + TimeDelta::days(1))
}

/// The name of a key that follows no other one: of the last year in which it signs.
pub(super) fn name_until(until: DateTime<Utc>) -> Result<KeyId, StepRefusal> {
    let year = (until - TimeDelta::seconds(1)).year();
    let name = format!("amply-checkpoint-key-{year}");
    name.parse()
        .map_err(|_| StepRefusal::Window("--key-id is needed".into()))
}

/// Begins where the last one ends and is as long in calendar years. After a rollover that was forgotten it begins
/// today, and ends as if it had not been, or a length later where that is soon: what is not covered is then not hidden.
pub(super) fn next_window(
    last: ValidityWindow,
    overrides: &Overrides,
    now: DateTime<Utc>,
) -> Result<ValidityWindow, StepRefusal> {
    let natural = match now >= last.until() {
        true => midnight(now).max(last.until()),
        false => last.until(),
    };
    let from = overrides.valid_from.unwrap_or(natural);
    let begins = overrides.valid_from.unwrap_or(last.until());
    let mut until = end_after(last, begins);
    // After several years without a rollover, more than one length has passed.
    let out_of_order = now >= last.until() || overrides.without_endorsement;
    let past = match out_of_order {
        true => now + least(),
        // One that begins before the last one ends takes over from it.
        false => now.max(last.until()),
    };
    while until.is_some_and(|until| until <= past) {
        until = until.and_then(|until| end_after(last, until));
    }
    let until = overrides.valid_until.or(until);
    let until = until.ok_or_else(|| StepRefusal::Window("--valid-until is needed".into()))?;
    window(from, until, now)
}

/// The end of a window that begins at `from`, after `last`: a new year again where that one ends at one, or is shorter than a year,
/// since another one as short would end before the rotation of the next December; and as long as that one otherwise.
fn end_after(last: ValidityWindow, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let years = last.until().year() - last.from().year();
    if is_new_year(last.until()) {
        // The first one may have begun on any day.
        let whole = if is_new_year(last.from()) { years } else { 1 };
        return new_year(from.year().checked_add(whole)?);
    }
    let a_year = last.from().checked_add_months(Months::new(12))?;
    if last.until() < a_year {
        return first_end(from);
    }
    let months = Months::new(u32::try_from(years).ok()?.checked_mul(12)?);
    if years > 0 && last.from().checked_add_months(months) == Some(last.until()) {
        return from.checked_add_months(months);
    }
    from.checked_add_signed(last.until() - last.from())
}

fn new_year(year: i32) -> Option<DateTime<Utc>> {
    let day = NaiveDate::from_ymd_opt(year, 1, 1)?;
    Some(day.and_time(NaiveTime::MIN).and_utc())
}

fn is_new_year(instant: DateTime<Utc>) -> bool {
    new_year(instant.year()) == Some(instant)
}

/// A window that is not over already.
pub(super) fn window(
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<ValidityWindow, StepRefusal> {
    let window = ValidityWindow::new(from, until);
    let window = window.map_err(|error| StepRefusal::Window(format!("valid_until {error}")))?;
    if until <= now {
        let until = instant_text(until);
        return Err(StepRefusal::Window(format!(
            "the window would end at {until}, which has passed"
        )));
    }
    Ok(window)
}

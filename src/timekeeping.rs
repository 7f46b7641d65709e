//! Other clocks than the machine's own: what they showed, and what they show by now.
//!
//! A clock that is wrong does not know it. So each reading of another one (the record store's, the `Date` of Secrets Manager's
//! answers) is kept beside a count of time that nobody sets, by which it stays of use until the next. Where there is no other
//! clock at all, that count still tells when the machine's was set forwards while the service ran.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rustix::time::{ClockId, clock_gettime};

use crate::clock::Clock;
use checkpoint::history::rules::{
    CLOCK_TOLERANCE, RuleViolation, check_ahead, check_behind, other_clock,
};
use checkpoint::key::instant_text;

/// The time since the machine was started, its sleep included. Setting the clock does not change it.
pub fn uptime() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// What another clock showed, some time between the question and the answer.
#[derive(Clone, Copy, Debug)]
struct Reading {
    showed: DateTime<Utc>,
    asked: Duration,
    answered: Duration,
}

/// What it last showed, and why its newest answer showed nothing.
#[derive(Debug, Default)]
struct Readings {
    last: Option<Reading>,
    fault: Option<String>,
}

/// Another clock. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct SecondClock(Arc<Mutex<Readings>>);

impl SecondClock {
    fn readings(&self) -> MutexGuard<'_, Readings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what it showed, to a question that was asked at an [`uptime`], and was answered just now.
    pub fn note(&self, showed: DateTime<Utc>, asked: Duration) {
        let answered = uptime();
        *self.readings() = Readings {
            last: Some(Reading {
                showed,
                asked,
                answered,
            }),
            fault: None,
        };
    }

    /// Notes why an answer did not show it; what it showed before stays of use. Logged when the answer before was better.
    pub fn note_fault(&self, fault: String) {
        let mut readings = self.readings();
        if readings.fault.is_none() {
            tracing::warn!("{fault}: the machine's clock is not judged by this answer");
        }
        readings.fault = Some(fault);
    }

    /// Why its newest answer did not show it.
    pub fn fault(&self) -> Option<String> {
        self.readings().fault.clone()
    }

    /// The earliest and the latest that it can show now; none before its first reading.
    pub fn bounds(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let Reading {
            showed,
            asked,
            answered,
        } = self.readings().last?;
        let now = uptime();
        let after = |since: Duration| showed + whole(now.saturating_sub(since));
        Some((after(answered), after(asked)))
    }
}

fn whole(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// How often the clock may send for another reading of the secret.
const SEND_AGAIN: Duration = Duration::from_secs(10);

/// Judges the machine's clock by all others.
#[derive(Debug)]
pub struct Timekeeper {
    clock: Clock,
    /// The record store's.
    store: SecondClock,
    /// The key source's.
    source: Option<SecondClock>,
    /// What the machine's clock showed at the start, and the uptime then.
    start: (DateTime<Utc>, Duration),
    /// By how much it had been set forwards when that was last looked at, and when another reading was last sent for.
    looked: Mutex<(TimeDelta, Option<Duration>)>,
}

impl Timekeeper {
    /// Begins with what the clock shows now. A simulated clock stands beside no real one but the store's.
    pub fn new(clock: Clock, source: Option<SecondClock>) -> Self {
        Self {
            start: (clock.now(), uptime()),
            source: source.filter(|_| clock.is_system()),
            store: SecondClock::default(),
            looked: Mutex::default(),
            clock,
        }
    }

    /// Notes what the store's clock showed, if it has one; asked at an [`uptime`].
    pub fn note_store(&self, showed: Option<DateTime<Utc>>, asked: Duration) {
        if let Some(showed) = showed {
            self.store.note(showed, asked);
        }
    }

    /// Judges what the clock showed a moment ago.
    ///
    /// # Errors
    /// [`RuleViolation::ClockAhead`] when it is ahead of another clock, or was set forwards while no other one could be asked;
    /// [`RuleViolation::ClockBehind`] when it is behind another clock.
    pub fn check(&self, now: DateTime<Utc>) -> Result<(), RuleViolation> {
        let (store, source) = (self.store.bounds(), self.source());
        if let Some((earliest, latest)) = store {
            check_ahead(now, latest)?;
            check_behind(now, earliest)?;
        }
        check_source(now, source)?;
        let forwards = self.set_forwards();
        if store.is_none() && source.is_none() && forwards > CLOCK_TOLERANCE {
            return Err(RuleViolation::ClockAhead {
                now: instant_text(now),
                other: format!(
                    "it was set forwards by {} s while the service ran, and there is no other clock that says that this is right; \
                     nothing is signed until it is set back, or, when it is right, the service is started anew",
                    forwards.num_seconds()
                ),
            });
        }
        Ok(())
    }

    /// The other clocks that [`Timekeeper::check`] judges by now.
    pub fn others(&self) -> Vec<&'static str> {
        let store = self.store.bounds().map(|_| "the database");
        let source = self.source().map(|_| "Secrets Manager");
        store.into_iter().chain(source).collect()
    }

    fn source(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        self.source.as_ref()?.bounds()
    }

    /// Why the key source's newest answer did not show its clock.
    pub fn source_fault(&self) -> Option<String> {
        self.source.as_ref()?.fault()
    }

    /// By how much the machine's clock was set forwards since the start.
    fn set_forwards(&self) -> TimeDelta {
        if !self.clock.is_system() {
            return TimeDelta::zero();
        }
        let (showed, started) = self.start;
        // In this order: a process that is frozen in between was not set forwards.
        let now = self.clock.now();
        now - showed - whole(uptime().saturating_sub(started))
    }

    /// Whether the source is to be read for its clock: the machine's was set since the last look, or the two do not agree, and
    /// either may be right by now. Once in `SEND_AGAIN` at most.
    pub fn wants_reading(&self) -> bool {
        let forwards = self.set_forwards();
        let differ = check_source(self.clock.now(), self.source()).is_err();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, sent) = *looked;
        let was_set = (forwards - before).abs() > TimeDelta::seconds(1);
        if !was_set && !differ {
            return false;
        }
        if was_set {
            looked.0 = forwards;
            let seconds = (forwards - before).as_seconds_f64();
            tracing::warn!(seconds, "the machine's clock was set");
        }
        let now = uptime();
        let may_send = sent.is_none_or(|sent| now.saturating_sub(sent) >= SEND_AGAIN);
        if self.source.is_some() && may_send {
            looked.1 = Some(now);
            return true;
        }
        false
    }
}

/// The machine's clock by the source's, to either side. A `Date` has whole seconds, so that the clock behind it shows up to one more;
/// an answer that came late makes the bounds wider, never narrower.
fn check_source(
    now: DateTime<Utc>,
    bounds: Option<(DateTime<Utc>, DateTime<Utc>)>,
) -> Result<(), RuleViolation> {
    let Some((earliest, latest)) = bounds else {
        return Ok(());
    };
    let latest = latest + TimeDelta::seconds(1);
    let shows = |instant| other_clock("Secrets Manager's (the Date of its answers)", instant);
    if now > latest + CLOCK_TOLERANCE {
        return Err(RuleViolation::ClockAhead {
            now: instant_text(now),
            other: shows(latest),
        });
    }
    match now + CLOCK_TOLERANCE < earliest {
        true => Err(RuleViolation::ClockBehind {
            now: instant_text(now),
            other: shows(earliest),
        }),
        false => Ok(()),
    }
}

//! When the key source is read again. Pure: the task that refreshes the keys asks, and sleeps.
//!
//! A source that does not tell of its changes is read at its interval, with jitter, so that replicas do not ask
//! all at once, and once more shortly before a window opens or ends, so that a key that was promoted at the
//! last minute is there in time. After a failure, it is read again soon, and then less and less often.

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt as _;

/// How long before a window opens or ends the source is read once more.
const BEFORE_EDGE: TimeDelta = TimeDelta::minutes(1);

/// How soon after the first failure.
const FIRST_RETRY: TimeDelta = TimeDelta::seconds(5);

/// How long at most between retries: as long as between ordinary readings.
const LAST_RETRY: TimeDelta = TimeDelta::minutes(5);

/// Jitter of every wait, in per cent to either side.
const JITTER: i32 = 10;

/// How much a reading is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// At the usual interval.
    AsEver,
    /// Something is missing.
    Soon,
    /// No key can sign: a key that is put must sign within seconds, however long there was none. 24 calls a minute at most for
    /// each replica, so that eight of them stay below the alarm of 1,000 calls in 5 minutes.
    Urgently,
}

/// What was read, and how it went.
pub(super) struct Refreshes {
    poll_every: Option<TimeDelta>,
    last: Option<DateTime<Utc>>,
    failures: u32,
    /// Per cent of an interval, chosen anew after each reading.
    jitter: i32,
}

impl Refreshes {
    pub(super) fn new(poll_every: Option<TimeDelta>) -> Self {
        Self {
            poll_every,
            last: None,
            failures: 0,
            jitter: 100,
        }
    }

    /// Notes a reading.
    pub(super) fn note(&mut self, now: DateTime<Utc>, went_well: bool) {
        self.last = Some(now);
        self.failures = match went_well {
            true => 0,
            false => self.failures.saturating_add(1),
        };
        self.jitter = rand::rng().random_range(100 - JITTER..=100 + JITTER);
    }

    /// When to read next. `edge` is when the next window opens or ends.
    pub(super) fn due(
        &self,
        now: DateTime<Utc>,
        edge: Option<DateTime<Utc>>,
        want: Want,
    ) -> Option<DateTime<Utc>> {
        let last = self.last?;
        // The clock was set back: what was reckoned by it is void.
        if now < last {
            let wanted = want != Want::AsEver || self.poll_every.is_some();
            return wanted.then_some(now);
        }
        let wait = match (self.failures, want) {
            (_, Want::Urgently) => Some(FIRST_RETRY),
            (0, Want::AsEver) => self.poll_every,
            (failures, _) => {
                let doubled = FIRST_RETRY * (1 << failures.saturating_sub(1).min(10));
                Some(doubled.min(LAST_RETRY))
            }
        };
        let due = wait.map(|wait| last + wait * self.jitter / 100);
        let before_edge = edge
            .filter(|_| self.poll_every.is_some())
            .map(|edge| edge - BEFORE_EDGE)
            .filter(|instant| *instant > last);
        [due, before_edge].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000 + seconds, 0).unwrap()
    }

    fn seconds_until(due: Option<DateTime<Utc>>) -> i64 {
        (due.unwrap() - at(0)).num_seconds()
    }

    #[test]
    fn a_polled_source_is_read_every_five_minutes_with_jitter() {
        let mut refreshes = Refreshes::new(Some(TimeDelta::minutes(5)));
        let mut waits = std::collections::BTreeSet::new();
        for _ in 0..200 {
            refreshes.note(at(0), true);
            waits.insert(seconds_until(refreshes.due(at(0), None, Want::AsEver)));
        }
        assert!(
            waits.iter().all(|wait| (270..=330).contains(wait)),
            "{waits:?}"
        );
        assert!(waits.len() > 10, "{waits:?}");
    }

    #[test]
    fn a_polled_source_is_read_a_minute_before_a_window_opens_or_ends_and_once_only() {
        let mut refreshes = Refreshes::new(Some(TimeDelta::minutes(5)));
        refreshes.note(at(0), true);
        let edge = Some(at(100));
        assert_eq!(refreshes.due(at(0), edge, Want::AsEver), Some(at(40)));
        refreshes.note(at(40), true);
        assert!(seconds_until(refreshes.due(at(40), edge, Want::AsEver)) > 300);
    }

    #[test]
    fn failures_are_retried_soon_and_then_less_and_less_often() {
        let mut refreshes = Refreshes::new(None);
        let mut waits = Vec::new();
        for _ in 0..10 {
            refreshes.note(at(0), false);
            refreshes.jitter = 100;
            waits.push(seconds_until(refreshes.due(at(0), None, Want::Soon)));
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
    }

    #[test]
    fn while_no_key_can_sign_it_is_read_every_few_seconds_however_often_it_failed() {
        let mut refreshes = Refreshes::new(Some(TimeDelta::minutes(5)));
        for _ in 0..20 {
            refreshes.note(at(0), false);
            let wait =
                (refreshes.due(at(0), None, Want::Urgently).unwrap() - at(0)).num_milliseconds();
            assert!((4500..=5500).contains(&wait), "{wait}");
        }
    }

    #[test]
    fn a_source_that_tells_is_left_alone_while_all_is_well() {
        let mut refreshes = Refreshes::new(None);
        refreshes.note(at(0), true);
        assert_eq!(refreshes.due(at(0), Some(at(100)), Want::AsEver), None);
        assert!(
            refreshes.due(at(0), None, Want::Soon).is_some(),
            "but not when a key is missing"
        );
    }

    #[test]
    fn a_clock_that_was_set_back_has_a_polled_source_read_at_once() {
        let mut refreshes = Refreshes::new(Some(TimeDelta::minutes(5)));
        refreshes.note(at(1_000_000), true);
        assert_eq!(refreshes.due(at(0), None, Want::AsEver), Some(at(0)));
    }
}

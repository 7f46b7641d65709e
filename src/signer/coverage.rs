//! Warns before there is no key: once at each threshold, with the time that is left.
//!
//! What counts is what is loaded: a trusted key that cannot be read will not sign.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use super::KeysInForce;
use crate::clock::Clock;
use checkpoint::key::{ValidityWindow, WARN_DAYS, covered_until, instant_text};

impl KeysInForce {
    /// Until when the loaded keys can sign without a gap; none, if none can now.
    pub fn covered_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        covered_until(&self.windows(), now)
    }

    /// When the last window of the loaded keys ends.
    pub fn last_window_end(&self) -> Option<DateTime<Utc>> {
        self.windows().iter().map(ValidityWindow::until).max()
    }

    fn windows(&self) -> Vec<ValidityWindow> {
        let keys = self.signing.iter();
        keys.map(|key| key.version().window).collect()
    }
}

/// How near the end of signing is. The nearer, the less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    /// No key can sign.
    Ended,
    /// The tightest of [`WARN_DAYS`] that was passed.
    Within(i64),
    /// None was.
    Far,
}

impl Nearness {
    fn of(until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Self {
        let Some(until) = until else {
            return Self::Ended;
        };
        let passed = |days: &&i64| until - now <= TimeDelta::days(**days);
        let tightest = WARN_DAYS.iter().find(passed);
        tightest.map_or(Self::Far, |days| Self::Within(*days))
    }
}

/// Logs, until the task that refreshes the keys has gone.
pub(super) async fn warn(mut keys: watch::Receiver<Arc<KeysInForce>>, clock: Clock) {
    let mut told = Nearness::Far;
    loop {
        let now = clock.now();
        let until = keys.borrow_and_update().covered_until(now);
        let found = Nearness::of(until, now);
        if found < told {
            tell(found, until, now);
        }
        // A later window that was promoted silences it, and it begins anew before that one's end.
        told = found;
        let next = next_crossing(until, now, &keys);
        tokio::select! {
            changed = keys.changed() => if changed.is_err() { return },
            () = clock.sleep_until(next.unwrap_or_default()), if next.is_some() => {}
        }
    }
}

/// When the nearness changes by itself.
fn next_crossing(
    until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    keys: &watch::Receiver<Arc<KeysInForce>>,
) -> Option<DateTime<Utc>> {
    let Some(until) = until else {
        return keys.borrow().keyring.next_edge(now);
    };
    let thresholds = WARN_DAYS.iter().map(|days| until - TimeDelta::days(*days));
    let later = thresholds.filter(|instant| *instant > now).min();
    Some(later.unwrap_or(until))
}

fn tell(found: Nearness, until: Option<DateTime<Utc>>, now: DateTime<Utc>) {
    match (found, until) {
        (Nearness::Within(days), Some(until)) => {
            let until_text = instant_text(until);
            let seconds_left = (until - now).num_seconds();
            tracing::warn!(
                within_days = days,
                until = until_text,
                seconds_left,
                "signing ends soon: no later key is trusted without a gap; stage and promote one"
            );
        }
        _ => tracing::error!("no key can sign; promote one whose window holds now"),
    }
}

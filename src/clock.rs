//! The time, passed in: the machine's clock, or one that a story or a test moves by hand.
//!
//! The core never reads a clock; the edges hand it instants of this one. Wall-clock time can jump, so
//! waiting for an instant looks at the clock again and again instead of sleeping through.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

/// Longest sleep between two looks at the machine's clock while waiting for an instant: how late the
/// service may notice that the clock was set.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Where the time comes from. Clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Simulated(watch::Sender<DateTime<Utc>>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `start` until it is moved.
    pub fn simulated(start: DateTime<Utc>) -> Self {
        Self(Source::Simulated(watch::Sender::new(start)))
    }

    /// The time now.
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Source::System => Utc::now(),
            Source::Simulated(time) => *time.borrow(),
        }
    }

    /// Whether it is the machine's.
    pub fn is_system(&self) -> bool {
        matches!(self.0, Source::System)
    }

    /// Moves a simulated clock, forwards or back. The machine's clock is not moved.
    pub fn set(&self, time: DateTime<Utc>) {
        if let Source::Simulated(clock) = &self.0 {
            clock.send_replace(time);
        }
    }

    /// Returns once the clock shows `instant` or later.
    pub async fn sleep_until(&self, instant: DateTime<Utc>) {
        match &self.0 {
            Source::System => loop {
                let left = instant - Utc::now();
                if left <= TimeDelta::zero() {
                    return;
                }
                // Never shorter than a millisecond, or the last fraction of one would be spun through.
                let left = left.to_std().unwrap_or(LOOK_AGAIN);
                tokio::time::sleep(left.clamp(Duration::from_millis(1), LOOK_AGAIN)).await;
            },
            Source::Simulated(time) => {
                // The sender lives in self, so waiting cannot fail.
                let _ = time.subscribe().wait_for(|now| *now >= instant).await;
            }
        }
    }
}

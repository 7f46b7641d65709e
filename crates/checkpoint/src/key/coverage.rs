//! How long windows hold one after the other, and when their end is near enough to warn of.

use chrono::{DateTime, Utc};

use super::ValidityWindow;

/// Days before the end at which a warning becomes more urgent.
pub const WARN_DAYS: [i64; 6] = [1, 3, 7, 14, 30, 60];

/// Until when some of the windows hold without a break from `now` on; none, if none holds now.
pub fn covered_until(windows: &[ValidityWindow], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let mut covered = None;
    loop {
        let at = covered.unwrap_or(now);
        let holding = windows.iter().filter(|window| window.contains(at));
        match holding.map(ValidityWindow::until).max() {
            Some(until) => covered = Some(until),
            None => return covered,
        }
    }
}

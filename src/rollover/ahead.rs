//! By how much one clock is ahead of another.

use chrono::{DateTime, TimeDelta, Utc};

/// By how much two clocks may differ. A person's machine that sets its clock is right within a second, and windows end at midnight.
const TOLERANCE: TimeDelta = TimeDelta::seconds(30);

/// By how much this machine's clock is ahead of another one; behind it where that is negative. An answer takes its time and shows whole
/// seconds, so that there is a least and a most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    least: TimeDelta,
    most: TimeDelta,
}

impl Ahead {
    /// The other one showed a whole second, some time between the question and the answer by this one.
    #[must_use]
    pub fn of(showed: DateTime<Utc>, asked: DateTime<Utc>, answered: DateTime<Utc>) -> Self {
        Self::between(showed, showed, asked, answered)
    }

    /// The other one shows an instant between these, and this one the same at the beginning and the end of what is compared.
    pub(super) fn between(
        earliest: DateTime<Utc>,
        latest: DateTime<Utc>,
        begin: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> Self {
        Self {
            least: begin - latest - TimeDelta::seconds(1),
            most: end - earliest,
        }
    }

    /// By how much they differ at least, where that is too much.
    pub(super) fn difference(self) -> Option<TimeDelta> {
        match () {
            () if self.least > TOLERANCE => Some(self.least),
            () if self.most < -TOLERANCE => Some(self.most),
            () => None,
        }
    }
}

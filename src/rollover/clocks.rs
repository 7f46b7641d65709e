//! This machine's clock beside others: Secrets Manager's, and those of the services, by the `Date` of their answers. What is staged,
//! promoted or retired by a wrong clock may take the key that signs.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Replica, Situation, StepRefusal};
use checkpoint::key::instant_text;

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
    fn difference(self) -> Option<TimeDelta> {
        match () {
            () if self.least > TOLERANCE => Some(self.least),
            () if self.most < -TOLERANCE => Some(self.most),
            () => None,
        }
    }
}

/// Two clocks that do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClocksDiffer {
    /// Whose the other one is.
    pub whose: String,
    /// What this machine's shows.
    pub ours: DateTime<Utc>,
    /// What the other one shows.
    pub theirs: DateTime<Utc>,
}

impl fmt::Display for ClocksDiffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ours, theirs) = (instant_text(self.ours), instant_text(self.theirs));
        write!(
            f,
            "this machine's clock shows {ours}, and that of {} {theirs} (the Date of its answers)",
            self.whose
        )
    }
}

/// What a person does about it.
pub(super) const SET_THE_CLOCK: &str =
    "set this machine's clock (`timedatectl` says what it shows, and whether it is set by itself)";

impl Situation {
    /// The clocks that do not agree with this machine's, where this one is in doubt: Secrets Manager's judges it, or, where that is
    /// not known, those of the services do.
    pub fn doubted_clock(&self) -> Vec<ClocksDiffer> {
        match self.secrets_manager {
            Some(ahead) => {
                let differ = self.differ("Secrets Manager", ahead);
                let with_it = differ.is_some().then(|| self.services_clocks());
                differ
                    .into_iter()
                    .chain(with_it.into_iter().flatten())
                    .collect()
            }
            None => self.services_clocks(),
        }
    }

    /// The clocks of services that differ from this machine's, where this one is right: the service's is wrong.
    pub(super) fn service_clock(&self, replica: &Replica) -> Option<ClocksDiffer> {
        let ahead = replica.listing.as_ref().ok()?.ahead?;
        self.differ(&replica.url, ahead)
    }

    fn services_clocks(&self) -> Vec<ClocksDiffer> {
        let replicas = self.replicas.iter();
        replicas
            .filter_map(|replica| self.service_clock(replica))
            .collect()
    }

    fn differ(&self, whose: &str, ahead: Ahead) -> Option<ClocksDiffer> {
        Some(ClocksDiffer {
            whose: whose.into(),
            ours: self.now,
            theirs: self.now - ahead.difference()?,
        })
    }

    /// Refuses what depends on the time while this machine's clock is in doubt.
    ///
    /// # Errors
    /// [`StepRefusal::Clock`] when it is.
    pub(super) fn check_clock(&self) -> Result<(), StepRefusal> {
        let differ = self.doubted_clock();
        match differ.is_empty() {
            true => Ok(()),
            false => Err(StepRefusal::Clock(
                differ.iter().map(ToString::to_string).collect(),
            )),
        }
    }
}

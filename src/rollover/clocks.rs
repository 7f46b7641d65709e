//! This machine's clock beside others: Secrets Manager's, and those of the services, by the `Date` of their answers. What is staged,
//! promoted or retired by a wrong clock may take the key that signs.

use std::fmt;

use chrono::{DateTime, Utc};

use super::{Ahead, Replica, Situation, StepRefusal};
use checkpoint::key::instant_text;

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

//! Whether the services would take up a key that is promoted, and go on with the one in force: what they say against it is mended before
//! a label moves.

use super::{Next, Relabelling, Replica, Situation, StepRefusal};
use crate::source::CANNOT_BE_READ;
use checkpoint::key::StagingLabel;

/// Why a service signs nothing, where another key would mend that.
const FOR_WANT_OF_A_KEY: [&str; 6] = [
    "KEY_NOT_YET_VALID",
    "KEY_EXPIRED",
    "KEY_REVOKED",
    "KEY_REFUSED",
    "KEY_SOURCE_UNAVAILABLE",
    "NO_SIGNING_KEY",
];

/// What is said of a record that lags behind the secret, or is none of its own.
const WITHOUT_CURRENT: &str =
    "does not list the key that is AWSCURRENT and in force: is it the record of this secret?";

/// What keeps a service from it.
enum Hindrance<'a> {
    /// It is one of another secret.
    Stranger(&'a str),
    /// It is the record, which was not read, or is another secret's.
    Record(&'a str),
    /// It does not answer, or does not tell.
    Silent(&'a str),
    /// It signs nothing, whatever its keys.
    Stuck(&'a str),
    /// It cannot read what is in the secret, so that it has in memory alone what it signs with.
    CannotRead(&'a str),
    /// It refuses what stands well by all that is known here.
    Refuses(&'a str),
}

impl Replica {
    /// Why it signs nothing, where no key mends that.
    fn is_stuck(&self) -> Option<&str> {
        let reason = self.signs_nothing()?;
        let code = reason.split(':').next().unwrap_or_default();
        (!FOR_WANT_OF_A_KEY.contains(&code)).then_some(reason)
    }
}

impl Situation {
    /// The fault of a service about a version that it cannot read, whatever is in it. Where there is none yet, nobody can.
    fn cannot_read<'a>(&self, replica: &'a Replica) -> Option<&'a str> {
        self.snapshot.current()?;
        let faults = &replica.listing.as_ref().ok()?.faults;
        let mut faults = faults.iter().filter(|f| f.contains(CANNOT_BE_READ));
        faults.next().map(String::as_str)
    }

    fn hindrance<'a>(&self, replica: &'a Replica) -> Option<Hindrance<'a>> {
        match &replica.listing {
            // It is asked only where no service tells.
            Err(problem) if replica.names_a_record() => Some(Hindrance::Record(problem)),
            Err(problem) if replica.is_stranger() => Some(Hindrance::Stranger(problem)),
            Err(problem) => Some(Hindrance::Silent(problem)),
            Ok(listing) if listing.of_record && self.lacks_the_key_in_force(replica) => {
                Some(Hindrance::Record(WITHOUT_CURRENT))
            }
            Ok(listing) => {
                let stuck = replica.is_stuck().map(Hindrance::Stuck);
                let unread = self.cannot_read(replica).map(Hindrance::CannotRead);
                stuck.or(unread).or_else(|| {
                    // What stands badly is what it refuses, and a step of the rollover mends that.
                    let fault = listing.faults.first()?;
                    let stands_well = self.unfit().next().is_none();
                    stands_well.then_some(Hindrance::Refuses(fault))
                })
            }
        }
    }

    fn lacks_the_key_in_force(&self, replica: &Replica) -> bool {
        let Some((_, current)) = self.current() else {
            return false;
        };
        let key = &current.version;
        key.window.contains(self.now) && replica.state_of(key).is_none()
    }

    /// What the services say against a promotion, a sentence each.
    pub(super) fn hindrances(&self) -> Vec<String> {
        let told = self.replicas.iter().filter_map(|replica| {
            let problem = match self.hindrance(replica)? {
                Hindrance::Stranger(problem)
                | Hindrance::Record(problem)
                | Hindrance::Silent(problem) => problem.to_owned(),
                Hindrance::Stuck(reason) => format!("signs nothing: {reason}"),
                Hindrance::CannotRead(fault) | Hindrance::Refuses(fault) => {
                    format!("has a fault, with which its next start could end signing: {fault}")
                }
            };
            Some(format!("{}: {problem}", replica.url))
        });
        told.collect()
    }

    /// Whom to wait for would be in vain.
    ///
    /// # Errors
    /// [`StepRefusal::NotReady`] when a service is one of another secret, or is stuck, or the record was not read.
    pub(super) fn check_no_stranger(&self) -> Result<(), StepRefusal> {
        let in_vain = |replica: &Replica| {
            replica.is_stranger() || replica.is_stuck().is_some() || replica.is_unread_record()
        };
        match self.replicas.iter().any(in_vain) {
            true => Err(StepRefusal::NotReady(self.hindrances())),
            false => Ok(()),
        }
    }

    /// Goes by no secret and record that may not belong together: a record that was named and not read is for the operator, unless he
    /// wants nobody asked.
    ///
    /// # Errors
    /// [`StepRefusal::RecordNotRead`] when it was not.
    pub(super) fn check_record(&self) -> Result<(), StepRefusal> {
        let mut unread = self.replicas.iter().filter(|r| r.is_unread_record());
        match unread.next() {
            Some(_) if !self.without_asking => Err(StepRefusal::RecordNotRead(self.unanswered())),
            _ => Ok(()),
        }
    }

    /// Makes no key where a service that was named is one of another environment, unless the operator wants nobody asked.
    ///
    /// # Errors
    /// [`StepRefusal::NotReady`] when one is.
    pub(super) fn check_services_are_ours(&self) -> Result<(), StepRefusal> {
        let mut others = self
            .replicas
            .iter()
            .filter(|replica| !replica.names_a_record());
        match others.any(Replica::is_of_another_environment) && !self.without_asking {
            true => Err(StepRefusal::NotReady(self.hindrances())),
            false => Ok(()),
        }
    }

    /// Gives nothing up where what was named on the line is of another environment. What is dead or silent stands in nobody's way.
    ///
    /// # Errors
    /// [`StepRefusal::NotReady`] when it is.
    pub(super) fn check_environment(&self) -> Result<(), StepRefusal> {
        let mut named = self.replicas.iter();
        match named.any(Replica::is_of_another_environment) {
            true => Err(StepRefusal::NotReady(self.hindrances())),
            false => Ok(()),
        }
    }

    /// What is to be done about the first of them; none where nothing is in the way.
    pub(super) fn unhinder(&self) -> Option<Next> {
        let mut hindrances = self
            .replicas
            .iter()
            .filter_map(|replica| Some((replica, self.hindrance(replica)?)));
        let (replica, hindrance) = hindrances.next()?;
        Some(self.way(replica, &hindrance))
    }

    /// What no step of the rollover mends, and goes before all of them: a service that cannot write its record, or read its keys.
    pub(super) fn stuck(&self) -> Option<Next> {
        let mut stuck = self.replicas.iter().filter_map(|replica| {
            let stuck = replica.is_stuck().map(Hindrance::Stuck);
            let hindrance =
                stuck.or_else(|| self.cannot_read(replica).map(Hindrance::CannotRead))?;
            Some(self.way(replica, &hindrance))
        });
        stuck.next()
    }

    /// What the services would not read after a repair, where that has a key that is in force read as AWSPREVIOUS.
    pub(super) fn unread_after(&self, repair: &Relabelling) -> Option<Next> {
        let changes = repair.changes.iter();
        let after = changes.fold(self.snapshot.clone(), |snapshot, change| {
            snapshot.after(change)
        });
        let key = after.previous().and_then(|previous| self.good(previous));
        let needed = key.is_some_and(|key| key.version.window.contains(self.now));
        let hindered = self.replicas.iter().find_map(|replica| {
            let fault = self.cannot_read(replica)?;
            let hindrance = Hindrance::CannotRead(fault);
            let previous = fault.contains(StagingLabel::Previous.as_str());
            previous.then(|| self.way(replica, &hindrance))
        });
        hindered.filter(|_| needed)
    }

    /// What is to be done about a record that was not read.
    pub(super) fn name_the_record(&self, place: &str) -> Next {
        let secret = &self.snapshot.secret;
        let first = format!(
            "see to {place}, as its problem says: name the record of {secret} by --record, or the services by --server and no record"
        );
        Next::see(first, Next::status())
    }

    fn way(&self, replica: &Replica, hindrance: &Hindrance<'_>) -> Next {
        let url = &replica.url;
        match hindrance {
            Hindrance::Record(_) => self.name_the_record(url),
            Hindrance::Stranger(_) => {
                let all = self.replicas.iter();
                let others = all.filter(|other| !other.is_stranger() && !other.is_record());
                let others: Vec<String> = others.map(|other| other.url.clone()).collect();
                let then = match others.is_empty() {
                    true => Next::KeysOf(url.clone()),
                    false => Next::StatusOf(others),
                };
                Next::see(
                    format!(
                        "leave {url} out of the servers (--server, CHECKPOINT_SIGNER_SERVERS), since it is none of this secret and its \
                         record, or name the secret that it reads (--secret, --environment)"
                    ),
                    then,
                )
            }
            Hindrance::Silent(_) => Next::see(
                format!(
                    "see to {url}, which does not answer, or leave it out of the servers (--server, CHECKPOINT_SIGNER_SERVERS) if it is gone \
                     for good"
                ),
                Next::Health(url.clone()),
            ),
            Hindrance::Stuck(reason) => Next::see(
                format!("{}; the keys want nothing meanwhile", remedy(url, reason)),
                Next::Health(url.clone()),
            ),
            Hindrance::Refuses(_) => Next::see(
                format!("see to the fault of {url}, which goes by no step of the rollover"),
                Next::KeysOf(url.clone()),
            ),
            Hindrance::CannotRead(_) => Next::see(
                format!(
                    "have {url} read both AWSCURRENT and AWSPREVIOUS, as its fault says, before a label moves; until then start none anew, \
                     since it may have what it signs with in memory alone"
                ),
                Next::KeysOf(url.clone()),
            ),
        }
    }
}

fn remedy(url: &str, reason: &str) -> String {
    let folded = reason.to_lowercase();
    match () {
        () if folded.contains("disk is full") || folded.contains("no space") => {
            format!("make room first where {url} has its record, which cannot be written")
        }
        () if reason.starts_with("CLOCK_") => format!("have the clocks of {url} agree"),
        () => format!("see to {url}, which signs nothing, as the warning says"),
    }
}

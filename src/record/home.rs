//! Where a record lives, and whether signing was let go on there.
//!
//! A record goes back when another server takes the place of the one that it was written on: a standby that lags is promoted, a
//! backup is restored, a copy is made. Nobody who had not looked just before can see that by the rows alone. So the record says
//! where it lives ([`Accepted`]), and who appends compares that with where it is ([`Home`]), in the same transaction: a promotion
//! has another timeline, a copy another system or another database. When they differ, nothing is signed until what is known
//! elsewhere is in the record, and that is written down (an [`Acceptance`]); each replica then compares what it knows itself.

use chrono::{DateTime, Utc};

use checkpoint::log::tree::Frontier;

/// A place where a record can live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// PostgreSQL's system identifier: the same for a server and its standbys.
    pub system: String,
    /// The timeline of its write-ahead log: a promotion, and a recovery to a point in time, begin a new one.
    pub timeline: u32,
    /// The database's number in it: a copy has another one.
    pub database: u32,
}

impl Home {
    /// Whether this is what a promotion makes of `other`: the same database of the same system, on a later timeline.
    pub fn is_promotion_of(&self, other: &Self) -> bool {
        self.is_same_database(other) && self.timeline > other.timeline
    }

    /// Whether it is the same database, on whatever timeline.
    pub fn is_same_database(&self, other: &Self) -> bool {
        (&self.system, self.database) == (&other.system, other.database)
    }
}

impl std::fmt::Display for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            system,
            timeline,
            database,
        } = self;
        write!(
            f,
            "timeline {timeline} of system {system}, database {database}"
        )
    }
}

/// The text is no home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected: timeline NUMBER of system NAME, database NUMBER")]
pub struct HomeError;

impl std::str::FromStr for Home {
    type Err = HomeError;

    fn from_str(text: &str) -> Result<Self, HomeError> {
        let parts = || {
            let (timeline, rest) = text.strip_prefix("timeline ")?.split_once(" of system ")?;
            let (system, database) = rest.split_once(", database ")?;
            Some(Self {
                system: system.into(),
                timeline: timeline.parse().ok()?,
                database: database.parse().ok()?,
            })
        };
        parts().ok_or(HomeError)
    }
}

/// A home on which signing was let go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Which one in the life of the record: 1 for the first.
    pub number: i64,
    /// Where.
    pub home: Home,
    /// Random: two servers that were promoted at the same time are accepted one by one.
    pub token: String,
}

impl Accepted {
    /// Its number and token, for another process to compare.
    pub fn name(&self) -> String {
        format!("{} {}", self.number, self.token)
    }
}

/// Why signing goes on at another home.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// Who says so.
    pub who: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// The record is not where this process, or nobody yet, has let signing go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// What this process has seen of the record: all that it gave out, and will ever give out, where it was.
    pub seen: Frontier,
    /// Where this process has signed or read before: what it has seen is all that it gave out there.
    pub settled: Option<Accepted>,
    /// Where the record says that it lives; none when it never said.
    pub accepted: Option<Accepted>,
    /// Where it is.
    pub here: Home,
    /// When the server that answers was started: tells two servers apart that were promoted at the same time.
    pub server: String,
}

impl Moved {
    /// Where this process was, for another one to compare; empty when it has begun here.
    pub fn was_at(&self) -> String {
        self.settled
            .as_ref()
            .map_or_else(String::new, Accepted::name)
    }

    /// Where it is, for another one to compare.
    pub fn is_at(&self) -> String {
        format!("{}, started {}", self.here, self.server)
    }

    /// Whether the record itself says that signing goes on here: only this process has not compared yet.
    pub fn is_accepted(&self) -> bool {
        self.accepted.as_ref().map(|accepted| &accepted.home) == Some(&self.here)
    }

    /// Whether it is what a promotion makes of where this process was, so that replicas who all were there can tell together
    /// that nothing is missing.
    pub fn is_promotion(&self) -> bool {
        let came_from = |settled: &Accepted| self.here.is_promotion_of(&settled.home);
        self.accepted.is_some()
            && self.accepted == self.settled
            && self.settled.as_ref().is_some_and(came_from)
    }
}

impl std::error::Error for Moved {}

impl std::fmt::Display for Moved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let here = &self.here;
        if self.is_accepted() {
            return write!(
                f,
                "the database was promoted, restored or copied ({here}); signing goes on there as soon as this replica has \
                 compared what it knows with the record: its --peer, --head-file and --known-head"
            );
        }
        match &self.accepted {
            Some(accepted) => write!(
                f,
                "the database was promoted, restored or copied: the record lives at {}, and this is {here}",
                accepted.home
            )?,
            None => write!(f, "the record does not say where it lives; this is {here}")?,
        }
        write!(
            f,
            "; rows may be missing, and nothing is signed until what is known elsewhere is in the record. After a promotion, \
             replicas that name one another by --peer find that out by themselves, once all of them answer; otherwise compare it, \
             and say so: checkpoint-signer record accept-promotion --record PLACE --reason TEXT (docs/disaster-recovery.md, \"A standby was \
             promoted\")"
        )
    }
}

/// A server answers whose place another one has taken, as this process or a peer of it has seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the database is a former primary ({here}): this replica or a peer of it has seen {newer}; nothing is signed until that one \
     answers again, or, if it was promoted by mistake, until all replicas were ended and started again"
)]
pub struct FormerHome {
    /// How many rows this process has seen.
    pub seen: u64,
    /// Which one answers.
    pub here: Home,
    /// Which one has taken its place.
    pub newer: Home,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(system: &str, timeline: u32, database: u32) -> Home {
        let system = system.into();
        Home {
            system,
            timeline,
            database,
        }
    }

    #[test]
    fn a_home_is_read_back_and_nothing_else_is() {
        let written = home("74", 2, 5);
        assert_eq!(written.to_string().parse(), Ok(written));
        for wrong in ["", "timeline 2", "timeline x of system 7, database 5"] {
            assert_eq!(wrong.parse::<Home>(), Err(HomeError), "{wrong}");
        }
    }

    #[test]
    fn only_a_later_timeline_of_the_same_database_is_a_promotion() {
        let before = home("1", 2, 5);
        assert!(home("1", 3, 5).is_promotion_of(&before));
        for other in [
            home("1", 2, 5),
            home("1", 1, 5),
            home("2", 3, 5),
            home("1", 3, 6),
        ] {
            assert!(!other.is_promotion_of(&before), "{other}");
        }
    }
}

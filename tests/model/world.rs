//! A state: three database servers, replicas, and what the world outside was handed.

use std::hash::{Hash, Hasher};

/// A log has no more entries within the bounds.
const MOST: usize = 8;

const MOST_REPLICAS: usize = 3;

/// What a transaction adds to the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entry {
    #[default]
    Nothing,
    /// Signing is let go on on this timeline of this server.
    Home {
        timeline: u8,
        server: u8,
    },
    Row(Row),
    /// The key is revoked.
    Revoked,
    /// An operator let signing go on from this time, whatever is dated later.
    Resumed(i8),
}

/// A checkpoint that was signed. Two of a place that differ in anything are two histories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Row {
    pub place: u8,
    pub content: u8,
    pub dated: i8,
    pub signer: u8,
    /// Signed after the revocation of the key was acknowledged.
    pub after_revocation: bool,
}

/// A few things in order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log {
    length: u8,
    entries: [Entry; MOST],
}

impl PartialEq for Log {
    fn eq(&self, other: &Self) -> bool {
        self.length == other.length && self.entries() == other.entries()
    }
}

impl Eq for Log {}

impl Hash for Log {
    /// What is behind the end is nothing.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.entries().hash(hasher);
    }
}

impl Log {
    pub fn entries(&self) -> &[Entry] {
        &self.entries[..usize::from(self.length)]
    }

    pub fn is_full(&self) -> bool {
        usize::from(self.length) == MOST
    }

    pub fn push(&mut self, entry: Entry) {
        self.entries[usize::from(self.length)] = entry;
        self.length += 1;
    }

    pub fn len(&self) -> usize {
        usize::from(self.length)
    }

    pub fn first(&self, count: usize) -> Self {
        let mut first = Self::default();
        self.entries()[..count]
            .iter()
            .for_each(|entry| first.push(*entry));
        first
    }

    pub fn begins_with(&self, other: &Self) -> bool {
        self.entries().starts_with(other.entries())
    }

    /// How many entries are the same from the beginning on.
    pub fn common(&self, other: &Self) -> usize {
        let pairs = self.entries().iter().zip(other.entries());
        pairs.take_while(|(mine, theirs)| mine == theirs).count()
    }

    pub fn rows(&self) -> impl Iterator<Item = Row> {
        self.entries().iter().filter_map(|entry| match entry {
            Entry::Row(row) => Some(*row),
            _ => None,
        })
    }

    pub fn has(&self, entry: Entry) -> bool {
        self.entries().contains(&entry)
    }

    /// Where the record says that it lives.
    pub fn home(&self) -> Option<(u8, u8)> {
        let mut newest = self.entries().iter().rev();
        newest.find_map(|entry| match entry {
            Entry::Home { timeline, server } => Some((*timeline, *server)),
            _ => None,
        })
    }

    /// The time of the newest signature, or from which signing was resumed since.
    pub fn newest_time(&self) -> i8 {
        self.entries()
            .iter()
            .fold(i8::MIN, |newest, entry| match entry {
                Entry::Row(row) => newest.max(row.dated),
                Entry::Resumed(from) => *from,
                _ => newest,
            })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Primary,
    /// Streams from this server.
    Standby(u8),
    Down,
}

/// A transaction that is committed on the primary, and waits for the synchronous standby before that is told and seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Waiting {
    /// Who is told; nobody, when that one was restarted.
    pub replica: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    pub role: Role,
    pub timeline: u8,
    pub log: Log,
    /// How many entries it had when it became the primary.
    pub began_with: u8,
    pub waiting: Option<Waiting>,
    /// How far its clock is ahead.
    pub clock: i8,
}

impl Server {
    /// What other transactions see: the last entry is not seen while its commit waits.
    pub fn visible(&self) -> Log {
        let hidden = usize::from(self.waiting.is_some());
        self.log.first(self.log.len() - hidden)
    }
}

/// A replica of the signer, and what its process remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Replica {
    /// It has begun to serve.
    pub serves: bool,
    /// What it has seen of the record.
    pub mark: Log,
    /// Where it signs: the home that the record told when it began or followed.
    pub settled: Option<(u8, u8)>,
    /// The newest timeline that it has met.
    pub newest: u8,
    /// Where it found the record moved to.
    pub finds: Option<u8>,
    /// How far its clock is ahead.
    pub clock: i8,
}

/// How often each thing has happened that is bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Happened {
    pub crashes: u8,
    pub returns: u8,
    pub promotions: u8,
    pub lossy_promotions: u8,
    pub cancels: u8,
    pub restarts: u8,
    pub wrong_clocks: u8,
    pub wrong_stores: u8,
    /// An operator has said that the others have ended for good.
    pub words: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub now: i8,
    pub servers: [Server; 3],
    pub replicas: [Replica; MOST_REPLICAS],
    /// How many there are.
    pub count: usize,
    /// Rows that somebody outside was handed, in a fixed order.
    pub handed: Log,
    /// The revocation was acknowledged.
    pub revoked: bool,
    /// A row was handed out from a record that had lost another one, which had been handed out before.
    pub signed_on_less: bool,
    pub happened: Happened,
}

impl World {
    /// An empty record on the first server, which waits for the second; the third one is asynchronous.
    pub fn new(replicas: usize) -> Self {
        let mut log = Log::default();
        log.push(Entry::Home {
            timeline: 1,
            server: 0,
        });
        let server = |role| Server {
            role,
            timeline: 1,
            log,
            began_with: 1,
            waiting: None,
            clock: 0,
        };
        let replica = Replica {
            serves: true,
            mark: log,
            settled: Some((1, 0)),
            newest: 1,
            ..Replica::default()
        };
        Self {
            now: 0,
            servers: [Role::Primary, Role::Standby(0), Role::Standby(0)].map(server),
            replicas: [replica; MOST_REPLICAS],
            count: replicas,
            handed: Log::default(),
            revoked: false,
            signed_on_less: false,
            happened: Happened::default(),
        }
    }

    /// The standby that a primary waits for.
    pub fn synchronous(primary: usize) -> usize {
        match primary {
            1 => 2,
            _ => 1,
        }
    }

    /// Whether the standby that this primary waits for has all that it has.
    pub fn is_confirmed(&self, primary: usize) -> bool {
        let standby = &self.servers[Self::synchronous(primary)];
        standby.role == Role::Standby(number(primary)) && standby.log == self.servers[primary].log
    }

    /// Somebody outside gets a row that was signed right now.
    pub fn hand_out_new(&mut self, row: Row, from: &Log) {
        self.signed_on_less |= !self.handed.entries().iter().all(|row| from.has(*row));
        self.hand_out(row);
    }

    /// Somebody outside gets a row.
    pub fn hand_out(&mut self, row: Row) {
        if !self.handed.has(Entry::Row(row)) && !self.handed.is_full() {
            self.handed.push(Entry::Row(row));
            let length = usize::from(self.handed.length);
            self.handed.entries[..length].sort_unstable();
        }
    }

    /// The primary that was promoted last.
    pub fn newest_primary(&self) -> &Server {
        let were_primary = self.servers.iter();
        let were_primary = were_primary.filter(|server| !matches!(server.role, Role::Standby(_)));
        let newest = were_primary.max_by_key(|server| server.timeline);
        newest.unwrap_or(&self.servers[0])
    }
}

pub fn number(index: usize) -> u8 {
    u8::try_from(index).unwrap_or(u8::MAX)
}

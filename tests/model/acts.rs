//! What a replica does on a server that takes writes, as `src/record/postgres/` does it, and what an operator does.

use crate::fixes::{Bounds, Fix, Fixes};
use crate::steps::is_primary;
use crate::world::{Entry, Log, Replica, Row, Waiting, World, number};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Begins to serve, after a start.
    Begins,
    /// Looks at the record, as each does every few seconds.
    Looks,
    /// Signs this content for this place, and appends it.
    Signs { place: u8, content: u8 },
    /// Is asked once more for what is on record.
    AnswersRetry { place: u8, content: u8 },
    /// Follows the record to where it was moved.
    Follows,
    /// Revokes the key.
    Revokes,
}

impl Act {
    pub fn all(bounds: &Bounds) -> impl Iterator<Item = Self> {
        let places = (1..=bounds.places).flat_map(|place| [(place, 0), (place, 1)]);
        let asked = places.flat_map(|(place, content)| {
            [
                Self::Signs { place, content },
                Self::AnswersRetry { place, content },
            ]
        });
        let revokes = bounds.revocation.then_some(Self::Revokes);
        [Self::Begins, Self::Looks, Self::Follows]
            .into_iter()
            .chain(asked)
            .chain(revokes)
    }
}

/// Does it, if it can be done.
pub fn happens(world: &mut World, fixes: Fixes, replica: usize, server: usize, act: Act) -> bool {
    if !is_primary(world, server) || world.replicas[replica].serves == (act == Act::Begins) {
        return false;
    }
    match act {
        Act::Begins => begins(world, fixes, replica, server),
        Act::Looks => {
            let good = looks(world, fixes, replica, server);
            if good && (world.is_confirmed(server) || !fixes.has(Fix::Barrier)) {
                world.replicas[replica].mark = world.servers[server].visible();
            }
            true
        }
        Act::Signs { place, content } => signs(world, fixes, replica, server, (place, content)),
        Act::AnswersRetry { place, content } => {
            answers(world, fixes, replica, server, (place, content))
        }
        Act::Follows => follows(world, fixes, replica, server),
        Act::Revokes => {
            let record = world.servers[server].visible();
            looks(world, fixes, replica, server)
                && !record.has(Entry::Revoked)
                && append(world, server, Some(replica), Entry::Revoked)
        }
    }
}

/// Whether this is the record that the replica has seen, where it signs. It remembers what it has met.
fn looks(world: &mut World, fixes: Fixes, replica: usize, server: usize) -> bool {
    let (found, timeline) = (
        world.servers[server].visible(),
        world.servers[server].timeline,
    );
    let remembers = &mut world.replicas[replica];
    if fixes.has(Fix::Mark) && !found.begins_with(&remembers.mark) {
        return false;
    }
    if !fixes.has(Fix::Home) {
        return true;
    }
    if timeline < remembers.newest && fixes.has(Fix::Former) {
        return false;
    }
    remembers.newest = timeline;
    let here = Some((timeline, number(server)));
    let at_home = is_home(&found, timeline) && remembers.settled == found.home();
    remembers.finds = if at_home {
        None
    } else {
        here.map(|here| here.1)
    };
    at_home
}

/// Whether the record says that it lives on this timeline.
fn is_home(found: &Log, timeline: u8) -> bool {
    found.home().is_some_and(|home| home.0 == timeline)
}

fn others(world: &World, replica: usize) -> impl Iterator<Item = &Replica> {
    let others = world.replicas[..world.count].iter().enumerate();
    others
        .filter(move |(other, _)| *other != replica)
        .map(|(_, other)| other)
}

/// Whoever starts compares the record with what peers have seen, as far as they answer. On a former primary of theirs it serves, and
/// signs nothing.
fn begins(world: &mut World, fixes: Fixes, replica: usize, server: usize) -> bool {
    let (found, timeline) = (
        world.servers[server].visible(),
        world.servers[server].timeline,
    );
    let peers = || others(world, replica).filter(|peer| peer.serves);
    let contained = |peer: &Replica| !fixes.has(Fix::Mark) || found.begins_with(&peer.mark);
    let peers_agree = peers().all(contained);
    let met = peers().map(|peer| peer.newest).max().unwrap_or(0);
    let is_former = met > timeline && fixes.has(Fix::HomeAtStart);
    let remembers = &mut world.replicas[replica];
    remembers.serves = true;
    remembers.newest = if is_former { met } else { timeline };
    // What it gave out before, nobody knows there: it does not vouch.
    if is_home(&found, timeline) && !is_former {
        remembers.settled = found.home();
        remembers.mark = found;
    }
    peers_agree
}

fn signs(
    world: &mut World,
    fixes: Fixes,
    replica: usize,
    server: usize,
    (place, content): (u8, u8),
) -> bool {
    let found = world.servers[server].visible();
    let dated = world.now + world.replicas[replica].clock;
    let store_shows = world.now + world.servers[server].clock;
    let key_is_revoked = match fixes.has(Fix::Revocation) {
        true => found.has(Entry::Revoked),
        // What it has seen when it looked last.
        false => world.replicas[replica].mark.has(Entry::Revoked),
    };
    let row = Row {
        place,
        content,
        dated,
        signer: number(replica),
        after_revocation: world.revoked,
    };
    let next = found.rows().map(|row| row.place).max().unwrap_or(0) + 1;
    // The first content that anybody signs for a place is called 0.
    let named = content == 0 || is_known(world, place);
    looks(world, fixes, replica, server)
        && place == next
        && named
        && !key_is_revoked
        && !(fixes.has(Fix::StoreClock) && dated > store_shows)
        && !(fixes.has(Fix::NewestDate) && dated < found.newest_time())
        && append(world, server, Some(replica), Entry::Row(row))
}

fn is_known(world: &World, place: u8) -> bool {
    let logs = world.servers.iter().flat_map(|server| server.log.entries());
    let mut rows = logs.filter_map(|entry| match entry {
        Entry::Row(row) => Some(row),
        _ => None,
    });
    let is_it = |row: &Row| (row.place, row.content) == (place, 0);
    rows.any(is_it) || world.handed.rows().any(|row| is_it(&row))
}

/// Begins a transaction that waits for the standby. One that writes holds the lock of the head.
fn append(world: &mut World, server: usize, replica: Option<usize>, entry: Entry) -> bool {
    let server = &mut world.servers[server];
    if server.waiting.is_some() || server.log.is_full() {
        return false;
    }
    server.log.push(entry);
    server.waiting = Some(Waiting {
        replica: replica.map(number),
    });
    true
}

/// The commit that waited is seen from now on; `told` is whether its replica takes it for done.
pub fn end_wait(world: &mut World, fixes: Fixes, server: usize, told: bool) -> bool {
    let Some(waiting) = world.servers[server].waiting.take() else {
        return false;
    };
    let (log, timeline) = (world.servers[server].log, world.servers[server].timeline);
    let told = told && !(fixes.has(Fix::Late) && is_late(world, waiting, timeline));
    let Some(last) = log.entries().last().copied().filter(|_| told) else {
        return true;
    };
    match (last, waiting.replica) {
        (Entry::Row(row), Some(_)) => world.hand_out_new(row, &log),
        (Entry::Revoked, Some(_)) => world.revoked = true,
        _ => {}
    }
    if let Some(replica) = waiting.replica.map(usize::from) {
        let remembers = &mut world.replicas[replica];
        remembers.mark = log;
        if let Entry::Home { .. } = last {
            remembers.settled = log.home();
            remembers.finds = None;
        }
    }
    true
}

/// Whether the replica that waited has met a later timeline meanwhile, and so may have told others what it had seen by then.
fn is_late(world: &World, waiting: Waiting, timeline: u8) -> bool {
    let replica = waiting
        .replica
        .map(|replica| world.replicas[usize::from(replica)]);
    replica.is_some_and(|replica| replica.newest > timeline)
}

fn answers(
    world: &mut World,
    fixes: Fixes,
    replica: usize,
    server: usize,
    asked: (u8, u8),
) -> bool {
    let found = world.servers[server].visible();
    let Some(row) = found.rows().find(|row| (row.place, row.content) == asked) else {
        return false;
    };
    if !looks(world, fixes, replica, server) {
        return false;
    }
    if fixes.has(Fix::Barrier) && !world.is_confirmed(server) {
        return false;
    }
    world.replicas[replica].mark = found;
    world.hand_out(row);
    true
}

/// Signs where the record is from now on, once nothing is missing there.
fn follows(world: &mut World, fixes: Fixes, replica: usize, server: usize) -> bool {
    let (found, timeline) = (
        world.servers[server].visible(),
        world.servers[server].timeline,
    );
    let remembers = world.replicas[replica];
    let nothing_missing = |seen: &Log| !fixes.has(Fix::Mark) || found.begins_with(seen);
    if remembers.finds != Some(number(server)) || !nothing_missing(&remembers.mark) {
        return false;
    }
    let peers: Vec<_> = others(world, replica).copied().collect();
    let compares = fixes.has(Fix::Peers);
    if compares
        && !peers
            .iter()
            .filter(|peer| peer.serves)
            .all(|peer| nothing_missing(&peer.mark))
    {
        return false;
    }
    if is_home(&found, timeline) {
        // Somebody has answered for those that are down. What it rests on is durable.
        if !world.is_confirmed(server) {
            return false;
        }
        let remembers = &mut world.replicas[replica];
        (remembers.settled, remembers.finds, remembers.mark) = (found.home(), None, found);
        return true;
    }
    let was_here = remembers.settled.is_some() && remembers.settled == found.home();
    let promoted = remembers
        .settled
        .is_some_and(|settled| settled.0 < timeline);
    let vouch = |peer: &Replica| {
        peer.serves && peer.settled == remembers.settled && peer.finds == remembers.finds
    };
    let known = was_here && promoted && !peers.is_empty() && peers.iter().all(vouch);
    let home = Entry::Home {
        timeline,
        server: number(server),
    };
    (known || !compares) && append(world, server, Some(replica), home)
}

/// An operator says so who has compared what was handed out, and made sure that nobody signs on another server.
pub fn word(world: &mut World, server: usize) -> bool {
    let (found, timeline) = (
        world.servers[server].visible(),
        world.servers[server].timeline,
    );
    world.happened.words += 1;
    let alone = (0..world.servers.len()).all(|other| other == server || !is_primary(world, other));
    let complete = world.handed.entries().iter().all(|row| found.has(*row))
        && (!world.revoked || found.has(Entry::Revoked));
    let home = Entry::Home {
        timeline,
        server: number(server),
    };
    let is_moved = !is_home(&found, timeline);
    is_primary(world, server) && alone && complete && is_moved && append(world, server, None, home)
}

/// What is dated later than now is of a clock that was ahead: it stays, and signing goes on from now.
pub fn resumed(world: &mut World, fixes: Fixes, server: usize) -> bool {
    let now = world.now;
    fixes.has(Fix::Resumption)
        && is_primary(world, server)
        && world.servers[server].visible().newest_time() > now
        && append(world, server, None, Entry::Resumed(now))
}

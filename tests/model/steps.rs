//! Everything that can happen next.

use crate::acts::{self, Act};
use crate::fixes::{Bounds, Fix, Fixes};
use crate::world::{Replica, Role, World, number};

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A replica does something on a server.
    Replica(usize, usize, Act),
    /// The synchronous standby has it all: the commit that waits is told.
    Acknowledged(usize),
    /// The wait is cancelled or its connection is ended: the commit holds on this server alone.
    Cancelled(usize),
    /// A standby gets the next entry.
    Streamed(usize),
    /// A primary ends; what waited is there when it is back.
    Crashed(usize),
    /// It is back, and takes itself for the primary.
    Returned(usize),
    /// A standby is made the primary.
    Promoted(usize),
    /// A standby follows another primary, and gives up what that one has not.
    Follows(usize, usize),
    /// A replica is started again, and remembers nothing.
    Restarted(usize),
    /// A replica's clock is this far ahead.
    ClockIs(usize, i8),
    /// A server's clock is this far ahead.
    StoreClockIs(usize, i8),
    /// An operator, who has compared, lets signing go on there.
    Word(usize),
    /// An operator lets signing go on after a clock was ahead.
    Resumed(usize),
    TimePasses,
}

/// Every step that can be taken, with the state after it.
pub fn all(world: &World, fixes: Fixes, bounds: &Bounds) -> Vec<(Step, World)> {
    let mut found = Vec::new();
    let mut may = |step, happens: &dyn Fn(&mut World) -> bool| {
        let mut after = *world;
        if happens(&mut after) && after != *world {
            found.push((step, after));
        }
    };
    let primaries = (0..world.servers.len()).filter(|server| is_primary(world, *server));
    for server in primaries {
        for replica in 0..world.count {
            let serves = world.replicas[replica].serves;
            for act in Act::all(bounds).filter(|act| serves != (*act == Act::Begins)) {
                may(Step::Replica(replica, server, act), &|after| {
                    acts::happens(after, fixes, replica, server, act)
                });
            }
        }
        if world.servers[server].waiting.is_some() {
            may(Step::Acknowledged(server), &|after| {
                world.is_confirmed(server) && acts::end_wait(after, fixes, server, true)
            });
            may(Step::Cancelled(server), &|after| {
                after.happened.cancels += 1;
                let believed = !fixes.has(Fix::Warning);
                after.happened.cancels <= bounds.cancels
                    && acts::end_wait(after, fixes, server, believed)
            });
        }
        may(Step::Crashed(server), &|after| {
            after.happened.crashes += 1;
            after.servers[server].role = Role::Down;
            after.servers[server].waiting = None;
            after.happened.crashes <= bounds.crashes
        });
        for ahead in [-2, 2] {
            may(Step::StoreClockIs(server, ahead), &|after| {
                after.happened.wrong_stores += 1;
                after.servers[server].clock = ahead;
                after.happened.wrong_stores <= bounds.wrong_stores
            });
        }
        may(Step::Word(server), &|after| acts::word(after, server));
        may(Step::Resumed(server), &|after| {
            acts::resumed(after, fixes, server)
        });
    }
    for server in 0..world.servers.len() {
        match world.servers[server].role {
            Role::Primary => {}
            Role::Down => may(Step::Returned(server), &|after| {
                after.happened.returns += 1;
                after.servers[server].role = Role::Primary;
                after.happened.returns <= bounds.returns && world.happened.words == 0
            }),
            Role::Standby(_) => {
                may(Step::Streamed(server), &|after| streamed(after, server));
                may(Step::Promoted(server), &|after| {
                    promoted(after, server, bounds)
                });
                for primary in 0..world.servers.len() {
                    may(Step::Follows(server, primary), &|after| {
                        follows(after, server, primary)
                    });
                }
            }
        }
    }
    for replica in 0..world.count {
        may(Step::Restarted(replica), &|after| {
            after.happened.restarts += 1;
            restarted(after, replica);
            world.replicas[replica].serves && after.happened.restarts <= bounds.restarts
        });
        for ahead in [-2, 2] {
            may(Step::ClockIs(replica, ahead), &|after| {
                after.happened.wrong_clocks += 1;
                after.replicas[replica].clock = ahead;
                after.happened.wrong_clocks <= bounds.wrong_clocks
            });
        }
    }
    may(Step::TimePasses, &|after| {
        after.now += 1;
        after.now <= bounds.until
    });
    found
}

pub fn is_primary(world: &World, server: usize) -> bool {
    world.servers[server].role == Role::Primary
}

fn streamed(world: &mut World, server: usize) -> bool {
    let Role::Standby(primary) = world.servers[server].role else {
        return false;
    };
    let primary = world.servers[usize::from(primary)];
    let standby = &mut world.servers[server].log;
    let next = primary.log.entries().get(standby.len());
    let streams = primary.role == Role::Primary && primary.log.begins_with(standby);
    match next {
        Some(next) if streams => standby.push(*next),
        _ => return false,
    }
    true
}

fn promoted(world: &mut World, server: usize, bounds: &Bounds) -> bool {
    let Role::Standby(primary) = world.servers[server].role else {
        return false;
    };
    let primary = usize::from(primary);
    let standby = world.servers[server];
    // One that has not yet got what the primary began with was never waited for.
    let lossy = World::synchronous(primary) != server
        || standby.log.len() < usize::from(world.servers[primary].began_with);
    world.happened.promotions += 1;
    world.happened.lossy_promotions += u8::from(lossy);
    world.servers[server].role = Role::Primary;
    // Of its own: whoever is promoted at the same time takes the same one.
    world.servers[server].timeline += 1;
    world.servers[server].began_with = number(standby.log.len());
    world.happened.promotions <= bounds.promotions
        && world.happened.lossy_promotions <= bounds.lossy_promotions
}

fn follows(world: &mut World, server: usize, primary: usize) -> bool {
    let (standby, upstream) = (world.servers[server], world.servers[primary]);
    let can = matches!(standby.role, Role::Standby(_))
        && upstream.role == Role::Primary
        && upstream.timeline > standby.timeline;
    let standby = &mut world.servers[server];
    standby.role = Role::Standby(number(primary));
    standby.timeline = upstream.timeline;
    standby.log = standby.log.first(standby.log.common(&upstream.log));
    can
}

fn restarted(world: &mut World, replica: usize) {
    let clock = world.replicas[replica].clock;
    world.replicas[replica] = Replica {
        clock,
        ..Replica::default()
    };
    for server in &mut world.servers {
        if let Some(waiting) = &mut server.waiting
            && waiting.replica == Some(number(replica))
        {
            waiting.replica = None;
        }
    }
}

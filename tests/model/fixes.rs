//! What keeps the promises, each of which can be taken out, and how far it is looked.

/// One element of the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fix {
    /// A replica remembers the newest record that it has seen, and signs on none that lacks it.
    Mark,
    /// The append compares where the record is with where it says that it lives.
    Home,
    /// After a promotion, what all peers have seen is compared before signing goes on.
    Peers,
    /// A commit that is told after its replica has met a later timeline is not given out.
    Late,
    /// A replica that has met a later timeline refuses the former primary.
    Former,
    /// Whoever starts asks its peers which timelines they have met, and signs on no earlier one.
    HomeAtStart,
    /// What is read is given out when it is as durable as the database was told to make it.
    Barrier,
    /// A commit with a warning is none.
    Warning,
    /// The append asks the record whether the key is revoked.
    Revocation,
    /// The append asks the store's clock: nothing is dated later.
    StoreClock,
    /// Whoever appends asks for the newest signature's date: nothing is dated earlier.
    NewestDate,
    /// An operator can let signing go on after a clock was ahead.
    Resumption,
}

/// All elements but those that are taken out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixes {
    out: &'static [Fix],
}

impl Fixes {
    pub const ALL: Self = Self { out: &[] };

    pub const fn without(out: &'static [Fix]) -> Self {
        Self { out }
    }

    pub fn has(self, fix: Fix) -> bool {
        !self.out.contains(&fix)
    }
}

/// How much of each thing happens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    pub replicas: usize,
    /// Places of the one ledger, which are signed in this order.
    pub places: u8,
    /// A primary ends.
    pub crashes: u8,
    /// One that ended is back, as a primary.
    pub returns: u8,
    /// A standby becomes a primary.
    pub promotions: u8,
    /// Of these, one that the primary did not wait for.
    pub lossy_promotions: u8,
    /// A commit that waits is cancelled, or its connection is ended.
    pub cancels: u8,
    /// A replica is started again.
    pub restarts: u8,
    /// A replica's clock goes ahead or behind.
    pub wrong_clocks: u8,
    /// A server's clock goes ahead or behind.
    pub wrong_stores: u8,
    /// The key is revoked.
    pub revocation: bool,
    /// Time passes until then.
    pub until: i8,
}

//! The connections that read what anybody may ask for. Their threads give way to those that sign, and who asks for one row waits for
//! no page.

use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use super::OpenError;
use super::lane::Lane;
use crate::aside::{NICER, give_way};

/// See the module.
pub(super) struct Readers {
    pages: (Lane, Lane),
    turn: AtomicBool,
    rows: Lane,
}

impl Readers {
    pub(super) fn start(
        open: impl Fn() -> Result<Connection, OpenError>,
        failed: impl Fn(std::io::Error) -> OpenError,
    ) -> Result<Self, OpenError> {
        let lane = |name, nicer| {
            Lane::start(name, open()?, move || give_way(nicer), |_| {}).map_err(&failed)
        };
        let pages = || lane("record-read", 2 * NICER);
        Ok(Self {
            pages: (pages()?, pages()?),
            turn: AtomicBool::default(),
            rows: lane("record-row", NICER)?,
        })
    }

    /// For what may take long: one of two, in turn.
    pub(super) fn pages(&self) -> &Lane {
        match self.turn.fetch_not(Ordering::Relaxed) {
            true => &self.pages.0,
            false => &self.pages.1,
        }
    }

    /// For one row.
    pub(super) fn rows(&self) -> &Lane {
        &self.rows
    }

    pub(super) fn close(&self) {
        for lane in [&self.pages.0, &self.pages.1, &self.rows] {
            lane.close();
        }
    }
}

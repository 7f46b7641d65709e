//! The connections that read what anybody may ask for. Their threads give way to those that sign, and who asks for one row waits for
//! no page.

use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use super::OpenError;
use super::connection_thread::ConnectionThread;
use crate::aside::{NICER, give_way};

/// See the module.
pub(super) struct Readers {
    pages: (ConnectionThread, ConnectionThread),
    turn: AtomicBool,
    rows: ConnectionThread,
}

impl Readers {
    pub(super) fn start(
        open: impl Fn() -> Result<Connection, OpenError>,
        failed: impl Fn(std::io::Error) -> OpenError,
    ) -> Result<Self, OpenError> {
        let connection_thread = |name, nicer| {
            ConnectionThread::start(name, open()?, move || give_way(nicer), |_| {}).map_err(&failed)
        };
        let pages = || connection_thread("record-read", 2 * NICER);
        Ok(Self {
            pages: (pages()?, pages()?),
            turn: AtomicBool::default(),
            rows: connection_thread("record-row", NICER)?,
        })
    }

    /// For what may take long: one of two, in turn.
    pub(super) fn pages(&self) -> &ConnectionThread {
        match self.turn.fetch_not(Ordering::Relaxed) {
            true => &self.pages.0,
            false => &self.pages.1,
        }
    }

    /// For one row.
    pub(super) fn rows(&self) -> &ConnectionThread {
        &self.rows
    }

    pub(super) fn close(&self) {
        for connection_thread in [&self.pages.0, &self.pages.1, &self.rows] {
            connection_thread.close();
        }
    }
}

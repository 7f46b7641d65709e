//! Where a record is, read and held up beside the service.

use std::path::Path;

use crate::judgement::{Row, postgres_rows, sqlite_rows};
use crate::postgres::Database;

/// A record that is still to be made.
pub enum Store {
    Sqlite,
    Postgres(Database<'static>),
}

/// Nobody writes to the record until this is dropped, which calls its transaction off.
pub enum Held {
    Sqlite(rusqlite::Connection),
    Postgres(tokio_postgres::Client),
}

impl Store {
    /// As the command line names it, for a process in its folder.
    pub fn place(&self) -> String {
        match self {
            Self::Sqlite => "sqlite:record.sqlite".into(),
            Self::Postgres(database) => database.url(),
        }
    }

    pub async fn rows(&self, folder: &Path) -> Vec<Row> {
        match self {
            Self::Sqlite => sqlite_rows(&folder.join("record.sqlite")),
            Self::Postgres(database) => postgres_rows(&database.client().await).await,
        }
    }

    pub async fn hold(&self, folder: &Path) -> Held {
        match self {
            Self::Sqlite => {
                let path = folder.join("record.sqlite");
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                Held::Sqlite(connection)
            }
            Self::Postgres(database) => {
                let client = database.client().await;
                // Whoever appends locks this row first.
                let lock = "BEGIN; SELECT size FROM record_head FOR UPDATE";
                client.batch_execute(lock).await.unwrap();
                Held::Postgres(client)
            }
        }
    }
}

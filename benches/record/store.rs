//! An empty record, in a folder or a server of its own.

use std::sync::Arc;

use checkpoint_signer::record::Record;
use checkpoint_signer::record::postgres::PostgresRecord;
use checkpoint_signer::record::sqlite::SqliteRecord;
use clap::ValueEnum;
use tempfile::TempDir;
use testing::postgres::Database;
use testing::process::family_cpu_seconds;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StoreKind {
    /// A file in a temporary folder.
    Sqlite,
    /// A server that is started for this run, with its data in a temporary folder.
    Postgres,
}

pub enum Store {
    Sqlite(TempDir),
    Postgres(Database<'static>),
}

impl Store {
    pub async fn make(kind: StoreKind) -> Self {
        match kind {
            StoreKind::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                SqliteRecord::init(&folder.path().join("record.sqlite")).unwrap();
                Self::Sqlite(folder)
            }
            StoreKind::Postgres => {
                let database = Database::new().await;
                PostgresRecord::init(&database.address()).await.unwrap();
                Self::Postgres(database)
            }
        }
    }

    pub async fn open(&self) -> Arc<dyn Record> {
        match self {
            Self::Sqlite(folder) => {
                let path = folder.path().join("record.sqlite");
                Arc::new(SqliteRecord::open(&path).unwrap())
            }
            Self::Postgres(database) => {
                Arc::new(PostgresRecord::open(&database.address()).await.unwrap())
            }
        }
    }

    /// CPU time of the database's processes; 0 without a database, whose work is this process's own.
    pub fn database_cpu_seconds(&self) -> f64 {
        let Self::Postgres(database) = self else {
            return 0.0;
        };
        let file = database.server.folder.join("data/postmaster.pid");
        let text = std::fs::read_to_string(file).unwrap();
        family_cpu_seconds(text.lines().next().unwrap().trim().parse().unwrap())
    }
}

//! One PostgreSQL server for the tests of this process; each test has a database of its own.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use checkpoint_signer::record::postgres::DatabaseAddress;
use tokio_postgres::NoTls;

use crate::talk::Talk;

static SHARED: LazyLock<Server> = LazyLock::new(Server::start);

pub struct Server {
    pub port: u16,
    pub folder: PathBuf,
    talk: Talk,
}

impl Server {
    /// A server of one's own, for who stops it.
    pub fn start() -> Self {
        let (talk, started) = Talk::start("postgres.py");
        Self {
            port: started["port"].as_u64().unwrap().try_into().unwrap(),
            folder: started["folder"].as_str().unwrap().into(),
            talk,
        }
    }

    /// `start`, `stop`, or `kill`; returns when it is done.
    pub fn control(&self, command: &str) {
        assert_eq!(self.talk.say(command), "done", "{command}");
    }

    pub fn url(&self, database: &str) -> String {
        self.url_of("postgres", database)
    }

    /// The same as another user, who has the same password.
    pub fn url_of(&self, user: &str, database: &str) -> String {
        let port = self.port;
        format!("postgresql://{user}:secret%20word@127.0.0.1:{port}/{database}")
    }

    /// An administrator as RDS gives one: no superuser, who may make roles and databases.
    pub async fn administrator(&self, name: &str) {
        let client = self.client("postgres").await;
        let make = format!(
            "CREATE ROLE {name} LOGIN NOSUPERUSER CREATEROLE CREATEDB PASSWORD 'secret word'"
        );
        client.batch_execute(&make).await.unwrap();
    }

    /// A client of the test's own.
    pub async fn client(&self, database: &str) -> tokio_postgres::Client {
        let connected = tokio_postgres::connect(&self.url(database), NoTls).await;
        let (client, connection) = connected.unwrap();
        tokio::spawn(connection);
        client
    }

    /// A new, empty database.
    pub async fn database(&self) -> Database<'_> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let client = self.client("postgres").await;
        let create = format!("CREATE DATABASE {name}");
        client.batch_execute(&create).await.unwrap();
        Database { server: self, name }
    }
}

pub struct Database<'a> {
    pub server: &'a Server,
    pub name: String,
}

impl Database<'static> {
    pub async fn new() -> Self {
        SHARED.database().await
    }
}

impl Database<'_> {
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    pub fn address(&self) -> DatabaseAddress {
        self.url().parse().unwrap()
    }

    /// A client of the test's own, with the record's tables in its path.
    pub async fn client(&self) -> tokio_postgres::Client {
        let client = self.server.client(&self.name).await;
        let path = "SET search_path = checkpoint_signer";
        client.batch_execute(path).await.unwrap();
        client
    }
}

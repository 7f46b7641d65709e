//! A primary with its standbys, and replicas that are led to one of them.

use std::path::{Path, PathBuf};

use checkpoint_signer::record::postgres::PostgresRecord;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::cluster::Replica;
use crate::support::{key_with, write_keys};
use crate::talk::Talk;

/// The servers. "a" is the first primary.
pub struct Servers {
    pub folder: PathBuf,
    talk: Talk,
    /// Of the replicas: their keys and logs.
    pub files: TempDir,
}

impl Servers {
    /// A primary with an empty record, and standbys of it; the synchronous ones have a name that begins with "sync".
    pub async fn new(standbys: &[&str]) -> Self {
        let (talk, told) = Talk::start("standbys.py");
        let files = tempfile::tempdir().unwrap();
        let key = key_with("key", "2020-01-01", "2099-01-01", 0);
        write_keys(files.path(), &key);
        let servers = Self {
            folder: told["folder"].as_str().unwrap().into(),
            talk,
            files,
        };
        servers.tell(json!({"do": "primary", "name": "a"}));
        let postgres = servers.client_of("a", "postgres").await;
        // An ordinary owner, as a managed service gives one.
        for sql in ["CREATE ROLE app LOGIN", "CREATE DATABASE app OWNER app"] {
            postgres.batch_execute(sql).await.unwrap();
        }
        let address = servers.url_of("s-a").parse().unwrap();
        PostgresRecord::init(&address).await.unwrap();
        for name in standbys {
            let sync = name.starts_with("sync");
            servers.tell(json!({"do": "standby", "name": name, "of": "a", "sync": sync}));
        }
        servers.point("clients", "a");
        servers
    }

    fn tell(&self, command: Value) {
        let answer: Value = serde_json::from_str(&self.talk.say(&command)).unwrap();
        assert_eq!(answer["done"], true, "{command}: {answer}");
    }

    /// A synchronous standby that reaches the first primary by the sockets in a folder.
    pub fn synchronous_through(&self, name: &str, through: &str) {
        self.tell(
            json!({"do": "standby", "name": name, "of": "a", "sync": true, "through": through}),
        );
    }

    /// `start`, `stop`, `kill`, `freeze`, `thaw` or `promote`.
    pub fn control(&self, name: &str, what: &str) {
        self.tell(json!({"do": what, "name": name}));
    }

    /// Leads those who connect to `name` to a server from now on.
    pub fn point(&self, name: &str, at: &str) {
        self.tell(json!({"do": "point", "name": name, "at": at}));
    }

    fn url_of(&self, sockets: &str) -> String {
        let host = self.folder.join(sockets).display().to_string();
        format!("postgres://app@{}/app", host.replace('/', "%2F"))
    }

    /// What replicas are given, which are led where `point` says.
    pub fn place(&self, name: &str) -> String {
        self.url_of(name)
    }

    /// An address with the hosts of several servers, and how each is shown.
    pub fn several(&self, servers: &[&str]) -> (String, Vec<String>) {
        let hosts = servers.iter().map(|server| {
            let host = self.folder.join(format!("s-{server}"));
            host.display().to_string().replace('/', "%2F")
        });
        let hosts: Vec<String> = hosts.collect();
        // However busy the machine is, a host that is there answers.
        let place = format!("postgres://app@{}/app?connect_timeout=60", hosts.join(","));
        let shown = hosts.iter().map(|host| format!("postgres://{host}/app"));
        (place, shown.collect())
    }

    /// A client of the test's own, with all rights.
    pub async fn client(&self, server: &str) -> tokio_postgres::Client {
        let client = self.client_of(server, "app").await;
        let path = "SET search_path = checkpoint_signer";
        client.batch_execute(path).await.unwrap();
        client
    }

    pub async fn client_of(&self, server: &str, database: &str) -> tokio_postgres::Client {
        let sockets = self.folder.join(format!("s-{server}"));
        let config = format!("host={} user=postgres dbname={database}", sockets.display());
        let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    pub async fn replica(&self, name: &str, further: &[&str]) -> Replica {
        Replica::start_with(self.files.path(), &self.place(name), further).await
    }

    pub fn files(&self) -> &Path {
        self.files.path()
    }

    /// Waits until a standby has all that the primary has.
    pub async fn caught_up(&self, standby: &str) {
        let primary = self.client("a").await;
        let now = "SELECT pg_current_wal_lsn()::text";
        let end: String = primary.query_one(now, &[]).await.unwrap().get(0);
        let client = self.client(standby).await;
        let reached = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn";
        for _ in 0..1000 {
            if client.query_one(reached, &[&end]).await.unwrap().get(0) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{standby} does not reach {end}");
    }
}

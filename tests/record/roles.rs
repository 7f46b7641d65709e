//! The roles of the database as `deploy/README.md` makes them: one for an environment, or one that owns the record and one that serves.

use std::sync::Arc;

use checkpoint_signer::record::Record;
use checkpoint_signer::record::environment::{Claim, Environment};
use checkpoint_signer::record::postgres::{DatabaseAddress, PostgresRecord};

use crate::postgres::{Database, Server};
use crate::support::at;
use testing::record::{NOON, append, key, signed, with_key};

/// The statements of the guide's block that has this, with these names in place of psql's variables. psql's own commands are done here by
/// whoever runs them, a superuser; `tests/docs` runs the blocks as they stand.
fn statements(with: &str, names: &[(&str, &str)]) -> Vec<String> {
    let guide = std::fs::read_to_string(testing::root().join("deploy/README.md")).unwrap();
    let blocks = guide.split("<<'SQL'").skip(1);
    let mut blocks = blocks.map(|block| block.split("\nSQL\n").next().unwrap());
    let block = blocks.find(|block| block.contains(with)).unwrap();
    let (_, name) = names
        .iter()
        .find(|(variable, _)| *variable == "name")
        .unwrap();
    let statement = |line: &str| {
        let of_psql = ["\\", "BEGIN", "COMMIT", "SET LOCAL"];
        if of_psql.iter().any(|begin| line.starts_with(begin)) {
            return None;
        }
        // What is made unless it is there: SELECT format('...', names) WHERE ... \gexec
        if let Some((made, _)) = line
            .strip_prefix("SELECT format('")
            .and_then(|l| l.split_once('\''))
        {
            return Some(made.replace("%I", name));
        }
        let named = names
            .iter()
            .fold(line.to_owned(), |line, (variable, name)| {
                line.replace(&format!(":{variable}"), name)
            });
        Some(named)
    };
    block.lines().skip(1).filter_map(statement).collect()
}

async fn run(client: &tokio_postgres::Client, statements: &[String]) {
    for statement in statements {
        let done = client.batch_execute(statement).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

/// An address of a role, whose password is its name.
fn address(server: &Server, role: &str, database: &str) -> DatabaseAddress {
    let port = server.port;
    format!("postgresql://{role}:{role}@127.0.0.1:{port}/{database}")
        .parse()
        .unwrap()
}

/// The role and the database of an environment, and how it is reached.
async fn environment(database: &Database<'_>, name: &str) -> DatabaseAddress {
    let server = database.server;
    let admin = server.client("postgres").await;
    run(&admin, &statements("CREATE DATABASE", &[("name", name)])).await;
    let password = format!("ALTER ROLE {name} PASSWORD '{name}'");
    admin.batch_execute(&password).await.unwrap();
    address(server, name, name)
}

#[tokio::test]
async fn a_role_of_an_environment_makes_its_record_and_reaches_no_other_one() {
    let database = Database::new().await;
    let staging = environment(&database, "checkpoint_signer_staging").await;
    let prod = environment(&database, "checkpoint_signer_prod").await;
    for (address, of) in [(&staging, Environment::Staging), (&prod, Environment::Prod)] {
        PostgresRecord::init_in(address, Some(of)).await.unwrap();
        let record = PostgresRecord::open_as(address, Claim::Writes(Some(of))).await;
        let record: Arc<dyn Record> = Arc::new(record.unwrap());
        let key = with_key(&record).await;
        append(&record, vec![signed(&key, "a", "1", 5, "x", at(NOON))]).await;
    }
    let server = database.server;
    let foreign = address(
        server,
        "checkpoint_signer_staging",
        "checkpoint_signer_prod",
    );
    let claim = Claim::Writes(Some(Environment::Prod));
    let refused = PostgresRecord::open_as(&foreign, claim)
        .await
        .err()
        .unwrap();
    assert!(
        refused.to_string().contains("permission denied"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_role_that_does_not_own_the_tables_serves_and_cannot_change_them() {
    let database = Database::new().await;
    let owner = environment(&database, "checkpoint_signer_sandbox").await;
    let (server, of) = (database.server, Environment::Sandbox);
    PostgresRecord::init_in(&owner, Some(of)).await.unwrap();
    let names = [
        ("owner", "checkpoint_signer_sandbox"),
        ("name", "checkpoint_signer_sandbox_service"),
    ];
    let grants = statements("GRANT SELECT, INSERT", &names);
    let admin = server.client("checkpoint_signer_sandbox").await;
    run(&admin, &grants).await;
    let service = "checkpoint_signer_sandbox_service";
    let password = format!("ALTER ROLE {service} PASSWORD '{service}'");
    admin.batch_execute(&password).await.unwrap();
    let address = address(server, service, "checkpoint_signer_sandbox");
    let record = PostgresRecord::open_as(&address, Claim::Writes(Some(of))).await;
    let record: Arc<dyn Record> = Arc::new(record.unwrap());
    let key_of_record = with_key(&record).await;
    append(
        &record,
        vec![signed(&key_of_record, "a", "1", 5, "x", at(NOON))],
    )
    .await;
    record.probe(true).await.unwrap();
    record.pulse().await.unwrap();
    assert_eq!(record.environment().await.unwrap(), Some(of));
    assert_eq!(record.keyring().await.unwrap().entries().len(), 1);
    let revocation = checkpoint::keyring::Revocation {
        distrust_after: at("2025-06-02"),
        reason: "a drill".into(),
        revoked_at: at("2025-06-03"),
    };
    let key_id = key().version().key_id.clone();
    record.revoke_key(&key_id, revocation).await.unwrap();
    let port = server.port;
    let url =
        format!("postgresql://{service}:{service}@127.0.0.1:{port}/checkpoint_signer_sandbox");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    for forbidden in [
        "ALTER TABLE checkpoint_signer.signed_checkpoint DISABLE TRIGGER ALL",
        "DROP TABLE checkpoint_signer.record_environment",
        "UPDATE checkpoint_signer.record_environment SET environment = 'prod'",
        "DELETE FROM checkpoint_signer.signed_checkpoint",
        "TRUNCATE checkpoint_signer.key_revocation",
        "DROP SCHEMA checkpoint_signer CASCADE",
        "UPDATE checkpoint_signer.record_version SET version = 1",
    ] {
        let refused = client.batch_execute(forbidden).await.unwrap_err();
        let refused = refused.as_db_error().unwrap().message().to_owned();
        let denied = refused.contains("permission denied") || refused.contains("must be owner");
        assert!(denied, "{forbidden}: {refused}");
    }
}

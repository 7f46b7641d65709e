//! The SQL of `deploy/README.md`, run by an administrator as RDS gives one: no superuser, who may make roles and databases.

use std::io::Write as _;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::installation::{ADMINISTRATOR, OWNER};
use crate::postgres::Server;
use crate::program::run;

/// What `\\password` asks for, twice.
const WORD: &str = "secret word\nsecret word\n";

/// The block of the guide that has a text.
fn block(with: &str) -> String {
    let text = crate::cloud::read("deploy/README.md");
    let blocks = text.split("```sh\n").skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("\n```").next());
    let found = blocks.find(|block| block.contains(with));
    found
        .unwrap_or_else(|| panic!("no block has {with}"))
        .into()
}

/// A shell without a terminal, so that what is asked for is read from its input; `psql` there comes as a user.
fn shell(server: &Server, bin: &TempDir, script: &str) -> Command {
    // A session of its own has no terminal to ask on.
    let session = "import os, sys; os.setsid(); os.execvp('bash', ['bash', *sys.argv[1:]])";
    crate::tools::put_into(bin.path());
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = crate::starter::program("python3");
    command
        .args(["-c", session, "-eu", "-o", "pipefail", "-c", script])
        .env("PATH", format!("{}:{path}", bin.path().display()))
        .env("ENVIRONMENT", "prod")
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", server.port.to_string())
        .env("PGUSER", ADMINISTRATOR)
        .env("PGPASSWORD", "secret word");
    command
}

fn must(server: &Server, script: &str) {
    let bin = tempfile::tempdir().unwrap();
    let mut command = shell(server, &bin, script);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(WORD.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(output.status.success(), "{script}: {told}");
}

/// Makes the environment's user and its database.
pub fn is_made(server: &Server) {
    must(server, &block("CREATE DATABASE"));
}

/// What psql says to a statement, as a user in a database.
fn said(server: &Server, user: &str, database: &str, statement: &str) -> String {
    let script = format!("psql -At -v ON_ERROR_STOP=1 -U {user} -d {database} -c \"{statement}\"");
    let bin = tempfile::tempdir().unwrap();
    run(&mut shell(server, &bin, &script)).text
}

#[test]
fn an_administrator_who_is_no_superuser_makes_owner_and_service_and_is_none_of_them_afterwards() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = Server::start();
    runtime.block_on(server.administrator(ADMINISTRATOR));
    is_made(&server);
    // Once more, as after something that was broken off.
    is_made(&server);
    let own = said(&server, OWNER, OWNER, "SELECT current_user");
    assert_eq!(own.trim(), OWNER);
    // Nobody else comes in, he neither.
    let refused = said(&server, ADMINISTRATOR, OWNER, "SELECT 1");
    assert!(refused.contains("permission denied"), "{refused}");
    let refused = said(&server, OWNER, OWNER, "CREATE ROLE more");
    assert!(refused.contains("permission denied"), "{refused}");

    let record = |user: &str, step: &str| {
        let mut command = crate::starter::binary();
        let url = server.url_of(user, OWNER);
        command.args(["record", step, "--record", &url]);
        command.env("CHECKPOINT_SIGNER_ENVIRONMENT", "prod");
        run(&mut command)
    };
    // There is no record yet: nothing is done, and he is no member.
    let service = format!("{OWNER}_service");
    let bin = tempfile::tempdir().unwrap();
    let early = run(&mut shell(&server, &bin, &block("GRANT SELECT, INSERT")));
    assert!(
        early.code != 0 && early.text.contains("does not exist"),
        "{}",
        early.text
    );
    let none = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{service}'");
    assert_eq!(said(&server, ADMINISTRATOR, "postgres", &none).trim(), "0");
    let refused = said(&server, ADMINISTRATOR, OWNER, "SELECT 1");
    assert!(refused.contains("permission denied"), "{refused}");

    let made = record(OWNER, "init");
    assert_eq!(made.code, 0, "{}", made.text);
    for _ in 0..2 {
        must(&server, &block("GRANT SELECT, INSERT"));
    }
    let read = record(&service, "verify");
    assert_eq!(read.code, 2, "{}", read.text);
    let told = "nothing is wrong that could be checked";
    assert!(read.text.contains(told), "{}", read.text);
    let dropped = said(
        &server,
        &service,
        OWNER,
        "DROP TABLE checkpoint_signer.signed_checkpoint",
    );
    assert!(dropped.contains("must be owner"), "{dropped}");
    let refused = said(&server, ADMINISTRATOR, OWNER, "SELECT 1");
    assert!(refused.contains("permission denied"), "{refused}");
}

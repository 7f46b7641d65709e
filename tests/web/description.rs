//! The API is what its description says: OpenAPI's own rules, and schemathesis against the running server.

use std::process::Command;

use crate::client::get;
use crate::publication::Publication;
use crate::python::python;

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_valid_and_the_server_keeps_to_it() {
    let publication = Publication::new().await;
    let http = publication.service.http();
    let description = publication.path("openapi.json");
    std::fs::write(&description, get(&http, "/openapi.json").body).unwrap();
    run(python()
        .args(["-m", "openapi_spec_validator", "--schema", "3.1"])
        .arg(&description));
    let url = format!("{http}/openapi.json");
    // The service has threads of its own.
    run(python()
        .current_dir(publication.service.folder.path())
        .args(["-m", "schemathesis.cli", "run", &url, "--checks", "all"])
        .args([
            "--phases",
            "examples,coverage,fuzzing,stateful",
            "--mode",
            "all",
        ])
        .args(["--max-examples", "25", "--generation-deterministic"])
        .args(["--no-color"]));
}

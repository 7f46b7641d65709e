//! Who is not let in, or speaks in another way than the service, is told what to do.

use std::path::Path;
use std::process::Command;

use crate::guarded::Guarded;
use crate::support::TestService;

async fn ask(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_checkpoint-signer"));
    command
        .args(["keys", "list"])
        .args(arguments)
        .current_dir(folder);
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = ended.await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_tls_or_not_in_the_wrong_place_is_told_how() {
    let guarded = Guarded::start().await;
    let folder = guarded.folder.path();
    let port = guarded.port();
    let (with, without) = (
        format!("https://localhost:{port}"),
        format!("http://localhost:{port}"),
    );
    let said = ask(folder, &["--server", &without]).await;
    assert!(said.contains("expected https://"), "{said}");
    let said = ask(folder, &["--server", &with, "--server-ca", "ca.crt"]).await;
    assert!(
        said.contains("--client-certificate and --client-key"),
        "{said}"
    );
    for stranger in ["stranger", "expired"] {
        let (certificate, key) = (format!("{stranger}.crt"), format!("{stranger}.key"));
        let arguments = [
            "--server",
            &with,
            "--server-ca",
            "ca.crt",
            "--client-certificate",
            &certificate,
            "--client-key",
            &key,
        ];
        let said = ask(folder, &arguments).await;
        assert!(
            said.contains("it refuses the client certificate ("),
            "{said}"
        );
    }
    let plain = TestService::new().await;
    let url = plain.grpc().replace("http://", "https://");
    let said = ask(folder, &["--server", &url, "--server-ca", "ca.crt"]).await;
    assert!(said.contains("expected http://"), "{said}");
}

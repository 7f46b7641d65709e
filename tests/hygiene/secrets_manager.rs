//! Keys from Secrets Manager by way of TLS and HTTP, which have buffers of their own, and the steps of a rollover.

use crate::aws::{Operator, boto3, create, in_aws, rotate};
use crate::image::{self, Hit, Image};
use crate::needles::{self, Needle};
use crate::rsa_library;
use crate::served::{Served, generate, program};
use crate::tls;
use chrono::{Datelike as _, Utc};
use serde_json::json;

fn in_log(log: Vec<u8>, needles: &[Needle]) {
    let hits = Image::of_bytes("log", log).search(needles);
    let hits: Vec<&Hit> = hits.iter().collect();
    assert!(hits.is_empty(), "{}", image::list(&hits));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_by_tls_and_json_is_nowhere_but_in_the_rsa_library() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let secrets = tempfile::tempdir().unwrap();
    let make = |key_id, from| generate(secrets.path(), key_id, from, "2199-01-01");
    let old = make("revoked", "2020-01-01").await;
    let new = make("in-force", "2020-01-02").await;
    let mut needles = needles::of("revoked", &old);
    needles.extend(needles::of("in-force", &new));
    create("dumped", &old);

    let proxy = Operator::new().await.proxy;
    let endpoint = tls::in_front_of(&proxy.url, path).await;
    let mut serve = program();
    in_aws(&mut serve, &endpoint, path);
    // Whatever the SDK is told, it shows no secret.
    serve.env("LOG_SENSITIVE_BODIES", "true");
    serve.env("SSL_CERT_FILE", path.join("tls.crt"));
    let mut served = Served::start(serve, "secretsmanager:dumped", path).await;
    assert_eq!(served.sign().await, "revoked");
    rotate("dumped", &new);
    served.refresh().await.unwrap();
    served.revoke("revoked").await;
    assert_eq!(served.sign().await, "in-force");
    let once = rsa_library::check(&Image::of_memory(served.pid()), &needles, "in-force");
    rotate("dumped", &new.replace("2020", "broken"));
    served.refresh().await.unwrap_err();
    rotate("dumped", &old);
    rotate("dumped", &new);
    for _ in 0..10 {
        served.refresh().await.unwrap();
        assert_eq!(served.sign().await, "in-force");
    }
    let refreshed = rsa_library::check(&Image::of_memory(served.pid()), &needles, "in-force");
    let core = rsa_library::check(&Image::of_core(served.pid(), path), &needles, "in-force");
    assert_eq!((&refreshed, &core), (&once, &once));
    in_log(served.log(), &needles);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollover_that_logs_all_it_can_shows_no_key() {
    let secrets = tempfile::tempdir().unwrap();
    let year = Utc::now().year();
    let (from, until) = (format!("{year}-01-01"), format!("{}-01-01", year + 1));
    let old = generate(secrets.path(), &format!("key-{year}"), &from, &until).await;
    create("logged", &old);
    let operator = Operator::new().await;
    let stage = [
        "rollover",
        "stage",
        "--secret",
        "logged",
        "--without-asking",
        "--bits",
        "2048",
        "--log-level",
        "trace",
    ];
    let mut stage = operator.command(&stage);
    let staged = stage
        .env("LOG_SENSITIVE_BODIES", "true")
        .output()
        .await
        .unwrap();
    assert!(staged.status.success(), "{staged:?}");
    let pending = json!({ "SecretId": "logged", "VersionStage": "AWSPENDING" });
    let pending = boto3("get_secret_value", pending)["SecretString"].clone();
    let mut needles = needles::of("old", &old);
    needles.extend(needles::of("new", pending.as_str().unwrap()));
    let log = String::from_utf8_lossy(&staged.stderr);
    assert!(log.contains("hyper"), "libraries log: {log}");
    in_log([staged.stdout, staged.stderr].concat(), &needles);
}

//! The rotation function under a Lambda runtime API on loopback (AWS, "Using the Lambda runtime API for custom
//! runtimes"), against moto.

use std::process::Stdio;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::sync::{Mutex, mpsc};

use checkpoint_signer::clock::Clock;
use checkpoint_signer::wire::proto::RevokeKeyRequest;

use crate::aws::{AwsService, Operator, boto3};
use crate::proxy::Mode;
use crate::rollover::{NEW, OLD, is, labels, secret};
use crate::wait;

/// A token as Secrets Manager makes it.
const TOKEN: &str = "4e2b6c5a-0f0e-4a0c-9a44-5d0f6a1a7d11";

/// What the function posts: whether it was an error, and the body.
type Posted = (bool, Value);

#[derive(Clone)]
struct Inner {
    events: Arc<Mutex<mpsc::Receiver<Value>>>,
    posted: mpsc::Sender<Posted>,
}

/// The function as a process, and the runtime that calls it.
struct Function {
    events: mpsc::Sender<Value>,
    posted: mpsc::Receiver<Posted>,
    _process: Child,
}

impl Function {
    async fn start(operator: &Operator) -> Self {
        Self::start_with(operator, &["--without-asking"]).await
    }

    async fn start_with(operator: &Operator, arguments: &[&str]) -> Self {
        let (events, receiver) = mpsc::channel(1);
        let (sender, posted) = mpsc::channel(1);
        let inner = Inner {
            events: Arc::new(Mutex::new(receiver)),
            posted: sender,
        };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{kind}", post(answer))
            .with_state(inner);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let process = operator
            .command(&[&["lambda"], arguments].concat())
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "rotation")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            events,
            posted,
            _process: process,
        }
    }

    async fn call(&mut self, event: Value) -> Posted {
        self.events.send(event).await.unwrap();
        let posted = wait::within("the function to answer an event", self.posted.recv());
        posted.await.unwrap()
    }

    async fn step(&mut self, step: &str, secret: &str, token: &str) -> Posted {
        self.call(json!({ "Step": step, "SecretId": secret, "ClientRequestToken": token }))
            .await
    }

    async fn must(&mut self, step: &str, secret: &str) -> String {
        let (error, answer) = self.step(step, secret, TOKEN).await;
        assert!(!error, "{step}: {answer}");
        answer.to_string()
    }

    async fn refused(&mut self, step: &str, secret: &str, token: &str) -> String {
        let (error, answer) = self.step(step, secret, token).await;
        assert!(error, "{step}: {answer}");
        answer["errorMessage"].as_str().unwrap().to_owned()
    }
}

async fn next(State(inner): State<Inner>) -> impl IntoResponse {
    let event = inner.events.lock().await.recv().await;
    // The test is over.
    let Some(event) = event else {
        return std::future::pending().await;
    };
    let headers = [
        (
            "lambda-runtime-aws-request-id",
            "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        ),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:123456789012:function:rotation",
        ),
    ];
    (headers, event.to_string())
}

async fn answer(
    State(inner): State<Inner>,
    Path((_, kind)): Path<(String, String)>,
    body: String,
) -> StatusCode {
    let body = serde_json::from_str(&body).unwrap();
    inner.posted.send((kind == "error", body)).await.unwrap();
    StatusCode::ACCEPTED
}

fn begin_rotation(secret: &str) {
    boto3(
        "begin_rotation",
        json!({ "SecretId": secret, "ClientRequestToken": TOKEN }),
    );
}

const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

#[tokio::test]
async fn the_four_steps_rotate_the_secret_and_each_may_be_repeated() {
    let (secret, operator) = (secret("rotation"), Operator::new().await);
    let mut function = Function::start(&operator).await;
    begin_rotation(&secret);
    function.must(STEPS[0], &secret).await;
    let staged = [is(OLD, &["AWSCURRENT"]), is(NEW, &["AWSPENDING"])];
    assert_eq!(labels(&secret), staged);
    let document = |stage: &str| {
        let id = json!({ "SecretId": secret, "VersionStage": stage });
        boto3("get_secret_value", id)
    };
    let made = document("AWSPENDING");
    assert_eq!(made["VersionId"], TOKEN);
    let again = function.must(STEPS[0], &secret).await;
    assert!(again.contains("staged already"), "{again}");
    assert_eq!(document("AWSPENDING")["SecretString"], made["SecretString"]);
    for step in &STEPS[1..3] {
        function.must(step, &secret).await;
        function.must(step, &secret).await;
        assert_eq!(labels(&secret), staged);
    }
    let tested = function.must(STEPS[2], &secret).await;
    assert!(tested.contains(&format!("by {OLD}, right")), "{tested}");
    let finished = function.must(STEPS[3], &secret).await;
    assert!(!finished.contains("PRIVATE"), "{finished}");
    let promoted = [is(OLD, &["AWSPREVIOUS"]), is(NEW, &["AWSCURRENT"])];
    assert_eq!(labels(&secret), promoted);
    assert_eq!(document("AWSCURRENT")["SecretString"], made["SecretString"]);
    for step in STEPS {
        let again = function.must(step, &secret).await;
        assert!(again.contains("AWSCURRENT already"), "{again}");
    }
    assert_eq!(labels(&secret), promoted);
    assert_eq!(operator.left_behind(), [""; 0]);
}

#[tokio::test]
async fn a_revoked_key_endorses_nothing_whoever_makes_the_next_one() {
    let (secret, operator) = (secret("rotation-revoked"), Operator::new().await);
    begin_rotation(&secret);
    let mut unasked = Function::start_with(&operator, &[]).await;
    let problem = unasked.refused(STEPS[0], &secret, TOKEN).await;
    assert!(problem.contains("nobody could be asked"), "{problem}");
    let proxy = AwsService::proxy().await;
    let clock = Clock::simulated(chrono::Utc::now());
    let mut service = AwsService::start_at(proxy, &secret, clock, false).await;
    let revoke = RevokeKeyRequest {
        key_id: OLD.into(),
        reason: "leaked".into(),
        distrust_after: None,
    };
    service.keys.revoke_key(revoke).await.unwrap();
    let server = ["--server", service.url.as_str()];
    for knowingly in [&[][..], &["--without-asking"]] {
        let arguments = [&server[..], knowingly].concat();
        let mut function = Function::start_with(&operator, &arguments).await;
        let problem = function.refused(STEPS[0], &secret, TOKEN).await;
        assert!(problem.contains("is revoked, says"), "{problem}");
        let staged = [&["rollover", "stage", "--secret", &secret][..], &arguments].concat();
        operator.refused(&staged).await;
    }
    let asked = operator.proxy.asked();
    assert!(!asked.contains(&"PutSecretValue".into()), "{asked:?}");
}

#[tokio::test]
async fn an_event_that_does_not_fit_is_refused() {
    let (secret, operator) = (secret("wrong-event"), Operator::new().await);
    let mut function = Function::start(&operator).await;
    let problem = function.refused(STEPS[0], &secret, TOKEN).await;
    assert!(problem.contains("rotation is not enabled"), "{problem}");
    begin_rotation(&secret);
    let stranger = "00000000-0000-4000-8000-000000000000";
    let problem = function.refused(STEPS[0], &secret, stranger).await;
    assert!(
        problem.contains("ClientRequestToken") && problem.contains(stranger),
        "{problem}"
    );
    let label =
        json!({ "SecretId": secret, "VersionStage": "AWSPENDING", "RemoveFromVersionId": TOKEN });
    boto3("update_secret_version_stage", label);
    let mark = json!({ "SecretId": secret, "VersionStage": "mine", "MoveToVersionId": TOKEN });
    boto3("update_secret_version_stage", mark);
    let problem = function.refused(STEPS[0], &secret, TOKEN).await;
    assert!(problem.contains("is not AWSPENDING"), "{problem}");
    let problem = function.refused("eraseSecret", &secret, TOKEN).await;
    assert!(problem.contains("eraseSecret"), "{problem}");
    let (error, _) = function.call(json!({ "Step": "testSecret" })).await;
    assert!(error);
    let problem = function.refused(STEPS[0], "nowhere", TOKEN).await;
    assert!(problem.contains("no such secret"), "{problem}");
    assert_eq!(
        boto3(
            "get_secret_value",
            json!({ "SecretId": secret, "VersionStage": "AWSCURRENT" })
        )["VersionStages"],
        json!(["AWSCURRENT"])
    );
}

#[tokio::test]
async fn a_rotation_that_is_not_filled_or_not_reached_goes_no_further() {
    let (secret, operator) = (secret("half"), Operator::new().await);
    let mut function = Function::start(&operator).await;
    begin_rotation(&secret);
    // So Secrets Manager tries the function when the schedule is made.
    let tried = function.must(STEPS[2], &secret).await;
    assert!(tried.contains("holds nothing"), "{tried}");
    let problem = function.refused(STEPS[3], &secret, TOKEN).await;
    assert!(problem.contains("holds nothing"), "{problem}");
    operator.proxy.set(Mode::Error(400, "ThrottlingException"));
    let problem = function.refused(STEPS[0], &secret, TOKEN).await;
    assert!(problem.contains("ThrottlingException"), "{problem}");
    operator.proxy.set(Mode::Open);
    for step in STEPS {
        function.must(step, &secret).await;
    }
    assert_eq!(
        labels(&secret),
        [is(OLD, &["AWSPREVIOUS"]), is(NEW, &["AWSCURRENT"])]
    );
}

#[tokio::test]
async fn outside_of_lambda_it_says_what_is_missing() {
    let operator = Operator::new().await;
    let ended = operator.run(&["lambda"]).await;
    assert_eq!(ended.code, 2);
    assert!(
        ended.text.contains("AWS_LAMBDA_RUNTIME_API: is not set"),
        "{}",
        ended.text
    );
}

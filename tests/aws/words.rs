//! What AWS says when it refuses a call: its own code and words, which secret, where, and what to do about it.

use crate::aws::{AwsService, Operator, create, rotate};
use crate::proxy::Mode;
use crate::rollover::{NEW, OLD, key, labels, secret, step};
use crate::status::arguments;

/// A code, AWS's words, and what is to be done.
type Refusal = (u16, &'static str, &'static str, &'static str);

const REFUSALS: [Refusal; 14] = [
    (
        400,
        "AccessDeniedException",
        "User: arn:aws:iam::123456789012:user/x is not authorized to perform: secretsmanager:ListSecretVersionIds on resource: s",
        "expected a role that may call secretsmanager:",
    ),
    (
        400,
        "AccessDeniedException",
        "User: arn:aws:iam::123456789012:user/x is not authorized to perform: this action with an explicit deny in a service control policy",
        "a service control policy of the organisation forbids it",
    ),
    (
        400,
        "AccessDeniedException",
        "Access to KMS is not allowed",
        "kms:Decrypt",
    ),
    (
        400,
        "AccessDeniedException",
        "The ciphertext refers to a customer master key that does not exist",
        "kms:Decrypt",
    ),
    (
        400,
        "DecryptionFailure",
        "Secrets Manager can't decrypt the secret",
        "kms:Decrypt",
    ),
    (
        400,
        "InvalidRequestException",
        "You can't perform this operation on the secret because it was marked for deletion.",
        "aws secretsmanager restore-secret --secret-id ",
    ),
    (
        400,
        "InvalidRequestException",
        "Operation not permitted on a replica secret. Call must be made in primary secret's region.",
        "set AWS_REGION",
    ),
    (
        400,
        "InvalidRequestException",
        "The secret is managed by another service. Use the owning service",
        "expected one that is yours alone",
    ),
    (
        400,
        "LimitExceededException",
        "You have exceeded the quota of versions",
        "a quota of Secrets Manager is reached",
    ),
    (
        400,
        "ThrottlingException",
        "Rate exceeded",
        "run the same command again",
    ),
    (
        400,
        "ExpiredTokenException",
        "The security token included in the request is expired",
        "aws sso login",
    ),
    (
        400,
        "UnrecognizedClientException",
        "The security token included in the request is invalid",
        "aws sts get-caller-identity",
    ),
    (
        403,
        "InvalidSignatureException",
        "Signature expired: 20261126T000000Z is now earlier than 20261126T010000Z",
        "set the clock of this machine",
    ),
    (
        500,
        "InternalServiceError",
        "An error occurred on the server side",
        "run the same command again",
    ),
];

#[tokio::test]
async fn each_refusal_is_told_in_aws_own_words_with_what_to_do() {
    let (secret, operator) = (secret("words"), Operator::new().await);
    let before = labels(&secret);
    for (status, code, message, advice) in REFUSALS {
        for (action, command) in [
            ("ListSecretVersionIds", "status"),
            ("PutSecretValue", "stage"),
        ] {
            operator
                .proxy
                .set(Mode::Says(action, status, code, message));
            let ended = operator.run(&step(command, &secret, &[])).await;
            let text = &ended.text;
            assert_eq!(ended.code, 2, "{code} {action}: {text}");
            for part in [
                action,
                code,
                message.trim_end_matches('.'),
                advice,
                "words (eu-central-1)",
            ] {
                assert!(
                    text.contains(part),
                    "{action} {code} lacks {part:?}: {text}"
                );
            }
            let again = text.contains("run the same command again");
            let passes = advice.starts_with("run the same");
            assert_eq!(again, passes, "{action} {code}: {text}");
            assert!(!text.contains("somebody else"), "{action} {code}: {text}");
            // Once that is done, it is what was typed.
            assert_eq!(arguments(text)[..2], ["rollover", command], "{text}");
            assert_eq!(labels(&secret), before, "{action} {code}");
        }
    }
}

#[tokio::test]
async fn a_page_in_place_of_an_answer_is_told_as_one_with_where_it_came_from() {
    let (secret, operator) = (secret("words-page"), Operator::new().await);
    operator.proxy.set(Mode::Page);
    let ended = operator.run(&step("status", &secret, &[])).await;
    let text = &ended.text;
    assert_eq!(ended.code, 2, "{text}");
    for part in [
        "an HTML page in place of an answer (HTTP 200)",
        "something else answers in place of Secrets Manager",
        &format!("another AWS_ENDPOINT_URL than {}", operator.proxy.url),
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    operator.proxy.set(Mode::Open);
    operator.must(&arguments(text)).await;
}

#[tokio::test]
async fn the_service_says_the_same_with_the_version_that_it_asked_for() {
    create("words-served", &key(OLD, -335, 30));
    let mut service = AwsService::start_at(
        AwsService::proxy().await,
        "words-served",
        checkpoint_signer::clock::Clock::system(),
        false,
    )
    .await;
    for (status, code, message, advice) in REFUSALS {
        service.proxy.set(Mode::Says("", status, code, message));
        service.refresh().await.unwrap_err();
        let faults = service.status().await.faults.join("\n");
        assert!(
            faults.contains("words-served (eu-central-1, AWSCURRENT): "),
            "{faults}"
        );
        assert!(
            faults.contains(code) && faults.contains(message.trim_end_matches('.')),
            "{faults}"
        );
        assert!(
            advice.starts_with("run the same") || faults.contains(advice),
            "{code}: {faults}"
        );
    }
    assert_eq!(service.key_of(1).await, OLD, "the loaded key goes on");
}

#[tokio::test]
async fn a_denied_previous_version_alone_does_not_keep_a_start_from_signing() {
    let name = "words-previous";
    create(name, &key(OLD, -335, 30));
    rotate(name, &key(NEW, -5, 360));
    let proxy = AwsService::proxy().await;
    let message =
        "User: arn:aws:iam::123456789012:user/x is not authorized to perform: kms:Decrypt";
    proxy.set(Mode::Says(
        "AWSPREVIOUS",
        400,
        "AccessDeniedException",
        message,
    ));
    let clock = checkpoint_signer::clock::Clock::system();
    let mut service = AwsService::start_at(proxy, name, clock, false).await;
    assert_eq!(service.key_of(1).await, NEW);
    let faults = service.status().await.faults.join("\n");
    assert!(
        faults.contains("AWSPREVIOUS") && faults.contains(message),
        "{faults}"
    );
    service.proxy.set(Mode::Open);
    service.refresh().await.unwrap();
    assert_eq!(service.status().await.faults, [""; 0]);
    assert_eq!(service.key_ids().await, [NEW, OLD]);
}

//! What each role may and may not do: every call of Secrets Manager and some of others, on the secret and on what looks
//! like it. The policies are those that the stacks have made; `cloud/policies.py` decides as AWS does, and is tried on
//! known cases itself. (moto's IAM has no policy simulator and knows no resources.)

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::cloud::Cloud;

/// The whole API of Secrets Manager.
const SECRETS_MANAGER: [&str; 23] = [
    "BatchGetSecretValue",
    "CancelRotateSecret",
    "CreateSecret",
    "DeleteResourcePolicy",
    "DeleteSecret",
    "DescribeSecret",
    "GetRandomPassword",
    "GetResourcePolicy",
    "GetSecretValue",
    "ListSecretVersionIds",
    "ListSecrets",
    "PutResourcePolicy",
    "PutSecretValue",
    "RemoveRegionsFromReplication",
    "ReplicateSecretToRegions",
    "RestoreSecret",
    "RotateSecret",
    "StopReplicationToReplica",
    "TagResource",
    "UntagResource",
    "UpdateSecret",
    "UpdateSecretVersionStage",
    "ValidateResourcePolicy",
];

/// Calls that would lead around the secret.
const OTHERS: [&str; 13] = [
    "cloudformation:UpdateStack",
    "ecr:BatchGetImage",
    "ecr:PutImage",
    "ecs:ExecuteCommand",
    "iam:PassRole",
    "iam:PutRolePolicy",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "lambda:InvokeFunction",
    "lambda:UpdateFunctionCode",
    "logs:DeleteLogGroup",
    "logs:PutLogEvents",
    "sts:AssumeRole",
];

pub const OPERATOR: [&str; 5] = [
    "DescribeSecret",
    "GetSecretValue",
    "ListSecretVersionIds",
    "PutSecretValue",
    "UpdateSecretVersionStage",
];

const ACCOUNT: &str = "eu-central-1:123456789012";

/// What may be reached, and what must not: other environments, names that begin or end alike, other accounts and
/// regions, other services.
fn resources(own: &str, key: &str) -> Vec<String> {
    let secret = |rest: &str| format!("arn:aws:secretsmanager:{rest}");
    let mut all = vec![
        own.to_owned(),
        key.to_owned(),
        secret(&format!(
            "{ACCOUNT}:secret:amply/checkpoint-signing-key-AbCdEf"
        )),
        secret(&format!("{ACCOUNT}:secret:amply/database-url-AbCdEf")),
        secret(&format!(
            "{ACCOUNT}:secret:amply/staging/checkpoint-signer-files-AbCdEf"
        )),
        secret(&format!(
            "{ACCOUNT}:secret:amply/staging/checkpoint-signing-key"
        )),
        secret(&format!(
            "{ACCOUNT}:secret:amply/staging/checkpoint-signing-key-old-AbCdEf"
        )),
        secret(&format!(
            "{ACCOUNT}:secret:amply/staging/checkpoint-signing-keys-AbCdEf"
        )),
        secret(&format!(
            "{ACCOUNT}:secret:other/amply/staging/checkpoint-signing-key-AbCdEf"
        )),
        secret("eu-west-1:123456789012:secret:amply/staging/checkpoint-signing-key-AbCdEf"),
        secret("eu-central-1:210987654321:secret:amply/staging/checkpoint-signing-key-AbCdEf"),
        format!("arn:aws:ecr:{ACCOUNT}:repository/checkpoint-signer"),
        format!("arn:aws:ecr:{ACCOUNT}:repository/another"),
        format!("arn:aws:lambda:{ACCOUNT}:function:checkpoint-signer-rotation-staging"),
        format!(
            "arn:aws:logs:{ACCOUNT}:log-group:/aws/lambda/checkpoint-signer-rotation-staging:log-stream:1"
        ),
        format!("arn:aws:logs:{ACCOUNT}:log-group:/checkpoint-signer/staging:log-stream:1"),
        format!("arn:aws:logs:{ACCOUNT}:log-group:/another:log-stream:1"),
        "arn:aws:iam::123456789012:role/administrator".to_owned(),
        "*".to_owned(),
    ];
    for environment in ["prod", "staging", "sandbox"] {
        all.push(secret(&format!(
            "{ACCOUNT}:secret:amply/{environment}/checkpoint-signing-key-AbCdEf"
        )));
    }
    all
}

fn actions() -> Vec<String> {
    let own = SECRETS_MANAGER
        .iter()
        .map(|call| format!("secretsmanager:{call}"));
    own.chain(OTHERS.map(String::from)).collect()
}

/// Everything that a role of the stacks may do, of all calls on all resources.
fn allowed(cloud: &mut Cloud, role: &str, resources: &[String]) -> BTreeSet<(String, String)> {
    let question = json!({ "caller": role, "actions": actions(), "resources": resources });
    let found = cloud.ask("allowed", question);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = found.as_array().unwrap().iter();
    found.map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

fn on(calls: &[&str], resources: &[&str]) -> BTreeSet<(String, String)> {
    let calls = calls.iter().map(|call| match call.contains(':') {
        true => (*call).to_owned(),
        false => format!("secretsmanager:{call}"),
    });
    let pairs = calls.flat_map(|call| {
        let resources = resources.iter();
        resources.map(move |resource| (call.clone(), (*resource).to_owned()))
    });
    pairs.collect()
}

#[test]
fn each_role_may_do_its_own_work_on_the_secret_and_nothing_else() {
    let mut cloud = Cloud::staging();
    let secret = cloud.secret_arn("amply/staging/checkpoint-signing-key");
    let key = cloud.ask(
        "secretsmanager.describe_secret",
        json!({ "SecretId": secret }),
    );
    let resources = resources(&secret, key["KmsKeyId"].as_str().unwrap());
    // Another secret of this name, made when this one was gone, is this one.
    let again = format!(
        "arn:aws:secretsmanager:{ACCOUNT}:secret:amply/staging/checkpoint-signing-key-AbCdEf"
    );
    let own = [secret.as_str(), again.as_str()];
    let log = |group: &str| {
        let stream = format!("arn:aws:logs:{ACCOUNT}:log-group:{group}:log-stream:1");
        on(&["logs:PutLogEvents"], &[&stream])
    };
    let mut rotation = on(&OPERATOR, &own);
    rotation.extend(log("/aws/lambda/checkpoint-signer-rotation-staging"));
    let table = [
        ("key.ServiceRole", on(&["GetSecretValue"], &own)),
        ("key.PipelineRole", on(&["GetSecretValue"], &own)),
        ("key.OperatorRole", on(&OPERATOR, &own)),
        ("key.RotationRole", rotation),
    ];
    for (role, expected) in table {
        assert_eq!(allowed(&mut cloud, role, &resources), expected, "{role}");
    }
}

#[test]
fn what_starts_the_tasks_reads_their_own_secrets_and_never_the_signing_key() {
    let mut cloud = Cloud::staging();
    let database = cloud.secret_arn("amply/staging/checkpoint-signer-database");
    let files = cloud.secret_arn("amply/staging/checkpoint-signer-files");
    let secret = cloud.secret_arn("amply/staging/checkpoint-signing-key");
    let mut resources = resources(&secret, "arn:aws:kms:eu-central-1:123456789012:key/another");
    resources.extend([database.clone(), files.clone()]);
    let mut expected = on(&["GetSecretValue"], &[&database, &files]);
    expected.extend(on(
        &["ecr:BatchGetImage"],
        &[&format!(
            "arn:aws:ecr:{ACCOUNT}:repository/checkpoint-signer"
        )],
    ));
    expected.extend(on(
        &["logs:PutLogEvents"],
        &[&format!(
            "arn:aws:logs:{ACCOUNT}:log-group:/checkpoint-signer/staging:log-stream:1"
        )],
    ));
    assert_eq!(
        allowed(&mut cloud, "service.ExecutionRole", &resources),
        expected
    );
    assert!(!cloud.may(
        "key.ServiceRole",
        "secretsmanager:GetSecretValue",
        &database
    ));
    assert!(!cloud.may("key.ServiceRole", "secretsmanager:GetSecretValue", &files));
}

#[test]
fn an_administrator_may_administrate_the_secret_and_not_read_or_change_the_key() {
    let mut cloud = Cloud::prod();
    let secret = cloud.secret_arn("amply/prod/checkpoint-signing-key");
    let denied = [
        "GetSecretValue",
        "PutSecretValue",
        "ReplicateSecretToRegions",
        "UpdateSecretVersionStage",
    ];
    for call in SECRETS_MANAGER {
        let may = cloud.may("administrator", &format!("secretsmanager:{call}"), &secret);
        assert_eq!(may, !denied.contains(&call), "{call}");
    }
    // Without a deployment role, settings are theirs on each secret, as the parameter says; a value needs the KMS key.
    let key = cloud.output("key", "SecretsKeyArn").unwrap();
    for name in ["record", "signer-files", "signer-database"] {
        let secret = cloud.secret_arn(&format!("amply/prod/checkpoint-{name}"));
        assert!(
            cloud.may("administrator", "secretsmanager:UpdateSecret", &secret),
            "{name}"
        );
    }
    for call in ["kms:Decrypt", "kms:GenerateDataKey"] {
        assert!(!cloud.may("administrator", call, &key), "{call}");
    }
}

#[test]
fn the_kms_key_decrypts_this_secret_by_secrets_manager_alone() {
    let mut cloud = Cloud::staging();
    let secret = cloud.secret_arn("amply/staging/checkpoint-signing-key");
    let key = cloud.ask(
        "secretsmanager.describe_secret",
        json!({ "SecretId": secret }),
    );
    let key = &key["KmsKeyId"];
    let by = "secretsmanager.eu-central-1.amazonaws.com";
    let other = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:amply/prod/checkpoint-signing-key-AbCdEf";
    let context = |by: &str, secret: &str| json!({ "kms:ViaService": by, "kms:EncryptionContext:SecretARN": secret });
    let trial = json!({ "kms:ViaService": by, "kms:EncryptionContext:SecretVersionId": "RequestToValidateKeyAccess" });
    for (caller, context, expected) in [
        ("key.ServiceRole", context(by, &secret), true),
        ("key.ServiceRole", context(by, other), false),
        (
            "key.ServiceRole",
            context("s3.eu-central-1.amazonaws.com", &secret),
            false,
        ),
        ("key.ServiceRole", json!({}), false),
        ("administrator", context(by, &secret), false),
        ("administrator", json!({}), false),
        ("administrator", trial.clone(), true),
        ("service.ExecutionRole", context(by, &secret), false),
        ("service.ExecutionRole", trial, false),
    ] {
        let question = json!({ "caller": caller, "key": key, "context": context });
        assert_eq!(
            cloud.ask("may_decrypt", question),
            expected,
            "{caller} {context}"
        );
    }
}

#[test]
fn nobody_reaches_the_secret_in_plain_text() {
    let mut cloud = Cloud::staging();
    let secret = cloud.secret_arn("amply/staging/checkpoint-signing-key");
    for role in ["key.ServiceRole", "key.OperatorRole", "administrator"] {
        let question = json!({
            "caller": role, "action": "secretsmanager:DescribeSecret", "resource": secret,
            "context": { "aws:SecureTransport": "false" },
        });
        assert_eq!(cloud.ask("may", question), false, "{role}");
    }
}

#[test]
fn only_the_one_that_a_role_is_for_may_become_it() {
    let mut cloud = Cloud::staging();
    let (ecs, lambda) = ("ecs-tasks.amazonaws.com", "lambda.amazonaws.com");
    let task = |account: &str| {
        let arn = format!("arn:aws:ecs:eu-central-1:{account}:task/1");
        json!({ "service": ecs, "aws:SourceAccount": account, "aws:SourceArn": arn })
    };
    let function = |account: &str| json!({ "service": lambda, "aws:SourceAccount": account });
    let person = |name: &str| json!({ "aws:PrincipalArn": format!("arn:aws:iam::123456789012:role/{name}") });
    for (stack, role, context, expected) in [
        ("key", "ServiceRole", task("123456789012"), true),
        ("key", "ServiceRole", task("210987654321"), false),
        ("key", "ServiceRole", json!({ "service": ecs }), false),
        ("key", "ServiceRole", person("on-call"), false),
        ("key", "ServiceRole", json!({ "service": lambda }), false),
        ("service", "ExecutionRole", task("123456789012"), true),
        ("service", "ExecutionRole", task("210987654321"), false),
        ("key", "OperatorRole", person("on-call"), true),
        ("key", "OperatorRole", person("pipeline"), false),
        ("key", "PipelineRole", person("pipeline"), true),
        ("key", "PipelineRole", person("on-call"), false),
        ("key", "RotationRole", function("123456789012"), true),
        ("key", "RotationRole", function("210987654321"), false),
        ("key", "FilesRole", person("on-call"), true),
        ("key", "FilesRole", person("pipeline"), false),
        ("key", "RotationRole", person("on-call"), false),
    ] {
        let question = json!({ "stack": stack, "role": role, "context": context });
        assert_eq!(
            cloud.ask("may_become", question),
            expected,
            "{role} {context}"
        );
    }
}

#[test]
fn the_evaluator_decides_known_cases_as_aws_does() {
    let mut cloud = Cloud::staging();
    let allow = |action: &str, resource: &str| json!({ "Statement": { "Effect": "Allow", "Action": action, "Resource": resource } });
    let when = |effect: &str, condition: Value| json!({ "Statement": [{ "Effect": effect, "Principal": "*", "Action": "s:*", "Resource": "*", "Condition": condition }] });
    let everything = allow("*", "*");
    let me = json!({ "aws:PrincipalArn": "arn:aws:iam::1:role/me" });
    let not_me = json!({ "ArnNotEquals": { "aws:PrincipalArn": ["arn:aws:iam::1:role/you", "arn:aws:iam::1:role/me"] } });
    let not_you = json!({ "ArnNotEquals": { "aws:PrincipalArn": "arn:aws:iam::1:role/you" } });
    let insecure = json!({ "Bool": { "aws:SecureTransport": "false" } });
    for (name, identity, resource_policies, context, expected) in [
        ("nothing is denied", json!([]), json!([]), me.clone(), false),
        (
            "an allow",
            json!([allow("s:Get", "a:b")]),
            json!([]),
            me.clone(),
            true,
        ),
        (
            "names of actions do not depend on case",
            json!([allow("S:gEt", "a:b")]),
            json!([]),
            me.clone(),
            true,
        ),
        (
            "resources do",
            json!([allow("s:Get", "A:B")]),
            json!([]),
            me.clone(),
            false,
        ),
        (
            "? is one character",
            json!([allow("s:G?t", "a:?")]),
            json!([]),
            me.clone(),
            true,
        ),
        (
            "? is not none",
            json!([allow("s:Get?", "a:b")]),
            json!([]),
            me.clone(),
            false,
        ),
        (
            "* is none, too",
            json!([allow("s:Get*", "a:b*")]),
            json!([]),
            me.clone(),
            true,
        ),
        (
            "a dot is a dot",
            json!([allow("s.Get", "a:b")]),
            json!([]),
            me.clone(),
            false,
        ),
        (
            "a resource's allow is enough",
            json!([]),
            json!([when("Allow", not_you.clone())]),
            me.clone(),
            true,
        ),
        (
            "a deny wins",
            json!([everything]),
            json!([when("Deny", not_you.clone())]),
            me.clone(),
            false,
        ),
        (
            "one of a list",
            json!([everything]),
            json!([when("Deny", not_me)]),
            me.clone(),
            true,
        ),
        (
            "a negated condition holds without its key",
            json!([everything]),
            json!([when("Deny", not_you)]),
            json!({}),
            false,
        ),
        (
            "a positive one does not",
            json!([everything]),
            json!([when("Deny", insecure.clone())]),
            json!({}),
            true,
        ),
        (
            "a positive one that holds",
            json!([everything]),
            json!([when("Deny", insecure)]),
            json!({ "aws:securetransport": "false" }),
            false,
        ),
    ] {
        let question = json!({
            "identity_policies": identity, "resource_policies": resource_policies,
            "action": "s:Get", "resource": "a:b", "context": context,
        });
        assert_eq!(cloud.ask("decide", question), expected, "{name}");
    }
    let unknown = json!({ "NumericEquals": { "a": 1 } });
    let question = json!({
        "identity_policies": [everything], "resource_policies": [when("Deny", unknown)],
        "action": "s:Get", "resource": "a:b", "context": {},
    });
    assert!(
        cloud.try_ask("decide", question).is_err(),
        "an operator that is not known is no answer"
    );

    let root = json!({ "AWS": "arn:aws:iam::1:root" });
    let role = json!({ "AWS": ["arn:aws:iam::1:role/me"] });
    let key = |principal: &Value| json!({ "Statement": [{ "Effect": "Allow", "Principal": principal, "Action": "kms:Decrypt", "Resource": "*" }] });
    let own = allow("kms:*", "*");
    for (name, identity, principal, action, expected) in [
        (
            "a role's policies are nothing to a key",
            json!([own]),
            json!({ "AWS": "arn:aws:iam::1:role/you" }),
            "kms:Decrypt",
            false,
        ),
        (
            "named by the key",
            json!([]),
            role.clone(),
            "kms:Decrypt",
            true,
        ),
        (
            "for that call only",
            json!([own]),
            role,
            "kms:Encrypt",
            false,
        ),
        (
            "by the account, with policies",
            json!([own]),
            root.clone(),
            "kms:Decrypt",
            true,
        ),
        (
            "by the account, without",
            json!([]),
            root,
            "kms:Decrypt",
            false,
        ),
    ] {
        let question = json!({
            "identity_policies": identity, "key_policy": key(&principal), "action": action, "resource": "key", "context": me,
        });
        assert_eq!(cloud.ask("decide_key", question), expected, "{name}");
    }
}

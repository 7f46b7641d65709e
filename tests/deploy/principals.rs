//! What each principal of the templates, of Amply's own stacks and of the account may do with each secret, key, function and log: the
//! table of docs/principals.md, held against the policies that the stacks have made.

use serde_json::{Value, json};

use crate::cloud::{Cloud, read};

const ACCOUNT: &str = "123456789012";

/// A column: its title, and the words of its cells with the calls that they stand for.
const COLUMNS: [(&str, &[(&str, &str)]); 7] = [
    (
        "signing key",
        &[
            ("read", "secretsmanager:GetSecretValue"),
            ("put", "secretsmanager:PutSecretValue"),
            ("move", "secretsmanager:UpdateSecretVersionStage"),
            ("see", "secretsmanager:DescribeSecret"),
            ("set", "secretsmanager:UpdateSecret"),
            ("rotate", "secretsmanager:RotateSecret"),
            ("copy", "secretsmanager:ReplicateSecretToRegions"),
            ("policy", "secretsmanager:PutResourcePolicy"),
            ("delete", "secretsmanager:DeleteSecret"),
            ("destroy", "secretsmanager:DeleteSecret!"),
        ],
    ),
    (
        "files",
        &[
            ("read", "secretsmanager:GetSecretValue"),
            ("put", "secretsmanager:PutSecretValue"),
            ("policy", "secretsmanager:PutResourcePolicy"),
            ("destroy", "secretsmanager:DeleteSecret!"),
        ],
    ),
    (
        "database",
        &[
            ("read", "secretsmanager:GetSecretValue"),
            ("put", "secretsmanager:PutSecretValue"),
            ("policy", "secretsmanager:PutResourcePolicy"),
            ("destroy", "secretsmanager:DeleteSecret!"),
        ],
    ),
    (
        "record",
        &[
            ("read", "secretsmanager:GetSecretValue"),
            ("put", "secretsmanager:PutSecretValue"),
            ("policy", "secretsmanager:PutResourcePolicy"),
            ("destroy", "secretsmanager:DeleteSecret!"),
        ],
    ),
    (
        "KMS key",
        &[
            ("decrypt", "kms:Decrypt"),
            ("policy", "kms:PutKeyPolicy"),
            ("disable", "kms:DisableKey"),
            ("delete", "kms:ScheduleKeyDeletion"),
        ],
    ),
    (
        "function",
        &[
            ("call", "lambda:InvokeFunction"),
            ("code", "lambda:UpdateFunctionCode"),
            ("settings", "lambda:UpdateFunctionConfiguration"),
        ],
    ),
    (
        "its log",
        &[
            ("write", "logs:PutLogEvents"),
            ("delete", "logs:DeleteLogGroup"),
        ],
    ),
];

const ROWS: [(&str, &str); 12] = [
    ("the service (task role)", "key.ServiceRole"),
    ("the operator", "key.OperatorRole"),
    ("the rotation function", "key.RotationRole"),
    (
        "another function with its role",
        "key.RotationRole@elsewhere",
    ),
    ("who puts the files", "key.FilesRole"),
    ("who looks after the record", "key.RecordRole"),
    ("the pipeline (not in `prod`)", "key.PipelineRole"),
    ("ECS (execution role)", "service.ExecutionRole"),
    ("the deployment role", "role:deploy"),
    ("an administrator", "administrator"),
    ("Amply's task", "role:amply-task-staging"),
    ("Amply's CI/CD", "role:amply-ci"),
];

/// The account as it is with Amply's own roles, which may use each secret of their environments, and a role that deploys.
fn account() -> Cloud {
    let mut cloud = Cloud::start();
    cloud.prepare();
    let secrets = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:amply/";
    let any = |actions: Value, resource: String| json!({ "Effect": "Allow", "Action": actions, "Resource": resource });
    let roles = [
        ("deploy", json!([any(json!("*"), "*".into())])),
        (
            "amply-task-staging",
            json!([
                any(
                    json!("secretsmanager:GetSecretValue"),
                    format!("{secrets}staging/*")
                ),
                any(json!("kms:Decrypt"), "*".into()),
            ]),
        ),
        (
            "amply-ci",
            json!([
                any(json!("secretsmanager:*"), format!("{secrets}*")),
                any(json!(["kms:*", "lambda:*", "ecr:*", "logs:*"]), "*".into()),
            ]),
        ),
    ];
    for (name, statements) in roles {
        cloud.ask(
            "add_role",
            json!({ "name": name, "statements": statements }),
        );
    }
    let deployment = json!(format!("arn:aws:iam::{ACCOUNT}:role/deploy"));
    let mut key = cloud.key_parameters("staging");
    key["DeploymentRoles"] = deployment.clone();
    cloud.make("key", &key);
    let mut service = cloud.service_parameters("staging");
    service["DeploymentRoles"] = deployment;
    cloud.make("service", &service);
    cloud
}

/// What each column is about.
fn things(cloud: &mut Cloud) -> [String; 7] {
    let names = cloud.ask("secretsmanager.list_secrets", json!({}))["SecretList"].clone();
    let mut names = names.as_array().unwrap().iter();
    let database = names.find(|secret| secret["Name"].as_str().unwrap().contains("database"));
    let database = database.unwrap()["ARN"].as_str().unwrap();
    let lambda = format!("arn:aws:lambda:eu-central-1:{ACCOUNT}:function");
    let logs = format!("arn:aws:logs:eu-central-1:{ACCOUNT}:log-group");
    [
        cloud.output("key", "SecretArn").unwrap(),
        cloud.output("service", "FilesSecretArn").unwrap(),
        database.to_owned(),
        cloud.secret_arn("amply/staging/checkpoint-record"),
        cloud.output("key", "SecretsKeyArn").unwrap(),
        format!("{lambda}:checkpoint-signer-rotation-staging"),
        format!("{logs}:/aws/lambda/checkpoint-signer-rotation-staging:log-stream:1"),
    ]
}

/// The words of a cell, by what the policies allow.
fn cell(cloud: &mut Cloud, caller: &str, calls: &[(&str, &str)], thing: &str) -> String {
    let mut words = Vec::new();
    for (word, call) in calls {
        // For good, at once, in place of after 30 days.
        let forced = call.ends_with('!');
        let context = json!({ "secretsmanager:ForceDeleteWithoutRecovery": forced.to_string() });
        let question = json!({
            "caller": caller, "action": call.trim_end_matches('!'), "resource": thing, "context": context,
        });
        if cloud.ask("may", question) == true {
            words.push(*word);
        }
    }
    match words.is_empty() {
        true => "-".into(),
        false => words.join(", "),
    }
}

#[test]
fn the_table_of_principals_is_what_the_policies_say() {
    let mut cloud = account();
    let things = things(&mut cloud);
    let titles = COLUMNS.map(|(title, _)| title).join(" | ");
    let mut table = vec![
        format!("| | {titles} |"),
        format!("|{}", " --- |".repeat(COLUMNS.len() + 1)),
    ];
    for (name, caller) in ROWS {
        let mut row = vec![name.to_owned()];
        for ((_, calls), thing) in COLUMNS.iter().zip(&things) {
            row.push(cell(&mut cloud, caller, calls, thing));
        }
        table.push(format!("| {} |", row.join(" | ")));
    }
    let page = read("docs/principals.md");
    let section = page.split("\n## What each may do\n").nth(1);
    let section = section.unwrap().split("\n## ").next().unwrap();
    let found: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with('|'))
        .collect();
    let right = table.join("\n");
    assert!(
        found.join("\n") == right,
        "docs/principals.md, \"What each may do\": expected this table:\n{right}"
    );
}

#[test]
fn every_role_of_the_templates_is_in_the_table() {
    for stack in ["key", "service"] {
        let text = read(&format!("deploy/{stack}.yaml"));
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.windows(2) {
            if pair[1].trim() == "Type: AWS::IAM::Role" {
                let role = format!("{stack}.{}", pair[0].trim().trim_end_matches(':'));
                assert!(ROWS.iter().any(|(_, caller)| *caller == role), "{role}");
            }
        }
    }
}

#[test]
fn whoever_may_replace_the_functions_code_runs_none_that_was_not_signed() {
    let mut cloud = Cloud::with_stacks("staging");
    let function = "checkpoint-signer-rotation-staging";
    let signing = cloud.ask("code_signing", json!({}));
    let policies = &signing[0]["CodeSigningPolicies"];
    assert_eq!(policies["UntrustedArtifactOnDeployment"], "Enforce");
    for profile in [
        None,
        Some("arn:aws:signer:eu-central-1:123456789012:/signing-profiles/mine/AbCdEfGhIj"),
    ] {
        let version = cloud.put_code(profile);
        let update = json!({
            "name": function, "bucket": "code", "key": "checkpoint-signer/lambda.zip", "version": version,
        });
        let refused = cloud.try_ask("update_code", update).unwrap_err();
        assert!(refused.contains("CodeVerificationFailed"), "{refused}");
    }
    // Nor does the stack.
    let mut parameters = cloud.key_parameters("sandbox");
    parameters["CodeVersion"] = json!(cloud.put_code(None));
    assert!(cloud.fails_to_make("sandbox-key", "key", &parameters));
}

#[test]
fn secrets_manager_calls_a_published_version_and_only_for_this_secret() {
    let mut cloud = Cloud::staging();
    let name = "amply/staging/checkpoint-signing-key";
    let secret = cloud.ask(
        "secretsmanager.describe_secret",
        json!({ "SecretId": name }),
    );
    let called = secret["RotationLambdaARN"].as_str().unwrap();
    let (_, version) = called
        .rsplit_once(":checkpoint-signer-rotation-staging:")
        .unwrap();
    assert!(version.parse::<u32>().is_ok(), "{called}");
    let policy = json!({ "FunctionName": "checkpoint-signer-rotation-staging" });
    let policy = cloud.ask("lambda.get_policy", policy);
    let policy: Value = serde_json::from_str(policy["Policy"].as_str().unwrap()).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    assert_eq!(statements.len(), 1, "{policy}");
    assert_eq!(
        statements[0]["Principal"]["Service"],
        "secretsmanager.amazonaws.com"
    );
    let condition = statements[0]["Condition"].to_string();
    let arn = secret["ARN"].as_str().unwrap();
    assert!(
        condition.contains(arn) && condition.contains(ACCOUNT),
        "{condition}"
    );
}

#[test]
fn the_policy_for_the_organization_stops_everybody_but_the_deployment_role() {
    let mut cloud = Cloud::staging();
    let page = read("docs/principals.md");
    let policy = page.split("```json\n").nth(1).unwrap();
    let policy = policy.split("```").next().unwrap();
    let policy: Value = serde_json::from_str(policy).unwrap();
    // What such a policy may have at most (AWS, "Quotas for AWS Organizations"); spaces do not count where it is put by a file without them.
    assert!(
        policy.to_string().len() <= 5120,
        "{}",
        policy.to_string().len()
    );
    let everything = json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } });
    let role = format!("arn:aws:iam::{ACCOUNT}:role/checkpoint-signer-operator-prod-eu-central-1");
    let on_region =
        |service: &str, rest: &str| format!("arn:aws:{service}:eu-central-1:{ACCOUNT}:{rest}");
    let function = on_region("lambda", "function:checkpoint-signer-rotation-prod");
    let version = format!("{function}:3");
    let definition = on_region("ecs", "task-definition/checkpoint-signer-prod:3");
    let task = on_region("ecs", "task/checkpoint-signer-prod/0123");
    let service = on_region("ecs", "service/checkpoint-signer-prod/checkpoint-signer");
    let named = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/{name}");
    let (another, deployment, on_call) = (named("another"), named("DEPLOYMENT"), named("ON-CALL"));
    let stack = on_region("cloudformation", "stack/checkpoint-signer-key-prod/0123");
    let no_stack = on_region("cloudformation", "stack/web/0123");
    let no_function = on_region("lambda", "function:web");
    let no_task = on_region("ecs", "task-definition/web:1");
    for (caller, action, resource, expected) in [
        ("administrator", "iam:PassRole", &role, false),
        ("administrator", "iam:UpdateAssumeRolePolicy", &role, false),
        ("administrator", "iam:CreateRole", &role, false),
        ("administrator", "iam:PassRole", &another, true),
        ("administrator", "sts:AssumeRole", &role, false),
        ("administrator", "sts:AssumeRole", &another, true),
        ("ON-CALL", "sts:AssumeRole", &role, true),
        ("PIPELINE", "sts:AssumeRole", &role, true),
        ("administrator", "sts:AssumeRole", &deployment, false),
        (
            "administrator",
            "iam:UpdateAssumeRolePolicy",
            &deployment,
            false,
        ),
        (
            "DEPLOYMENT",
            "iam:UpdateAssumeRolePolicy",
            &deployment,
            false,
        ),
        ("administrator", "iam:PutRolePolicy", &on_call, false),
        ("DEPLOYMENT", "iam:UpdateAssumeRolePolicy", &on_call, false),
        ("TRUST", "iam:UpdateAssumeRolePolicy", &on_call, true),
        (
            "administrator",
            "lambda:UpdateFunctionConfiguration",
            &function,
            false,
        ),
        (
            "administrator",
            "lambda:DeleteFunctionCodeSigningConfig",
            &function,
            false,
        ),
        ("administrator", "lambda:InvokeFunction", &function, false),
        ("administrator", "lambda:InvokeFunction", &version, false),
        ("administrator", "lambda:AddPermission", &version, false),
        ("administrator", "lambda:GetFunction", &function, true),
        ("administrator", "lambda:InvokeFunction", &no_function, true),
        ("administrator", "ecs:RunTask", &definition, false),
        (
            "administrator",
            "ecs:RegisterTaskDefinition",
            &definition,
            false,
        ),
        ("administrator", "ecs:ExecuteCommand", &task, false),
        ("administrator", "ecs:UpdateService", &service, false),
        ("administrator", "ecs:DescribeServices", &service, true),
        ("administrator", "ecs:RunTask", &no_task, true),
        ("ON-CALL", "ecs:UpdateService", &service, true),
        ("ON-CALL", "ecs:RunTask", &definition, false),
        ("DEPLOYMENT", "ecs:RunTask", &definition, true),
        ("DEPLOYMENT", "iam:PassRole", &role, true),
        ("DEPLOYMENT", "lambda:UpdateFunctionCode", &function, true),
        ("administrator", "cloudformation:UpdateStack", &stack, false),
        ("ON-CALL", "cloudformation:ExecuteChangeSet", &stack, false),
        ("administrator", "cloudformation:DeleteStack", &stack, false),
        (
            "administrator",
            "cloudformation:DescribeStacks",
            &stack,
            true,
        ),
        (
            "administrator",
            "cloudformation:UpdateStack",
            &no_stack,
            true,
        ),
        ("DEPLOYMENT", "cloudformation:UpdateStack", &stack, true),
    ] {
        let context =
            json!({ "aws:PrincipalArn": format!("arn:aws:iam::{ACCOUNT}:role/{caller}") });
        let question = json!({
            "identity_policies": [everything, policy], "resource_policies": [],
            "action": action, "resource": resource, "context": context,
        });
        assert_eq!(cloud.ask("decide", question), expected, "{caller} {action}");
    }
}

#[test]
fn without_the_secrets_policy_the_kms_key_still_refuses_an_administrator() {
    let mut cloud = Cloud::with_stacks("prod");
    let secret = cloud.secret_arn("amply/prod/checkpoint-signing-key");
    cloud.ask(
        "secretsmanager.delete_resource_policy",
        json!({ "SecretId": secret }),
    );
    for (call, may) in [
        ("GetSecretValue", false),
        ("PutSecretValue", false),
        ("UpdateSecretVersionStage", true),
    ] {
        let found = cloud.may("administrator", &format!("secretsmanager:{call}"), &secret);
        assert_eq!(found, may, "{call}");
    }
    assert!(cloud.may("key.ServiceRole", "secretsmanager:GetSecretValue", &secret));
}

//! The stack of the key is made, fails, is made again, is changed in each parameter, is deleted, and is made beside what stayed.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::actors::first_key;
use crate::cloud::{Cloud, SIGNING_PROFILE};
use crate::program::{as_role, must};

const SECRET: &str = "amply/staging/checkpoint-signing-key";
const LOG: &str = "/aws/lambda/checkpoint-signer-rotation-staging";

fn prepared() -> Cloud {
    let mut cloud = Cloud::start();
    cloud.prepare();
    cloud
}

/// Everything that can be in the way of a next try: names of secrets, roles, functions, logs, aliases.
fn names(cloud: &mut Cloud) -> Vec<String> {
    let mut names = Vec::new();
    for (call, list, name) in [
        ("secretsmanager.list_secrets", "SecretList", "Name"),
        ("iam.list_roles", "Roles", "RoleName"),
        ("lambda.list_functions", "Functions", "FunctionName"),
        ("logs.describe_log_groups", "logGroups", "logGroupName"),
        ("kms.list_aliases", "Aliases", "AliasName"),
    ] {
        let found = cloud.ask(call, json!({}))[list].clone();
        let found = found.as_array().unwrap().iter();
        names.extend(found.map(|found| found[name].as_str().unwrap().to_owned()));
    }
    names.sort();
    names
}

#[test]
fn a_creation_that_fails_leaves_nothing_in_the_way_of_the_next_one() {
    let mut cloud = prepared();
    let before = names(&mut cloud);
    let mut wrong = cloud.key_parameters("staging");
    wrong["CodeBucket"] = json!("nowhere");
    assert!(cloud.fails_to_make("key", "key", &wrong));
    assert_eq!(names(&mut cloud), before);
    cloud.delete("key");
    let right = cloud.key_parameters("staging");
    cloud.make("key", &right);
}

#[test]
fn a_deleted_stack_leaves_the_secret_its_key_and_the_audit_log_and_is_made_again_beside_them() {
    let mut cloud = prepared();
    let parameters = cloud.key_parameters("staging");
    cloud.make("key", &parameters);
    let folder = tempfile::tempdir().unwrap();
    first_key(&cloud, &folder);
    let describe = json!({ "SecretId": SECRET });
    let secret = cloud.ask("secretsmanager.describe_secret", describe);
    let (arn, key) = (secret["ARN"].clone(), secret["KmsKeyId"].as_str().unwrap());
    let before = value(&mut cloud);
    cloud.delete("key");
    let left = names(&mut cloud);
    assert!(
        left.contains(&SECRET.into()) && left.contains(&LOG.into()),
        "{left:?}"
    );
    assert!(
        !left
            .iter()
            .any(|name| name.starts_with("checkpoint-signer-")),
        "{left:?}"
    );
    let arguments = json!({ "SecretId": SECRET });
    let policy = cloud.ask("secretsmanager.get_resource_policy", arguments);
    assert!(policy["ResourcePolicy"].as_str().unwrap().contains("Deny"));

    // As the first time, it would be in the way of itself.
    assert!(cloud.fails_to_make("key", "key", &parameters));
    cloud.delete("key");
    assert_eq!(
        value(&mut cloud),
        before,
        "what stayed is not touched by that"
    );
    let mut again = parameters.clone();
    let suffix = arn.as_str().unwrap().rsplit('-').next().unwrap();
    again["RetainedSecret"] = json!(suffix);
    again["RetainedKeyId"] = json!(key.rsplit('/').next().unwrap());
    cloud.make("key", &again);
    assert_eq!(cloud.output("key", "SecretArn").as_deref(), arn.as_str());
    assert_eq!(cloud.output("key", "SecretsKeyArn").as_deref(), Some(key));
    assert_eq!(value(&mut cloud), before);
    works(&mut cloud, &folder);
    // And once more.
    cloud.delete("key");
    cloud.make("key", &again);
    works(&mut cloud, &folder);
}

fn value(cloud: &mut Cloud) -> Value {
    let current = json!({ "SecretId": SECRET, "VersionStage": "AWSCURRENT" });
    cloud.ask("secretsmanager.get_secret_value", current)["SecretString"].clone()
}

/// The roles that were made again reach the secret that stayed, by its policy and by the key's.
fn works(cloud: &mut Cloud, folder: &TempDir) {
    let status = ["rollover", "status", "--environment", "staging"];
    let shown = must(&mut as_role(
        cloud,
        "key.OperatorRole",
        folder.path(),
        &status,
    ));
    assert!(shown.contains("key-1"), "{shown}");
    let arn = cloud.secret_arn(SECRET);
    for (caller, may) in [("key.ServiceRole", true), ("administrator", false)] {
        let found = cloud.may(caller, "secretsmanager:GetSecretValue", &arn);
        assert_eq!(found, may, "{caller}");
    }
}

#[test]
fn each_parameter_changes_what_it_says() {
    let mut cloud = prepared();
    let mut parameters = cloud.key_parameters("staging");
    cloud.make("key", &parameters);
    let arn = cloud.secret_arn(SECRET);
    let put = json!({ "SecretId": SECRET, "SecretString": "a key" });
    cloud.ask("secretsmanager.put_secret_value", put);
    let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    let second_profile = format!("{SIGNING_PROFILE}2");
    let boundary = "arn:aws:iam::123456789012:policy/boundary";
    let code = cloud.put_code(Some(&second_profile));
    let profiles = format!("{SIGNING_PROFILE},{second_profile}");
    let operators = [role("on-call"), role("second")].join(",");
    let changed = [
        ("OperatorPrincipals", operators.as_str()),
        ("FilesPrincipals", &role("network")),
        ("RecordPrincipals", &role("records")),
        ("PipelinePrincipals", &role("other-pipeline")),
        ("DeploymentRoles", &role("deploy")),
        ("PermissionsBoundary", boundary),
        ("SigningProfileVersions", &profiles),
        ("CodeVersion", &code),
        ("Architecture", "arm64"),
        ("Memory", "2048"),
        ("ReservedConcurrency", ""),
        ("Schedule", "cron(0 8 15 12 ? *)"),
        ("LogRetention", "731"),
    ];
    for (parameter, value) in changed {
        parameters[parameter] = json!(value);
        cloud.update("key", &parameters);
    }
    let stacks = json!({ "StackName": "key" });
    let stack = cloud.ask("cloudformation.describe_stacks", stacks)["Stacks"][0].clone();
    let all = stack["Parameters"].as_array().unwrap().iter();
    let all = all.map(|parameter| parameter["ParameterKey"].as_str().unwrap());
    let mut others: Vec<&str> = all
        .filter(|name| !changed.iter().any(|(changed, _)| changed == name))
        .collect();
    others.sort_unstable();
    let fixed = [
        "CodeBucket",
        "CodeKey",
        "Environment",
        "RetainedKeyId",
        "RetainedSecret",
    ];
    assert_eq!(others, fixed, "what a stack is, and what it is made beside");

    let function = json!({ "FunctionName": "checkpoint-signer-rotation-staging" });
    let function = cloud.ask("lambda.get_function", function)["Configuration"].clone();
    assert_eq!(function["Architectures"], json!(["arm64"]));
    assert_eq!(function["MemorySize"], 2048);
    let signing = cloud.ask("code_signing", json!({}));
    let profiles = &signing[0]["AllowedPublishers"]["SigningProfileVersionArns"];
    assert_eq!(profiles, &json!([SIGNING_PROFILE, second_profile]));
    let log = json!({ "logGroupNamePrefix": LOG });
    let log = cloud.ask("logs.describe_log_groups", log);
    assert_eq!(log["logGroups"][0]["retentionInDays"], 731);
    for name in [
        "service", "operator", "files", "record", "rotation", "pipeline",
    ] {
        let name = json!({ "RoleName": format!("checkpoint-signer-{name}-staging-eu-central-1") });
        let role = cloud.ask("iam.get_role", name)["Role"].clone();
        let found = &role["PermissionsBoundary"]["PermissionsBoundaryArn"];
        assert_eq!(found, boundary, "{role}");
    }
    let schedule = cloud.ask("schedule", json!({ "secret": arn }));
    let rules = &schedule["RotationRules"];
    assert_eq!(rules["ScheduleExpression"], "cron(0 8 15 12 ? *)");
    let administers = |cloud: &mut Cloud, caller: &str| {
        cloud.may(caller, "secretsmanager:PutResourcePolicy", &arn)
    };
    assert!(!administers(&mut cloud, "administrator"));
    let everything = json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }]);
    cloud.ask(
        "add_role",
        json!({ "name": "deploy", "statements": everything }),
    );
    assert!(administers(&mut cloud, "role:deploy"));
    let current = json!({ "SecretId": SECRET });
    let current = cloud.ask("secretsmanager.get_secret_value", current);
    assert_eq!(
        (&current["ARN"], &current["SecretString"]),
        (&json!(arn), &json!("a key"))
    );
}

#[test]
fn nobody_destroys_the_secret_at_once() {
    let mut cloud = Cloud::staging();
    let secret = cloud.secret_arn(SECRET);
    for (forced, may) in [("true", false), ("false", true)] {
        let question = json!({
            "caller": "administrator", "action": "secretsmanager:DeleteSecret", "resource": secret,
            "context": { "secretsmanager:ForceDeleteWithoutRecovery": forced },
        });
        assert_eq!(cloud.ask("may", question), may, "{forced}");
    }
}

/// Whether the one who deploys may put policies: that of the secret, that of the KMS key.
fn may_administrate(cloud: &mut Cloud, role: &str) -> [bool; 2] {
    let (secret, key) = (
        cloud.secret_arn(SECRET),
        cloud.output("key", "SecretsKeyArn"),
    );
    let caller = format!("role:{role}");
    [
        cloud.may(&caller, "secretsmanager:PutResourcePolicy", &secret),
        cloud.may(&caller, "kms:PutKeyPolicy", &key.unwrap()),
    ]
}

#[test]
fn the_deployment_role_is_changed_in_two_updates_neither_of_which_locks_out_who_makes_it() {
    let mut cloud = prepared();
    let anything = json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }]);
    for name in ["old", "new"] {
        let role = json!({ "name": name, "statements": anything });
        cloud.ask("add_role", role);
    }
    let arn = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    let (old, new, both) = (arn("old"), arn("new"), [arn("old"), arn("new")].join(","));
    let mut parameters = cloud.key_parameters("staging");
    parameters["DeploymentRoles"] = json!(old);
    cloud.make("key", &parameters);
    // Who makes an update puts policies in it, may have to put the old ones back, and KMS takes none that its maker could not change again.
    for (roles, by) in [(&both, "old"), (&new, "new")] {
        assert_eq!(
            may_administrate(&mut cloud, by),
            [true, true],
            "{by}: {roles}"
        );
        parameters["DeploymentRoles"] = json!(roles);
        cloud.update("key", &parameters);
        assert_eq!(
            may_administrate(&mut cloud, by),
            [true, true],
            "{by}: {roles}"
        );
    }
    assert_eq!(may_administrate(&mut cloud, "old"), [false, false]);
}

#[test]
fn what_was_retained_is_of_this_environment_by_its_name() {
    let template = crate::cloud::read("deploy/key.yaml");
    let retained = "secret:amply/${Environment}/checkpoint-signing-key-${RetainedSecret}\"";
    assert!(template.matches("${RetainedSecret}").count() > 1);
    assert_eq!(
        template.matches("${RetainedSecret}").count(),
        template.matches(retained).count(),
        "nothing else is made of it"
    );
    let parameter = template.split("\n  RetainedSecret:\n").nth(1).unwrap();
    let pattern = parameter
        .lines()
        .find(|line| line.contains("AllowedPattern"));
    assert_eq!(
        pattern.unwrap().trim(),
        "AllowedPattern: \"([A-Za-z0-9]{6})?\""
    );
}

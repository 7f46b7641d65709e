//! The stacks are made, updated and deleted, every resource of them; moto stands in for AWS, and `cloud/gaps.py` for what
//! moto's CloudFormation does not make.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::cloud::{Cloud, read, trail_parameters};

/// The resources that a template names, with their conditions.
pub fn named(stack: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let text = read(&format!("deploy/{stack}.yaml"));
    let resources = text.split("\nResources:\n").nth(1).unwrap();
    let resources = resources.split("\nOutputs:\n").next().unwrap();
    for line in resources.lines() {
        let name = line
            .strip_prefix("  ")
            .and_then(|line| line.strip_suffix(':'));
        if let Some(name) = name.filter(|name| name.chars().all(char::is_alphanumeric)) {
            names.insert(name.to_owned());
        }
    }
    names
}

pub fn made(cloud: &mut Cloud, stack: &str) -> BTreeSet<String> {
    let resources = cloud.resources(stack);
    resources.into_iter().map(|(name, _)| name).collect()
}

pub fn secrets(cloud: &mut Cloud) -> Vec<String> {
    let listed = cloud.ask("secretsmanager.list_secrets", json!({}));
    let listed = listed["SecretList"].as_array().unwrap().iter();
    let mut names: Vec<String> = listed.map(|s| s["Name"].as_str().unwrap().into()).collect();
    names.sort();
    names
}

#[test]
fn every_resource_of_the_templates_is_made() {
    let mut cloud = Cloud::staging();
    for stack in ["key", "service", "alarms", "trail"] {
        let mut named = named(stack);
        // In production alone, and where a pager is given.
        named.remove("KeyNotRead");
        named.remove("Pager");
        assert_eq!(made(&mut cloud, stack), named, "{stack}");
    }
}

#[test]
fn in_production_the_pipeline_has_no_role_even_when_it_is_asked_for() {
    let mut cloud = Cloud::prod();
    let mut expected = named("key");
    assert!(expected.remove("PipelineRole"));
    assert_eq!(made(&mut cloud, "key"), expected);
    assert_eq!(cloud.output("key", "PipelineRoleArn"), None);
}

#[test]
fn the_secret_is_made_empty_with_a_yearly_rotation_in_december() {
    let mut cloud = Cloud::prod();
    let name = "amply/prod/checkpoint-signing-key";
    let secret = cloud.ask(
        "secretsmanager.describe_secret",
        json!({ "SecretId": name }),
    );
    assert_eq!(secret["RotationEnabled"], true);
    let function = secret["RotationLambdaARN"].as_str().unwrap();
    assert!(
        function.contains(":checkpoint-signer-rotation-prod:"),
        "{function}"
    );
    assert!(
        secret["VersionIdsToStages"]
            .as_object()
            .is_none_or(|v| v.is_empty())
    );
    let schedule = cloud.ask("schedule", json!({ "secret": secret["ARN"] }));
    assert_eq!(
        schedule["RotationRules"]["ScheduleExpression"],
        "cron(0 8 1 12 ? *)"
    );
    assert_eq!(schedule["RotateImmediatelyOnUpdate"], false);
}

#[test]
fn the_task_is_the_image_by_its_digest_without_rights_over_its_machine() {
    let mut cloud = Cloud::staging();
    let task = json!({ "taskDefinition": "checkpoint-signer-staging" });
    let task = cloud.ask("ecs.describe_task_definition", task)["taskDefinition"].clone();
    assert_eq!(
        Some(task["taskRoleArn"].as_str().unwrap().to_owned()),
        cloud.output("key", "ServiceRoleArn")
    );
    assert_ne!(task["executionRoleArn"], task["taskRoleArn"]);
    let containers = task["containerDefinitions"].as_array().unwrap();
    let signer = containers.iter().find(|c| c["name"] == "signer").unwrap();
    let image = signer["image"].as_str().unwrap();
    assert!(image.contains("/checkpoint-signer@sha256:"), "{image}");
    assert_eq!(signer["user"], "65532:65532");
    assert_eq!(signer["readonlyRootFilesystem"], true);
    assert_eq!(
        signer["linuxParameters"]["capabilities"]["drop"],
        json!(["ALL"])
    );
    assert_eq!(signer["mountPoints"][0]["readOnly"], true);
    let injected: Vec<&Value> = signer["secrets"].as_array().unwrap().iter().collect();
    assert_eq!(
        injected.len(),
        1,
        "the database's address, and nothing else"
    );
    assert_eq!(injected[0]["name"], "CHECKPOINT_SIGNER_RECORD");
    // What writes the files is the same image, with no more rights.
    let files = containers.iter().find(|c| c["name"] == "files").unwrap();
    for same in ["image", "user", "readonlyRootFilesystem", "linuxParameters"] {
        assert_eq!(files[same], signer[same], "{same}");
    }
    assert_eq!(files["mountPoints"][0]["readOnly"], false);
}

#[test]
fn the_program_takes_every_variable_that_the_task_sets() {
    let help = |command: &str| {
        let output = crate::starter::binary().args([command, "--help"]).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let known = help("serve") + &help("health");
    let text = read("deploy/service.yaml");
    let set = text
        .split("Name: ")
        .filter_map(|rest| rest.split([',', ' ', '}', '\n']).next());
    let set: BTreeSet<&str> = set
        .filter(|name| name.starts_with("CHECKPOINT_SIGNER_"))
        .collect();
    assert!(set.len() >= 12, "{set:?}");
    for name in set {
        assert!(
            known.contains(name),
            "{name} is set by the template and not known"
        );
    }
}

#[test]
fn a_changed_parameter_changes_what_it_says_and_nothing_else() {
    let mut cloud = Cloud::with_stacks("staging");
    let alarm = |cloud: &mut Cloud| {
        let name = "checkpoint-signer-staging-unusual-access";
        let found = cloud.ask(
            "cloudwatch.describe_alarms",
            json!({ "AlarmNames": [name] }),
        );
        found["MetricAlarms"][0].clone()
    };
    let before = alarm(&mut cloud);
    assert_eq!(before["Threshold"], 1000.0);
    assert_eq!(before["Period"], 300);
    let mut parameters = trail_parameters("staging");
    parameters["UnusualCalls"] = json!("500");
    cloud.update("trail", &parameters);
    assert_eq!(alarm(&mut cloud)["Threshold"], 500.0);

    let secret = "amply/staging/checkpoint-signing-key";
    let arn = cloud.secret_arn(secret);
    let put = json!({ "SecretId": secret, "SecretString": "a key" });
    cloud.ask("secretsmanager.put_secret_value", put);
    let mut parameters = cloud.key_parameters("staging");
    parameters["Schedule"] = json!("cron(0 8 15 12 ? *)");
    cloud.update("key", &parameters);
    let schedule = cloud.ask("schedule", json!({ "secret": arn }));
    assert_eq!(
        schedule["RotationRules"]["ScheduleExpression"],
        "cron(0 8 15 12 ? *)"
    );
    let value = cloud.ask(
        "secretsmanager.get_secret_value",
        json!({ "SecretId": secret }),
    );
    assert_eq!(
        (&value["ARN"], &value["SecretString"]),
        (&json!(arn), &json!("a key"))
    );

    let mut parameters = json!({ "Replicas": "2" });
    let known = cloud.ask(
        "cloudformation.describe_stacks",
        json!({ "StackName": "service" }),
    );
    for known in known["Stacks"][0]["Parameters"].as_array().unwrap() {
        let key = known["ParameterKey"].as_str().unwrap();
        if parameters[key].is_null() {
            parameters[key] = known["ParameterValue"].clone();
        }
    }
    cloud.update("service", &parameters);
    let services =
        json!({ "cluster": "checkpoint-signer-staging", "services": ["checkpoint-signer"] });
    let services = cloud.ask("ecs.describe_services", services);
    assert_eq!(services["services"][0]["desiredCount"], 2);
}

/// Every parameter of the service, with another value than the one that it has, and where that shows.
fn changed(cloud: &mut Cloud) -> BTreeMap<String, Value> {
    let digest = format!("sha256:{}", "1".repeat(64));
    let parameters = cloud.service_parameters("staging");
    let group = json!({ "GroupName": "endpoints", "Description": "endpoints", "VpcId": parameters["VpcId"] });
    let group = cloud.ask("ec2.create_security_group", group)["GroupId"].clone();
    BTreeMap::from(
        [
            ("Repository", json!("another")),
            ("ImageDigest", json!(digest)),
            ("Architecture", json!("ARM64")),
            ("Cpu", json!("512")),
            ("Memory", json!("1024")),
            ("Replicas", json!("3")),
            ("PublicUrl", json!("https://other.example.org")),
            ("LogRetention", json!("731")),
            (
                "DeploymentRoles",
                json!("arn:aws:iam::123456789012:role/deployment"),
            ),
            (
                "PermissionsBoundary",
                json!("arn:aws:iam::123456789012:policy/boundary"),
            ),
            ("VpcId", parameters["VpcId"].clone()),
            ("SubnetIds", parameters["SubnetIds"].clone()),
            ("GrpcClients", json!("10.1.0.0/16")),
            ("HttpClients", json!("10.2.0.0/16")),
            ("DatabaseNetwork", json!("10.3.0.0/16")),
            ("AwsNetwork", json!("")),
            ("AwsPrefixList", json!("pl-0123456789")),
            ("EndpointsGroup", group),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

/// The parameters of a template.
fn parameters_of(stack: &str) -> BTreeSet<String> {
    let text = read(&format!("deploy/{stack}.yaml"));
    let parameters = text.split("\nParameters:\n").nth(1).unwrap();
    let parameters = parameters.split("\nRules:\n").next().unwrap().lines();
    let names = parameters.filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
    let names = names.filter(|name| name.chars().all(char::is_alphanumeric));
    names.map(str::to_owned).collect()
}

#[test]
fn each_parameter_of_the_service_can_be_changed_and_the_secrets_stay() {
    let mut cloud = Cloud::with_stacks("staging");
    let changed = changed(&mut cloud);
    // Of another environment there is another stack; what was retained is for one that is made again.
    let mut tried: BTreeSet<String> = changed.keys().cloned().collect();
    for other in [
        "Environment",
        "RetainedFilesSecret",
        "RetainedDatabaseSecret",
    ] {
        tried.insert(other.into());
    }
    assert_eq!(tried, parameters_of("service"));
    let arns = |cloud: &mut Cloud| {
        ["files", "database"]
            .map(|name| cloud.secret_arn(&format!("amply/staging/checkpoint-signer-{name}")))
    };
    let before = arns(&mut cloud);
    let mut parameters = cloud.service_parameters("staging");
    for (name, value) in changed {
        parameters[&name] = value;
        cloud.update("service", &parameters);
        assert_eq!(arns(&mut cloud), before, "{name}");
    }
    let task = json!({ "taskDefinition": "checkpoint-signer-staging" });
    let task = cloud.ask("ecs.describe_task_definition", task)["taskDefinition"].clone();
    assert_eq!(
        (&task["cpu"], &task["memory"]),
        (&json!("512"), &json!("1024"))
    );
    assert_eq!(task["runtimePlatform"]["cpuArchitecture"], "ARM64");
    let image = task["containerDefinitions"][0]["image"].as_str().unwrap();
    assert!(
        image.ends_with(&format!("/another@sha256:{}", "1".repeat(64))),
        "{image}"
    );
}

#[test]
fn the_secrets_of_a_stack_are_those_of_its_environment_by_their_names() {
    let mut cloud = Cloud::with_stacks("staging");
    let task = json!({ "taskDefinition": "checkpoint-signer-staging" });
    let task = cloud.ask("ecs.describe_task_definition", task)["taskDefinition"].to_string();
    let found = task.split("secret:amply/").skip(1);
    let found: BTreeSet<&str> = found.filter_map(|rest| rest.split('/').next()).collect();
    assert_eq!(found, BTreeSet::from(["staging"]));
    // The characters of another environment's secret make no ARN of it, and are six at most.
    let template = read("deploy/service.yaml");
    for line in template
        .lines()
        .filter(|line| line.contains("secret:amply/"))
    {
        assert!(
            line.contains("secret:amply/${Environment}/checkpoint-signer-"),
            "{line}"
        );
    }
    assert_eq!(
        template
            .matches("AllowedPattern: ([A-Za-z0-9]{6})?")
            .count(),
        2
    );
}

#[test]
fn the_files_and_the_databases_address_are_read_and_put_by_who_is_named_alone() {
    let mut cloud = Cloud::with_stacks("staging");
    let calls = [
        "GetSecretValue",
        "PutSecretValue",
        "UpdateSecret",
        "ReplicateSecretToRegions",
    ];
    let callers = [
        ("service.ExecutionRole", &["GetSecretValue"][..]),
        ("key.FilesRole", &["GetSecretValue", "PutSecretValue"]),
        ("key.ServiceRole", &[]),
        ("key.OperatorRole", &[]),
        ("key.RotationRole", &[]),
        ("key.PipelineRole", &[]),
        // Where no role is named that deploys, the settings, and not the value: for that, the KMS key lets nobody but those above encrypt.
        ("administrator", &["UpdateSecret"]),
    ];
    for name in ["files", "database"] {
        let arn = cloud.secret_arn(&format!("amply/staging/checkpoint-signer-{name}"));
        for (caller, expected) in callers {
            for call in calls {
                let may = cloud.may(caller, &format!("secretsmanager:{call}"), &arn);
                assert_eq!(may, expected.contains(&call), "{caller} {call} {name}");
            }
        }
    }
}

#[test]
fn deleted_stacks_leave_the_secrets_their_key_and_their_policy_behind_and_nothing_else() {
    let mut cloud = Cloud::with_stacks("staging");
    let all = [
        "amply/staging/checkpoint-record",
        "amply/staging/checkpoint-signer-database",
        "amply/staging/checkpoint-signer-files",
        "amply/staging/checkpoint-signing-key",
    ];
    assert_eq!(secrets(&mut cloud), all);
    for stack in ["trail", "alarms", "service", "key"] {
        cloud.delete(stack);
    }
    assert_eq!(secrets(&mut cloud), all);
    let secret = "amply/staging/checkpoint-signing-key";
    let kept = cloud.ask(
        "secretsmanager.describe_secret",
        json!({ "SecretId": secret }),
    );
    assert!(kept["DeletedDate"].is_null());
    let policy = cloud.ask(
        "secretsmanager.get_resource_policy",
        json!({ "SecretId": secret }),
    );
    assert!(policy["ResourcePolicy"].as_str().unwrap().contains("Deny"));
    let key = cloud.ask("kms.describe_key", json!({ "KeyId": kept["KmsKeyId"] }));
    assert_eq!(key["KeyMetadata"]["Enabled"], true);
    for (call, arguments, list) in [
        ("iam.list_roles", json!({}), "Roles"),
        ("lambda.list_functions", json!({}), "Functions"),
        ("cloudwatch.describe_alarms", json!({}), "MetricAlarms"),
        ("logs.describe_metric_filters", json!({}), "metricFilters"),
        ("sns.list_topics", json!({}), "Topics"),
        ("elbv2.describe_load_balancers", json!({}), "LoadBalancers"),
    ] {
        assert_eq!(cloud.ask(call, arguments)[list], json!([]), "{call}");
    }
}

//! A stack whose creation failed, and one that was deleted, is made again beside what was left.

use serde_json::json;

use crate::cloud::Cloud;
use crate::stacks::{made, named, secrets};

/// What Secrets Manager has added to the name of a secret.
fn suffix(cloud: &mut Cloud, name: &str) -> String {
    let arn = cloud.secret_arn(&format!("amply/staging/checkpoint-signer-{name}"));
    arn.rsplit('-').next().unwrap().to_owned()
}

#[test]
fn a_creation_that_fails_leaves_nothing_that_is_in_the_way_of_the_next_one() {
    let mut cloud = Cloud::start();
    cloud.prepare();
    let key = cloud.key_parameters("staging");
    cloud.make("key", &key);
    let parameters = cloud.service_parameters("staging");
    let before = secrets(&mut cloud);
    // What comes last but one is refused: a subnet that does not exist.
    let mut wrong = parameters.clone();
    wrong["SubnetIds"] = json!("subnet-0000000000,subnet-1111111111");
    assert!(cloud.fails_to_make("service", "service", &wrong));
    assert_eq!(secrets(&mut cloud), before);
    let groups = json!({ "logGroupNamePrefix": "/checkpoint-signer/" });
    let groups = cloud.ask("logs.describe_log_groups", groups);
    assert_eq!(groups["logGroups"], json!([]));
    cloud.delete("service");
    cloud.make("service", &parameters);
    assert_eq!(made(&mut cloud, "service"), named("service"));
}

#[test]
fn a_service_is_made_again_beside_what_the_deleted_one_left() {
    let mut cloud = Cloud::with_stacks("staging");
    let name = "amply/staging/checkpoint-signer-files";
    let put = json!({ "SecretId": name, "SecretString": "{}" });
    cloud.ask("secretsmanager.put_secret_value", put);
    let policy = json!({ "SecretId": name });
    let kept =
        cloud.ask("secretsmanager.get_resource_policy", policy.clone())["ResourcePolicy"].clone();
    let execution = cloud.output("service", "ExecutionRoleArn").unwrap();
    assert!(kept.as_str().unwrap().contains(&execution), "{kept}");
    cloud.delete("alarms");
    cloud.delete("service");
    let mut parameters = cloud.service_parameters("staging");
    // Without being told of what stayed, it would make that once more.
    assert!(cloud.fails_to_make("service", "service", &parameters));
    cloud.delete("service");
    parameters["RetainedFilesSecret"] = json!(suffix(&mut cloud, "files"));
    parameters["RetainedDatabaseSecret"] = json!(suffix(&mut cloud, "database"));
    cloud.make("service", &parameters);
    let mut expected = named("service");
    for kept in [
        "FilesSecret",
        "FilesSecretPolicy",
        "DatabaseSecret",
        "DatabaseSecretPolicy",
        "Log",
    ] {
        assert!(expected.remove(kept), "{kept}");
    }
    assert_eq!(made(&mut cloud, "service"), expected);
    assert_eq!(
        cloud.output("service", "FilesSecretArn"),
        Some(cloud.secret_arn(name))
    );
    let value = cloud.ask(
        "secretsmanager.get_secret_value",
        json!({ "SecretId": name }),
    );
    assert_eq!(value["SecretString"], "{}");
    // The role of the same name is the one that the policy names.
    assert_eq!(cloud.output("service", "ExecutionRoleArn"), Some(execution));
    let now = cloud.ask("secretsmanager.get_resource_policy", policy);
    assert_eq!(now["ResourcePolicy"], kept);
    let arn = cloud.secret_arn(name);
    assert!(cloud.may(
        "service.ExecutionRole",
        "secretsmanager:GetSecretValue",
        &arn
    ));
}

#[test]
fn the_tasks_reach_what_the_parameters_say_and_nothing_else() {
    let mut cloud = Cloud::start();
    cloud.prepare();
    let key = cloud.key_parameters("staging");
    cloud.make("key", &key);
    let mut parameters = cloud.service_parameters("staging");
    let egress = |cloud: &mut Cloud| {
        let group = cloud.output("service", "ServiceGroupId").unwrap();
        let found = cloud.ask(
            "ec2.describe_security_groups",
            json!({ "GroupIds": [group] }),
        );
        let rules = found["SecurityGroups"][0]["IpPermissionsEgress"].clone();
        let rules = rules.as_array().unwrap().iter();
        let mut told: Vec<String> = rules
            .map(|rule| {
                let ranges = rule["IpRanges"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|r| &r["CidrIp"]);
                let lists = rule["PrefixListIds"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|l| &l["PrefixListId"]);
                let groups = rule["UserIdGroupPairs"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|g| &g["GroupId"]);
                let to: Vec<_> = ranges
                    .chain(lists)
                    .chain(groups)
                    .map(ToString::to_string)
                    .collect();
                format!("{} {}", rule["FromPort"], to.join(" "))
            })
            .collect();
        told.sort();
        told
    };
    cloud.make("service", &parameters);
    assert_eq!(
        egress(&mut cloud),
        ["443 \"0.0.0.0/0\"", "5432 \"10.0.0.0/16\""]
    );
    cloud.delete("service");
    let endpoints = json!({ "GroupName": "endpoints", "Description": "endpoints", "VpcId": parameters["VpcId"] });
    let endpoints = cloud.ask("ec2.create_security_group", endpoints)["GroupId"].clone();
    parameters["AwsNetwork"] = json!("");
    parameters["AwsPrefixList"] = json!("pl-0123456789");
    parameters["EndpointsGroup"] = endpoints.clone();
    for (name, secret) in [
        ("RetainedFilesSecret", "files"),
        ("RetainedDatabaseSecret", "database"),
    ] {
        parameters[name] = json!(suffix(&mut cloud, secret));
    }
    cloud.make("service", &parameters);
    let told = egress(&mut cloud).join("\n");
    assert!(!told.contains("0.0.0.0/0"), "{told}");
    for expected in ["pl-0123456789", endpoints.as_str().unwrap(), "5432"] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

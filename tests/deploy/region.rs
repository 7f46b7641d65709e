//! A second region of the same account, beside the first: what is made when that one is lost.

use serde_json::{Value, json};

use crate::cloud::{Cloud, REGION, alarm_parameters, trail_parameters};

const SECOND: &str = "eu-west-1";
const SECRET: &str = "amply/prod/checkpoint-signing-key";

/// The account, with the stacks of production in its first region, and calls that go to the second.
fn beside_the_first() -> Cloud {
    let mut cloud = Cloud::with_stacks("prod");
    cloud.region = SECOND.into();
    cloud.prepare();
    cloud
}

fn make_all(cloud: &mut Cloud) {
    let key = cloud.key_parameters("prod");
    cloud.make("key", &key);
    let service = cloud.service_parameters("prod");
    cloud.make("service", &service);
    cloud.make("alarms", &alarm_parameters("prod"));
    cloud.make("trail", &trail_parameters("prod"));
}

/// Which of its callers reads which of both keys.
fn readers(cloud: &mut Cloud, secrets: &[String; 2]) -> Vec<[bool; 2]> {
    let roles = ["ServiceRole", "OperatorRole", "RotationRole"];
    let callers = roles.map(|role| [format!("key.{role}"), format!("key.{role}@{SECOND}")]);
    let callers = callers.as_flattened().iter();
    let may = callers.map(|caller| {
        secrets
            .each_ref()
            .map(|secret| cloud.may(caller, "secretsmanager:GetSecretValue", secret))
    });
    may.collect()
}

fn secrets(cloud: &mut Cloud) -> [String; 2] {
    [REGION, SECOND].map(|region| {
        cloud.region = region.into();
        cloud.secret_arn(SECRET)
    })
}

#[test]
fn the_stacks_are_made_beside_those_of_another_region_and_no_role_reaches_the_others_key() {
    let mut cloud = beside_the_first();
    make_all(&mut cloud);
    let secrets = secrets(&mut cloud);
    assert!(secrets[1].contains(SECOND), "{secrets:?}");
    let own = [[true, false], [false, true]];
    assert_eq!(readers(&mut cloud, &secrets), [own, own, own].concat());
    let names = cloud.ask("iam.list_roles", json!({}))["Roles"].clone();
    let names = names.as_array().unwrap().iter();
    let names: Vec<&str> = names
        .map(|role| role["RoleName"].as_str().unwrap())
        .collect();
    for region in [REGION, SECOND] {
        let of_it = names.iter().filter(|name| name.ends_with(region)).count();
        assert_eq!(of_it * 2, names.len(), "{names:?}");
    }
}

#[test]
fn what_is_left_of_the_first_region_can_be_deleted_and_the_second_one_stays_as_it_is() {
    let mut cloud = beside_the_first();
    make_all(&mut cloud);
    let secrets = secrets(&mut cloud);
    cloud.region = REGION.into();
    for stack in ["trail", "alarms", "service", "key"] {
        cloud.delete(stack);
    }
    cloud.region = SECOND.into();
    for stack in ["trail", "alarms", "service", "key"] {
        assert_eq!(cloud.status(stack), "CREATE_COMPLETE", "{stack}");
    }
    for (role, may) in [("ServiceRole", true), ("RecordRole", false)] {
        let caller = format!("key.{role}@{SECOND}");
        let found = cloud.may(&caller, "secretsmanager:GetSecretValue", &secrets[1]);
        assert_eq!(found, may, "{role}");
    }
    let roles: Value = cloud.ask("iam.list_roles", json!({}));
    assert!(!roles.to_string().contains(REGION), "{roles}");
}

#[test]
fn no_role_lacks_its_region_in_its_name() {
    // The longest names that there can be fit: those of the longest environment and region (AWS, "IAM and AWS STS quotas": 64).
    for stack in ["key", "service"] {
        let template = crate::cloud::read(&format!("deploy/{stack}.yaml"));
        let names = template
            .lines()
            .filter_map(|line| line.trim().strip_prefix("RoleName: !Sub "));
        for name in names {
            assert!(name.ends_with("-${Environment}-${AWS::Region}"), "{name}");
            let longest = name.replace("${Environment}", "staging");
            let longest = longest.replace("${AWS::Region}", "ap-southeast-99");
            assert!(longest.len() <= 64, "{longest}");
        }
    }
}

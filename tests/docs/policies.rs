//! Policies that somebody changed, or that are from before; and that they are as they should be.

use serde_json::json;

use crate::installation::{Installation, SECRET};

const OPERATOR: &str = "checkpoint-signer-operator-prod-eu-central-1";

/// Changes who may come to the key, in each of the ways; gives what was before, and the KMS key.
pub fn opens_everything(installation: &mut Installation) -> [String; 4] {
    let cloud = &mut installation.cloud;
    let key = cloud.output("key", "SecretsKeyArn").unwrap();
    let before = policies(cloud, &key);
    let eve = json!({ "Version": "2012-10-17", "Statement": [{
        "Sid": "Who", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::123456789012:user/eve" }, "Action": "*", "Resource": "*",
    }] });
    let eve = eve.to_string();
    let own = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }] });
    let policy = json!({ "SecretId": SECRET, "ResourcePolicy": eve });
    cloud.ask("secretsmanager.put_resource_policy", policy);
    let mut more: serde_json::Value = serde_json::from_str(&before[1]).unwrap();
    let statement: serde_json::Value = serde_json::from_str(&eve).unwrap();
    let statements = more["Statement"].as_array_mut().unwrap();
    statements.push(statement["Statement"][0].clone());
    let policy = json!({ "KeyId": key, "PolicyName": "default", "Policy": more.to_string() });
    cloud.ask("kms.put_key_policy", policy);
    let trusted = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::123456789012:user/eve" }, "Action": "sts:AssumeRole",
    }] });
    let trust = json!({ "RoleName": OPERATOR, "PolicyDocument": trusted.to_string() });
    cloud.ask("iam.update_assume_role_policy", trust);
    let inline =
        json!({ "RoleName": OPERATOR, "PolicyName": "mine", "PolicyDocument": own.to_string() });
    cloud.ask("iam.put_role_policy", inline);
    let policy = json!({ "PolicyName": "AdministratorAccess", "PolicyDocument": own.to_string() });
    let managed = cloud.ask("iam.create_policy", policy)["Policy"]["Arn"].clone();
    let attached = json!({ "RoleName": OPERATOR, "PolicyArn": managed });
    cloud.ask("iam.attach_role_policy", attached);
    let grant = json!({
        "KeyId": key, "GranteePrincipal": "arn:aws:iam::123456789012:user/eve", "Operations": ["Decrypt"],
    });
    cloud.ask("kms.create_grant", grant);
    assert_ne!(policies(cloud, &key), before);
    let [secret, of_key, trust] = before;
    [secret, of_key, trust, key]
}

/// All of it is as it was.
pub fn finds_all_closed(installation: &mut Installation, before: &[String; 4]) {
    let cloud = &mut installation.cloud;
    let [secret, of_key, trust, key] = before;
    let found = policies(cloud, key);
    assert_eq!(found.each_ref(), [secret, of_key, trust]);
    let of_role = json!({ "RoleName": OPERATOR });
    let inline = cloud.ask("iam.list_role_policies", of_role.clone())["PolicyNames"].to_string();
    assert!(!inline.contains("mine") && inline.len() > 2, "{inline}");
    let attached = cloud.ask("iam.list_attached_role_policies", of_role);
    assert_eq!(attached["AttachedPolicies"], json!([]));
    let grants = cloud.ask("kms.list_grants", json!({ "KeyId": key }));
    assert_eq!(grants["Grants"], json!([]));
}

/// The policies of the secret and of the KMS key, and whom the operator's role trusts.
fn policies(cloud: &mut crate::cloud::Cloud, key: &str) -> [String; 3] {
    let secret = json!({ "SecretId": SECRET });
    let secret = cloud.ask("secretsmanager.get_resource_policy", secret)["ResourcePolicy"].clone();
    let asked = json!({ "KeyId": key, "PolicyName": "default" });
    let of_key = cloud.ask("kms.get_key_policy", asked)["Policy"].clone();
    let role = cloud.ask("iam.get_role", json!({ "RoleName": OPERATOR }))["Role"].clone();
    // As values, whatever the order of their members.
    let sorted = |policy: &serde_json::Value| {
        let text = policy.as_str();
        text.map_or(policy.clone(), |text| serde_json::from_str(text).unwrap())
            .to_string()
    };
    [
        sorted(&secret),
        sorted(&of_key),
        sorted(&role["AssumeRolePolicyDocument"]),
    ]
}

/// Lets the policies of the secret and of the KMS key name the roles without their region; gives what they were.
pub fn names_roles_as_before(installation: &mut Installation) -> [String; 3] {
    let cloud = &mut installation.cloud;
    let key = cloud.output("key", "SecretsKeyArn").unwrap();
    let new = policies(cloud, &key);
    let [secret, of_key] = [0, 1].map(|place: usize| {
        let old = new[place].replace("-prod-eu-central-1\"", "-prod\"");
        assert_ne!(old, new[place]);
        old
    });
    let policy = json!({ "SecretId": SECRET, "ResourcePolicy": secret });
    cloud.ask("secretsmanager.put_resource_policy", policy);
    let policy = json!({ "KeyId": key, "PolicyName": "default", "Policy": of_key });
    cloud.ask("kms.put_key_policy", policy);
    new
}

pub fn finds_policies(installation: &mut Installation, expected: &[String; 3]) {
    let cloud = &mut installation.cloud;
    let key = cloud.output("key", "SecretsKeyArn").unwrap();
    assert_eq!(&policies(cloud, &key), expected);
}

//! What a thief of the key does, as CloudTrail writes it (AWS: "CloudTrail record contents", "Examples of AWS KMS log entries", "AWS
//! CloudTrail entries for Secrets Manager", "Logging Lambda API calls"), against the filters of `deploy/trail.yaml`.

use serde_json::{Value, json};

use crate::alarms::fitting;
use crate::cloud::Cloud;

pub(crate) const KEY: &str = "amply/prod/checkpoint-signing-key";
pub(crate) const FILES: &str = "amply/prod/checkpoint-signer-files";
const RECORD: &str = "amply/prod/checkpoint-record";

/// The session of a role, as every event names it.
pub(crate) fn session_of(role: &str) -> Value {
    let name = role.rsplit('/').next().unwrap();
    json!({
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLE:somebody",
        "arn": format!("arn:aws:sts::123456789012:assumed-role/{name}/somebody"),
        "accountId": "123456789012",
        "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROAEXAMPLE",
                "arn": role,
                "accountId": "123456789012",
                "userName": name,
            },
            "attributes": { "creationDate": "2026-12-01T07:59:00Z", "mfaAuthenticated": "false" },
        },
    })
}

pub(crate) const THIEF: &str = "arn:aws:iam::123456789012:role/administrator";

/// An event that went well, by an administrator.
pub(crate) fn event(service: &str, name: &str, parameters: Value) -> Value {
    let looks = ["Get", "Describe", "List", "Decrypt", "GenerateDataKey"];
    json!({
        "eventVersion": "1.11",
        "userIdentity": session_of(THIEF),
        "eventTime": "2026-12-01T08:00:00Z",
        "eventSource": format!("{service}.amazonaws.com"),
        "eventName": name,
        "awsRegion": if service == "iam" { "us-east-1" } else { "eu-central-1" },
        "sourceIPAddress": "192.0.2.7",
        "userAgent": "aws-cli/2.31.0",
        "requestParameters": parameters,
        "responseElements": null,
        "requestID": "22345126-30d5-4b28-98b9-9153da559963",
        "eventID": "abcde202-ba1a-467c-b4ba-f729d45ae521",
        "readOnly": looks.iter().any(|look| name.starts_with(look)),
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "123456789012",
        "eventCategory": "Management",
    })
}

/// A call on a secret.
pub(crate) fn secret(name: &str, secret: &str) -> Value {
    event("secretsmanager", name, json!({ "secretId": secret }))
}

/// A call on a KMS key, which is named as the caller likes, and in `resources` by its ARN.
pub(crate) fn kms(name: &str, key: &str) -> Value {
    let id = key.rsplit('/').next().unwrap();
    let mut event = event("kms", name, json!({ "keyId": id }));
    event["resources"] =
        json!([{ "accountId": "123456789012", "type": "AWS::KMS::Key", "ARN": key }]);
    event
}

pub(crate) fn with(mut event: Value, pointer: &str, value: Value) -> Value {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(parent).unwrap()[member] = value;
    event
}

/// A call that was refused: CloudTrail leaves the parameters out, and the message alone names what was asked for.
pub(crate) fn denied(event: Value, code: &str, message: String) -> Value {
    let event = with(event, "/errorCode", json!(code));
    let event = with(event, "/errorMessage", json!(message));
    with(event, "/requestParameters", Value::Null)
}

pub(crate) fn expect(cloud: &mut Cloud, cases: &[(Value, &[&str])]) {
    for (event, expected) in cases {
        assert_eq!(fitting(cloud, "trail", event), *expected, "{event}");
    }
}

#[test]
fn reads_of_this_secret_are_counted_by_name_and_by_arn_and_no_others() {
    let mut cloud = Cloud::prod();
    let arn = cloud.secret_arn(KEY);
    let service = session_of(&cloud.output("key", "ServiceRoleArn").unwrap());
    let read = |name: &str, of: &str| with(secret(name, of), "/userIdentity", service.clone());
    expect(
        &mut cloud,
        &[
            (read("GetSecretValue", KEY), &["GetSecretValueCount"]),
            (read("GetSecretValue", &arn), &["GetSecretValueCount"]),
            (
                read("GetSecretValue", "amply/staging/checkpoint-signing-key"),
                &[],
            ),
            (read("GetSecretValue", "amply/database-url"), &[]),
            (read("DescribeSecret", &arn), &[]),
        ],
    );
}

#[test]
fn a_single_read_by_anybody_but_the_service_is_told() {
    let mut cloud = Cloud::prod();
    let by = |identity: Value| with(secret("GetSecretValue", KEY), "/userIdentity", identity);
    let others = ["OperatorRoleArn", "RotationRoleArn"]
        .map(|role| session_of(&cloud.output("key", role).unwrap()));
    let user = json!({ "type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/eve", "userName": "eve" });
    let root = json!({ "type": "Root", "arn": "arn:aws:iam::123456789012:root", "accountId": "123456789012" });
    for identity in [
        others[0].clone(),
        others[1].clone(),
        user,
        root,
        session_of(THIEF),
    ] {
        expect(
            &mut cloud,
            &[(by(identity), &["GetSecretValueCount", "ReadsByOthers"])],
        );
    }
}

#[test]
fn the_files_and_the_addresses_are_read_by_their_own_roles_or_it_is_told() {
    let mut cloud = Cloud::prod();
    let execution = cloud.output("service", "ExecutionRoleArn").unwrap();
    let [files, record, operator] = ["FilesRoleArn", "RecordRoleArn", "OperatorRoleArn"]
        .map(|role| cloud.output("key", role).unwrap());
    let told: &[&str] = &["SecretReadsByOthers"];
    let user = json!({ "type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/eve", "userName": "eve" });
    for name in ["signer-files", "signer-database", "record"] {
        let arn = cloud.secret_arn(&format!("amply/prod/checkpoint-{name}"));
        let own = match name {
            "record" => vec![&record],
            _ => vec![&execution, &files],
        };
        for role in [&execution, &files, &record, &operator] {
            let read = with(
                secret("GetSecretValue", &arn),
                "/userIdentity",
                session_of(role),
            );
            let expected = if own.contains(&role) { &[] } else { told };
            expect(&mut cloud, &[(read, expected)]);
        }
        let by_user = with(
            secret("GetSecretValue", &format!("amply/prod/checkpoint-{name}")),
            "/userIdentity",
            user.clone(),
        );
        let refused = with(by_user.clone(), "/errorCode", json!("AccessDenied"));
        let elsewhere = with(
            by_user.clone(),
            "/requestParameters/secretId",
            json!(arn.replace("/prod/", "/staging/")),
        );
        expect(
            &mut cloud,
            &[
                (by_user, told),
                (refused, &["AccessDenied"]),
                (elsewhere, &[]),
            ],
        );
    }
}

#[test]
fn whoever_is_refused_at_this_secret_rings_the_alarm() {
    let mut cloud = Cloud::prod();
    let arn = cloud.secret_arn(KEY);
    let refused = |name: &str, code: &str, arn: &str| {
        let message = format!(
            "User: arn:aws:sts::123456789012:assumed-role/administrator/somebody is not authorized to perform: secretsmanager:{name} \
             on resource: {arn} because no identity-based policy allows the secretsmanager:{name} action"
        );
        denied(secret(name, arn), code, message)
    };
    let files = arn.replace("signing-key", "signer-files");
    let staging = arn.replace("/prod/", "/staging/");
    expect(
        &mut cloud,
        &[
            (
                refused("GetSecretValue", "AccessDenied", &arn),
                &["AccessDenied"],
            ),
            (
                refused("DescribeSecret", "AccessDeniedException", &arn),
                &["AccessDenied"],
            ),
            // A change that was refused is no change.
            (
                refused("PutResourcePolicy", "AccessDenied", &arn),
                &["AccessDenied"],
            ),
            (
                refused("GetSecretValue", "AccessDenied", &files),
                &["AccessDenied"],
            ),
            (refused("PutSecretValue", "AccessDenied", &staging), &[]),
            (
                refused("PutSecretValue", "ResourceNotFoundException", &arn),
                &[],
            ),
            // Where the parameters are there, they are enough.
            (
                with(
                    secret("PutSecretValue", &arn),
                    "/errorCode",
                    json!("AccessDenied"),
                ),
                &["AccessDenied"],
            ),
        ],
    );
}

#[test]
fn whoever_is_refused_at_the_kms_key_rings_the_alarm_also_where_kms_names_no_key() {
    let mut cloud = Cloud::prod();
    let key = cloud.output("key", "SecretsKeyArn").unwrap();
    let other = key.replace("key/", "key/0");
    let secret = cloud.secret_arn(KEY);
    let named = |name: &str, key: &str| {
        let message = format!(
            "User: arn:aws:sts::123456789012:assumed-role/administrator/somebody is not authorized to perform: kms:{name} on resource: \
             {key} because no resource-based policy allows the kms:{name} action"
        );
        denied(event("kms", name, Value::Null), "AccessDenied", message)
    };
    let nameless = "User: arn:aws:sts::123456789012:assumed-role/administrator/somebody is not authorized to perform: kms:Decrypt on \
         the resource associated with this ciphertext because the resource does not exist in this Region, no resource-based \
         policies allow access, or a resource-based policy explicitly denies access";
    let nameless = denied(
        event("kms", "Decrypt", Value::Null),
        "AccessDenied",
        nameless.into(),
    );
    let by_secrets_manager = |event: &Value| {
        let event = with(
            event.clone(),
            "/userIdentity/invokedBy",
            json!("secretsmanager.amazonaws.com"),
        );
        with(
            event,
            "/sourceIPAddress",
            json!("secretsmanager.amazonaws.com"),
        )
    };
    let context = |arn: &str| {
        let parameters = json!({ "encryptionAlgorithm": "SYMMETRIC_DEFAULT", "encryptionContext": { "SecretARN": arn } });
        with(
            by_secrets_manager(&nameless),
            "/requestParameters",
            parameters,
        )
    };
    expect(
        &mut cloud,
        &[
            (named("Decrypt", &key), &["AccessDenied"]),
            (named("PutKeyPolicy", &key), &["AccessDenied"]),
            (named("Decrypt", &other), &[]),
            (
                with(kms("Decrypt", &key), "/errorCode", json!("AccessDenied")),
                &["AccessDenied"],
            ),
            (by_secrets_manager(&nameless), &["AccessDenied"]),
            (context(&secret), &["AccessDenied"]),
            (
                context(&secret.replace("amply/prod/checkpoint-signing-key", "payroll")),
                &[],
            ),
            // Of somebody else's data, for all that is known.
            (nameless.clone(), &[]),
        ],
    );
}

#[test]
fn changes_of_the_secrets_are_told_by_what_they_are() {
    let mut cloud = Cloud::prod();
    let arn = cloud.secret_arn(KEY);
    expect(
        &mut cloud,
        &[
            (secret("PutSecretValue", KEY), &["SecretWrites"]),
            (secret("UpdateSecret", &arn), &["SecretWrites"]),
            (secret("UpdateSecretVersionStage", &arn), &["SecretWrites"]),
            // Roles and certificates: who writes them makes himself an operator.
            (secret("PutSecretValue", FILES), &["SecretWrites"]),
            (secret("PutSecretValue", RECORD), &["SecretWrites"]),
            (secret("PutResourcePolicy", RECORD), &["AccessChanges"]),
            (secret("DeleteSecret", RECORD), &["KeyDeletions"]),
            (secret("PutResourcePolicy", &arn), &["AccessChanges"]),
            (secret("DeleteResourcePolicy", KEY), &["AccessChanges"]),
            (secret("ReplicateSecretToRegions", KEY), &["AccessChanges"]),
            (secret("RotateSecret", KEY), &["AccessChanges"]),
            (secret("CancelRotateSecret", KEY), &["AccessChanges"]),
            (secret("DeleteSecret", &arn), &["KeyDeletions"]),
            (secret("DeleteSecret", FILES), &["KeyDeletions"]),
            (secret("GetResourcePolicy", &arn), &[]),
            (secret("ListSecretVersionIds", &arn), &[]),
            (
                secret("PutSecretValue", "amply/staging/checkpoint-signing-key"),
                &[],
            ),
            (secret("DeleteSecret", "amply/prod/payroll"), &[]),
        ],
    );
}

#[test]
fn changes_of_the_kms_key_are_told_and_its_uses_are_not() {
    let mut cloud = Cloud::prod();
    let key = cloud.output("key", "SecretsKeyArn").unwrap();
    let other = key.replace("key/", "key/0");
    let yearly = with(
        kms("RotateKey", &key),
        "/eventType",
        json!("AwsServiceEvent"),
    );
    expect(
        &mut cloud,
        &[
            (kms("PutKeyPolicy", &key), &["AccessChanges"]),
            (kms("CreateGrant", &key), &["AccessChanges"]),
            (kms("DisableKeyRotation", &key), &["AccessChanges"]),
            (kms("EnableKey", &key), &["AccessChanges"]),
            (kms("DisableKey", &key), &["KeyDeletions"]),
            (kms("ScheduleKeyDeletion", &key), &["KeyDeletions"]),
            (kms("PutKeyPolicy", &other), &[]),
            (kms("ScheduleKeyDeletion", &other), &[]),
            (kms("Decrypt", &key), &[]),
            (kms("GenerateDataKey", &key), &[]),
            (kms("GetKeyPolicy", &key), &[]),
            (yearly, &[]),
        ],
    );
}

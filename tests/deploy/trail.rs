//! What a thief of the key does, as CloudTrail writes it (AWS: "CloudTrail record contents", "Examples of AWS KMS log entries", "AWS
//! CloudTrail entries for Secrets Manager", "Logging Lambda API calls"), against the filters of `deploy/trail.yaml`.

use serde_json::{Value, json};

use crate::alarms::fitting;
use crate::cloud::Cloud;

const KEY: &str = "amply/prod/checkpoint-signing-key";
const FILES: &str = "amply/prod/checkpoint-signer-files";

/// The session of a role, as every event names it.
fn session_of(role: &str) -> Value {
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

const THIEF: &str = "arn:aws:iam::123456789012:role/administrator";

/// An event that went well, by an administrator.
fn event(service: &str, name: &str, parameters: Value) -> Value {
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
fn secret(name: &str, secret: &str) -> Value {
    event("secretsmanager", name, json!({ "secretId": secret }))
}

/// A call on a KMS key, which is named as the caller likes, and in `resources` by its ARN.
fn kms(name: &str, key: &str) -> Value {
    let id = key.rsplit('/').next().unwrap();
    let mut event = event("kms", name, json!({ "keyId": id }));
    event["resources"] =
        json!([{ "accountId": "123456789012", "type": "AWS::KMS::Key", "ARN": key }]);
    event
}

fn with(mut event: Value, pointer: &str, value: Value) -> Value {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(parent).unwrap()[member] = value;
    event
}

/// A call that was refused: CloudTrail leaves the parameters out, and the message alone names what was asked for.
fn denied(event: Value, code: &str, message: String) -> Value {
    let event = with(event, "/errorCode", json!(code));
    let event = with(event, "/errorMessage", json!(message));
    with(event, "/requestParameters", Value::Null)
}

fn expect(cloud: &mut Cloud, cases: &[(Value, &[&str])]) {
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

#[test]
fn other_code_for_the_rotation_role_is_told() {
    let mut cloud = Cloud::prod();
    let role = cloud.output("key", "RotationRoleArn").unwrap();
    let function =
        |name: &str, function: &str| event("lambda", name, json!({ "functionName": function }));
    let ours = "checkpoint-signer-rotation-prod";
    let arn = format!("arn:aws:lambda:eu-central-1:123456789012:function:{ours}");
    let with_role = |role: &str| {
        let parameters = json!({ "functionName": "innocent", "runtime": "python3.13", "role": role, "handler": "index.handler" });
        event("lambda", "CreateFunction20150331", parameters)
    };
    expect(
        &mut cloud,
        &[
            (
                function("UpdateFunctionCode20150331v2", ours),
                &["FunctionChanges"],
            ),
            (
                function("UpdateFunctionConfiguration20150331v2", &arn),
                &["FunctionChanges"],
            ),
            (
                function("AddPermission20150331v2", ours),
                &["FunctionChanges"],
            ),
            (
                function("CreateFunctionUrlConfig20211031", ours),
                &["FunctionChanges"],
            ),
            (
                function("DeleteFunctionCodeSigningConfig", ours),
                &["FunctionChanges"],
            ),
            (
                event(
                    "lambda",
                    "UpdateCodeSigningConfig20200422",
                    json!({ "codeSigningConfigArn": "arn:aws:lambda:..." }),
                ),
                &["FunctionChanges"],
            ),
            (with_role(&role), &["FunctionChanges"]),
            (with_role("arn:aws:iam::123456789012:role/own"), &[]),
            (function("GetFunction20150331v2", ours), &[]),
            (
                function(
                    "UpdateFunctionCode20150331v2",
                    "checkpoint-signer-rotation-staging",
                ),
                &[],
            ),
            (
                with(
                    function("UpdateFunctionCode20150331v2", ours),
                    "/errorCode",
                    json!("AccessDenied"),
                ),
                &[],
            ),
        ],
    );
}

#[test]
fn other_code_for_the_services_role_is_told() {
    let mut cloud = Cloud::prod();
    let role = cloud.output("key", "ServiceRoleArn").unwrap();
    let name = role.rsplit('/').next().unwrap();
    let cluster = "arn:aws:ecs:eu-central-1:123456789012:cluster/checkpoint-signer-prod";
    let ecs = |name: &str, parameters: Value| event("ecs", name, parameters);
    let one_off = json!({ "cluster": cluster, "taskDefinition": "checkpoint-signer-prod:3", "launchType": "FARGATE" });
    let overridden = with(
        ecs("RunTask", one_off.clone()),
        "/requestParameters/overrides",
        json!({ "taskRoleArn": role }),
    );
    let update = |cluster: &str| {
        ecs(
            "UpdateService",
            json!({ "cluster": cluster, "service": "checkpoint-signer", "taskDefinition": "other" }),
        )
    };
    expect(
        &mut cloud,
        &[
            (
                ecs(
                    "RegisterTaskDefinition",
                    json!({ "family": "innocent", "taskRoleArn": role }),
                ),
                &["TaskChanges"],
            ),
            (
                ecs(
                    "RegisterTaskDefinition",
                    json!({ "family": "innocent", "taskRoleArn": name }),
                ),
                &["TaskChanges"],
            ),
            (overridden, &["TaskChanges"]),
            (update(cluster), &["TaskChanges"]),
            (update("checkpoint-signer-prod"), &["TaskChanges"]),
            (
                ecs(
                    "ExecuteCommand",
                    json!({ "cluster": cluster, "task": "1", "command": "sh" }),
                ),
                &["TaskChanges"],
            ),
            (ecs("RunTask", one_off), &[]),
            (update("checkpoint-signer-staging"), &[]),
            (
                ecs(
                    "RegisterTaskDefinition",
                    json!({ "family": "web", "taskRoleArn": "arn:aws:iam::123456789012:role/web" }),
                ),
                &[],
            ),
            (
                ecs(
                    "DescribeServices",
                    json!({ "cluster": cluster, "services": ["checkpoint-signer"] }),
                ),
                &[],
            ),
        ],
    );
}

#[test]
fn changes_of_the_roles_are_told_from_iams_region() {
    let mut cloud = Cloud::prod();
    let mut roles = ["ServiceRoleArn", "OperatorRoleArn", "RotationRoleArn"]
        .map(|role| cloud.output("key", role).unwrap())
        .to_vec();
    roles.push(cloud.output("service", "ExecutionRoleArn").unwrap());
    roles.push("arn:aws:iam::123456789012:role/checkpoint-signer-files-prod".into());
    let calls = [
        "PutRolePolicy",
        "AttachRolePolicy",
        "UpdateAssumeRolePolicy",
        "DeleteRolePermissionsBoundary",
        "DeleteRolePolicy",
    ];
    let on = |name: &str, role: &str| {
        event(
            "iam",
            name,
            json!({ "roleName": role, "policyName": "more" }),
        )
    };
    for role in &roles {
        let role = role.rsplit('/').next().unwrap();
        for call in calls {
            let told = on(call, role);
            assert_eq!(told["awsRegion"], "us-east-1");
            expect(&mut cloud, &[(told, &["RoleChanges"])]);
        }
        expect(
            &mut cloud,
            &[
                (on("GetRolePolicy", role), &[]),
                (on("PutRolePolicy", &format!("{role}-web")), &[]),
            ],
        );
    }
}

#[test]
fn whoever_puts_out_the_lights_is_seen() {
    let mut cloud = Cloud::prod();
    let topic = cloud.output("alarms", "TopicArn").unwrap();
    let trail = |name: &str| {
        event(
            "cloudtrail",
            name,
            json!({ "name": "arn:aws:cloudtrail:eu-central-1:123456789012:trail/all" }),
        )
    };
    let refused = with(trail("StopLogging"), "/errorCode", json!("AccessDenied"));
    let alarm = "checkpoint-signer-prod-access-denied";
    let on_log = |name: &str, group: &str| event("logs", name, json!({ "logGroupName": group }));
    expect(
        &mut cloud,
        &[
            (trail("StopLogging"), &["WatchChanges"]),
            (trail("DeleteTrail"), &["WatchChanges"]),
            (trail("UpdateTrail"), &["WatchChanges"]),
            (trail("PutEventSelectors"), &["WatchChanges"]),
            (refused, &["WatchChanges"]),
            (trail("GetTrailStatus"), &[]),
            (
                event(
                    "monitoring",
                    "DeleteAlarms",
                    json!({ "alarmNames": [alarm] }),
                ),
                &["WatchChanges"],
            ),
            (
                event(
                    "monitoring",
                    "DisableAlarmActions",
                    json!({ "alarmNames": [alarm] }),
                ),
                &["WatchChanges"],
            ),
            (
                event(
                    "monitoring",
                    "SetAlarmState",
                    json!({ "alarmName": alarm, "stateValue": "OK" }),
                ),
                &["WatchChanges"],
            ),
            (
                event(
                    "monitoring",
                    "DeleteAlarms",
                    json!({ "alarmNames": ["web-slow"] }),
                ),
                &[],
            ),
            (
                event("sns", "DeleteTopic", json!({ "topicArn": topic })),
                &["WatchChanges"],
            ),
            (
                event(
                    "sns",
                    "Unsubscribe",
                    json!({ "subscriptionArn": format!("{topic}:1234") }),
                ),
                &["WatchChanges"],
            ),
            (on_log("DeleteMetricFilter", "trail"), &["WatchChanges"]),
            (
                on_log("DeleteLogGroup", "/checkpoint-signer/prod"),
                &["WatchChanges"],
            ),
            (on_log("PutRetentionPolicy", "trail"), &["WatchChanges"]),
            // Each new task makes a stream.
            (on_log("CreateLogStream", "/checkpoint-signer/prod"), &[]),
            (on_log("DeleteLogGroup", "web"), &[]),
        ],
    );
}

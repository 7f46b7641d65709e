//! What CloudTrail writes of the secrets, their KMS key and the roles (AWS, "Secrets Manager log file entries", "Examples of AWS KMS log entries",
//! "CloudTrail record contents"), minutes ago.

use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::cloud::Cloud;

const GROUP: &str = "trail";

/// Somebody who assumed a role has the value read.
pub fn read_by(role: &str, from: &str, secret: &str) -> Value {
    let name = role.rsplit('/').next().unwrap();
    json!({
        "eventVersion": "1.08",
        "userIdentity": {
            "type": "AssumedRole",
            "arn": format!("arn:aws:sts::123456789012:assumed-role/{name}/1"),
            "sessionContext": { "sessionIssuer": { "type": "Role", "arn": role, "userName": name } },
        },
        "eventTime": Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": "GetSecretValue",
        "awsRegion": "eu-central-1",
        "sourceIPAddress": from,
        "requestParameters": { "secretId": secret, "versionStage": "AWSCURRENT" },
        "responseElements": null,
        "readOnly": true,
    })
}

/// The same, refused: the parameters are left out, and the secret is named in the message alone.
pub fn denied_to(role: &str, secret: &str) -> Value {
    denied(
        read_by(role, "198.51.100.7", secret),
        &format!("resource: {secret} because no identity-based policy allows it"),
    )
}

/// A call that was refused, with the end of the message.
pub fn denied(mut event: Value, about: &str) -> Value {
    let service = event["eventSource"]
        .as_str()
        .unwrap()
        .split('.')
        .next()
        .unwrap();
    event["errorMessage"] = json!(format!(
        "User: {} is not authorized to perform: {service}:{} on {about}",
        event["userIdentity"]["arn"].as_str().unwrap(),
        event["eventName"].as_str().unwrap(),
    ));
    event["errorCode"] = json!("AccessDenied");
    event["requestParameters"] = Value::Null;
    event
}

/// A change, or whatever else, that a role makes.
pub fn call_by(role: &str, service: &str, name: &str, parameters: Value) -> Value {
    let mut event = read_by(role, "198.51.100.7", "");
    event["eventSource"] = json!(format!("{service}.amazonaws.com"));
    event["eventName"] = json!(name);
    event["requestParameters"] = parameters;
    event["readOnly"] = json!(name == "Decrypt");
    event
}

/// What Secrets Manager asks KMS for somebody, in the secret's name.
pub fn decrypt_for(role: &str, key: &str, secret: &str) -> Value {
    let context = json!({ "encryptionContext": { "SecretARN": secret } });
    let mut event = call_by(role, "kms", "Decrypt", context);
    event["userIdentity"]["invokedBy"] = json!("secretsmanager.amazonaws.com");
    event["sourceIPAddress"] = json!("secretsmanager.amazonaws.com");
    event["resources"] =
        json!([{ "accountId": "123456789012", "type": "AWS::KMS::Key", "ARN": key }]);
    event
}

/// The same, refused, where KMS says neither which key nor which secret.
pub fn decrypt_denied_to(role: &str) -> Value {
    let mut event = denied(
        decrypt_for(role, "", ""),
        "the resource associated with this ciphertext because the resource does not exist in this Region, no resource-based policies \
         allow access, or a resource-based policy explicitly denies access",
    );
    event.as_object_mut().unwrap().remove("resources");
    event
}

pub fn write(cloud: &mut Cloud, events: &[Value]) {
    let stream = json!({ "logGroupName": GROUP, "logStreamName": "123456789012_CloudTrail" });
    cloud.ask("logs.create_log_stream", stream.clone());
    let now = Utc::now().timestamp_millis();
    let events = events
        .iter()
        .map(|event| json!({ "timestamp": now, "message": event.to_string() }));
    let mut put = stream;
    put["logEvents"] = events.collect::<Vec<_>>().into();
    cloud.ask("logs.put_log_events", put);
}

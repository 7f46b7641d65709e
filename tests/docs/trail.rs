//! What CloudTrail writes of the secret (AWS, "Secrets Manager log file entries"), minutes ago.

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
    })
}

/// The same, refused: the parameters are left out, and the secret is named in the message alone.
pub fn denied_to(role: &str, secret: &str) -> Value {
    let mut event = read_by(role, "198.51.100.7", secret);
    event["errorCode"] = json!("AccessDenied");
    event["errorMessage"] = json!(format!(
        "User: {} is not authorized to perform: secretsmanager:GetSecretValue on resource: {secret} because no identity-based \
         policy allows the secretsmanager:GetSecretValue action",
        event["userIdentity"]["arn"].as_str().unwrap()
    ));
    event["requestParameters"] = Value::Null;
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

//! What a thief does to code, roles and the watch itself, by events of CloudTrail as AWS documents them.

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::trail::{event, expect, with};

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
    let one_off = |cluster: &str, definition: &str| json!({ "cluster": cluster, "taskDefinition": definition, "launchType": "FARGATE" });
    let overridden = |overrides: Value| {
        with(
            ecs("RunTask", one_off("own", "innocent:1")),
            "/requestParameters/overrides",
            overrides,
        )
    };
    let execution = cloud.output("service", "ExecutionRoleArn").unwrap();
    let starts = execution.rsplit('/').next().unwrap();
    // The reviewed image, with its calls led elsewhere.
    let led_away = json!({ "containerOverrides": [{
        "name": "signer", "environment": [{ "name": "AWS_ENDPOINT_URL", "value": "https://elsewhere.example" }],
    }] });
    let led_away = with(
        ecs("RunTask", one_off("own", "checkpoint-signer-prod")),
        "/requestParameters/overrides",
        led_away,
    );
    let definition =
        "arn:aws:ecs:eu-central-1:123456789012:task-definition/checkpoint-signer-prod:3";
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
            (overridden(json!({ "taskRoleArn": role })), &["TaskChanges"]),
            (
                overridden(json!({ "executionRoleArn": execution })),
                &["TaskChanges"],
            ),
            (overridden(json!({})), &[]),
            (
                ecs(
                    "RegisterTaskDefinition",
                    json!({ "family": "innocent", "executionRoleArn": starts }),
                ),
                &["TaskChanges"],
            ),
            (led_away, &["TaskChanges"]),
            (
                ecs("RunTask", one_off(cluster, definition)),
                &["TaskChanges"],
            ),
            (
                ecs("CreateService", one_off("own", "checkpoint-signer-prod:3")),
                &["TaskChanges"],
            ),
            (
                ecs("RunTask", one_off(cluster, "checkpoint-signer-staging:3")),
                &[],
            ),
            (
                ecs(
                    "DescribeTaskDefinition",
                    json!({ "taskDefinition": definition }),
                ),
                &[],
            ),
            (update(cluster), &["TaskChanges"]),
            (update("checkpoint-signer-prod"), &["TaskChanges"]),
            (
                ecs(
                    "ExecuteCommand",
                    json!({ "cluster": cluster, "task": "1", "command": "sh" }),
                ),
                &["TaskChanges"],
            ),
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
    let mut roles = [
        "ServiceRoleArn",
        "OperatorRoleArn",
        "RotationRoleArn",
        "FilesRoleArn",
        "RecordRoleArn",
    ]
    .map(|role| cloud.output("key", role).unwrap())
    .to_vec();
    roles.push(cloud.output("service", "ExecutionRoleArn").unwrap());
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
    let on_identified =
        |name: &str, group: &str| event("logs", name, json!({ "logGroupIdentifier": group }));
    expect(
        &mut cloud,
        &[
            (trail("StopLogging"), &["WatchChanges"]),
            (trail("DeleteTrail"), &["WatchChanges"]),
            (trail("UpdateTrail"), &["WatchChanges"]),
            (trail("PutEventSelectors"), &["WatchChanges"]),
            (trail("PutInsightSelectors"), &["WatchChanges"]),
            (refused, &["WatchChanges"]),
            (trail("GetTrailStatus"), &[]),
            (
                event(
                    "monitoring",
                    "DeleteAlarms",
                    // Whoever wants to hide puts another one first.
                    json!({ "alarmNames": ["web-slow", alarm] }),
                ),
                &["WatchChanges"],
            ),
            (
                event(
                    "monitoring",
                    "DisableAlarmActions",
                    json!({ "alarmNames": ["web-slow", alarm] }),
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
                event(
                    "monitoring",
                    "DescribeAlarms",
                    json!({ "alarmNames": [alarm] }),
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
            (on_log("PutMetricFilter", "trail"), &["WatchChanges"]),
            (on_log("PutSubscriptionFilter", "trail"), &["WatchChanges"]),
            (
                on_log("DeleteLogGroup", "/checkpoint-signer/prod"),
                &["WatchChanges"],
            ),
            (on_log("PutRetentionPolicy", "trail"), &["WatchChanges"]),
            (
                on_identified("PutDataProtectionPolicy", "trail"),
                &["WatchChanges"],
            ),
            (
                on_identified(
                    "PutTransformer",
                    "arn:aws:logs:eu-central-1:123456789012:log-group:/checkpoint-signer/prod",
                ),
                &["WatchChanges"],
            ),
            (on_identified("PutTransformer", "web"), &[]),
            (
                event(
                    "logs",
                    "PutAccountPolicy",
                    json!({ "policyName": "mask", "policyType": "DATA_PROTECTION_POLICY" }),
                ),
                &["WatchChanges"],
            ),
            (on_log("AssociateKmsKey", "trail"), &["WatchChanges"]),
            (
                on_log("DisassociateKmsKey", "/checkpoint-signer/prod"),
                &["WatchChanges"],
            ),
            (
                event(
                    "logs",
                    "AssociateKmsKey",
                    json!({ "resourceIdentifier": "arn:aws:logs:eu-central-1:123456789012:log-group:trail" }),
                ),
                &["WatchChanges"],
            ),
            (on_log("AssociateKmsKey", "web"), &[]),
            // Each new task makes a stream.
            (on_log("CreateLogStream", "/checkpoint-signer/prod"), &[]),
            (on_log("DeleteLogGroup", "web"), &[]),
        ],
    );
}

/// What a pattern of the template is at most, where everything in it has its longest name.
#[test]
fn no_filter_is_too_long_whatever_the_trails_log_group_is_called() {
    const REGION: &str = "ap-southeast-2";
    let template = crate::cloud::read("deploy/trail.yaml");
    let (_, rest) = template.split_once("  TrailLogGroup:").unwrap();
    let (_, rest) = rest.split_once("MaxLength: ").unwrap();
    let most: usize = rest.lines().next().unwrap().parse().unwrap();
    let role = |name: &str| {
        format!("arn:aws:iam::123456789012:role/checkpoint-signer-{name}-sandbox-{REGION}")
    };
    let values = [
        ("${Environment}", "sandbox".to_owned()),
        ("${AWS::Region}", REGION.to_owned()),
        ("${TrailLogGroup}", "x".repeat(most)),
        ("${Log}", "/checkpoint-signer/sandbox".to_owned()),
        (
            "${Topic}",
            format!("arn:aws:sns:{REGION}:123456789012:checkpoint-signer-sandbox"),
        ),
        (
            "${Key}",
            format!("arn:aws:kms:{REGION}:123456789012:key/00000000-0000-0000-0000-000000000000"),
        ),
        ("${Service}", role("service")),
        ("${Execution}", role("execution")),
        ("${Files}", role("files")),
        ("${Record}", role("record")),
        ("${Role}", role("rotation")),
        (
            "${Function}",
            "checkpoint-signer-rotation-sandbox".to_owned(),
        ),
    ];
    let mut patterns = 0;
    for part in template.split("FilterPattern:").skip(1) {
        let lines = part.lines().skip(1).map(str::trim);
        let lines = lines.skip_while(|line| !line.starts_with('{'));
        let mut pattern = String::new();
        for line in lines {
            pattern.push_str(line);
            if line.ends_with('}') {
                break;
            }
            pattern.push(' ');
        }
        if !pattern.starts_with('{')
            || !part
                .split("MetricTransformations")
                .next()
                .unwrap()
                .contains("{ (")
        {
            continue;
        }
        for (name, value) in &values {
            pattern = pattern.replace(name, value);
        }
        assert!(!pattern.contains("${"), "{pattern}");
        let length = pattern.len();
        assert!(length <= 1024, "{length}: {pattern}");
        patterns += 1;
    }
    assert!(patterns > 10, "{patterns}");
}

#[test]
fn a_deployment_role_is_one_role() {
    for template in ["deploy/key.yaml", "deploy/service.yaml"] {
        let text = crate::cloud::read(template);
        let (_, rest) = text.split_once("  DeploymentRoles:").unwrap();
        let pattern = rest
            .lines()
            .find(|line| line.contains("AllowedPattern"))
            .unwrap();
        // As those of the other principals: no wildcard, which would be everybody.
        assert!(pattern.contains("role/[^*?,]+"), "{template}: {pattern}");
    }
}

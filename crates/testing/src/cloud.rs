//! AWS on loopback: moto, with the stacks of `deploy/` and a guard that holds their policies.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::faketime::same_day;
use crate::starter;
use crate::talk::Talk;

/// A file of the repository.
pub fn path(name: &str) -> PathBuf {
    crate::root().join(name)
}

pub fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The profile that signs the function's code.
pub const SIGNING_PROFILE: &str =
    "arn:aws:signer:eu-central-1:123456789012:/signing-profiles/checkpoint_signer/AbCdEfGhIj";

/// Where everything is, unless a test goes elsewhere.
pub const REGION: &str = "eu-central-1";

/// The account's root ends with it.
pub struct Cloud {
    pub address: String,
    /// Where its calls go.
    pub region: String,
    /// The S3 version of the function's code.
    code: String,
    talk: Talk,
}

impl Cloud {
    pub fn start() -> Self {
        let (talk, told) = Talk::start("cloud/server.py");
        Self {
            address: told["address"].as_str().unwrap().into(),
            region: REGION.into(),
            code: String::new(),
            talk,
        }
    }

    /// With the stacks `key`, `service`, `alarms` and `trail` of an environment.
    pub fn with_stacks(environment: &str) -> Self {
        let mut cloud = Self::start();
        cloud.prepare();
        let key = cloud.key_parameters(environment);
        cloud.make("key", &key);
        let service = cloud.service_parameters(environment);
        cloud.make("service", &service);
        cloud.make("alarms", &alarm_parameters(environment));
        cloud.make("trail", &trail_parameters(environment));
        cloud
    }

    /// The same, shared by the tests that change nothing in it.
    pub fn staging() -> MutexGuard<'static, Self> {
        static SHARED: LazyLock<Mutex<Cloud>> =
            LazyLock::new(|| Cloud::with_stacks("staging").into());
        SHARED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same in production.
    pub fn prod() -> MutexGuard<'static, Self> {
        static SHARED: LazyLock<Mutex<Cloud>> = LazyLock::new(|| Cloud::with_stacks("prod").into());
        SHARED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the account has before: a network, a trail, the function's code.
    pub fn prepare(&mut self) {
        let (bucket, region) = (self.bucket(), self.region.clone());
        self.ask(
            "s3.create_bucket",
            json!({ "Bucket": bucket, "CreateBucketConfiguration": { "LocationConstraint": region } }),
        );
        self.ask(
            "s3.put_bucket_versioning",
            json!({ "Bucket": bucket, "VersioningConfiguration": { "Status": "Enabled" } }),
        );
        self.code = self.put_code(Some(SIGNING_PROFILE));
        self.ask("logs.create_log_group", json!({ "logGroupName": "trail" }));
    }

    /// The bucket with the function's code: Lambda takes it from its own region, and a bucket's name is the world's.
    fn bucket(&self) -> String {
        match self.region.as_str() {
            REGION => "code".into(),
            other => format!("code-{other}"),
        }
    }

    /// Puts the function's code, signed by a profile of AWS Signer, and gives its S3 version.
    pub fn put_code(&mut self, signed_by: Option<&str>) -> String {
        let metadata = signed_by.map(|profile| json!({ "signed-by": profile }));
        let zip = json!({
            "Bucket": self.bucket(), "Key": "checkpoint-signer/lambda.zip", "Body": "", "Metadata": metadata.unwrap_or(json!({})),
        });
        let zip = self.ask("s3.put_object", zip);
        zip["VersionId"].as_str().unwrap().into()
    }

    /// A call of boto3 or of the script, by an administrator whom no policy stops.
    pub fn try_ask(&mut self, call: &str, arguments: Value) -> Result<Value, String> {
        let call = match (call.contains('.'), self.region.as_str()) {
            (true, region) if region != REGION => format!("{call}@{region}"),
            _ => call.to_owned(),
        };
        let request = json!({ "call": call, "arguments": arguments });
        self.talk.ask(&request)
    }

    pub fn ask(&mut self, call: &str, arguments: Value) -> Value {
        let answer = self.try_ask(call, arguments);
        answer.unwrap_or_else(|error| panic!("{call}: {error}"))
    }

    pub fn make(&mut self, stack: &str, parameters: &Value) {
        let request = stack_request(stack, parameters);
        self.ask("cloudformation.create_stack", request);
        assert_eq!(self.status(stack), "CREATE_COMPLETE");
    }

    /// Whether a stack of a template is rolled back instead of made. It stays, as in CloudFormation, until it is deleted.
    pub fn fails_to_make(&mut self, stack: &str, template: &str, parameters: &Value) -> bool {
        let mut request = stack_request(template, parameters);
        request["StackName"] = json!(stack);
        self.ask("cloudformation.create_stack", request);
        self.status(stack) == "ROLLBACK_COMPLETE"
    }

    pub fn update(&mut self, stack: &str, parameters: &Value) {
        let request = stack_request(stack, parameters);
        self.ask("cloudformation.update_stack", request);
        assert_eq!(self.status(stack), "UPDATE_COMPLETE");
    }

    pub fn delete(&mut self, stack: &str) {
        self.ask("cloudformation.delete_stack", json!({ "StackName": stack }));
    }

    fn describe(&mut self, stack: &str) -> Value {
        let stacks = self.ask(
            "cloudformation.describe_stacks",
            json!({ "StackName": stack }),
        );
        stacks["Stacks"][0].clone()
    }

    pub fn status(&mut self, stack: &str) -> String {
        self.describe(stack)["StackStatus"].as_str().unwrap().into()
    }

    pub fn output(&mut self, stack: &str, key: &str) -> Option<String> {
        let outputs = self.describe(stack)["Outputs"].clone();
        let mut outputs = outputs.as_array().unwrap().iter();
        let found = outputs.find(|output| output["OutputKey"] == key)?;
        // moto lists an output whose condition does not hold, without a value.
        Some(found["OutputValue"].as_str()?.into())
    }

    /// The logical ids of a stack's resources with their types.
    pub fn resources(&mut self, stack: &str) -> Vec<(String, String)> {
        let found = self.ask(
            "cloudformation.describe_stack_resources",
            json!({ "StackName": stack }),
        );
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let found = found["StackResources"].as_array().unwrap().iter();
        // moto lists a resource whose condition does not hold, without a name.
        found
            .filter(|resource| resource["LogicalResourceId"].is_string())
            .map(|r| (text(&r["LogicalResourceId"]), text(&r["ResourceType"])))
            .collect()
    }

    /// Whether a caller (`stack.Role`, or `administrator`) may make a call.
    pub fn may(&mut self, caller: &str, action: &str, resource: &str) -> bool {
        let question = json!({ "caller": caller, "action": action, "resource": resource });
        self.ask("may", question).as_bool().unwrap()
    }

    pub fn secret_arn(&mut self, name: &str) -> String {
        let secret = self.ask(
            "secretsmanager.describe_secret",
            json!({ "SecretId": name }),
        );
        secret["ARN"].as_str().unwrap().into()
    }

    pub fn key_parameters(&self, environment: &str) -> Value {
        json!({
            "Environment": environment,
            "OperatorPrincipals": "arn:aws:iam::123456789012:role/on-call",
            "PipelinePrincipals": "arn:aws:iam::123456789012:role/pipeline",
            "CodeBucket": self.bucket(),
            "CodeVersion": self.code,
            "SigningProfileVersions": SIGNING_PROFILE,
        })
    }

    pub fn service_parameters(&mut self, environment: &str) -> Value {
        let vpc = self.ask("ec2.create_vpc", json!({ "CidrBlock": "10.0.0.0/16" }));
        let vpc = vpc["Vpc"]["VpcId"].clone();
        let region = self.region.clone();
        let mut subnet = |net: u8, zone: char| {
            let request = json!({
                "VpcId": vpc,
                "CidrBlock": format!("10.0.{net}.0/24"),
                "AvailabilityZone": format!("{region}{zone}"),
            });
            let made = self.ask("ec2.create_subnet", request);
            made["Subnet"]["SubnetId"].as_str().unwrap().to_owned()
        };
        let subnets = [subnet(1, 'a'), subnet(2, 'b')].join(",");
        json!({
            "Environment": environment,
            "ImageDigest": format!("sha256:{}", "0".repeat(64)),
            "Replicas": "0",
            "PublicUrl": "https://checkpoints.example.org",
            "VpcId": vpc,
            "SubnetIds": subnets,
            "GrpcClients": "10.0.0.0/16",
            "HttpClients": "10.0.0.0/16",
            "DatabaseNetwork": "10.0.0.0/16",
        })
    }

    /// The environment of the program with a role's credentials, and nothing else.
    pub fn command(&self, caller: &str, program: &Path, folder: &Path) -> Command {
        let mut command = starter::program(program);
        command
            .current_dir(folder)
            .env_clear()
            .envs(same_day())
            .env("HOME", folder)
            .env("AWS_ENDPOINT_URL", &self.address)
            .env("AWS_REGION", &self.region)
            .env("AWS_ACCESS_KEY_ID", caller)
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }
}

pub fn alarm_parameters(environment: &str) -> Value {
    json!({ "Environment": environment, "Email": "on-call@example.org" })
}

pub fn trail_parameters(environment: &str) -> Value {
    json!({ "Environment": environment, "TrailLogGroup": "trail" })
}

pub fn stack_request(stack: &str, parameters: &Value) -> Value {
    let parameters = parameters.as_object().unwrap().iter();
    let parameters: Vec<Value> = parameters
        .map(|(key, value)| json!({ "ParameterKey": key, "ParameterValue": value }))
        .collect();
    json!({
        "StackName": stack,
        "TemplateBody": read(&format!("deploy/{stack}.yaml")),
        "Parameters": parameters,
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
    })
}

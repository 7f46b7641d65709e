//! The policy for the organization in `principals.md` lets the commands of the pages through: each is given the profile that may.

use serde_json::Value;

use crate::page::{Page, folder};

/// What a command does beside the call of its own name, and to what.
const OF_A_STACK: [(&str, &str); 6] = [
    (
        "cloudformation:CreateChangeSet",
        "stack/checkpoint-signer-x",
    ),
    (
        "cloudformation:ExecuteChangeSet",
        "stack/checkpoint-signer-x",
    ),
    ("iam:PutRolePolicy", "role/checkpoint-signer-x"),
    ("iam:PassRole", "role/checkpoint-signer-x"),
    ("lambda:UpdateFunctionCode", "function:checkpoint-signer-x"),
    ("ecs:UpdateService", "service/checkpoint-signer-x"),
];

fn policy() -> Value {
    let page = std::fs::read_to_string(folder().join("principals.md")).unwrap();
    let policy = page.split("```json\n").nth(1).unwrap();
    serde_json::from_str(policy.split("```").next().unwrap()).unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(all) => all.iter().map(|one| one.as_str().unwrap()).collect(),
        one => vec![one.as_str().unwrap()],
    }
}

/// The role that a profile is.
fn role(profile: &str) -> String {
    profile.to_uppercase()
}

/// The statements that deny a call to a profile: the policy knows an action, what it is about, and whom it leaves out.
fn denials(policy: &Value, profile: &str, (action, thing): (&str, &str)) -> Vec<String> {
    let statements = policy["Statement"].as_array().unwrap().iter();
    let about = |resource: &&str| {
        let last = resource
            .rsplit_once("*:")
            .map_or(*resource, |(_, last)| last);
        match last.strip_suffix('*') {
            Some(start) => thing.starts_with(start),
            None => thing == last,
        }
    };
    let denying = statements.filter(|statement| {
        let but = &statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"];
        let left_out = texts(but)
            .iter()
            .any(|arn| arn.ends_with(&format!("role/{}", role(profile))));
        texts(&statement["Action"]).contains(&action)
            && texts(&statement["Resource"]).iter().any(about)
            && !left_out
    });
    denying
        .map(|statement| statement["Sid"].as_str().unwrap().into())
        .collect()
}

/// `update-service` of `ecs` is `ecs:UpdateService`.
fn action(service: &str, operation: &str) -> String {
    let words = operation
        .split('-')
        .map(|word| word[..1].to_uppercase() + &word[1..]);
    format!("{service}:{}", words.collect::<String>())
}

/// What a command of the CLI is about. A role in a variable is one that they trust in `$caller`, and one of theirs in `$of`.
fn thing(service: &str, line: &str) -> &'static str {
    match service {
        "iam" if line.contains("\"$caller\"") => "role/PIPELINE",
        "iam" => "role/checkpoint-signer-x",
        "lambda" => "function:checkpoint-signer-x",
        "ecs" => "service/checkpoint-signer-x",
        "cloudformation" => "stack/checkpoint-signer-x",
        _ => "",
    }
}

/// Each command of the AWS CLI in a text, with the profile that it is run with.
fn commands(text: &str) -> Vec<(String, String, String, String)> {
    let mut profile = "administrator".to_owned();
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.trim().strip_prefix("export AWS_PROFILE=") {
            name.clone_into(&mut profile);
        }
        let parts: Vec<&str> = line.split("aws ").collect();
        for pair in parts.windows(2) {
            let mut words = pair[1].split_whitespace();
            let (Some(service), Some(operation)) = (words.next(), words.next()) else {
                continue;
            };
            let is_word = |word: &str| {
                word.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            };
            if !is_word(service) || !is_word(operation) || service.is_empty() {
                continue;
            }
            let own = pair[0]
                .trim_end()
                .rsplit_once("AWS_PROFILE=")
                .map(|(_, name)| name);
            let own = own.filter(|name| !name.contains(' ')).unwrap_or(&profile);
            found.push((own.into(), service.into(), operation.into(), line.into()));
        }
    }
    found
}

fn refused(policy: &Value, text: &str) -> Vec<String> {
    let mut refused = Vec::new();
    for (profile, service, operation, line) in commands(text) {
        let own = action(&service, &operation);
        let mut calls = vec![(own.as_str(), thing(&service, &line))];
        if (service.as_str(), operation.as_str()) == ("cloudformation", "deploy") {
            calls.extend(OF_A_STACK);
        }
        for call in calls {
            for sid in denials(policy, &profile, call) {
                refused.push(format!("{profile}: {} ({sid}) in {line}", call.0));
            }
        }
    }
    refused
}

#[test]
fn each_command_of_the_pages_is_run_by_who_may_under_the_organizations_policy() {
    let policy = policy();
    for page in Page::all() {
        let sections = page.sections.iter();
        let blocks = sections.flat_map(|section| &section.commands);
        let text: String = blocks.map(|block| block.text.as_str()).collect();
        assert_eq!(refused(&policy, &text), [""; 0], "{}", page.name);
    }
}

#[test]
fn a_command_with_a_profile_that_may_not_is_found() {
    let policy = policy();
    for (line, by) in [
        (
            "aws ecs update-service --cluster c",
            "TheServiceOfTheSigner",
        ),
        (
            "AWS_PROFILE=trust aws ecs update-service",
            "TheServiceOfTheSigner",
        ),
        (
            "aws iam put-role-policy --role-name \"$caller\"",
            "TheRolesThatTheyTrust",
        ),
        (
            "AWS_PROFILE=deployment aws iam put-role-policy --role-name \"$caller\"",
            "TheRolesThatTheyTrust",
        ),
        (
            "AWS_PROFILE=trust aws iam put-role-policy --role-name \"$of\"",
            "TheRolesOfTheSigner",
        ),
        (
            "aws cloudformation deploy --stack-name s",
            "TheRolesOfTheSigner",
        ),
        (
            "export AWS_PROFILE=record\naws cloudformation deploy --stack-name s",
            "TheFunctionOfTheSigner",
        ),
    ] {
        let found = refused(&policy, line).join("\n");
        assert!(found.contains(by), "{line}: {found}");
    }
    for line in [
        "AWS_PROFILE=on-call aws ecs update-service",
        "AWS_PROFILE=deployment aws ecs update-service",
        "export AWS_PROFILE=deployment\naws cloudformation deploy",
        "x && AWS_PROFILE=trust aws iam put-role-policy --role-name \"$caller\"",
        "aws iam get-role --role-name r",
    ] {
        assert_eq!(refused(&policy, line), [""; 0], "{line}");
    }
}

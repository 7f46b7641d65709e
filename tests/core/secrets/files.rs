//! Files: one document, or an array of versions with their staging labels.

use checkpoint::key::StagingLabel;
use checkpoint::signing::{MAX_SECRET_BYTES, SecretError, VersionSecret};

use crate::support::document::Document;
use crate::support::openssl;
use crate::support::secret::{assert_silent, error, secret};

fn version(key: &str, key_id: &str, stages: &str) -> Document {
    secret(&openssl::file(key))
        .with("key_id", format!("{key_id:?}"))
        .with("version_stages", stages)
}

fn current() -> Document {
    version("rsa-2048.pkcs1.pem", "key-1", r#"["AWSCURRENT"]"#)
}

fn pending() -> Document {
    version(
        "rsa-2048-other.pkcs1.pem",
        "key-2",
        r#"["AWSPENDING", "blue"]"#,
    )
}

fn file(versions: &[String]) -> String {
    format!(" \n[{}]\n", versions.join(","))
}

fn refused(versions: &[String]) -> SecretError {
    let text = file(versions);
    let error = error(VersionSecret::parse_file(&text));
    assert_silent(&error, &text);
    error
}

#[test]
fn a_single_document_is_current() {
    let text = secret(&openssl::file("rsa-2048.pkcs1.pem")).text();
    let versions = VersionSecret::parse_file(&text).unwrap();
    assert_eq!(versions.len(), 1);
    assert_eq!(versions[0].stages, [StagingLabel::Current]);
    assert!(versions[0].secret.is_ok());
}

#[test]
fn an_array_gives_each_version_its_labels() {
    let versions = VersionSecret::parse_file(&file(&[current().text(), pending().text()])).unwrap();
    let stages: Vec<_> = versions
        .iter()
        .map(|version| version.stages.clone())
        .collect();
    assert_eq!(stages[0], [StagingLabel::Current]);
    assert_eq!(
        stages[1],
        [StagingLabel::Pending, StagingLabel::Custom("blue".into())]
    );
    let ids = versions
        .iter()
        .map(|version| version.secret.as_ref().ok().unwrap().version());
    assert_eq!(
        ids.map(|id| id.key_id.to_string()).collect::<Vec<_>>(),
        ["key-1", "key-2"]
    );
}

#[test]
fn the_labels_are_no_unknown_member() {
    let versions = VersionSecret::parse_file(&file(&[current().text()])).unwrap();
    let secret = versions[0].secret.as_ref().ok().unwrap();
    assert!(secret.unknown_members().is_empty());
}

#[test]
fn an_empty_array_has_no_versions() {
    assert!(VersionSecret::parse_file("[]").unwrap().is_empty());
}

#[test]
fn a_faulty_version_does_not_hide_the_others() {
    let bad = pending().with("valid_until", "\"2025-01-01\"").text();
    let text = file(&[bad, current().text()]);
    let versions = VersionSecret::parse_file(&text).unwrap();
    let error = versions[0].secret.as_ref().err().unwrap();
    assert_eq!(error.0[0].field, "[0].valid_until");
    assert_silent(error, &text);
    assert!(versions[1].secret.is_ok());
}

#[test]
fn a_version_without_labels_is_refused() {
    for stages in [
        None,
        Some("null"),
        Some("\"AWSCURRENT\""),
        Some("[1]"),
        Some("{}"),
    ] {
        let mut version = current().without("version_stages");
        if let Some(stages) = stages {
            version = version.with("version_stages", stages);
        }
        let error = refused(&[pending().text(), version.text()]);
        assert_eq!(error.0[0].field, "[1].version_stages", "{stages:?}");
    }
}

#[test]
fn a_label_on_two_versions_is_refused() {
    for label in ["AWSCURRENT", "AWSPREVIOUS", "AWSPENDING", "blue"] {
        let stages = format!("[{label:?}]");
        let error = refused(&[
            version("rsa-2048.pkcs1.pem", "key-1", &stages).text(),
            version("rsa-2048-other.pkcs1.pem", "key-2", &stages).text(),
        ]);
        assert_eq!(error.0[0].field, "version_stages");
        assert!(error.to_string().contains(label));
    }
}

#[test]
fn what_is_no_array_of_objects_is_refused() {
    for item in ["null", "1", "\"-----BEGIN RSA PRIVATE KEY-----\"", "[]"] {
        let error = refused(&[current().text(), item.into()]);
        assert_eq!(error.0[0].field, "[1].secret", "{item}");
    }
    for text in ["[", "[{}", "[] x", "[,]"] {
        assert_eq!(
            error(VersionSecret::parse_file(text)).0[0].field,
            "secret",
            "{text}"
        );
    }
}

#[test]
fn a_version_larger_than_the_store_allows_is_refused() {
    let padding = format!("\"{}\"", " ".repeat(MAX_SECRET_BYTES));
    let error = refused(&[current().with("padding", padding).text()]);
    assert_eq!(error.0[0].field, "[0].secret");
}

#[test]
fn a_file_of_more_than_a_century_of_versions_is_refused() {
    let text = format!("[{}]", " ".repeat(100 * MAX_SECRET_BYTES));
    assert_eq!(error(VersionSecret::parse_file(&text)).0[0].field, "secret");
}

#[test]
fn a_label_of_aws_in_another_case_is_refused_with_the_right_one() {
    for (label, right) in [
        ("awscurrent", "AWSCURRENT"),
        ("AwsPrevious", "AWSPREVIOUS"),
        ("AWSpending", "AWSPENDING"),
        (" AWSCURRENT", "AWSCURRENT"),
    ] {
        let slip = version(
            "rsa-2048.pkcs1.pem",
            "key-1",
            &format!("[\"blue\", {label:?}]"),
        );
        let error = refused(&[slip.text()]);
        assert_eq!(error.0[0].field, "[0].version_stages");
        let expected = format!("holds {label:?}, which is no label of AWS; expected {right:?}");
        assert!(error.0[0].problem.starts_with(&expected), "{error}");
        let put_right = version(
            "rsa-2048.pkcs1.pem",
            "key-1",
            &format!("[\"blue\", {right:?}]"),
        );
        assert_eq!(
            VersionSecret::parse_file(&file(&[put_right.text()]))
                .unwrap()
                .len(),
            1
        );
    }
}

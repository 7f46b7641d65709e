//! Keys that stand where no key belongs. `assert_refused` checks every other error of this folder.

use checkpoint::signing::{KeySecret, VersionSecret};

use crate::support::document::Document;
use crate::support::openssl;
use crate::support::rsa_numbers::RsaNumbers;
use crate::support::secret::{assert_silent, error, secret};

fn pem() -> String {
    openssl::file("rsa-2048.pkcs1.pem")
}

fn good() -> Document {
    secret(&pem())
}

/// Key material as a person might paste it into the wrong member.
fn pasted() -> Vec<String> {
    let body: Vec<String> = pem().lines().map(str::to_owned).collect();
    let mut pasted = vec![pem(), pem().replace('\n', ""), body[1..].concat()];
    pasted.extend(body);
    pasted
}

#[test]
fn a_key_in_another_member_is_not_repeated() {
    for member in ["key_id", "valid_from", "valid_until", "algorithm"] {
        for text in pasted() {
            let document = good()
                .with(member, serde_json::json!(text).to_string())
                .text();
            if let Err(error) = KeySecret::parse(&document, None) {
                assert_silent(&error, &document);
            }
        }
    }
}

#[test]
fn a_key_in_the_name_of_a_member_is_not_repeated() {
    for text in pasted() {
        let twice = good().and(&text, "1").and(&text, "2").text();
        assert_silent(&error(KeySecret::parse(&twice, None)), &twice);
    }
}

#[test]
fn a_key_in_the_name_of_an_unknown_member_is_not_reported() {
    let body: String = pem()
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    for text in pasted() {
        let document = good().with(&text, "1").text();
        let secret = KeySecret::parse(&document, None).ok().unwrap();
        let reported = secret.unknown_members().concat();
        let windows: Vec<char> = reported.chars().collect();
        for window in windows.windows(16) {
            let window: String = window.iter().collect();
            assert!(!body.contains(&window), "{reported}");
        }
    }
}

#[test]
fn a_key_in_a_label_is_not_repeated() {
    for text in pasted() {
        let stages = serde_json::json!([text]).to_string();
        let other = secret(&openssl::file("rsa-2048-other.pkcs1.pem")).with("key_id", "\"b\"");
        let versions =
            [good(), other].map(|version| version.with("version_stages", &stages).text());
        let file = format!("[{}]", versions.join(","));
        assert_silent(&error(VersionSecret::parse_file(&file)), &file);
    }
}

#[test]
fn a_key_in_the_name_of_the_documentation_form_is_not_repeated() {
    for text in pasted() {
        let name = serde_json::json!(text);
        let document = format!(r#"{{"name": {name}, "value": {}}}"#, good().text());
        assert_silent(
            &error(KeySecret::parse(&document, Some("amply/key"))),
            &document,
        );
    }
}

#[test]
fn a_key_cut_anywhere_is_not_repeated() {
    let document = good().text();
    for end in (0..document.len()).step_by(97) {
        assert_silent(&error(KeySecret::parse(&document[..end], None)), &document);
    }
}

#[test]
fn the_check_of_these_tests_finds_what_is_told() {
    let numbers = RsaNumbers::from_pem(&pem());
    let (hex, decimal) = (
        numbers.p.to_string_radix_vartime(16),
        numbers.q.to_string_radix_vartime(10),
    );
    let line = pem().lines().nth(7).unwrap().to_owned();
    for told in [
        &hex[20..40],
        &hex.to_uppercase()[20..40],
        &decimal[20..40],
        &line[8..24],
    ] {
        let fault = checkpoint::fault::FieldFault::new("private_key", told);
        let error = checkpoint::signing::SecretError(vec![fault]);
        let document = good().text();
        let check = std::panic::AssertUnwindSafe(|| assert_silent(&error, &document));
        assert!(std::panic::catch_unwind(check).is_err(), "{told}");
    }
}

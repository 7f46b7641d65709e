//! The recipes of `examples/` verify what the service signs, with none of its code.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::openssl::{self, Form};
use crate::python::python;
use crate::server::{Server, run, run_well};

const CHECKPOINT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/checkpoint.json");
const OPENSSL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/verify-with-openssl.sh"
);
const PYTHON: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/verify_with_python.py"
);

const SIZES: [usize; 3] = [2048, 3072, 4096];

/// What an auditor has.
struct Publication {
    server: Server,
    case: String,
    published: PathBuf,
    jwks: PathBuf,
    pem: PathBuf,
}

impl Publication {
    /// The example, signed by a service with such a key.
    fn signed_with(algorithm: &str, form: Form, bits: usize) -> Self {
        let case = format!("{algorithm}-{form:?}-{bits}");
        let pem = openssl::private_key(form, bits);
        let server = Server::with_secret(&openssl::secret(&case, algorithm, &pem));
        Self {
            case,
            published: server.ask(&["sign", CHECKPOINT], "published.json"),
            jwks: server.ask(&["keys", "export"], "keyring.json"),
            pem: server.ask(&["keys", "export", "--format", "pem"], "keys.pem"),
            server,
        }
    }

    /// The same with one digit changed.
    fn tampered(&self) -> PathBuf {
        let text = std::fs::read_to_string(&self.published).unwrap();
        let changed = text.replacen("284729340", "284729341", 1);
        assert_ne!(text, changed, "the example has this sum");
        let path = self.published.with_file_name("tampered.json");
        std::fs::write(&path, changed).unwrap();
        path
    }

    fn with_openssl(&self, published: &Path) -> Output {
        let mut shell = crate::starter::program("sh");
        run(shell.arg(OPENSSL).args([published, &self.pem]))
    }

    fn with_joserfc(&self, published: &Path) -> Output {
        run(python().arg(PYTHON).args([published, &self.jwks]))
    }

    fn verifies_everywhere(&self) {
        let tampered = self.tampered();
        for (verifier, good, bad, says) in [
            (
                "openssl",
                self.with_openssl(&self.published),
                self.with_openssl(&tampered),
                "Verification failure",
            ),
            (
                "joserfc",
                self.with_joserfc(&self.published),
                self.with_joserfc(&tampered),
                "BadSignatureError",
            ),
        ] {
            let case = &self.case;
            assert!(good.status.success(), "{verifier}, {case}: {}", said(&good));
            assert!(
                said(&good).contains(case),
                "{verifier} names the key: {}",
                said(&good)
            );
            // Refused for the signature, and not because the recipe itself came to grief.
            assert_eq!(
                bad.status.code(),
                Some(1),
                "{verifier}, {case}: {}",
                said(&bad)
            );
            assert!(
                said(&bad).contains(says),
                "{verifier}, {case}: {}",
                said(&bad)
            );
        }
    }
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

fn every_size_verifies_everywhere(algorithm: &str, form: Form) {
    for bits in SIZES {
        Publication::signed_with(algorithm, form, bits).verifies_everywhere();
    }
}

#[test]
fn openssl_and_joserfc_verify_ps256_by_pkcs1_keys() {
    every_size_verifies_everywhere("PS256", Form::Pkcs1);
}

#[test]
fn openssl_and_joserfc_verify_ps256_by_pkcs8_keys() {
    every_size_verifies_everywhere("PS256", Form::Pkcs8);
}

#[test]
fn openssl_and_joserfc_verify_rs256_by_pkcs1_keys() {
    every_size_verifies_everywhere("RS256", Form::Pkcs1);
}

#[test]
fn openssl_and_joserfc_verify_rs256_by_pkcs8_keys() {
    every_size_verifies_everywhere("RS256", Form::Pkcs8);
}

#[test]
fn an_indented_copy_verifies_everywhere_as_well() {
    let publication = Publication::signed_with("PS256", Form::Pkcs8, 2048);
    let indented = publication.published.with_file_name("indented.json");
    let text = std::fs::read(&publication.published).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    std::fs::write(&indented, format!("{value:#}")).unwrap();
    let (openssl, joserfc) = (
        publication.with_openssl(&indented),
        publication.with_joserfc(&indented),
    );
    assert!(openssl.status.success(), "{}", said(&openssl));
    assert!(joserfc.status.success(), "{}", said(&joserfc));
}

#[test]
fn a_copy_with_a_member_that_stands_twice_verifies_nowhere() {
    let publication = Publication::signed_with("PS256", Form::Pkcs8, 2048);
    // Readers that take the last one see what was signed, readers that take the first one another sum.
    let text = std::fs::read_to_string(&publication.published).unwrap();
    let twice = publication.published.with_file_name("twice.json");
    std::fs::write(&twice, text.replacen('{', "{\"total_volume\":1,", 1)).unwrap();
    for output in [
        publication.with_openssl(&twice),
        publication.with_joserfc(&twice),
    ] {
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("stands twice"), "{}", said(&output));
    }
}

#[test]
fn a_signature_that_is_not_detached_verifies_nowhere() {
    let publication = Publication::signed_with("PS256", Form::Pkcs8, 2048);
    let published = std::fs::read_to_string(&publication.published).unwrap();
    for (form, text) in testing::publication::not_detached(&published) {
        let path = publication.published.with_file_name("attached.json");
        std::fs::write(&path, text).unwrap();
        for output in [
            publication.with_openssl(&path),
            publication.with_joserfc(&path),
        ] {
            let code = output.status.code();
            assert_eq!(code, Some(1), "{form}: {}", said(&output));
            assert!(
                said(&output).contains("not valid"),
                "{form}: {}",
                said(&output)
            );
        }
    }
}

#[test]
fn what_the_program_calls_malformed_no_recipe_calls_valid() {
    let publication = Publication::signed_with("PS256", Form::Pkcs8, 2048);
    let published = std::fs::read_to_string(&publication.published).unwrap();
    for (form, text) in testing::publication::forgiven(&published) {
        let path = publication.published.with_file_name("forgiven.json");
        std::fs::write(&path, text).unwrap();
        let mut verify = crate::starter::binary();
        let verify = verify.arg("verify").arg(&path).arg("--keys");
        let program = run(verify.arg(&publication.jwks));
        assert!(
            said(&program).contains("MALFORMED"),
            "{form}: {}",
            said(&program)
        );
        for output in [
            publication.with_openssl(&path),
            publication.with_joserfc(&path),
        ] {
            let code = output.status.code();
            assert_eq!(code, Some(1), "{form}: {}", said(&output));
            let told = said(&output);
            assert!(told.contains("not valid: "), "{form}: {told}");
        }
    }
}

#[test]
fn of_several_exported_keys_the_recipes_take_the_one_that_signed() {
    let publication = Publication::signed_with("PS256", Form::Pkcs8, 2048);
    let other = Publication::signed_with("RS256", Form::Pkcs8, 3072);
    let join = |name: &str, text: String| {
        let path = publication.published.with_file_name(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let keys = |path: &Path| -> Vec<serde_json::Value> {
        let set: serde_json::Value = serde_json::from_str(&read(path)).unwrap();
        set["keys"].as_array().unwrap().clone()
    };
    let both = [keys(&other.jwks), keys(&publication.jwks)].concat();
    let pem = join("both.pem", read(&other.pem) + &read(&publication.pem));
    let jwks = join("both.json", serde_json::json!({ "keys": both }).to_string());
    let published = &publication.published;
    run_well(
        crate::starter::program("sh")
            .arg(OPENSSL)
            .args([published, &pem]),
    );
    run_well(python().arg(PYTHON).args([published, &jwks]));
}

#[test]
fn the_python_recipe_refuses_a_signature_from_outside_of_the_keys_window() {
    let publication = Publication::signed_with("PS256", Form::Pkcs8, 2048);
    let text = std::fs::read(&publication.jwks).unwrap();
    let keyring: serde_json::Value = serde_json::from_slice(&text).unwrap();
    for (member, instant) in [("exp", 1_600_000_000), ("nbf", 4_000_000_000_i64)] {
        let mut moved = keyring.clone();
        moved["keys"][0][member] = instant.into();
        std::fs::write(&publication.jwks, moved.to_string()).unwrap();
        let output = publication.with_joserfc(&publication.published);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(
            said(&output).contains("outside of the key's window"),
            "{}",
            said(&output)
        );
    }
}

#[test]
fn the_python_recipe_refuses_what_a_revoked_key_signed_since() {
    let publication = Publication::signed_with("PS256", Form::Pkcs8, 2048);
    let server = &publication.server;
    let revoke = ["keys", "revoke", &publication.case, "--reason", "a test"];
    let since = ["--distrust-after", "2020-01-02"];
    server.ask(&[revoke.as_slice(), &since].concat(), "revoked.txt");
    server.ask(&["keys", "export"], "keyring.json");
    let output = publication.with_joserfc(&publication.published);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("not trusted any more"),
        "{}",
        said(&output)
    );
}

#[test]
fn the_recipes_take_a_checkpoint_of_nearly_the_largest_size() {
    let mut publication = Publication::signed_with("PS256", Form::Pkcs8, 2048);
    let text = std::fs::read(CHECKPOINT).unwrap();
    let mut checkpoint: serde_json::Value = serde_json::from_slice(&text).unwrap();
    checkpoint["ledger_id"] = "org_large".into();
    checkpoint["note"] = "long ".repeat(100_000).into();
    let large = publication.server.path("large.json");
    std::fs::write(&large, checkpoint.to_string()).unwrap();
    let sign = ["sign", large.to_str().unwrap()];
    publication.published = publication.server.ask(&sign, "large-signed.json");
    publication.verifies_everywhere();
}

#[test]
fn a_recipe_takes_an_empty_fingerprint_for_none_that_signed_and_no_word_too_many() {
    let publication = Publication::signed_with("PS256", Form::Pkcs8, 2048);
    let shell = || {
        let mut shell = crate::starter::program("sh");
        shell.arg(OPENSSL);
        (shell, &publication.pem)
    };
    let python = || {
        let mut python = python();
        python.arg(PYTHON);
        (python, &publication.jwks)
    };
    type Recipe<'a> = &'a dyn Fn() -> (std::process::Command, &'a PathBuf);
    let recipes: [Recipe<'_>; 2] = [&shell, &python];
    for recipe in recipes {
        for (further, expected) in [(&[][..], 0), (&[""], 1), (&["", ""], 2)] {
            let (mut command, keys) = recipe();
            let output = run(command.args([&publication.published, keys]).args(further));
            assert_eq!(output.status.code(), Some(expected), "{}", said(&output));
        }
        let (mut command, keys) = recipe();
        let output = run(command.args([Path::new("none.json"), keys]));
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    }
}

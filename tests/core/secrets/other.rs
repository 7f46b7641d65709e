//! Texts that are no key: each is named as what it is, in one fault that tells nothing of any key. The commands in these are run by
//! `mended.rs`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use checkpoint::signing::KeySecret;

use crate::support::openssl;
use crate::support::secret::{assert_refused, error, secret};

fn pem() -> String {
    openssl::file("rsa-2048.pkcs1.pem")
}

fn assert_pem_refused(pem: &str, found: &str) {
    assert_refused(&secret(pem).text(), "private_key", found);
}

#[test]
fn what_is_no_key_is_named() {
    for (text, found) in [
        ("", "empty"),
        ("  \n", "empty"),
        ("null", "no value"),
        ("undefined", "no value"),
        ("[object Object]", "no value"),
        ("file://key.pem", "the place of a file"),
        ("/run/secrets/key.p8", "the place of a file"),
        ("~/.ssh/snowflake.p8", "the place of a file"),
        ("${var.private_key}", "a variable that was not replaced"),
        ("$(cat key.pem)", "a variable that was not replaced"),
        (
            "{{resolve:secretsmanager:key}}",
            "a variable that was not replaced",
        ),
        (
            "arn:aws:secretsmanager:eu-central-1:1:secret:key",
            "the name of another secret",
        ),
        (
            "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----",
            "a placeholder",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\n***\n-----END PRIVATE KEY-----",
            "a placeholder",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
            "a placeholder",
        ),
        ("***", "a placeholder"),
        ("ssh-rsa AAAAB3NzaC1yc2E= me@host", "a public key of SSH"),
        (
            "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none",
            "a key of PuTTY",
        ),
        (
            "<RSAKeyValue><Modulus>AQ==</Modulus></RSAKeyValue>",
            "XML, as .NET writes keys",
        ),
        (
            "$ANSIBLE_VAULT;1.1;AES256\n3161",
            "encrypted by Ansible Vault",
        ),
        ("ENC[AES256_GCM,data:AA==]", "encrypted by sops"),
        (
            "-----BEGIN PGP MESSAGE-----\n\nhQ==\n-----END PGP MESSAGE-----",
            "encrypted by PGP",
        ),
        (
            "-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----",
            "a request for a certificate",
        ),
        (r#"{"kty":"RSA","n":"AQ","e":"AQAB","d":"AQ"}"#, "is a JWK"),
    ] {
        assert_pem_refused(text, found);
    }
}

#[test]
fn pem_that_is_not_whole_is_refused_as_such() {
    let pem = pem();
    let middle = pem.len() / 2;
    let cut = format!("{}\n-----END RSA PRIVATE KEY-----\n", &pem[..pem.len() / 2]);
    for (text, found) in [
        (
            pem.replace("END RSA PRIVATE KEY", "END CERTIFICATE"),
            "begins as \"RSA PRIVATE KEY\" and ends as \"CERTIFICATE\"",
        ),
        (
            pem.replace("END RSA PRIVATE KEY", "END PRIVATE KEY"),
            "ends as \"PRIVATE KEY\"",
        ),
        (pem[..middle].into(), "there is no END RSA PRIVATE KEY"),
        (pem[middle..].into(), "there is no BEGIN RSA PRIVATE KEY"),
        (cut, "not a complete document"),
        (
            pem.replacen("\nM", "\n!M", 1),
            "has a character that no base64 has, in line 2 after BEGIN, column 1",
        ),
    ] {
        assert_pem_refused(&text, found);
    }
}

#[test]
fn of_two_keys_none_is_taken() {
    let (pem, other) = (pem(), openssl::file("rsa-2048-other.pkcs1.pem"));
    let ec = openssl::file("ec.sec1.pem");
    for (text, found) in [
        (
            format!("{pem}{other}"),
            "2 different private keys (RSA PRIVATE KEY, RSA PRIVATE KEY)",
        ),
        (
            format!("{pem}{other}").replace('\n', " "),
            "2 different private keys",
        ),
        (
            format!("{pem}{other}").replace('\n', "\\n"),
            "2 different private keys",
        ),
        (format!("{pem}{pem}{other}"), "3 different private keys"),
        (
            format!("{ec}{pem}"),
            "2 different private keys (EC PRIVATE KEY, RSA PRIVATE KEY)",
        ),
        (
            format!("{}{pem}", &other[..400]),
            "2 different private keys",
        ),
        (pem.repeat(5), "5 different private keys"),
    ] {
        assert_pem_refused(&text, found);
    }
}

#[test]
fn a_document_in_private_key_beside_a_name_is_refused() {
    let document = secret(&pem()).text();
    assert_refused(
        &secret(&document).text(),
        "private_key",
        "is a whole document",
    );
}

#[test]
fn two_documents_in_one_are_none() {
    let document = secret(&pem()).text();
    let both = serde_json::json!({ "a": document, "b": document }).to_string();
    let error = error(KeySecret::parse(&both, None));
    assert_eq!(error.0[0].field, "private_key");
}

#[test]
fn coats_without_end_are_not_taken_off() {
    let mut text = secret(&pem()).text();
    for _ in 0..5 {
        text = STANDARD.encode(serde_json::json!({ "key": text }).to_string());
    }
    let error = error(KeySecret::parse(&text, None));
    assert!(error.to_string().contains("expected"), "{error}");
}

#[test]
fn characters_of_other_scripts_are_no_panic() {
    for text in [
        "\u{1f511}",
        "-----BEGIN \u{1f511}-----",
        "\\u00e4\\",
        "%e4%",
        "&#228;&",
        "-----BEGIN RSA PRIVATE KEY-----\u{e4}",
    ] {
        assert_pem_refused(text, "expected");
    }
}

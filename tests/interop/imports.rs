//! `keys import` and `keys fingerprint` of files as people have them: read, or refused by name with a command that is run here as it
//! is printed.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{program, run};

const WINDOW: &str = "--key-id key-2025 --valid-from 2025-01-01 --valid-until 2026-01-01";

/// A folder with files of one key, as openssl writes them, and its keyring.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(TempDir::new().unwrap());
        desk.shell("openssl genrsa -traditional -out key.pem 2048");
        desk.shell("openssl rsa -in key.pem -pubout -out spki.pem");
        desk.shell("openssl rsa -in key.pem -RSAPublicKey_out -out pkcs1.pem");
        desk.shell(
            "openssl req -x509 -new -key key.pem -subj /CN=test -days 1 -out certificate.pem",
        );
        desk.shell("node -e 'console.log(JSON.stringify(crypto.createPrivateKey(fs.readFileSync(\"key.pem\")).export({format: \"jwk\"})))' > private.jwk");
        let mut jwk: Value = serde_json::from_slice(&desk.read("private.jwk")).unwrap();
        for (name, value) in [
            ("kid", json!("key-2025")),
            ("alg", json!("PS256")),
            ("use", json!("sig")),
        ] {
            jwk[name] = value;
        }
        jwk["nbf"] = 1_735_689_600.into();
        jwk["exp"] = 1_767_225_600.into();
        desk.write("private.jwk", jwk.to_string());
        desk.write("private.jwks", json!({ "keys": [jwk] }).to_string());
        for member in ["d", "p", "q", "dp", "dq", "qi"] {
            jwk.as_object_mut().unwrap().remove(member);
        }
        desk.write("public.jwk", jwk.to_string());
        desk.write("array.json", json!([jwk]).to_string());
        let pem = String::from_utf8(desk.read("key.pem")).unwrap();
        let secret = json!({ "private_key": pem, "key_id": "key-2025", "valid_from": "2025-01-01", "valid_until": "2026-01-01" });
        desk.write("secret.json", secret.to_string());
        desk.write(
            "documentation.json",
            json!({ "name": "amply/key", "value": secret }).to_string(),
        );
        desk
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn shell(&self, line: &str) {
        let mut shell = Command::new("bash");
        shell
            .args(["-euo", "pipefail", "-c", line])
            .current_dir(self.0.path());
        let output = shell.output().unwrap();
        assert!(
            output.status.success(),
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Exit code and all that was said.
    fn cli(&self, line: &str) -> (Option<i32>, String) {
        let output = run(program().args(line.split(' ')).current_dir(self.0.path()));
        let said = [output.stdout.clone(), output.stderr.clone()].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    fn fingerprint(&self, file: &str) -> String {
        let window = if is_keyring(file) {
            String::new()
        } else {
            format!(" {WINDOW}")
        };
        let (code, said) = self.cli(&format!("keys fingerprint {file}{window}"));
        assert_eq!(code, Some(0), "{file}: {said}");
        said
    }

    fn import(&self, file: &str) -> (Option<i32>, String) {
        let _ = std::fs::remove_file(self.path("record.sqlite"));
        assert_eq!(
            self.cli("record init --record sqlite:record.sqlite").0,
            Some(0)
        );
        let print = self.fingerprint("spki.pem");
        let print = print.split(' ').next().unwrap();
        let window = if is_keyring(file) {
            String::new()
        } else {
            format!(" {WINDOW}")
        };
        self.cli(&format!(
            "keys import {file} --record sqlite:record.sqlite --trust {print}{window}"
        ))
    }
}

fn is_keyring(file: &str) -> bool {
    Path::new(file).extension().is_none_or(|end| end != "pem")
}

/// Asserts that nothing of the private key is told.
fn assert_silent(desk: &Desk, said: &str) {
    let pem = String::from_utf8(desk.read("key.pem")).unwrap();
    let jwk: Value = serde_json::from_slice(&desk.read("private.jwk")).unwrap();
    let lines = pem
        .lines()
        .filter(|line| !line.starts_with('-'))
        .map(str::to_owned);
    let numbers =
        ["d", "p", "q", "dp", "dq", "qi"].map(|name| jwk[name].as_str().unwrap().to_owned());
    for part in lines.chain(numbers) {
        assert!(!said.contains(&part[..16]), "{said}");
    }
}

#[test]
fn public_keys_of_either_form_are_the_same_key() {
    let desk = Desk::new();
    let expected = desk.fingerprint("spki.pem");
    for name in ["spki.pem", "pkcs1.pem"] {
        let pem = String::from_utf8(desk.read(name)).unwrap();
        for text in [
            format!("\n{pem}"),
            format!("\r\n  {pem}"),
            format!("\n# key-2025\n{pem}"),
        ] {
            desk.write("odd.pem", text);
            assert_eq!(desk.fingerprint("odd.pem"), expected, "{name}");
        }
        let (code, said) = desk.import(name);
        assert_eq!(code, Some(0), "{name}: {said}");
        assert!(said.contains(&expected), "{said}");
    }
    assert_eq!(desk.import("odd.pem").0, Some(0));
}

#[test]
fn what_is_no_public_key_is_named_and_its_command_makes_one() {
    let desk = Desk::new();
    let several = [desk.read("spki.pem"), desk.read("pkcs1.pem")].concat();
    desk.write("several.pem", several);
    for (file, found, makes) in [
        ("key.pem", "is a private key", "public.pem"),
        ("certificate.pem", "is a certificate", "public.pem"),
        (
            "secret.json",
            "private_key: is a secret document",
            "public.pem",
        ),
        (
            "documentation.json",
            "private_key: is a secret document",
            "public.pem",
        ),
        (
            "private.jwk",
            "d: is a JWK with its private half",
            "keyring.json",
        ),
        ("public.jwk", "is one JWK", "keyring.json"),
        ("array.json", "is an array", "keyring.json"),
        ("several.pem", "holds 2 documents of PEM", ""),
    ] {
        let (code, said) = desk.import(file);
        assert_eq!(code, Some(2), "{file}: {said}");
        assert!(said.contains(found), "{file}: {said}");
        let is_private =
            !["certificate.pem", "public.jwk", "array.json", "several.pem"].contains(&file);
        assert_eq!(
            said.contains("taken for leaked"),
            is_private,
            "{file}: {said}"
        );
        assert_silent(&desk, &said);
        if !makes.is_empty() {
            desk.shell(said.split('`').nth(1).unwrap());
            let (code, said) = desk.import(makes);
            assert_eq!(code, Some(0), "{file}: {said}");
            std::fs::remove_file(desk.path(makes)).unwrap();
        }
    }
}

#[test]
fn private_members_in_a_set_are_refused_one_and_all() {
    let desk = Desk::new();
    let private: Value = serde_json::from_slice(&desk.read("private.jwks")).unwrap();
    let public: Value = serde_json::from_slice(&desk.read("public.jwk")).unwrap();
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        let mut set = json!({ "keys": [public] });
        set["keys"][0][member] = match member {
            "oth" => json!([{ "r": "AQ", "d": "AQ", "t": "AQ" }]),
            member => private["keys"][0][member].clone(),
        };
        desk.write("keyring.json", set.to_string());
        let (code, said) = desk.import("keyring.json");
        assert_eq!(code, Some(2), "{member}: {said}");
        let named = format!("keys[0]: {member}: is a member of private keys");
        assert!(
            said.contains(&named) && said.contains("taken for leaked"),
            "{said}"
        );
        assert_silent(&desk, &said);
        desk.shell(said.split('`').nth(1).unwrap());
        let (code, said) = desk.import("public.json");
        assert_eq!(code, Some(0), "{member}: {said}");
    }
}

#[test]
fn a_set_without_a_key_that_is_read_is_refused() {
    let desk = Desk::new();
    let ec = json!({ "kty": "EC", "kid": "ec", "crv": "P-256", "x": "AQ", "y": "AQ" });
    for (set, found) in [
        (json!({ "keys": [] }), "is a JWK Set without a key"),
        (
            json!({ "keys": [ec] }),
            "is a JWK Set without an RSA key (keys[0] \"ec\": kty is \"EC\")",
        ),
    ] {
        desk.write("keyring.json", set.to_string());
        let (code, said) = desk.import("keyring.json");
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains(found) && said.contains("keys export"),
            "{said}"
        );
    }
}

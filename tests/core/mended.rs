//! Every command that a refusal names is run as it is printed, and what it makes is read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use checkpoint::signing::{KeySecret, SecretError};
use tempfile::TempDir;

use crate::support::openssl;
use crate::support::secret::{assert_silent, secret};

/// A folder with what an operator has: the document, what its private_key holds, and the file of a good key.
struct Desk(TempDir);

impl Desk {
    fn new(document: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret.json"), document).unwrap();
        fs::write(
            folder.path().join("rsa.pem"),
            openssl::file("rsa-2048.pkcs8.pem"),
        )
        .unwrap();
        let desk = Self(folder);
        let json: Option<serde_json::Value> = serde_json::from_slice(document).ok();
        if let Some(pem) = json.and_then(|json| json["private_key"].as_str().map(str::to_owned)) {
            fs::write(desk.path().join("key.pem"), pem).unwrap();
        }
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs a command line of a shell. What asks for a passphrase is answered.
    fn run(&self, line: &str) {
        let line = line.replace("openssl pkey -in", "openssl pkey -passin pass:test -in");
        let line = line.replace("openssl pkcs12 -in", "openssl pkcs12 -passin pass:test -in");
        let line = line.replace(
            "openssl pkcs8 -inform",
            "openssl pkcs8 -passin pass:test -inform",
        );
        let line = line.replace(
            "-importkeystore",
            "-importkeystore -srcstorepass testtest -deststorepass test12 -noprompt",
        );
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", &line]);
        let output = shell.current_dir(self.path()).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {errors}");
    }
}

/// The commands of a refusal.
fn commands(error: &SecretError) -> Vec<String> {
    let text = error.to_string();
    let commands: Vec<String> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    assert!(!commands.is_empty(), "no command: {text}");
    commands
}

fn refusal(document: &[u8], found: &str) -> SecretError {
    let error = KeySecret::parse(document, None)
        .err()
        .unwrap_or_else(|| panic!("{found}: was read"));
    assert!(error.to_string().contains(found), "{error}");
    assert_silent(&error, &String::from_utf8_lossy(document));
    error
}

/// Runs the commands of the refusal, one after the other, and reads what they make.
fn assert_mended(document: &[u8], found: &str) {
    let desk = Desk::new(document);
    for command in commands(&refusal(document, found)) {
        desk.run(&command);
    }
    let mended = fs::read(desk.path().join("mended.json")).unwrap();
    let read = KeySecret::parse(&mended, None);
    let read = read
        .unwrap_or_else(|error| panic!("{found}: {error}: {}", String::from_utf8_lossy(&mended)));
    // What stands around PEM in a text that is no document stays there.
    let is_text = found == "text with PEM in it";
    assert_eq!(
        read.oddities().is_empty(),
        !is_text,
        "{found}: {:?}",
        read.oddities()
    );
}

fn assert_pem_mended(pem: &str, found: &str) {
    assert_mended(secret(pem).text().as_bytes(), found);
}

/// What `openssl` or another program makes of the files of the folder, in a new one.
fn made(line: &str, file: &str) -> Vec<u8> {
    let desk = Desk::new(b"");
    for name in [
        "rsa-2048.pkcs1.pem",
        "rsa-2048.pkcs8.pem",
        "rsa-2048.certificate.pem",
        "rsa-2048.spki.pem",
    ] {
        fs::write(desk.path().join(name), openssl::file(name)).unwrap();
    }
    desk.run(line);
    fs::read(desk.path().join(file)).unwrap()
}

fn made_text(line: &str, file: &str) -> String {
    String::from_utf8(made(line, file)).unwrap()
}

#[test]
fn encrypted_keys_are_decrypted() {
    for name in [
        "rsa-2048.encrypted-pkcs8.pem",
        "rsa-2048.encrypted-pkcs1.pem",
    ] {
        assert_pem_mended(&openssl::file(name), "is encrypted");
    }
}

#[test]
fn keys_for_pss_alone_are_converted_and_stay_the_same_key() {
    let with_parameters = made_text(
        "openssl genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_pss_keygen_md:sha256 \
         -pkeyopt rsa_pss_keygen_mgf1_md:sha256 -pkeyopt rsa_pss_keygen_saltlen:32 -out pss.pem",
        "pss.pem",
    );
    for pem in [openssl::file("rsa-pss-2048.pkcs8.pem"), with_parameters] {
        let document = secret(&pem).text();
        let desk = Desk::new(document.as_bytes());
        for command in commands(&refusal(document.as_bytes(), "marked for RSASSA-PSS alone")) {
            desk.run(&command);
        }
        let mended = KeySecret::parse(&fs::read(desk.path().join("mended.json")).unwrap(), None);
        desk.run("openssl pkey -in key.pem -noout -text | grep -A18 modulus | tail -n +2 > n1");
        desk.run("openssl pkey -in rsa.pem -noout -text | grep -A18 modulus | tail -n +2 > n2 && cmp n1 n2");
        assert!(mended.unwrap().oddities().is_empty());
    }
    let traditional = made_text(
        "openssl genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 | openssl rsa -traditional -out pss.pem",
        "pss.pem",
    );
    assert_pem_mended(&traditional, "RSA-PSS PRIVATE KEY");
}

#[test]
fn keys_that_cannot_become_one_are_replaced() {
    for (name, found) in [
        ("rsa-2048-three-primes.pkcs1.pem", "of more than two primes"),
        ("ec.pkcs8.pem", "an EC key"),
        ("ec.sec1.pem", "an EC key"),
        ("ec-with-parameters.sec1.pem", "an EC key"),
        ("ed25519.pkcs8.pem", "an Ed25519 key"),
        ("rsa-1024.pkcs1.pem", "1024 bits"),
    ] {
        assert_pem_mended(&openssl::file(name), found);
    }
}

#[test]
fn what_is_public_is_replaced_by_the_private_key() {
    for (name, found) in [
        ("rsa-2048.certificate.pem", "a certificate"),
        ("rsa-2048.spki.pem", "a public key"),
        ("rsa-2048.pkcs1-public.pem", "a public key"),
    ] {
        assert_pem_mended(&openssl::file(name), found);
    }
}

#[test]
fn the_format_of_openssh_is_converted() {
    let rsa = made_text("ssh-keygen -q -t rsa -b 2048 -N '' -C '' -f key", "key");
    assert_pem_mended(&rsa, "the format of OpenSSH");
    let other = made_text("ssh-keygen -q -t ed25519 -N '' -C '' -f key", "key");
    assert_pem_mended(&other, "an Ed25519 key");
}

/// The folder of puttygen where it is not on the path: Debian's package is fetched once.
fn puttygen() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("putty");
    let program = folder.join("usr/bin/puttygen");
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(found) = std::env::split_paths(&path).find(|path| path.join("puttygen").is_file()) {
        return found;
    }
    if !program.is_file() {
        fs::create_dir_all(&folder).unwrap();
        let fetch = "apt-get download putty-tools && dpkg -x putty-tools*.deb .";
        let mut fetching = Command::new("sh");
        let fetched = fetching.args(["-c", fetch]).current_dir(&folder).output();
        assert!(
            program.is_file(),
            "puttygen is needed (Debian: putty-tools), and cannot be fetched: {fetched:?}"
        );
    }
    folder.join("usr/bin")
}

#[test]
fn a_key_of_putty_is_converted() {
    let on_path = format!("PATH=\"{}:$PATH\"; ", puttygen().display());
    let pem = openssl::file("rsa-2048.pkcs1.pem");
    let desk = Desk::new(secret(&pem).text().as_bytes());
    for version in ["3", "2"] {
        desk.run(&format!(
            "{on_path}chmod 600 key.pem; puttygen key.pem -O private --ppk-param version={version} -o key.ppk"
        ));
        let document = secret(&fs::read_to_string(desk.path().join("key.ppk")).unwrap()).text();
        let desk = Desk::new(document.as_bytes());
        for command in commands(&refusal(document.as_bytes(), "is a key of PuTTY")) {
            desk.run(&format!("{on_path}{command}"));
        }
        let mended = KeySecret::parse(&fs::read(desk.path().join("mended.json")).unwrap(), None);
        assert_eq!(mended.unwrap().version(), &secret(&pem).version());
    }
}

#[test]
fn pkcs12_is_opened_and_a_keystore_is_named() {
    let make = "openssl pkcs12 -export -inkey rsa-2048.pkcs1.pem -in rsa-2048.certificate.pem -passout pass:test -out key.p12";
    let pfx = made(make, "key.p12");
    assert_pem_mended(&STANDARD.encode(&pfx), "is PKCS#12");
    assert_mended(&pfx, "is PKCS#12");
    // Its magic, its version, and an entry. Its commands are run by hand: keytool is not everywhere.
    let store = [
        &[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 1][..],
        &[7; 300],
    ]
    .concat();
    let document = secret(&STANDARD.encode(store)).text();
    refusal(document.as_bytes(), "is a keystore of Java");
}

#[test]
fn der_is_put_into_a_document() {
    for (line, found) in [
        (
            "openssl rsa -in rsa-2048.pkcs1.pem -outform DER -traditional -out key",
            "is a key in DER",
        ),
        (
            "openssl pkcs8 -topk8 -nocrypt -in rsa-2048.pkcs1.pem -outform DER -out key",
            "is a key in DER",
        ),
        (
            "openssl pkcs8 -topk8 -passout pass:test -in rsa-2048.pkcs1.pem -outform DER -out key",
            "an encrypted key in DER",
        ),
        (
            "openssl x509 -in rsa-2048.certificate.pem -outform DER -out key",
            "a certificate in DER",
        ),
        (
            "openssl pkey -pubin -in rsa-2048.spki.pem -outform DER -out key",
            "a public key in DER",
        ),
    ] {
        let der = made(line, "key");
        assert_mended(&der, found);
        assert_mended(STANDARD.encode(&der).as_bytes(), found);
    }
}

#[test]
fn a_jwk_is_converted() {
    let jwk = made_text(
        "node -e 'console.log(JSON.stringify(crypto.createPrivateKey(fs.readFileSync(\"rsa-2048.pkcs8.pem\"))\
         .export({format: \"jwk\"})))' > jwk",
        "jwk",
    );
    assert_pem_mended(&jwk, "is a JWK");
}

#[test]
fn what_is_not_whole_or_no_key_is_put_there_again() {
    let pem = openssl::file("rsa-2048.pkcs1.pem");
    let other = openssl::file("rsa-2048-other.pkcs1.pem");
    for (text, found) in [
        (String::new(), "empty"),
        ("file://key.pem".into(), "the place of a file"),
        ("${key}".into(), "a variable"),
        ("hello".into(), "is not PEM"),
        ("$ANSIBLE_VAULT;1.1".into(), "Ansible Vault"),
        ("<RSAKeyValue/>".into(), "XML"),
        (
            "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----".into(),
            "a placeholder",
        ),
        (pem[..900].into(), "there is no END"),
        (pem[900..].into(), "there is no BEGIN"),
        (pem.replace("END RSA", "END"), "ends as"),
        (
            format!("{}\n-----END RSA PRIVATE KEY-----", &pem[..900]),
            "not a complete document",
        ),
        (pem.replacen("\nM", "\n!M", 1), "no base64 has"),
        (format!("{pem}{other}"), "2 different private keys"),
        (pem.replace("RSA PRIVATE", "ANY PRIVATE"), "is PEM of"),
        (secret(&pem).text(), "is a whole document"),
    ] {
        assert_pem_mended(&text, found);
    }
}

#[test]
fn documents_that_are_none_are_made_one() {
    let pem = openssl::file("rsa-2048.pkcs1.pem");
    let escaped = pem.replace('\n', "\\n");
    let members = "'key_id': 'amply-checkpoint-key-2025', 'valid_from': '2025-01-01', 'valid_until': '2026-01-01'";
    for (text, found) in [
        (STANDARD.encode(&pem), "is PEM alone, in base64"),
        (pem.clone(), "it is PEM alone"),
        (
            serde_json::json!(pem).to_string(),
            "a string of JSON that holds PEM",
        ),
        (
            format!("{{'private_key': '{escaped}', {members}}}"),
            "a dict of Python",
        ),
        (
            format!(
                "private_key,key_id,valid_from,valid_until\n\"{pem}\",key-2025,2025-01-01,2026-01-01\n"
            ),
            "it is CSV",
        ),
        (
            format!("key_id: key-2025\nprivate_key: |\n{pem}"),
            "text with PEM in it",
        ),
        (
            format!("JWT_PRIVATE_KEY=\"{escaped}\"\n"),
            "text with PEM in it",
        ),
    ] {
        assert_mended(text.as_bytes(), found);
    }
}

#[test]
fn members_that_are_missing_are_added_or_renamed() {
    let good = secret(&openssl::file("rsa-2048.pkcs1.pem"));
    for name in ["private_key", "key_id", "valid_from", "valid_until"] {
        let example = match name {
            "valid_from" => good.clone().with("valid_until", "\"2028-01-01\""),
            "valid_until" => good.clone(),
            _ => good.clone(),
        };
        assert_mended(
            example.without(name).text().as_bytes(),
            &format!("{name}: is missing"),
        );
    }
    let rename = |text: String, from: &str, to: &str| {
        text.replace(&format!("\"{from}\""), &format!("\"{to}\""))
    };
    for (from, to) in [
        ("private_key", "privateKey"),
        ("private_key", "PRIVATE-KEY"),
        ("private_key", "pem"),
        ("key_id", "keyId"),
        ("key_id", "kid"),
        ("valid_from", "validFrom"),
        ("valid_until", "Valid Until"),
    ] {
        let found = format!("stands under another name, {to:?}");
        assert_mended(rename(good.text(), from, to).as_bytes(), &found);
    }
    let pem = openssl::file("rsa-2048.pkcs1.pem");
    let lines: Vec<&str> = pem.lines().collect();
    let array = good
        .clone()
        .with("private_key", serde_json::json!(lines).to_string());
    assert_mended(array.text().as_bytes(), "is an array");
    let account = serde_json::json!({ "type": "service_account", "private_key": pem }).to_string();
    let desk = Desk::new(account.as_bytes());
    // One command for each member: each begins from what the one before made.
    for command in commands(&refusal(account.as_bytes(), "key_id: is missing")) {
        desk.run(&command);
        fs::copy(
            desk.path().join("mended.json"),
            desk.path().join("secret.json"),
        )
        .unwrap();
    }
    KeySecret::parse(&fs::read(desk.path().join("mended.json")).unwrap(), None).unwrap();
}

#[test]
fn a_key_as_the_name_of_a_member_becomes_its_value() {
    let pem = openssl::file("rsa-2048.pkcs1.pem");
    let document = serde_json::json!({ pem: "" }).to_string();
    let desk = Desk::new(document.as_bytes());
    let error = refusal(document.as_bytes(), "in the name of a member");
    desk.run(&commands(&error)[0]);
    KeySecret::parse(&fs::read(desk.path().join("mended.json")).unwrap(), None).unwrap();
}

//! Parsing is total: whatever comes in, there is an answer and no panic.

use std::sync::LazyLock;

use checkpoint::checkpoint::{Checkpoint, CumulativeHash, Timestamp, parse_object};
use checkpoint::jws::{DetachedJws, JwsType, ProtectedHeader};
use checkpoint::key::{Algorithm, KeyId, PublicKey, instant_text, parse_instant};
use checkpoint::keyring::Keyring;
use checkpoint::signing::{KeySecret, VersionSecret};
use checkpoint::verdict::verify_published;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{KEY, KEYRING};
use crate::support::checkpoint::checkpoint;
use crate::support::openssl;
use crate::support::secret::secret;

/// Bytes of which many parse: the characters that JSON, PEM and dates are made of.
const NEARLY: &str = "[{}\\[\\]\",:\\\\0-9eE+.TZ\\- a-dn-u\n=_]{0,64}";

static SECRET: LazyLock<String> = LazyLock::new(|| {
    secret(&openssl::file("rsa-2048.pkcs1.pem"))
        .with("version_stages", "[\"AWSCURRENT\"]")
        .text()
});
static JWKS: LazyLock<String> = LazyLock::new(|| KEYRING.to_jwks());

/// Everything that reads bytes or text from outside. The answers do not matter here.
fn read_everything(bytes: &[u8]) {
    let _ = parse_object(bytes);
    let _ = Checkpoint::from_json(bytes);
    let _ = Checkpoint::from_published_json(bytes);
    let _ = verify_published(&KEYRING, bytes);
    let _ = ProtectedHeader::from_json(bytes, JwsType::Checkpoint);
    let _ = ProtectedHeader::from_json(bytes, JwsType::Endorsement);
    let _ = Keyring::from_jwks(bytes);
    let _ = PublicKey::from_der(bytes);
    let _ = PublicKey::from_components(bytes, bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = DetachedJws::parse(&text);
    let _ = KeySecret::parse(bytes, None);
    let _ = KeySecret::parse(bytes, Some("name"));
    let _ = VersionSecret::parse_file(bytes);
    let _ = PublicKey::from_pem(&text);
    let _ = text.parse::<Timestamp>();
    let _ = text.parse::<CumulativeHash>();
    let _ = text.parse::<KeyId>();
    let _ = text.parse::<Algorithm>();
    let _ = parse_instant(&text);
}

fn changed(text: &str, at: Index, byte: u8) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    let at = at.index(bytes.len());
    bytes[at] = byte;
    bytes
}

/// Seconds since 1970: any, and those within and around the years 1970 to 9999.
fn instants() -> impl Strategy<Value = i64> {
    let (first, last) = (0_i64, 253_402_300_799);
    prop_oneof![
        any::<i64>(),
        first - 10..first + 10,
        first..last,
        last - 10..last + 10
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_have_an_answer(bytes in vec(any::<u8>(), 0..256)) {
        read_everything(&bytes);
    }

    #[test]
    fn any_text_has_an_answer(text in any::<String>()) {
        read_everything(text.as_bytes());
    }

    #[test]
    fn anything_that_nearly_parses_has_an_answer(text in NEARLY) {
        read_everything(text.as_bytes());
        read_everything(format!("[{text}]").as_bytes());
        read_everything(format!("{{\"private_key\":\"{text}\",\"key_id\":{text}}}").as_bytes());
    }

    #[test]
    fn a_changed_checkpoint_has_an_answer(at in any::<Index>(), byte in any::<u8>()) {
        read_everything(&changed(&checkpoint().text(), at, byte));
    }

    #[test]
    fn a_changed_keyring_has_an_answer(at in any::<Index>(), byte in any::<u8>()) {
        let bytes = changed(&JWKS, at, byte);
        if let Ok(keyring) = Keyring::from_jwks(&bytes) {
            // What is read can be written and read again.
            prop_assert_eq!(Keyring::from_jwks(keyring.to_jwks().as_bytes()).unwrap(), keyring);
        }
    }

    #[test]
    fn a_keyring_has_instants_that_can_be_written_or_is_refused(nbf in instants(), exp in instants()) {
        let text = JWKS.replace("\"nbf\":1735689600", &format!("\"nbf\":{nbf}"));
        let text = text.replace("\"exp\":1767225600", &format!("\"exp\":{exp}"));
        match Keyring::from_jwks(text.as_bytes()) {
            Ok(keyring) => for entry in keyring.entries() {
                let window = entry.version().window;
                for instant in [window.from(), window.until()] {
                    prop_assert_eq!(parse_instant(&instant_text(instant)), Ok(instant));
                }
            },
            Err(error) => {
                let error = error.to_string();
                prop_assert!(error.contains("]: nbf: ") || error.contains("]: exp: "), "{}", error);
            }
        }
    }

    #[test]
    fn a_timestamp_that_is_read_is_written_as_it_was(text in "(19|20|99|00)[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]Z?") {
        if let Ok(time) = text.parse::<Timestamp>() {
            prop_assert_eq!(time.to_string(), text);
        }
    }

    #[test]
    fn an_instant_that_is_read_is_read_again_from_what_is_written(text in "(19|20|99|00)[0-9]{2}-[01][0-9]-[0-3][0-9]([Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](Z|z|[+-][0-2][0-9]:[0-5][0-9]))?") {
        if let Ok(instant) = parse_instant(&text) {
            prop_assert_eq!(parse_instant(&instant_text(instant)).unwrap(), instant);
        }
    }
}

proptest! {
    // A secret that is nearly right costs a validation of its key.
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_changed_secret_has_an_answer(at in any::<Index>(), byte in any::<u8>()) {
        let bytes = changed(&SECRET, at, byte);
        let text = String::from_utf8_lossy(&bytes);
        let _ = VersionSecret::parse_file(&format!("[{text}]"));
    }

    #[test]
    fn a_changed_digit_of_the_key_is_refused_or_changes_nothing(at in any::<Index>(), byte in "[A-Za-z0-9+/]") {
        let pem = openssl::file("rsa-2048.pkcs1.pem");
        let start = pem.find('\n').unwrap() + 1;
        let end = pem.rfind("\n-----END").unwrap();
        let at = start + at.index(end - start);
        prop_assume!(pem.as_bytes()[at] != b'\n');
        let mut bytes = pem.into_bytes();
        bytes[at] = byte.as_bytes()[0];
        let pem = String::from_utf8(bytes).unwrap();
        if let Ok(secret) = KeySecret::parse(&secret(&pem).text(), None) {
            prop_assert_eq!(&secret.version().public_key, &KEY.version().public_key);
        }
    }
}

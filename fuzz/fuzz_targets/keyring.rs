//! The keyring file: what is read is printed and read again as the same ring, and a pin believes no more than the ring.
#![no_main]

use checkpoint::keyring::Keyring;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let keyring = match Keyring::from_jwks(text) {
        Ok(keyring) => keyring,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let printed = keyring.to_jwks();
    let again = Keyring::from_jwks(printed.as_bytes()).expect("its own text");
    assert_eq!(again, keyring);
    assert_eq!(again.to_jwks(), printed);
    for entry in keyring.entries() {
        let version = entry.version();
        assert!(version.window.from() < version.window.until());
        assert!(keyring.check(version).is_ok());
        let seen = keyring
            .trust_from(version.fingerprint())
            .expect("it has this key");
        assert!(seen.trusted.verifying(&version.key_id).is_some());
        let known = seen.trusted.entries().len() + seen.untrusted.len();
        assert_eq!(known, keyring.entries().len());
        assert_eq!(seen.pinned.as_ref(), Some(version));
    }
});

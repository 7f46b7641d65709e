//! Properties of all inputs, tried on many random ones.

mod odd_pem;
mod parsing;
mod signing;
mod tampering;

use std::sync::LazyLock;

use checkpoint::checkpoint::Checkpoint;
use checkpoint::jws::SignedCheckpoint;
use checkpoint::keyring::Keyring;
use checkpoint::signing::{KeySecret, SigningKey};
use chrono::{DateTime, Utc};

use crate::support::openssl;
use crate::support::secret::secret;

/// RS256 and 2048 bits: the quickest key there is.
static KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    let secret = secret(&openssl::file("rsa-2048.pkcs1.pem")).with("algorithm", "\"RS256\"");
    KeySecret::parse(&secret.text(), None)
        .ok()
        .unwrap()
        .into_signing_key()
});

static KEYRING: LazyLock<Keyring> = LazyLock::new(|| {
    let mut keyring = Keyring::default();
    keyring.insert(KEY.version().clone()).unwrap();
    keyring
});

fn sign(checkpoint: Checkpoint, iat: DateTime<Utc>) -> SignedCheckpoint {
    let jws = KEY
        .open_at(iat)
        .ok()
        .unwrap()
        .sign(checkpoint.payload())
        .unwrap();
    SignedCheckpoint { checkpoint, jws }
}

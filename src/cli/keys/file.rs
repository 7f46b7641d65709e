//! Public keys in a file: a JWK Set, which says all of its keys itself, or PEM, of which the flags say the rest.

use std::path::PathBuf;

use checkpoint_verify::cli::keyring;
use chrono::{DateTime, Utc};
use clap::Args;

use super::{Window, foreign};
use crate::cli::{Failure, PROGRAM, input};
use checkpoint::key::{Algorithm, KeyId, KeyVersion, PublicKey, parse_instant};
use checkpoint::keyring::{Keyring, KeyringFile, MAX_KEYRING_BYTES};

#[derive(Args)]
pub(super) struct KeyFile {
    /// A JWK Set as `keys export` writes it, or /.well-known/jwks.json; or one public key as PEM; - reads standard input
    pub(super) file: PathBuf,
    /// The name of the version; for PEM
    #[arg(long, env = "CHECKPOINT_SIGNER_KEY_ID", requires_all = ["valid_from", "valid_until"])]
    key_id: Option<KeyId>,
    /// First instant at which it may sign; for PEM
    #[arg(long, env = "CHECKPOINT_SIGNER_VALID_FROM", value_parser = parse_instant)]
    valid_from: Option<DateTime<Utc>>,
    /// First instant at which it may no longer sign; for PEM
    #[arg(long, env = "CHECKPOINT_SIGNER_VALID_UNTIL", value_parser = parse_instant)]
    valid_until: Option<DateTime<Utc>>,
    /// PS256 or RS256; for PEM, where PS256 is the default
    #[arg(long, env = "CHECKPOINT_SIGNER_ALGORITHM")]
    algorithm: Option<Algorithm>,
}

impl KeyFile {
    pub(super) fn read(&self) -> Result<KeyringFile, Failure> {
        let wrong =
            |problem: String| Failure::Impossible(format!("{}: {problem}", self.file.display()));
        let bytes = input::read(&self.file, MAX_KEYRING_BYTES)?;
        let text = bytes.trim_ascii_start();
        if let Some(problem) = foreign::instead(text, &self.file) {
            return Err(wrong(problem));
        }
        if !text.starts_with(b"-----BEGIN") && !text.starts_with(b"#") {
            let given = [
                ("--key-id", self.key_id.is_some()),
                ("--valid-from", self.valid_from.is_some()),
                ("--valid-until", self.valid_until.is_some()),
                ("--algorithm", self.algorithm.is_some()),
            ];
            if let Some((flag, _)) = given.into_iter().find(|(_, given)| *given) {
                let problem = format!(
                    "is not PEM, and says all of its keys itself; {flag} would not be used"
                );
                return Err(wrong(problem));
            }
            let file = keyring::parse(PROGRAM, text, &self.file)?;
            return match file.keyring.entries().is_empty() {
                true => Err(wrong(foreign::without_keys(&file.skipped))),
                false => Ok(file),
            };
        }
        let (Some(key_id), Some(valid_from), Some(valid_until)) =
            (&self.key_id, self.valid_from, self.valid_until)
        else {
            let problem = "is PEM, which has no name and no window; expected --key-id, --valid-from and --valid-until";
            return Err(wrong(problem.into()));
        };
        let window = Window {
            valid_from,
            valid_until,
        };
        let pem: String = String::from_utf8_lossy(text)
            .lines()
            .filter(|line| !line.starts_with('#'))
            .flat_map(|line| [line, "\n"])
            .collect();
        let mut keyring = Keyring::default();
        let version = KeyVersion {
            key_id: key_id.clone(),
            window: window.read()?,
            algorithm: self.algorithm.unwrap_or_default(),
            public_key: PublicKey::from_pem(&pem).map_err(|error| wrong(error.to_string()))?,
        };
        keyring
            .insert(version)
            .map_err(|error| wrong(error.to_string()))?;
        Ok(KeyringFile {
            keyring,
            skipped: Vec::new(),
        })
    }
}

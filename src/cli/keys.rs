//! `keys`: what operators do with keys.

mod file;
mod foreign;
mod import;
mod revoke;

use std::path::PathBuf;

use checkpoint_verify::cli::keyring::skipped_json;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::environment::EnvironmentArg;
use super::place::{RecordPlace, TrustArgs};
use super::server::list_keys;
use super::{
    Failure, Format, FormatArg, ServerArg, input, print, print_json, print_json_text, print_line,
    print_lines,
};
use crate::wire;
use crate::wire::proto::{self, Key, ListKeysResponse};
use checkpoint::key::{
    Algorithm, DEFAULT_MODULUS_BITS, KeyId, KeyVersion, ValidityWindow, WindowError, instant_text,
    parse_instant,
};
use checkpoint::keyring::{KeyState, KeyringFile};
use checkpoint::signing::KeySecret;
use checkpoint::visible::visible;
use file::KeyFile;

#[derive(Subcommand)]
pub(super) enum Keys {
    /// Generate a key and write it to a new file (mode 0600) as a secret document
    Generate(Generate),
    /// List the key versions of a running service
    List(List),
    /// Print the public keys of a running service
    Export(Export),
    /// Put public keys that are older than this service on record, so that it verifies what they signed
    Import(Import),
    /// Print the fingerprints of the keys in a keyring file, to note one or to compare with what was noted
    Fingerprint(PrintFingerprints),
    /// Distrust a key, for ever, from an instant on
    Revoke(revoke::Revoke),
}

#[derive(Args)]
pub(super) struct Generate {
    /// The name of the version, never used before, for example amply-checkpoint-key-2027
    #[arg(long, env = "CHECKPOINT_SIGNER_KEY_ID")]
    key_id: KeyId,
    #[command(flatten)]
    window: Window,
    /// Bits of the modulus, 2048 to 8192
    #[arg(long, env = "CHECKPOINT_SIGNER_BITS", default_value_t = DEFAULT_MODULUS_BITS)]
    bits: usize,
    /// PS256 or RS256
    #[arg(long, env = "CHECKPOINT_SIGNER_ALGORITHM", default_value_t)]
    algorithm: Algorithm,
    /// The file to write; it must not exist
    #[arg(long, env = "CHECKPOINT_SIGNER_OUT")]
    out: PathBuf,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Args)]
struct Window {
    /// First instant at which it may sign: a date (midnight UTC) or an RFC 3339 instant
    #[arg(long, env = "CHECKPOINT_SIGNER_VALID_FROM", value_parser = parse_instant)]
    valid_from: DateTime<Utc>,
    /// First instant at which it may no longer sign
    #[arg(long, env = "CHECKPOINT_SIGNER_VALID_UNTIL", value_parser = parse_instant)]
    valid_until: DateTime<Utc>,
}

impl Window {
    fn read(&self) -> Result<ValidityWindow, Failure> {
        ValidityWindow::new(self.valid_from, self.valid_until)
            .map_err(|error: WindowError| Failure::Impossible(format!("--valid-until: {error}")))
    }
}

#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    server: ServerArg,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Clone, Copy, ValueEnum)]
enum KeyFormat {
    /// A JWK Set with the windows: a keyring for `verify --keys`
    Jwks,
    /// PEM of the public keys, for openssl; a comment before each has its name, algorithm, nbf, exp and fingerprint
    Pem,
    /// For a person: what `keys list` prints of them
    Text,
}

#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    server: ServerArg,
    /// Only this version
    #[arg(long, env = "CHECKPOINT_SIGNER_KEY_ID")]
    key_id: Option<KeyId>,
    /// In which form
    #[arg(
        long,
        value_enum,
        env = "CHECKPOINT_SIGNER_KEY_FORMAT",
        default_value = "jwks"
    )]
    format: KeyFormat,
}

#[derive(Args)]
pub(super) struct Import {
    #[command(flatten)]
    file: KeyFile,
    /// The record: sqlite:PATH, postgres://..., or secretsmanager:NAME
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_RECORD",
        hide_env_values = true,
        value_name = "PLACE"
    )]
    record: RecordPlace,
    #[command(flatten)]
    environment: EnvironmentArg,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Args)]
pub(super) struct PrintFingerprints {
    #[command(flatten)]
    file: KeyFile,
    #[command(flatten)]
    format: FormatArg,
}

impl Keys {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Generate(generate) => generate.run(),
            Self::List(list) => list.run().await,
            Self::Export(export) => export.run().await,
            Self::Import(import) => import.run().await,
            Self::Fingerprint(print) => print.run(),
            Self::Revoke(revoke) => revoke.run().await,
        }
    }
}

impl Generate {
    fn run(self) -> Result<(), Failure> {
        let window = self.window.read()?;
        let (document, secret) =
            KeySecret::generate(self.key_id, window, self.algorithm, self.bits, None)
                .map_err(|error| Failure::Impossible(format!("--bits: {error}")))?;
        input::write_private(&self.out, &document)?;
        let version = secret.version();
        match self.format.format {
            Format::Json => print_json(&json!({
                "key_id": version.key_id.as_str(),
                "algorithm": version.algorithm.as_str(),
                "modulus_bits": version.public_key.bits(),
                "valid_from": instant_text(window.from()),
                "valid_until": instant_text(window.until()),
                "fingerprint": version.fingerprint().to_string(),
                "thumbprint": version.public_key.thumbprint(),
                "file": self.out.display().to_string(),
            })),
            Format::Text => print_lines([
                format!(
                    "generated {} ({}, {} bits, {window})",
                    version.key_id,
                    version.algorithm,
                    version.public_key.bits(),
                ),
                format!("fingerprint {}", version.fingerprint()),
                format!(
                    "written to {} (mode 0600): whoever reads it can sign",
                    self.out.display()
                ),
            ]),
        }
    }
}

async fn fetch(server: &ServerArg) -> Result<ListKeysResponse, Failure> {
    let channel = server.connect().await?;
    let mut list = list_keys(channel).await?;
    // Where nothing is signed, no key signs, whichever would.
    let is_refused = !list.signing_refused.is_empty();
    list.keys
        .iter_mut()
        .for_each(|key| key.signing &= !is_refused);
    Ok(list)
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let list = fetch(&self.server).await?;
        let status = list.source_status.unwrap_or_default();
        let refused = Some(list.signing_refused).filter(|reason| !reason.is_empty());
        if self.format.format == Format::Json {
            let keys: Vec<Value> = list.keys.iter().map(key_json).collect();
            return print_json(&json!({
                "keys": keys,
                "signing_refused": refused,
                "source": {
                    "name": status.source,
                    "faults": status.faults,
                    "api_calls": status.api_calls,
                    "clock_fault": Some(status.clock_fault).filter(|fault| !fault.is_empty()),
                },
            }));
        }
        for key in &list.keys {
            print_lines(key_text(key))?;
        }
        if let Some(reason) = &refused {
            print_line(&format!("SIGNS NOTHING: {reason}"))?;
        }
        let calls = status.api_calls.map(|calls| format!(", {calls} API calls"));
        print_line(&format!(
            "source: {}{}",
            status.source,
            calls.unwrap_or_default()
        ))?;
        for fault in &status.faults {
            print_line(&format!("source has a fault: {fault}"))?;
        }
        if !status.clock_fault.is_empty() {
            print_line(&format!("clock is not compared: {}", status.clock_fault))?;
        }
        Ok(())
    }
}

fn instant(wire: Option<prost_types::Timestamp>) -> String {
    wire::read_instant(wire)
        .map(instant_text)
        .unwrap_or_default()
}

fn state(key: &Key) -> &'static str {
    wire::read_state(key.state()).map_or("UNSPECIFIED", KeyState::as_str)
}

fn algorithm(key: &Key) -> &'static str {
    key.algorithm()
        .as_str_name()
        .trim_start_matches("SIGNATURE_ALGORITHM_")
}

fn key_text(key: &Key) -> [String; 2] {
    let signs = if key.signing { "  <- signs now" } else { "" };
    let revoked = key.revocation.as_ref().map(|revocation| {
        let from = instant(revocation.distrust_after);
        format!("  distrusted from {from}: {}", revocation.reason)
    });
    let line = format!(
        "{:<10} {:<28} {} <= t < {}  {} {} bits  {}{}{signs}",
        state(key),
        key.key_id,
        instant(key.valid_from),
        instant(key.valid_until),
        algorithm(key),
        key.modulus_bits,
        key.version_stages.join(","),
        revoked.unwrap_or_default(),
    );
    [line, format!("{:<10} {}", "", key.fingerprint)]
}

fn key_json(key: &Key) -> Value {
    json!({
        "key_id": key.key_id,
        "state": state(key),
        "algorithm": algorithm(key),
        "modulus_bits": key.modulus_bits,
        "valid_from": instant(key.valid_from),
        "valid_until": instant(key.valid_until),
        "fingerprint": key.fingerprint,
        "thumbprint": key.thumbprint,
        "version_stages": key.version_stages,
        "signing": key.signing,
        "revocation": key.revocation.as_ref().map(|revocation| json!({
            "distrust_after": instant(revocation.distrust_after),
            "reason": revocation.reason,
        })),
    })
}

impl Export {
    async fn run(self) -> Result<(), Failure> {
        let mut keys = fetch(&self.server).await?.keys;
        // What is only staged is trusted by nobody, and not published.
        keys.retain(|key| key.state() != proto::KeyState::Pending);
        if let Some(wanted) = &self.key_id {
            keys.retain(|key| key.key_id == wanted.as_str());
            if keys.is_empty() {
                let message = format!("--key-id: the service has no published key {wanted}");
                return Err(Failure::Negative(message));
            }
        }
        match self.format {
            KeyFormat::Pem => keys.iter().try_for_each(|key| {
                print(&format!(
                    "{}\n{}",
                    visible(&pem_comment(key)),
                    key.public_key_pem
                ))
            }),
            KeyFormat::Text => keys.iter().try_for_each(|key| print_lines(key_text(key))),
            KeyFormat::Jwks => {
                let jwks: Vec<&str> = keys.iter().map(|key| key.jwk.as_str()).collect();
                print_json_text(&format!(r#"{{"keys":[{}]}}"#, jwks.join(",")))
            }
        }
    }
}

/// What PEM does not have: a recipe takes the key of a name by it, and can make the fingerprint of it and the key.
fn pem_comment(key: &Key) -> String {
    let seconds = |wire: Option<prost_types::Timestamp>| wire.unwrap_or_default().seconds;
    format!(
        "# {} {} {} {} {}",
        key.key_id,
        algorithm(key),
        seconds(key.valid_from),
        seconds(key.valid_until),
        key.fingerprint
    )
}

impl PrintFingerprints {
    fn run(self) -> Result<(), Failure> {
        let KeyringFile { keyring, skipped } = self.file.read()?;
        let versions = keyring.published();
        let versions = versions.iter().map(|entry| entry.version());
        match self.format.format {
            Format::Json => print_json(&json!({
                "keys": versions.map(named).collect::<Vec<_>>(),
                "keys_skipped": skipped_json(&skipped),
            })),
            Format::Text => versions
                .map(fingerprint_text)
                .try_for_each(|line| print_line(&line)),
        }
    }
}

fn named(version: &KeyVersion) -> Value {
    let fingerprint = version.fingerprint().to_string();
    json!({ "key_id": version.key_id.as_str(), "fingerprint": fingerprint })
}

fn fingerprint_text(version: &KeyVersion) -> String {
    format!("{} {}", version.fingerprint(), version.key_id)
}

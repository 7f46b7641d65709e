//! `verify`: verdicts on published checkpoints, offline with a keyring or by asking a service.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use tonic::transport::Channel;

use super::{Failure, Format, FormatArg, input, print_json, print_line};
use crate::checkpoint::MAX_JSON_BYTES;
use crate::grpc::client;
use crate::grpc::proto::verification_service_client::VerificationServiceClient;
use crate::grpc::proto::verify_checkpoint_request::Subject;
use crate::grpc::proto::{VerdictKind as WireKind, VerifyCheckpointRequest};
use crate::key::{Keyring, MAX_KEYRING_BYTES, PinnedKeyring, instant_text};
use crate::verifier;

#[derive(Args)]
pub(super) struct Verify {
    /// Published checkpoints as JSON; - reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Args)]
#[group(id = "by", required = true, multiple = true)]
struct By {
    /// Verify offline with a keyring that you trust: the JWK Set of `keys export`. No service is asked then
    #[arg(long, env = "CHECKPOINT_SIGNER_KEYS", value_name = "KEYRING")]
    keys: Option<PathBuf>,
    /// Ask this service
    #[arg(long, env = "CHECKPOINT_SIGNER_SERVER", value_name = "URL")]
    server: Option<String>,
    /// Believe no key of the keyring but this one, named by its key_id or RFC 7638 thumbprint, and those that an
    /// unbroken chain of endorsements leads to from it
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_PIN",
        requires = "keys",
        value_name = "KEY"
    )]
    pin: Option<String>,
}

/// Who verifies.
enum Verifier {
    Offline(Box<PinnedKeyring>),
    Service(VerificationServiceClient<Channel>),
}

/// One verdict, from wherever it came.
struct Line {
    kind: String,
    key_id: String,
    signed_at: Option<String>,
    explanation: String,
    recorded: Option<bool>,
}

impl Verify {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut verifier = self.by.verifier().await?;
        let (mut lines, mut invalid, mut unchecked) = (Vec::new(), 0, Vec::new());
        for file in &self.files {
            match verifier.verify(file).await {
                Ok(line) => {
                    invalid += usize::from(line.kind != "VALID");
                    match self.format.format {
                        Format::Text => print_line(&line.to_text(file))?,
                        Format::Json => lines.push(line.to_json(file)),
                    }
                }
                Err(failure) => unchecked.extend(failure.message().map(str::to_owned)),
            }
        }
        if self.format.format == Format::Json {
            print_json(&json!({ "verdicts": lines, "not_checked": unchecked }))?;
        }
        match (invalid, unchecked.as_slice()) {
            (0, []) => Ok(()),
            (0, faults) => Err(Failure::Impossible(faults.join("; "))),
            (_, []) => Err(Failure::Shown),
            (_, faults) => Err(Failure::Negative(faults.join("; "))),
        }
    }
}

impl By {
    async fn verifier(self) -> Result<Verifier, Failure> {
        match (self.keys, self.server) {
            (Some(path), _) => {
                let text = input::read(&path, MAX_KEYRING_BYTES)?;
                let keyring = Keyring::from_jwks(&text)
                    .map_err(|error| Failure::Impossible(format!("{}: {error}", path.display())))?;
                let keyring = match &self.pin {
                    Some(pin) => keyring.trust_from(pin).map_err(Failure::impossible)?,
                    None => PinnedKeyring::unpinned(keyring),
                };
                Ok(Verifier::Offline(Box::new(keyring)))
            }
            (None, Some(url)) => {
                let channel = client::connect(&url).await?;
                Ok(Verifier::Service(VerificationServiceClient::new(channel)))
            }
            // clap's group leaves no other case.
            (None, None) => Err(Failure::Impossible("expected --keys or --server".into())),
        }
    }
}

impl Verifier {
    async fn verify(&mut self, file: &Path) -> Result<Line, Failure> {
        let text = input::read(file, MAX_JSON_BYTES)?;
        match self {
            Self::Offline(keyring) => {
                let (mut verdict, _) = verifier::verify_published(&keyring.trusted, &text);
                let broken = verdict
                    .key_id
                    .as_ref()
                    .and_then(|id| keyring.untrusted.get(id));
                if let Some(broken) = broken {
                    verdict.explanation = format!("no chain from the pinned key: {broken}");
                }
                Ok(Line {
                    kind: verdict.kind.to_string(),
                    key_id: verdict.key_id.map(|id| id.to_string()).unwrap_or_default(),
                    signed_at: verdict.signed_at.map(instant_text),
                    explanation: verdict.explanation,
                    recorded: None,
                })
            }
            Self::Service(client) => {
                let text = match String::from_utf8(text) {
                    Ok(text) => text,
                    Err(error) => return Ok(Line::malformed(&error.to_string())),
                };
                let request = VerifyCheckpointRequest {
                    subject: Some(Subject::PublishedJson(text)),
                };
                let answer = client.verify_checkpoint(request).await?.into_inner();
                let verdict = answer.verdict.unwrap_or_default();
                let kind = WireKind::as_str_name(&verdict.kind());
                let signed_at = verdict.signed_at.map(|t| t.seconds);
                let signed_at = signed_at.and_then(|s| chrono::DateTime::from_timestamp(s, 0));
                Ok(Line {
                    kind: kind.trim_start_matches("VERDICT_KIND_").into(),
                    key_id: verdict.key_id,
                    signed_at: signed_at.map(instant_text),
                    explanation: verdict.explanation,
                    recorded: verdict.recorded,
                })
            }
        }
    }
}

impl Line {
    fn malformed(problem: &str) -> Self {
        let verdict = verifier::Verdict::malformed(problem);
        Self {
            kind: verdict.kind.to_string(),
            key_id: String::new(),
            signed_at: None,
            explanation: verdict.explanation,
            recorded: None,
        }
    }

    fn to_text(&self, file: &Path) -> String {
        let recorded = match self.recorded {
            Some(true) => "; it is in the service's record",
            Some(false) => "; it is NOT in the service's record",
            None => "",
        };
        let (kind, explanation) = (&self.kind, &self.explanation);
        format!("{kind:<18} {}: {explanation}{recorded}", file.display())
    }

    fn to_json(&self, file: &Path) -> Value {
        json!({
            "file": file.display().to_string(),
            "verdict": self.kind,
            "key_id": self.key_id,
            "signed_at": self.signed_at,
            "explanation": self.explanation,
            "recorded": self.recorded,
        })
    }
}

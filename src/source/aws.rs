//! Calls to Secrets Manager, as those make them who read keys and those who change them.
//!
//! A connection ends with its answer. One that is kept keeps its buffers, and in these what came last: the secret, decrypted.
//! Nobody gains by keeping one either, since a refresh comes minutes after the one before.

use std::fmt;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::config::{Builder as Config, SharedHttpClient};
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use checkpoint::fault::innermost;

/// How calls are made. A clock so wrong that AWS refuses its requests signs nothing, and makes no key, until it is mended: the
/// SDK would date requests by what the answer before said instead, and panic where that fits no calendar.
pub(crate) fn config(shared: &SdkConfig, timeouts: TimeoutConfig, attempts: u32) -> Config {
    Config::from(shared)
        .http_client(unpooled())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(attempts))
        .disable_clock_skew_correction(true)
}

/// TLS as the SDK has it by default, and no pool.
fn unpooled() -> SharedHttpClient {
    Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .pool_max_idle_per_host(0)
        .build_https()
}

/// Why a call failed.
pub(crate) enum Failed<'a> {
    /// It was not made, for want of something that no repetition brings: what is missing, and what to do.
    NotMade(String),
    /// There is no answer: it may have been carried out.
    Unanswered(String),
    /// The role may not make it.
    Denied,
    /// Secrets Manager says why not.
    Refused(ErrorAnswer<'a>),
}

/// What Secrets Manager says.
pub(crate) struct ErrorAnswer<'a> {
    pub(crate) code: Option<&'a str>,
    pub(crate) message: Option<&'a str>,
}

impl fmt::Display for ErrorAnswer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.unwrap_or("an answer that is not understood");
        write!(f, "{code}: {}", self.message.unwrap_or_default())
    }
}

impl<'a> Failed<'a> {
    pub(crate) fn of<E>(error: &'a SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let status = error.raw_response().map(|raw| raw.status().as_u16());
        match error {
            SdkError::TimeoutError(_) => Self::Unanswered("no answer in time".into()),
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
                match missing_setting(error) {
                    Some(problem) => Self::NotMade(problem),
                    None => Self::Unanswered(format!("cannot be reached: {}", innermost(error))),
                }
            }
            // Some denials have no code.
            _ if status == Some(403) || error.code() == Some("AccessDeniedException") => {
                Self::Denied
            }
            _ => Self::Refused(ErrorAnswer {
                code: error.code(),
                message: error.message(),
            }),
        }
    }
}

/// What nobody told the SDK, so that it cannot make a call, and how it is told.
fn missing_setting(error: &dyn std::error::Error) -> Option<String> {
    let problem = innermost(error);
    // "Missing Region", or, where an endpoint is given, "missing signing region".
    let folded = problem.to_lowercase();
    if folded.contains("missing") && folded.contains("region") {
        return Some(
            "the AWS region is not known; set AWS_REGION, or AWS_PROFILE to a profile that has one"
                .into(),
        );
    }
    if !problem.contains("no credentials found") {
        return None;
    }
    let profile = std::env::var("AWS_PROFILE").unwrap_or_default();
    let profile = match profile.is_empty() {
        true => String::new(),
        false => format!(" (AWS_PROFILE is {profile:?}: is it in ~/.aws/config?)"),
    };
    Some(format!(
        "no AWS credentials are found{profile}; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run it where \
         there is a role"
    ))
}

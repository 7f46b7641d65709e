//! Calls to Secrets Manager, as those make them who read keys and those who change them.

use std::fmt;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::config::Builder as Config;
use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};

use checkpoint::fault::innermost;

use super::transport::{PlainText, unpooled};

/// How calls are made. A clock so wrong that AWS refuses its requests signs nothing, and makes no key, until it is mended: the
/// SDK would date requests by what the answer before said instead, and panic where that fits no calendar.
pub(crate) fn config(shared: &SdkConfig, timeouts: TimeoutConfig, attempts: u32) -> Config {
    Config::from(shared)
        .http_client(unpooled())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(attempts))
        .disable_clock_skew_correction(true)
}

/// Why a call failed.
pub(crate) enum Failed<'a> {
    /// It was not made, for want of something that no repetition brings: what is missing, and what to do.
    NotMade(String),
    /// There is no answer: it may have been carried out.
    Unanswered(String),
    /// AWS says why not.
    Refused(ErrorAnswer<'a>),
}

/// What AWS says.
pub(crate) struct ErrorAnswer<'a> {
    /// The error's name; none for some denials.
    pub(crate) code: Option<&'a str>,
    /// AWS's own words.
    pub(crate) message: Option<&'a str>,
    /// The status of HTTP.
    pub(crate) status: Option<u16>,
    /// Whether it is a page, which Secrets Manager never answers.
    pub(crate) is_page: bool,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The organisation forbids it.
    DeniedByOrganisation,
    /// The key that encrypts the secret may not be used.
    KeyOfKms,
    /// The role may not make the call.
    Denied,
    /// The credentials have expired.
    Expired,
    /// The request is dated wrongly.
    Clock,
    /// The credentials are no credentials.
    Credentials,
    /// The secret is to be deleted.
    Deleted,
    /// The secret is a replica of one in another region.
    Replica,
    /// The secret is another service's.
    Managed,
    /// A quota is reached.
    Limit,
    /// Something else than Secrets Manager has answered.
    Foreign,
    /// It passes by itself.
    Passing,
    /// There is no such thing.
    NotFound,
    /// It is not in the state that the call starts from, or AWS has other words.
    Other,
}

impl ErrorAnswer<'_> {
    /// By the name of the error, and where that has several meanings, by AWS's words (AWS, Secrets Manager API reference,
    /// "Common Error Types").
    pub(crate) fn meaning(&self) -> Meaning {
        let words = self.message.unwrap_or_default().to_lowercase();
        let says = |all: &[&str]| all.iter().any(|text| words.contains(text));
        match self.code.unwrap_or_default() {
            "ExpiredTokenException" | "ExpiredToken" => Meaning::Expired,
            "RequestExpired" | "RequestTimeTooSkewed" => Meaning::Clock,
            "InvalidSignatureException" | "SignatureDoesNotMatch"
                if says(&["expired", "not yet current"]) =>
            {
                Meaning::Clock
            }
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "NotAuthorized"
            | "OptInRequired" => Meaning::Credentials,
            "DecryptionFailure" | "EncryptionFailure" => Meaning::KeyOfKms,
            "LimitExceededException" => Meaning::Limit,
            "ResourceNotFoundException" => Meaning::NotFound,
            "ThrottlingException"
            | "Throttling"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "InternalServiceError"
            | "InternalFailure"
            | "ServiceUnavailable" => Meaning::Passing,
            "InvalidRequestException" if says(&["deletion", "deleted"]) => Meaning::Deleted,
            "InvalidRequestException" if says(&["replica"]) => Meaning::Replica,
            "InvalidRequestException" if says(&["managed", "owning service", "owned by"]) => {
                Meaning::Managed
            }
            "AccessDeniedException" | "AccessDenied" | "" if self.is_denied() => match () {
                () if says(&["service control policy"]) => Meaning::DeniedByOrganisation,
                () if says(&["kms", "ciphertext"]) => Meaning::KeyOfKms,
                () => Meaning::Denied,
            },
            "" if self.is_page => Meaning::Foreign,
            _ if self.status.is_some_and(|status| status >= 500) => Meaning::Passing,
            _ if self.status == Some(403) => Meaning::Denied,
            _ => Meaning::Other,
        }
    }

    fn is_denied(&self) -> bool {
        self.code.is_some() || self.status == Some(403)
    }

    /// AWS's own words, and what to do about them, for a call on a secret.
    pub(crate) fn explain(&self, call: &str, secret: &str) -> String {
        let advice = match self.meaning() {
            Meaning::DeniedByOrganisation => format!(
                "a service control policy of the organisation forbids it: whoever keeps that has to allow secretsmanager:{call}"
            ),
            Meaning::KeyOfKms => format!(
                "the key of KMS that encrypts the secret cannot be used: expected it to be enabled, and {} on it for this role, in the \
                 key's policy too (`aws secretsmanager describe-secret --secret-id {secret} --query KmsKeyId` names it)",
                match call {
                    "PutSecretValue" => "kms:GenerateDataKey and kms:Decrypt",
                    _ => "kms:Decrypt",
                }
            ),
            Meaning::Denied => format!(
                "expected a role that may call secretsmanager:{call} on it (`aws sts get-caller-identity` says which one this is)"
            ),
            Meaning::Expired => {
                "the credentials have expired: get new ones (`aws sso login`, or a new session of the role)".into()
            }
            Meaning::Clock => {
                "by AWS's clock, the request is of another time: set the clock of this machine".into()
            }
            Meaning::Credentials => {
                "expected credentials that AWS knows (`aws sts get-caller-identity` says whose these are)".into()
            }
            Meaning::Deleted => format!(
                "`aws secretsmanager restore-secret --secret-id {secret}` brings it back"
            ),
            Meaning::Replica => format!(
                "here is a replica, which is changed in its primary region alone: set AWS_REGION to that (`aws secretsmanager \
                 describe-secret --secret-id {secret} --query PrimaryRegion` names it)"
            ),
            Meaning::Managed => {
                "another service of AWS manages this secret: expected one that is yours alone".into()
            }
            Meaning::Limit => {
                "a quota of Secrets Manager is reached (versions without labels go by themselves after a day): wait, or have AWS raise it".into()
            }
            Meaning::Foreign => format!(
                "something else answers in place of Secrets Manager: expected {}, and no proxy (HTTPS_PROXY) that answers by itself",
                match endpoint() {
                    Some((variable, url)) => format!("another {variable} than {url}, or none"),
                    None => "its own endpoint to be reached from here".into(),
                }
            ),
            Meaning::Passing => "this passes by itself".into(),
            Meaning::NotFound => format!(
                "expected the name of a secret of this account and region (`aws secretsmanager describe-secret --secret-id {secret}`)"
            ),
            Meaning::Other => return self.to_string(),
        };
        format!("{self}; {advice}")
    }
}

/// "AccessDeniedException: User: ... is not authorized to perform: ...".
impl fmt::Display for ErrorAnswer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.status) {
            (Some(code), _) => f.write_str(code)?,
            (None, Some(status)) if self.is_page => {
                write!(f, "an HTML page in place of an answer (HTTP {status})")?;
            }
            (None, Some(403)) => f.write_str("access denied (HTTP 403)")?,
            (None, Some(status)) => write!(f, "an answer that is not understood (HTTP {status})")?,
            (None, None) => f.write_str("an answer that is not understood")?,
        }
        match self.message {
            Some(message) => write!(f, ": {}", message.trim_end_matches('.')),
            None => Ok(()),
        }
    }
}

impl<'a> Failed<'a> {
    pub(crate) fn of<E>(error: &'a SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match error {
            SdkError::TimeoutError(_) => Self::Unanswered("no answer in time".into()),
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
                match wrong_setting(error) {
                    Some(problem) => Self::NotMade(problem),
                    None => Self::Unanswered(format!("cannot be reached: {}", innermost(error))),
                }
            }
            _ => Self::Refused(ErrorAnswer {
                code: error.code().filter(|code| !code.is_empty()),
                message: error.message().filter(|message| !message.is_empty()),
                status: error.raw_response().map(|raw| raw.status().as_u16()),
                is_page: error.raw_response().is_some_and(is_page),
            }),
        }
    }

    /// Whether asking again may bring another answer.
    pub(crate) fn passes(&self) -> bool {
        match self {
            Self::NotMade(_) => false,
            Self::Unanswered(_) => true,
            Self::Refused(answer) => answer.meaning() == Meaning::Passing,
        }
    }
}

fn is_page(response: &HttpResponse) -> bool {
    let kind = response.headers().get("content-type").unwrap_or_default();
    let body = response
        .body()
        .bytes()
        .unwrap_or_default()
        .trim_ascii_start();
    let begins = |text: &str| {
        let begin = body.get(..text.len()).unwrap_or_default();
        begin.eq_ignore_ascii_case(text.as_bytes())
    };
    kind.contains("html") || begins("<!doctype html") || begins("<html")
}

/// The address that was set in place of Secrets Manager's own, and the variable that says so.
fn endpoint() -> Option<(&'static str, String)> {
    let variables = ["AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"];
    let mut set = variables.into_iter().filter_map(|variable| {
        let url = std::env::var(variable).ok().filter(|url| !url.is_empty())?;
        Some((variable, url))
    });
    set.next()
}

/// Where a secret was looked for, for a person: "NAME (eu-central-1)", with the version that was asked for.
pub(crate) fn place(
    secret: &str,
    config: &aws_sdk_secretsmanager::Config,
    version: &str,
) -> String {
    let region = config
        .region()
        .map_or("no region", |region| region.as_ref());
    match version {
        "" => format!("{secret} ({region})"),
        version => format!("{secret} ({region}, {version})"),
    }
}

/// What is set wrongly, or what nobody told the SDK, so that no call is made, and what is right.
fn wrong_setting(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    if let Some(refused) = causes.find_map(|cause| cause.downcast_ref::<PlainText>()) {
        return Some(refused.to_string());
    }
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

//! Errors as RFC 9457 has them, `application/problem+json`: what is wrong, in which field, and what would be right.

use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::reasons;
use crate::record::RecordError;
use crate::signer::NoKey;
use checkpoint::fault;
use checkpoint::fault::FieldFault;
use checkpoint::reason::Reason;

/// When a client may try again after it was turned away, in seconds.
const RETRY_AFTER: &str = "1";

/// A problem: the reason by which a program tells it, the sentence, and the fields that are wrong. The status is the reason's.
#[derive(Debug)]
pub(super) struct Problem {
    reason: Reason,
    detail: String,
    errors: Vec<FieldFault>,
}

impl Problem {
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// The request is not as the description of the API says.
    pub(super) fn invalid(faults: Vec<FieldFault>) -> Self {
        let detail = fault::list(&faults);
        Self {
            errors: faults,
            ..Self::new(Reason::InvalidRequest, detail)
        }
    }

    /// More is asked at once than is done at once.
    pub(super) fn overloaded() -> Self {
        let detail = "too much is asked at once; retry after the time in Retry-After";
        Self::new(Reason::Overloaded, detail)
    }

    /// The service ends, and what was asked will not be done.
    pub(super) fn shutting_down() -> Self {
        let detail = "the service is shutting down; retry later";
        Self::new(Reason::ShuttingDown, detail)
    }
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Self {
        // The store's own words may name files and hosts, which are nobody's business outside.
        tracing::warn!(%error, "the record cannot be read for HTTP");
        let detail = match error {
            RecordError::WentBack(_) => {
                "the record is not as this service has seen it: an older state, another one, or in another place, so that what is \
                 asked for may be missing from it. Its operator has to mend that; a retry alone does not help"
            }
            _ => "the record cannot be read now; retry later",
        };
        Self::new(Reason::RecordStoreUnavailable, detail)
    }
}

impl From<NoKey> for Problem {
    fn from(no_key: NoKey) -> Self {
        let reason = no_key.reason();
        let detail = match no_key {
            NoKey::NotYetRead { .. } => {
                "the keys are being read for the first time; retry soon".into()
            }
            // The source's faults are for the operator.
            NoKey::NoSigningKey(_) => "no signing key is loaded".into(),
            other => other.to_string(),
        };
        Self::new(reason, detail)
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    reason: &'static str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError<'a>>,
}

#[derive(Serialize)]
struct FieldError<'a> {
    field: &'a str,
    problem: &'a str,
}

impl<'a> From<&'a FieldFault> for FieldError<'a> {
    fn from(fault: &'a FieldFault) -> Self {
        Self {
            field: &fault.field,
            problem: &fault.problem,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = reasons::status(self.reason);
        let body = Body {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            reason: self.reason.as_str(),
            detail: &self.detail,
            errors: self.errors.iter().map(FieldError::from).collect(),
        };
        let headers: [(HeaderName, &str); 2] = [
            (header::CONTENT_TYPE, "application/problem+json"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let body = serde_json::to_string(&body).unwrap_or_default();
        let response = (status, headers, body);
        match self.reason {
            Reason::Overloaded
            | Reason::ShuttingDown
            | Reason::KeysNotYetRead
            | Reason::RecordStoreUnavailable => {
                ([(header::RETRY_AFTER, RETRY_AFTER)], response).into_response()
            }
            _ => response.into_response(),
        }
    }
}

//! What the reasons are in HTTP: a problem carries one (RFC 9457, member `reason`), each with its status. docs/reasons.md tells of those
//! that HTTP alone has; a test holds the two against each other.

use axum::http::StatusCode;

use checkpoint::reason::Reason;

/// The status of a reason.
pub(super) fn status(reason: Reason) -> StatusCode {
    match reason {
        Reason::InvalidCheckpoint | Reason::InvalidRequest | Reason::InvalidTimeout => {
            StatusCode::BAD_REQUEST
        }
        Reason::CertificateRefused => StatusCode::UNAUTHORIZED,
        Reason::RoleRequired | Reason::LedgerNotPermitted => StatusCode::FORBIDDEN,
        Reason::CheckpointNotFound
        | Reason::KeyNotFound
        | Reason::ServiceNotFound
        | Reason::UnknownMethod
        | Reason::NotFound
        | Reason::PageNotFound => StatusCode::NOT_FOUND,
        Reason::MethodNotAllowed | Reason::HttpMethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Reason::Timeout => StatusCode::REQUEST_TIMEOUT,
        Reason::Equivocation | Reason::Rollback | Reason::ClockNotBehind => StatusCode::CONFLICT,
        Reason::BodyTooLarge | Reason::RequestTooLarge | Reason::StreamTooLong => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        Reason::MediaTypeNotSupported
        | Reason::ContentTypeNotSupported
        | Reason::ContentEncodingNotSupported
        | Reason::CompressionNotSupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Reason::HeadTooLarge | Reason::MetadataTooLarge => {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        }
        Reason::SignatureFailed
        | Reason::InternalError
        | Reason::Internal
        | Reason::MetricsFailed => StatusCode::INTERNAL_SERVER_ERROR,
        Reason::TransferEncodingNotSupported => StatusCode::NOT_IMPLEMENTED,
        Reason::KeyNotYetValid
        | Reason::KeyExpired
        | Reason::KeyRevoked
        | Reason::NoSigningKey
        | Reason::KeyRefused
        | Reason::KeysNotYetRead
        | Reason::KeySourceUnavailable
        | Reason::ClockWentBack
        | Reason::ClockAhead
        | Reason::RecordStoreUnavailable
        | Reason::ShuttingDown
        | Reason::Overloaded
        | Reason::TooManyCalls
        | Reason::TooMuchAtOnce
        | Reason::TooSlow => StatusCode::SERVICE_UNAVAILABLE,
        Reason::Http2Required => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_reasons_tells_of_each_that_http_alone_has_with_its_status_and_of_no_other() {
        let page = include_str!("../../docs/reasons.md");
        let rows = page.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let status: u16 = cells.next()?.parse().ok()?;
            let names = cells.next()?.split('`').skip(1).step_by(2);
            Some(names.map(move |name| (name.to_owned(), status)))
        });
        let mut theirs: Vec<_> = rows.flatten().collect();
        let mut ours: Vec<_> = Reason::OF_HTTP
            .iter()
            .map(|reason| (reason.to_string(), status(*reason).as_u16()))
            .collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs);
    }
}

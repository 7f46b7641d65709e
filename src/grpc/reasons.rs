//! What the reasons are in gRPC: a status carries one (`google.rpc.ErrorInfo`, domain `checkpoint-signer`), each with its
//! code. docs/reasons.md tells of each what to do; a test holds the two against each other.

use tonic::Code;

use checkpoint::reason::Reason;

/// What a caller can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same again will be refused again.
    Never,
    /// Somebody has to do something first.
    Later,
    /// The same again, soon.
    Soon,
}

/// The code of a reason, and whether the same call may be answered otherwise.
pub fn of(reason: Reason) -> (Code, Retry) {
    match reason {
        Reason::InvalidCheckpoint
        | Reason::InvalidRequest
        | Reason::InvalidTimeout
        | Reason::RequestTooLarge
        | Reason::MetadataTooLarge
        | Reason::ContentTypeNotSupported => (Code::InvalidArgument, Retry::Never),
        Reason::CompressionNotSupported | Reason::UnknownMethod | Reason::HttpMethodNotAllowed => {
            (Code::Unimplemented, Retry::Never)
        }
        Reason::StreamTooLong => (Code::OutOfRange, Retry::Never),
        Reason::Equivocation => (Code::AlreadyExists, Retry::Never),
        Reason::Rollback | Reason::ClockNotBehind => (Code::FailedPrecondition, Retry::Never),
        Reason::KeyNotYetValid
        | Reason::KeyExpired
        | Reason::KeyRevoked
        | Reason::NoSigningKey
        | Reason::KeyRefused
        | Reason::ClockWentBack
        | Reason::ClockAhead => (Code::FailedPrecondition, Retry::Later),
        Reason::KeysNotYetRead
        | Reason::KeySourceUnavailable
        | Reason::RecordStoreUnavailable
        | Reason::ShuttingDown => (Code::Unavailable, Retry::Soon),
        Reason::Overloaded | Reason::TooManyCalls | Reason::TooMuchAtOnce => {
            (Code::ResourceExhausted, Retry::Soon)
        }
        Reason::TooSlow => (Code::DeadlineExceeded, Retry::Soon),
        Reason::RoleRequired | Reason::LedgerNotPermitted => (Code::PermissionDenied, Retry::Later),
        Reason::CertificateRefused => (Code::Unauthenticated, Retry::Later),
        Reason::CheckpointNotFound | Reason::KeyNotFound | Reason::ServiceNotFound => {
            (Code::NotFound, Retry::Never)
        }
        Reason::SignatureFailed | Reason::InternalError => (Code::Internal, Retry::Later),
        // No call is told these.
        Reason::NotFound
        | Reason::MethodNotAllowed
        | Reason::PageNotFound
        | Reason::HeadTooLarge
        | Reason::BodyTooLarge
        | Reason::MediaTypeNotSupported
        | Reason::ContentEncodingNotSupported
        | Reason::TransferEncodingNotSupported
        | Reason::Http2Required
        | Reason::Timeout
        | Reason::MetricsFailed
        | Reason::Internal => (Code::Unknown, Retry::Never),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reasons of docs/reasons.md, with the names of their codes.
    fn told() -> Vec<(String, String)> {
        let page = include_str!("../../docs/reasons.md");
        let rows = page.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let code = cells.next()?;
            let is_code = code.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            is_code.then(|| (code.to_owned(), cells.next().unwrap_or_default()))
        });
        let reasons = rows.flat_map(|(code, reasons)| {
            let names = reasons.split('`').skip(1).step_by(2);
            names
                .map(|name| (name.to_owned(), code.clone()))
                .collect::<Vec<_>>()
        });
        reasons.collect()
    }

    #[test]
    fn the_page_of_reasons_tells_of_each_with_its_code_and_of_no_other() {
        let name = |code: Code| {
            let camel = format!("{code:?}");
            let mut snake = String::new();
            for c in camel.chars() {
                if c.is_uppercase() && !snake.is_empty() {
                    snake.push('_');
                }
                snake.push(c.to_ascii_uppercase());
            }
            snake
        };
        let mut ours: Vec<_> = Reason::OF_CALLS
            .iter()
            .map(|reason| (reason.to_string(), name(of(*reason).0)))
            .collect();
        let mut theirs = told();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn no_reason_stands_twice_and_only_what_helps_is_told_to_be_retried() {
        let all = [Reason::OF_CALLS, Reason::OF_HTTP].concat();
        for (index, reason) in all.iter().enumerate() {
            let mut others = all.iter().skip(index + 1);
            assert!(
                others.all(|other| other.as_str() != reason.as_str()),
                "{reason}"
            );
            let (code, retry) = of(*reason);
            let invites = [
                Code::Unavailable,
                Code::ResourceExhausted,
                Code::DeadlineExceeded,
            ];
            assert_eq!(invites.contains(&code), retry == Retry::Soon, "{reason}");
        }
    }
}

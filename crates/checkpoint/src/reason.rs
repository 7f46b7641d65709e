//! The reasons for which the service does not do what it is asked: what a program goes by, as every caller, the metrics and the
//! audit log are told it. docs/reasons.md says of each what to do. What they are in a protocol is that protocol's to say.

use std::fmt;

macro_rules! reasons {
    (calls { $($(#[$doc:meta])* $name:ident = $text:literal,)* } http { $($(#[$http_doc:meta])* $http:ident = $http_text:literal,)* }) => {
        /// Why something is not done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
            $($(#[$http_doc])* $http,)*
        }

        impl Reason {
            /// Those that a call of gRPC may be told, some of them HTTP, too.
            pub const OF_CALLS: &[Self] = &[$(Self::$name),*];

            /// Those that HTTP alone tells.
            pub const OF_HTTP: &[Self] = &[$(Self::$http),*];

            /// The name by which it is told, for ever.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    $(Self::$http => $http_text,)*
                }
            }
        }
    };
}

reasons! {
    calls {
        /// It is no checkpoint, or adds too much at once.
        InvalidCheckpoint = "INVALID_CHECKPOINT",
        /// The request is not as its message's comments say.
        InvalidRequest = "INVALID_REQUEST",
        /// The deadline of the call cannot be read.
        InvalidTimeout = "INVALID_TIMEOUT",
        /// The message is larger than any that is taken.
        RequestTooLarge = "REQUEST_TOO_LARGE",
        /// The call has more metadata than any needs.
        MetadataTooLarge = "METADATA_TOO_LARGE",
        /// The content is not gRPC's.
        ContentTypeNotSupported = "CONTENT_TYPE_NOT_SUPPORTED",
        /// The messages are compressed.
        CompressionNotSupported = "COMPRESSION_NOT_SUPPORTED",
        /// There is no such method.
        UnknownMethod = "UNKNOWN_METHOD",
        /// It is no call.
        HttpMethodNotAllowed = "HTTP_METHOD_NOT_ALLOWED",
        /// The stream has gone on for too long.
        StreamTooLong = "STREAM_TOO_LONG",
        /// The place is taken by another content.
        Equivocation = "EQUIVOCATION",
        /// The ledger would go back.
        Rollback = "ROLLBACK",
        /// The next key's window is not open yet.
        KeyNotYetValid = "KEY_NOT_YET_VALID",
        /// The last key's window has ended.
        KeyExpired = "KEY_EXPIRED",
        /// The key in force is revoked.
        KeyRevoked = "KEY_REVOKED",
        /// No key is loaded that may sign.
        NoSigningKey = "NO_SIGNING_KEY",
        /// What the key source holds is refused.
        KeyRefused = "KEY_REFUSED",
        /// The clock is behind what is known elsewhere.
        ClockWentBack = "CLOCK_WENT_BACK",
        /// The clock is ahead of another one.
        ClockAhead = "CLOCK_AHEAD",
        /// The clock is not behind: there is nothing to resume.
        ClockNotBehind = "CLOCK_NOT_BEHIND",
        /// The service has begun, and no key can be told yet.
        KeysNotYetRead = "KEYS_NOT_YET_READ",
        /// The key source cannot be read.
        KeySourceUnavailable = "KEY_SOURCE_UNAVAILABLE",
        /// The record fails.
        RecordStoreUnavailable = "RECORD_STORE_UNAVAILABLE",
        /// The service ends.
        ShuttingDown = "SHUTTING_DOWN",
        /// The queue is full.
        Overloaded = "OVERLOADED",
        /// The peer has more calls in flight than one may have.
        TooManyCalls = "TOO_MANY_CALLS",
        /// More is asked, or is unread, than may be at once.
        TooMuchAtOnce = "TOO_MUCH_AT_ONCE",
        /// It took longer than it may.
        TooSlow = "TOO_SLOW",
        /// The caller has none of the roles that it takes.
        RoleRequired = "ROLE_REQUIRED",
        /// The caller signs other ledgers.
        LedgerNotPermitted = "LEDGER_NOT_PERMITTED",
        /// The client is not who it must be to call anything.
        CertificateRefused = "CERTIFICATE_REFUSED",
        /// There is no such signed checkpoint.
        CheckpointNotFound = "CHECKPOINT_NOT_FOUND",
        /// There is no such key version.
        KeyNotFound = "KEY_NOT_FOUND",
        /// Health knows no such service.
        ServiceNotFound = "SERVICE_NOT_FOUND",
        /// The RSA library failed.
        SignatureFailed = "SIGNATURE_FAILED",
        /// A fault of the service itself.
        InternalError = "INTERNAL_ERROR",
    }
    http {
        /// There is nothing at this path.
        NotFound = "NOT_FOUND",
        /// What is there is not asked for in this way.
        MethodNotAllowed = "METHOD_NOT_ALLOWED",
        /// There is no such page of these filters.
        PageNotFound = "PAGE_NOT_FOUND",
        /// The head of the request is larger than any needs.
        HeadTooLarge = "HEAD_TOO_LARGE",
        /// The body is larger than any checkpoint.
        BodyTooLarge = "TOO_LARGE",
        /// The body is of another kind.
        MediaTypeNotSupported = "UNSUPPORTED_MEDIA_TYPE",
        /// The body is compressed.
        ContentEncodingNotSupported = "CONTENT_ENCODING_NOT_SUPPORTED",
        /// The body comes in another coding than in chunks.
        TransferEncodingNotSupported = "TRANSFER_ENCODING_NOT_SUPPORTED",
        /// The client speaks HTTP/1 where gRPC is.
        Http2Required = "HTTP2_REQUIRED",
        /// It took longer than a request may.
        Timeout = "TIMEOUT",
        /// The metrics cannot be written.
        MetricsFailed = "METRICS_FAILED",
        /// An answer cannot be written.
        Internal = "INTERNAL",
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

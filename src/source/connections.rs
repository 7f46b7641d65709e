//! The HTTP client for calls that carry a secret: a connection ends with its answer.
//!
//! A connection that is kept keeps its buffers, and in these what came last: the secret, decrypted. Nobody gains by
//! keeping one either, since a refresh comes minutes after the one before.

use aws_sdk_secretsmanager::config::SharedHttpClient;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

/// TLS as the SDK has it by default, and no pool.
pub(crate) fn unpooled() -> SharedHttpClient {
    Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .pool_max_idle_per_host(0)
        .build_https()
}

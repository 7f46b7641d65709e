//! How requests to AWS leave: by TLS, or not beyond this machine.
//!
//! A signature on a request is good for minutes, and a token for an hour: whoever reads them on the way repeats the one and uses the
//! other. Where requests go is a variable (`AWS_ENDPOINT_URL`, and one for each service) or a line of a profile, and whoever starts a
//! task can set these. So it is the address itself that is looked at, of each request, whatever led it there: those to Secrets Manager,
//! and those by which credentials are got.

use std::net::{Ipv4Addr, Ipv6Addr};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
    http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use axum::http::Uri;

const TLS: Provider = Provider::Rustls(CryptoMode::AwsLc);

/// The standard AWS configuration: task role, profile, region, endpoints.
pub(crate) async fn configuration() -> SdkConfig {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    loader.http_client(guarded(pooled())).load().await
}

/// A connection ends with its answer. One that is kept keeps its buffers, and in these what came last: the secret, decrypted.
/// Nobody gains by keeping one either, since a refresh comes minutes after the one before.
pub(super) fn unpooled() -> SharedHttpClient {
    let builder = Builder::new().tls_provider(TLS).pool_max_idle_per_host(0);
    guarded(builder.build_https())
}

/// As the SDK has it by default, for credentials.
fn pooled() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut builder = Connector::builder().tls_provider(TLS);
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        builder.proxy_config(ProxyConfig::from_env()).build()
    })
}

fn guarded(client: SharedHttpClient) -> SharedHttpClient {
    http_client_fn(move |settings, components| {
        SharedHttpConnector::new(Guarded(client.http_connector(settings, components)))
    })
}

/// Sends nothing in plain text beyond this machine.
#[derive(Debug)]
struct Guarded(SharedHttpConnector);

impl HttpConnector for Guarded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match PlainText::of(request.uri()) {
            None => self.0.call(request),
            Some(refused) => {
                HttpConnectorFuture::ready(Err(ConnectorError::user(Box::new(refused))))
            }
        }
    }
}

/// An address to which a request would go in plain text, and who says so.
#[derive(Debug, thiserror::Error)]
#[error(
    "{url}: is plain http, which whoever is on the way can read and repeat; expected https://, or an address of this machine \
     (127.0.0.1, [::1] or localhost); it is there by {by}"
)]
pub(super) struct PlainText {
    url: String,
    by: String,
}

impl PlainText {
    /// The address of a request, if it is one.
    fn of(address: &str) -> Option<Self> {
        let uri: Uri = address.parse().ok()?;
        if uri.scheme_str() == Some("https") || stays(uri.host().unwrap_or_default()) {
            return None;
        }
        let url = told(&uri);
        let by = variable(&url).unwrap_or_else(|| {
            "`endpoint_url` in the profile (~/.aws/config, or AWS_CONFIG_FILE)".into()
        });
        Some(Self { url, by })
    }
}

/// Whether a host is this machine, or one of the addresses on its own link under which AWS gives credentials to tasks, pods and
/// instances (169.254.0.0/16; fd00:ec2::/32), which no router forwards.
fn stays(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let v4 = bare
        .parse()
        .is_ok_and(|address: Ipv4Addr| address.is_loopback() || address.is_link_local());
    let v6 = bare.parse().is_ok_and(|address: Ipv6Addr| {
        address.is_loopback() || matches!(address.segments(), [0xfd00, 0x0ec2, ..])
    });
    v4 || v6 || bare.eq_ignore_ascii_case("localhost")
}

/// An address without what may be secret in it.
fn told(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    let port = uri
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!("{}://{host}{port}", uri.scheme_str().unwrap_or("http"))
}

/// The variable that has an address, of all by which the SDK is told one.
fn variable(url: &str) -> Option<String> {
    let mut set = std::env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let is_one = name.starts_with("AWS_") && (name.contains("_URL") || name.contains("_URI"));
        let same = value.parse().is_ok_and(|uri: Uri| told(&uri) == url);
        (is_one && same).then_some(name)
    });
    set.next()
}

#[cfg(test)]
mod tests {
    use super::PlainText;

    #[test]
    fn plain_http_leaves_for_this_machine_alone() {
        for stays in [
            "https://secretsmanager.eu-central-1.amazonaws.com/",
            "http://127.0.0.1:5000/",
            "http://127.8.9.1/",
            "http://localhost:4566",
            "http://[::1]:4566/",
            "http://169.254.170.2/v2/credentials/1",
            "http://169.254.169.254/latest/api/token",
            "http://[fd00:ec2::23]/v1/credentials",
        ] {
            assert!(PlainText::of(stays).is_none(), "{stays}");
        }
        for leaves in [
            "http://secretsmanager.eu-central-1.amazonaws.com/",
            "HTTP://elsewhere.example:5000/",
            "http://10.0.0.1/",
            "http://0.0.0.0/",
            "http://169.253.0.1/",
            "http://[fd00:ec3::23]/",
            "http://[::ffff:10.0.0.1]/",
            "http://127.0.0.1.elsewhere.example/",
            "http://localhost.elsewhere.example/",
            "http://somebody:word@elsewhere.example/",
        ] {
            let told = PlainText::of(leaves).expect(leaves).to_string();
            assert!(told.contains("expected https://"), "{told}");
            assert!(!told.contains("word"), "{told}");
        }
    }
}

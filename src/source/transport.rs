//! How requests to AWS leave: by TLS, or not beyond this machine.
//!
//! A signature on a request is good for minutes, and a token for an hour: whoever reads them on the way repeats the one and uses the
//! other. Where requests go is a variable (`AWS_ENDPOINT_URL`, and one for each service) or a line of a profile, and whoever starts a
//! task can set these. So it is the address itself that is looked at, of each request, whatever led it there: those to Secrets Manager,
//! and those by which credentials are got.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_config::{BehaviorVersion, SdkConfig};
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

/// Where AWS gives credentials (AWS SDKs and Tools Reference Guide, "Container credential provider" and "IMDS credential provider"):
/// to tasks, to pods, and to instances.
const ON_THE_LINK: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

const TLS: Provider = Provider::Rustls(CryptoMode::AwsLc);

/// The standard AWS configuration: task role, profile, region, endpoints.
pub(crate) async fn configuration() -> SdkConfig {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    let client = guarded(pooled(), Purpose::Credentials);
    loader.http_client(client).load().await
}

/// A connection ends with its answer. One that is kept keeps its buffers, and in these what came last: the secret, decrypted.
/// Nobody gains by keeping one either, since a refresh comes minutes after the one before.
pub(super) fn unpooled() -> SharedHttpClient {
    let builder = Builder::new().tls_provider(TLS).pool_max_idle_per_host(0);
    guarded(builder.build_https(), Purpose::Secrets)
}

/// As the SDK has it by default, for credentials, but without a proxy: its default takes one from the environment.
fn pooled() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut builder = Connector::builder().tls_provider(TLS);
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        builder.build()
    })
}

/// What a client's requests are for.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    /// Credentials: of the container, of the instance, of STS.
    Credentials,
    /// Secrets Manager.
    Secrets,
}

fn guarded(client: SharedHttpClient, purpose: Purpose) -> SharedHttpClient {
    http_client_fn(move |settings, components| {
        let connector = client.http_connector(settings, components);
        SharedHttpConnector::new(Guarded { connector, purpose })
    })
}

/// Sends nothing in plain text beyond this machine.
#[derive(Debug)]
struct Guarded {
    connector: SharedHttpConnector,
    purpose: Purpose,
}

impl Guarded {
    /// Whether a request is one that AWS answers at an address of the link. STS is asked by POST, with what is worth something.
    fn is_for_the_link(&self, request: &HttpRequest) -> bool {
        matches!(self.purpose, Purpose::Credentials) && matches!(request.method(), "GET" | "PUT")
    }
}

impl HttpConnector for Guarded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match PlainText::of(request.uri(), self.is_for_the_link(&request)) {
            None => self.connector.call(request),
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
    /// The address of a request, if it is one. `by_link` says whether it may stay on the link.
    fn of(address: &str, by_link: bool) -> Option<Self> {
        let uri: Uri = address.parse().ok()?;
        let host = Host::of(&uri);
        if uri.scheme_str() == Some("https") || host.is_here() || (by_link && host.is_on_the_link())
        {
            return None;
        }
        let url = told(&uri);
        let by = variable(&url).unwrap_or_else(|| {
            "`endpoint_url` in the profile (~/.aws/config, or AWS_CONFIG_FILE)".into()
        });
        Some(Self { url, by })
    }
}

/// The host of an address, without brackets.
struct Host<'a>(&'a str);

impl<'a> Host<'a> {
    fn of(uri: &'a Uri) -> Self {
        let host = uri.host().unwrap_or_default();
        Self(host.trim_start_matches('[').trim_end_matches(']'))
    }

    fn is_here(&self) -> bool {
        let address = self.0.parse::<IpAddr>();
        address.is_ok_and(|address| address.is_loopback())
            || self.0.eq_ignore_ascii_case("localhost")
    }

    /// Whether it is one of those that no router forwards, and under which AWS gives credentials to tasks, pods and instances.
    fn is_on_the_link(&self) -> bool {
        let address = self.0.parse::<IpAddr>();
        address.is_ok_and(|address| ON_THE_LINK.contains(&address))
    }
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
        ] {
            assert!(PlainText::of(stays, false).is_none(), "{stays}");
        }
        for leaves in [
            "http://secretsmanager.eu-central-1.amazonaws.com/",
            "HTTP://elsewhere.example:5000/",
            "http://10.0.0.1/",
            "http://0.0.0.0/",
            "http://169.253.0.1/",
            "http://169.254.1.1/",
            "http://[fd00:ec2::24]/",
            "http://[fd00:ec3::23]/",
            "http://[::ffff:10.0.0.1]/",
            "http://[::ffff:169.254.170.2]/",
            "http://127.0.0.1.elsewhere.example/",
            "http://localhost.elsewhere.example/",
            "http://somebody:word@elsewhere.example/",
        ] {
            for by_link in [false, true] {
                let told = PlainText::of(leaves, by_link).expect(leaves).to_string();
                assert!(told.contains("expected https://"), "{told}");
                assert!(!told.contains("word"), "{told}");
            }
        }
    }

    #[test]
    fn addresses_of_the_link_are_for_credentials_alone() {
        for link in [
            "http://169.254.170.2/v2/credentials/1",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://169.254.169.254/latest/api/token",
            "http://[fd00:ec2::254]/latest/api/token",
        ] {
            assert!(PlainText::of(link, true).is_none(), "{link}");
            assert!(PlainText::of(link, false).is_some(), "{link}");
        }
    }
}

//! The flags that say which running service is asked, and how.

use std::path::PathBuf;

use clap::Args;
use tonic::transport::Channel;

#[cfg(feature = "aws")]
use super::PROGRAM;
use super::{Failure, again, refused};
#[cfg(feature = "aws")]
use crate::client::Servers;
use crate::client::{self, ClientTls, ConnectError, Mistake};
use crate::wire::proto::key_service_client::KeyServiceClient;
use crate::wire::proto::{ListKeysRequest, ListKeysResponse};

/// How to speak TLS with a service whose URL begins with https.
#[derive(Args)]
pub(super) struct ClientTlsArgs {
    /// The authority of the service's certificate, PEM; without it, the machine's authorities
    #[arg(long, env = "CHECKPOINT_SIGNER_SERVER_CA", value_name = "FILE")]
    server_ca: Option<PathBuf>,
    /// The certificate to show to the service, and those above it, PEM
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_CLIENT_CERTIFICATE",
        value_name = "FILE",
        requires = "client_key"
    )]
    client_certificate: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_certificate"
    )]
    client_key: Option<PathBuf>,
}

impl ClientTlsArgs {
    /// The flags that were given, the variables that would say the same, and the values.
    fn given(&self) -> Vec<(&'static str, &'static str, String)> {
        let [ca, certificate, key] = TLS_VARIABLES;
        let flags = [
            ("--server-ca", ca, &self.server_ca),
            (
                "--client-certificate",
                certificate,
                &self.client_certificate,
            ),
            ("--client-key", key, &self.client_key),
        ];
        let given = flags.into_iter();
        given
            .filter_map(|(flag, variable, file)| {
                Some((flag, variable, file.as_ref()?.display().to_string()))
            })
            .collect()
    }

    /// The files that are named.
    pub(super) fn named(&self) -> ClientTls {
        ClientTls {
            server_ca: self.server_ca.clone(),
            client_certificate: self.client_certificate.clone(),
            client_key: self.client_key.clone(),
        }
    }

    /// Connects, and looks first whether it is the service: a call to something else would end without a reason.
    pub(super) async fn connect(&self, url: &str) -> Result<Channel, Failure> {
        let tls = self.named();
        let connected = match client::connect(url, &tls).await {
            Ok(channel) => match client::mistake(url, &tls).await {
                Some(mistake) => Err(ConnectError::Mistake {
                    url: url.to_owned(),
                    mistake,
                }),
                None => Ok(channel),
            },
            Err(error) => Err(error),
        };
        connected.map_err(|error| match &error {
            ConnectError::Mistake { mistake, .. } => {
                let next = next(url, mistake);
                Failure::Impossible(format!("{error}. Next: {next}"))
            }
            _ => Failure::impossible(error),
        })
    }
}

/// One service.
#[derive(Args)]
pub(super) struct ServerArg {
    /// The service to ask
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_SERVER",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL"
    )]
    pub(super) server: String,
    #[command(flatten)]
    tls: ClientTlsArgs,
}

impl ServerArg {
    /// The flags by which `rollover` asks the same service, where no variable says so.
    pub(super) fn as_servers(&self) -> Vec<String> {
        let are_set = std::env::var("CHECKPOINT_SIGNER_SERVERS").is_ok_and(|set| !set.is_empty());
        self.flags(are_set)
    }

    /// The flags by which other commands ask it, where no variable says so.
    pub(super) fn as_server(&self) -> Vec<String> {
        self.flags(false)
    }

    fn flags(&self, is_said: bool) -> Vec<String> {
        let is_set = std::env::var("CHECKPOINT_SIGNER_SERVER").is_ok_and(|set| set == self.server);
        let mut words = Vec::new();
        if !is_said && !is_set {
            words.extend([
                "--server".to_owned(),
                again::word(&client::without_user(&self.server)),
            ]);
        }
        for (flag, variable, value) in self.tls.given() {
            if !std::env::var(variable).is_ok_and(|set| set == value) {
                words.extend([flag.to_owned(), again::word(&value)]);
            }
        }
        words
    }

    /// Connects, as [`ClientTlsArgs::connect`] does.
    pub(super) async fn connect(&self) -> Result<Channel, Failure> {
        self.tls.connect(&self.server).await
    }
}

/// The keys that a service lists, and what it says of itself beside them.
pub(super) async fn list_keys(channel: Channel) -> Result<ListKeysResponse, Failure> {
    let listed = KeyServiceClient::new(channel)
        .list_keys(ListKeysRequest {})
        .await;
    Ok(listed.map_err(refused)?.into_inner())
}

/// The command that was typed, with what is right.
fn next(url: &str, mistake: &Mistake) -> String {
    let place = url.split_once("://").map_or("", |(_, place)| place);
    let scheme = url.split("://").next().unwrap_or_default();
    let server = |scheme: &str, place: &str| format!("{scheme}://{place}");
    let host = place.trim_end_matches('/');
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let port = place.strip_prefix(host).unwrap_or_default();
    match mistake {
        Mistake::SpeaksTls => {
            let server = server("https", place);
            let with = [&[("--server", &*server), CA][..], &CLIENT].concat();
            again::command(&["--server"], &with)
        }
        Mistake::SpeaksNoTls => {
            let without = [
                "--server",
                "--server-ca",
                "--client-certificate",
                "--client-key",
            ];
            let again = again::command(&without, &[("--server", &server("http", place))]);
            format!("{}{again}", without_variables(&TLS_VARIABLES))
        }
        Mistake::IsHttp => {
            let server = server(scheme, &format!("{host}:50051"));
            again::command(&["--server"], &[("--server", &server)])
        }
        Mistake::WantsCertificate | Mistake::RefusesCertificate(_) => {
            again::command(&["--client-certificate", "--client-key"], &CLIENT)
        }
        Mistake::UnknownAuthority => again::command(&["--server-ca"], &[CA]),
        Mistake::OutsideValidity(_) => again::command(&[], &[]),
        Mistake::OtherName(names) => {
            let name = names.first().map_or("NAME", String::as_str);
            let server = server(scheme, &format!("{name}{port}"));
            again::command(&["--server"], &[("--server", &server)])
        }
    }
}

/// Files that only the operator knows.
const CA: (&str, &str) = ("--server-ca", "CA.pem");
const CLIENT: [(&str, &str); 2] = [
    ("--client-certificate", "CLIENT.pem"),
    ("--client-key", "CLIENT.key"),
];

const TLS_VARIABLES: [&str; 3] = [
    "CHECKPOINT_SIGNER_SERVER_CA",
    "CHECKPOINT_SIGNER_CLIENT_CERTIFICATE",
    "CHECKPOINT_SIGNER_CLIENT_KEY",
];

/// The beginning of a command that is not to see those that are set.
fn without_variables(names: &[&str]) -> String {
    let set = names.iter().filter(|name| std::env::var_os(name).is_some());
    let without: String = set.map(|name| format!("-u {name} ")).collect();
    match without.is_empty() {
        true => without,
        false => format!("env {without}"),
    }
}

/// All running services.
#[cfg(feature = "aws")]
#[derive(Args)]
pub(super) struct ServersArgs {
    /// A running service, asked what it says of the keys; give each replica, several times or with commas. Without it, the one of
    /// CHECKPOINT_SIGNER_SERVER, if that is set
    #[arg(
        id = "servers",
        long = "server",
        env = "CHECKPOINT_SIGNER_SERVERS",
        value_name = "URL",
        value_delimiter = ','
    )]
    urls: Vec<String>,
    #[command(flatten)]
    tls: ClientTlsArgs,
}

#[cfg(feature = "aws")]
impl ServersArgs {
    /// The services that are named, or the one that other commands would ask.
    pub(super) fn named(&self) -> Servers {
        let mut urls = self.urls.clone();
        if urls.is_empty()
            && let Ok(server) = std::env::var("CHECKPOINT_SIGNER_SERVER")
            && !server.is_empty()
        {
            urls.push(server);
        }
        Servers {
            urls,
            tls: self.tls.named(),
            waiting: Some(|told| PROGRAM.tell(told)),
        }
    }

    /// The address of one that is shown without what may be a password.
    pub(super) fn address(&self, shown: &str) -> String {
        let named = self.named().urls;
        let mut named = named.iter().filter(|url| client::shown(url) == shown);
        named
            .next()
            .map_or_else(|| shown.to_owned(), |url| client::without_user(url))
    }

    /// The flags with their values, and the variables that would say the same.
    pub(super) fn given(&self) -> Vec<(&'static str, &'static str, String)> {
        let urls = match self.urls.is_empty() {
            true => None,
            false => {
                let shown = self.urls.iter().map(|url| client::without_user(url));
                Some(shown.collect::<Vec<_>>().join(","))
            }
        };
        let urls = urls.map(|urls| ("--server", "CHECKPOINT_SIGNER_SERVERS", urls));
        urls.into_iter().chain(self.tls.given()).collect()
    }
}

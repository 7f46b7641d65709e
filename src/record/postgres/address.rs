//! Where the database is: a URL, as libpq or SQLAlchemy write it, and how its TLS is verified.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use url::Url;

/// How long one host may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long sent data may stay unacknowledged before the connection is given up.
const SILENCE: Duration = Duration::from_secs(5);

/// How a host that has gone is found by who waits for it: soon after that silence.
const PROBE_EVERY: Duration = Duration::from_secs(2);
const PROBES: u32 = 3;

/// What the server does by itself, in milliseconds: a statement, a wait for a lock, and a transaction whose client
/// is silent (a frozen replica) are ended, so that the other replicas go on. A commit is answered when it is durable.
const OPTIONS: &str = "-c search_path=checkpoint_signer -c synchronous_commit=on -c statement_timeout=4000 \
                       -c lock_timeout=3000 -c idle_in_transaction_session_timeout=3000";

/// A database. Its password is never shown: the text is `postgres://host:port/name`.
#[derive(Clone)]
pub struct DatabaseAddress {
    pub(super) config: Config,
    /// None for a plain connection.
    pub(super) tls: Option<Roots>,
    shown: String,
}

/// Which certificate authorities are trusted. The server's name is always checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Roots {
    /// Those of the machine.
    System,
    /// Those of a PEM file.
    File(PathBuf),
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for DatabaseAddress {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config && self.tls == other.tls
    }
}

impl Eq for DatabaseAddress {}

impl FromStr for DatabaseAddress {
    type Err = String;

    /// Reads `postgres://`, `postgresql://` and SQLAlchemy's `postgresql+driver://`. The error never repeats the
    /// text, which holds a password.
    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let dialect = scheme.split('+').next().unwrap_or_default();
        if !matches!(dialect, "postgres" | "postgresql") {
            return Err("expected postgres://USER:PASSWORD@HOST:PORT/DATABASE".into());
        }
        let mut url = Url::parse(&format!("postgres://{rest}"))
            .map_err(|error| format!("is not a URL ({error}); expected postgres://..."))?;
        let (mut mode, mut roots, mut other) = (None, Roots::System, Vec::new());
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                // asyncpg says "ssl", everybody else "sslmode".
                "sslmode" | "ssl" => mode = Some(value.into_owned()),
                "sslrootcert" => roots = Roots::File(value.as_ref().into()),
                _ => other.push((name.into_owned(), value.into_owned())),
            }
        }
        url.set_query(None);
        if !other.is_empty() {
            url.query_pairs_mut().extend_pairs(other);
        }
        let mut config: Config = url
            .as_str()
            .parse()
            .map_err(|error| format!("is not understood: {}", innermost(&error)))?;
        if config.get_hosts().is_empty() || config.get_dbname().is_none_or(str::is_empty) {
            return Err("has no host or no database; expected postgres://.../DATABASE".into());
        }
        let local = config.get_hosts().iter().all(is_local);
        let plain = match mode.as_deref() {
            Some("disable" | "false") if local => true,
            Some("disable" | "false") => {
                return Err(
                    "sslmode: is disable; expected require for a host that is not this machine"
                        .into(),
                );
            }
            None | Some("allow" | "prefer") => local,
            Some("require" | "verify-ca" | "verify-full" | "true") => false,
            Some(_) => {
                return Err(
                    "sslmode: is unknown; expected require, verify-ca, verify-full or disable"
                        .into(),
                );
            }
        };
        config.ssl_mode(if plain {
            SslMode::Disable
        } else {
            SslMode::Require
        });
        let options = config.get_options().map(|own| format!("{own} "));
        config.options(format!("{}{OPTIONS}", options.unwrap_or_default()));
        if config.get_application_name().is_none() {
            config.application_name("checkpoint-signer");
        }
        config
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(SILENCE)
            .keepalives_idle(SILENCE)
            .keepalives_interval(PROBE_EVERY)
            .keepalives_retries(PROBES);
        let host = url.host_str().unwrap_or("local");
        let port = url
            .port()
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        Ok(Self {
            shown: format!("postgres://{host}{port}{}", url.path()),
            tls: (!plain).then_some(roots),
            config,
        })
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            let address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
    }
}

/// The outer message of a connection string's error is always the same.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DatabaseAddress, String> {
        text.parse()
    }

    #[test]
    fn the_forms_of_libpq_and_sqlalchemy_are_understood() {
        for text in [
            "postgres://amply:pass%20word@db.example:5433/ledger?sslmode=require",
            "postgresql://amply:pass%20word@db.example:5433/ledger?sslmode=verify-full",
            "postgresql+asyncpg://amply:pass%20word@db.example:5433/ledger?ssl=require",
            "postgresql+psycopg://amply:pass%20word@db.example:5433/ledger",
        ] {
            let address = read(text).unwrap();
            assert_eq!(address.config.get_user(), Some("amply"), "{text}");
            assert_eq!(address.config.get_password(), Some(&b"pass word"[..]));
            assert_eq!(address.config.get_ports(), [5433]);
            assert_eq!(address.config.get_dbname(), Some("ledger"));
            assert_eq!(address.tls, Some(Roots::System), "{text}");
            assert_eq!(address.to_string(), "postgres://db.example:5433/ledger");
        }
    }

    #[test]
    fn only_this_machine_is_reached_without_tls() {
        for host in ["127.0.0.1", "localhost", "[::1]"] {
            for mode in ["", "?sslmode=disable", "?sslmode=prefer"] {
                let address = read(&format!("postgres://u@{host}/d{mode}")).unwrap();
                assert_eq!(address.tls, None, "{host} {mode}");
            }
            let address = read(&format!("postgres://u@{host}/d?sslmode=require")).unwrap();
            assert!(address.tls.is_some());
        }
        let refused = read("postgres://u:secret@db.example/d?sslmode=disable").unwrap_err();
        assert!(refused.contains("sslmode"), "{refused}");
        let address = read("postgres://u@db.example/d?sslrootcert=/rds.pem").unwrap();
        assert_eq!(address.tls, Some(Roots::File("/rds.pem".into())));
    }

    #[test]
    fn what_is_no_database_is_refused_without_its_password() {
        for text in [
            "mysql://u:secret@h/d",
            "postgres://u:secret@h:99999/d",
            "postgres://u:secret@h",
            "postgres://u:secret@h/d?sslmode=secret",
            "postgres://u:secret@h/d?unknown=secret",
            "u:secret",
        ] {
            let refused = read(text).unwrap_err();
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}

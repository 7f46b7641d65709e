//! Where the database is: a URL, as libpq or SQLAlchemy write it, and how its TLS is verified.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, LoadBalanceHosts, SslMode, TargetSessionAttrs};

use super::heard::Heard;
use super::parameters;
use super::uri::Uri;

/// How long one host may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The same where there are others to try.
const NEXT_HOST_AFTER: Duration = Duration::from_secs(2);

/// How long sent data may stay unacknowledged before the connection is given up.
const SILENCE: Duration = Duration::from_secs(5);

/// How a host that has gone is found by who waits for it: soon after that silence.
const PROBE_EVERY: Duration = Duration::from_secs(2);
const PROBES: u32 = 3;

/// A database. Its password is never shown: the text is `postgres://host:port,host:port/name`.
#[derive(Clone)]
pub struct DatabaseAddress {
    pub(super) config: Config,
    /// None for a plain connection.
    pub(super) tls: Option<Roots>,
    shown: String,
    /// Each host by itself, if there are several.
    pub(super) hosts: Vec<DatabaseAddress>,
    /// What became of them.
    pub(super) heard: Arc<Heard>,
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
        let uri = Uri::parse(scheme, rest)?;
        if uri.database.is_empty() {
            return Err("has no database; expected postgres://.../DATABASE".into());
        }
        let mut address = Self::read(&uri)?;
        if uri.targets.len() > 1 {
            for (at, target) in uri.targets.iter().enumerate() {
                let alone = Uri {
                    targets: vec![target.clone()],
                    addresses: uri.addresses.get(at).into_iter().copied().collect(),
                    ..uri.clone()
                };
                let mut host = Self::read(&alone)?;
                // Whether it is this machine is asked of all of them.
                host.config.ssl_mode(address.config.get_ssl_mode());
                host.tls.clone_from(&address.tls);
                host.config.target_session_attrs(TargetSessionAttrs::Any);
                address.hosts.push(host);
            }
        }
        Ok(address)
    }
}

impl DatabaseAddress {
    /// Each host, in the order in which they are connected to; none where there is but one.
    pub(super) fn in_order(&self) -> Vec<(String, Config)> {
        let mut hosts: Vec<_> = self
            .hosts
            .iter()
            .map(|host| self.as_one_of_several(host))
            .collect();
        if self.config.get_load_balance_hosts() == LoadBalanceHosts::Random && !hosts.is_empty() {
            let random = RandomState::new().build_hasher().finish();
            let count = hosts.len();
            hosts.rotate_left(usize::try_from(random).unwrap_or_default() % count);
        }
        hosts.sort_by_key(|(host, _)| self.heard.is_former(host));
        hosts
    }

    fn as_one_of_several(&self, host: &Self) -> (String, Config) {
        let mut config = host.config.clone();
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if let Some(within) = self.config.get_connect_timeout() {
            config.connect_timeout(*within);
        }
        (host.to_string(), config)
    }

    fn read(uri: &Uri) -> Result<Self, String> {
        let mut config = Config::new();
        for target in &uri.targets {
            config.host(&target.host).port(target.port);
        }
        for address in &uri.addresses {
            config.hostaddr(*address);
        }
        let connect_timeout = match uri.targets.as_slice() {
            [_] => CONNECT_TIMEOUT,
            _ => NEXT_HOST_AFTER,
        };
        config
            .dbname(&uri.database)
            .application_name("checkpoint-signer")
            .connect_timeout(connect_timeout)
            .tcp_user_timeout(SILENCE)
            .keepalives_idle(SILENCE)
            .keepalives_interval(PROBE_EVERY)
            .keepalives_retries(PROBES);
        if uri.targets.len() > 1 {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if let Some(user) = &uri.user {
            config.user(user);
        }
        if let Some(password) = &uri.password {
            config.password(password);
        }
        let (mut mode, mut roots) = (None, Roots::System);
        for (name, value) in &uri.parameters {
            match name.as_str() {
                "sslmode" => mode = Some(value.as_str()),
                "sslrootcert" if value == "system" => roots = Roots::System,
                "sslrootcert" => roots = Roots::File(value.into()),
                name => parameters::set(&mut config, name, value)?,
            }
        }
        let local = config.get_hosts().iter().all(is_local)
            && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
        let plain = is_plain(mode, local)?;
        config.ssl_mode(match plain {
            true => SslMode::Disable,
            false => SslMode::Require,
        });
        let shown: Vec<String> = uri.targets.iter().map(ToString::to_string).collect();
        Ok(Self {
            shown: format!("postgres://{}/{}", shown.join(","), uri.database),
            tls: (!plain).then_some(roots),
            config,
            hosts: Vec::new(),
            heard: Arc::default(),
        })
    }

    /// How long it may take until one of the hosts is connected to, or none.
    pub(super) fn connects_within(&self) -> Duration {
        let each = self
            .config
            .get_connect_timeout()
            .copied()
            .unwrap_or(CONNECT_TIMEOUT);
        let hosts = u32::try_from(self.config.get_hosts().len()).unwrap_or(1);
        // As long again for the server to answer.
        each * (hosts + 1)
    }
}

/// Whether connections have no TLS, which is for this machine alone.
fn is_plain(mode: Option<&str>, local: bool) -> Result<bool, String> {
    match mode {
        Some("disable" | "false") if local => Ok(true),
        Some("disable" | "false") => {
            Err("sslmode: is disable; expected require for a host that is not this machine".into())
        }
        None | Some("allow" | "prefer") => Ok(local),
        Some("require" | "verify-ca" | "verify-full" | "true") => Ok(false),
        Some(_) => {
            Err("sslmode: is unknown; expected require, verify-ca, verify-full or disable".into())
        }
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
    fn several_hosts_are_tried_as_libpq_documents() {
        for (text, shown, ports) in [
            ("postgres://u@a:1,b:2/d", "postgres://a:1,b:2/d", [1, 2]),
            ("postgres://u@a,b/d?port=7", "postgres://a:7,b:7/d", [7, 7]),
            (
                "postgres://u@/d?host=a,b&port=1,2",
                "postgres://a:1,b:2/d",
                [1, 2],
            ),
            (
                "postgresql+psycopg://u@/d?host=a:1&host=b:2",
                "postgres://a:1,b:2/d",
                [1, 2],
            ),
            (
                "postgres://u@[::1]:5,[fe80::1]/d?target_session_attrs=primary",
                "postgres://[::1]:5,[fe80::1]/d",
                [5, 5432],
            ),
            (
                "postgres://u@a,b/d?hostaddr=10.0.0.1,10.0.0.2&load_balance_hosts=random",
                "postgres://a,b/d",
                [5432, 5432],
            ),
        ] {
            let address = read(text).unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(address.config.get_ports(), ports, "{text}");
            let attributes = address.config.get_target_session_attrs();
            assert_eq!(attributes, TargetSessionAttrs::ReadWrite, "{text}");
        }
        let socket = read("postgres://u@%2Fvar%2Frun/d").unwrap();
        assert_eq!(socket.tls, None);
        assert_eq!(socket.config.get_hosts(), [Host::Unix("/var/run".into())]);
    }

    #[test]
    fn what_is_not_supported_is_named_and_never_left_out() {
        for (query, named) in [
            ("sslcert=secret", "sslcert"),
            ("sslkey=secret", "sslkey"),
            ("options=secret", "options"),
            ("passfile=secret", "passfile"),
            ("target_session_attrs=standby", "target_session_attrs"),
            ("target_session_attrs=any", "target_session_attrs"),
            ("load_balance_hosts=secret", "load_balance_hosts"),
            ("connect_timeout=secret", "connect_timeout"),
            ("port=1,2,3", "port"),
            ("hostaddr=secret", "hostaddr"),
            ("host=", "host"),
            ("host=c&host=d", "host: stands there twice"),
            ("port=1&port=2", "port: stands there twice"),
            ("sslmode=disable&ssl=require", "sslmode: stands there twice"),
            ("user=secret&user=secret2", "user: stands there twice"),
            ("Secret=1&Secret=2", "a parameter stands there twice"),
        ] {
            let refused = read(&format!("postgres://u@a,b/d?{query}")).unwrap_err();
            assert!(
                refused.contains(named) && !refused.contains("secret"),
                "{query}: {refused}"
            );
        }
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

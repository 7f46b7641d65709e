//! The text of a database's address, in parts: as libpq documents it (several hosts, IPv6, parameters), and SQLAlchemy.
//!
//! No error repeats a value: any part may hold a password that was put there by mistake.

use checkpoint::counted::counted;

use std::collections::HashSet;

use super::parameters::is_plain_name;

/// Where PostgreSQL listens.
const DEFAULT_PORT: u16 = 5432;

/// Most hosts of one address: more is a mistake, and each takes time.
const MAX_HOSTS: usize = 16;

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// A name, an address without brackets, or the folder of a socket.
    pub(super) host: String,
    pub(super) port: u16,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port } = self;
        match host.contains(':') {
            true => write!(f, "[{host}]")?,
            false => f.write_str(&host.replace('/', "%2F"))?,
        }
        match *port {
            DEFAULT_PORT => Ok(()),
            port => write!(f, ":{port}"),
        }
    }
}

/// The parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Uri {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) targets: Vec<Target>,
    /// The address of each host, where it is not looked up.
    pub(super) addresses: Vec<std::net::IpAddr>,
    pub(super) database: String,
    /// All other parameters, in order.
    pub(super) parameters: Vec<(String, String)>,
}

impl Uri {
    /// Reads what follows `scheme://`.
    pub(super) fn parse(scheme: &str, rest: &str) -> Result<Self, String> {
        // `postgresql+asyncpg`: SQLAlchemy repeats the host, with its port.
        let repeats_host = scheme.contains('+');
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(credentials), hosts),
            None => (None, authority),
        };
        let mut uri = Self {
            database: decode("the database", database)?,
            ..Self::default()
        };
        if let Some(credentials) = credentials {
            let (user, password) = match credentials.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (credentials, None),
            };
            uri.user = Some(decode("the user", user)?).filter(|user| !user.is_empty());
            uri.password = password
                .map(|text| decode("the password", text))
                .transpose()?;
        }
        // Hosts, each with the port that stands beside it.
        let mut named: Vec<(String, Option<u16>)> = Vec::new();
        if !hosts.is_empty() {
            for host in hosts.split(',') {
                named.push(host_and_port(host)?);
            }
        }
        let (mut asked, mut ports) = (Vec::new(), Vec::new());
        let mut given = HashSet::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let missing = || "a parameter has no value; expected NAME=VALUE".to_owned();
            let (name, value) = pair.split_once('=').ok_or_else(missing)?;
            let name = decode("the name of a parameter", name)?;
            let value = decode(&name, value)?;
            // asyncpg says "ssl", everybody else "sslmode".
            let name = if name == "ssl" {
                "sslmode".into()
            } else {
                name
            };
            // Of two, libpq takes the last one, and others the first, or both.
            if !given.insert(name.clone()) && (name != "host" || !repeats_host) {
                return Err(twice(&name));
            }
            match name.as_str() {
                "host" => {
                    for host in value.split(',') {
                        asked.push(asked_host(host)?);
                    }
                }
                "port" => {
                    for text in value.split(',') {
                        ports.push(port(text)?);
                    }
                }
                "hostaddr" => {
                    for text in value.split(',') {
                        let wrong = |_| "hostaddr: is not an IP address".to_owned();
                        uri.addresses.push(text.parse().map_err(wrong)?);
                    }
                }
                "user" => uri.user = Some(value),
                "password" => uri.password = Some(value),
                "dbname" => uri.database = value,
                _ => uri.parameters.push((name, value)),
            }
        }
        if !asked.is_empty() {
            named = asked;
        }
        if named.is_empty() {
            named = uri
                .addresses
                .iter()
                .map(|ip| (ip.to_string(), None))
                .collect();
        }
        uri.targets = targets(named, &ports)?;
        let (hosts, addresses) = (uri.targets.len(), uri.addresses.len());
        if addresses > 0 && addresses != hosts {
            return Err(format!(
                "hostaddr: has {} for {}; expected one for each",
                counted(addresses, "address", "addresses"),
                counted(hosts, "host", "hosts")
            ));
        }
        Ok(uri)
    }
}

/// What to say of a parameter that stands there twice.
fn twice(name: &str) -> String {
    match name {
        "host" | "port" | "hostaddr" => {
            format!("{name}: stands there twice; expected it once, with commas between several")
        }
        name if is_plain_name(name) => format!("{name}: stands there twice; expected it once"),
        _ => "a parameter stands there twice; expected it once".into(),
    }
}

fn targets(named: Vec<(String, Option<u16>)>, ports: &[u16]) -> Result<Vec<Target>, String> {
    let hosts = named.len();
    if hosts == 0 {
        return Err("has no host; expected postgres://HOST/DATABASE".into());
    }
    if hosts > MAX_HOSTS {
        return Err(format!("has {hosts} hosts; expected {MAX_HOSTS} at most"));
    }
    if ports.len() > 1 && ports.len() != hosts {
        let ports = ports.len();
        return Err(format!(
            "port: has {ports} ports for {}; expected one, or one for each",
            counted(hosts, "host", "hosts")
        ));
    }
    let port_of = |at: usize| {
        ports
            .get(at)
            .or_else(|| ports.first().filter(|_| ports.len() == 1))
    };
    let target = |(at, (host, port)): (usize, (String, Option<u16>))| {
        if host.is_empty() {
            return Err(
                "a host is empty; expected a name, an address, or the folder of a socket"
                    .to_owned(),
            );
        }
        let port = port
            .or_else(|| port_of(at).copied())
            .unwrap_or(DEFAULT_PORT);
        Ok(Target { host, port })
    };
    named.into_iter().enumerate().map(target).collect()
}

/// `name`, `name:port`, `[address]:port`, as they stand before the database.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), String> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (address, rest) = bracketed
                .split_once(']')
                .ok_or("a host has a [ without its ]")?;
            let wrong = |_| "a host in brackets is not an IPv6 address";
            address.parse::<std::net::Ipv6Addr>().map_err(wrong)?;
            (address.to_owned(), rest)
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            let (host, rest) = text.split_at_checked(end).unwrap_or((text, ""));
            (decode("a host", host)?, rest)
        }
    };
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Ok((host, None)),
        None => Err("a host is followed by something else than its port".into()),
        Some("") => Ok((host, None)),
        Some(text) => Ok((host, Some(port(text)?))),
    }
}

/// The same as the value of `host`, where IPv6 has no brackets and a socket's folder no escapes.
fn asked_host(text: &str) -> Result<(String, Option<u16>), String> {
    let is_address = text.parse::<std::net::IpAddr>().is_ok();
    match is_address || text.starts_with('/') {
        true => Ok((text.to_owned(), None)),
        false => host_and_port(text),
    }
}

fn port(text: &str) -> Result<u16, String> {
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| "port: expected a number from 1 to 65535".into())
}

/// Undoes percent-encoding. A plus is a plus, as for libpq.
fn decode(what: &str, text: &str) -> Result<String, String> {
    let wrong =
        || format!("{what}: has a % that is not followed by two hexadecimal digits of UTF-8");
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || {
                    (rest.next()? as char)
                        .to_digit(16)
                        .and_then(|d| u8::try_from(d).ok())
                };
                let (high, low) = (digit().ok_or_else(wrong)?, digit().ok_or_else(wrong)?);
                high << 4 | low
            }
            byte => byte,
        };
        if byte == 0 {
            return Err(format!("{what}: has a NUL"));
        }
        bytes.push(byte);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

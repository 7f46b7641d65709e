//! `files`: writes the files that `serve` takes, where there is no shell to do that: in a container beside the service's, from the one
//! secret that holds them. What `serve` would refuse is refused here, before a file that is there is replaced.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::input::Refused;
use super::{Failure, Format, FormatArg, input, print_json, print_line};
use crate::clock::Clock;
use crate::grpc::access::{MinimumTls, TlsFiles, TlsTexts};
use crate::x509::{Certificates, Purpose};
use checkpoint::counted::counted;

/// The variable with the secret: a flag would stand in the list of processes.
const VARIABLE: &str = "FILES_SECRET";

/// What a secret has at most (AWS Secrets Manager, "Quotas").
const MAX_BYTES: usize = 65_536;

/// A member of the secret, and the file that it becomes.
struct Member {
    name: &'static str,
    file: &'static str,
    /// The setting of `serve` that takes it.
    flag: &'static str,
    is_needed: bool,
}

const fn member(name: &'static str, file: &'static str, flag: &'static str) -> Member {
    Member {
        name,
        file,
        flag,
        // Not where the machine's authorities know the database's.
        is_needed: !flag.is_empty(),
    }
}

const MEMBERS: [Member; 5] = [
    member("certificate", "tls.pem", "--tls-certificate"),
    member("key", "tls.key", "--tls-key"),
    member("client_ca", "client-ca.pem", "--tls-client-ca"),
    member("roles", "roles.toml", "--roles"),
    // Part of the database's address.
    member("database_ca", "database-ca.pem", ""),
];

/// The members of the secret, in its order.
struct Members(Vec<(String, Value)>);

impl Members {
    fn get(&self, name: &str) -> Option<&Value> {
        let mut found = self.0.iter().filter(|(member, _)| member == name);
        found.next().map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// One that stands there more than once: which one is meant nobody can tell.
    fn twice(&self) -> Option<&str> {
        let names = self.0.iter().map(|(name, _)| name.as_str());
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        names
            .array_windows()
            .find_map(|[a, b]| (a == b).then_some(*a))
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap;
        impl<'de> Visitor<'de> for OfMap {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(OfMap)
    }
}

#[derive(Args)]
#[command(after_help = "\
The secret is JSON, in the variable FILES_SECRET, and each of its members is the text of a file: certificate (tls.pem), key (tls.key), \
client_ca (client-ca.pem), roles (roles.toml), database_ca (database-ca.pem; may be left out).")]
pub(super) struct Files {
    /// The folder to write them into: files of the user who runs this, with the mode 0600; those that are there are replaced
    #[arg(long, env = "CHECKPOINT_SIGNER_FILES_TO", value_name = "FOLDER")]
    to: PathBuf,
    #[command(flatten)]
    format: FormatArg,
}

impl Files {
    pub(super) fn run(self) -> Result<(), Failure> {
        let secret = std::env::var(VARIABLE).map_err(|_| {
            Failure::Impossible(format!(
                "{VARIABLE}: is missing, or is no text; expected the secret with the files, as JSON (deploy/README.md)"
            ))
        })?;
        let members = parse(&secret)
            .map_err(|problem| Failure::Impossible(format!("{VARIABLE}: {problem}")))?;
        let mut faults = faults(&members);
        let judged = judge(&self.to, &members);
        let warnings = judged.unwrap_or_else(|wrong| {
            faults.extend(wrong);
            Vec::new()
        });
        if !faults.is_empty() {
            return Err(Failure::Faults(faults));
        }
        let texts = MEMBERS
            .iter()
            .filter_map(|member| Some((member.file, members.text(member.name)?)));
        let texts: Vec<_> = texts.collect();
        input::replace_all(&self.to, &texts).map_err(|Refused { file, error }| {
            Failure::Impossible(format!(
                "--to: {}: {error}; expected a folder that belongs to the user who runs this",
                self.to.join(file).display()
            ))
        })?;
        let written: Vec<_> = texts.iter().map(|(file, _)| *file).collect();
        self.show(&written, &unused(&members), &warnings)
    }

    fn show(&self, written: &[&str], unused: &[&str], warnings: &[String]) -> Result<(), Failure> {
        let to = self.to.display();
        match self.format.format {
            Format::Json => print_json(&json!({
                "to": to.to_string(), "written": written, "not_used": unused, "warnings": warnings,
            })),
            Format::Text => {
                let unused = match unused.is_empty() {
                    true => String::new(),
                    false => format!("; not used of the secret: {}", unused.join(", ")),
                };
                let files = counted(written.len() as u64, "file", "files");
                for warning in warnings {
                    print_line(&format!("warning: {warning}"))?;
                }
                print_line(&format!("{to}: {files}: {}{unused}", written.join(", ")))
            }
        }
    }
}

/// No problem repeats what the secret has.
fn parse(secret: &str) -> Result<Members, String> {
    if secret.len() > MAX_BYTES {
        return Err(format!("has more than {MAX_BYTES} bytes"));
    }
    match serde_json::from_str::<Members>(secret) {
        Ok(members) => match members.twice() {
            Some(name) => Err(format!(
                "{name}: stands there twice; expected each member once"
            )),
            None => Ok(members),
        },
        Err(error) if error.is_data() => Err("is JSON, and no object; expected one".into()),
        Err(error) => Err(format!(
            "is no JSON, by line {}, column {}; expected an object with the texts of the files",
            error.line(),
            error.column()
        )),
    }
}

fn faults(members: &Members) -> Vec<String> {
    let fault = |member: &Member| {
        let name = member.name;
        let found = match members.get(name) {
            None if member.is_needed => "is missing",
            None => return None,
            Some(Value::String(text)) if text.trim().is_empty() => "is empty",
            Some(Value::String(_)) => return None,
            Some(_) => "is no text",
        };
        Some(format!(
            "{VARIABLE}: {name}: {found}; expected the text of a file, {}",
            member.file
        ))
    };
    MEMBERS.iter().filter_map(fault).collect()
}

/// Judges the texts as `serve` will, which refuses to start with less. Gives what it would take and warn of.
///
/// # Errors
/// What it would refuse.
fn judge(to: &Path, members: &Members) -> Result<Vec<String>, Vec<String>> {
    let text = |name: &str| {
        let text = members.text(name).filter(|text| !text.trim().is_empty())?;
        Some(Zeroizing::new(text.as_bytes().to_vec()))
    };
    let files = TlsFiles {
        certificate: to.join("tls.pem"),
        key: to.join("tls.key"),
        client_ca: to.join("client-ca.pem"),
        client_crl: None,
        roles: to.join("roles.toml"),
        minimum: MinimumTls::Tls13,
    };
    let judged = files.judge(TlsTexts {
        certificate: text("certificate"),
        key: text("key"),
        client_ca: text("client_ca"),
        client_crl: None,
        roles: text("roles"),
    });
    let mut wrong = Vec::new();
    let mut warnings = Vec::new();
    let now = Clock::system().now();
    let mut warn = |name: &str, read: &Certificates| {
        let problems = read.problem(now).into_iter().chain(read.notes(now));
        warnings.extend(problems.map(|problem| format!("{VARIABLE}: {name}: {problem}")));
    };
    match judged {
        Err(faults) => wrong.extend(faults.iter().map(|fault| {
            let name = name_of(fault.flag());
            format!("{VARIABLE}: {name}: {}", fault.problem())
        })),
        Ok(authority) => {
            for read in authority.certificates() {
                warn(name_of(&format!("--{}", read.file)), read);
            }
        }
    }
    if let Some(pem) = text("database_ca") {
        let path = to.join("database-ca.pem");
        let read = Certificates::of_pem("database_ca", &path, Purpose::Authorities, &pem);
        match read.filter(|_| holds_an_authority(&pem)) {
            Some(read) => warn("database_ca", &read),
            None => wrong.push(format!(
                "{VARIABLE}: database_ca: has no certificate that can be used; expected PEM (CERTIFICATE)"
            )),
        }
    }
    match wrong.is_empty() {
        true => Ok(warnings),
        false => Err(wrong),
    }
}

fn holds_an_authority(pem: &[u8]) -> bool {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(read.unwrap_or_default());
    taken > 0
}

/// The member whose file a setting of `serve` takes.
fn name_of(flag: &str) -> &str {
    let mut members = MEMBERS.iter();
    let found = members.find(|member| member.flag == flag);
    found.map_or(flag, |member| member.name)
}

fn unused(members: &Members) -> Vec<&str> {
    let is_known = |name: &str| MEMBERS.iter().any(|member| member.name == name);
    let names = members.0.iter().map(|(name, _)| name.as_str());
    names.filter(|name| !is_known(name)).collect()
}

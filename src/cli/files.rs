//! `files`: writes the files that `serve` takes, where there is no shell to do that: in a container beside the service's, from the one
//! secret that holds them.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::{Failure, Format, FormatArg, input, print_json, print_lines};
use checkpoint::counted::counted;

/// The variable with the secret: a flag would stand in the list of processes.
const VARIABLE: &str = "FILES_SECRET";

/// What a secret has at most (AWS Secrets Manager, "Quotas").
const MAX_BYTES: usize = 65_536;

/// A member of the secret, and the file that it becomes.
struct Member {
    name: &'static str,
    file: &'static str,
    is_needed: bool,
}

const fn member(name: &'static str, file: &'static str, is_needed: bool) -> Member {
    Member {
        name,
        file,
        is_needed,
    }
}

const MEMBERS: [Member; 5] = [
    member("certificate", "tls.pem", true),
    member("key", "tls.key", true),
    member("client_ca", "client-ca.pem", true),
    member("roles", "roles.toml", true),
    // Not where the machine's authorities know the database's.
    member("database_ca", "database-ca.pem", false),
];

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
        let faults = faults(&members);
        if !faults.is_empty() {
            return Err(Failure::Faults(faults));
        }
        let mut written = Vec::new();
        for Member { name, file, .. } in &MEMBERS {
            let Some(text) = members.get(*name).and_then(Value::as_str) else {
                continue;
            };
            write(&self.to.join(file), text)?;
            written.push(*file);
        }
        self.show(&written, &unused(&members))
    }

    fn show(&self, written: &[&str], unused: &[&str]) -> Result<(), Failure> {
        let to = self.to.display();
        match self.format.format {
            Format::Json => {
                print_json(&json!({ "to": to.to_string(), "written": written, "not_used": unused }))
            }
            Format::Text => {
                let unused = match unused.is_empty() {
                    true => String::new(),
                    false => format!("; not used of the secret: {}", unused.join(", ")),
                };
                let files = counted(written.len() as u64, "file", "files");
                print_lines([format!("{to}: {files}: {}{unused}", written.join(", "))])
            }
        }
    }
}

/// No problem repeats what the secret has.
fn parse(secret: &str) -> Result<Map<String, Value>, String> {
    if secret.len() > MAX_BYTES {
        return Err(format!("has more than {MAX_BYTES} bytes"));
    }
    match serde_json::from_str(secret) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("is JSON, and no object; expected one".into()),
        Err(error) => Err(format!(
            "is no JSON, by line {}, column {}; expected an object with the texts of the files",
            error.line(),
            error.column()
        )),
    }
}

fn faults(members: &Map<String, Value>) -> Vec<String> {
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

fn unused(members: &Map<String, Value>) -> Vec<&str> {
    let is_known = |name: &str| MEMBERS.iter().any(|member| member.name == name);
    let names = members.keys().map(String::as_str);
    names.filter(|name| !is_known(name)).collect()
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    input::replace(path, text).map_err(|error| {
        Failure::Impossible(format!(
            "--to: {}: {error}; expected a folder that belongs to the user who runs this",
            path.display()
        ))
    })
}

//! No flag is ignored silently. What stands here is given and has no effect beside what else is given: on the command line
//! that ends in 2; from the environment, which is set for many commands, it is told. Where a service is and how to reach it
//! is the one thing that an environment may say and a command not need: a nightly job would be told every night.

use std::collections::HashSet;

use checkpoint_verify::cli::unused::{self, OFFLINE, Rule, Unused, When};
use clap::{ArgMatches, Command};

use super::{Failure, PROGRAM};
use checkpoint::fault::FieldFault;
use checkpoint::visible::visible;

const CONNECTION: [&str; 4] = ["server", "server_ca", "client_certificate", "client_key"];
const TLS: &[&str] = &["server_ca", "client_certificate", "client_key"];

const RULES: [Rule; 8] = [
    Rule {
        command: "verify",
        flags: &CONNECTION,
        when: When::With(&["keys"]),
        because: "--keys verifies offline, and asks no service; give one of them",
    },
    Rule {
        command: "serve",
        flags: &["data"],
        when: When::Without(&["dev"]),
        because: "it is the folder of --dev",
    },
    Rule {
        command: "serve",
        flags: &["environment"],
        when: When::With(&["dev"]),
        because: "--dev has a key of its own; expected --source to take another one",
    },
    Rule {
        command: "serve",
        flags: &["public_url"],
        when: When::Without(&["http", "dev"]),
        because: "nothing is served over HTTP; expected --http, too",
    },
    Rule {
        command: "serve",
        flags: TLS,
        when: When::Without(&["peer"]),
        because: "no other replica is asked; expected --peer, too",
    },
    Rule {
        command: "rollover",
        flags: TLS,
        when: When::Without(&["servers"]),
        because: "no service is asked; expected --server, too",
    },
    Rule {
        command: "rollover",
        flags: &["wait"],
        when: When::Without(&["servers"]),
        because: "no service is asked, and nothing is waited for; expected --server, too",
    },
    Rule {
        command: "lambda",
        flags: TLS,
        when: When::Without(&["servers"]),
        because: "no service is asked; expected --server, too",
    },
];

/// Tells of flags that have no effect.
///
/// # Errors
/// When one was given on the command line.
pub(super) fn check(matches: &ArgMatches) -> Result<(), Failure> {
    unused::tell(PROGRAM, find(matches), &CONNECTION)
}

/// The flags that are given and have no effect.
pub(super) fn find(matches: &ArgMatches) -> Vec<Unused> {
    let Some((command, mut matches)) = matches.subcommand() else {
        return Vec::new();
    };
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    unused::find(command, matches, OFFLINE.iter().chain(&RULES))
}

/// What the names of all variables begin with that a flag has.
const PREFIX: &str = "CHECKPOINT_SIGNER_";

/// Variables of the environment that are named like those of flags, and are no flag's: a slip of who set them.
pub(super) fn unread_variables(program: &Command) -> Vec<FieldFault> {
    let mut known = HashSet::new();
    collect_variables(program, &mut known);
    let set = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    let unread = set.filter(|name| {
        name.starts_with(PREFIX) && !known.contains(name.as_str()) && !is_of_kubernetes(name)
    });
    let fault = |name: String| {
        FieldFault::new(
            visible(&name),
            "no flag has this variable, and nothing reads it",
        )
    };
    unread.map(fault).collect()
}

fn collect_variables(command: &Command, known: &mut HashSet<String>) {
    let variables = command.get_arguments().filter_map(|flag| flag.get_env());
    known.extend(variables.map(|name| name.to_string_lossy().into_owned()));
    for inner in command.get_subcommands() {
        collect_variables(inner, known);
    }
}

/// What Kubernetes sets for a service named checkpoint-signer (<https://kubernetes.io/docs/concepts/services-networking/service/>).
fn is_of_kubernetes(name: &str) -> bool {
    let parts = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT_"];
    name.ends_with("_PORT") || parts.iter().any(|part| name.contains(part))
}

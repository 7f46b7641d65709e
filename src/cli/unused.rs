//! No flag is ignored silently. What stands here is given and has no effect beside what else is given: on the command line
//! that ends in 2; from the environment, which is set for many commands, it is told. Where a service is and how to reach it
//! is the one thing that an environment may say and a command not need: a nightly job would be told every night.

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::{Failure, tell};

/// When a flag has no effect.
enum When {
    /// One of these is given.
    With(&'static [&'static str]),
    /// None of these is given.
    Without(&'static [&'static str]),
}

struct Rule {
    command: &'static str,
    flags: &'static [&'static str],
    when: When,
    because: &'static str,
}

const CONNECTION: [&str; 4] = ["server", "server_ca", "client_certificate", "client_key"];
const TLS: &[&str] = &["server_ca", "client_certificate", "client_key"];

const RULES: [Rule; 10] = [
    Rule {
        command: "verify",
        flags: &CONNECTION,
        when: When::With(&["keys"]),
        because: "--keys verifies offline, and asks no service; give one of them",
    },
    Rule {
        command: "verify",
        flags: &["since", "until", "ledger"],
        when: When::With(&["record_export", "proof"]),
        because: "--log and --proof verify everything; give the files alone to select from them",
    },
    Rule {
        command: "verify",
        flags: &["record_head"],
        when: When::Without(&["record_export", "proof"]),
        because: "a head says nothing of files by itself: give the export by --log, or each checkpoint's proof by --proof",
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

/// A flag without an effect, and why it has none.
pub(super) struct Unused {
    pub(super) flag: String,
    pub(super) because: &'static str,
    source: ValueSource,
}

/// Tells of flags that have no effect.
///
/// # Errors
/// When one was given on the command line.
pub(super) fn check(matches: &ArgMatches) -> Result<(), Failure> {
    let mut refused = Vec::new();
    for Unused {
        flag,
        because,
        source,
    } in find(matches)
    {
        match source {
            ValueSource::EnvVariable if CONNECTION.contains(&flag.replace('-', "_").as_str()) => {}
            ValueSource::EnvVariable => {
                tell(&format!(
                    "--{flag}, which the environment sets, is not used: {because}"
                ));
            }
            _ => refused.push(format!("--{flag}: would not be used: {because}")),
        }
    }
    match refused.is_empty() {
        true => Ok(()),
        false => Err(Failure::Faults(refused)),
    }
}

/// The flags that are given and have no effect.
pub(super) fn find(matches: &ArgMatches) -> Vec<Unused> {
    let Some((command, mut matches)) = matches.subcommand() else {
        return Vec::new();
    };
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    let source = |flag: &str| {
        // Not every command of a family has every flag.
        let known = matches.try_contains_id(flag).unwrap_or(false);
        let source = known.then(|| matches.value_source(flag)).flatten();
        source.filter(|source| *source != ValueSource::DefaultValue)
    };
    let is_given = |flag: &&str| match matches.try_get_one::<bool>(flag) {
        // A switch has a value also where it is off.
        Ok(Some(on)) => *on,
        _ => source(flag).is_some(),
    };
    let mut found = Vec::new();
    for rule in RULES.iter().filter(|rule| rule.command == command) {
        let holds = match rule.when {
            When::With(others) => others.iter().any(&is_given),
            When::Without(others) => !others.iter().any(&is_given),
        };
        for flag in rule.flags.iter().filter(|_| holds) {
            found.extend(source(flag).map(|source| Unused {
                flag: flag.replace('_', "-"),
                because: rule.because,
                source,
            }));
        }
    }
    found
}

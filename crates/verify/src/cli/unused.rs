//! No flag is ignored silently. What stands here is given and has no effect beside what else is given: on the command line
//! that ends in 2; from the environment, which is set for many commands, it is told.

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::Failure;
use super::show::Program;

/// When a flag has no effect.
pub enum When {
    /// One of these is given.
    With(&'static [&'static str]),
    /// None of these is given.
    Without(&'static [&'static str]),
}

/// Flags of a command, and when they have no effect.
pub struct Rule {
    /// Of which command.
    pub command: &'static str,
    /// Their ids.
    pub flags: &'static [&'static str],
    /// When.
    pub when: When,
    /// Why.
    pub because: &'static str,
}

/// Those of `verify`.
pub const OFFLINE: [Rule; 2] = [
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
];

/// A flag without an effect, and why it has none.
pub struct Unused {
    /// It.
    pub flag: String,
    /// Why.
    pub because: String,
    source: ValueSource,
}

/// Tells of flags that have no effect; `left_alone` are those that an environment may set and a command not need.
///
/// # Errors
/// When one was given on the command line.
pub fn tell(program: Program, unused: Vec<Unused>, left_alone: &[&str]) -> Result<(), Failure> {
    let mut refused = Vec::new();
    for Unused {
        flag,
        because,
        source,
    } in unused
    {
        match source {
            ValueSource::EnvVariable if left_alone.contains(&flag.replace('-', "_").as_str()) => {}
            ValueSource::EnvVariable => {
                program.tell(&format!(
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

/// The flags of a command that are given and have no effect.
pub fn find<'a>(
    command: &str,
    matches: &ArgMatches,
    rules: impl Iterator<Item = &'a Rule>,
) -> Vec<Unused> {
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
    for rule in rules.filter(|rule| rule.command == command) {
        let (holds, other) = match rule.when {
            When::With(others) => {
                let other = others.iter().find(|other| is_given(other));
                (other.is_some(), other)
            }
            When::Without(others) => (!others.iter().any(&is_given), None),
        };
        // Who typed one flag alone does not see the other one.
        let other = other.filter(|other| source(other) == Some(ValueSource::EnvVariable));
        let other = other.map_or_else(String::new, |other| {
            format!(" (the environment sets --{})", other.replace('_', "-"))
        });
        for flag in rule.flags.iter().filter(|_| holds) {
            found.extend(source(flag).map(|source| Unused {
                flag: flag.replace('_', "-"),
                because: format!("{}{other}", rule.because),
                source,
            }));
        }
    }
    found
}

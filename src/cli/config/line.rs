//! The command line as it is written: which command, and which flags with which values, right or wrong.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

/// A command and its flags.
pub(in crate::cli) struct Line {
    path: Vec<String>,
    flags: Vec<(String, Option<OsString>)>,
}

impl Line {
    /// Reads arguments without the program's name. None for what is no command with long flags alone, and where help is
    /// asked for.
    pub(super) fn read(command: &Command, arguments: &[OsString]) -> Option<Self> {
        let mut at = command;
        let (mut path, mut flags) = (Vec::new(), Vec::new());
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            // Ends the flags; nothing of serve may follow, as clap then says.
            if argument == "--" {
                continue;
            }
            let (word, attached) = split(argument);
            match word.to_str()?.strip_prefix("--") {
                Some(name) => {
                    let flag = at
                        .get_arguments()
                        .find(|flag| flag.get_long() == Some(name))
                        .filter(|flag| !is_clap_s(flag))?;
                    let value = match (attached, flag.get_action().takes_values()) {
                        (None, true) => Some(arguments.next()?.clone()),
                        (None, false) => None,
                        (Some(value), true) => Some(value),
                        (Some(_), false) => return None,
                    };
                    flags.push((name.into(), value));
                }
                None => {
                    at = at.find_subcommand(argument)?;
                    path.push(at.get_name().into());
                }
            }
        }
        Some(Self { path, flags })
    }

    /// The command's names, outermost first.
    pub(super) fn path(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// The values of a flag, in order; None where it is not given.
    pub(super) fn values(&self, name: &str) -> Option<Vec<OsString>> {
        let given: Vec<_> = self.flags.iter().filter(|(n, _)| n == name).collect();
        (!given.is_empty()).then(|| {
            given
                .iter()
                .filter_map(|(_, value)| value.clone())
                .collect()
        })
    }
}

/// `--help` and `--version`.
pub(super) fn is_clap_s(flag: &Arg) -> bool {
    matches!(flag.get_id().as_str(), "help" | "version")
}

/// `--name=value`; a value need not be UTF-8.
fn split(argument: &OsStr) -> (OsString, Option<OsString>) {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let bytes = argument.as_bytes();
    let at = bytes.iter().position(|byte| *byte == b'=');
    match at.and_then(|at| bytes.split_at_checked(at)) {
        Some((name, value)) if bytes.starts_with(b"--") => {
            let value = value.get(1..).unwrap_or_default().to_vec();
            (
                OsString::from_vec(name.to_vec()),
                Some(OsString::from_vec(value)),
            )
        }
        _ => (argument.into(), None),
    }
}

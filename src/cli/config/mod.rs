//! Settings of `serve` from flags, the environment and one TOML file, in that order; `config check` shows what is in
//! force, where it came from, and everything that is wrong. The settings are those of the clap command: there is no
//! second list of them.

mod check;
mod file;
mod settings;

use std::ffi::OsString;

use clap::builder::{Resettable, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, CommandFactory as _, Id, Subcommand};

use super::serve::Serve;
use super::{Cli, Failure, FormatArg};
pub(super) use check::run as check;
use settings::Settings;

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Show every setting of `serve`, where it comes from, and everything that is wrong. Takes the flags of `serve`;
    /// files are read, but neither AWS nor a database is asked
    Check(Check),
}

#[derive(Args)]
pub(super) struct Check {
    #[command(flatten)]
    _serve: Serve,
    #[command(flatten)]
    _format: FormatArg,
}

/// What the process was started with, once the file was read.
pub(super) enum Start {
    /// The arguments for clap, with those of the file.
    Arguments(Vec<OsString>),
    /// `config check`, which must see faulty values that clap would refuse one at a time.
    Check(ArgMatches),
}

/// Reads the file where the command is `serve` and one is named.
///
/// # Errors
/// Everything that is wrong with the settings, a line each.
pub(super) fn start(mut arguments: Vec<OsString>) -> Result<Start, Failure> {
    // What is no flag, or lacks its value, is for the strict command to explain.
    let Ok(matches) = lenient().try_get_matches_from(&arguments) else {
        return Ok(Start::Arguments(arguments));
    };
    let config = matches.subcommand_matches("config");
    if let Some(given) = config.and_then(|config| config.subcommand_matches("check")) {
        return Ok(Start::Check(given.clone()));
    }
    if let Some(given) = matches.subcommand_matches("serve")
        && file::named(given).is_some()
    {
        let settings = Settings::gather(given)?;
        let faults = settings.faults();
        if !faults.is_empty() {
            let faults = faults.iter().map(ToString::to_string);
            return Err(Failure::Faults(faults.collect()));
        }
        arguments.extend(settings.of_file());
    }
    Ok(Start::Arguments(arguments))
}

/// The command line that takes any value of a setting, also several and none of those that belong together: what is set and
/// by whom, right or wrong.
fn lenient() -> Command {
    let none = || Resettable::<Id>::Reset;
    let any = |flag: Arg| {
        let flag = flag
            .required_unless_present(none())
            .requires(none())
            .conflicts_with(none())
            .value_delimiter(None::<char>)
            .value_parser(ValueParser::os_string());
        match flag.get_action() {
            ArgAction::Set | ArgAction::Append => {
                flag.action(ArgAction::Append).allow_hyphen_values(true)
            }
            _ => flag,
        }
    };
    let check = |config: Command| config.mut_subcommand("check", |check| check.mut_args(any));
    Cli::command()
        .mut_args(any)
        .mut_subcommand("serve", |serve| serve.mut_args(any))
        .mut_subcommand("config", check)
}

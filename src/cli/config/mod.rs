//! Settings of `serve` from flags, the environment and one TOML file, in that order; `config check` shows what is in
//! force, where it came from, and everything that is wrong. The settings are those of the clap command: there is no
//! second list of them.

mod check;
mod file;
mod line;
mod settings;

use std::ffi::OsString;

use clap::{Args, CommandFactory as _, Subcommand};

use super::serve::Serve;
use super::{Cli, Failure, FormatArg};
use line::Line;
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
    Check(Line),
}

/// Reads the file where the command is `serve` and one is named.
///
/// # Errors
/// Everything that is wrong with the settings, a line each.
pub(super) fn start(mut arguments: Vec<OsString>) -> Result<Start, Failure> {
    let mut command = Cli::command();
    command.build();
    // What the line does not make sense of is for clap to explain.
    let Some(line) = Line::read(&command, arguments.get(1..).unwrap_or_default()) else {
        return Ok(Start::Arguments(arguments));
    };
    match line.path().as_slice() {
        ["config", "check"] => Ok(Start::Check(line)),
        ["serve"] if file::named(&line).is_some() => {
            let settings = Settings::gather(&command, &line)?;
            let faults = settings.faults();
            if !faults.is_empty() {
                let faults = faults.iter().map(ToString::to_string);
                return Err(Failure::Faults(faults.collect()));
            }
            arguments.extend(settings.of_file());
            Ok(Start::Arguments(arguments))
        }
        _ => Ok(Start::Arguments(arguments)),
    }
}

impl Line {
    /// `config check`.
    pub(super) async fn check(self) -> Result<(), Failure> {
        let mut command = Cli::command();
        command.build();
        check::run(&command, &self).await
    }
}

//! `checkpoint-verify`: the program for those who verify and run no service.

use std::process::ExitCode;

use chrono::Utc;
use clap::{Args, CommandFactory, FromArgMatches as _, Parser, Subcommand};

use super::consistency::{Shown, TwoHeads};
use super::show::Program;
use super::unused::{self, OFFLINE};
use super::{Failure, FormatArg, Offline};

const PROGRAM: Program = Program("checkpoint-verify");

/// Verifies published checkpoints, and the record that they are in, with a keyring that you trust. It asks no service.
///
/// Exit codes: 0 all valid; 1 the answer is no; 2 it could not be done or checked.
#[derive(Parser)]
#[command(
    name = "checkpoint-verify",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    offline: Offline,
}

#[derive(Subcommand)]
enum Command {
    /// Compare two signed heads of the record: a record that lost or changed rows between them shows
    Consistency(Consistency),
}

#[derive(Args)]
struct Consistency {
    #[command(flatten)]
    heads: TwoHeads,
    #[command(flatten)]
    format: FormatArg,
}

impl Consistency {
    fn run(&self) -> Result<(), Failure> {
        let verified = self.heads.verify(PROGRAM)?;
        let heads = verified.heads(self.format.format);
        match heads.compare() {
            Shown::Same => heads.one(&[]),
            Shown::NotOne(problem) => heads.not_one(&problem),
            Shown::Unclear(problem) => heads.not_checked(&problem),
            Shown::AskForProof => heads.not_checked(
                "the later head counts more rows, and only a proof shows whether they begin with those of the earlier one; \
                 `checkpoint-signer record consistency` asks a service for it",
            ),
        }
    }
}

/// The command line. Whoever verifies here has nothing but a keyring to verify with.
fn command_line() -> clap::Command {
    Cli::command().mut_arg("keys", |keys| keys.required(true))
}

/// Runs what the process was started with.
pub fn main() -> ExitCode {
    let matches = command_line().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    PROGRAM.end(match cli.command {
        Some(Command::Consistency(consistency)) => consistency.run(),
        None => {
            let unused = unused::find("verify", &matches, OFFLINE.iter());
            unused::tell(PROGRAM, unused, &[]).and_then(|()| cli.offline.run(PROGRAM, Utc::now()))
        }
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command_line().debug_assert();
    }
}

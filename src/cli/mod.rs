//! The command line: a command for each user. It parses, calls inward, prints, and chooses an exit code.

mod again;
mod config;
mod demo;
mod dev;
mod dev_keys;
mod environment;
mod failure;
mod files;
mod health;
mod input;
mod keys;
#[cfg(feature = "lambda")]
mod lambda;
mod log;
mod meant;
mod place;
mod record;
#[cfg(feature = "aws")]
mod rollover;
mod serve;
mod server;
mod shown;
mod sign;
mod tls;
mod unused;
mod verify;
mod witnesses;

use std::process::ExitCode;

use checkpoint_verify::cli::show::{
    Program, print, print_document, print_json, print_json_text, print_line, print_lines,
};
use checkpoint_verify::cli::{Format, FormatArg};
use clap::{CommandFactory, FromArgMatches as _, Parser, Subcommand};

use crate::hardening::Hardening;
use failure::{Failure, refused};
use server::ServerArg;

use crate::telemetry::{self, AuditLog, Collector, OwnWarnings, StalledLog};

/// As it calls itself on standard error.
const PROGRAM: Program = Program("checkpoint-signer");

/// What was built from what, for `--version` (see `build.rs`).
const BUILD: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit: ",
    env!("BUILD_SOURCE_COMMIT"),
    "\ncommitted (Unix time): ",
    env!("BUILD_SOURCE_DATE_EPOCH"),
    "\ncompiler: ",
    env!("BUILD_RUSTC"),
    "\ntarget: ",
    env!("BUILD_TARGET")
);

/// Signs the daily checkpoints of Amply's ledgers, and verifies them for decades.
///
/// Exit codes: 0 done, or all valid; 1 the answer is no (refused, not valid, not serving); 2 it could not be
/// done or checked, or the caller may not ask for it.
#[derive(Parser)]
#[command(
    name = "checkpoint-signer",
    version,
    long_version = BUILD,
    max_term_width = 100
)]
struct Cli {
    /// What to log on standard error: a level, or a filter such as checkpoint_signer=debug,warn
    #[arg(
        long,
        global = true,
        env = "CHECKPOINT_SIGNER_LOG_LEVEL",
        default_value = "warn",
        value_name = "FILTER",
        value_parser = telemetry::log_filter
    )]
    log_level: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Tell the story of three years in some seconds, with real parts and a simulated clock
    Demo,
    /// Run the service
    Serve(Box<serve::Serve>),
    /// Write the files of `serve` from the secret that holds them (for a container beside it, which has no shell)
    Files(files::Files),
    /// Look at the settings of `serve`
    #[command(subcommand)]
    Config(Box<config::ConfigCommand>),
    /// Sign a checkpoint and print the JSON to publish
    Sign(sign::Sign),
    /// Verify published checkpoints
    Verify(verify::Verify),
    /// Generate, list, export, import and revoke keys
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Roll the key over, once a year, step by step
    #[cfg(feature = "aws")]
    #[command(subcommand)]
    Rollover(rollover::RolloverCommand),
    /// Not in this program, which was built without the feature aws
    #[cfg(not(feature = "aws"))]
    Rollover(Absent),
    /// Run as the rotation function of Secrets Manager, in AWS Lambda
    #[cfg(feature = "lambda")]
    Lambda(lambda::Lambda),
    /// Not in this program, which was built without the feature lambda
    #[cfg(not(feature = "lambda"))]
    Lambda(Absent),
    /// Look after the record of signatures
    #[command(subcommand)]
    Record(record::RecordCommand),
    /// Ask a running service how it is (for a container's health check)
    Health(health::Health),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page (roff)
    Man,
}

/// Whatever is asked of a command that was left out.
#[cfg(not(all(feature = "aws", feature = "lambda")))]
#[derive(clap::Args)]
struct Absent {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    _asked: Vec<std::ffi::OsString>,
}

#[cfg(not(all(feature = "aws", feature = "lambda")))]
fn absent(command: &str, feature: &str) -> Result<(), Failure> {
    Err(Failure::Impossible(format!(
        "{command}: this program was built without the feature {feature}; expected one that has it (cargo build --features {feature})"
    )))
}

impl Command {
    /// What acts with keys leaves its trace.
    fn audit(&self) -> AuditLog {
        match self {
            Self::Serve(_) => AuditLog::Always,
            Self::Rollover(_) | Self::Lambda(_) => AuditLog::Always,
            Self::Record(record::RecordCommand::AcceptPromotion(_)) => AuditLog::Always,
            _ => AuditLog::AsFiltered,
        }
    }

    /// A service has no other voice than its log.
    fn warnings(&self) -> OwnWarnings {
        match self {
            Self::Serve(serve) => serve.log.warnings(),
            #[cfg(feature = "lambda")]
            Self::Lambda(lambda) => lambda.log.warnings(),
            _ => OwnWarnings::AsFiltered,
        }
    }

    /// Who reads a service's log may stall, and signing goes on.
    fn stalled_log(&self) -> StalledLog {
        match self {
            Self::Serve(_) => StalledLog::Waits,
            _ => StalledLog::Stops,
        }
    }

    /// What is logged. What became of the record is an event for who serves it; for a command it is its answer, and comes once.
    fn filter(&self, asked: &str) -> String {
        match self {
            Self::Serve(_) => asked.into(),
            _ => format!("{asked},{}=off", crate::record::HIGH_WATER_MARK),
        }
    }

    /// Where traces go.
    fn collector(&self) -> Option<&Collector> {
        match self {
            Self::Serve(serve) => serve.collector(),
            _ => None,
        }
    }

    fn handles_private_keys(&self) -> bool {
        match self {
            Self::Serve(_) | Self::Demo | Self::Rollover(_) | Self::Lambda(_) => true,
            Self::Config(_) | Self::Files(_) => true,
            Self::Keys(keys) => matches!(keys, keys::Keys::Generate(_)),
            Self::Sign(_) | Self::Verify(_) | Self::Record(_) | Self::Health(_) => false,
            Self::Completions { .. } | Self::Man => false,
        }
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let outcome = config::start(std::env::args_os().collect()).and_then(|start| match start {
        config::Start::Check(given) => {
            // It reads the key file, if there is one.
            Hardening::apply();
            block_on(config::check(given))
        }
        config::Start::Arguments(arguments) => {
            let parsed = shown::without_values(Cli::command()).try_get_matches_from(arguments);
            let parsed = parsed.and_then(|matches| {
                let cli = Cli::from_arg_matches(&matches)?;
                Ok((cli, matches))
            });
            let (cli, matches) =
                parsed.unwrap_or_else(|error| shown::without_secrets(error).exit());
            unused::check(&matches)?;
            for fault in unused::unread_variables(&Cli::command()) {
                PROGRAM.tell(&fault.to_string());
            }
            let hardening = cli.command.handles_private_keys().then(Hardening::apply);
            let (audit, warnings) = (cli.command.audit(), cli.command.warnings());
            let filter = cli.command.filter(&cli.log_level);
            let (stalled, collector) = (cli.command.stalled_log(), cli.command.collector());
            telemetry::start(&filter, audit, warnings, stalled, collector)
                .map_err(Failure::Impossible)
                .and_then(|_until_the_end| {
                    log::tell_of_kept(&cli.log_level, warnings);
                    hardening.iter().for_each(Hardening::log);
                    run(cli.command)
                })
        }
    });
    PROGRAM.end(outcome)
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo => block_on(demo::run()),
        Command::Serve(serve) => block_on(serve.run()),
        Command::Files(files) => files.run(),
        // Its line was taken before clap read it.
        Command::Config(_) => Err(Failure::Impossible(
            "config check: expected the flags of serve alone".into(),
        )),
        Command::Sign(sign) => block_on(sign.run()),
        Command::Verify(verify) => block_on(verify.run()),
        Command::Keys(keys) => block_on(keys.run()),
        #[cfg(feature = "aws")]
        Command::Rollover(rollover) => block_on(rollover.run()),
        #[cfg(not(feature = "aws"))]
        Command::Rollover(_) => absent("rollover", "aws"),
        #[cfg(feature = "lambda")]
        Command::Lambda(lambda) => block_on(lambda.run()),
        #[cfg(not(feature = "lambda"))]
        Command::Lambda(_) => absent("lambda", "lambda"),
        Command::Record(record) => block_on(record.run()),
        Command::Health(health) => block_on(health.run()),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "checkpoint-signer", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command())
                .render(&mut page)
                .map_err(Failure::impossible)?;
            print(&String::from_utf8_lossy(&page))
        }
    }
}

fn block_on(task: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Runtime::new()
        .map_err(Failure::impossible)?
        .block_on(task)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    /// Those that answer nothing: a story, a log, a script and a page.
    const WITHOUT_FORMAT: [&str; 5] = ["demo", "serve", "lambda", "completions", "man"];

    #[test]
    fn every_command_that_gives_an_answer_has_a_format() {
        fn check(command: &clap::Command) {
            if command.has_subcommands() {
                return command.get_subcommands().for_each(check);
            }
            let name = command.get_name();
            let has_format = command.get_arguments().any(|arg| arg.get_id() == "format");
            assert_ne!(has_format, WITHOUT_FORMAT.contains(&name), "{name}");
        }
        check(&super::Cli::command());
    }

    /// What goes on knowingly is typed each time: a variable that was left in a shell would say it for what comes later. So
    /// would one for `--dry-run`, which would have the next command change nothing.
    const TYPED: [&str; 8] = [
        "believe_resumptions",
        "believe_revocations",
        "dry_run",
        "reason",
        "without_asking",
        "without_endorsement",
        "without_peer",
        "yes",
    ];

    #[test]
    fn every_flag_has_an_environment_variable_but_those_that_go_on_knowingly() {
        fn check(command: &clap::Command, path: &str) {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                if argument.is_positional() || matches!(name, "help" | "version") {
                    continue;
                }
                // It stands there to say which flag is meant.
                if argument.is_hide_set() {
                    continue;
                }
                if TYPED.contains(&name) {
                    assert!(argument.get_env().is_none(), "{path} --{name}");
                    continue;
                }
                let variable = argument.get_env().and_then(|v| v.to_str()).unwrap_or("");
                let expected = variable.starts_with("CHECKPOINT_SIGNER_");
                assert!(expected, "{path} --{name} has {variable:?}");
            }
            for inner in command.get_subcommands() {
                check(inner, &format!("{path} {}", inner.get_name()));
            }
        }
        check(&super::Cli::command(), "checkpoint-signer");
    }

    /// Whatever is in a variable may be, or have, a password.
    #[test]
    fn no_help_has_a_value_of_the_environment() {
        fn check(command: &clap::Command) {
            for flag in command.get_arguments() {
                let is_shown = flag.get_env().is_some() && !flag.is_hide_env_values_set();
                assert!(!is_shown, "{}: {}", command.get_name(), flag.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&super::shown::without_values(super::Cli::command()));
    }
}

//! How to print: `--format`.

use clap::{Args, ValueEnum};

use super::Failure;

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person
    Text,
    /// For a program
    Json,
}

/// `--format`.
#[derive(Args, Debug)]
pub struct FormatArg {
    /// How to print
    #[arg(
        long,
        value_enum,
        env = "CHECKPOINT_SIGNER_FORMAT",
        default_value = "text"
    )]
    pub format: Format,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a person: what is wrong, and a summary
    Text,
    /// For a program: one object
    Json,
    /// For a program: one object a line, for every checkpoint as it is verified, then the summary
    Ndjson,
    /// A report to file away: one page, without anything from elsewhere
    Html,
}

impl ReportFormat {
    pub(super) fn of_log(self) -> Result<Format, Failure> {
        match self {
            Self::Text => Ok(Format::Text),
            Self::Json => Ok(Format::Json),
            Self::Ndjson | Self::Html => Err(Failure::Impossible(
                "--format: expected text or json with --log or --proof".into(),
            )),
        }
    }
}

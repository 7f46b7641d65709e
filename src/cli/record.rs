//! `record`: looks after the record.

use clap::{Args, Subcommand};
use serde_json::json;

use super::place::RecordPlace;
use super::{Failure, Format, FormatArg, print_json, print_line};

#[derive(Subcommand)]
pub(super) enum RecordCommand {
    /// Make an empty record; one that exists is left as it is
    Init(Init),
}

#[derive(Args)]
pub(super) struct Init {
    /// Where to make it: sqlite:PATH
    #[arg(long, env = "CHECKPOINT_SIGNER_RECORD", value_name = "PLACE")]
    record: RecordPlace,
    #[command(flatten)]
    format: FormatArg,
}

impl RecordCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Init(Init { record, format }) => {
                record.init().map_err(Failure::impossible)?;
                match format.format {
                    Format::Json => print_json(&json!({ "made": record.to_string() })),
                    Format::Text => print_line(&format!(
                        "made an empty record: {record}\nnext: checkpoint-signer serve --record {record} \
                         --source file:KEYS.json"
                    )),
                }
            }
        }
    }
}

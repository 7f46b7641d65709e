//! `record`: looks after the record.

use clap::{Args, Subcommand};
use serde_json::json;

use super::place::RecordPlace;
use super::{Failure, Format, FormatArg, print_json, print_line};
use crate::record::audit::audit;

#[derive(Subcommand)]
pub(super) enum RecordCommand {
    /// Make an empty record; one that exists is left as it is
    Init(Init),
    /// Check every row of a record: its signature, its place, the rules, and the tree over all of them
    Verify(Verify),
}

#[derive(Args)]
pub(super) struct Init {
    /// Where to make it: sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE, or secretsmanager:NAME of a secret
    /// that holds such an address
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_RECORD",
        hide_env_values = true,
        value_name = "PLACE"
    )]
    record: RecordPlace,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Args)]
pub(super) struct Verify {
    /// Which: sqlite:PATH, postgres://..., or secretsmanager:NAME
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_RECORD",
        hide_env_values = true,
        value_name = "PLACE"
    )]
    record: RecordPlace,
    #[command(flatten)]
    format: FormatArg,
}

impl Verify {
    async fn run(self) -> Result<(), Failure> {
        let record = self.record.open().await?;
        let audit = audit(record.as_ref()).await.map_err(Failure::impossible)?;
        let (rows, root) = (audit.tree.size(), audit.tree.root().to_string());
        match self.format.format {
            Format::Json => {
                let told = audit.told.iter();
                print_json(&json!({
                    "rows": rows,
                    "root": root,
                    "problems": audit.problems,
                    "told": told.map(ToString::to_string).collect::<Vec<_>>(),
                }))?;
            }
            Format::Text => {
                for problem in &audit.told {
                    print_line(&format!("WRONG {problem}"))?;
                }
                let found = match audit.problems {
                    0 => "all is well".into(),
                    problems => format!("{problems} PROBLEMS"),
                };
                print_line(&format!(
                    "{}: {rows} rows, root {root}: {found}",
                    self.record
                ))?;
            }
        }
        match audit.problems {
            0 => Ok(()),
            _ => Err(Failure::Shown),
        }
    }
}

impl RecordCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Verify(verify) => verify.run().await,
            Self::Init(Init { record, format }) => {
                record.init().await?;
                match format.format {
                    Format::Json => print_json(&json!({ "made": record.to_string() })),
                    Format::Text => print_line(&format!(
                        "made an empty record: {record}\nnext: checkpoint-signer serve, with the same --record"
                    )),
                }
            }
        }
    }
}

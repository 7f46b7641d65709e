//! `record accept-promotion`: an operator says that signing goes on where the database is now. It shows what there is to compare
//! first, and changes nothing without a reason.

use std::collections::HashSet;

use clap::Args;
use serde_json::json;

use super::place::RecordPlace;
use super::witnesses::ComparedArgs;
use super::{Failure, Format, FormatArg, print_json, print_line, print_lines};
use crate::audit::{self, Outcome};
use crate::clock::Clock;
use crate::key::instant_text;
use crate::record::head::{DEFAULT_LOG, LogName};
use crate::record::home::{Acceptance, Home, Moved};
use crate::record::{Receipt, RecordError, WentBack};
use crate::service::WitnessError;

/// The newest rows among which each ledger's newest is looked for.
const ROWS_LOOKED_AT: u32 = 500;

/// Most ledgers that are shown.
const LEDGERS_SHOWN: usize = 50;

/// Longest reason, in bytes.
const MAX_REASON_BYTES: usize = 1000;

#[derive(Args)]
pub(super) struct AcceptPromotion {
    /// Which record: postgres://USER:PASSWORD@HOST/DATABASE, or secretsmanager:NAME of a secret that holds such an address
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_RECORD",
        hide_env_values = true,
        value_name = "PLACE"
    )]
    record: RecordPlace,
    /// Why nothing is missing, or why that which is missing is given up: it is recorded, with your name. Without it,
    /// what there is to compare is shown, and nothing is changed
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
    /// The name under which heads of the record are signed
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_LOG_NAME",
        default_value = DEFAULT_LOG,
        value_name = "NAME"
    )]
    log_name: LogName,
    #[command(flatten)]
    witnesses: ComparedArgs,
    #[command(flatten)]
    format: FormatArg,
}

fn reason(text: &str) -> Result<String, String> {
    let is_plain = !text.chars().any(char::is_control);
    match !text.trim().is_empty() && text.len() <= MAX_REASON_BYTES && is_plain {
        true => Ok(text.into()),
        false => Err(format!(
            "expected a sentence of at most {MAX_REASON_BYTES} bytes on one line"
        )),
    }
}

impl AcceptPromotion {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let record = self.record.serve().await?;
        let bare = record.as_it_is().ok_or_else(|| {
            Failure::Impossible(format!(
                "--record: is {}; expected postgres://...: a file is never promoted",
                self.record
            ))
        })?;
        let moved = match record.head().await {
            Ok(_) => None,
            Err(RecordError::WentBack(WentBack::Moved(moved))) => Some(moved),
            Err(error) => return Err(Failure::impossible(error)),
        };
        // One that was accepted before this began is where the record lives.
        let acts = bare.acceptances().await.map_err(Failure::impossible)?;
        let acts: Vec<String> = acts.iter().map(act).collect();
        let Some(moved) = moved.filter(|moved| !moved.is_accepted()) else {
            return match self.format.format {
                Format::Json => {
                    print_json(&json!({ "accepted": false, "moved": false, "acts": acts }))
                }
                Format::Text => {
                    print_line(&format!(
                        "{}: the record lives where it is; there is nothing to accept",
                        self.record
                    ))?;
                    acts.iter().try_for_each(|act| print_line(act))
                }
            };
        };
        let tree = bare.head().await.map_err(Failure::impossible)?;
        let newest = bare.newest(ROWS_LOOKED_AT).await;
        let newest = newest.map_err(Failure::impossible)?;
        let compared = self.witnesses.read()?;
        let mut checked = compared.check(bare.as_ref(), &self.log_name).await;
        if checked.is_ok() {
            checked = compared.check_revocations(bare.as_ref()).await;
        }
        let (rows, root) = (tree.size(), tree.root().to_string());
        let home = |moved: &Moved| {
            let accepted = moved.accepted.as_ref();
            accepted.map_or_else(|| "nowhere".into(), |a| a.home.to_string())
        };
        if self.format.format == Format::Text {
            acts.iter().try_for_each(|act| print_line(act))?;
            print_line(&format!("the record lives at  {}", home(&moved)))?;
            print_line(&format!("this database is     {}", moved.here))?;
            print_line(&format!("it has               {rows} rows, root {root}"))?;
            print_line("the newest of each ledger, the newest first:")?;
            for row in newest_of_each(&newest) {
                print_line(&format!("  {}", line(row)))?;
            }
        }
        if let Err(RecordError::WentBack(WentBack::FormerHome(former))) = record.head().await {
            return Err(Failure::Negative(format!("{former}; nothing was accepted")));
        }
        checked.map_err(|error| {
            Failure::Negative(match error {
                WitnessError::Revoked { .. } => format!("{error}; nothing was accepted"),
                error => format!(
                    "{error}; nothing was accepted: put the missing rows back first (`record restore`), or leave out what they are \
                     missing by, and give them up"
                ),
            })
        })?;
        let Some(reason) = self.reason else {
            return Err(Failure::Impossible(
                "nothing is changed yet: compare this with what each ledger was handed last, and with the heads that were \
                 published; then say why nothing is missing, by --reason TEXT"
                    .into(),
            ));
        };
        let who = who();
        let acceptance = Acceptance {
            who: who.clone(),
            reason,
            at: Clock::system().now(),
        };
        let settled = record.settle(&moved, Some(&acceptance)).await;
        let outcome = match &settled {
            Ok(_) => Outcome::DONE,
            Err(_) => Outcome::refused("RECORD_STORE_UNAVAILABLE"),
        };
        audit::promotion(&who, &moved.here.to_string(), &acceptance.reason, outcome);
        settled.map_err(Failure::impossible)?;
        match self.format.format {
            Format::Json => print_json(&json!({
                "accepted": true, "moved": true, "rows": rows, "root": root,
                "from": home(&moved), "to": moved.here.to_string(),
                "who": who, "reason": acceptance.reason,
            })),
            Format::Text => print_lines([
                "accepted: every replica that has seen no more than this signs again within seconds".into(),
                "next: checkpoint-signer health --service amply.checkpoint.v1.SigningService, for each replica".into(),
            ]),
        }
    }
}

/// The operator's name on this machine. Without one in the environment (a container, a job), the machine's list of users has it.
fn who() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    user.unwrap_or_else(|_| {
        let uid = rustix::process::getuid().as_raw();
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let named = users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)? == uid.to_string()).then(|| format!("{name} (uid {uid})"))
        });
        named.unwrap_or_else(|| format!("uid {uid}"))
    })
}

/// A line for an act on record.
fn act((home, acceptance): &(Home, Acceptance)) -> String {
    let Acceptance { who, reason, at } = acceptance;
    let by = match who.is_empty() {
        true => String::new(),
        false => format!(" by {who}"),
    };
    format!("on record: {} {home}{by}: {reason}", instant_text(*at))
}

fn newest_of_each(newest: &[Receipt]) -> Vec<&Receipt> {
    let mut ledgers = HashSet::new();
    newest
        .iter()
        .filter(|row| ledgers.insert(row.signed.checkpoint.fields().ledger_id.clone()))
        .take(LEDGERS_SHOWN)
        .collect()
}

fn line(row: &Receipt) -> String {
    let fields = row.signed.checkpoint.fields();
    format!(
        "{}  {}  entry_count {}  row {}  signed {}",
        fields.ledger_id,
        fields.checkpoint_id,
        fields.entry_count.get(),
        row.position,
        instant_text(row.signed.jws.header().iat)
    )
}

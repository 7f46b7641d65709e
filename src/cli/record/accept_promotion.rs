//! `record accept-promotion`: an operator says that signing goes on where the database is now. It shows what there is to compare
//! first, and changes nothing without a reason.

use std::collections::HashSet;

use clap::Args;
use serde_json::{Value, json};

use crate::audit::{self, Outcome};
use crate::cli::environment::EnvironmentArg;
use crate::cli::place::RecordPlace;
use crate::cli::witnesses::ComparedArgs;
use crate::cli::{Failure, Format, FormatArg, print_json, print_line, print_lines};
use crate::clock::Clock;
use crate::operator;
use crate::record::home::{Acceptance, Home, Moved};
use crate::record::{Record, RecordError, WentBack};
use checkpoint::counted::counted;
use checkpoint::history::Receipt;
use checkpoint::key::instant_text;
use checkpoint::log::head::{DEFAULT_LOG, LogName};
use checkpoint::reason::Reason;

/// The newest rows among which each ledger's newest is looked for.
const ROWS_LOOKED_AT: u32 = 500;

/// Most ledgers that are shown.
const LEDGERS_SHOWN: usize = 50;

/// Longest reason, in bytes.
const MAX_REASON_BYTES: usize = 1000;

#[derive(Args)]
pub(in crate::cli) struct AcceptPromotion {
    /// Which record: postgres://USER:PASSWORD@HOST/DATABASE, or secretsmanager:NAME of a secret that holds such an address
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_RECORD",
        hide_env_values = true,
        value_name = "PLACE"
    )]
    record: RecordPlace,
    #[command(flatten)]
    environment: EnvironmentArg,
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
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        self.record.choose().await?;
        let record = self.record.serve(self.environment.writes()).await?;
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
            return self
                .compare_only(record.as_ref(), bare.as_ref(), &acts)
                .await;
        };
        let tree = bare.head().await.map_err(Failure::impossible)?;
        let newest = bare.newest(ROWS_LOOKED_AT).await;
        let newest = newest.map_err(Failure::impossible)?;
        let compared = self.witnesses.read()?;
        let checked = compared.check(bare.as_ref(), &self.log_name).await;
        let shown = Shown {
            acts,
            record: self.record.to_string(),
            moved: *moved,
            rows: tree.size(),
            root: tree.root().to_string(),
            newest,
            not_checked: checked
                .as_ref()
                .map_or_else(|_| Vec::new(), |(open, known)| [&open[..], known].concat()),
        };
        let format = self.format.format;
        if format == Format::Text {
            shown.print_text()?;
        }
        // With --format json, what there is to compare is the answer also when nothing is accepted.
        let refuse = |failure| {
            if format == Format::Json {
                print_json(&shown.json(None))?;
            }
            Err(failure)
        };
        if let Err(RecordError::WentBack(WentBack::FormerHome(former))) = record.head().await {
            return refuse(Failure::Negative(format!("{former}; nothing was accepted")));
        }
        match checked {
            Err(error) if error.is_of_missing_rows() => {
                return refuse(Failure::Negative(format!(
                    "{error}; nothing was accepted: put the missing rows back first (`record restore`), or leave out what they are \
                     missing by, and give them up"
                )));
            }
            Err(error) => {
                return refuse(Failure::Negative(format!("{error}; nothing was accepted")));
            }
            Ok((open, _)) if !open.is_empty() => {
                let unasked = open.into_iter().map(|told| format!("NOT CHECKED {told}"));
                let mut told: Vec<String> = unasked.collect();
                told.push(
                    "nothing was accepted: expected an answer of each --peer; for one that was ended, and whose newest signatures \
                     are compared otherwise, go on by --without-peer URL"
                        .into(),
                );
                return refuse(Failure::Faults(told));
            }
            Ok(_) => {}
        }
        let Some(reason) = self.reason else {
            return refuse(Failure::Impossible(
                "nothing is changed yet: compare this with what each ledger was handed last, and with the heads that were \
                 published; then say why nothing is missing, by --reason TEXT"
                    .into(),
            ));
        };
        let who = operator::name();
        let acceptance = Acceptance {
            who: who.clone(),
            reason,
            at: Clock::system().now(),
        };
        let settled = record.settle(&shown.moved, Some(&acceptance)).await;
        let outcome = match &settled {
            Ok(_) => Outcome::Done,
            Err(_) => Outcome::Refused(Reason::RecordStoreUnavailable.as_str()),
        };
        let here = shown.moved.here.to_string();
        audit::promotion(&who, &here, &acceptance.reason, outcome);
        settled.map_err(Failure::impossible)?;
        match format {
            Format::Json => print_json(&shown.json(Some(&acceptance))),
            Format::Text => print_lines([
                "accepted: every replica that has seen no more than this signs again within seconds".into(),
                "next: checkpoint-signer health --service amply.checkpoint.v1.SigningService, for each replica".into(),
            ]),
        }
    }

    /// There is nothing to accept; what is named is compared all the same.
    async fn compare_only(
        self,
        record: &dyn Record,
        bare: &dyn Record,
        acts: &[String],
    ) -> Result<(), Failure> {
        let compared = self.witnesses.read()?.check(bare, &self.log_name).await;
        let (open, known) = match &compared {
            Ok((open, known)) => (open.clone(), known.clone()),
            Err(_) => Default::default(),
        };
        let not_checked = [&open[..], &known].concat();
        match self.format.format {
            Format::Json => print_json(&json!({
                "accepted": false, "moved": false, "record": self.record.to_string(), "acts": acts, "not_checked": not_checked,
            }))?,
            Format::Text => {
                let dropped = match &self.reason {
                    Some(_) => "; the reason was not recorded",
                    None => "",
                };
                print_line(&format!(
                    "{}: the record lives where it is; there is nothing to accept{dropped}",
                    self.record
                ))?;
                acts.iter().try_for_each(|act| print_line(act))?;
                print_not_checked(&known)?;
            }
        }
        // A peer may have told that another server was promoted since.
        if let Err(RecordError::WentBack(WentBack::FormerHome(former))) = record.head().await {
            return Err(Failure::Negative(former.to_string()));
        }
        match compared {
            Err(error) => Err(Failure::Negative(error.to_string())),
            Ok(_) if open.is_empty() => Ok(()),
            Ok(_) => {
                let open = open.into_iter().map(|told| format!("NOT CHECKED {told}"));
                Err(Failure::Faults(open.collect()))
            }
        }
    }
}

/// What there is to compare.
struct Shown {
    record: String,
    acts: Vec<String>,
    moved: Moved,
    rows: u64,
    root: String,
    newest: Vec<Receipt>,
    not_checked: Vec<String>,
}

impl Shown {
    /// Where the record says that it lives.
    fn from(&self) -> String {
        let accepted = self.moved.accepted.as_ref();
        accepted.map_or_else(|| "nowhere".into(), |a| a.home.to_string())
    }

    fn print_text(&self) -> Result<(), Failure> {
        self.acts.iter().try_for_each(|act| print_line(act))?;
        print_line(&format!("the record lives at  {}", self.from()))?;
        print_line(&format!(
            "this database is     {}, {}",
            self.moved.here, self.record
        ))?;
        let (rows, root) = (self.rows, &self.root);
        let rows = counted(rows, "row", "rows");
        print_line(&format!("it has               {rows}, root {root}"))?;
        print_line("the newest of each ledger, the newest first:")?;
        for row in newest_of_each(&self.newest) {
            print_line(&format!("  {}", line(row)))?;
        }
        print_not_checked(&self.not_checked)
    }

    fn json(&self, acceptance: Option<&Acceptance>) -> Value {
        let newest = newest_of_each(&self.newest);
        let newest: Vec<Value> = newest.into_iter().map(row).collect();
        json!({
            "accepted": acceptance.is_some(), "moved": true, "record": self.record, "acts": self.acts,
            "from": self.from(), "to": self.moved.here.to_string(),
            "rows": self.rows, "root": self.root, "newest": newest, "not_checked": self.not_checked,
            "who": acceptance.map(|acceptance| &acceptance.who),
            "reason": acceptance.map(|acceptance| &acceptance.reason),
        })
    }
}

fn print_not_checked(told: &[String]) -> Result<(), Failure> {
    let mut told = told.iter().map(|told| format!("not checked: {told}"));
    told.try_for_each(|told| print_line(&told))
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

fn row(row: &Receipt) -> Value {
    let fields = row.signed.checkpoint.fields();
    json!({
        "ledger_id": fields.ledger_id.as_str(), "checkpoint_id": fields.checkpoint_id.as_str(),
        "entry_count": fields.entry_count.get(), "row": row.position,
        "signed_at": instant_text(row.signed.jws.header().iat),
    })
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

//! `record resume-clock`: an operator's word that a clock ran ahead.

use std::io::{BufRead as _, IsTerminal as _};

use chrono::SubsecRound as _;
use clap::Args;
use prost_types::Timestamp;
use serde_json::json;
use tonic::metadata::MetadataMap;

use crate::cli::meant::MeantArg;
use crate::cli::{Failure, Format, FormatArg, ServerArg, print_json, print_line, refused};
use crate::clock::Clock;
use crate::grpc::record::COMPARED_CLOCKS;
use crate::wire;
use crate::wire::proto::record_service_client::RecordServiceClient;
use crate::wire::proto::{ClockResumption, ResumeClockRequest};
use checkpoint::key::instant_text;

#[derive(Args)]
pub(in crate::cli) struct ResumeClock {
    /// Why: which clock ran ahead, and how you know which time is true. It is published with the record
    #[arg(long)]
    reason: String,
    /// Say what would be recorded, and record nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask on a terminal before it is recorded for ever
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    environment: MeantArg,
    #[command(flatten)]
    server: ServerArg,
    #[command(flatten)]
    format: FormatArg,
}

impl ResumeClock {
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let channel = self.server.connect().await?;
        let place = self
            .environment
            .check(&self.server, channel.clone())
            .await?;
        let mut client = RecordServiceClient::new(channel);
        let ask = |dry_run| {
            let now = Clock::system().now().trunc_subsecs(0);
            ResumeClockRequest {
                reason: self.reason.clone(),
                now: Some(wire::timestamp(now)),
                dry_run,
            }
        };
        // First what it would be: also for the question.
        let planned = client.resume_clock(ask(true)).await.map_err(refused)?;
        let clocks = clocks(planned.metadata());
        let mut resumption = planned.into_inner().clock_resumption.unwrap_or_default();
        if !self.dry_run {
            if !self.yes && std::io::stdin().is_terminal() {
                let question = text(&resumption, "would go on");
                print_line(&format!(
                    "{question}\n{place}\n{}\nThis is recorded for ever, and public. Type yes to go on:",
                    compared(&clocks)
                ))?;
                let mut answer = String::new();
                let read = std::io::stdin().lock().read_line(&mut answer);
                if read.is_err() || answer.trim() != "yes" {
                    return Err(Failure::Negative("nothing was recorded".into()));
                }
            }
            let done = client
                .resume_clock(ask(false))
                .await
                .map_err(refused)?
                .into_inner();
            resumption = done.clock_resumption.unwrap_or_default();
        }
        let verb = if self.dry_run {
            "would go on"
        } else {
            "goes on"
        };
        match self.format.format {
            Format::Text => {
                print_line(&text(&resumption, verb))?;
                print_line(&compared(&clocks))
            }
            Format::Json => print_json(&json!({
                "dry_run": self.dry_run,
                "compared_clocks": clocks,
                "after_rows": resumption.after_rows,
                "newest_signed_at": instant(resumption.newest_signed_at),
                "resumed_from": instant(resumption.resumed_from),
                "by": resumption.by,
                "reason": resumption.reason,
            })),
        }
    }
}

/// Whose clocks agree with one another.
fn clocks(metadata: &MetadataMap) -> Vec<String> {
    let others = metadata.get(COMPARED_CLOCKS);
    let others = others.and_then(|clocks| clocks.to_str().ok());
    let others = others.unwrap_or_default().split(", ");
    let others = others.filter(|clock| !clock.is_empty());
    let clocks = ["this machine", "the service"].into_iter().chain(others);
    clocks.map(str::to_owned).collect()
}

fn compared(clocks: &[String]) -> String {
    let alone = match clocks.len() {
        0..=2 => {
            "; no other clock: where both are one machine, it was compared with itself, so compare it with a clock that you trust"
        }
        _ => "",
    };
    format!("compared: the clocks of {}{alone}", clocks.join(", "))
}

fn instant(wire: Option<Timestamp>) -> Option<String> {
    wire::read_instant(wire).map(instant_text)
}

fn text(resumption: &ClockResumption, verb: &str) -> String {
    let time = |wire| instant(wire).unwrap_or_else(|| "no time".into());
    format!(
        "signing {verb} from {}, after row {}; the newest signature on record is of {}; by {}: {}",
        time(resumption.resumed_from),
        resumption.after_rows,
        time(resumption.newest_signed_at),
        resumption.by,
        resumption.reason
    )
}

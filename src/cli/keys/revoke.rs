//! `keys revoke`: distrusts a key for ever. What it will do is told first, to whoever asks for it, and to a person at a terminal.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use chrono::{DateTime, SubsecRound as _, Utc};
use clap::Args;
use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::{fetch, instant, key_json, key_text, state};
use crate::cli::again;
use crate::cli::meant::MeantArg;
use crate::cli::{
    Failure, Format, FormatArg, PROGRAM, ServerArg, print_json, print_line, print_lines, refused,
};
use crate::clock::Clock;
use crate::source::DEFAULT_SECRET;
use crate::wire;
use crate::wire::proto::key_service_client::KeyServiceClient;
use crate::wire::proto::record_service_client::RecordServiceClient;
use crate::wire::proto::{
    GetKeyRequest, Key, KeyState, ListSignedCheckpointsRequest, RevokeKeyRequest,
};
use checkpoint::key::{KeyId, StagingLabel, instant_text, parse_instant};
use checkpoint::keyring::Revocation;
use checkpoint::visible::visible;

/// Largest page of the record that a service gives.
const PAGE: i32 = 1000;

/// Pages that are counted: what a person must know is whether it is none, some or very many.
const MAX_PAGES: usize = 20;

#[derive(Args)]
pub(in crate::cli) struct Revoke {
    /// The version to distrust
    key_id: KeyId,
    /// Why; it is published with the key
    #[arg(long)]
    reason: String,
    /// Signatures made at or after this instant are not trusted: a date (midnight UTC) or an RFC 3339 instant;
    /// now, if it is not given
    #[arg(
        long,
        visible_alias = "distrust-after",
        env = "CHECKPOINT_SIGNER_DISTRUST_AFTER",
        value_name = "INSTANT",
        value_parser = parse_instant
    )]
    distrust_from: Option<DateTime<Utc>>,
    /// Say what would not be trusted any more and what would sign, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask on a terminal before it is recorded for ever. Nothing is asked where standard input is no terminal
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    environment: MeantArg,
    #[command(flatten)]
    server: ServerArg,
    #[command(flatten)]
    format: FormatArg,
}

/// What a revocation would do.
struct Plan {
    /// Which service it is.
    place: String,
    key: Key,
    from: DateTime<Utc>,
    /// Signatures by the key that would not be trusted any more; none when the service does not tell.
    counted: Option<Counted>,
    /// Who would sign.
    next: Option<String>,
}

struct Counted {
    signatures: usize,
    /// There are more.
    at_least: bool,
}

impl Revoke {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if let Some(from) = self.distrust_from {
            // With the flag's name in place of the field's.
            let now = Clock::system().now();
            Revocation::new(from, String::new(), now).map_err(|fault| {
                let (problem, now) = (fault.problem, instant_text(now));
                Failure::Negative(format!(
                    "--distrust-from: {problem}; this machine's clock shows {now}"
                ))
            })?;
        }
        let channel = self.server.connect().await?;
        let place = self
            .environment
            .check(&self.server, channel.clone())
            .await?;
        let asks = !self.yes && std::io::stdin().is_terminal();
        if self.dry_run || asks {
            let plan = self.plan(channel.clone(), place).await?;
            if self.dry_run {
                return self.show(&plan);
            }
            self.ask(&plan)?;
        }
        self.revoke(channel).await
    }

    async fn plan(&self, channel: Channel, place: String) -> Result<Plan, Failure> {
        let request = GetKeyRequest {
            key_id: self.key_id.to_string(),
        };
        let answer = KeyServiceClient::new(channel.clone())
            .get_key(request)
            .await;
        let key = match answer {
            Ok(answer) => answer.into_inner().key.unwrap_or_default(),
            Err(status) => return Err(self.refused(status).await),
        };
        let from = self.distrust_from;
        let from = from.unwrap_or_else(|| Clock::system().now().trunc_subsecs(0));
        let counted = count(channel, &self.key_id, from).await;
        let others = fetch(&self.server).await?.keys.into_iter();
        // They stand with the latest window first, as keys are chosen.
        let mut others = others.filter(|other| other.key_id != key.key_id && can_sign(other));
        let next = others.next().map(|other| other.key_id);
        Ok(Plan {
            place,
            key,
            from,
            counted,
            next,
        })
    }

    fn show(&self, plan: &Plan) -> Result<(), Failure> {
        match self.format.format {
            Format::Json => print_json(&self.plan_json(plan)),
            Format::Text => {
                for line in self.plan_text(plan) {
                    print_line(&line)?;
                }
                print_line("nothing was changed")?;
                print_line(&format!("next: {}", self.next(plan)))
            }
        }
    }

    /// The same command, which now says from when on.
    fn next(&self, plan: &Plan) -> String {
        let without = ["--dry-run", "--distrust-from", "--distrust-after"];
        again::command(&without, &[("--distrust-from", &instant_text(plan.from))])
    }

    fn plan_json(&self, plan: &Plan) -> Value {
        let counted = plan.counted.as_ref();
        json!({
            "dry_run": true,
            "place": plan.place,
            "key": key_json(&plan.key),
            "distrust_from": instant_text(plan.from),
            "reason": self.reason,
            "changes_nothing": self.stands(plan).is_some(),
            "signatures_not_trusted": counted.map(|counted| counted.signatures),
            "signatures_at_least": counted.map(|counted| counted.at_least),
            "signs_afterwards": plan.next,
            "next": self.next(plan),
        })
    }

    /// The revocation that stands, and goes before this one.
    fn stands(&self, plan: &Plan) -> Option<String> {
        let stands = plan.key.revocation.as_ref()?;
        let from = wire::read_instant(stands.distrust_after)?;
        (from <= plan.from).then(|| format!("{}: {}", instant_text(from), stands.reason))
    }

    fn plan_text(&self, plan: &Plan) -> Vec<String> {
        let (key, from) = (&plan.key, instant_text(plan.from));
        if let Some(stands) = self.stands(plan) {
            return vec![format!(
                "{} is revoked already, distrusted from {stands}; it would stay so",
                key.key_id
            )];
        }
        let counted = match &plan.counted {
            None => "on record: the service does not tell how many".into(),
            Some(Counted {
                signatures,
                at_least,
            }) => {
                let bound = if *at_least { "at least " } else { "" };
                format!("on record: {bound}{signatures}")
            }
        };
        let next = match &plan.next {
            Some(next) => format!("signs afterwards: {next}"),
            None => {
                "SIGNS NOTHING AFTERWARDS: no other key is in force, until one is promoted".into()
            }
        };
        vec![
            format!(
                "revokes {} ({}, {} <= t < {}) for ever, on all replicas, and publishes why: {}",
                key.key_id,
                state(key),
                instant(key.valid_from),
                instant(key.valid_until),
                self.reason
            ),
            plan.place.clone(),
            format!("not trusted any more: what it signed at or after {from}; {counted}"),
            "what it signed before that stays valid; it signs nothing more, whatever time is written into it, and endorses no key".into(),
            next,
        ]
    }

    fn ask(&self, plan: &Plan) -> Result<(), Failure> {
        let mut question = self.plan_text(plan).join("\n");
        question.push_str("\nThis cannot be taken back. Type the name of the key to go on:");
        let lines: Vec<_> = question.lines().map(|line| visible(line)).collect();
        // Not among what the command answers.
        let _ = writeln!(std::io::stderr(), "{}", lines.join("\n"));
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        match read.is_ok() && answer.trim() == self.key_id.as_str() {
            true => Ok(()),
            false => Err(Failure::Negative(format!(
                "nothing was changed: {:?} is not the name of the key; expected {}",
                visible(answer.trim()),
                self.key_id
            ))),
        }
    }

    async fn revoke(self, channel: Channel) -> Result<(), Failure> {
        let request = RevokeKeyRequest {
            key_id: self.key_id.to_string(),
            reason: self.reason.clone(),
            distrust_after: self.distrust_from.map(wire::timestamp),
        };
        let answer = KeyServiceClient::new(channel).revoke_key(request).await;
        let key = match answer {
            Ok(answer) => answer.into_inner().key.unwrap_or_default(),
            Err(status) => return Err(self.refused(status).await),
        };
        let next = self.after().await;
        let stands = key.revocation.as_ref();
        let from = stands.and_then(|stands| stands.distrust_after.as_ref());
        let asked = self.distrust_from.map(|instant| instant.timestamp());
        let stood = stands.is_some_and(|stands| stands.reason != self.reason)
            || asked.is_some_and(|asked| from.map(|from| from.seconds) != Some(asked));
        match self.format.format {
            Format::Json => {
                let mut told = key_json(&key);
                if let Some(told) = told.as_object_mut() {
                    told.insert("next".into(), next.into());
                }
                print_json(&told)
            }
            Format::Text => {
                print_lines(key_text(&key))?;
                if stood {
                    print_line(
                        "NOTE nothing was changed: it was revoked before, from that instant on, for that reason",
                    )?;
                }
                print_line(&format!("next: {next}"))
            }
        }
    }

    /// What signs from now on, and what is to be done about it.
    async fn after(&self) -> String {
        let list = fetch(&self.server).await.unwrap_or_default();
        let source = list.source_status.unwrap_or_default().source;
        self.rollover("status", &source)
            .unwrap_or_else(|| self.with_server("keys list"))
    }

    /// Why it was not done, and what to type then.
    async fn refused(&self, status: Status) -> Failure {
        let is_unknown = status.code() == Code::NotFound;
        match refused(status) {
            Failure::Negative(problem) if is_unknown => self.unknown(problem).await,
            // Repeating it changes nothing more.
            Failure::Impossible(problem) => PROGRAM.not_done(&problem, &again::command(&[], &[])),
            failure => failure,
        }
    }

    /// What no service ever trusted: which keys there are, and how one that is only staged is given up.
    async fn unknown(&self, problem: String) -> Failure {
        let Ok(list) = fetch(&self.server).await else {
            return Failure::Negative(problem);
        };
        let names: Vec<&str> = list.keys.iter().map(|key| key.key_id.as_str()).collect();
        let names = match names.is_empty() {
            true => "none".into(),
            false => names.join(", "),
        };
        let source = list.source_status.unwrap_or_default().source;
        let abort = self.rollover(&format!("abort {}", self.key_id), &source);
        let problem = format!("{problem}; on record: {names}");
        match abort {
            Some(abort) => PROGRAM.refused(
                &format!("{problem}. If it is staged (AWSPENDING), no service trusts it: it is given up, and never signs"),
                None,
                &abort,
            ),
            None => PROGRAM.refused(&problem, None, &self.with_server("keys list")),
        }
    }

    /// A step of the rollover of the secret that the service reads; none where it has its keys from elsewhere.
    fn rollover(&self, words: &str, source: &str) -> Option<String> {
        let secret = source.strip_prefix("secretsmanager:")?;
        let mut command = format!("{} rollover {words}", again::program());
        let set = |name: &str| std::env::var(name).unwrap_or_default();
        let said = match (
            set("CHECKPOINT_SIGNER_SECRET"),
            set("CHECKPOINT_SIGNER_ENVIRONMENT"),
        ) {
            (said, environment) if said.is_empty() && environment.is_empty() => {
                DEFAULT_SECRET.into()
            }
            (said, environment) if said.is_empty() => {
                format!("amply/{environment}/checkpoint-signing-key")
            }
            (said, _) => said,
        };
        if said != secret {
            command.push_str(&format!(" --secret {}", again::word(secret)));
        }
        for word in self.server.as_servers() {
            command.push_str(&format!(" {word}"));
        }
        Some(command)
    }

    fn with_server(&self, words: &str) -> String {
        let server = self.server.as_server().join(" ");
        format!("{} {words} {server}", again::program())
            .trim_end()
            .to_owned()
    }
}

/// Whether a key may sign now, once no other one does.
fn can_sign(key: &Key) -> bool {
    let stages: Vec<StagingLabel> = key
        .version_stages
        .iter()
        .map(|label| label.as_str().into())
        .collect();
    key.state() == KeyState::Active && StagingLabel::is_trust(&stages)
}

/// The signatures on record that a key made at or after an instant.
async fn count(channel: Channel, key_id: &KeyId, from: DateTime<Utc>) -> Option<Counted> {
    let mut client = RecordServiceClient::new(channel);
    let mut request = ListSignedCheckpointsRequest {
        page_size: PAGE,
        key_id: key_id.to_string(),
        signed_from: Some(wire::timestamp(from)),
        ..ListSignedCheckpointsRequest::default()
    };
    let mut signatures = 0;
    for _ in 0..MAX_PAGES {
        let page = client.list_signed_checkpoints(request.clone()).await.ok()?;
        let page = page.into_inner();
        signatures += page.signed_checkpoints.len();
        if page.next_page_token.is_empty() {
            let at_least = false;
            return Some(Counted {
                signatures,
                at_least,
            });
        }
        request.page_token = page.next_page_token;
    }
    let at_least = true;
    Some(Counted {
        signatures,
        at_least,
    })
}

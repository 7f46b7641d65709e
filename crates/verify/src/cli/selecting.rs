//! Which checkpoints are looked at: `--since`, `--until`, `--ledger`. What is left out by them is told with their names, the
//! more so when they were not typed.

use chrono::{DateTime, Utc};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};
use serde_json::{Value, json};

use super::Failure;
use super::show::Program;
use crate::bulk::Selection;
use checkpoint::checkpoint::LedgerId;
use checkpoint::key::{instant_text, parse_instant};

/// The ids of the flags.
const FLAGS: [&str; 3] = ["ledger", "since", "until"];

#[derive(Args, Clone, Debug)]
struct Flags {
    /// Only checkpoints whose timestamp is at or after this day or RFC 3339 instant
    #[arg(long, env = "CHECKPOINT_SIGNER_SINCE", value_parser = instant, value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// Only checkpoints whose timestamp is before this day or RFC 3339 instant
    #[arg(long, env = "CHECKPOINT_SIGNER_UNTIL", value_parser = instant, value_name = "TIME")]
    until: Option<DateTime<Utc>>,
    /// Only checkpoints of this ledger
    #[arg(long, env = "CHECKPOINT_SIGNER_LEDGER", value_name = "LEDGER_ID")]
    ledger: Option<LedgerId>,
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    parse_instant(text).map_err(|error| error.to_string())
}

/// The flags that select, and which of them nobody typed.
#[derive(Clone, Debug)]
pub(super) struct Selected {
    flags: Flags,
    from_environment: Vec<&'static str>,
}

impl Selected {
    /// What they select.
    ///
    /// # Errors
    /// When that can be nothing.
    pub(super) fn selection(&self) -> Result<Selection, Failure> {
        let Flags {
            since,
            until,
            ledger,
        } = self.flags.clone();
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            return Err(Failure::Impossible(
                "--since: is not before --until, so that no checkpoint is selected; expected an earlier time".into(),
            ));
        }
        Ok(Selection {
            since,
            until,
            ledger_id: ledger,
        })
    }

    /// Tells of those that nobody typed.
    pub(super) fn tell(&self, program: Program) {
        if let (Some(words), Some(flags)) = (self.words(), self.untyped()) {
            program.tell(&format!(
                "{flags}, which the environment sets, leaves checkpoints out; those that are looked at: {words}"
            ));
        }
    }

    /// What is selected, and which of the flags come from the environment; none when everything is.
    pub(super) fn told(&self) -> Option<String> {
        let words = self.words()?;
        Some(match self.untyped() {
            Some(flags) => format!("{words} ({flags}: set by the environment)"),
            None => words,
        })
    }

    pub(super) fn to_json(&self) -> Option<Value> {
        self.words()?;
        Some(json!({
            "ledger": self.flags.ledger.as_ref().map(LedgerId::as_str),
            "since": self.flags.since.map(instant_text),
            "until": self.flags.until.map(instant_text),
            "from_environment": self.from_environment,
        }))
    }

    fn words(&self) -> Option<String> {
        let ledger = self.flags.ledger.as_ref();
        let ledger = ledger.map(|ledger_id| format!("ledger {ledger_id}"));
        let time = |sign, instant| format!("timestamp {sign} {}", instant_text(instant));
        let since = self.flags.since.map(|since| time(">=", since));
        let until = self.flags.until.map(|until| time("<", until));
        let words: Vec<String> = [ledger, since, until].into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join(", "))
    }

    fn untyped(&self) -> Option<String> {
        let flags = self.from_environment.iter();
        let flags: Vec<String> = flags.map(|flag| format!("--{flag}")).collect();
        (!flags.is_empty()).then(|| flags.join(", "))
    }
}

impl FromArgMatches for Selected {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let is_untyped = |flag: &&str| matches.value_source(flag) == Some(ValueSource::EnvVariable);
        Ok(Self {
            from_environment: FLAGS.into_iter().filter(is_untyped).collect(),
            flags: Flags::from_arg_matches(matches)?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Selected {
    fn augment_args(command: Command) -> Command {
        Flags::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Flags::augment_args_for_update(command)
    }
}

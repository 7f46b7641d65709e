//! What comes next: one whole command, or that there is nothing to do.

use std::fmt;

use chrono::{DateTime, Utc};

use checkpoint::key::instant_text;

/// The service whose health says whether it signs.
const SIGNING: &str = "amply.checkpoint.v1.SigningService";

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The words of one command of the program, without its name and without where the secret and the services are.
    Command(String),
    /// The same again without `--dry-run`.
    ForReal,
    /// Nothing; why, or until when.
    Nothing(String),
    /// Nothing before an instant, and then a command.
    Later(DateTime<Utc>, String),
    /// Nobody was named who could be asked: the same command with one who can.
    Ask,
    /// Asks a service whether it signs, and why not.
    Health(String),
    /// Asks a service for its keys, and where they come from.
    KeysOf(String),
    /// How things are by these services alone.
    StatusOf(Vec<String>),
    /// Something that no command of this program does comes first.
    See {
        /// What.
        first: String,
        /// And then.
        then: Box<Next>,
    },
}

impl Next {
    pub(super) fn command(words: impl Into<String>) -> Self {
        Self::Command(words.into())
    }

    /// Looks how things are.
    pub fn status() -> Self {
        Self::command("rollover status")
    }

    /// First something that no command of this program does.
    pub(super) fn see(first: impl Into<String>, then: Self) -> Self {
        let (first, then) = (first.into(), Box::new(then));
        Self::See { first, then }
    }

    /// What has to be done before, and what is to be typed then.
    pub fn split(&self) -> (Option<&str>, &Self) {
        match self {
            Self::See { first, then } => (Some(first), then),
            next => (None, next),
        }
    }
}

/// Without what a shell has to be told besides; the command line has more.
impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(words) => f.write_str(words),
            Self::ForReal => f.write_str("the same without --dry-run"),
            Self::Nothing(why) => write!(f, "nothing, {why}"),
            Self::Later(until, then) => {
                write!(f, "nothing, until {}; then {then}", instant_text(*until))
            }
            Self::Ask => f.write_str("the same with --server URL of each service"),
            Self::Health(url) => write!(f, "health --server {url} --service {SIGNING}"),
            Self::KeysOf(url) => write!(f, "keys list --server {url}"),
            Self::StatusOf(urls) => write!(f, "rollover status --server {}", urls.join(",")),
            Self::See { first, then } => write!(f, "{first}; then {then}"),
        }
    }
}

//! What comes next: one whole command, or that there is nothing to do.

use std::fmt;

use chrono::{DateTime, Utc};

use checkpoint::key::instant_text;

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
    /// What no command of this program does.
    See(String),
}

impl Next {
    pub(super) fn command(words: impl Into<String>) -> Self {
        Self::Command(words.into())
    }

    pub(super) fn status() -> Self {
        Self::command("rollover status")
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
            Self::See(what) => f.write_str(what),
        }
    }
}

//! What comes next, as one command that can be pasted: with the program's name, and where the secret and the services are unless the
//! environment says so.

use std::fmt::Display;

use super::SecretArgs;
use crate::cli::again;
use crate::rollover::Next;

impl SecretArgs {
    /// The line for a person.
    pub(super) fn whole(&self, next: &Next) -> String {
        match next {
            Next::Command(words) => self.command(words),
            Next::Later(_, then) => next.to_string().replace(then.as_str(), &self.command(then)),
            Next::Nothing(_) | Next::See(_) => next.to_string(),
            Next::ForReal => format!("{}{}", profile(), again::command(&["--dry-run"], &[])),
            // An address that nobody has told may be anybody's.
            Next::Ask => {
                "the same again with --server URL, of each service, or with --record".into()
            }
        }
    }

    fn command(&self, words: &str) -> String {
        let mut command = format!("{}{} {words}", profile(), again::program());
        for word in self.given() {
            command.push(' ');
            command.push_str(&word);
        }
        command
    }

    /// The flags of where everything is that no variable says.
    fn given(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(secret) = &self.secret {
            push(&mut words, "--secret", "CHECKPOINT_SIGNER_SECRET", secret);
        }
        if let Some(environment) = self.environment {
            let name = environment.as_str();
            push(
                &mut words,
                "--environment",
                "CHECKPOINT_SIGNER_ENVIRONMENT",
                &name,
            );
        }
        for (flag, variable, value) in self.servers.given() {
            push(&mut words, flag, variable, &value);
        }
        if let Some(record) = &self.record {
            // Without its password, if it has one.
            push(&mut words, "--record", "CHECKPOINT_SIGNER_RECORD", record);
        }
        words
    }
}

fn push(words: &mut Vec<String>, flag: &str, variable: &str, value: &dyn Display) {
    let value = value.to_string();
    if std::env::var(variable).is_ok_and(|set| set == value) {
        return;
    }
    words.extend([flag.to_owned(), again::word(&value)]);
}

/// Whose credentials this was asked with: a shell may have been told for one command alone.
fn profile() -> String {
    match std::env::var("AWS_PROFILE") {
        Ok(profile) if !profile.is_empty() => format!("AWS_PROFILE={} ", again::word(&profile)),
        _ => String::new(),
    }
}

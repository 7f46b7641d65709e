//! What comes next, as one command that can be pasted: with the program's name, and where the secret and the services are unless the
//! environment says so.

use std::fmt::Display;

use super::SecretArgs;
use crate::cli::shown;
use crate::rollover::Next;
use checkpoint::visible::visible;

/// Where a service is that was started as the documentation has it.
const DEFAULT_SERVER: &str = "http://127.0.0.1:50051";

impl SecretArgs {
    /// The line for a person.
    pub(super) fn whole(&self, next: &Next) -> String {
        match next {
            Next::Command(words) => self.command(words),
            Next::Later(_, then) => next.to_string().replace(then.as_str(), &self.command(then)),
            Next::Nothing(_) => next.to_string(),
            Next::ForReal => again(&[]),
            Next::Ask => {
                let server = std::env::var("CHECKPOINT_SIGNER_SERVER");
                let server = server.unwrap_or_else(|_| DEFAULT_SERVER.into());
                again(&["--server".into(), server])
            }
        }
    }

    fn command(&self, words: &str) -> String {
        let mut command = format!("{}checkpoint-signer {words}", profile());
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
        words
    }
}

fn push(words: &mut Vec<String>, flag: &str, variable: &str, value: &dyn Display) {
    let value = value.to_string();
    if std::env::var(variable).is_ok_and(|set| set == value) {
        return;
    }
    words.extend([flag.to_owned(), shell_word(&value)]);
}

/// The command that runs, without `--dry-run` and with more words.
fn again(more: &[String]) -> String {
    let words = std::env::args().skip(1).filter(|word| word != "--dry-run");
    let words = words.chain(more.iter().cloned()).map(|word| {
        // A place may have a password in it, and what is printed is kept.
        match shown::has_password(&word) {
            true => "\"$CHECKPOINT_SIGNER_RECORD\"".into(),
            false => shell_word(&word),
        }
    });
    let words: Vec<String> = words.collect();
    format!("{}checkpoint-signer {}", profile(), words.join(" "))
}

/// Whose credentials this was asked with: a shell may have been told for one command alone.
fn profile() -> String {
    match std::env::var("AWS_PROFILE") {
        Ok(profile) if !profile.is_empty() => format!("AWS_PROFILE={} ", shell_word(&profile)),
        _ => String::new(),
    }
}

/// A word of a shell's command line, quoted only where it must be.
pub(in crate::cli) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%=,".contains(c);
    let word = match !text.is_empty() && text.chars().all(plain) {
        true => text.into(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    };
    visible(&word).into_owned()
}

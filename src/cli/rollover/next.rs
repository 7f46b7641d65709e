//! What comes next, as one command that can be pasted: with the program's name, and where the secret and the services are unless the
//! environment says so.

use std::fmt::Display;

use super::SecretArgs;
use crate::cli::again;
use crate::rollover::Next;

/// Where a service listens that was told no other address.
const DEFAULT_SERVER: &str = "http://127.0.0.1:50051";

/// A flag, the variable that would say the same, and its value.
type Flag = (&'static str, &'static str, String);

impl SecretArgs {
    /// What has to be done before it by other means, if anything has.
    pub(super) fn first(&self, next: &Next) -> Option<String> {
        match next {
            // An address that nobody has told may be anybody's.
            Next::Ask => Some(format!(
                "name each service by --server, here and in CHECKPOINT_SIGNER_SERVERS ({DEFAULT_SERVER} is where one listens that was told \
                 no other address), or the record by --record"
            )),
            next => next.split().0.map(str::to_owned),
        }
    }

    /// The line for a person: one command, or that there is nothing to do.
    pub(super) fn whole(&self, next: &Next) -> String {
        match next.split().1 {
            Next::Command(words) => self.command(words, self.servers.given()),
            Next::Later(_, then) => {
                let whole = self.command(then, self.servers.given());
                next.to_string().replace(then.as_str(), &whole)
            }
            Next::ForReal => self.again(&["--dry-run"], &[]),
            Next::Ask => self.again(&[], &[("--server", DEFAULT_SERVER)]),
            Next::Health(url) => {
                let health = "health --service amply.checkpoint.v1.SigningService";
                self.of_service(health, url)
            }
            Next::KeysOf(url) => self.of_service("keys list", url),
            Next::StatusOf(urls) => {
                let with = self.with_servers(&urls.join(","));
                self.command("rollover status", with)
            }
            next @ (Next::Nothing(_) | Next::See { .. }) => next.to_string(),
        }
    }

    /// The command that was typed, without some flags and with others.
    pub(super) fn again(&self, without: &[&str], with: &[(&str, &str)]) -> String {
        format!("{}{}", profile(), again::command(without, with))
    }

    fn command(&self, words: &str, servers: Vec<Flag>) -> String {
        let mut command = format!("{}{} {words}", profile(), again::program());
        for word in self.given(servers) {
            command.push(' ');
            command.push_str(&word);
        }
        command
    }

    /// A command that asks one service.
    fn of_service(&self, words: &str, url: &str) -> String {
        let mut given = vec!["--server".to_owned(), again::word(url)];
        for (flag, variable, value) in self.servers.given() {
            if flag != "--server" {
                push(&mut given, flag, variable, &value);
            }
        }
        format!("{} {words} {}", again::program(), given.join(" "))
    }

    fn with_servers(&self, urls: &str) -> Vec<Flag> {
        let mut flags = self.servers.given();
        flags.retain(|(flag, ..)| *flag != "--server");
        flags.insert(0, ("--server", "CHECKPOINT_SIGNER_SERVERS", urls.into()));
        flags
    }

    /// The flags of where everything is that no variable says.
    fn given(&self, servers: Vec<Flag>) -> Vec<String> {
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
        for (flag, variable, value) in servers {
            push(&mut words, flag, variable, &value);
        }
        if let Some(record) = &self.record {
            // Without its password, if it has one.
            push(
                &mut words,
                "--record",
                "CHECKPOINT_SIGNER_ROLLOVER_RECORD",
                record,
            );
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

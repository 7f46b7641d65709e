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
        let before = self.before(next);
        match (before, self.set_before(&self.whole(next))) {
            (Some(before), Some(record)) => Some(format!("{before}; and {record}")),
            (before, record) => before.or_else(|| record.map(str::to_owned)),
        }
    }

    /// What a command that is printed needs to be set, where the record's address is in it.
    pub(super) fn set_before(&self, command: &str) -> Option<&'static str> {
        let record = self.record.as_ref()?;
        let is_there = command.contains(&again::record(again::ROLLOVER_RECORD));
        (is_there && !record.is_in(again::ROLLOVER_RECORD)).then_some(
            "put the address of the record, as it was given to --record, into the variable CHECKPOINT_SIGNER_ROLLOVER_RECORD: it may have a \
             password, and is not repeated here",
        )
    }

    fn before(&self, next: &Next) -> Option<String> {
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
                let urls = urls.iter().map(|url| self.servers.address(url));
                let with = self.with_servers(&urls.collect::<Vec<_>>().join(","));
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
        let url = self.servers.address(url);
        let mut given = vec!["--server".to_owned(), again::word(&url)];
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
            // An address of a database stands in the variable alone.
            match record.is_repeated() {
                true => push(&mut words, "--record", again::ROLLOVER_RECORD, record),
                false if record.is_in(again::ROLLOVER_RECORD) => {}
                false => {
                    words.extend(["--record".to_owned(), again::record(again::ROLLOVER_RECORD)])
                }
            }
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

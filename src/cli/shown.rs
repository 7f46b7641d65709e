//! What may be shown of a value: a place by its name, a URL without its user and parameters, nothing of a secret.

use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory as _};
use url::Url;

use super::Cli;
use checkpoint::visible::visible;

/// What clap tells with the words of the command line or the environment in it.
const REPEATED: [ContextKind; 4] = [
    ContextKind::InvalidArg,
    ContextKind::InvalidSubcommand,
    ContextKind::InvalidValue,
    ContextKind::TrailingArg,
];

/// clap repeats a value that it refuses, also one of the environment: here it is masked.
pub(super) fn without_secrets(mut error: clap::Error) -> clap::Error {
    let mut command = Cli::command();
    command.build();
    let is_secret = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) => takes_secrets(&command, flag),
        _ => false,
    };
    for kind in REPEATED {
        if let Some(ContextValue::String(text)) = error.get(kind)
            // An empty one has words of its own: a value is required.
            && !text.is_empty()
        {
            let text = shown(is_secret && kind == ContextKind::InvalidValue, text);
            let text = visible(&text).into_owned();
            error.insert(kind, ContextValue::String(text));
        }
    }
    error
}

/// The command line whose help shows no value of the environment: any of them may hold a password, also where none belongs.
pub(super) fn without_values(command: Command) -> Command {
    let command = command.mut_args(|flag| flag.hide_env_values(true));
    command.mut_subcommands(without_values)
}

/// Whether a flag, as clap writes it (`--record <PLACE>`), takes secrets in some command.
fn takes_secrets(command: &Command, flag: &str) -> bool {
    let mut flags = command.get_arguments();
    flags.any(|known| known.is_hide_env_values_set() && known.to_string() == flag)
        || command
            .get_subcommands()
            .any(|inner| takes_secrets(inner, flag))
}

/// A place that is named, and holds nothing itself.
pub(super) fn is_reference(text: &str) -> bool {
    ["sqlite:", "file:", "secretsmanager:"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
}

/// Whether a URL has a password: before its host, or among its parameters. What is no URL but has the form of one with
/// a user is taken to have one.
pub(super) fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    // The rules of a scheme without a default port are the ones of PostgreSQL's and others.
    match Url::parse(&format!("scheme://{rest}")) {
        Ok(url) => {
            let is_password = |name: &str| name.to_ascii_lowercase().contains("pass");
            url.password().is_some() || url.query_pairs().any(|(name, _)| is_password(&name))
        }
        Err(_) => rest.contains('@') || rest.to_ascii_lowercase().contains("pass"),
    }
}

/// A value as it may be shown: of a flag that takes secrets, only what is surely no secret.
pub(super) fn shown(takes_secrets: bool, text: &str) -> String {
    if is_reference(text) && !text.contains("://") {
        return text.into();
    }
    if let Some((scheme, rest)) = text.split_once("://")
        && let Ok(url) = Url::parse(&format!("scheme://{rest}"))
    {
        if !takes_secrets && !has_password(text) && url.username().is_empty() {
            return text.into();
        }
        // A password with a slash that was not escaped ends up in the path, and what is before it looks like a port.
        if url.path().contains('@') {
            return "***".into();
        }
        let port = url
            .port()
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        let user = match url.username().is_empty() {
            true => "",
            false => "***@",
        };
        return format!(
            "{scheme}://{user}{}{port}{}",
            url.host_str().unwrap_or_default(),
            url.path()
        );
    }
    match takes_secrets || text.contains("://") || text.contains("-----BEGIN") {
        true => "***".into(),
        false => text.into(),
    }
}

//! Commands to print: what was typed, with what is to be said otherwise.

use super::shown::shown;

pub(super) use checkpoint_verify::cli::input::word;

/// How this program is called.
pub(super) fn program() -> String {
    let program = std::env::args().next();
    word(program.as_deref().unwrap_or("checkpoint-signer"))
}

/// The variable of `rollover` for the record, and that of all other commands.
pub(super) const ROLLOVER_RECORD: &str = "CHECKPOINT_SIGNER_ROLLOVER_RECORD";
pub(super) const RECORD: &str = "CHECKPOINT_SIGNER_RECORD";

/// An address of a record that is not repeated, for a shell.
pub(super) fn record(variable: &str) -> String {
    format!("\"${variable}\"")
}

/// A word that was typed after a flag, as it may be repeated so that it still works: an address with a password stands in a variable, and
/// one of a service goes without, since none is taken there.
fn repeated(flag: &str, value: &str) -> String {
    let may_be_shown = shown(false, value);
    match flag {
        _ if may_be_shown == value => word(value),
        "--record" => {
            let is_rollover = std::env::args().any(|word| word == "rollover");
            record(if is_rollover { ROLLOVER_RECORD } else { RECORD })
        }
        "--server" => {
            let urls = value.split(',').map(crate::client::without_user);
            word(&urls.collect::<Vec<_>>().join(","))
        }
        _ => word(&may_be_shown),
    }
}

/// The command line of this process without some flags, and with others at its end. A secret in it is masked.
pub(super) fn command(without: &[&str], with: &[(&str, &str)]) -> String {
    let mut words = vec![program()];
    let mut typed = std::env::args().skip(1).peekable();
    let mut flag = String::new();
    while let Some(argument) = typed.next() {
        let name = argument.split('=').next().unwrap_or_default();
        if !without.contains(&name) {
            words.push(match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => {
                    format!("{name}={}", repeated(name, value))
                }
                _ => repeated(&flag, &argument),
            });
            flag = argument;
            continue;
        }
        // A switch has no value; whatever else is left out has one.
        let is_apart = !argument.contains('=') && !SWITCHES.contains(&name);
        if is_apart {
            typed.next();
        }
    }
    for (flag, value) in with {
        words.push((*flag).into());
        if !value.is_empty() {
            words.push(word(value));
        }
    }
    words.join(" ")
}

/// Flags that are left out of a command that is typed again, and have no value.
const SWITCHES: [&str; 1] = ["--dry-run"];

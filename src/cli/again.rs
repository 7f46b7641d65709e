//! Commands to print: what was typed, with what is to be said otherwise.

use super::shown::shown;

pub(super) use checkpoint_verify::cli::input::word;

/// How this program is called.
pub(super) fn program() -> String {
    let program = std::env::args().next();
    word(program.as_deref().unwrap_or("checkpoint-signer"))
}

/// The command line of this process without some flags, and with others at its end. A secret in it is masked.
pub(super) fn command(without: &[&str], with: &[(&str, &str)]) -> String {
    let mut words = vec![program()];
    let mut typed = std::env::args().skip(1).peekable();
    while let Some(argument) = typed.next() {
        let name = argument.split('=').next().unwrap_or_default();
        if !without.contains(&name) {
            words.push(word(&shown(false, &argument)));
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

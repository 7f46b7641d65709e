//! The TOML file: settings by the names of their flags, with the lines on which they stand.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches};
use toml::de::{DeTable, DeValue};

use crate::cli::Failure;
use crate::cli::shown::{has_password, is_reference};
use checkpoint::fault::{FieldFault, excerpt};

/// Largest file, in bytes: many times what all settings take.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// How alike a name must be to be proposed: what clap takes for its own proposals.
const LIKENESS: f64 = 0.7;

/// The flag that names the file; no setting of the file itself.
pub(super) const FLAG: &str = "config";

/// A setting in the file.
pub(super) struct Entry {
    /// The flag's long name.
    pub(super) name: String,
    /// Its values; true or false for a switch.
    pub(super) values: Vec<String>,
    /// `FILE:LINE`.
    pub(super) place: String,
}

/// The file that the flag or the variable names.
pub(super) fn named(given: &ArgMatches) -> Option<PathBuf> {
    given.get_raw(FLAG)?.next_back().map(PathBuf::from)
}

/// Reads the file.
///
/// # Errors
/// It cannot be read.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let failed = |problem: &dyn std::fmt::Display| {
        Failure::Impossible(format!("--config: {}: {problem}", path.display()))
    };
    let mut text = String::new();
    files::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| failed(&error))?;
    match text.len() as u64 > MAX_FILE_BYTES {
        true => Err(failed(&format!(
            "is too large; expected at most {MAX_FILE_BYTES} bytes"
        ))),
        false => Ok(text),
    }
}

/// The settings of the file, and what is wrong with it. No fault repeats a value: it may be a secret.
pub(super) fn parse(text: &str, path: &Path, flags: &[&Arg]) -> (Vec<Entry>, Vec<FieldFault>) {
    let place = |at: usize| {
        let before = text.get(..at).unwrap_or_default();
        format!("{}:{}", path.display(), 1 + before.matches('\n').count())
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    let fault = |error: &toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        FieldFault::new(place(at), format!("is not TOML: {}", error.message()))
    };
    let mut faults: Vec<FieldFault> = errors.iter().map(fault).collect();
    let mut entries = Vec::new();
    let mut items: Vec<_> = table.get_ref().iter().collect();
    items.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in items {
        let (name, place) = (key.get_ref().as_ref(), place(key.span().start));
        let known = flags.iter().find(|flag| flag.get_long() == Some(name));
        let values = match known {
            None => Err(unknown(name, flags)),
            Some(flag) => values(flag, value.get_ref()),
        };
        match values {
            Ok(values) => entries.push(Entry {
                name: name.into(),
                values,
                place,
            }),
            Err(problem) => {
                let field = excerpt(name);
                faults.push(FieldFault::new(
                    format!("{place}: {}", field.trim_matches('"')),
                    problem,
                ));
            }
        }
    }
    (entries, faults)
}

fn unknown(name: &str, flags: &[&Arg]) -> String {
    let names = flags.iter().filter_map(|flag| flag.get_long());
    let nearest = names
        .map(|known| (strsim::jaro(name, known), known))
        .filter(|(likeness, _)| *likeness > LIKENESS)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match nearest {
        Some((_, known)) => format!("is not a setting of serve; expected perhaps {known}"),
        None => {
            "is not a setting of serve; expected the name of one of its flags, without the dashes"
                .into()
        }
    }
}

fn values(flag: &Arg, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let found = value.type_str();
    if !flag.get_action().takes_values() {
        return match value {
            DeValue::Boolean(on) => Ok(vec![on.to_string()]),
            _ => Err(format!("is of type {found}; expected true or false")),
        };
    }
    let repeats = matches!(flag.get_action(), ArgAction::Append);
    let texts = match value {
        DeValue::Array(items) if repeats => items
            .iter()
            .map(|item| scalar(item.get_ref()))
            .collect::<Result<Vec<_>, _>>()?,
        DeValue::Array(_) => return Err("is of type array; expected one value".into()),
        one => vec![scalar(one)?],
    };
    match texts.iter().any(|text| is_secret(flag, text)) {
        true => Err(format!(
            "holds a secret, and a file of settings holds none; expected secretsmanager:NAME where the setting takes \
             it, or the environment variable {}",
            flag.get_env().unwrap_or_default().to_string_lossy()
        )),
        false => Ok(texts),
    }
}

fn scalar(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().into()),
        DeValue::Float(number) => Ok(number.as_str().into()),
        other => Err(format!(
            "is of type {}; expected a string",
            other.type_str()
        )),
    }
}

/// Key material, a password in a URL, and any value of a secret setting that is no reference.
fn is_secret(flag: &Arg, text: &str) -> bool {
    if text.contains("-----BEGIN") || has_password(text) {
        return true;
    }
    flag.is_hide_env_values_set() && !is_reference(text) && !text.contains("://")
}

/// An argument for clap; a switch has no value.
pub(super) fn argument(flag: &Arg, value: &std::ffi::OsStr) -> OsString {
    let mut argument = OsString::from(format!("--{}", flag.get_long().unwrap_or_default()));
    if flag.get_action().takes_values() {
        argument.push("=");
        argument.push(value);
    }
    argument
}

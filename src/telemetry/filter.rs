//! The filter of the log: what is asked for by `--log-level`, and what is written whatever is asked for.
//!
//! A slip in a filter must not silence the log. So a filter is refused that has no level, or names what this program has not;
//! and the audit log, warnings and errors of a service stand under no filter at all.

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::{EnvFilter, Registry};

use crate::audit;
use checkpoint::fault::excerpt;

/// Crates and the modules of this project's, as Rust names them, a line each: written by `build.rs`.
const TARGETS: &str = include_str!(concat!(env!("OUT_DIR"), "/log_targets.txt"));

/// This project's crates that are in the program.
const OWN_CRATES: [&str; 4] = [
    "checkpoint_signer",
    "checkpoint",
    "checkpoint_verify",
    "files",
];

/// How alike a word must be to be proposed: what clap takes for its own proposals.
const LIKENESS: f64 = 0.7;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Whether the audit log is written whatever the filter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditLog {
    /// It is: for whoever does privileged acts.
    Always,
    /// As the filter says.
    AsFiltered,
}

/// Whether this program's own warnings and errors are written whatever the filter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnWarnings {
    /// They are: for a service, which has no other voice.
    Always,
    /// As the filter says: for a command, whose answer tells, or where an operator has said so.
    AsFiltered,
}

/// A part of a filter: `TARGET[SPAN]=LEVEL`, with or without target and span.
struct Part<'a> {
    /// Empty for all.
    target: &'a str,
    is_for_spans: bool,
    level: LevelFilter,
}

impl<'a> Part<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        // In a span's fields there may be an equals sign as well.
        let after_span = text.rfind(']').map_or(0, |end| end + 1);
        let (before, level) = text.split_at(after_span);
        let (named, level) = match level.rsplit_once('=') {
            Some((named, level)) => (named, level),
            // A level alone. The library would take a word that is none for a part of the program, whose log is asked for, and
            // the rest would be silent.
            None if before.is_empty() => ("", level),
            None => return Err(format!("{} has no level; {}", excerpt(text), expected(""))),
        };
        let level = match level.parse() {
            Ok(known) if !level.is_empty() => known,
            _ => return Err(no_level(level)),
        };
        let target = before.split('[').next().unwrap_or_default();
        let target = if before.is_empty() { named } else { target };
        check_target(target)?;
        Ok(Self {
            target,
            is_for_spans: !before.is_empty(),
            level,
        })
    }

    /// As the library matches: by the beginning of the text.
    fn holds_for(&self, target: &str) -> bool {
        !self.is_for_spans && target.starts_with(self.target)
    }
}

fn no_level(word: &str) -> String {
    let perhaps = nearest(word, LEVELS.into_iter());
    let perhaps = perhaps.map(|level| format!(" (perhaps {level})"));
    format!(
        "{} is not a level; {}",
        excerpt(word),
        expected(&perhaps.unwrap_or_default())
    )
}

fn expected(perhaps: &str) -> String {
    format!(
        "expected off, error, warn, info, debug or trace{perhaps}, or PART=LEVEL for a part of the program, several with commas \
         between them"
    )
}

fn check_target(target: &str) -> Result<(), String> {
    if target.is_empty() || target == audit::TARGET {
        return Ok(());
    }
    let (name, inner) = target.split_once("::").unwrap_or((target, ""));
    let is_own = OWN_CRATES.contains(&name);
    let mut known = TARGETS.lines();
    // Of a library, its modules are not known.
    if known.any(|known| known == if is_own { target } else { name }) {
        return Ok(());
    }
    let alike = match is_own && !inner.is_empty() {
        true => nearest(target, TARGETS.lines()),
        false => nearest(name, TARGETS.lines().chain([audit::TARGET])),
    };
    let expected = match alike {
        Some(alike) => format!("perhaps {alike}"),
        None => "checkpoint_signer, a module of it such as checkpoint_signer::signer, audit, or a library that it is built with, \
                 as Rust writes their names (hyper)"
            .into(),
    };
    Err(format!(
        "{} names nothing of this program; expected {expected}",
        excerpt(target)
    ))
}

fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    known
        .map(|known| (strsim::jaro(&word, known), known))
        .filter(|(likeness, _)| *likeness > LIKENESS)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

/// A filter for the log, as it is given.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn log_filter(text: &str) -> Result<String, String> {
    for part in text.split(',') {
        Part::parse(part)?;
    }
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(format!("{error}; {}", expected(""))),
    }
}

/// Whether a filter leaves out warnings of this program, of some part of it.
pub(crate) fn leaves_out_warnings(filter: &str) -> bool {
    let parts: Vec<_> = filter
        .split(',')
        .filter_map(|part| Part::parse(part).ok())
        .collect();
    let leaves_out = |target: &str| {
        let holding = parts.iter().filter(|part| part.holds_for(target));
        let nearest = holding.max_by_key(|part| part.target.len());
        nearest.is_none_or(|part| part.level < LevelFilter::WARN)
    };
    TARGETS
        .lines()
        .filter(|target| is_own(target))
        .any(leaves_out)
}

fn is_own(target: &str) -> bool {
    let name = target.split("::").next().unwrap_or_default();
    OWN_CRATES.contains(&name)
}

/// What of the log is written: what the filter says, and what no filter takes away.
///
/// # Errors
/// What is wrong with the filter.
pub(super) fn parse(
    filter: &str,
    audit: AuditLog,
    warnings: OwnWarnings,
) -> Result<impl Filter<Registry> + 'static, String> {
    let wrong = |error| format!("--log-level: {error}");
    let asked = EnvFilter::try_new(filter).map_err(wrong)?;
    // No part of the filter: one that is narrower would go before it.
    let kept = filter_fn(move |event| {
        (audit == AuditLog::Always && is_of_audit_log(event))
            || (warnings == OwnWarnings::Always && is_own_warning(event))
    });
    Ok(asked.or(kept.with_max_level_hint(LevelFilter::INFO)))
}

fn is_of_audit_log(event: &Metadata<'_>) -> bool {
    event.target() == audit::TARGET && *event.level() <= Level::INFO
}

fn is_own_warning(event: &Metadata<'_>) -> bool {
    *event.level() <= Level::WARN && is_own(event.target())
}

#[cfg(test)]
mod tests {
    use super::{leaves_out_warnings, log_filter};

    #[test]
    fn what_names_a_level_and_parts_of_the_program_is_a_filter() {
        for text in [
            "off",
            "WARN",
            "info,hyper=off",
            "checkpoint_signer=debug,warn",
            "checkpoint_signer::record::postgres=trace",
            "hyper::client=debug",
            "aws_config=debug",
            "audit=info,off",
            "[call{request_id=night-7}]=debug",
            "checkpoint_signer[call{request_id=night-7}]=debug,info",
        ] {
            assert_eq!(log_filter(text), Ok(text.into()));
        }
    }

    #[test]
    fn what_would_silence_the_log_by_a_slip_is_refused_with_what_is_right() {
        for (text, expected) in [
            ("", "\"\" is not a level; expected off, error"),
            (
                "wran",
                "\"wran\" is not a level; expected off, error, warn, info, debug or trace (perhaps warn)",
            ),
            ("warn,", "\"\" is not a level"),
            (
                "info, hyper=off",
                "names nothing of this program; expected perhaps hyper",
            ),
            (
                "checkpoint_signer=wran",
                "\"wran\" is not a level; expected off, error, warn, info, debug or trace (perhaps warn)",
            ),
            ("checkpoint_signer=", "\"\" is not a level"),
            ("checkpoint_signer", "\"checkpoint_signer\" is not a level"),
            (
                "checkpoint-signer=debug",
                "expected perhaps checkpoint_signer",
            ),
            (
                "Checkpoint_Signer=debug",
                "expected perhaps checkpoint_signer",
            ),
            (
                "checkpoint_signer::recrod=debug",
                "expected perhaps checkpoint_signer::record",
            ),
            ("checkpoint_signer::=debug", "names nothing of this program"),
            (
                "foo=info",
                "\"foo\" names nothing of this program; expected checkpoint_signer",
            ),
            ("[call]", "\"[call]\" has no level"),
        ] {
            let refused = log_filter(text).unwrap_err();
            assert!(refused.contains(expected), "{text}: {refused}");
        }
    }

    #[test]
    fn a_filter_leaves_out_warnings_when_some_part_of_the_program_is_below_them() {
        for text in [
            "warn",
            "debug",
            "info,hyper=off",
            "off,checkpoint=warn,files=warn",
        ] {
            assert!(!leaves_out_warnings(text), "{text}");
        }
        for text in [
            "off",
            "error",
            "checkpoint_signer=off,info",
            "info,checkpoint_signer::signer=error",
            "hyper=debug",
            "[call]=debug",
        ] {
            assert!(leaves_out_warnings(text), "{text}");
        }
    }
}

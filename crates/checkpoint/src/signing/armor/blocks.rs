//! Where the documents of PEM are in a text: between BEGIN and END, however their dashes and letters came out.

use crate::signing::oddity::{Oddities, Oddity};

/// Longest label: the longest of those in use has 26 characters.
const MAX_LABEL: usize = 32;

/// Longest word of a label: PARAMETERS, CERTIFICATE. What is longer may be a part of a key.
const MAX_WORD: usize = 12;

/// Fewest dashes beside BEGIN and END: two are also an option of a command.
const MIN_DASHES: usize = 3;

/// One document of PEM.
pub(super) struct Block<'a> {
    /// What it says that it is, in capitals.
    pub(super) label: String,
    /// What stands between BEGIN and END, or after BEGIN where there is no END.
    pub(super) body: &'a str,
    /// What ends it.
    pub(super) end: End,
}

/// How a document ends.
pub(super) enum End {
    /// As it began.
    Same,
    /// As another one would.
    Other(String),
    /// Not at all.
    Missing,
}

/// The documents of a text.
pub(super) struct Blocks<'a> {
    /// They, in their order.
    pub(super) found: Vec<Block<'a>>,
    /// Labels of an END whose BEGIN is missing.
    pub(super) without_begin: Vec<String>,
    /// Whether anything but blanks stands outside of them.
    pub(super) has_text_around: bool,
}

struct Marker {
    is_begin: bool,
    label: String,
    start: usize,
    end: usize,
    is_exact: bool,
}

impl<'a> Blocks<'a> {
    /// Finds all documents.
    pub(super) fn of(text: &'a str, oddities: &mut Oddities) -> Self {
        let markers = markers(text);
        let odd = markers.iter().any(|marker| !marker.is_exact);
        oddities.note_if(odd, Oddity::Markers);
        let mut blocks = Self {
            found: Vec::new(),
            without_begin: Vec::new(),
            has_text_around: false,
        };
        let mut outside = 0;
        let mut markers = markers.into_iter().peekable();
        while let Some(begin) = markers.next() {
            blocks.has_text_around |= is_text(text, outside, begin.start);
            outside = begin.end;
            if !begin.is_begin {
                blocks.without_begin.push(begin.label);
                continue;
            }
            let closing = markers.next_if(|marker| !marker.is_begin);
            let next = markers.peek().map_or(text.len(), |marker| marker.start);
            let until = closing.as_ref().map_or(next, |marker| marker.start);
            outside = closing.as_ref().map_or(next, |marker| marker.end);
            let end = match closing {
                Some(closing) if closing.label == begin.label => End::Same,
                Some(closing) => End::Other(closing.label),
                None => End::Missing,
            };
            blocks.found.push(Block {
                label: begin.label,
                body: text.get(begin.end..until).unwrap_or_default(),
                end,
            });
        }
        blocks.has_text_around |= is_text(text, outside, text.len());
        blocks
    }
}

fn is_text(text: &str, from: usize, until: usize) -> bool {
    let between = text.get(from..until).unwrap_or_default();
    !between.trim().is_empty()
}

fn markers(text: &str) -> Vec<Marker> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(dash) = text.get(at..).and_then(|rest| rest.find('-')) {
        let start = at + dash;
        let dashes = count_dashes(text, start);
        at = start + dashes;
        if dashes < MIN_DASHES {
            continue;
        }
        if let Some(marker) = marker(text, start, at) {
            at = marker.end;
            found.push(marker);
        }
    }
    found
}

fn count_dashes(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default().bytes();
    rest.take_while(|byte| *byte == b'-').count()
}

/// The marker whose first dashes stand from `start` until `word`.
fn marker(text: &str, start: usize, word: usize) -> Option<Marker> {
    let inside = text.get(word..)?;
    let closing = inside.find("---")?;
    let raw = inside.get(..closing)?;
    if raw.len() > MAX_LABEL + "BEGIN ".len() || raw.contains(['\n', '\r']) {
        return None;
    }
    // Nothing is copied before it is known to be a label: a key may stand between dashes, too.
    let words = raw.split([' ', '+', '\t']);
    let mut words = words.filter(|word| !word.is_empty());
    let first = words.next()?;
    let is_begin = first.eq_ignore_ascii_case("BEGIN");
    if !is_begin && !first.eq_ignore_ascii_case("END") {
        return None;
    }
    let words: Vec<&str> = words.collect();
    let is_word = |word: &&str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        word.len() <= MAX_WORD && word.chars().all(is_plain)
    };
    if words.is_empty() || !words.iter().all(is_word) {
        return None;
    }
    let label = words.join(" ").to_ascii_uppercase();
    let kind = if is_begin { "BEGIN" } else { "END" };
    let after = count_dashes(text, word + closing);
    let exact = format!("{kind} {label}");
    Some(Marker {
        is_exact: raw == exact && word - start == 5 && after == 5,
        is_begin,
        label,
        start,
        end: word + closing + after,
    })
}

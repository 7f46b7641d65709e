//! The JSON of a secret, read without copies that nobody wipes: members are borrowed from the text, and strings are unescaped into
//! buffers that are.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::fault;

/// Longest run of base64 characters that an error repeats: longer than the words of names, much shorter than
/// a line of PEM.
const MAX_RUN: usize = 24;

/// Why a text is no object whose members can be told apart.
pub(super) enum NotMembers {
    /// It is not an object.
    Json(serde_json::Error),
    /// This name stands there twice; quoted.
    Twice(String),
}

/// The members of an object, borrowed from the text.
pub(super) struct Members<'a>(Vec<(Zeroizing<String>, &'a RawValue)>);

impl<'a> Members<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, NotMembers> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let members = reader
            .deserialize_map(MembersVisitor)
            .and_then(|members| reader.end().map(|()| members))
            .map_err(NotMembers::Json)?;
        let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some([name, _]) = names.array_windows().find(|[a, b]| a == b) {
            return Err(NotMembers::Twice(quoted(name)));
        }
        Ok(Self(members))
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.0.iter().find(|(found, _)| found.as_str() == name);
        found.map(|(_, value)| *value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }
}

struct MembersVisitor;

impl<'a> Visitor<'a> for MembersVisitor {
    type Value = Vec<(Zeroizing<String>, &'a RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = map.next_entry()? {
            members.push((Zeroizing::new(name), value));
        }
        Ok(members)
    }
}

/// Quotes a name for an error or a log, unless it may be a key in the wrong place.
pub(super) fn quoted(name: &str) -> String {
    if may_be_key(name) {
        format!("a name of {} bytes, not repeated here,", name.len())
    } else {
        fault::excerpt(name)
    }
}

/// Whether a text holds what may be a part of a key.
pub(super) fn may_be_key(text: &str) -> bool {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let mut runs = text.split(|c| !is_base64(c));
    text.contains("-----") || runs.any(|run| run.len() > MAX_RUN)
}

/// Reads a JSON string into a buffer that is wiped. serde_json would leave a copy in its own.
pub(super) fn unescape(raw: &str) -> Option<Zeroizing<String>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    // An escape is never shorter than what it stands for.
    let mut text = Zeroizing::new(String::with_capacity(inner.len()));
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        let c = match c {
            '\\' => match rest.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'u' => unicode_escape(&mut rest)?,
                c @ ('"' | '\\' | '/') => c,
                _ => return None,
            },
            '"' => return None,
            c => c,
        };
        text.push(c);
    }
    Some(text)
}

/// What stands after `\u`: four digits, or two times four for what lies beyond (RFC 8259, section 7).
fn unicode_escape(rest: &mut std::str::Chars<'_>) -> Option<char> {
    let mut digits = || {
        let code = u16::from_str_radix(rest.as_str().get(..4)?, 16).ok()?;
        rest.nth(3)?;
        Some((code, rest.clone()))
    };
    let (first, after) = digits()?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(u32::from(first));
    }
    *rest = after;
    let second = rest.as_str().strip_prefix("\\u")?.get(..4)?;
    let second = u16::from_str_radix(second, 16).ok()?;
    rest.nth(5)?;
    char::decode_utf16([first, second]).next()?.ok()
}

/// The text with line ends and tabs inside of strings escaped, as JSON has them (RFC 8259, section 7). None when it is JSON
/// already, or that does not make it JSON.
pub(super) fn with_escaped_line_ends(text: &str) -> Option<Zeroizing<String>> {
    if is_json(text) {
        return None;
    }
    let is_raw = |byte: &u8| matches!(byte, b'\n' | b'\r' | b'\t');
    let raw = text.bytes().filter(is_raw).count();
    let mut mended = Zeroizing::new(String::with_capacity(text.len() + raw));
    let (mut in_string, mut after_backslash) = (false, false);
    for c in text.chars() {
        match c {
            '"' if !after_backslash => in_string = !in_string,
            '\n' | '\r' | '\t' if in_string => {
                mended.push_str(match c {
                    '\n' => "\\n",
                    '\r' => "\\r",
                    _ => "\\t",
                });
                continue;
            }
            _ => {}
        }
        after_backslash = c == '\\' && !after_backslash;
        mended.push(c);
    }
    is_json(&mended).then_some(mended)
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

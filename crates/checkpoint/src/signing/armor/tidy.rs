//! What programs, shells and forms do to a text, undone: escapes, entities, typesetting.
//!
//! None of these characters stands in PEM, so that undoing them leaves no doubt. Each result is a buffer of its own that is wiped, as
//! large from the start as it can become.

use zeroize::Zeroizing;

use crate::signing::oddity::{Oddities, Oddity};

/// How often a text may have been escaped.
const MAX_ROUNDS: usize = 6;

/// Entities that stand for characters of PEM. Those with numbers are read by themselves.
const ENTITIES: [(&str, char); 12] = [
    ("amp;", '&'),
    ("quot;", '"'),
    ("apos;", '\''),
    ("plus;", '+'),
    ("sol;", '/'),
    ("equals;", '='),
    ("nbsp;", ' '),
    ("NewLine;", '\n'),
    ("Tab;", '\t'),
    ("dash;", '-'),
    ("hyphen;", '-'),
    ("bsol;", '\\'),
];

/// Undoes all that can be undone, and notes what there was.
pub(super) fn tidy(text: &str, oddities: &mut Oddities) -> Zeroizing<String> {
    let mut text = plain_characters(text, oddities);
    for _ in 0..MAX_ROUNDS {
        if text.contains('\\')
            && let Some(plain) = without_escapes(&text)
        {
            oddities.note(Oddity::Escaped);
            text = plain;
        } else if text.contains('%')
            && let Some(plain) = without_percent(&text)
        {
            oddities.note(Oddity::PercentEncoded);
            text = plain;
        } else if text.contains(['&', '<'])
            && let Some(plain) = without_entities(&text)
        {
            oddities.note(Oddity::HtmlEntities);
            text = plain;
        } else {
            break;
        }
    }
    text
}

/// Characters of typesetting as those of ASCII that they were made of.
fn plain_characters(text: &str, oddities: &mut Oddities) -> Zeroizing<String> {
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    for (at, c) in text.char_indices() {
        match c {
            '\u{feff}' if at == 0 => oddities.note(Oddity::ByteOrderMark),
            '\u{feff}'
            | '\u{ad}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}' => {
                oddities.note(Oddity::InvisibleCharacters);
            }
            '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}' => {
                oddities.note(Oddity::InvisibleCharacters);
                plain.push(' ');
            }
            '\u{85}' | '\u{2028}' | '\u{2029}' => {
                oddities.note(Oddity::InvisibleCharacters);
                plain.push('\n');
            }
            // Word processors make one of two.
            '\u{2012}'..='\u{2015}' | '\u{2212}' => {
                oddities.note(Oddity::TypographicDashes);
                plain.push_str("--");
            }
            '\u{2010}' | '\u{2011}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => {
                oddities.note(Oddity::TypographicDashes);
                plain.push('-');
            }
            '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' => plain.push('"'),
            '\u{2018}'..='\u{201b}' => plain.push('\''),
            c => plain.push(c),
        }
    }
    plain
}

/// Escapes of JSON, of C and of shells, however many backslashes begin them. None when there is none that is known.
fn without_escapes(text: &str) -> Option<Zeroizing<String>> {
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    let (mut rest, mut found) = (text, false);
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let after = after.trim_start_matches('\\');
        match escaped(after) {
            Some((c, size)) => {
                plain.push(c);
                rest = after.get(size..).unwrap_or_default();
                found = true;
            }
            None => {
                plain.push('\\');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    found.then_some(plain)
}

/// The character that is meant by what stands after a backslash, and how much of it.
fn escaped(text: &str) -> Option<(char, usize)> {
    let numbered = |from: usize, digits: usize, radix: u32| {
        let digits_text = text.get(from..from + digits)?;
        let code = u8::from_str_radix(digits_text, radix).ok()?;
        code.is_ascii().then_some((char::from(code), from + digits))
    };
    match text.bytes().next()? {
        b'n' => Some(('\n', 1)),
        b'r' => Some(('\r', 1)),
        b't' => Some(('\t', 1)),
        b'u' => numbered(1, 4, 16),
        b'x' => numbered(1, 2, 16),
        b'0' | b'1' => numbered(0, 3, 8),
        c @ (b'/' | b'+' | b'=' | b'-' | b'"' | b'\'' | b' ' | b'\n' | b'\r') => {
            Some((char::from(c), 1))
        }
        _ => None,
    }
}

/// Percent-encoding (RFC 3986, section 2.1). None when there is none.
fn without_percent(text: &str) -> Option<Zeroizing<String>> {
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    let (mut rest, mut found) = (text, false);
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let code = after
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code.filter(u8::is_ascii) {
            Some(code) => {
                plain.push(char::from(code));
                rest = after.get(2..).unwrap_or_default();
                found = true;
            }
            None => {
                plain.push('%');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    found.then_some(plain)
}

/// Entities, and <br> as the end of a line. None when there is none that is known.
fn without_entities(text: &str) -> Option<Zeroizing<String>> {
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    let (mut rest, mut found) = (text, false);
    while let Some(at) = rest.find(['&', '<']) {
        let (before, after) = rest.split_at(at);
        plain.push_str(before);
        match entity(after) {
            Some((c, size)) => {
                plain.push(c);
                rest = after.get(size..).unwrap_or_default();
                found = true;
            }
            None => {
                plain.push_str(after.get(..1).unwrap_or_default());
                rest = after.get(1..).unwrap_or_default();
            }
        }
    }
    plain.push_str(rest);
    found.then_some(plain)
}

/// The character that an entity at the start means, and how long it is.
fn entity(text: &str) -> Option<(char, usize)> {
    for line_end in ["<br>", "<br/>", "<br />", "<BR>"] {
        if text.starts_with(line_end) {
            return Some(('\n', line_end.len()));
        }
    }
    let name = text.strip_prefix('&')?;
    if let Some((name, c)) = ENTITIES.iter().find(|(known, _)| name.starts_with(known)) {
        return Some((*c, 1 + name.len()));
    }
    let (number, _) = name.strip_prefix('#')?.split_once(';')?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u8::from_str_radix(hex, 16),
        None => number.parse(),
    };
    let code = code.ok().filter(u8::is_ascii)?;
    Some((char::from(code), 2 + number.len() + 1))
}

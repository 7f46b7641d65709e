//! The base64 between BEGIN and END, or without them, however its lines came out.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::refusal::Refusal;
use crate::key::{DerKind, PrivateKey};
use crate::signing::oddity::{Oddities, Oddity};

/// Characters of a line of PEM (RFC 7468, section 2).
const WIDTH: usize = 64;

/// Base64 that is judged by what it holds: whether the = at its end are right is told as an oddity.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a body holds.
pub(super) struct Found {
    pub(super) key: PrivateKey,
    /// Whether it is PKCS#1 rather than PKCS#8.
    pub(super) is_pkcs1: bool,
}

/// Reads the key of a body. Where lines may have ended in more than one way, the key decides: it is checked as a whole, and no two
/// readings of one text give a consistent key.
pub(super) fn read(body: &str, oddities: &mut Oddities) -> Result<Found, Refusal> {
    if body.contains("Proc-Type:") || body.contains("DEK-Info:") {
        return Err(Refusal::Encrypted);
    }
    if is_placeholder(body) {
        return Err(Refusal::Placeholder);
    }
    let mut found = Oddities::default();
    let unquoted = without_quotes(body, &mut found);
    let body = unquoted.as_ref().map_or(body, |text| text.as_str());
    shape(body, &mut found);
    let refusal = match plain(body, &mut found) {
        Ok(key) => {
            oddities.extend(&found);
            return Ok(key);
        }
        Err(refusal) => refusal,
    };
    for (reading, oddity) in READINGS {
        let mut found = found.clone();
        let key = reading(body).and_then(|text| plain(&text, &mut found).ok());
        if let Some(key) = key {
            found.note(oddity);
            oddities.extend(&found);
            return Ok(key);
        }
    }
    Err(refusal)
}

type Reading = fn(&str) -> Option<Zeroizing<String>>;

/// What else may have become of line ends and plus signs.
const READINGS: [(Reading, Oddity); 6] = [
    (|body| without_ends(body, "/n"), Oddity::WrongSlash),
    (|body| without_ends(body, "/r/n"), Oddity::WrongSlash),
    (|body| without_ends(body, "n"), Oddity::LostBackslash),
    (|body| without_ends(body, "rn"), Oddity::LostBackslash),
    (plus_in_lines, Oddity::PlusAsBlank),
    (
        |body| plus_in_lines(&without_ends(body, " ")?),
        Oddity::PlusAsBlank,
    ),
];

fn plain(body: &str, oddities: &mut Oddities) -> Result<Found, Refusal> {
    let der = decode(body, oddities)?;
    let key = PrivateKey::from_der(&der).map_err(|error| Refusal::of_der(&der, error))?;
    let is_pkcs1 = DerKind::of(&der) == Some(DerKind::Pkcs1);
    Ok(Found { key, is_pkcs1 })
}

/// The bytes of base64, blanks aside.
pub(super) fn decode(body: &str, oddities: &mut Oddities) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let mut digits = Zeroizing::new(Vec::with_capacity(body.len()));
    let (mut padding, mut url_safe) = (0, false);
    for (at, c) in body.char_indices().filter(|(_, c)| !c.is_whitespace()) {
        match c {
            '=' => padding += 1,
            '-' | '_' if padding == 0 => {
                url_safe = true;
                digits.push(if c == '-' { b'+' } else { b'/' });
            }
            'A'..='Z' | 'a'..='z' | '0'..='9' | '+' | '/' if padding == 0 => {
                digits.push(c as u8);
            }
            _ => return Err(Refusal::character(body, at)),
        }
    }
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(digits.len())]);
    let size = LENIENT.decode_slice(digits.as_slice(), &mut bytes);
    let size = size.map_err(|_| Refusal::LostCharacters)?;
    bytes.truncate(size);
    oddities.note_if(url_safe, Oddity::UrlSafe);
    oddities.note_if((digits.len() + padding) % 4 != 0, Oddity::Padding);
    Ok(bytes)
}

/// Notes how the lines of a body look.
fn shape(body: &str, oddities: &mut Oddities) {
    let lines: Vec<&str> = body.trim().split(['\n', '\r']).collect();
    let content: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    let full = content.iter().filter(|line| !line.is_empty());
    if !body.contains('\n') && !body.contains('\r') {
        let blanks = body.trim().contains(char::is_whitespace);
        oddities.note_if(blanks, Oddity::JoinedByBlanks);
        oddities.note_if(!blanks, Oddity::OneLine);
        return;
    }
    let widths: Vec<usize> = full.map(|line| line.len()).collect();
    let (last, others) = widths.split_last().map_or((0, &[][..]), |(l, o)| (*l, o));
    let wide = others.iter().any(|width| *width != WIDTH) || last > WIDTH;
    oddities.note_if(wide, Oddity::Width);
    let indented = body.split(['\n', '\r']).filter(|line| !line.is_empty());
    let indented = indented.map(|line| line.len() != line.trim().len());
    oddities.note_if(indented.fold(false, |any, is| any | is), Oddity::Indented);
    // The first line end is that of BEGIN, the last one that before END; CR LF is one.
    let ends: Vec<&str> = body.split('\n').collect();
    let within = ends
        .get(1..ends.len().saturating_sub(1))
        .unwrap_or_default();
    let blank = within.iter().any(|line| line.trim().is_empty());
    oddities.note_if(blank || body.trim().contains("\r\r"), Oddity::BlankLines);
}

/// What stands for a key in documentation.
fn is_placeholder(body: &str) -> bool {
    body.trim().is_empty()
        || ["...", "\u{2026}", "***", "XXXXXXXX", "<"]
            .iter()
            .any(|sign| body.contains(sign))
}

/// What stands inside of quotes, where lines are strings of a program or of an array; what a mail quotes; what ends in a comma.
fn without_quotes(body: &str, oddities: &mut Oddities) -> Option<Zeroizing<String>> {
    let quote = ['"', '\'', '`']
        .into_iter()
        .find(|quote| body.contains(*quote));
    if quote.is_none() && !body.contains(['>', '|', ',', ';', '#', '*']) {
        return None;
    }
    let mut text = Zeroizing::new(String::with_capacity(body.len()));
    match quote {
        // BEGIN stands inside of quotes, too.
        Some(quote) => body
            .split(quote)
            .step_by(2)
            .for_each(|inside| text.push_str(inside)),
        None => body.split_inclusive('\n').for_each(|line| {
            let content = line.trim_start_matches(['>', '|', '#', '*', ' ', '\t']);
            let end = content.trim_end();
            text.push_str(end.trim_end_matches([',', ';']));
            text.push_str(content.get(end.len()..).unwrap_or_default());
        }),
    }
    oddities.note(Oddity::QuotedLines);
    Some(text)
}

/// The body without what stands where each line of 64 characters ended.
fn without_ends(body: &str, end: &str) -> Option<Zeroizing<String>> {
    let mut rest = body.strip_prefix(end)?;
    let mut text = Zeroizing::new(String::with_capacity(body.len()));
    while let Some(line) = rest.get(..WIDTH) {
        text.push_str(line);
        rest = rest.get(WIDTH..)?.strip_prefix(end)?;
    }
    text.push_str(rest.strip_suffix(end).unwrap_or(rest));
    Some(text)
}

/// The body with a plus sign for each blank inside of a line.
fn plus_in_lines(body: &str) -> Option<Zeroizing<String>> {
    let is_blank = |c: char| c == ' ';
    body.lines()
        .any(|line| line.trim().contains(is_blank))
        .then(|| {
            let mut text = Zeroizing::new(String::with_capacity(body.len()));
            for line in body.lines() {
                // A blank at an end may be a plus sign, too: the width tells.
                let line = if line.len() == WIDTH {
                    line
                } else {
                    line.trim()
                };
                text.extend(line.chars().map(|c| if is_blank(c) { '+' } else { c }));
            }
            text
        })
}

//! Text of bytes that somebody else wrote: UTF-8, or UTF-16 with or without a byte order mark.

use zeroize::Zeroizing;

use super::oddity::{Oddities, Oddity};

/// Decodes a text; none where it is neither. A byte order mark does not belong to it.
pub(super) fn decoded(bytes: &[u8], oddities: &mut Oddities) -> Option<Zeroizing<String>> {
    let (utf16, is_marked) = match bytes {
        [0xff, 0xfe, rest @ ..] => (Some((rest, u16::from_le_bytes as fn([u8; 2]) -> u16)), true),
        [0xfe, 0xff, rest @ ..] => (Some((rest, u16::from_be_bytes as _)), true),
        // What is expected begins with a character of ASCII.
        [1..=0x7f, 0, 1..=0x7f, 0, ..] => (Some((bytes, u16::from_le_bytes as _)), false),
        [0, 1..=0x7f, 0, 1..=0x7f, ..] => (Some((bytes, u16::from_be_bytes as _)), false),
        _ => (None, bytes.starts_with(b"\xef\xbb\xbf")),
    };
    let text = match utf16 {
        Some((bytes, unit)) => {
            let text = from_utf16(bytes, unit)?;
            oddities.note(Oddity::Utf16);
            text
        }
        None => {
            let text = str::from_utf8(bytes).ok()?;
            // A copy of its own, as large as it will be.
            Zeroizing::new(text.trim_start_matches('\u{feff}').to_owned())
        }
    };
    oddities.note_if(is_marked, Oddity::ByteOrderMark);
    Some(text)
}

fn from_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<Zeroizing<String>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    // Some programs end a text with half a character.
    if !rest.is_empty() && rest != [0] && rest != [b'\n'] {
        return None;
    }
    // A unit of 16 bits takes at most three bytes.
    let mut text = Zeroizing::new(String::with_capacity(pairs.len() * 3));
    for c in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        text.push(c.ok()?);
    }
    Some(text)
}

//! Lower-case hexadecimal, the one form that a hash has here: one text for one value.

use std::fmt;

/// Shows bytes so.
#[derive(Clone, Copy)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads exactly so many bytes; none when it is anything else, capitals among it.
#[must_use]
pub fn decode<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    if pairs.len() != BYTES {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_one_text_and_no_other_is_read() {
        let text = Hex(&[0x00, 0xf7, 0x1a]).to_string();
        assert_eq!(text, "00f71a");
        assert_eq!(decode(&text), Some([0x00, 0xf7, 0x1a]));
        for wrong in [
            "", "00f71", "00f7", "00f71a00", "00F71A", "+0f71a", "0 f71a", "00f7é",
        ] {
            assert_eq!(decode::<3>(wrong), None, "{wrong}");
        }
    }
}

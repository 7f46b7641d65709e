//! Text from elsewhere, made safe to show: a file's name, a revocation's reason or a server's message may hold characters
//! that move a terminal's cursor, end a line, or turn the order of what a person reads. Here each of them is written out.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character is not seen, or changes how others are seen: the controls (C0, DEL, C1), the ends of lines, and
/// what Unicode calls format characters (category Cf: directions, joiners, tags).
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{115f}'..='\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// A piece of text for a line: also an end of a line in it is written out.
pub fn visible(text: &str) -> Cow<'_, str> {
    written_out(text, is_unseen, &|out, c| match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
    })
}

/// Text of several lines, which were put together from pieces that are [`visible`].
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    let unseen = |c| c != '\n' && is_unseen(c);
    written_out(text, unseen, &|out, c| {
        out.push_str(&visible(c.encode_utf8(&mut [0; 4])))
    })
}

/// JSON whose strings keep their meaning: what is unseen is escaped as RFC 8259, section 7, has it. Between its tokens there
/// must be no other white space than spaces and ends of lines.
pub fn visible_json(text: &str) -> Cow<'_, str> {
    let unseen = |c| c != '\n' && is_unseen(c);
    written_out(text, unseen, &|out, c| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

fn written_out<'t>(
    text: &'t str,
    unseen: impl Fn(char) -> bool,
    write_out: &dyn Fn(&mut String, char),
) -> Cow<'t, str> {
    if !text.contains(&unseen) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match unseen(c) {
            true => write_out(&mut out, c),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unseen_is_written_out_and_nothing_else_is_touched() {
        let plain = "Zahlungsverkehr \u{2013} 決済 ✓ \\n";
        assert!(matches!(visible(plain), Cow::Borrowed(text) if text == plain));
        let text = "a\u{1b}[2K\r\nVALID\u{85}\u{9b}31m\u{202e}x\u{2028}\u{7f}";
        let shown = r"a\u{1b}[2K\r\nVALID\u{85}\u{9b}31m\u{202e}x\u{2028}\u{7f}";
        assert_eq!(visible(text), shown);
        assert_eq!(visible_lines("a\nb\tc\r\n"), "a\nb\\tc\\r\n");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({ "a\u{202e}": "\u{9b}\n\u{e0041}é" });
        let shown = visible_json(&value.to_string()).into_owned();
        assert!(!shown.contains(is_unseen), "{shown}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            value
        );
    }
}

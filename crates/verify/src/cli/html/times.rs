//! Times in the form of the service's page.

use chrono::{DateTime, NaiveTime, Utc};

/// How many bytes an instant has where it stands in a sentence, as in `2025-06-01T23:59:59Z`.
const LENGTH: usize = 20;

/// A day where it is midnight, as in `1 June 2025`.
pub(super) fn moment(time: DateTime<Utc>) -> String {
    let day = time.format("%-d %B %Y");
    match time.time() {
        NaiveTime::MIN => day.to_string(),
        time => format!("{day}, {} UTC", time.format("%H:%M:%S")),
    }
}

/// A sentence with the instants in it in that form. What only holds an instant, such as the name of a file, stays as it is.
pub(super) fn with_moments(sentence: &str) -> String {
    let mut text = String::with_capacity(sentence.len());
    let mut rest = sentence;
    while let Some(first) = rest.chars().next() {
        let begins = text.ends_with([' ', '(']);
        match begins.then(|| instant(rest)).flatten() {
            Some(time) => {
                text.push_str(&moment(time));
                rest = rest.get(LENGTH..).unwrap_or_default();
            }
            None => {
                text.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    text
}

/// The instant that a text begins with, if nothing but the end of a word follows it.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let (found, rest) = (text.get(..LENGTH)?, text.get(LENGTH..)?);
    let ends = rest.is_empty() || rest.starts_with([' ', ',', ';', ')']) || rest.starts_with(": ");
    let parsed = DateTime::parse_from_rfc3339(found).ok()?;
    (ends && found.ends_with('Z')).then(|| parsed.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_has_its_times_told_as_the_page_does_and_names_stay() {
        for (sentence, expected) in [
            (
                "signed at 2025-06-01T23:59:59Z, outside of 2025-01-01T00:00:00Z",
                "signed at 1 June 2025, 23:59:59 UTC, outside of 1 January 2025",
            ),
            ("(a, 2025-06-10T00:00:00Z)", "(a, 10 June 2025)"),
            (
                "in x-2025-06-01T23:59:59Z.json and 2025-06-01T23:59:59Z.json, \u{fc}",
                "in x-2025-06-01T23:59:59Z.json and 2025-06-01T23:59:59Z.json, \u{fc}",
            ),
            ("at 2025-06-31T23:59:59Z", "at 2025-06-31T23:59:59Z"),
        ] {
            assert_eq!(with_moments(sentence), expected);
        }
    }
}

//! Whether something was printed that looks like what the page shows.
//!
//! Numbers, hashes and times differ each time, so only their places are compared, and so do the names of days and months; `...`
//! stands for anything in a line, and as a line for any lines.

/// What is missing, if anything.
pub fn difference(shown: &str, printed: &str) -> Option<String> {
    let printed: Vec<String> = printed.lines().map(shape).collect();
    let mut rest = printed.as_slice();
    let mut anywhere = false;
    for line in shown.lines() {
        if line.trim() == "..." {
            anywhere = true;
            continue;
        }
        let wanted = shape(line);
        let most = if anywhere { rest.len() } else { 1 };
        let found = rest.iter().take(most).position(|line| fits(&wanted, line));
        let Some(found) = found else {
            return Some(format!(
                "there is no line such as\n  {line}\n({wanted})\nin\n{}",
                rest.join("\n")
            ));
        };
        rest = &rest[found + 1..];
        anywhere = false;
    }
    match rest {
        [] => None,
        _ if anywhere => None,
        _ => Some(format!(
            "more is printed than the page shows:\n{}",
            rest.join("\n")
        )),
    }
}

/// As they stand in dates for machines (RFC 9110, section 5.6.7; openssl's), whatever the language of the machine.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A line without what differs: a run of digits, the name of a day or of a month, or a word like a hash, is `0`; spaces and
/// bars are one space.
fn shape(line: &str) -> String {
    let words = line.split(|c: char| c.is_whitespace());
    let words = words.filter(|word| !word.is_empty()).map(|word| {
        let parts =
            word.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
        parts.map(part_shape).collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}

fn part_shape(part: &str) -> String {
    let bare =
        part.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
    let is_hash = bare.len() >= 32
        && !bare.starts_with("amply")
        && bare.contains(|c: char| c.is_ascii_digit());
    if is_hash || DAYS.contains(&bare) || MONTHS.contains(&bare) {
        return part.replace(bare, "0");
    }
    let mut shape = String::new();
    for c in part.chars() {
        match c {
            '0'..='9' if shape.ends_with('0') => {}
            '0'..='9' => shape.push('0'),
            c => shape.push(c),
        }
    }
    shape
}

fn fits(wanted: &str, found: &str) -> bool {
    let mut parts = wanted.split("...");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = found.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn what_differs_each_time_fits_and_what_differs_in_words_does_not() {
    let hash = "6b1f3d6f54a6d96dbcf6b6d3d8ef6ab9ac5b1ab3ee43f03bb4e1f5e2bb4b7cbd";
    let shown = format!("12 rows, root {hash}: all is well");
    let other = format!("7 rows, root {}: all is well\n", hash.replace('6', "0"));
    assert_eq!(difference(&shown, &other), None);
    assert_eq!(
        difference("...\n12 rows, ...well", &format!("first\n{other}")),
        None
    );
    assert_eq!(
        difference("12 rows...\n...", &format!("{other}more\n")),
        None
    );
    for wrong in [
        "12 rows, WRONG",
        "12 rows",
        "... bad",
        "12 rows...\n12 rows...",
    ] {
        assert!(difference(wrong, &other).is_some(), "{wrong}");
    }
    assert!(difference("12 rows...", &format!("{other}more\n")).is_some());
    let shown = "date: Tue, 24 Nov 2026 03:08:25 GMT";
    for date in [
        "Sun, 29 Feb 2032 00:00:00 GMT",
        "Wed, 1 Jan 2031 23:59:60 GMT",
    ] {
        assert_eq!(difference(shown, &format!("date: {date}\n")), None);
    }
    assert!(difference(shown, "date: Someday, 24 Nov 2026 03:08:25 GMT\n").is_some());
}

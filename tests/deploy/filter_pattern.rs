//! CloudWatch's filter patterns for JSON, as far as the templates use them (AWS, "Filter pattern syntax for metric
//! filters"): `$.a.b[0]` with `= "text"` and `!=`, where `*` is a wildcard, `<= 3`, `= *` for anything, `EXISTS`, `NOT EXISTS`,
//! `IS TRUE`, `IS FALSE`; `&&`, `||`, parentheses. And those for text: words in quotation marks, all of them.

use serde_json::Value;

/// The longest pattern that is taken (AWS, `PutMetricFilter`).
const LONGEST: usize = 1024;

/// Whether a line of a log fits a pattern. A pattern that is not understood is a failure, and so is one whose outcome hangs on what
/// `!=` says of a member that is missing: AWS's documentation does not tell.
pub fn fits(pattern: &str, line: &Value) -> bool {
    assert!(
        pattern.len() <= LONGEST,
        "{pattern}: {} bytes",
        pattern.len()
    );
    let inner = pattern.trim();
    if inner.starts_with('"') {
        return all_words(inner, &line.to_string());
    }
    let inner = inner.strip_prefix('{').and_then(|p| p.strip_suffix('}'));
    let inner = inner.unwrap_or_else(|| panic!("{pattern}: not in braces"));
    let [one, other] = [true, false].map(|missing_differs| {
        let mut reading = Reading {
            rest: inner,
            line,
            missing_differs,
        };
        let fits = reading.any();
        assert_eq!(
            reading.rest.trim(),
            "",
            "{pattern}: not understood from here"
        );
        fits
    });
    assert_eq!(
        one, other,
        "{pattern}: hangs on a member that is missing in {line}"
    );
    one
}

/// A pattern of words in quotation marks, each of which must stand somewhere in the line.
fn all_words(pattern: &str, line: &str) -> bool {
    let mut words = pattern.split('"').enumerate();
    words.all(|(place, part)| match place % 2 {
        1 => !part.is_empty() && line.contains(part),
        _ => part.trim().is_empty(),
    })
}

/// A pattern that is read from left to right, beside the line that it is held against.
struct Reading<'a> {
    rest: &'a str,
    line: &'a Value,
    missing_differs: bool,
}

impl<'a> Reading<'a> {
    fn taken(&mut self, token: &str) -> bool {
        let after = self.rest.trim_start().strip_prefix(token);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn any(&mut self) -> bool {
        let mut fits = self.all();
        while self.taken("||") {
            fits |= self.all();
        }
        fits
    }

    fn all(&mut self) -> bool {
        let mut fits = self.one();
        while self.taken("&&") {
            fits &= self.one();
        }
        fits
    }

    fn one(&mut self) -> bool {
        if self.taken("(") {
            let fits = self.any();
            assert!(self.taken(")"), "no ) before {:?}", self.rest);
            return fits;
        }
        let found = self.selected();
        for (word, holds) in [
            ("NOT EXISTS", found.is_none()),
            ("EXISTS", found.is_some()),
            ("IS TRUE", found == Some(&Value::Bool(true))),
            ("IS FALSE", found == Some(&Value::Bool(false))),
        ] {
            if self.taken(word) {
                return holds;
            }
        }
        if self.taken("<=") {
            let most = self.number();
            return found
                .and_then(Value::as_i64)
                .is_some_and(|found| found <= most);
        }
        let differs = self.taken("!=");
        assert!(differs || self.taken("="), "no operator at {:?}", self.rest);
        if self.taken("*") {
            return found.is_some() != differs;
        }
        let wanted = self.text();
        match found.and_then(Value::as_str) {
            Some(found) => like(wanted, found) != differs,
            None => differs && self.missing_differs,
        }
    }

    /// The member that a selector names.
    fn selected(&mut self) -> Option<&'a Value> {
        assert!(self.taken("$"), "no selector at {:?}", self.rest);
        let end = self.rest.find(' ').unwrap();
        let selector = self.rest[..end].replace(['.', '['], "/").replace(']', "");
        self.rest = &self.rest[end..];
        self.line.pointer(&selector)
    }

    fn number(&mut self) -> i64 {
        let number = self.rest.trim_start();
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap();
        self.rest = &number[end..];
        number[..end].parse().unwrap()
    }

    fn text(&mut self) -> &'a str {
        assert!(self.taken("\""), "no text at {:?}", self.rest);
        let (wanted, rest) = self.rest.split_once('"').unwrap();
        self.rest = rest;
        wanted
    }
}

/// A star is a wildcard at the beginning and at the end of a text, and nowhere else: "Ev*ent" is only that text, star and all (the guide of AWS
/// that says it at all).
fn like(wanted: &str, found: &str) -> bool {
    let (ends, wanted) = match wanted.strip_suffix('*') {
        Some(wanted) => (false, wanted),
        None => (true, wanted),
    };
    match (wanted.strip_prefix('*'), ends) {
        (Some(wanted), true) => found.ends_with(wanted),
        (Some(wanted), false) => found.contains(wanted),
        (None, true) => found == wanted,
        (None, false) => found.starts_with(wanted),
    }
}

#[test]
fn patterns_are_understood_as_cloudwatch_does() {
    let line = serde_json::json!({
        "a": { "b": "some text" }, "n": 3, "reason": "ROLLBACK", "is": false, "list": [{ "x": "1" }], "nothing": null,
    });
    for (pattern, expected) in [
        (r#"{ $.a.b = "some text" }"#, true),
        (r#"{ $.a.b = "some" }"#, false),
        (r#"{ $.a.b = "*me*" }"#, true),
        (r#"{ $.a.b = "*ext" }"#, true),
        (r#"{ $.a.b = "some*" }"#, true),
        (r#"{ $.a.b = "some*xt" }"#, false),
        (r#"{ $.a.b = "*me*xt" }"#, false),
        (r#"{ $.a.c = "*" }"#, false),
        (r#"{ $.n = * }"#, true),
        (r#"{ $.m = * }"#, false),
        (r#"{ $.n <= 3 }"#, true),
        (r#"{ $.n <= 2 }"#, false),
        (r#"{ $.m <= 2 }"#, false),
        (r#"{ $.reason != "ROLL*" }"#, false),
        (r#"{ $.reason != "EQUI*" }"#, true),
        (r#"{ ($.n = *) && ($.reason = "ROLL*") }"#, true),
        (r#"{ ($.m = *) && (($.n = *) || ($.n = *)) }"#, false),
        (r#"{ ($.m = *) || ($.reason = "ROLLBACK") }"#, true),
        (r#"{ $.list[0].x = "1" }"#, true),
        (r#"{ $.list[1].x EXISTS }"#, false),
        (r#"{ $.nothing.x NOT EXISTS }"#, true),
        (r#"{ $.is IS FALSE }"#, true),
        (r#"{ $.is IS TRUE }"#, false),
        (r#"{ ($.m NOT EXISTS) || ($.m != "x") }"#, true),
        (r#""some text" "ROLL""#, true),
        (r#""some text" "FORWARD""#, false),
    ] {
        assert_eq!(fits(pattern, &line), expected, "{pattern}");
    }
}

#[test]
#[should_panic(expected = "hangs on a member that is missing")]
fn a_pattern_that_compares_what_is_missing_is_a_failure() {
    fits(r#"{ $.m != "x" }"#, &serde_json::json!({}));
}

//! CloudWatch's filter patterns for JSON, as far as the templates use them (AWS, "Filter pattern syntax for metric
//! filters"): comparisons `$.a.b = "text"` and `!=` with `*` as a wildcard, `$.a <= 3`, `$.a = *` for anything, `&&`, `||`, parentheses.

use serde_json::Value;

/// Whether a line of a log fits a pattern. A pattern that is not understood is a failure.
pub fn fits(pattern: &str, line: &Value) -> bool {
    let inner = pattern.trim();
    let inner = inner.strip_prefix('{').and_then(|p| p.strip_suffix('}'));
    let mut rest = inner.unwrap_or_else(|| panic!("{pattern}: not in braces"));
    let fits = any(&mut rest, line);
    assert_eq!(rest.trim(), "", "{pattern}: not understood from here");
    fits
}

fn taken(rest: &mut &str, token: &str) -> bool {
    match rest.trim_start().strip_prefix(token) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

fn any(rest: &mut &str, line: &Value) -> bool {
    let mut fits = all(rest, line);
    while taken(rest, "||") {
        fits |= all(rest, line);
    }
    fits
}

fn all(rest: &mut &str, line: &Value) -> bool {
    let mut fits = one(rest, line);
    while taken(rest, "&&") {
        fits &= one(rest, line);
    }
    fits
}

fn one(rest: &mut &str, line: &Value) -> bool {
    if taken(rest, "(") {
        let fits = any(rest, line);
        assert!(taken(rest, ")"), "no ) before {rest:?}");
        return fits;
    }
    assert!(taken(rest, "$"), "no selector at {rest:?}");
    let end = rest.find(' ').unwrap();
    let selector = rest[..end].replace('.', "/");
    *rest = &rest[end..];
    let found = line.pointer(&selector);
    if taken(rest, "<=") {
        let number = rest.trim_start();
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap();
        let most: i64 = number[..end].parse().unwrap();
        *rest = &number[end..];
        return found
            .and_then(Value::as_i64)
            .is_some_and(|found| found <= most);
    }
    let differs = taken(rest, "!=");
    assert!(differs || taken(rest, "="), "no operator at {rest:?}");
    if taken(rest, "*") {
        return found.is_some() != differs;
    }
    assert!(taken(rest, "\""), "no text at {rest:?}");
    let end = rest.find('"').unwrap();
    let wanted = &rest[..end];
    *rest = &rest[end + 1..];
    let found = found.and_then(Value::as_str);
    found.is_some_and(|found| like(wanted, found)) != differs
}

fn like(wanted: &str, found: &str) -> bool {
    match wanted.split_once('*') {
        None => wanted == found,
        Some((head, tail)) => found.strip_prefix(head).is_some_and(|rest| {
            let mut starts = (0..=rest.len()).filter(|at| rest.is_char_boundary(*at));
            starts.any(|at| like(tail, &rest[at..]))
        }),
    }
}

#[test]
fn patterns_are_understood_as_cloudwatch_does() {
    let line = serde_json::json!({ "a": { "b": "some text" }, "n": 3, "reason": "ROLLBACK" });
    for (pattern, expected) in [
        (r#"{ $.a.b = "some text" }"#, true),
        (r#"{ $.a.b = "some" }"#, false),
        (r#"{ $.a.b = "*me*xt" }"#, true),
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
    ] {
        assert_eq!(fits(pattern, &line), expected, "{pattern}");
    }
}

//! JSON that two readers could understand differently.

use checkpoint::checkpoint::Checkpoint;

use super::assert_refused;
use crate::support::checkpoint::{checkpoint, faults};

fn faults_of(text: &[u8]) -> Vec<(String, String)> {
    faults(Checkpoint::from_json(text))
}

#[test]
fn numbers_beyond_2_to_the_53_are_refused_wherever_they_stand() {
    for raw in [
        "9007199254740992",
        "-9007199254740992",
        "9007199254740993",
        "9223372036854775808",
        "18446744073709551616",
        "-18446744073709551616",
        "1e16",
        "-1E+300",
        "9007199254740991.9",
    ] {
        for field in ["entry_count", "total_volume", "other"] {
            let text = checkpoint().with(field, raw);
            assert_refused(&text, field, "9007199254740991 (2^53-1)");
        }
        let nested = [
            (
                "organization_summaries",
                format!(r#"[{{}}, {{"total_volume": {raw}}}]"#),
                "organization_summaries[1].total_volume",
            ),
            (
                "other",
                format!(r#"{{"a": [0, [{raw}]]}}"#),
                "other.a[1][0]",
            ),
        ];
        for (member, value, field) in nested {
            assert_refused(&checkpoint().with(member, value), field, "(2^53-1)");
        }
    }
}

#[test]
fn numbers_too_large_for_a_double_are_refused() {
    for raw in ["1e400", "-1e400"] {
        let found = checkpoint().with("entry_count", raw).faults();
        assert_eq!(found.len(), 1, "{raw}");
    }
}

#[test]
fn a_member_that_stands_twice_is_named_at_any_depth() {
    let twice = [
        (checkpoint().and("ledger_id", "\"org_2\""), "ledger_id"),
        (checkpoint().and("ledger_id", "\"org_xyz789\""), "ledger_id"),
        (checkpoint().and("a", "1").and("a", "1"), "a"),
        (
            checkpoint().with(
                "organization_summaries",
                r#"[{}, {"name": "a", "name": "a"}]"#,
            ),
            "organization_summaries[1].name",
        ),
        (
            checkpoint().with("other", r#"{"a": [[{"b": {"c": 1, "c": 2}}]]}"#),
            "other.a[0][0].b.c",
        ),
        (
            checkpoint().with("other", r#"{"": 1, "": 2}"#),
            r#"other."""#,
        ),
    ];
    for (text, field) in twice {
        assert_refused(&text, field, "twice");
    }
}

#[test]
fn a_member_that_stands_twice_in_two_spellings_is_named() {
    let text = checkpoint()
        .text()
        .replacen('{', r#"{"\u006cedger_id": "org_2", "#, 1);
    assert_eq!(faults_of(text.as_bytes())[0].0, "ledger_id");
}

#[test]
fn members_with_names_that_a_json_library_keeps_for_itself_are_ordinary() {
    // serde_json passes numbers and raw values around under these names.
    for name in [
        "$serde_json::private::RawValue",
        "$serde_json::private::Number",
    ] {
        for value in ["\"{\"", "\"1\"", "[]"] {
            let text = checkpoint()
                .with(name, value)
                .with("n", format!("{{{name:?}: {value}}}"));
            let payload = text.payload();
            assert!(payload.contains(&format!("{name:?}:{value},")), "{payload}");
            assert!(
                payload.contains(&format!("\"n\":{{{name:?}:{value}}}")),
                "{payload}"
            );
        }
    }
}

#[test]
fn invalid_utf_8_is_refused() {
    for bytes in [
        &b"\xff"[..],
        b"\xc3",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
    ] {
        for before in ["\"ledger_id\": \"org_", "\"timestamp\": \"2025"] {
            let text = checkpoint().text();
            let at = text.find(before).unwrap() + before.len();
            let text = [&text.as_bytes()[..at], bytes, &text.as_bytes()[at..]].concat();
            assert_eq!(faults_of(&text)[0].0, "json", "{bytes:x?}");
        }
    }
}

#[test]
fn invalid_utf_8_in_a_members_name_is_refused() {
    let text = checkpoint().text().into_bytes();
    let text = [b"{\"\xff\": 1, ", &text[1..]].concat();
    assert_eq!(faults_of(&text)[0].0, "json");
}

#[test]
fn text_before_or_after_the_object_is_refused() {
    let good = checkpoint().text();
    for text in [
        format!("{good} x"),
        format!("{good}{{}}"),
        format!("{good},"),
        format!("{good}\0"),
        format!("\u{feff}{good}"),
        format!("// checkpoint\n{good}"),
        format!("[{good}]"),
        format!("{good:?}"),
    ] {
        let found = faults_of(text.as_bytes());
        assert_eq!((found.len(), found[0].0.as_str()), (1, "json"), "{text}");
    }
}

#[test]
fn white_space_around_the_object_is_allowed() {
    let text = format!(" \r\n\t{}\n", checkpoint().text());
    assert!(Checkpoint::from_json(text.as_bytes()).is_ok());
}

#[test]
fn what_only_some_readers_take_for_json_is_refused() {
    for raw in [
        "+1",
        "01",
        ".5",
        "5.",
        "0x10",
        "1_000",
        "'a'",
        "undefined",
        "True",
        "[1,]",
        "\"a\tb\"",
    ] {
        let found = checkpoint().with("other", raw).faults();
        assert_eq!(found[0].0, "json", "{raw}");
    }
}

#[test]
fn a_text_that_ends_too_early_is_refused_at_every_byte() {
    let text = checkpoint().text();
    for end in 0..text.len() {
        assert_eq!(faults_of(&text.as_bytes()[..end])[0].0, "json", "{end}");
    }
}

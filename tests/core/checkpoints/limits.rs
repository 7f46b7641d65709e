//! Bounds on size and depth: what is at the bound is taken, what is past it refused with its name.

use checkpoint::checkpoint::{
    Checkpoint, CheckpointFields, MAX_JSON_BYTES, MAX_NESTING, MAX_PAYLOAD_BYTES, parse_object,
};

use super::assert_refused;
use crate::support::checkpoint::{checkpoint, faults};
use crate::support::document::Document;

fn arrays(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

fn objects(depth: usize) -> String {
    format!(
        "{}{{}}{}",
        r#"{"a":"#.repeat(depth - 1),
        "}".repeat(depth - 1)
    )
}

/// A checkpoint whose payload has exactly `bytes` bytes.
fn with_payload_of(bytes: usize) -> Document {
    let empty = checkpoint().with("padding", "\"\"");
    let padding = "x".repeat(bytes - empty.payload().len());
    empty.with("padding", format!("\"{padding}\""))
}

#[test]
fn additional_members_may_nest_exactly_to_the_bound() {
    for value in [arrays(MAX_NESTING), objects(MAX_NESTING)] {
        assert!(checkpoint().with("deep", value).read().is_ok());
    }
}

#[test]
fn additional_members_past_the_bound_are_named() {
    for value in [arrays(MAX_NESTING + 1), objects(MAX_NESTING + 1)] {
        assert_refused(
            &checkpoint().with("deep", value),
            "deep",
            "nests deeper than 16",
        );
    }
}

#[test]
fn summaries_count_their_array_and_object_as_two_levels() {
    let summaries = |depth| format!(r#"[{{"a": {}}}]"#, arrays(depth));
    let field = "organization_summaries";
    assert!(
        checkpoint()
            .with(field, summaries(MAX_NESTING - 2))
            .read()
            .is_ok()
    );
    assert_refused(
        &checkpoint().with(field, summaries(MAX_NESTING - 1)),
        field,
        "nests deeper",
    );
}

#[test]
fn ten_thousand_nested_values_are_refused_without_exhausting_the_stack() {
    for value in [
        arrays(10_000),
        objects(10_000),
        "[".repeat(10_000),
        r#"{"a":"#.repeat(10_000),
    ] {
        assert_refused(&checkpoint().with("deep", value), "deep", "nests deeper");
    }
}

#[test]
fn ten_thousand_nested_values_alone_are_refused() {
    assert!(parse_object(arrays(10_000).as_bytes()).is_err());
    assert!(parse_object(objects(10_000).as_bytes()).is_err());
}

#[test]
fn ten_megabytes_are_refused_before_they_are_read() {
    let text = checkpoint().with("padding", format!("\"{}\"", "x".repeat(10_000_000)));
    assert_refused(&text, "json", "is longer than 1048576 bytes");
}

#[test]
fn a_json_text_may_have_exactly_its_largest_size() {
    let text = checkpoint().text();
    let padded = |bytes: usize| format!("{text}{}", " ".repeat(bytes - text.len()));
    assert!(Checkpoint::from_json(padded(MAX_JSON_BYTES).as_bytes()).is_ok());
    let found = faults(Checkpoint::from_json(padded(MAX_JSON_BYTES + 1).as_bytes()));
    assert_eq!(found[0].0, "json");
}

#[test]
fn a_payload_may_have_exactly_its_largest_size() {
    assert_eq!(
        with_payload_of(MAX_PAYLOAD_BYTES).payload().len(),
        MAX_PAYLOAD_BYTES
    );
}

#[test]
fn a_payload_one_byte_larger_is_refused() {
    assert_refused(
        &with_payload_of(MAX_PAYLOAD_BYTES + 1),
        "checkpoint",
        "has a payload of 524289 bytes; expected at most 524288",
    );
}

#[test]
fn the_largest_checkpoint_can_be_published_and_read_again() {
    let checkpoint = with_payload_of(MAX_PAYLOAD_BYTES).read().unwrap();
    let published = checkpoint.published_json(&"s".repeat(4096));
    let (again, _) = Checkpoint::from_published_json(published.as_bytes()).unwrap();
    assert_eq!(again.payload(), checkpoint.payload());
}

#[test]
fn it_is_the_payload_that_is_bounded_and_not_its_notation() {
    // Six bytes of JSON for one of the payload: half of the bound in characters is past MAX_JSON_BYTES.
    let escaped =
        |count: usize| checkpoint().with("padding", format!("\"{}\"", "\\u0041".repeat(count)));
    assert_eq!(escaped(100_000).payload().matches('A').count(), 100_000);
    assert_refused(&escaped(MAX_PAYLOAD_BYTES / 2), "json", "is longer than");
}

#[test]
fn an_additional_member_has_no_name_that_stands_elsewhere() {
    let fields = checkpoint().read().unwrap().fields().clone();
    for name in ["checkpoint_id", "organization_summaries", "signature"] {
        let additional_members = parse_object(format!("{{{name:?}: 1}}").as_bytes()).unwrap();
        let result = Checkpoint::new(CheckpointFields {
            additional_members,
            ..fields.clone().into()
        });
        assert_eq!(faults(result)[0].0, format!("additional_members.{name}"));
    }
}

//! RFC 8785's own test vectors. They go through `Checkpoint::from_json` and its payload wherever the rule on
//! numbers (magnitude up to 2^53-1) lets them; where it does not, the refusal is tested, and the vector goes
//! to the canonicalizer directly.

use checkpoint::checkpoint::{Checkpoint, MAX_SAFE_INTEGER};
use serde_json::Value;

use crate::support::checkpoint::checkpoint;

/// Section 3.2.2: the members of the sample, as they are written there.
const SAMPLE_NUMBERS: &str =
    "[333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001]";
const SAMPLE_STRING: &str = r#""\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/""#;
const SAMPLE_LITERALS: &str = "[null, true, false]";

/// Section 3.2.4: the sample's UTF-8 bytes.
const SAMPLE_BYTES: &str = "
    7b 22 6c 69 74 65 72 61 6c 73 22 3a 5b 6e 75 6c 6c 2c 74 72
    75 65 2c 66 61 6c 73 65 5d 2c 22 6e 75 6d 62 65 72 73 22 3a
    5b 33 33 33 33 33 33 33 33 33 2e 33 33 33 33 33 33 33 2c 31
    65 2b 33 30 2c 34 2e 35 2c 30 2e 30 30 32 2c 31 65 2d 32 37
    5d 2c 22 73 74 72 69 6e 67 22 3a 22 e2 82 ac 24 5c 75 30 30
    30 66 5c 6e 41 27 42 5c 22 5c 5c 5c 5c 5c 22 2f 22 7d";

/// Section 3.2.3: names of members whose order differs between UTF-8 and UTF-16.
const SORTING_SAMPLE: [(&str, &str); 7] = [
    ("\u{20ac}", "Euro Sign"),
    ("\r", "Carriage Return"),
    ("\u{fb33}", "Hebrew Letter Dalet With Dagesh"),
    ("1", "One"),
    ("\u{1f600}", "Emoji: Grinning Face"),
    ("\u{80}", "Control"),
    ("\u{f6}", "Latin Small Letter O With Diaeresis"),
];

/// Appendix B: IEEE 754 bits and the text. The two that are no JSON (NaN, Infinity) are left out.
const NUMBERS: [(u64, &str); 24] = [
    (0x0000000000000000, "0"),
    (0x8000000000000000, "0"),
    (0x0000000000000001, "5e-324"),
    (0x8000000000000001, "-5e-324"),
    (0x7fefffffffffffff, "1.7976931348623157e+308"),
    (0xffefffffffffffff, "-1.7976931348623157e+308"),
    (0x4340000000000000, "9007199254740992"),
    (0xc340000000000000, "-9007199254740992"),
    (0x4430000000000000, "295147905179352830000"),
    (0x44b52d02c7e14af5, "9.999999999999997e+22"),
    (0x44b52d02c7e14af6, "1e+23"),
    (0x44b52d02c7e14af7, "1.0000000000000001e+23"),
    (0x444b1ae4d6e2ef4e, "999999999999999700000"),
    (0x444b1ae4d6e2ef4f, "999999999999999900000"),
    (0x444b1ae4d6e2ef50, "1e+21"),
    (0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"),
    (0x3eb0c6f7a0b5ed8d, "0.000001"),
    (0x41b3de4355555553, "333333333.3333332"),
    (0x41b3de4355555554, "333333333.33333325"),
    (0x41b3de4355555555, "333333333.3333333"),
    (0x41b3de4355555556, "333333333.3333334"),
    (0x41b3de4355555557, "333333333.33333343"),
    (0xbecbf647612f3696, "-0.0000033333333333333333"),
    (0x43143ff3c1cb0959, "1424953923781206.2"),
];

fn is_allowed(number: f64) -> bool {
    number.abs() <= MAX_SAFE_INTEGER as f64
}

#[test]
fn the_sample_without_its_giant_number_has_the_bytes_of_the_rfc() {
    let numbers = SAMPLE_NUMBERS.replace(" 1E30,", "");
    let sample = format!(
        r#"{{"numbers": {numbers}, "string": {SAMPLE_STRING}, "literals": {SAMPLE_LITERALS}}}"#
    );
    let expected = String::from_utf8(sample_bytes()).unwrap();
    let expected = expected.replace("1e+30,", "");
    let payload = checkpoint().with("sample", sample).payload();
    assert!(
        payload.contains(&format!("\"sample\":{expected},")),
        "{payload}"
    );
}

#[test]
fn the_giant_number_of_the_sample_is_refused_by_name() {
    let faults = checkpoint().with("numbers", SAMPLE_NUMBERS).faults();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].0, "numbers[1]");
}

#[test]
fn the_whole_sample_has_the_bytes_of_the_rfc_in_the_canonicalizer() {
    let sample = format!(
        r#"{{"numbers": {SAMPLE_NUMBERS}, "string": {SAMPLE_STRING}, "literals": {SAMPLE_LITERALS}}}"#
    );
    let sample: Value = serde_json::from_str(&sample).unwrap();
    let bytes = serde_json_canonicalizer::to_vec(&sample).unwrap();
    assert_eq!(bytes, sample_bytes());
}

#[test]
fn members_are_sorted_by_utf_16_code_units() {
    let mut text = checkpoint();
    for (name, value) in SORTING_SAMPLE {
        text = text.with(name, format!("{value:?}"));
    }
    let expected = concat!(
        r#"{"\r":"Carriage Return","1":"One","checkpoint_id":"chk_2025-01-15","#,
        r#""cumulative_hash":"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","#,
        r#""entry_count":15842,"ledger_id":"org_xyz789","organization_summaries":[],"#,
        r#""timestamp":"2025-01-15T23:59:59Z","total_volume":284729340,"#,
        "\"\u{80}\":\"Control\",\"\u{f6}\":\"Latin Small Letter O With Diaeresis\",",
        "\"\u{20ac}\":\"Euro Sign\",\"\u{1f600}\":\"Emoji: Grinning Face\",",
        "\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}",
    );
    assert_eq!(text.payload(), expected);
}

#[test]
fn members_of_nested_objects_are_sorted_too() {
    let members =
        SORTING_SAMPLE.map(|(name, value)| format!("{}:{value:?}", serde_json::json!(name)));
    let summaries = format!("[{{{}}}]", members.join(","));
    let payload = checkpoint()
        .with("organization_summaries", summaries)
        .payload();
    let order = [
        "\"\\r\"",
        "\"1\"",
        "\"\u{80}\"",
        "\"\u{f6}\"",
        "\"\u{20ac}\"",
        "\"\u{1f600}\"",
        "\"\u{fb33}\"",
    ];
    let places = order.map(|name| payload.find(name).unwrap());
    assert!(places.is_sorted(), "{payload}");
}

#[test]
fn numbers_up_to_2_to_the_53_have_the_form_of_appendix_b() {
    let allowed = NUMBERS.map(|(bits, text)| (f64::from_bits(bits), text));
    let allowed = allowed
        .into_iter()
        .filter(|(number, _)| is_allowed(*number));
    let mut count = 0;
    for (number, expected) in allowed {
        // Rust's shortest exponential form, which is not that of the RFC.
        let payload = checkpoint().with("n", format!("{number:e}")).payload();
        assert!(
            payload.contains(&format!("\"n\":{expected},")),
            "{number:e}: {payload}"
        );
        count += 1;
    }
    assert_eq!(count, 13);
}

#[test]
fn numbers_beyond_2_to_the_53_of_appendix_b_are_refused_in_either_notation() {
    let beyond = NUMBERS.map(|(bits, text)| (f64::from_bits(bits), text));
    let beyond = beyond
        .into_iter()
        .filter(|(number, _)| !is_allowed(*number));
    let mut count = 0;
    for (number, text) in beyond {
        for raw in [text.to_owned(), format!("{number:e}")] {
            let found = checkpoint().with("n", raw).faults();
            assert_eq!(found[0].0, "n", "{text}");
            assert!(found[0].1.contains("9007199254740991"), "{}", found[0].1);
        }
        count += 1;
    }
    assert_eq!(count, 11);
}

#[test]
fn all_numbers_of_appendix_b_have_their_form_in_the_canonicalizer() {
    for (bits, expected) in NUMBERS {
        let bytes = serde_json_canonicalizer::to_vec(&f64::from_bits(bits)).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), expected, "{bits:016x}");
    }
}

#[test]
fn what_appendix_b_calls_nan_and_infinity_is_no_json() {
    for raw in ["NaN", "Infinity", "-Infinity"] {
        assert_eq!(checkpoint().with("n", raw).faults()[0].0, "json", "{raw}");
    }
}

#[test]
fn a_lone_surrogate_is_refused_as_section_3_2_2_2_demands() {
    let found = checkpoint().with("s", r#""\ud83d""#).faults();
    assert_eq!(found[0].0, "json");
}

#[test]
fn unicode_is_not_normalized() {
    // Section 3.1: the composed and the decomposed form stay what they are, and differ.
    let composed = checkpoint().with("s", "\"\u{e9}\"").payload();
    let decomposed = checkpoint().with("s", "\"e\u{301}\"").payload();
    assert!(composed.contains("\"\u{e9}\"") && decomposed.contains("\"e\u{301}\""));
}

#[test]
fn the_canonical_form_is_a_fixed_point() {
    let text = checkpoint().with("sample", r#"{"b": [1.50, "\u00e9"], "a": -0.0}"#);
    let payload = text.payload();
    let again = Checkpoint::from_json(payload.as_bytes()).unwrap();
    assert_eq!(again.payload().as_bytes(), payload.as_bytes());
}

fn sample_bytes() -> Vec<u8> {
    let bytes = SAMPLE_BYTES.split_whitespace();
    bytes
        .map(|hex| u8::from_str_radix(hex, 16).unwrap())
        .collect()
}

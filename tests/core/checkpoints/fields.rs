//! One field wrong at a time, and several at once.

use checkpoint::checkpoint::{Checkpoint, EntryCount, Timestamp, TotalVolume};

use super::assert_refused;
use crate::support::checkpoint::{checkpoint, faults};

const STRINGS: [&str; 4] = ["checkpoint_id", "ledger_id", "timestamp", "cumulative_hash"];
const NUMBERS: [&str; 2] = ["entry_count", "total_volume"];
const IDENTIFIERS: [&str; 2] = ["checkpoint_id", "ledger_id"];
const SUMMARIES: &str = "organization_summaries";

fn all_fields() -> impl Iterator<Item = &'static str> {
    STRINGS.into_iter().chain(NUMBERS).chain([SUMMARIES])
}

#[test]
fn a_missing_field_is_named() {
    for field in all_fields() {
        assert_refused(&checkpoint().without(field), field, "is missing");
    }
}

#[test]
fn null_is_no_value_of_any_field() {
    for field in all_fields() {
        assert_refused(&checkpoint().with(field, "null"), field, "is null");
    }
}

#[test]
fn a_string_field_takes_nothing_else() {
    let wrong = [
        ("1", "is a number"),
        ("true", "is a boolean"),
        ("[]", "is an array"),
        (r#"{"value":"chk_1"}"#, "is an object"),
    ];
    for field in STRINGS {
        for (raw, found) in wrong {
            assert_refused(&checkpoint().with(field, raw), field, found);
        }
    }
}

#[test]
fn a_number_field_takes_nothing_else() {
    let wrong = [
        (r#""15842""#, "is a string"),
        (r#""""#, "is a string"),
        ("false", "is a boolean"),
        ("[1]", "is an array"),
        ("{}", "is an object"),
    ];
    for field in NUMBERS {
        for (raw, found) in wrong {
            assert_refused(&checkpoint().with(field, raw), field, found);
        }
    }
}

#[test]
fn the_summaries_are_an_array_of_objects() {
    let wrong = [
        ("{}", "is an object"),
        (r#""""#, "is a string"),
        ("0", "is a number"),
        ("[null]", "something else than objects"),
        (r#"[{}, "org"]"#, "something else than objects"),
        ("[[{}]]", "something else than objects"),
    ];
    for (raw, found) in wrong {
        assert_refused(&checkpoint().with(SUMMARIES, raw), SUMMARIES, found);
    }
}

#[test]
fn an_identifier_has_one_to_128_plain_characters() {
    let too_long = "a".repeat(129);
    let wrong = [
        ("", "is empty"),
        (too_long.as_str(), "has 129 bytes"),
        ("chk 1", "is \"chk 1\""),
        (" chk", "is \" chk\""),
        ("chk\n", "is \"chk\\n\""),
        ("chk/1", "is \"chk/1\""),
        ("-chk", "is \"-chk\""),
        (".", "is \".\""),
        ("chk\u{0}", "is \"chk\\0\""),
        ("ch\u{fc}", "is \"ch\u{fc}\""),
        ("\u{ff43}hk", "expected letters"),
    ];
    for field in IDENTIFIERS {
        for (id, found) in wrong {
            let raw = serde_json::json!(id).to_string();
            assert_refused(&checkpoint().with(field, raw), field, found);
        }
    }
}

#[test]
fn an_identifier_may_have_128_characters() {
    for field in IDENTIFIERS {
        let id = format!("{:?}", "a".repeat(128));
        assert!(checkpoint().with(field, id).read().is_ok());
    }
}

#[test]
fn an_error_repeats_only_the_start_of_a_long_value() {
    let long = format!("\"{}\"", "\u{e9}".repeat(10_000));
    for field in ["timestamp", "cumulative_hash"] {
        let problem = &checkpoint().with(field, long.as_str()).faults()[0].1;
        assert!(problem.len() < 300, "{field}: {} bytes", problem.len());
    }
}

#[test]
fn a_timestamp_is_whole_seconds_in_utc_in_one_form() {
    for time in [
        "",
        "2025-01-15T23:59:59.5Z",
        "2025-01-15T23:59:59.000Z",
        "2025-01-15T23:59:59+00:00",
        "2025-01-16T00:59:59+01:00",
        "2025-01-15T23:59:59",
        "2025-01-15 23:59:59Z",
        "2025-01-15T23:59:59z",
        "2025-01-15",
        "2025-02-29T00:00:00Z",
        "2025-01-15T24:00:00Z",
        "2025-01-15T23:60:00Z",
        "25-01-15T23:59:59Z",
        "\u{662}025-01-15T23:59:59Z",
        "1736985599",
    ] {
        let raw = format!("{time:?}");
        assert_refused(
            &checkpoint().with("timestamp", raw),
            "timestamp",
            "YYYY-MM-DDTHH:MM:SSZ",
        );
    }
}

#[test]
fn a_leap_second_is_told_as_such_with_the_seconds_beside_it() {
    let leap = checkpoint().with("timestamp", "\"2016-12-31T23:59:60Z\"");
    for expected in [
        "a leap second",
        "2016-12-31T23:59:59Z",
        "2017-01-01T00:00:00Z",
    ] {
        assert_refused(&leap, "timestamp", expected);
    }
}

#[test]
fn a_timestamp_lies_in_the_years_1970_to_9999() {
    for time in ["1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z"] {
        let raw = format!("{time:?}");
        assert_refused(
            &checkpoint().with("timestamp", raw),
            "timestamp",
            "expected a year from 1970 to 9999",
        );
    }
    for time in ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
        let raw = format!("{time:?}");
        assert!(checkpoint().with("timestamp", raw).read().is_ok(), "{time}");
    }
}

#[test]
fn a_protobuf_timestamp_has_no_nanoseconds_and_the_same_years() {
    for (seconds, nanoseconds) in [
        (0, 1),
        (0, -1),
        (0, i32::MAX),
        (-1, 0),
        (253_402_300_800, 0),
        (i64::MAX, 0),
        (i64::MIN, 0),
    ] {
        let result = Timestamp::from_unix(seconds, nanoseconds);
        assert!(result.is_err(), "{seconds} {nanoseconds}");
    }
    let last = Timestamp::from_unix(253_402_300_799, 0).unwrap();
    assert_eq!(last.to_string(), "9999-12-31T23:59:59Z");
}

#[test]
fn a_hash_is_sha256_with_64_lowercase_digits() {
    let digits = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    for hash in [
        String::new(),
        digits.into(),
        "sha256:".into(),
        format!("sha256:{}", digits.to_uppercase()),
        format!("SHA256:{digits}"),
        format!("sha512:{digits}"),
        format!("sha256:{digits}0"),
        format!("sha256:{}", &digits[1..]),
        format!("sha256: {}", &digits[1..]),
        format!("sha256:{}g", &digits[1..]),
        format!("sha256:{}\u{e9}", &digits[2..]),
    ] {
        assert_refused(
            &checkpoint().with("cumulative_hash", format!("{hash:?}")),
            "cumulative_hash",
            "expected sha256: and 64 lowercase",
        );
    }
}

#[test]
fn a_count_is_a_whole_number_from_0_to_2_to_the_53() {
    assert_refused(
        &checkpoint().with("entry_count", "-1"),
        "entry_count",
        "is -1; expected 0 to 9007199254740991",
    );
    for raw in ["15842.5", "0.1", "-0.5", "5e-324"] {
        assert_refused(
            &checkpoint().with("entry_count", raw),
            "entry_count",
            "expected an integer",
        );
    }
    for raw in ["0", "-0", "9007199254740991", "1e3", "1.0"] {
        let result = checkpoint().with("entry_count", raw).read();
        assert!(result.is_ok(), "{raw}");
    }
}

#[test]
fn a_volume_is_a_whole_number_of_either_sign() {
    for raw in ["1.5", "-0.01"] {
        assert_refused(
            &checkpoint().with("total_volume", raw),
            "total_volume",
            "expected an integer",
        );
    }
    for raw in ["-1", "0", "9007199254740991", "-9007199254740991"] {
        let result = checkpoint().with("total_volume", raw).read();
        assert!(result.is_ok(), "{raw}");
    }
}

#[test]
fn integers_that_come_without_json_have_the_same_bounds() {
    const EDGE: i128 = 9_007_199_254_740_991;
    assert!(EntryCount::try_from(EDGE).is_ok() && EntryCount::try_from(0).is_ok());
    assert!(TotalVolume::try_from(EDGE).is_ok() && TotalVolume::try_from(-EDGE).is_ok());
    for beyond in [
        EDGE + 1,
        i128::from(u64::MAX),
        i128::MAX,
        -EDGE - 1,
        i128::MIN,
    ] {
        assert!(EntryCount::try_from(beyond).is_err(), "{beyond}");
        assert!(TotalVolume::try_from(beyond).is_err(), "{beyond}");
    }
}

#[test]
fn several_faults_are_all_reported_at_once() {
    let found = checkpoint()
        .with("checkpoint_id", "\"\"")
        .without("ledger_id")
        .with("timestamp", "\"yesterday\"")
        .with("cumulative_hash", "null")
        .with("entry_count", "-3")
        .with("total_volume", "0.5")
        .with(SUMMARIES, "{}")
        .faults();
    let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "checkpoint_id",
            "ledger_id",
            "timestamp",
            "cumulative_hash",
            "entry_count",
            "total_volume",
            SUMMARIES
        ]
    );
}

#[test]
fn a_signature_in_an_unsigned_checkpoint_is_refused() {
    for raw in [r#""abc..def""#, r#""""#, "null"] {
        assert_refused(
            &checkpoint().with("signature", raw),
            "signature",
            "not signed yet",
        );
    }
}

#[test]
fn a_signature_that_should_not_be_there_does_not_hide_other_faults() {
    let found = checkpoint()
        .with("signature", "\"\"")
        .without("timestamp")
        .faults();
    let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["signature", "timestamp"]);
}

#[test]
fn a_published_checkpoint_without_a_signature_is_refused_with_its_other_faults() {
    for (raw, found) in [
        (None, "is missing"),
        (Some("null"), "is null"),
        (Some("7"), "is a number"),
    ] {
        let mut text = checkpoint().without("ledger_id");
        if let Some(raw) = raw {
            text = text.with("signature", raw);
        }
        let result = Checkpoint::from_published_json(text.text().as_bytes());
        let faults = faults(result.map(|(checkpoint, _)| checkpoint));
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert_eq!(faults[0].0, "signature");
        assert!(faults[0].1.contains(found), "{}", faults[0].1);
        assert_eq!(faults[1].0, "ledger_id");
    }
}

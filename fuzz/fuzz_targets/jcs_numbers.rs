//! Numbers in a payload against ECMAScript's rule (RFC 8785, section 3.2.2.3), written down here from the shortest digits
//! that the standard library finds, and against another implementation. The input is a double, or a number's text.
#![no_main]

use checkpoint::checkpoint::parse_object;
use checkpoint_signer_fuzz::take_u64;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const LARGEST: f64 = 9_007_199_254_740_991.0;

fuzz_target!(|data: &[u8]| {
    let text = match data {
        [b'0'..=b'9' | b'-', ..] if data.iter().all(|byte| b"0123456789+-.eE".contains(byte)) => {
            String::from_utf8_lossy(data).into_owned()
        }
        mut bits => format!("{:e}", f64::from_bits(take_u64(&mut bits))),
    };
    let object = format!(r#"{{"x":{text}}}"#);
    // Another reader's understanding of it.
    let other: Option<f64> = serde_json::from_str(&text).ok();
    let Ok(read) = parse_object(object.as_bytes()) else {
        assert!(
            other.is_none_or(|number| number.abs() > LARGEST),
            "{text} is refused"
        );
        return;
    };
    let other = other.expect("a number");
    assert!(other.abs() <= LARGEST, "{text} is taken");
    let members = read.to_map();
    let found = members.get("x").expect("the member");
    assert_eq!(found.as_f64(), Some(other + 0.0), "{text}");
    let ours = serde_json_canonicalizer::to_string(found).expect("it has a canonical form");
    assert_eq!(ours, ecmascript(other), "{text}");
    let theirs = serde_jcs::to_string(&Value::from(other)).expect("it has a canonical form");
    assert_eq!(ours, theirs, "{text}");
});

/// ECMA-262, Number::toString, for radix 10.
fn ecmascript(number: f64) -> String {
    if number == 0.0 {
        return "0".into();
    }
    let shortest = shortest(number.abs());
    let (digits, exponent) = shortest.split_once('e').expect("an exponent");
    let digits = digits.replace('.', "");
    let count = i32::try_from(digits.len()).expect("at most 17 digits");
    let point = exponent.parse::<i32>().expect("an exponent") + 1;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).expect("not negative"));
    let split = |at: i32| digits.split_at(usize::try_from(at).expect("not negative"));
    let text = if count <= point && point <= 21 {
        format!("{digits}{}", zeros(point - count))
    } else if 0 < point && point <= 21 {
        let (whole, fraction) = split(point);
        format!("{whole}.{fraction}")
    } else if -6 < point && point <= 0 {
        format!("0.{}{digits}", zeros(-point))
    } else {
        let (first, rest) = split(1);
        let dot = if rest.is_empty() { "" } else { "." };
        format!("{first}{dot}{rest}e{:+}", point - 1)
    };
    let sign = if number < 0.0 { "-" } else { "" };
    format!("{sign}{text}")
}

/// The shortest digits that are read as the number, and of these the closest; of two that are as close, the even ones
/// (note 2 there, which RFC 8785 asks for). The standard library takes either.
fn shortest(number: f64) -> String {
    let any = format!("{number:e}");
    let digits = any
        .chars()
        .take_while(|c| *c != 'e')
        .filter(char::is_ascii_digit)
        .count();
    let closest = format!("{number:.*e}", digits - 1);
    if closest.parse() == Ok(number) {
        closest
    } else {
        any
    }
}

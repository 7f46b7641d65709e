//! Documents in other coats: UTF-16, base64, JSON in JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use checkpoint::signing::{KeySecret, Oddity, VersionSecret};

use super::odd::{good, pem, version};

fn utf16(text: &str, mark: bool, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let mark = mark.then_some(0xfeff);
    mark.into_iter()
        .chain(text.encode_utf16())
        .flat_map(unit)
        .collect()
}

#[test]
fn documents_in_other_coats_are_read() {
    use Oddity::{
        Base64, ByteOrderMark, EscapedQuotes, JsonInString, KeyValue, RawLineEnds, Utf16,
    };
    let text = good().text();
    let string = serde_json::json!(text).to_string();
    let raw = format!(
        "{{\"private_key\": \"{}\", \"key_id\": \"amply-checkpoint-key-2025\", \"valid_from\": \"2025-01-01\", \"valid_until\": \"2026-01-01\"}}",
        pem()
    );
    let wide = |text: &str| utf16(text, true, u16::to_le_bytes);
    for (case, document, oddities) in [
        (
            "a mark",
            format!("\u{feff}{text}").into_bytes(),
            &[ByteOrderMark][..],
        ),
        ("PowerShell", wide(&text), &[ByteOrderMark, Utf16]),
        (
            "the other order",
            utf16(&text, true, u16::to_be_bytes),
            &[ByteOrderMark, Utf16],
        ),
        (
            "without a mark",
            utf16(&text, false, u16::to_le_bytes),
            &[Utf16],
        ),
        ("base64", STANDARD.encode(&text).into_bytes(), &[Base64]),
        (
            "base64 twice",
            STANDARD.encode(STANDARD.encode(&text)).into_bytes(),
            &[Base64],
        ),
        (
            "base64 of UTF-16",
            STANDARD.encode(wide(&text)).into_bytes(),
            &[ByteOrderMark, Utf16, Base64],
        ),
        ("a string", string.clone().into_bytes(), &[JsonInString]),
        (
            "a string of a string",
            serde_json::json!(string).to_string().into_bytes(),
            &[JsonInString],
        ),
        (
            "the console's key/value",
            serde_json::json!({ "key": text }).to_string().into_bytes(),
            &[KeyValue],
        ),
        (
            "the same without a name",
            serde_json::json!({ "": text }).to_string().into_bytes(),
            &[KeyValue],
        ),
        (
            "the same under that name",
            serde_json::json!({ "private_key": text })
                .to_string()
                .into_bytes(),
            &[KeyValue],
        ),
        (
            "the documentation form, as a string",
            serde_json::json!({ "name": "amply/checkpoint-signing-key", "value": text })
                .to_string()
                .into_bytes(),
            &[KeyValue],
        ),
        (
            "line ends inside of the string (Terraform's heredoc, hashicorp/terraform#29079)",
            raw.into_bytes(),
            &[RawLineEnds],
        ),
        (
            "escaped quotes",
            text.replace('\\', "\\\\").replace('"', "\\\"").into_bytes(),
            &[EscapedQuotes],
        ),
    ] {
        let read = KeySecret::parse(&document, None);
        let read = read.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(read.version(), &version(), "{case}");
        assert_eq!(read.oddities().as_slice(), oddities, "{case}");
    }
}

#[test]
fn a_file_of_versions_may_wear_the_same_coats() {
    let versions = format!(
        "[{}]",
        good().with("version_stages", "[\"AWSCURRENT\"]").text()
    );
    for document in [
        utf16(&versions, true, u16::to_le_bytes),
        STANDARD.encode(&versions).into_bytes(),
        format!("\u{feff}{versions}").into_bytes(),
    ] {
        let read = VersionSecret::parse_file(&document).unwrap();
        let read = read[0]
            .secret
            .as_ref()
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read.version(), &version());
        assert!(!read.oddities().is_empty());
    }
}

//! A good key stays that key through any mix of what shells, forms and editors do to it; and a changed one is never another key.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use checkpoint::key::KeyVersion;
use checkpoint::signing::KeySecret;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::openssl;
use crate::support::secret::{assert_silent, secret};

static PEMS: LazyLock<[String; 2]> =
    LazyLock::new(|| ["rsa-2048.pkcs1.pem", "rsa-2048.pkcs8.pem"].map(openssl::file));
static VERSION: LazyLock<KeyVersion> = LazyLock::new(|| secret(&PEMS[0]).version());
static CERTIFICATE: LazyLock<String> = LazyLock::new(|| openssl::file("rsa-2048.certificate.pem"));

/// What happens to the lines.
#[derive(Clone, Debug)]
enum Lines {
    Width(usize),
    Indent(usize),
    Trail(usize),
    Blank,
    Crlf,
}

/// What happens to the text after that.
#[derive(Clone, Debug)]
enum Text {
    Escape,
    Join,
    Quote,
    Around,
    Chain,
    Before,
    Mark,
    Percent,
    Entities,
    NoBreak,
    Dashes,
    Base64,
}

fn lines(pem: &str, change: &Lines) -> String {
    let each = |change: &dyn Fn(&str) -> String| -> String { pem.lines().map(change).collect() };
    match change {
        Lines::Width(width) => {
            let body: String = pem
                .lines()
                .filter(|line| !line.contains('-'))
                .map(str::trim)
                .collect();
            let body = body.as_bytes().chunks(*width);
            let body: Vec<&str> = body.map(|line| str::from_utf8(line).unwrap()).collect();
            let label = pem
                .split("-----")
                .nth(1)
                .unwrap()
                .strip_prefix("BEGIN ")
                .unwrap();
            format!(
                "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
                body.join("\n")
            )
        }
        Lines::Indent(by) => each(&|line| format!("{}{line}\n", " ".repeat(*by))),
        Lines::Trail(by) => each(&|line| format!("{line}{}\n", " ".repeat(*by))),
        Lines::Blank => each(&|line| format!("{line}\n\n")),
        Lines::Crlf => each(&|line| format!("{}\r\n", line.trim_end_matches('\r'))),
    }
}

fn text(pem: &str, change: &Text) -> String {
    match change {
        Text::Escape => pem
            .replace('\\', "\\\\")
            .replace('\r', "\\r")
            .replace('\n', "\\n"),
        Text::Join => pem.replace(['\r', '\n'], " "),
        Text::Quote => format!("\"{}\"", pem.trim()),
        Text::Around => format!("the key of 2025:\n{pem}\nkeep it safe"),
        Text::Chain => format!("{pem}\n{}", *CERTIFICATE),
        Text::Before => format!("{}\n{pem}", *CERTIFICATE),
        Text::Mark => format!("\u{feff}{pem}"),
        Text::Percent => pem
            .replace('%', "%25")
            .replace('+', "%2B")
            .replace('\n', "%0A")
            .replace('=', "%3D"),
        Text::Entities => pem
            .replace('&', "&amp;")
            .replace('\n', "&#10;")
            .replace('+', "&#43;"),
        Text::NoBreak => pem.replace(' ', "\u{a0}"),
        Text::Dashes => pem.replace("-----", "\u{2014}\u{2014}-"),
        Text::Base64 => STANDARD.encode(pem),
    }
}

fn any_lines() -> impl Strategy<Value = Lines> {
    prop_oneof![
        (20_usize..3000).prop_map(Lines::Width),
        (1_usize..9).prop_map(Lines::Indent),
        (1_usize..9).prop_map(Lines::Trail),
        Just(Lines::Blank),
        Just(Lines::Crlf),
    ]
}

fn any_text() -> impl Strategy<Value = Text> {
    use Text::{
        Around, Base64, Before, Chain, Dashes, Entities, Escape, Join, Mark, NoBreak, Percent,
        Quote,
    };
    proptest::sample::select(vec![
        Escape, Join, Quote, Around, Chain, Before, Mark, Percent, Entities, NoBreak, Dashes,
        Base64,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_mix_of_oddities_leaves_the_same_key(
        pkcs8 in any::<bool>(),
        line_changes in vec(any_lines(), 0..3),
        text_changes in vec(any_text(), 0..4),
    ) {
        let mut pem = PEMS[usize::from(pkcs8)].clone();
        for change in &line_changes {
            pem = lines(&pem, change);
        }
        // What stands beside base64 cannot be told from it.
        let alone = |change: &Text| matches!(change, Text::Around | Text::Chain | Text::Before);
        let mut is_base64 = false;
        for change in &text_changes {
            if !(is_base64 && alone(change)) {
                pem = text(&pem, change);
            }
            is_base64 |= matches!(change, Text::Base64);
        }
        let document = secret(&pem).text();
        let read = KeySecret::parse(&document, None);
        let read = read.unwrap_or_else(|error| panic!("{line_changes:?} {text_changes:?}: {error}"));
        prop_assert_eq!(read.version(), &*VERSION);
    }

    #[test]
    fn a_changed_character_is_the_same_key_or_none(
        pkcs8 in any::<bool>(),
        change in any_text(),
        at in any::<Index>(),
        with in proptest::char::any(),
    ) {
        let pem = text(&PEMS[usize::from(pkcs8)], &change);
        let mut chars: Vec<char> = pem.chars().collect();
        let at = at.index(chars.len());
        chars[at] = with;
        let document = secret(&chars.into_iter().collect::<String>()).text();
        match KeySecret::parse(&document, None) {
            Ok(read) => prop_assert_eq!(read.version(), &*VERSION),
            Err(error) => assert_silent(&error, &document),
        }
    }

    #[test]
    fn any_bytes_in_place_of_a_key_have_an_answer(
        bytes in vec(any::<u8>(), 0..200),
        pieces in vec(proptest::sample::select(vec![
            "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----", "---", "BEGIN", "\\n", "\\u00", "%0", "&#", "\"", "{",
            "MIIE", "\u{feff}", "\u{2014}", "=", "n", "/n", " ",
        ]), 0..12),
    ) {
        let _ = KeySecret::parse(&bytes, None);
        let _ = KeySecret::parse(&STANDARD.encode(&bytes), None);
        for pem in [String::from_utf8_lossy(&bytes).into_owned(), STANDARD.encode(&bytes), pieces.concat()] {
            let document = secret(&pem).text();
            if let Err(error) = KeySecret::parse(&document, None) {
                assert_silent(&error, &document);
            }
        }
    }
}

//! PEM as people met it in public, beyond what is ordinary: each kind with where somebody asked about it, where that is known.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use checkpoint::signing::{KeySecret, Oddity};

use super::odd::{body, good, pem, pkcs8, version, wrapped};
use crate::support::secret::{assert_silent_text, secret};

#[test]
fn what_people_met_in_public_is_read() {
    use Oddity::{
        Base64, Escaped, HtmlEntities, InvisibleCharacters, JoinedByBlanks, JsonAroundPem,
        LostBackslash, Markers, NoMarkers, OneLine, OtherLabel, PercentEncoded, PlusAsBlank,
        QuotedLines, TextAround, TypographicDashes, UrlSafe, Width, WrongSlash,
    };
    let account = serde_json::json!({"type": "service_account", "private_key_id": "0a1b", "private_key": pem()});
    let percent = pem()
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
        .replace('\n', "%0A");
    let quoted: String = pem()
        .lines()
        .map(|line| format!("'{line}\\n' +\n"))
        .collect();
    for (case, text, oddities) in [
        (
            "the base64 alone (OWOX/owox-data-marts#1501, kestra-io/plugin-jdbc#598)",
            body(&pem()),
            &[NoMarkers][..],
        ),
        ("the same of PKCS#8", body(&pkcs8()), &[NoMarkers]),
        (
            "base64url alone (michelin/snowflake-grafana-datasource#38)",
            body(&pem()).replace('+', "-").replace('/', "_"),
            &[NoMarkers, UrlSafe],
        ),
        (
            "base64 of the PEM (github-aws-runners/terraform-aws-github-runner#40)",
            STANDARD.encode(pem()),
            &[Base64],
        ),
        ("base64url of the PEM", URL_SAFE.encode(pem()), &[Base64]),
        (
            "base64 of base64",
            STANDARD.encode(STANDARD.encode(pem())),
            &[Base64],
        ),
        (
            "base64 of a line of .env",
            URL_SAFE_NO_PAD.encode(pem().replace('\n', "\\n")),
            &[Base64, Escaped],
        ),
        (
            "/n for \\n (auth0/node-jsonwebtoken#517)",
            pem().trim().replace('\n', "/n"),
            &[OneLine, WrongSlash],
        ),
        (
            "a shell ate the backslash (OWOX/owox-data-marts#1501)",
            pem().trim().replace('\n', "n"),
            &[OneLine, LostBackslash],
        ),
        (
            "a form made + a blank (digitalbazaar/forge#603)",
            pem().replace('+', " "),
            &[PlusAsBlank],
        ),
        (
            "and lost the line ends",
            pem().trim().replace(['+', '\n'], " "),
            &[JoinedByBlanks, PlusAsBlank],
        ),
        ("percent-encoded", percent, &[PercentEncoded]),
        (
            "a form, encoded",
            pem()
                .replace('+', "%2B")
                .replace('\n', "%0A")
                .replace(' ', "+"),
            &[PercentEncoded, Markers],
        ),
        (
            "entities of HTML",
            pem()
                .replace('\n', "&#10;")
                .replace('+', "&#43;")
                .replace('/', "&#x2F;"),
            &[HtmlEntities],
        ),
        (
            "<br>",
            pem().replace('\n', "<br>\n"),
            &[HtmlEntities, Oddity::BlankLines],
        ),
        (
            "strings of a program (jasonsims/aws-cloudfront-sign#19)",
            quoted,
            &[Escaped, TextAround, QuotedLines],
        ),
        (
            "bytes of Python, printed (sybrenstuvel/python-rsa#49)",
            format!("b'{}'", pem().replace('\n', "\\n")),
            &[Escaped, TextAround],
        ),
        (
            "a service account (intotecho, terraform-provider-azuredevops#1376)",
            account.to_string(),
            &[JsonAroundPem],
        ),
        (
            "a dash is missing (auth0/node-jsonwebtoken#517)",
            pem().replace("-----B", "----B"),
            &[Markers],
        ),
        (
            "small letters",
            pem().replace("BEGIN RSA PRIVATE KEY", "begin rsa private key"),
            &[Markers],
        ),
        (
            "dashes of a word processor",
            pem().replace("-----", "\u{2014}\u{2014}-"),
            &[TypographicDashes],
        ),
        (
            "blanks that do not break",
            pem().replace(' ', "\u{a0}"),
            &[InvisibleCharacters],
        ),
        (
            "a blank without width",
            pem().replace('\n', "\u{200b}\n"),
            &[InvisibleCharacters],
        ),
        (
            "a mark before it",
            format!("\u{feff}{}", pem()),
            &[Oddity::ByteOrderMark],
        ),
        (
            "the label of PKCS#8",
            pem().replace(" RSA PRIVATE", " PRIVATE"),
            &[OtherLabel],
        ),
        (
            "the label of PKCS#1",
            pkcs8().replace(" PRIVATE", " RSA PRIVATE"),
            &[OtherLabel],
        ),
        (
            "Java's properties",
            wrapped(&pem(), 64, "\\n\\\n    "),
            &[Escaped, Width],
        ),
    ] {
        let read = KeySecret::parse(&secret(&text).text(), None);
        let read = read.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(read.version(), &version(), "{case}");
        let found = read.oddities().as_slice();
        let expected = if case.starts_with("Java") {
            &oddities[..1]
        } else {
            oddities
        };
        assert!(
            expected.iter().all(|oddity| found.contains(oddity)),
            "{case}: {found:?}"
        );
        assert_silent_text(&read.oddities().warning().unwrap(), &good().text());
    }
}

//! PEM that is not written as it should be, and leaves no doubt which key is meant: it is read, and what was odd is told.

use checkpoint::key::KeyVersion;
use checkpoint::signing::{KeySecret, Oddity};

use crate::support::document::Document;
use crate::support::openssl;
use crate::support::secret::{assert_silent_text, secret};

pub(super) fn pem() -> String {
    openssl::file("rsa-2048.pkcs1.pem")
}

pub(super) fn pkcs8() -> String {
    openssl::file("rsa-2048.pkcs8.pem")
}

pub(super) fn good() -> Document {
    secret(&pem())
}

pub(super) fn version() -> KeyVersion {
    good().version()
}

/// The base64 alone.
pub(super) fn body(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

/// The body in lines of another width.
pub(super) fn wrapped(pem: &str, width: usize, end: &str) -> String {
    let text = body(pem);
    let lines = text.as_bytes().chunks(width);
    let lines: Vec<&str> = lines.map(|line| str::from_utf8(line).unwrap()).collect();
    let lines = lines.join(end);
    format!("-----BEGIN RSA PRIVATE KEY-----{end}{lines}{end}-----END RSA PRIVATE KEY-----{end}")
}

/// Asserts that the document is read as the good one, and what was odd; and that the warning tells nothing of the key.
pub(super) fn assert_read(document: impl AsRef<[u8]>, case: &str, oddities: &[Oddity]) {
    let read = KeySecret::parse(&document, None);
    let read = read.unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(read.version(), &version(), "{case}");
    assert_eq!(read.oddities().as_slice(), oddities, "{case}");
    let warning = read.oddities().warning().unwrap();
    assert_silent_text(&warning, &good().text());
    assert!(warning.contains(&oddities[0].to_string()), "{warning}");
}

/// The same of a text that stands in `private_key`.
pub(super) fn assert_pem_read(pem: &str, case: &str, oddities: &[Oddity]) {
    assert_read(secret(pem).text(), case, oddities);
}

#[test]
fn what_is_as_it_should_be_is_not_odd() {
    for text in [
        pem(),
        pkcs8(),
        pem().replace('\n', "\r\n"),
        format!("\n {}\n", pem()),
        // kjur/jsrsasign#628
        pem().replace("\n-----END", "\n\n-----END"),
        // Line ends of old Macs (RFC 7468, section 3).
        pem().replace('\n', "\r"),
    ] {
        let read = KeySecret::parse(&secret(&text).text(), None).unwrap();
        assert!(read.oddities().is_empty(), "{:?}", read.oddities());
        assert_eq!(read.oddities().warning(), None);
    }
}

#[test]
fn lines_that_came_out_otherwise_are_read() {
    use Oddity::{
        BlankLines, Escaped, Indented, JoinedByBlanks, OneLine, Padding, QuotedLines, Width,
    };
    let lines = |change: &dyn Fn(&str) -> String| -> String { pem().lines().map(change).collect() };
    let stripped = pem().replace("=\n-", "\n-").replace("=\n-", "\n-");
    let unpadded = pkcs8().replace("=\n-", "\n-").replace("=\n-", "\n-");
    assert_eq!(
        stripped,
        pem(),
        "this key has no padding; the other one is for that"
    );
    assert_ne!(unpadded, pkcs8());
    for (case, text, oddities) in [
        ("escaped twice", pem().replace('\n', "\\n"), &[Escaped][..]),
        (
            "escaped three times",
            pem().replace('\n', "\\\\n"),
            &[Escaped],
        ),
        ("escaped CR LF", pem().replace('\n', "\\r\\n"), &[Escaped]),
        (
            "escaped and ended",
            pem().replace('\n', "\\n\n"),
            &[Escaped, BlankLines],
        ),
        (
            "escaped by number",
            pem().replace('\n', "\\u000a"),
            &[Escaped],
        ),
        (
            "a shell's line ends",
            pem().replace('\n', "\\\n"),
            &[Escaped],
        ),
        (
            "joined by blanks",
            pem().replace('\n', " "),
            &[JoinedByBlanks],
        ),
        (
            "joined by tabs",
            pem().replace('\n', "\t"),
            &[JoinedByBlanks],
        ),
        ("joined", pem().replace('\n', ""), &[OneLine]),
        ("76", wrapped(&pem(), 76, "\n"), &[Width]),
        ("48", wrapped(&pem(), 48, "\n"), &[Width]),
        ("one long line", wrapped(&pem(), 10_000, "\n"), &[Width]),
        (
            "blanks after",
            lines(&|line| format!("{line}  \n")),
            &[Indented],
        ),
        (
            "indented",
            lines(&|line| format!("    {line}\n")),
            &[Indented],
        ),
        (
            "tabs before",
            lines(&|line| format!("\t{line}\n")),
            &[Indented],
        ),
        ("blank lines", pem().replace('\n', "\n\n"), &[BlankLines]),
        (
            "a mail",
            lines(&|line| format!("> {line}\n")),
            &[Oddity::TextAround, QuotedLines],
        ),
        ("without =", unpadded, &[Padding]),
    ] {
        let read = KeySecret::parse(&secret(&text).text(), None);
        let read = read.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(read.version(), &version(), "{case}");
        let found = read.oddities().as_slice();
        assert!(
            !found.is_empty() && oddities.iter().all(|o| found.contains(o)),
            "{case}: {found:?}"
        );
        assert_silent_text(&read.oddities().warning().unwrap(), &good().text());
    }
}

#[test]
fn text_and_certificates_around_are_left_aside() {
    let certificate = openssl::file("rsa-2048.certificate.pem");
    let public = openssl::file("rsa-2048.spki.pem");
    let bag = "Bag Attributes\n    localKeyID: 54 69 6D 65\nKey Attributes: <No Attributes>\n";
    use Oddity::{OtherPem, TextAround};
    for (case, text, oddities) in [
        (
            "the key first",
            format!("{}{certificate}{certificate}", pem()),
            &[OtherPem][..],
        ),
        (
            "the chain first",
            format!("{certificate}{certificate}{}", pem()),
            &[OtherPem],
        ),
        ("a public key", format!("{public}{}", pkcs8()), &[OtherPem]),
        (
            "a cut certificate",
            format!("{}{}", pem(), &certificate[..200]),
            &[OtherPem],
        ),
        ("openssl pkcs12", format!("{bag}{}", pkcs8()), &[TextAround]),
        (
            "openssl -text",
            format!(
                "Private-Key: (2048 bit, 2 primes)\nmodulus:\n    00:b1:53\n{}",
                pem()
            ),
            &[TextAround],
        ),
        ("a shell's prompt", format!("{}%", pem()), &[TextAround]),
        ("quotes", format!("\"{}\"", pem().trim()), &[TextAround]),
        (
            "quotes in quotes",
            format!("'\"{}\"'", pem().trim()),
            &[TextAround],
        ),
        (
            "a fence of Markdown",
            format!("```\n{}```\n", pem()),
            &[TextAround],
        ),
        (
            "a line of .env",
            format!("export JWT_PRIVATE_KEY=\"{}\"", pem()),
            &[TextAround],
        ),
        ("YAML", format!("private_key: |\n{}", pem()), &[TextAround]),
        (
            "a heredoc of Terraform",
            format!("<<EOT\n{}EOT\n", pem()),
            &[TextAround],
        ),
        (
            "CSV",
            format!("key-2025,\"{}\",2025-01-01", pem().trim()),
            &[TextAround],
        ),
    ] {
        assert_pem_read(&text, case, oddities);
    }
}

#[test]
fn the_same_key_twice_is_one_key() {
    use Oddity::Repeated;
    assert_pem_read(&format!("{}{}", pem(), pem()), "twice", &[Repeated]);
    assert_pem_read(
        &format!("{}{}", pem(), pkcs8()),
        "both formats",
        &[Repeated],
    );
}

#[test]
fn the_samples_of_the_issue_are_read() {
    use Oddity::{Escaped, OneLine, OtherPem, Width};
    let pem = pem();
    for (case, text, oddity) in [
        ("double_escaped", pem.replace('\n', "\\n"), Escaped),
        ("one_line_nosep", pem.replace('\n', ""), OneLine),
        ("unwrapped_body", wrapped(&pem, 10_000, "\n"), Width),
        ("body76", wrapped(&pem, 76, "\n"), Width),
        (
            "key_then_cert",
            format!("{pem}{}", openssl::file("rsa-2048.certificate.pem")),
            OtherPem,
        ),
    ] {
        assert_pem_read(&text, case, &[oddity]);
    }
}

//! What was odd about a secret that could be read all the same.

use std::fmt;

/// One way in which a secret is not as it should be. None makes it doubtful which key is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Oddity {
    /// A byte order mark stands before the text.
    ByteOrderMark,
    /// The text is UTF-16.
    Utf16,
    /// The document, or the PEM, is in base64 as a whole.
    Base64,
    /// The document is a string of JSON that holds it.
    JsonInString,
    /// The document is the value of a member of another object, as the AWS console's key/value editor makes it.
    KeyValue,
    /// Every quote of the document has a backslash before it.
    EscapedQuotes,
    /// Lines end inside of a string of JSON.
    RawLineEnds,
    /// `private_key` holds JSON that holds the PEM, such as the key file of a service account.
    JsonAroundPem,
    /// The line ends are escaped once more than JSON does.
    Escaped,
    /// Characters are written as %0A, %2B.
    PercentEncoded,
    /// Characters are written as entities of HTML.
    HtmlEntities,
    /// Characters that nobody sees, or blanks that are none of ASCII.
    InvisibleCharacters,
    /// Dashes are none of ASCII.
    TypographicDashes,
    /// BEGIN and END stand between more or fewer than five dashes, or in small letters.
    Markers,
    /// The label says PKCS#1 and the document is PKCS#8, or the other way round.
    OtherLabel,
    /// BEGIN and END are missing.
    NoMarkers,
    /// Text stands before or after the PEM.
    TextAround,
    /// Certificates, public keys or parameters stand beside the key.
    OtherPem,
    /// The same key stands there more than once.
    Repeated,
    /// The PEM has no line ends at all.
    OneLine,
    /// Blanks stand where lines ended.
    JoinedByBlanks,
    /// Lines of the body have another width than 64.
    Width,
    /// Blanks before or after lines.
    Indented,
    /// Lines that are empty.
    BlankLines,
    /// Each line is a string of a programming language, or is quoted as in a mail.
    QuotedLines,
    /// `-` and `_` stand for `+` and `/`.
    UrlSafe,
    /// The = at the end are missing, or too many.
    Padding,
    /// Plus signs became blanks.
    PlusAsBlank,
    /// Lines end in `n`: the backslash before it is lost.
    LostBackslash,
    /// Lines end in `/n`.
    WrongSlash,
}

impl Oddity {
    fn as_str(self) -> &'static str {
        match self {
            Self::ByteOrderMark => "a byte order mark (BOM) stands before it",
            Self::Utf16 => "it is UTF-16 (expected UTF-8)",
            Self::Base64 => "it is in base64 as a whole",
            Self::JsonInString => "the document is a string of JSON that holds the document",
            Self::KeyValue => {
                "the document is the value of a member of another object (key/value in the AWS console; expected \"plaintext\")"
            }
            Self::EscapedQuotes => "each of its quotes has a backslash before it",
            Self::RawLineEnds => "lines end inside of a string of JSON (expected \\n there)",
            Self::JsonAroundPem => "private_key holds JSON that holds the PEM",
            Self::Escaped => {
                "line ends are escaped twice (\\n as two characters, expected line ends)"
            }
            Self::PercentEncoded => "characters are percent-encoded (%0A)",
            Self::HtmlEntities => "characters are entities of HTML",
            Self::InvisibleCharacters => {
                "invisible characters or blanks of typesetting stand in it"
            }
            Self::TypographicDashes => "dashes are those of typesetting (expected -)",
            Self::Markers => {
                "BEGIN and END are not written as they should be (expected five dashes on each side, capitals)"
            }
            Self::OtherLabel => {
                "BEGIN and END do not say what the document is (RSA PRIVATE KEY is PKCS#1, PRIVATE KEY is PKCS#8)"
            }
            Self::NoMarkers => "the lines BEGIN and END are missing",
            Self::TextAround => "text stands before or after the PEM",
            Self::OtherPem => "certificates, public keys or parameters stand beside the key",
            Self::Repeated => "the same key stands there more than once",
            Self::OneLine => "it has no line ends",
            Self::JoinedByBlanks => "blanks stand where lines ended",
            Self::Width => "its lines have another width than 64",
            Self::Indented => "blanks stand before or after lines",
            Self::BlankLines => "some lines are empty",
            Self::QuotedLines => "its lines are quoted one by one",
            Self::UrlSafe => "it is base64url (- and _ for + and /)",
            Self::Padding => "the = at its end are missing or too many",
            Self::PlusAsBlank => "plus signs became blanks",
            Self::LostBackslash => "lines end in the letter n, whose backslash is lost",
            Self::WrongSlash => "lines end in /n (expected line ends)",
        }
    }

    /// Whether it is of the document rather than of the PEM in it.
    fn is_of_document(self) -> bool {
        self <= Self::RawLineEnds
    }
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was odd about one secret, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oddities(Vec<Oddity>);

impl Oddities {
    pub(crate) fn note(&mut self, oddity: Oddity) {
        if let Err(at) = self.0.binary_search(&oddity) {
            self.0.insert(at, oddity);
        }
    }

    pub(crate) fn note_if(&mut self, is_there: bool, oddity: Oddity) {
        if is_there {
            self.note(oddity);
        }
    }

    pub(crate) fn extend(&mut self, others: &Self) {
        others.0.iter().for_each(|oddity| self.note(*oddity));
    }

    /// They, in the order of their declaration.
    pub fn as_slice(&self) -> &[Oddity] {
        &self.0
    }

    /// Whether all is as it should be.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A sentence for whoever looks after the secret: what was odd, and what to do. None when all is as it should be.
    pub fn warning(&self) -> Option<String> {
        let found: Vec<&str> = self.0.iter().map(|oddity| oddity.as_str()).collect();
        let field = match self.0.iter().any(|oddity| !oddity.is_of_document()) {
            true => "private_key",
            false => "secret",
        };
        (!found.is_empty()).then(|| {
            format!(
                "{field}: was read, there is no doubt which key it is, but {}; nothing need be done now: write the next \
                 version as docs/guide/operator.md says under \"A key that is not read\"",
                found.join("; ")
            )
        })
    }
}

//! Why a text gives no key: what it is instead, and the commands that make of it what is expected.
//!
//! In the commands, `key.pem` is what `private_key` holds and `secret.json` the document; `rsa.pem` is the key as it should be.

use std::fmt;

use crate::fault::excerpt;
use crate::key::{DerKind, PrivateKeyError, declared_size};

/// How a key in PEM becomes the private_key of a document.
const INTO: &str = "`jq --rawfile pem rsa.pem '.private_key = $pem' secret.json > mended.json`";

/// How another key is made.
const ANOTHER: &str = "`openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out rsa.pem`";

/// What is expected.
const EXPECTED: &str = "expected BEGIN RSA PRIVATE KEY (PKCS#1) or BEGIN PRIVATE KEY (PKCS#8)";

/// Why there is no key. No variant holds key material.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Nothing but blanks.
    Empty,
    /// Nothing that is known.
    NotPem,
    /// The key itself is refused.
    Key(PrivateKeyError),
    /// PKCS#8 or traditional, under a passphrase.
    Encrypted,
    /// A key that is not RSA, by its label.
    OtherKey(&'static str),
    /// PKCS#1 of a key for RSASSA-PSS alone, as OpenSSL 3 labels it.
    PssLabel,
    /// Something public: what it is.
    Public(&'static str),
    /// The format of OpenSSH.
    OpenSsh,
    /// The format of PuTTY.
    Putty,
    /// PKCS#12, in base64.
    Pkcs12,
    /// A keystore of Java, in base64.
    JavaKeystore,
    /// A JWK.
    Jwk,
    /// The XML of .NET.
    Xml,
    /// PEM of something else: its label.
    Label(String),
    /// Several private keys: their labels.
    SeveralKeys(Vec<String>),
    /// BEGIN and END say different things.
    WrongEnd { begin: String, end: String },
    /// There is no END.
    NoEnd(String),
    /// There is no BEGIN.
    NoBegin(String),
    /// Bytes are missing at the end, or too many.
    Size { found: usize, expected: usize },
    /// A number of characters that no base64 has.
    LostCharacters,
    /// A character that no base64 has.
    Character { line: usize, column: usize },
    /// The place of a key, or a variable that was not replaced: what it is.
    Reference(&'static str),
    /// Something that a tool has encrypted: the tool.
    Ciphertext(&'static str),
    /// Dots or stars in place of a key.
    Placeholder,
    /// A document of its own.
    Document,
}

impl Refusal {
    /// Why the DER of a key was refused.
    pub(super) fn of_der(der: &[u8], error: PrivateKeyError) -> Self {
        if !matches!(error, PrivateKeyError::Der(_)) {
            return Self::Key(error);
        }
        match declared_size(der) {
            Some(expected) if expected != der.len() => {
                return Self::Size {
                    found: der.len(),
                    expected,
                };
            }
            _ => {}
        }
        match DerKind::of(der) {
            Some(DerKind::Encrypted) => Self::Encrypted,
            Some(DerKind::Sec1) => Self::OtherKey("an EC key"),
            Some(DerKind::Pkcs12) => Self::Pkcs12,
            Some(DerKind::Public) => Self::Public("a public key"),
            Some(DerKind::Certificate) => Self::Public("a certificate"),
            _ => Self::Key(error),
        }
    }

    /// A character at this place of a body.
    pub(super) fn character(body: &str, at: usize) -> Self {
        let before = body.get(..at).unwrap_or_default();
        let line = before.matches('\n').count();
        let last = before.rsplit('\n').next().unwrap_or_default();
        Self::Character {
            line: line + 1,
            column: last.chars().count() + 1,
        }
    }
}

impl From<PrivateKeyError> for Refusal {
    fn from(error: PrivateKeyError) -> Self {
        match error {
            PrivateKeyError::Encrypted => Self::Encrypted,
            error => Self::Key(error),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let again = format!("put it there from its file: {INTO}");
        let whole = |f: &mut fmt::Formatter<'_>, found: &str| {
            write!(f, "{found}; expected a whole key: {again}")
        };
        match self {
            Self::Empty => whole(f, "is not PEM, but empty"),
            Self::NotPem => write!(f, "is not PEM; {EXPECTED}: {again}"),
            Self::Key(error) => key(f, error),
            Self::Encrypted => write!(
                f,
                "is encrypted; expected an unencrypted key, since the secret store protects it: `openssl pkey -in key.pem \
                 -out rsa.pem` asks for the passphrase, then {INTO}"
            ),
            Self::OtherKey(what) => write!(
                f,
                "is {what}; expected an RSA key, and none can be made of it: make another one by {ANOTHER}, then {INTO}"
            ),
            Self::PssLabel => write!(
                f,
                "is PEM of \"RSA-PSS PRIVATE KEY\", an RSA key marked for RSASSA-PSS alone; expected RSA PRIVATE KEY, which \
                 makes the same signatures: `sed 's/RSA-PSS /RSA /' key.pem > rsa.pem`, then {INTO}"
            ),
            Self::Public(what) => write!(
                f,
                "is {what}; expected the private key that belongs to it: put that there by {INTO}, with its file as rsa.pem; \
                 where nobody has it, make another one by {ANOTHER} before"
            ),
            Self::OpenSsh => write!(
                f,
                "is PEM of \"OPENSSH PRIVATE KEY\", the format of OpenSSH; {EXPECTED}: `cp key.pem rsa.pem && chmod 600 rsa.pem \
                 && ssh-keygen -q -p -m PEM -N '' -f rsa.pem`, then {INTO}"
            ),
            Self::Putty => write!(
                f,
                "is a key of PuTTY; {EXPECTED}: `puttygen key.pem -O private-openssh -o rsa.pem`, then {INTO}"
            ),
            Self::Pkcs12 => write!(
                f,
                "is PKCS#12 (.p12, .pfx) in base64; {EXPECTED}: `tr -d '\\r\\n' < key.pem | openssl base64 -d -A -out key.p12`, \
                 `openssl pkcs12 -in key.p12 -nocerts -nodes | openssl pkey -out rsa.pem`, then {INTO}"
            ),
            Self::JavaKeystore => write!(
                f,
                "is a keystore of Java in base64; {EXPECTED}: `tr -d '\\r\\n' < key.pem | openssl base64 -d -A -out key.jks`, \
                 `keytool -importkeystore -srckeystore key.jks -destkeystore key.p12 -deststoretype PKCS12`, \
                 `openssl pkcs12 -in key.p12 -nocerts -nodes | openssl pkey -out rsa.pem`, then {INTO}"
            ),
            Self::Jwk => write!(
                f,
                "is a JWK; {EXPECTED}: `node -e 'console.log(crypto.createPrivateKey({{format: \"jwk\", key: \
                 JSON.parse(fs.readFileSync(\"key.pem\"))}}).export({{type: \"pkcs8\", format: \"pem\"}}))' > rsa.pem`, then {INTO}"
            ),
            Self::Xml => write!(
                f,
                "is XML, as .NET writes keys; {EXPECTED}, which ExportRSAPrivateKeyPem() writes: {again}"
            ),
            Self::Label(label) => write!(
                f,
                "is PEM of {}; expected RSA PRIVATE KEY (PKCS#1) or PRIVATE KEY (PKCS#8): {again}",
                excerpt(label)
            ),
            Self::SeveralKeys(labels) => write!(
                f,
                "holds {} different private keys ({}); expected one: `openssl pkey -in key.pem -out rsa.pem` takes the first, \
                 then {INTO}",
                labels.len(),
                labels.join(", ")
            ),
            Self::WrongEnd { begin, end } => whole(
                f,
                &format!("begins as {} and ends as {}", excerpt(begin), excerpt(end)),
            ),
            Self::NoEnd(label) => whole(f, &format!("is cut off: there is no END {label}")),
            Self::NoBegin(label) => whole(f, &format!("is cut off: there is no BEGIN {label}")),
            Self::Size { found, expected } => whole(
                f,
                &format!(
                    "is not a complete document: it has {found} bytes, and {expected} by its own first bytes"
                ),
            ),
            Self::LostCharacters => whole(
                f,
                "is not a complete document: characters of its base64 are missing or too many",
            ),
            Self::Character { line, column } => whole(
                f,
                &format!(
                    "has a character that no base64 has, in line {line} after BEGIN, column {column}"
                ),
            ),
            Self::Reference(what) => whole(f, &format!("is not PEM, but {what}")),
            Self::Ciphertext(tool) => write!(
                f,
                "is encrypted by {tool}; expected an unencrypted key, since the secret store protects it: decrypt it, and {again}"
            ),
            Self::Placeholder => {
                whole(f, "is a placeholder: there is no key between BEGIN and END")
            }
            Self::Document => write!(
                f,
                "is a whole document, with a name or a window of its own; expected PEM, or that document alone: \
                 `jq -r .private_key secret.json > mended.json`"
            ),
        }
    }
}

fn key(f: &mut fmt::Formatter<'_>, error: &PrivateKeyError) -> fmt::Result {
    write!(f, "{error}: ")?;
    match error {
        PrivateKeyError::PssOnly { at } => write!(
            f,
            "`openssl asn1parse -in key.pem -strparse {at} -noout -out key.der`, `openssl rsa -inform DER -in key.der -out \
             rsa.pem`, then {INTO}"
        ),
        PrivateKeyError::MultiPrime | PrivateKeyError::NotRsa(_) | PrivateKeyError::Public(_) => {
            write!(f, "make another one by {ANOTHER}, then {INTO}")
        }
        _ => write!(f, "put it there from its file: {INTO}"),
    }
}

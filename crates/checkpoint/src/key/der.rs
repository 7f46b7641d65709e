//! What a DER document is, told by its first elements: enough to name a key that is something else than what was expected.
//!
//! Lengths and tags alone are looked at, and nothing is copied.

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DerKind {
    /// `RSAPrivateKey` of two primes (RFC 8017, appendix A.1.2).
    Pkcs1,
    /// `RSAPrivateKey` of more than two primes.
    MultiPrime,
    /// `PrivateKeyInfo` (RFC 5958), whose key stands `at` this byte.
    Pkcs8 { at: usize },
    /// `EncryptedPrivateKeyInfo` (RFC 5958).
    Encrypted,
    /// `ECPrivateKey` (RFC 5915).
    Sec1,
    /// `PFX` (RFC 7292): a .p12 or .pfx file.
    Pkcs12,
    /// `SubjectPublicKeyInfo` or `RSAPublicKey`.
    Public,
    /// `Certificate` (RFC 5280), or a request for one.
    Certificate,
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// The first element of some bytes.
struct Element<'a> {
    tag: u8,
    /// How many bytes it takes, its tag and length among them; more than there are where it was cut short.
    size: usize,
    /// What is there of its content.
    content: &'a [u8],
    /// What follows it.
    rest: &'a [u8],
}

impl<'a> Element<'a> {
    fn first(bytes: &'a [u8]) -> Option<Self> {
        let (tag, length) = (*bytes.first()?, *bytes.get(1)?);
        // X.690, section 8.1.3: a short length, or how many bytes have it.
        let (header, length) = match length {
            0..=0x7f => (2, usize::from(length)),
            0x81..=0x84 => {
                let count = usize::from(length & 0x7f);
                let digits = bytes.get(2..2 + count)?.iter();
                let length = digits.fold(0, |sum, digit| sum << 8 | usize::from(*digit));
                (2 + count, length)
            }
            _ => return None,
        };
        let size = header.checked_add(length)?;
        let end = size.min(bytes.len());
        Some(Self {
            tag,
            size,
            content: bytes.get(header..end).unwrap_or_default(),
            rest: bytes.get(end..).unwrap_or_default(),
        })
    }

    fn tagged(bytes: &'a [u8], tag: u8) -> Option<Self> {
        Self::first(bytes).filter(|element| element.tag == tag)
    }
}

/// How many bytes a document has by its own word, if it begins as one does.
pub(crate) fn declared_size(der: &[u8]) -> Option<usize> {
    Element::tagged(der, SEQUENCE).map(|document| document.size)
}

impl DerKind {
    /// What the document is, if it is any of these.
    pub(crate) fn of(der: &[u8]) -> Option<Self> {
        let document = Element::tagged(der, SEQUENCE)?;
        let first = Element::first(document.content)?;
        let second = Element::first(first.rest)?;
        let header = document.size.checked_sub(document.content.len());
        match (first.tag, first.content, second.tag) {
            (INTEGER, [0], INTEGER) => Some(Self::Pkcs1),
            (INTEGER, [1], INTEGER) => Some(Self::MultiPrime),
            (INTEGER, [0 | 1], SEQUENCE) => Some(Self::Pkcs8 {
                at: header?.checked_add(first.size)?.checked_add(second.size)?,
            }),
            (INTEGER, [1], OCTET_STRING) => Some(Self::Sec1),
            (INTEGER, [3], SEQUENCE) => Some(Self::Pkcs12),
            (INTEGER, _, INTEGER) => Some(Self::Public),
            (SEQUENCE, _, OCTET_STRING) => Some(Self::Encrypted),
            (SEQUENCE, _, BIT_STRING) => Some(Self::Public),
            (SEQUENCE, _, SEQUENCE) => Some(Self::Certificate),
            _ => None,
        }
    }
}

//! Rows judged by the header of their signature alone: that the key made the signature is known from elsewhere.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use memchr::memmem;

use checkpoint::checkpoint::PublishedOutline;
use checkpoint::jws::{DetachedJws, JwsType, ProtectedHeader};
use checkpoint::keyring::{Keyring, PinnedKeyring};
use checkpoint::verdict::{VerdictKind, explain, judge_header};

/// How the signature stands in canonical JSON: never first, as `checkpoint_id` goes before it. In canonical JSON these
/// bytes are always a member's name: within a string a quotation mark has a backslash before it.
const SIGNATURE: &[u8] = br#","signature":""#;

/// A verdict, and a sentence for one that is not valid.
#[derive(Clone)]
pub(super) struct Judged {
    pub(super) kind: VerdictKind,
    pub(super) explanation: String,
}

/// The headers that this service writes for one key, and the times at which they are valid.
pub(super) struct KnownHeader {
    before: String,
    after: String,
    valid: Range<i64>,
}

impl KnownHeader {
    pub(super) fn all(keyring: &Keyring) -> Vec<Self> {
        let entries = keyring.published().into_iter();
        let known = entries.filter_map(|entry| {
            let version = entry.version();
            let header = ProtectedHeader {
                alg: version.algorithm,
                iat: DateTime::UNIX_EPOCH,
                kid: version.key_id.clone(),
                typ: JwsType::Checkpoint,
            };
            let text = header.to_json();
            let (before, after) = text.split_once(":0,")?;
            let distrusted = entry.revocation().map(|r| r.distrust_after.timestamp());
            let until = version.window.until().timestamp();
            Some(Self {
                before: format!("{before}:"),
                after: format!(",{after}"),
                valid: version.window.from().timestamp()..until.min(distrusted.unwrap_or(until)),
            })
        });
        known.collect()
    }

    /// When it was signed, if it is valid.
    fn valid_at(&self, header: &[u8]) -> Option<i64> {
        let iat = header
            .strip_prefix(self.before.as_bytes())
            .and_then(|rest| rest.strip_suffix(self.after.as_bytes()));
        // A number has one text in a header of this form.
        let number = |digits: &[u8]| {
            let digits = std::str::from_utf8(digits).ok()?;
            let plain = digits.starts_with(|c: char| matches!(c, '1'..='9'));
            plain.then(|| digits.parse::<i64>().ok()).flatten()
        };
        iat.and_then(number).filter(|iat| self.valid.contains(iat))
    }
}

/// Judges lines by their headers.
pub(super) struct Headers<'a> {
    known: &'a [KnownHeader],
    keyring: &'a PinnedKeyring,
    signature: memmem::Finder<'static>,
    decoded: Vec<u8>,
    /// The last one that is not known to be valid at a glance: it is mostly that of the next line, too.
    last: Vec<u8>,
    judged: Option<Result<i64, Judged>>,
}

impl<'a> Headers<'a> {
    pub(super) fn new(known: &'a [KnownHeader], keyring: &'a PinnedKeyring) -> Self {
        Self {
            known,
            keyring,
            signature: memmem::Finder::new(SIGNATURE),
            decoded: Vec::new(),
            last: Vec::new(),
            judged: None,
        }
    }

    /// When a valid one was signed. What is said of a line that is not canonical is worth nothing, and then the root is wrong.
    pub(super) fn judge(&mut self, line: &[u8]) -> Result<i64, Judged> {
        let Some(signature) = self.only_signature(line) else {
            return self.judge_whole(line);
        };
        let header = memchr::memchr(b'.', signature).and_then(|dot| signature.get(..dot));
        let Some(header) = header else {
            return self.judge_whole(line);
        };
        self.judge_by(header, signature)
    }

    /// When it was signed, if this signature of a row that is canonical is valid.
    pub(super) fn judge_signature(&mut self, signature: &str) -> Result<i64, Judged> {
        let signature = signature.as_bytes();
        let end = memchr::memchr(b'.', signature).unwrap_or(signature.len());
        let header = signature.get(..end).unwrap_or_default();
        self.judge_by(header, signature)
    }

    fn judge_by(&mut self, header: &[u8], signature: &[u8]) -> Result<i64, Judged> {
        if let Some(signed_at) = self.known_to_be_valid_at(header) {
            return Ok(signed_at);
        }
        if let Some(judged) = &self.judged
            && header == self.last
        {
            return judged.clone();
        }
        let judged = judge_signature(self.keyring, &String::from_utf8_lossy(signature));
        self.last = header.to_vec();
        self.judged.insert(judged).clone()
    }

    fn known_to_be_valid_at(&mut self, header: &[u8]) -> Option<i64> {
        self.decoded.clear();
        let decoded = URL_SAFE_NO_PAD.decode_vec(header, &mut self.decoded);
        decoded.ok()?;
        let mut known = self.known.iter();
        known.find_map(|known| known.valid_at(&self.decoded))
    }

    /// The text of the signature, if no member elsewhere has its name.
    fn only_signature<'l>(&self, line: &'l [u8]) -> Option<&'l [u8]> {
        let mut found = self.signature.find_iter(line);
        let (Some(at), None) = (found.next(), found.next()) else {
            return None;
        };
        let text = line.get(at + SIGNATURE.len()..)?;
        text.get(..memchr::memchr(b'"', text)?)
    }

    fn judge_whole(&self, line: &[u8]) -> Result<i64, Judged> {
        match PublishedOutline::from_published_json(line) {
            Ok(published) => judge_signature(self.keyring, &published.signature),
            Err(error) => Err(malformed(&error)),
        }
    }
}

pub(super) fn malformed(problem: &dyn std::fmt::Display) -> Judged {
    Judged {
        kind: VerdictKind::Malformed,
        explanation: format!("this is not a signed checkpoint: {problem}"),
    }
}

/// The verdict on a signature that the key is known to have made if the key is known, or when a valid one was made.
fn judge_signature(keyring: &PinnedKeyring, signature: &str) -> Result<i64, Judged> {
    let jws = match DetachedJws::parse(signature) {
        Ok(jws) => jws,
        Err(error) => return Err(malformed(&format!("signature: {error}"))),
    };
    let header = jws.header();
    let kind = judge_header(&keyring.trusted, header, |_| true);
    let explanation = match keyring.untrusted.get(&header.kid) {
        _ if kind == VerdictKind::Valid => return Ok(header.iat.timestamp()),
        Some(broken) => format!("no chain from the pinned key: {broken}"),
        None => explain(&keyring.trusted, kind, header),
    };
    Err(Judged { kind, explanation })
}

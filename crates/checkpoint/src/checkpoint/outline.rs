//! What a history is judged by, read without building the whole checkpoint.
//!
//! Published JSON is in its canonical form already, so that its payload is its text without the signature. That is
//! seen in one pass; a text of any other form goes the ordinary way, with the same result.

use super::json::{FIXED_VALUES, MAX_JSON_BYTES, MAX_NESTING, MAX_VALUES};
use super::{
    Checkpoint, CheckpointId, CumulativeHash, EntryCount, InvalidCheckpoint, LedgerId,
    MAX_PAYLOAD_BYTES, MAX_SAFE_INTEGER, SIGNATURE_MEMBER, Timestamp, TotalVolume,
};
use crate::identifier;

/// The members of a checkpoint that place it in its ledger's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Its name within the ledger.
    pub checkpoint_id: CheckpointId,
    /// The ledger.
    pub ledger_id: LedgerId,
    /// When the ledger took it.
    pub timestamp: Timestamp,
    /// The head of the hash chain.
    pub cumulative_hash: CumulativeHash,
    /// Entries up to here.
    pub entry_count: EntryCount,
    /// Sum of the entries, in minor units.
    pub total_volume: TotalVolume,
}

impl From<&Checkpoint> for Outline {
    fn from(checkpoint: &Checkpoint) -> Self {
        checkpoint.fields().clone()
    }
}

/// A published checkpoint as far as a verifier needs it. Nothing is said about its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedOutline {
    /// Its place in the history.
    pub outline: Outline,
    /// The RFC 8785 bytes that are signed.
    pub payload: Vec<u8>,
    /// The text of its `signature` member.
    pub signature: String,
}

impl PublishedOutline {
    /// Reads the published JSON. It takes and refuses what [`Checkpoint::from_published_json`] does.
    ///
    /// # Errors
    /// [`InvalidCheckpoint`] names every member that is missing or wrong.
    pub fn from_published_json(text: &[u8]) -> Result<Self, InvalidCheckpoint> {
        if let Some(canonical) = Self::from_canonical_json(text) {
            return Ok(canonical);
        }
        let (checkpoint, signature) = Checkpoint::from_published_json(text)?;
        Ok(Self {
            outline: Outline::from(&checkpoint),
            payload: checkpoint.payload().as_bytes().to_vec(),
            signature,
        })
    }
}

impl PublishedOutline {
    /// Reads published JSON in its canonical form; none for nearly every other form, right or wrong. What is read so
    /// [`from_published_json`](Self::from_published_json) reads as well, with the same result.
    #[must_use]
    pub fn from_canonical_json(text: &[u8]) -> Option<Self> {
        CanonicalJson::read(text)?.to_outline()
    }
}

impl Outline {
    /// Reads the published JSON for its place alone.
    ///
    /// # Errors
    /// [`InvalidCheckpoint`] names every member that is missing or wrong.
    pub fn from_published_json(text: &[u8]) -> Result<Self, InvalidCheckpoint> {
        match PublishedOutline::from_canonical_json(text) {
            Some(canonical) => Ok(canonical.outline),
            None => Ok(Self::from(&Checkpoint::from_published_json(text)?.0)),
        }
    }
}

/// An [`Outline`], as it stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlineText<'a> {
    /// Its name within the ledger.
    pub checkpoint_id: &'a str,
    /// The ledger.
    pub ledger_id: &'a str,
    /// When the ledger took it.
    pub timestamp: Timestamp,
    /// The head of the hash chain.
    pub cumulative_hash: CumulativeHash,
    /// Entries up to here.
    pub entry_count: EntryCount,
    /// Sum of the entries, in minor units.
    pub total_volume: TotalVolume,
}

impl<'a> From<&'a Outline> for OutlineText<'a> {
    fn from(outline: &'a Outline) -> Self {
        Self {
            checkpoint_id: outline.checkpoint_id.as_str(),
            ledger_id: outline.ledger_id.as_str(),
            timestamp: outline.timestamp,
            cumulative_hash: outline.cumulative_hash,
            entry_count: outline.entry_count,
            total_volume: outline.total_volume,
        }
    }
}

/// Published JSON in its canonical form: nothing of it is copied. Nothing is said about its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanonicalJson<'a> {
    /// Its place in the history.
    pub place: OutlineText<'a>,
    /// The RFC 8785 bytes that are signed: what stands before the signature, and behind it.
    pub payload: [&'a str; 2],
    /// The text of its `signature` member.
    pub signature: &'a str,
}

impl<'a> CanonicalJson<'a> {
    /// Reads a text that is certainly canonical; none for every other, right or wrong. What is read so
    /// [`PublishedOutline::from_published_json`] reads as well, with the same result.
    #[must_use]
    pub fn read(text: &'a [u8]) -> Option<Self> {
        scan(text)
    }

    fn to_outline(self) -> Option<PublishedOutline> {
        let place = self.place;
        Some(PublishedOutline {
            outline: Outline {
                checkpoint_id: place.checkpoint_id.parse().ok()?,
                ledger_id: place.ledger_id.parse().ok()?,
                timestamp: place.timestamp,
                cumulative_hash: place.cumulative_hash,
                entry_count: place.entry_count,
                total_volume: place.total_volume,
            },
            payload: self.payload.concat().into_bytes(),
            signature: self.signature.to_owned(),
        })
    }
}

/// The members that have a meaning here, as they stand in the text.
#[derive(Default)]
struct Members<'a> {
    checkpoint_id: Option<&'a str>,
    ledger_id: Option<&'a str>,
    timestamp: Option<&'a str>,
    cumulative_hash: Option<&'a str>,
    entry_count: Option<i64>,
    total_volume: Option<i64>,
    summaries: bool,
    signature: Option<&'a str>,
}

fn scan(text: &[u8]) -> Option<CanonicalJson<'_>> {
    if text.len() > MAX_JSON_BYTES {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let mut scanner = Scanner {
        rest: text,
        left: MAX_VALUES + FIXED_VALUES,
    };
    let mut members = Members::default();
    // From the comma before the signature to its end.
    let mut cut = None;
    let mut previous = "";
    scanner.count()?;
    scanner.take('{')?;
    loop {
        let start = text.len() - scanner.rest.len();
        if !previous.is_empty() {
            scanner.take(',')?;
        }
        let name = scanner.name()?;
        if name <= previous {
            return None;
        }
        previous = name;
        match name {
            "checkpoint_id" => members.checkpoint_id = Some(scanner.member()?),
            "ledger_id" => members.ledger_id = Some(scanner.member()?),
            "timestamp" => members.timestamp = Some(scanner.member()?),
            "cumulative_hash" => members.cumulative_hash = Some(scanner.member()?),
            "entry_count" => members.entry_count = Some(scanner.number()?),
            "total_volume" => members.total_volume = Some(scanner.number()?),
            "organization_summaries" => {
                scanner.objects()?;
                members.summaries = true;
            }
            SIGNATURE_MEMBER => {
                members.signature = Some(scanner.member()?);
                cut = Some((start, text.len() - scanner.rest.len()));
            }
            _ => scanner.value(1)?,
        }
        if let Some(rest) = scanner.rest.strip_prefix('}') {
            scanner.rest = rest;
            break;
        }
    }
    let (start, end) = cut?;
    let (before, after) = (text.get(..start)?, text.get(end..)?);
    if !scanner.rest.is_empty()
        || !members.summaries
        || before.len() + after.len() > MAX_PAYLOAD_BYTES
    {
        return None;
    }
    let (checkpoint_id, ledger_id) = (members.checkpoint_id?, members.ledger_id?);
    identifier::check(checkpoint_id).ok()?;
    identifier::check(ledger_id).ok()?;
    Some(CanonicalJson {
        place: OutlineText {
            checkpoint_id,
            ledger_id,
            timestamp: members.timestamp?.parse().ok()?,
            cumulative_hash: members.cumulative_hash?.parse().ok()?,
            entry_count: i128::from(members.entry_count?).try_into().ok()?,
            total_volume: i128::from(members.total_volume?).try_into().ok()?,
        },
        payload: [before, after],
        signature: members.signature?,
    })
}

/// What is not read yet, and how many values that may have. Each method takes something that has one canonical form, in that form.
struct Scanner<'a> {
    rest: &'a str,
    left: usize,
}

impl<'a> Scanner<'a> {
    fn take(&mut self, expected: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    fn count(&mut self) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        Some(())
    }

    /// A string that is a member's value.
    fn member(&mut self) -> Option<&'a str> {
        self.count()?;
        self.string()
    }

    /// A member's name and its colon. Of ASCII alone, so that its bytes have the order of its UTF-16 units; not empty.
    fn name(&mut self) -> Option<&'a str> {
        let name = self.string()?;
        self.take(':')?;
        (name.is_ascii() && !name.is_empty()).then_some(name)
    }

    /// A string in which nothing is escaped.
    fn string(&mut self) -> Option<&'a str> {
        self.take('"')?;
        let end = memchr::memchr2(b'"', b'\\', self.rest.as_bytes())?;
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.strip_prefix('"')?;
        // Without an early end, so that the compiler looks at many bytes at once.
        let has_control = text
            .bytes()
            .fold(false, |found, byte| found | (byte < 0x20));
        (!has_control).then_some(text)
    }

    /// An integer that is a member's value.
    fn number(&mut self) -> Option<i64> {
        self.count()?;
        self.integer()
    }

    fn integer(&mut self) -> Option<i64> {
        let digits = self.rest.strip_prefix('-').unwrap_or(self.rest);
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        let (text, rest) = self
            .rest
            .split_at_checked(self.rest.len() - digits.len() + count)?;
        let leading_zero = digits.starts_with('0') && text != "0";
        if leading_zero || rest.starts_with(['.', 'e', 'E']) {
            return None;
        }
        let number: i64 = text.parse().ok()?;
        self.rest = rest;
        (number.unsigned_abs() <= MAX_SAFE_INTEGER).then_some(number)
    }

    /// An array of objects.
    fn objects(&mut self) -> Option<()> {
        self.count()?;
        self.items(']', '[', |scanner| {
            scanner.rest.starts_with('{').then(|| scanner.value(2))?
        })
    }

    /// Any value; `depth` counts the objects and arrays that it and its container open.
    fn value(&mut self, depth: usize) -> Option<()> {
        self.count()?;
        match self.rest.bytes().next()? {
            b'"' => self.string().map(|_| ()),
            b'[' if depth <= MAX_NESTING => {
                self.items(']', '[', |scanner| scanner.value(depth + 1))
            }
            b'{' if depth <= MAX_NESTING => {
                let mut previous = None;
                self.items('}', '{', |scanner| {
                    let name = scanner.name()?;
                    if previous.is_some_and(|previous| name <= previous) {
                        return None;
                    }
                    previous = Some(name);
                    scanner.value(depth + 1)
                })
            }
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.integer().map(|_| ()),
        }
    }

    fn word(&mut self, expected: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    /// What stands between brackets, with commas between.
    fn items(
        &mut self,
        close: char,
        open: char,
        mut item: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.take(open)?;
        if self.take(close).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            if self.take(close).is_some() {
                return Some(());
            }
            self.take(',')?;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    fn published(text: &[u8]) -> Option<PublishedOutline> {
        let (checkpoint, signature) = Checkpoint::from_published_json(text).ok()?;
        Some(PublishedOutline {
            outline: Outline::from(&checkpoint),
            payload: checkpoint.payload().as_bytes().to_vec(),
            signature,
        })
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1000_i64..1000).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-z\"\\\\é\u{1}\u{7f}\u{10000}]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-cé]{0,2}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn any_checkpoint() -> impl Strategy<Value = Map<String, Value>> {
        let additional =
            prop::collection::btree_map("[a-zé]{0,3}|signature|t.*", any_value(), 0..4);
        let summary = prop::collection::btree_map("[a-c]{1,2}", any_value(), 0..3);
        let summaries = prop::collection::vec(summary, 0..3);
        (additional, summaries, -5_i64..1_i64 << 54, any::<i64>()).prop_map(
            |(additional, summaries, count, volume)| {
                let mut object: Map<String, Value> = additional.into_iter().collect();
                let text = |text: &str| Value::from(text);
                object.insert("checkpoint_id".into(), text("chk_1"));
                object.insert("ledger_id".into(), text("org_1"));
                object.insert("timestamp".into(), text("2025-01-15T23:59:59Z"));
                let hash = format!("sha256:{}", "0a".repeat(32));
                object.insert("cumulative_hash".into(), text(&hash));
                object.insert("entry_count".into(), count.into());
                object.insert("total_volume".into(), (volume >> 9).into());
                let summaries = summaries.into_iter().map(|summary| {
                    Value::Object(summary.into_iter().collect::<Map<String, Value>>())
                });
                object.insert("organization_summaries".into(), summaries.collect());
                object.insert("signature".into(), text("e30..AA"));
                object
            },
        )
    }

    proptest! {
        #[test]
        fn what_the_scanner_takes_is_what_the_reader_takes(object in any_checkpoint()) {
            let plain = serde_json::to_vec(&object).unwrap();
            let canonical = serde_json_canonicalizer::to_vec(&object).unwrap();
            for text in [plain, canonical] {
                if let Some(found) = PublishedOutline::from_canonical_json(&text) {
                    prop_assert_eq!(Some(found), published(&text));
                }
            }
        }

        #[test]
        fn a_changed_byte_misleads_nobody(
            object in any_checkpoint(), at in any::<prop::sample::Index>(), byte in any::<u8>(), insert in any::<bool>(),
        ) {
            let mut text = serde_json_canonicalizer::to_vec(&object).unwrap();
            let at = at.index(text.len());
            if insert {
                text.insert(at, byte);
            } else {
                text[at] = byte;
            }
            if let Some(found) = PublishedOutline::from_canonical_json(&text) {
                prop_assert_eq!(Some(found), published(&text));
            }
        }
    }

    #[test]
    fn both_ways_count_the_values() {
        let golden = include_str!("../../../../tests/golden/PS256.published.json").trim_end();
        let with = |count: usize| {
            let zeros = vec!["0"; count].join(",");
            golden.replacen('{', &format!(r#"{{"a":[{zeros}],"#), 1)
        };
        // By bisection: each try reads all of it.
        let (mut most, mut beyond) = (1, MAX_VALUES + 1);
        while most + 1 < beyond {
            let middle = most.midpoint(beyond);
            match published(with(middle).as_bytes()) {
                Some(_) => most = middle,
                None => beyond = middle,
            }
        }
        assert!(scan(with(most).as_bytes()).is_some());
        assert!(scan(with(beyond).as_bytes()).is_none());
    }

    #[test]
    fn published_checkpoints_are_scanned() {
        let golden = include_bytes!("../../../../tests/golden/PS256.published.json");
        assert!(scan(golden.trim_ascii_end()).is_some());
    }

    #[test]
    fn other_forms_go_the_ordinary_way() {
        let golden = include_str!("../../../../tests/golden/PS256.published.json").trim_end();
        let expected = published(golden.as_bytes()).unwrap();
        for other in [
            golden.replacen(':', ": ", 1),
            golden.replacen("\"c", "\"\\u0063", 1),
            format!("{golden}\n"),
        ] {
            assert!(scan(other.as_bytes()).is_none(), "{other}");
            let found = PublishedOutline::from_published_json(other.as_bytes()).unwrap();
            assert_eq!(found, expected);
        }
    }
}

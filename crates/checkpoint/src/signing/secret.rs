//! The secret document: one key version as the secret store (or a file) holds it.
//!
//! Its text holds the private key. So it is never parsed into ordinary strings, which nobody wipes: members
//! are borrowed from the caller's zeroizing buffer, and only the PEM is copied, into another one. No error
//! repeats what a member holds, except for short values of members that are no key.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{OpenKey, SigningKey};
use crate::fault::{self, Faults, FieldFault};
use crate::identifier::IdentifierError;
use crate::key::Algorithm;
use crate::key::{
    KeyId, KeyVersion, PrivateKey, PrivateKeyError, StagingLabel, ValidityWindow, instant_text,
    parse_instant,
};
use crate::keyring::Endorsement;

/// Largest text of a secret in bytes: Secrets Manager's own bound (AWS, "Quotas for Secrets Manager").
pub const MAX_SECRET_BYTES: usize = 65_536;

/// Longest value of a member that is no key: longer than any name or date.
const MAX_PLAIN_BYTES: usize = 128;

/// Longest run of base64 characters that an error repeats: longer than the words of names, much shorter than
/// a line of PEM.
const MAX_RUN: usize = 24;

/// Longest staging label in bytes: Secrets Manager's own bound (AWS, UpdateSecretVersionStage).
const MAX_LABEL_BYTES: usize = 256;

const MEMBERS: [&str; 6] = [
    "private_key",
    "key_id",
    "valid_from",
    "valid_until",
    "algorithm",
    "endorsement",
];
const STAGES_MEMBER: &str = "version_stages";

/// Why a document is refused: at least one fault, each naming its member, none holding key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", fault::list(.0))]
pub struct SecretError(pub Vec<FieldFault>);

impl SecretError {
    fn one(field: &str, problem: impl Into<String>) -> Self {
        Self(vec![FieldFault::new(field, problem)])
    }
}

/// A key version with its private half, as the document gave it. Not `Clone`, not `Debug`.
pub struct KeySecret {
    version: KeyVersion,
    private: PrivateKey,
    endorsement: Option<Endorsement>,
    unknown_members: Vec<String>,
}

/// One version of a source, good or bad, with its staging labels.
pub struct VersionSecret {
    /// The labels that the version has.
    pub stages: Vec<StagingLabel>,
    /// What the version holds.
    pub secret: Result<KeySecret, SecretError>,
}

impl KeySecret {
    /// Reads `{"private_key", "key_id", "valid_from", "valid_until"}`, also in the documentation form
    /// `{"name", "value"}`, whose name must then be `expected_name` where one is expected.
    ///
    /// # Errors
    /// [`SecretError`] names every member that is wrong.
    pub fn parse(text: &str, expected_name: Option<&str>) -> Result<Self, SecretError> {
        check_size(text)?;
        Self::from_members(Members::parse(text)?, expected_name)
    }

    fn from_members(members: Members, expected_name: Option<&str>) -> Result<Self, SecretError> {
        if members.get("private_key").is_none()
            && let (Some(name), Some(value)) = (members.get("name"), members.get("value"))
        {
            if let Some(expected) = expected_name
                && plain(Some(name)).ok().as_deref() != Some(expected)
            {
                let problem = format!("is not the name asked for; expected {expected:?}");
                return Err(SecretError::one("name", problem));
            }
            return Self::from_value(Members::parse(value.get())?);
        }
        Self::from_value(members)
    }

    fn from_value(members: Members) -> Result<Self, SecretError> {
        let mut faults = Faults::default();
        let private = faults.take("private_key", private_key(members.get("private_key")));
        let key_id = faults.take("key_id", key_id(members.get("key_id")));
        let algorithm = match members.get("algorithm") {
            None => Some(Algorithm::default()),
            found => faults.take("algorithm", parsed(found)),
        };
        let endorsement = match members.get("endorsement") {
            None => None,
            found => faults.take("endorsement", endorsement(found)),
        };
        let mut instant = |name| faults.take(name, parsed_by(members.get(name), parse_instant));
        let (from, until) = (instant("valid_from"), instant("valid_until"));
        let window = match (from, until) {
            (Some(from), Some(until)) => {
                faults.take("valid_until", ValidityWindow::new(from, until))
            }
            _ => None,
        };
        let faults = faults.into_vec();
        let (Some(private), Some(key_id), Some(algorithm), Some(window), []) =
            (private, key_id, algorithm, window, faults.as_slice())
        else {
            return Err(SecretError(faults));
        };
        Ok(Self {
            version: KeyVersion {
                key_id,
                window,
                algorithm,
                public_key: private.public_key().clone(),
            },
            private,
            endorsement,
            unknown_members: members.unknown(),
        })
    }

    /// Generates a key, has it endorsed by the key in force where there is one, and gives the document that holds
    /// both, ready for the secret store.
    ///
    /// # Errors
    /// [`PrivateKeyError::Generation`] when `bits` is out of bounds, [`PrivateKeyError::Endorsement`] when the
    /// endorser cannot sign.
    pub fn generate(
        key_id: KeyId,
        window: ValidityWindow,
        algorithm: Algorithm,
        bits: usize,
        endorser: Option<&OpenKey<'_>>,
    ) -> Result<(Zeroizing<String>, Self), PrivateKeyError> {
        let (pem, private) = PrivateKey::generate(bits)?;
        let version = KeyVersion {
            key_id,
            window,
            algorithm,
            public_key: private.public_key().clone(),
        };
        let endorsement = endorser.map(|key| key.endorse(&version)).transpose()?;
        let secret = Self {
            version,
            private,
            endorsement,
            unknown_members: Vec::new(),
        };
        Ok((secret.document(&pem), secret))
    }

    /// The public half.
    pub fn version(&self) -> &KeyVersion {
        &self.version
    }

    /// The endorsement by the key before it.
    pub fn endorsement(&self) -> Option<&Endorsement> {
        self.endorsement.as_ref()
    }

    /// Names of members that this service does not know.
    pub fn unknown_members(&self) -> &[String] {
        &self.unknown_members
    }

    /// The key, ready to be opened inside of its window.
    pub fn into_signing_key(self) -> SigningKey {
        SigningKey::new(self.version, self.private)
    }
}

impl VersionSecret {
    /// Reads a file: one document (which is AWSCURRENT), or an array of documents that each have the
    /// additional member `version_stages`, a list of labels. A faulty version does not hide the others.
    ///
    /// # Errors
    /// [`SecretError`] when the text as a whole cannot be read, or a label stands on two versions.
    pub fn parse_file(text: &str) -> Result<Vec<Self>, SecretError> {
        // As many versions as a century of yearly rollovers has.
        if text.len() > 100 * MAX_SECRET_BYTES {
            return Err(too_large(text.len(), 100 * MAX_SECRET_BYTES));
        }
        if !text.trim_start().starts_with('[') {
            return Ok(vec![Self {
                stages: vec![StagingLabel::Current],
                secret: KeySecret::parse(text, None),
            }]);
        }
        let items: Vec<&RawValue> = serde_json::from_str(text).map_err(not_json)?;
        let mut versions = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let in_item = |error: SecretError| {
                let at = |fault: FieldFault| {
                    FieldFault::new(format!("[{index}].{}", fault.field), fault.problem)
                };
                SecretError(error.0.into_iter().map(at).collect())
            };
            check_size(item.get()).map_err(in_item)?;
            let members = Members::parse(item.get()).map_err(in_item)?;
            let stages = stages(&members).map_err(in_item)?;
            versions.push(Self {
                stages,
                secret: KeySecret::from_members(members, None).map_err(in_item),
            });
        }
        let mut labels: Vec<&StagingLabel> = versions.iter().flat_map(|v| &v.stages).collect();
        labels.sort();
        if let Some([label, _]) = labels.array_windows().find(|[a, b]| a == b) {
            let label = quoted(label.as_str());
            let problem = format!("{label} stands on two versions; expected one");
            return Err(SecretError::one(STAGES_MEMBER, problem));
        }
        Ok(versions)
    }
}

impl KeySecret {
    /// The secret document. Identifiers, instants, JWS and PEM need no escaping but of line ends.
    fn document(&self, pem: &str) -> Zeroizing<String> {
        let version = &self.version;
        let endorsement = self.endorsement.as_ref().map(Endorsement::compact);
        let endorsement = endorsement.map(|jws| format!(",\n  \"endorsement\": \"{jws}\""));
        let endorsement = endorsement.unwrap_or_default();
        // Large enough from the start: a string that grows leaves copies behind.
        let capacity = 2 * pem.len() + endorsement.len() + 1024;
        let mut text = Zeroizing::new(String::with_capacity(capacity));
        text.push_str("{\n  \"private_key\": \"");
        for line in pem.lines() {
            text.push_str(line);
            text.push_str("\\n");
        }
        // Writing to a string does not fail.
        let _ = write!(
            *text,
            "\",\n  \"key_id\": \"{}\",\n  \"valid_from\": \"{}\",\n  \"valid_until\": \"{}\",\n  \
             \"algorithm\": \"{}\"{endorsement}\n}}\n",
            version.key_id,
            instant_text(version.window.from()),
            instant_text(version.window.until()),
            version.algorithm
        );
        text
    }
}

fn check_size(text: &str) -> Result<(), SecretError> {
    if text.len() > MAX_SECRET_BYTES {
        return Err(too_large(text.len(), MAX_SECRET_BYTES));
    }
    Ok(())
}

fn too_large(found: usize, most: usize) -> SecretError {
    SecretError::one(
        "secret",
        format!("has {found} bytes; expected at most {most}"),
    )
}

/// serde's own message may repeat the text, so that only the place is told.
fn not_json(error: serde_json::Error) -> SecretError {
    let (line, column) = (error.line(), error.column());
    SecretError::one(
        "secret",
        format!(
            "is not the JSON that is expected (line {line}, column {column}); \
             expected an object with private_key, key_id, valid_from and valid_until"
        ),
    )
}

/// The members of an object, borrowed from the text.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    fn parse(text: &'a str) -> Result<Self, SecretError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let members = reader
            .deserialize_map(MembersVisitor)
            .and_then(|members| reader.end().map(|()| members))
            .map_err(not_json)?;
        let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some([name, _]) = names.array_windows().find(|[a, b]| a == b) {
            let name = quoted(name);
            let problem = format!("{name} stands there twice; expected each member once");
            return Err(SecretError::one("secret", problem));
        }
        Ok(Self(members))
    }

    fn get(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.0.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| *value)
    }

    fn unknown(&self) -> Vec<String> {
        let names = self.0.iter().map(|(name, _)| name.as_str());
        names
            .filter(|name| !MEMBERS.contains(name) && *name != STAGES_MEMBER)
            .map(quoted)
            .collect()
    }
}

struct MembersVisitor;

impl<'a> Visitor<'a> for MembersVisitor {
    type Value = Vec<(String, &'a RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

/// A member that holds a name or a date. Whatever looks like a key in the wrong place is not repeated.
fn plain(member: Option<&RawValue>) -> Result<String, String> {
    let raw = member.ok_or("is missing; expected a string")?.get();
    if raw.len() > MAX_PLAIN_BYTES + 2 || raw.contains("-----") || raw.contains("\\n") {
        return Err(format!(
            "has {} bytes or several lines; expected one short line",
            raw.len()
        ));
    }
    serde_json::from_str(raw).map_err(|_| "is not a string; expected one".into())
}

fn parsed<T: FromStr<Err: fmt::Display>>(member: Option<&RawValue>) -> Result<T, String> {
    parsed_by(member, str::parse)
}

fn parsed_by<T, E: fmt::Display>(
    member: Option<&RawValue>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, String> {
    let text = plain(member)?;
    parse(&text).map_err(|error| {
        if may_be_key(&text) {
            "holds what may be a part of a key; expected one short name or date".into()
        } else {
            error.to_string()
        }
    })
}

/// A name that could be taken for a fingerprint is told as such: that error does not repeat it.
fn key_id(member: Option<&RawValue>) -> Result<KeyId, String> {
    let taken_for_fingerprint = IdentifierError::Fingerprint;
    match plain(member).map(|text| text.parse::<KeyId>()) {
        Ok(Err(error)) if error == taken_for_fingerprint => Err(error.to_string()),
        _ => parsed(member),
    }
}

/// Quotes a name for an error or a log, unless it may be a key in the wrong place.
fn quoted(name: &str) -> String {
    if may_be_key(name) {
        format!("a name of {} bytes, not repeated here,", name.len())
    } else {
        fault::excerpt(name)
    }
}

fn may_be_key(text: &str) -> bool {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let mut runs = text.split(|c| !is_base64(c));
    text.contains("-----") || runs.any(|run| run.len() > MAX_RUN)
}

/// A JWS is public, and longer than what [`plain`] reads.
fn endorsement(member: Option<&RawValue>) -> Result<Endorsement, String> {
    let text = member.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    let text = text.ok_or("is not a string; expected a JWS")?;
    Endorsement::parse(&text).map_err(|error| error.to_string())
}

fn private_key(member: Option<&RawValue>) -> Result<PrivateKey, String> {
    let raw = member.ok_or("is missing; expected an RSA private key as PEM")?;
    let pem = unescape(raw.get()).ok_or("is not a string that PEM may be; expected PEM")?;
    PrivateKey::from_pem(&pem).map_err(|error| error.to_string())
}

/// Reads a JSON string of ASCII into a buffer that is wiped. serde_json would leave a copy in its own.
fn unescape(raw: &str) -> Option<Zeroizing<String>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = Zeroizing::new(String::with_capacity(inner.len()));
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        let c = match c {
            '\\' => match rest.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits = rest.as_str().get(..4)?;
                    let code = u8::from_str_radix(digits, 16).ok()?;
                    rest.nth(3)?;
                    char::from(code)
                }
                c @ ('"' | '\\' | '/') => c,
                _ => return None,
            },
            c => c,
        };
        if !c.is_ascii() {
            return None;
        }
        text.push(c);
    }
    Some(text)
}

fn stages(members: &Members) -> Result<Vec<StagingLabel>, SecretError> {
    let labels = members.get(STAGES_MEMBER).map(RawValue::get);
    let labels: Vec<String> = labels
        .and_then(|raw| serde_json::from_str(raw).ok())
        .ok_or_else(|| {
            SecretError::one(
                STAGES_MEMBER,
                "is missing or not a list of strings; expected for example [\"AWSCURRENT\"]",
            )
        })?;
    if let Some(label) = labels
        .iter()
        .find(|l| l.len() > MAX_LABEL_BYTES || may_be_key(l))
    {
        let label = quoted(label);
        let problem = format!("holds {label}; expected labels of at most {MAX_LABEL_BYTES} bytes");
        return Err(SecretError::one(STAGES_MEMBER, problem));
    }
    Ok(labels.iter().map(|l| l.as_str().into()).collect())
}

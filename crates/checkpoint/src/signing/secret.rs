//! The secret document: one key version as the secret store (or a file) holds it.
//!
//! Its text holds the private key. So it is never parsed into ordinary strings, which nobody wipes: members
//! are borrowed from the caller's zeroizing buffer, and only the PEM is copied, into another one. No error
//! repeats what a member holds, except for short values of members that are no key.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::error::SecretError;
use super::json::{Members, NotMembers, may_be_key, quoted, unescape};
use super::oddity::{Oddities, Oddity};
use super::{OpenKey, SigningKey, armor, envelope, missing};
use crate::fault::{Faults, FieldFault};
use crate::identifier::IdentifierError;
use crate::key::{
    Algorithm, KeyId, KeyVersion, PrivateKey, PrivateKeyError, StagingLabel, ValidityWindow,
    instant_text, parse_instant,
};
use crate::keyring::Endorsement;

/// Largest text of a secret in bytes: Secrets Manager's own bound (AWS, "Quotas for Secrets Manager").
pub const MAX_SECRET_BYTES: usize = 65_536;

/// Longest value of a member that is no key: longer than any name or date.
const MAX_PLAIN_BYTES: usize = 128;

/// Longest staging label in bytes: Secrets Manager's own bound (AWS, UpdateSecretVersionStage).
const MAX_LABEL_BYTES: usize = 256;

/// How deep a document may stand in others that a console made around it.
const MAX_DEPTH: usize = 3;

const MEMBERS: [&str; 6] = [
    "private_key",
    "key_id",
    "valid_from",
    "valid_until",
    "algorithm",
    "endorsement",
];
const STAGES_MEMBER: &str = "version_stages";

/// A key version with its private half, as the document gave it. Not `Clone`, not `Debug`.
pub struct KeySecret {
    version: KeyVersion,
    private: PrivateKey,
    endorsement: Option<Endorsement>,
    unknown_members: Vec<String>,
    oddities: Oddities,
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
    /// What is not written as it should be, and leaves no doubt all the same, is read; [`KeySecret::oddities`] tells of it.
    ///
    /// # Errors
    /// [`SecretError`] names every member that is wrong.
    pub fn parse(
        document: &(impl AsRef<[u8]> + ?Sized),
        expected_name: Option<&str>,
    ) -> Result<Self, SecretError> {
        let bytes = document.as_ref();
        check_size(bytes.len())?;
        let mut oddities = Oddities::default();
        let text = envelope::open(bytes, &mut oddities)?;
        let members = parse_members(&text)?;
        let mut secret = Self::from_members(members, expected_name, MAX_DEPTH)?;
        secret.oddities.extend(&oddities);
        Ok(secret)
    }

    fn from_members(
        members: Members<'_>,
        expected_name: Option<&str>,
        depth: usize,
    ) -> Result<Self, SecretError> {
        let is_documentation = members.get("private_key").is_none();
        if let (true, Some(name), Some(value)) =
            (is_documentation, members.get("name"), members.get("value"))
        {
            if let Some(expected) = expected_name
                && plain(Some(name)).ok().as_deref() != Some(expected)
            {
                let problem = format!("is not the name asked for; expected {expected:?}");
                return Err(SecretError::one("name", problem));
            }
            return match inner_document(value) {
                Some(inner) => Self::from_inner(&inner, expected_name, depth),
                None => Self::from_value(parse_members(value.get())?),
            };
        }
        match sole_document(&members) {
            Some(inner) => Self::from_inner(&inner, expected_name, depth),
            None => Self::from_value(members),
        }
    }

    /// Reads the document that is the value of a member.
    fn from_inner(
        text: &str,
        expected_name: Option<&str>,
        depth: usize,
    ) -> Result<Self, SecretError> {
        let Some(depth) = depth.checked_sub(1) else {
            let problem = "is a document in a document in a document; expected it alone";
            return Err(SecretError::one("secret", problem));
        };
        let mut oddities = Oddities::default();
        let text = envelope::open(text.as_bytes(), &mut oddities)?;
        let mut secret = Self::from_members(parse_members(&text)?, expected_name, depth)?;
        oddities.note(Oddity::KeyValue);
        secret.oddities.extend(&oddities);
        Ok(secret)
    }

    fn from_value(members: Members<'_>) -> Result<Self, SecretError> {
        let (mut faults, mut oddities) = (Faults::default(), Oddities::default());
        let private = faults.take("private_key", private_key(&members, &mut oddities));
        let key_id = faults.take("key_id", key_id(&members));
        let algorithm = match members.get("algorithm") {
            None => Some(Algorithm::default()),
            Some(found) => faults.take("algorithm", parsed(found)),
        };
        let endorsement = match members.get("endorsement") {
            None => None,
            Some(found) => faults.take("endorsement", endorsement(found)),
        };
        let mut instant = |name| {
            let instant = missing::required(&members, name);
            faults.take(
                name,
                instant.and_then(|found| parsed_by(found, parse_instant)),
            )
        };
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
            unknown_members: unknown(&members),
            oddities,
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
            oddities: Oddities::default(),
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

    /// What was not written as it should be, and could be read all the same.
    pub fn oddities(&self) -> &Oddities {
        &self.oddities
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
    pub fn parse_file(file: &(impl AsRef<[u8]> + ?Sized)) -> Result<Vec<Self>, SecretError> {
        // As many versions as a century of yearly rollovers has.
        let (bytes, most) = (file.as_ref(), 100 * MAX_SECRET_BYTES);
        if bytes.len() > most {
            return Err(too_large(bytes.len(), most));
        }
        let mut oddities = Oddities::default();
        let opened = envelope::open(bytes, &mut oddities);
        let Some(text) = opened
            .as_ref()
            .ok()
            .filter(|text| text.trim_start().starts_with('['))
        else {
            return Ok(vec![Self {
                stages: vec![StagingLabel::Current],
                secret: KeySecret::parse(bytes, None),
            }]);
        };
        let items: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|error| not_json(&error, text))?;
        let mut versions = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let in_item = |error: SecretError| {
                let at = |fault: FieldFault| {
                    FieldFault::new(format!("[{index}].{}", fault.field), fault.problem)
                };
                SecretError(error.0.into_iter().map(at).collect())
            };
            check_size(item.get().len()).map_err(in_item)?;
            let members = parse_members(item.get()).map_err(in_item)?;
            let stages = stages(&members).map_err(in_item)?;
            let mut secret = KeySecret::from_members(members, None, MAX_DEPTH).map_err(in_item);
            if let Ok(secret) = &mut secret {
                secret.oddities.extend(&oddities);
            }
            versions.push(Self { stages, secret });
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

fn check_size(bytes: usize) -> Result<(), SecretError> {
    match bytes > MAX_SECRET_BYTES {
        true => Err(too_large(bytes, MAX_SECRET_BYTES)),
        false => Ok(()),
    }
}

fn too_large(found: usize, most: usize) -> SecretError {
    SecretError::one(
        "secret",
        format!("has {found} bytes; expected at most {most}"),
    )
}

fn unknown(members: &Members<'_>) -> Vec<String> {
    members
        .names()
        .filter(|name| !MEMBERS.contains(name) && *name != STAGES_MEMBER)
        .map(quoted)
        .collect()
}

/// The document that a member holds as a string, if it does.
fn inner_document(member: &RawValue) -> Option<Zeroizing<String>> {
    let text = unescape(member.get())?;
    let is_object = text.trim_start().starts_with('{') && text.contains("private_key");
    is_object.then_some(text)
}

/// The document that is the value of one member alone, beside none that belongs to a document itself.
fn sole_document(members: &Members<'_>) -> Option<Zeroizing<String>> {
    let mut found = members
        .iter()
        .filter_map(|(name, value)| Some((name, inner_document(value)?)));
    let (name, inner) = found.next()?;
    let mut others = members.names().filter(|other| *other != name);
    let is_sole = found.next().is_none() && !others.any(|other| MEMBERS.contains(&other));
    // The key file of a service account in private_key has no name and no window: its PEM alone is meant.
    let is_document = name != "private_key" || inner.contains("\"key_id\"");
    (is_sole && is_document).then_some(inner)
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

fn parsed<T: FromStr<Err: fmt::Display>>(member: &RawValue) -> Result<T, String> {
    parsed_by(member, str::parse)
}

fn parsed_by<T, E: fmt::Display>(
    member: &RawValue,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, String> {
    let text = plain(Some(member))?;
    parse(&text).map_err(|error| {
        if may_be_key(&text) {
            "holds what may be a part of a key; expected one short name or date".into()
        } else {
            error.to_string()
        }
    })
}

/// A name that could be taken for a fingerprint is told as such: that error does not repeat it.
fn key_id(members: &Members<'_>) -> Result<KeyId, String> {
    let member = missing::required(members, "key_id")?;
    let taken_for_fingerprint = IdentifierError::Fingerprint;
    match plain(Some(member)).map(|text| text.parse::<KeyId>()) {
        Ok(Err(error)) if error == taken_for_fingerprint => Err(error.to_string()),
        _ => parsed(member),
    }
}

/// A JWS is public, and longer than what [`plain`] reads.
fn endorsement(member: &RawValue) -> Result<Endorsement, String> {
    let text: String =
        serde_json::from_str(member.get()).map_err(|_| "is not a string; expected a JWS")?;
    Endorsement::parse(&text).map_err(|error| error.to_string())
}

fn private_key(members: &Members<'_>, oddities: &mut Oddities) -> Result<PrivateKey, String> {
    let raw = missing::required(members, "private_key")?.get();
    if raw.starts_with('[') {
        return Err(missing::LINES.into());
    }
    if raw.starts_with('{') {
        return Err("is an object, not a string that PEM may be; expected PEM".into());
    }
    let pem = unescape(raw).ok_or("is not a string that PEM may be; expected PEM")?;
    armor::read(&pem, oddities).map_err(|refusal| refusal.to_string())
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
    let slip = labels
        .iter()
        .find_map(|label| StagingLabel::meant_by(label).map(|meant| (label, meant)));
    if let Some((label, meant)) = slip {
        let (label, meant) = (quoted(label), meant.as_str());
        let problem = format!(
            "holds {label}, which is no label of AWS; expected {meant:?}, since case matters"
        );
        return Err(SecretError::one(STAGES_MEMBER, problem));
    }
    Ok(labels.iter().map(|l| l.as_str().into()).collect())
}

fn parse_members(text: &str) -> Result<Members<'_>, SecretError> {
    Members::parse(text).map_err(|refused| match refused {
        NotMembers::Json(error) => not_json(&error, text),
        NotMembers::Twice(name) => {
            let problem = format!("{name} stands there twice; expected each member once");
            SecretError::one("secret", problem)
        }
    })
}

/// serde's own message may repeat the text, so that only the place is told.
fn not_json(error: &serde_json::Error, text: &str) -> SecretError {
    let (line, column) = (error.line(), error.column());
    let instead = envelope::instead(text);
    SecretError::one(
        "secret",
        format!(
            "is not the JSON that is expected (line {line}, column {column}); \
             expected an object with private_key, key_id, valid_from and valid_until{instead}"
        ),
    )
}

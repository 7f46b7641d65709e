//! The key file of `serve --dev`: a version for each year, the newest first, with labels as Secrets Manager moves them.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};
use zeroize::Zeroizing;

use super::Failure;
use checkpoint::key::{KeyId, StagingLabel};
use checkpoint::signing::MAX_SECRET_BYTES;

/// Largest file: a century of versions.
pub(super) const MAX_FILE_BYTES: u64 = 100 * MAX_SECRET_BYTES as u64;

const STAGES: &str = "version_stages";

/// The first name of a year that is free. A name never gets another key, so that one whose key was lost stays taken.
pub(super) fn free_name(year: i32, is_taken: impl Fn(&KeyId) -> bool) -> Result<KeyId, Failure> {
    let suffixes = std::iter::once(String::new()).chain(('b'..='z').map(String::from));
    for suffix in suffixes {
        let name = format!("dev-checkpoint-key-{year}{suffix}");
        let name: KeyId = name.parse().map_err(Failure::impossible)?;
        if !is_taken(&name) {
            return Ok(name);
        }
    }
    Err(Failure::Impossible(format!(
        "--data: its record knows all names of keys for {year}; expected another folder"
    )))
}

/// The members of a version, borrowed: nothing copies the key but into what is wiped.
type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The file with one more document, which becomes AWSCURRENT.
///
/// # Errors
/// One of them is no JSON that has members; no key material is in it.
pub(super) fn add(file: &str, document: &str) -> Result<Zeroizing<String>, String> {
    let wrong =
        |error: serde_json::Error| format!("is not the JSON of keys (line {})", error.line());
    let before: Vec<Members<'_>> = match file.trim_start().starts_with('[') {
        true => serde_json::from_str(file).map_err(wrong)?,
        false => vec![serde_json::from_str(file).map_err(wrong)?],
    };
    let mut versions = vec![(
        serde_json::from_str(document).map_err(wrong)?,
        vec![CURRENT.into()],
    )];
    for (index, members) in before.into_iter().enumerate() {
        let stages = members
            .get(STAGES)
            .map(|raw| serde_json::from_str(raw.get()));
        let stages: Vec<String> = stages
            .transpose()
            .map_err(wrong)?
            .unwrap_or_else(|| vec![CURRENT.into()]);
        let label = own_label(&members, index);
        versions.push((
            members,
            stages
                .into_iter()
                .map(|stage| moved(stage, &label))
                .collect(),
        ));
    }
    // Large enough from the start: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(2 * (file.len() + document.len()) + 4096));
    let labels: Vec<Box<RawValue>> = versions
        .iter()
        .map(|(_, stages): &(Members<'_>, Vec<String>)| to_raw_value(stages))
        .collect::<Result<_, _>>()
        .map_err(wrong)?;
    let all: Vec<Members<'_>> = versions
        .into_iter()
        .zip(&labels)
        .map(|((mut members, _), labels)| {
            members.insert(STAGES.into(), labels);
            members
        })
        .collect();
    serde_json::to_writer_pretty(&mut *text, &all).map_err(wrong)?;
    let text = std::str::from_utf8(&text).map_err(|error| error.to_string())?;
    Ok(Zeroizing::new(format!("{text}\n")))
}

const CURRENT: &str = "AWSCURRENT";

/// Where a label goes when there is a newer version.
fn moved(stage: String, own_label: &str) -> String {
    match StagingLabel::from(stage.as_str()) {
        StagingLabel::Current => StagingLabel::Previous.as_str().into(),
        StagingLabel::Previous => own_label.into(),
        StagingLabel::Pending | StagingLabel::Custom(_) => stage,
    }
}

/// What an older version is called, so that its public half is read as ever: the name of its key.
fn own_label(members: &Members<'_>, index: usize) -> String {
    let key_id = members
        .get("key_id")
        .and_then(|raw| serde_json::from_str(raw.get()).ok());
    key_id.unwrap_or_else(|| format!("older-{index}"))
}

//! The part of `verify` that asks whether published checkpoints, or an export, are what a signed head of the record says.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::{expect_valid, read_head, time_text};
use crate::checkpoint::MAX_JSON_BYTES;
use crate::cli::pin::{pinned_json, pinned_text};
use crate::cli::{Failure, Format, input, print, print_json, print_line};
use crate::key::PinnedKeyring;
use crate::record::tree::TreeHash;
use crate::signature::SignedCheckpoint;
use crate::verifier::log::{
    AnyHead, ExportReport, InclusionBundle, MAX_BUNDLE_BYTES, check_export, verify_head,
    verify_included,
};
use crate::verifier::{Verdict, VerdictKind, verify};

#[derive(Args)]
pub(in crate::cli) struct InLog {
    /// A signed head of the record, from `record head`: believe what it covers. As JWS or as note
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_RECORD_HEAD",
        requires = "keys",
        value_name = "HEAD"
    )]
    record_head: Option<PathBuf>,
    /// What `record export` wrote: check all of its rows by the one signature of the head
    #[arg(
        long = "log",
        env = "CHECKPOINT_SIGNER_RECORD_EXPORT",
        requires = "record_head",
        conflicts_with_all = ["files", "proof"],
        value_name = "EXPORT"
    )]
    record_export: Option<PathBuf>,
    /// What `record proof` printed: check that the checkpoint in it is in the record; with FILEs, that each is one
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_PROOF",
        requires = "keys",
        value_name = "PROOF"
    )]
    proof: Vec<PathBuf>,
}

/// What is printed of one proof or head.
struct Line {
    place: String,
    verdict: Verdict,
    /// Why it is not proved to be in the record.
    unproved: Option<String>,
}

impl Line {
    fn status(&self) -> &'static str {
        match (self.verdict.kind, &self.unproved) {
            (VerdictKind::Valid, Some(_)) => "NOT_PROVED",
            (kind, _) => kind.as_str(),
        }
    }

    fn explanation(&self) -> &str {
        match (self.verdict.kind, &self.unproved) {
            (VerdictKind::Valid, Some(problem)) => problem,
            _ => &self.verdict.explanation,
        }
    }

    fn to_text(&self) -> String {
        format!(
            "{:<18} {}: {}\n",
            self.status(),
            self.place,
            self.explanation()
        )
    }

    fn to_json(&self) -> Value {
        let verdict = &self.verdict;
        json!({
            "file": self.place,
            "verdict": self.status(),
            "key_id": verdict.key_id.as_ref().map(|key_id| key_id.as_str()),
            "signed_at": time_text(verdict.signed_at),
            "explanation": self.explanation(),
        })
    }
}

impl InLog {
    /// Whether anything is asked of the log.
    pub(in crate::cli) fn is_asked(&self) -> bool {
        self.record_export.is_some() || !self.proof.is_empty()
    }

    /// Verifies; `files` must be the checkpoints of the proofs.
    pub(in crate::cli) fn run(
        &self,
        files: &[PathBuf],
        keyring: &PinnedKeyring,
        format: Format,
    ) -> Result<(), Failure> {
        let head = match &self.record_head {
            Some(path) => Some((path, read_head(path)?)),
            None => None,
        };
        match (&self.record_export, &head) {
            (Some(export), Some((path, head))) => check(export, path, head, keyring, format),
            _ => self.prove(files, head.as_ref().map(|(_, head)| head), keyring, format),
        }
    }

    fn prove(
        &self,
        files: &[PathBuf],
        head: Option<&AnyHead>,
        keyring: &PinnedKeyring,
        format: Format,
    ) -> Result<(), Failure> {
        let (mut lines, mut proved) = (Vec::new(), Vec::new());
        for path in &self.proof {
            let place = path.display().to_string();
            let bundle = InclusionBundle::parse(&input::read(path, MAX_BUNDLE_BYTES)?);
            let bundle = bundle.map_err(|e| Failure::Impossible(format!("{place}: {e}")))?;
            let line = judge(place, &bundle, head, keyring);
            if line.status() == VerdictKind::Valid.as_str() {
                proved.push(TreeHash::of(&bundle.signed));
            }
            lines.push(line);
        }
        for path in files {
            let text = input::read(path, MAX_JSON_BYTES)?;
            let place = path.display().to_string();
            let (verdict, proved) = match SignedCheckpoint::from_published_json(&text) {
                Err(error) => (Verdict::malformed(error), false),
                Ok(signed) => {
                    let mut verdict = verify(&keyring.trusted, &signed);
                    let proved = proved.contains(&TreeHash::of(&signed));
                    if proved {
                        verdict.explanation.push_str("; proved to be in the record");
                    }
                    (verdict, proved)
                }
            };
            let unproved = (!proved).then(|| "none of the proofs that hold is of this one".into());
            lines.push(Line {
                place,
                verdict,
                unproved,
            });
        }
        match format {
            Format::Json => {
                let lines: Vec<_> = lines.iter().map(Line::to_json).collect();
                let pinned = keyring.pinned.as_ref().map(pinned_json);
                print_json(&json!({ "verdicts": lines, "pinned": pinned }))?;
            }
            Format::Text => {
                let text: String = lines.iter().map(Line::to_text).collect();
                let pinned = keyring.pinned.as_ref().map(pinned_text);
                print(&(text + &pinned.unwrap_or_default()))?;
            }
        }
        let valid = |line: &Line| line.status() == VerdictKind::Valid.as_str();
        match lines.iter().all(valid) {
            true => Ok(()),
            false => Err(Failure::Shown),
        }
    }
}

/// The signature of the checkpoint, then that of the head, then the proof between them.
fn judge(
    place: String,
    bundle: &InclusionBundle,
    head: Option<&AnyHead>,
    keyring: &PinnedKeyring,
) -> Line {
    let (found, tree) = match head {
        Some(head) => (head.verify(&keyring.trusted), head.tree()),
        None => (
            verify_head(&keyring.trusted, &bundle.head),
            bundle.head.head().tree,
        ),
    };
    let mut verdict = verify(&keyring.trusted, &bundle.signed);
    let proved = verify_included(&bundle.signed, bundle.position, &bundle.proof, tree);
    let unproved = match (found.kind, proved) {
        (VerdictKind::Valid, Ok(())) => None,
        (VerdictKind::Valid, Err(error)) => Some(error.to_string()),
        (kind, _) => Some(format!("the head is {kind}: {}", found.explanation)),
    };
    if unproved.is_none() && verdict.kind == VerdictKind::Valid {
        let (position, size) = (bundle.position, tree.size);
        let proved = format!("; row {position} of {size} of the record");
        verdict.explanation.push_str(&proved);
    }
    Line {
        place,
        verdict,
        unproved,
    }
}

fn check(
    export: &Path,
    path: &Path,
    head: &AnyHead,
    keyring: &PinnedKeyring,
    format: Format,
) -> Result<(), Failure> {
    let place = path.display().to_string();
    let verdict = expect_valid(head, &keyring.trusted, &place)?;
    let tree = head.tree();
    let open = || Ok(BufReader::new(File::open(export)?));
    let report = check_export(open, keyring, tree)
        .map_err(|error| Failure::Impossible(format!("{}: {error}", export.display())))?;
    let covered = report.is_covered(tree);
    let line = Line {
        place,
        verdict,
        unproved: None,
    };
    match format {
        Format::Json => {
            let faults = report.faults.iter().map(|fault| {
                let (kind, explanation) = (fault.kind.as_str(), &fault.explanation);
                json!({ "line": fault.line, "verdict": kind, "explanation": explanation })
            });
            let verdicts = report.verdicts.iter();
            let verdicts = verdicts.map(|(kind, count)| (kind.as_str(), count));
            print_json(&json!({
                "pinned": keyring.pinned.as_ref().map(pinned_json),
                "head": line.to_json(),
                "head_rows": tree.size,
                "head_root": tree.root.to_string(),
                "root": report.root.map(|root| root.to_string()),
                "rows": report.rows,
                "covered": report.covered,
                "verdicts": verdicts.collect::<std::collections::BTreeMap<_, _>>(),
                "faults": faults.collect::<Vec<_>>(),
            }))?;
        }
        Format::Text => {
            print(&line.to_text())?;
            print(&keyring.pinned.as_ref().map(pinned_text).unwrap_or_default())?;
            show(&report, export, head)?;
        }
    }
    match covered && report.faults.is_empty() {
        true => Ok(()),
        false => Err(Failure::Shown),
    }
}

fn show(report: &ExportReport, export: &Path, head: &AnyHead) -> Result<(), Failure> {
    let (tree, place) = (head.tree(), export.display());
    for fault in &report.faults {
        let (kind, line) = (fault.kind, fault.line);
        print_line(&format!("{kind:<18} {place}:{line}: {}", fault.explanation))?;
    }
    let rows = report.rows;
    if !report.is_covered(tree) {
        let root = report
            .root
            .map_or_else(String::new, |root| root.to_string());
        let found = match rows < tree.size {
            true => format!("it has {rows} rows, and the head counts {}", tree.size),
            false => format!("its first {} rows make the root {root}", tree.size),
        };
        let each = match report.faults.as_slice() {
            [] => "each signature is right by itself, so rows were taken away, added or moved",
            _ => "each signature was verified by itself",
        };
        return print_line(&format!(
            "NOT_COVERED        {place}: this is not the record of the head, whose root is {}: {found}; {each}",
            tree.root
        ));
    }
    print_line(&format!(
        "COVERED            {place}: the first {} of {rows} rows are those of the head of {}, byte for byte",
        tree.size,
        head.log()
    ))?;
    match rows - tree.size {
        0 => Ok(()),
        _ => print_line(&format!(
            "NOTE               {place}: rows {} to {rows} are beyond the head, and were not verified",
            tree.size + 1
        )),
    }
}

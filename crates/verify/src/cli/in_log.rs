//! The part of `verify` that asks whether published checkpoints, or an export, are what a signed head of the record says.

use std::fmt::Display;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;

use super::head::{expect_valid, read_head};
use super::inputs::other_form;
use super::kept::Kept;
use super::keyring::skipped_json;
use super::pin::{pinned_json, pinned_text};
use super::proof_line::{ProofLine, Unproved, judge};
use super::show::{print, print_json, print_line};
use super::{Failure, Format, input};
use crate::log::{ExportReport, check_export};
use crate::unpacked::Unpacked;
use checkpoint::checkpoint::MAX_JSON_BYTES;
use checkpoint::counted::counted;
use checkpoint::history::rules::CLOCK_TOLERANCE;
use checkpoint::jws::SignedCheckpoint;
use checkpoint::key::instant_text;
use checkpoint::keyring::{PinnedKeyring, SkippedKey};
use checkpoint::log::tree::TreeHash;
use checkpoint::log::{AnyHead, InclusionBundle, MAX_BUNDLE_BYTES};
use checkpoint::verdict::{Verdict, VerdictKind, verify};

/// What is asked of the log.
#[derive(Args, Debug)]
pub(super) struct InLog {
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

/// Whom to believe, and the keys that were skipped in the file.
pub(super) struct Believed {
    pub(super) keyring: PinnedKeyring,
    pub(super) skipped: Vec<SkippedKey>,
}

impl InLog {
    /// Whether anything is asked of the log.
    pub(super) fn is_asked(&self) -> bool {
        self.record_export.is_some() || !self.proof.is_empty()
    }

    /// Verifies; `files` must be the checkpoints of the proofs.
    pub(super) fn run(
        &self,
        files: &[PathBuf],
        believed: &Believed,
        format: Format,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        if self.record_export.is_some() && !(files.is_empty() && self.proof.is_empty()) {
            return Err(Failure::Impossible(
                "--log: all rows of the export are checked, and FILE or --proof beside it would not be; expected --log by itself, \
                 and another `verify` for the others"
                    .into(),
            ));
        }
        let head = match &self.record_head {
            Some(path) => Some((path, read_head(path)?)),
            None => None,
        };
        match (&self.record_export, &head) {
            (Some(export), Some((path, head))) => check(export, path, head, believed, format, now),
            _ => self.prove(
                files,
                head.as_ref().map(|(path, head)| (*path, head)),
                believed,
                format,
            ),
        }
    }

    fn prove(
        &self,
        files: &[PathBuf],
        head: Option<(&PathBuf, &AnyHead)>,
        believed: &Believed,
        format: Format,
    ) -> Result<(), Failure> {
        let Believed { keyring, skipped } = believed;
        let (mut lines, mut proved, mut open) = (Vec::new(), Vec::new(), Vec::new());
        for path in &self.proof {
            let place = path.display().to_string();
            let bundle = InclusionBundle::parse(&input::read(path, MAX_BUNDLE_BYTES)?);
            let bundle = bundle.map_err(|e| Failure::Impossible(format!("{place}: {e}")))?;
            let line = judge(
                place,
                &bundle,
                head.map(|(path, head)| (path.as_path(), head)),
                keyring,
            );
            match (line.verdict.kind, &line.unproved) {
                (VerdictKind::Valid, None) => proved.push(TreeHash::of(&bundle.signed)),
                (VerdictKind::Valid, Some(Unproved::NotChecked(_))) => {
                    open.push(TreeHash::of(&bundle.signed));
                }
                _ => {}
            }
            lines.push(line);
        }
        for path in files {
            let text = input::read(path, MAX_JSON_BYTES)?;
            let place = path.display().to_string();
            let none = || "none of the proofs that hold is of this one".to_owned();
            let (verdict, unproved) = match SignedCheckpoint::from_published_json(&text) {
                Err(error) => (
                    Verdict::malformed(error),
                    Some(Unproved::Contradicted(none())),
                ),
                Ok(signed) => {
                    let mut verdict = verify(&keyring.trusted, &signed);
                    let leaf = TreeHash::of(&signed);
                    let unproved = if proved.contains(&leaf) {
                        verdict.explanation.push_str("; proved to be in the record");
                        None
                    } else if open.contains(&leaf) {
                        let problem = "its proof is for another head than that which is given";
                        Some(Unproved::NotChecked(problem.into()))
                    } else {
                        Some(Unproved::Contradicted(none()))
                    };
                    (verdict, unproved)
                }
            };
            lines.push(ProofLine {
                place,
                verdict,
                unproved,
            });
        }
        match format {
            Format::Json => {
                let lines: Vec<_> = lines.iter().map(ProofLine::to_json).collect();
                let pinned = keyring.pinned.as_ref().map(pinned_json);
                let skipped = skipped_json(skipped);
                print_json(
                    &json!({ "verdicts": lines, "pinned": pinned, "keys_skipped": skipped }),
                )?;
            }
            Format::Text => {
                let text: String = lines.iter().map(ProofLine::to_text).collect();
                let pinned = keyring.pinned.as_ref().map(pinned_text);
                print(&(text + &pinned.unwrap_or_default()))?;
            }
        }
        let is_wrong = |line: &&ProofLine| {
            let contradicted = matches!(line.unproved, Some(Unproved::Contradicted(_)));
            line.verdict.kind != VerdictKind::Valid || contradicted
        };
        if lines.iter().any(|line| is_wrong(&line)) {
            return Err(Failure::Shown);
        }
        match lines.iter().find(|line| line.unproved.is_some()) {
            None => Ok(()),
            Some(line) => {
                let problem = line.explanation();
                Err(Failure::Impossible(format!(
                    "{}: not checked: {problem}",
                    line.place
                )))
            }
        }
    }
}

fn check(
    export: &Path,
    path: &Path,
    head: &AnyHead,
    believed: &Believed,
    format: Format,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let Believed { keyring, skipped } = believed;
    let place = path.display().to_string();
    let verdict = expect_valid(head, &keyring.trusted, &place)?;
    let tree = head.tree();
    let unread =
        |error: &dyn Display| Failure::Impossible(format!("{}: {error}", export.display()));
    let kept = Kept::of(export).map_err(|error| unread(&error))?;
    let open = || Ok(BufReader::new(Unpacked::open(kept.open()?)?));
    let report = check_export(open, keyring, tree).map_err(|error| unread(&error))?;
    let covered = report.is_covered(tree);
    let line = ProofLine {
        place,
        verdict,
        unproved: None,
    };
    let nothing = (tree.size == 0)
        .then(|| "the head counts 0 rows: it vouches for no row of the export".to_owned());
    let ahead = dated_ahead(&report, now);
    match format {
        Format::Json => {
            let faults = report.faults.iter().map(|fault| {
                let (kind, explanation) = (fault.kind.as_str(), &fault.explanation);
                json!({ "line": fault.line, "verdict": kind, "explanation": explanation })
            });
            let together = report.together.told.iter().map(|found| {
                let [_, line] = found.lines;
                json!({
                    "line": line, "lines": found.lines, "finding": found.name, "explanation": found.explanation,
                })
            });
            let verdicts = report.verdicts.iter();
            let verdicts = verdicts.map(|(kind, count)| (kind.as_str(), count));
            let (promised, whole) = (&report.promised, report.whole);
            print_json(&json!({
                "pinned": keyring.pinned.as_ref().map(pinned_json),
                "head": line.to_json(),
                "head_log": head.log().as_str(),
                "head_rows": tree.size,
                "head_root": tree.root.to_string(),
                "root": report.root.map(|root| root.to_string()),
                "rows": report.rows,
                "covered": report.covered,
                "verified_one_by_one": report.rows - report.covered,
                "verdicts": verdicts.collect::<std::collections::BTreeMap<_, _>>(),
                "faults": faults.chain(together).collect::<Vec<_>>(),
                "seen_together": report.together.count,
                "clock_resumptions": report.together.resumed,
                "dated_ahead": ahead,
                "keys_skipped": skipped_json(skipped),
                "export": {
                    "rows": promised.0,
                    "root": promised.1,
                    "whole": report.is_as_promised(),
                    "root_found": whole.map(|root| root.to_string()),
                    "keyring": "not used: the keys are those of --keys",
                },
                "not_checked": nothing.iter().collect::<Vec<_>>(),
            }))?;
        }
        Format::Text => {
            print(&line.to_text())?;
            print(&keyring.pinned.as_ref().map(pinned_text).unwrap_or_default())?;
            show(&report, export, head, ahead.as_deref())?;
        }
    }
    let is_good = report.faults.is_empty() && report.together.count == 0 && report.is_as_promised();
    match nothing {
        Some(nothing) if is_good => Err(Failure::Impossible(nothing)),
        _ if is_good && covered => Ok(()),
        _ => Err(Failure::Shown),
    }
}

/// What a clock that is wrong has signed, here or there, in a sentence.
fn dated_ahead(report: &ExportReport, now: DateTime<Utc>) -> Option<String> {
    let (latest, line) = report.together.latest?;
    (latest > now + CLOCK_TOLERANCE).then(|| {
        format!(
            "line {line} is signed at {}, and the clock here shows {}: one of the two clocks is wrong",
            instant_text(latest),
            instant_text(now)
        )
    })
}

fn show(
    report: &ExportReport,
    export: &Path,
    head: &AnyHead,
    ahead: Option<&str>,
) -> Result<(), Failure> {
    let (tree, place) = (head.tree(), export.display());
    for fault in &report.faults {
        let (kind, line) = (fault.kind, fault.line);
        print_line(&format!("{kind:<18} {place}:{line}: {}", fault.explanation))?;
    }
    let invalid = report
        .verdicts
        .iter()
        .filter(|(kind, _)| **kind != VerdictKind::Valid);
    let more = invalid.map(|(_, count)| count).sum::<u64>() - report.faults.len() as u64;
    if more > 0 {
        print_line(&format!(
            "{:<18} {place}: {} not valid",
            "NOTE",
            counted(more, "more row is", "more rows are")
        ))?;
    }
    for found in &report.together.told {
        let (name, [a, b]) = (found.name, found.lines);
        print_line(&format!(
            "{name:<18} {place}:{a}, {place}:{b}: {}",
            found.explanation
        ))?;
    }
    let more = report.together.count - report.together.told.len() as u64;
    if more > 0 {
        print_line(&format!(
            "{:<18} {place}: {} of rows",
            "NOTE",
            counted(more, "more such pair", "more such pairs")
        ))?;
    }
    for resumed in &report.together.resumed {
        print_line(&format!("{:<18} {place}: {resumed}", "NOTE"))?;
    }
    if let Some(ahead) = ahead {
        print_line(&format!("{:<18} {place}: {ahead}", "NOTE"))?;
    }
    let rows = report.rows;
    if !report.is_as_promised() {
        let (promised, root) = &report.promised;
        let found = report
            .whole
            .map(|root| root.to_string())
            .unwrap_or_default();
        let told = other_form(export).unwrap_or_else(|| {
            format!(
                "its first line says {} of the root {root}; it has {} of the root {found}: rows were taken away, added or \
                 changed since it was written",
                counted(promised, "row", "rows"),
                counted(rows, "row", "rows")
            )
        });
        print_line(&format!("NOT_WHOLE          {place}: {told}"))?;
    }
    if tree.size == 0 {
        return print_line(&format!(
            "NOT_COVERED        {place}: the head counts 0 rows, and vouches for none of these; each of the {rows} was \
             verified by its own signature"
        ));
    }
    if !report.is_covered(tree) {
        let root = report
            .root
            .map_or_else(String::new, |root| root.to_string());
        let found = match rows < tree.size {
            true => format!(
                "it has {}, and the head counts {}",
                counted(rows, "row", "rows"),
                tree.size
            ),
            false => format!(
                "its first {} the root {root}",
                counted(tree.size, "row makes", "rows make")
            ),
        };
        let each = match report.faults.as_slice() {
            _ if report.together.count > 0 => "each was verified by its own signature",
            [] => {
                "each signature is right by itself, so rows were taken away, added or moved, or the export is another record's"
            }
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
            "NOTE               {place}: rows {} to {rows} are beyond the head: each was verified by its own signature",
            tree.size + 1
        )),
    }
}

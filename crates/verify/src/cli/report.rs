//! What `verify` prints: verdicts as they come, then what shows when all are seen together, and a summary.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::digest::{Before, Digest};
use super::hashing::Once;
use super::inputs::{Origin, total_bytes};
use super::keyring;
use super::notes::Notes;
use super::outcome::{Outcome, Run};
use super::selecting::Selected;
use super::show::{Program, json_line, print};
use super::verdict_line::VerdictLine;
use super::{Failure, ReportFormat};
use crate::bulk::{Checked, Finding, Fingerprints, Histories, Member, Stretch, Tally, Together};
use checkpoint::counted::counted;
use checkpoint::history::rules::CLOCK_TOLERANCE;
use checkpoint::key::{Fingerprint, KeyId, KeyVersion, instant_text};
use checkpoint::keyring::{KeyringEntry, PinnedKeyring, SkippedKey};
use checkpoint::verdict::VerdictKind;

/// Bad ones that the page tells in full.
const MAX_ON_PAGE: usize = 1000;

/// Inputs that were not checked, of which standard error tells in full.
const MAX_NOT_CHECKED: usize = 100;

/// What is told of all checkpoints.
pub struct Report {
    pub(super) program: Program,
    pub(super) format: ReportFormat,
    bar: ProgressBar,
    histories: Histories,
    /// By which contents are compared.
    by: Fingerprints,
    pub(super) inputs: Vec<PathBuf>,
    /// Whom the verdicts are by, in a sentence.
    pub(super) believed: String,
    /// The service whose word the verdicts are; none when they were found here.
    pub(super) told_by: Option<String>,
    pub(super) tally: Tally,
    /// Those that are not valid, as far as they are told.
    pub(super) bad: Vec<VerdictLine>,
    pub(super) verdicts: Vec<Value>,
    /// Whether any verdict was told by itself.
    pub(super) told: bool,
    pub(super) failures: Vec<String>,
    pub(super) faults: Vec<Finding>,
    pub(super) gaps: Notes,
    /// Valid ones that the service has not on record, but those of which the verdict says so already.
    pub(super) not_recorded: Notes,
    /// Inputs of which nothing was looked at, since nothing in them is selected.
    pub(super) left_out: Notes,
    /// What is looked at.
    pub(super) selected: Option<Selected>,
    /// Of each input, how much of it was not selected; none once something was.
    unselected: Vec<Option<u64>>,
    /// What is told besides, which is no fault.
    pub(super) remarks: Vec<Finding>,
    now: DateTime<Utc>,
    /// Those that are signed at times that are yet to come: how many, and the first of them.
    ahead: Option<(u64, String)>,
    pub(super) skipped: Vec<SkippedKey>,
    pub(super) together: Together,
    /// Those that are believed; none when a service was asked.
    pub(super) keys: Vec<KeyringEntry>,
    pub(super) fingerprints: BTreeMap<KeyId, Fingerprint>,
    pub(super) pinned: Option<KeyVersion>,
    /// Whether something is said to be signed before the pinned key could, by a key that it does not lead to.
    pub(super) before_pin: bool,
    /// The file that they are from; none when a service was asked.
    pub(super) keyring: Option<Digest>,
    /// How the inputs stood before they were read, where that is to be told.
    before: Option<Before>,
    pub(super) digests: Vec<Digest>,
}

impl Report {
    pub(super) fn new(
        program: Program,
        format: ReportFormat,
        files: &[PathBuf],
        fingerprints: &Fingerprints,
        now: DateTime<Utc>,
    ) -> Result<Self, Failure> {
        // Drawn on standard error, when that is a terminal.
        let bar = ProgressBar::no_length();
        if !bar.is_hidden()
            && let Some(bytes) = total_bytes(files)
        {
            bar.set_length(bytes);
        }
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {eta} left");
        bar.set_style(style.map_err(Failure::impossible)?);
        Ok(Self {
            program,
            format,
            bar,
            histories: Histories::default(),
            by: fingerprints.clone(),
            inputs: files.to_vec(),
            believed: String::new(),
            told_by: None,
            tally: Tally::default(),
            bad: Vec::new(),
            verdicts: Vec::new(),
            failures: Vec::new(),
            faults: Vec::new(),
            gaps: Notes::default(),
            not_recorded: Notes::default(),
            left_out: Notes::default(),
            selected: None,
            unselected: vec![Some(0); files.len()],
            remarks: Vec::new(),
            now,
            ahead: None,
            skipped: Vec::new(),
            told: false,
            together: Together::default(),
            keys: Vec::new(),
            fingerprints: BTreeMap::new(),
            pinned: None,
            before_pin: false,
            keyring: None,
            before: (format == ReportFormat::Html).then(|| Before::of(files)),
            digests: Vec::new(),
        })
    }

    /// Notes whom the verdicts rest on.
    pub(super) fn believe(&mut self, keyring: &PinnedKeyring, path: &Path, skipped: &[SkippedKey]) {
        self.keys = keyring.trusted.published().into_iter().cloned().collect();
        let versions = self.keys.iter().map(KeyringEntry::version);
        let fingerprint = |version: &KeyVersion| (version.key_id.clone(), version.fingerprint());
        self.fingerprints = versions.map(fingerprint).collect();
        self.pinned = keyring.pinned.clone();
        self.skipped = skipped.to_vec();
        let skipped = keyring::sentence(skipped).map(|sentence| format!(" {sentence}."));
        let path = path.display();
        let believed = match &keyring.pinned {
            None => format!("Verified offline with the keys of {path}."),
            Some(pinned) => format!(
                "Verified offline with the pinned key {} ({}) and those of {path} that it leads to.",
                pinned.key_id,
                pinned.fingerprint()
            ),
        };
        self.believed = believed + &skipped.unwrap_or_default();
    }

    /// Notes which file the keyring is.
    pub(super) fn name_keyring(&mut self, path: &Path, sha256: String) {
        self.keyring = Some(Digest {
            name: path.display().to_string(),
            sha256,
            files: None,
        });
    }

    /// What takes down what can be read only once; none where nobody asks for it.
    pub(super) fn once(&self) -> Option<Once> {
        self.before.as_ref().map(Before::once)
    }

    /// Notes that the verdicts rest on the word of a service.
    pub fn trust_service(&mut self, url: &str) {
        self.believed =
            format!("The verdicts are those of the service {url}, whose word was believed.");
        self.told_by = Some(url.to_owned());
    }

    /// Notes what is looked at.
    pub(super) fn select(&mut self, selected: &Selected) {
        self.selected = Some(selected.clone());
    }

    /// Takes what was found of some inputs.
    ///
    /// # Errors
    /// When it cannot be printed, or temporary files cannot be written.
    pub fn take(&mut self, outcomes: Vec<Outcome>) -> Result<(), Failure> {
        let mut shown = String::new();
        for outcome in outcomes {
            match outcome {
                Outcome::Failed(problem) => self.failures.push(problem),
                Outcome::NotWhole(problem) => self.faults.push(Finding::NotWhole(problem)),
                Outcome::Resumed(told) => self.remarks.push(Finding::ClockResumed(told)),
                Outcome::LeftOut(origin) => {
                    self.count(origin.path, 1, 0);
                    self.bar.inc(origin.size as u64 + 1);
                    self.tally.left_out += 1;
                }
                Outcome::Plain(run) => {
                    let Run {
                        path,
                        bytes,
                        tally,
                        stretch,
                        ahead,
                    } = *run;
                    self.count(path, tally.left_out, tally.counts.all);
                    self.bar.inc(bytes);
                    self.tally.merge(tally);
                    self.histories.take(stretch).map_err(temporary)?;
                    if let Some((count, first)) = ahead {
                        self.ahead.get_or_insert((0, first)).0 += count;
                    }
                }
                Outcome::Checked(origin, checked) => {
                    self.count(origin.path, 0, 1);
                    self.bar.inc(origin.size as u64 + 1);
                    self.tally.add(&checked);
                    let place = origin.place();
                    self.look_ahead(&checked, &place);
                    self.look_behind(&checked);
                    self.look_for(&origin, &checked, &place);
                    let mut stretch = Stretch::default();
                    let write = |to: &mut Vec<u8>| to.extend_from_slice(place.as_bytes());
                    stretch.add(&checked, &self.by, write);
                    self.histories.take(stretch).map_err(temporary)?;
                    self.show(&origin, place, *checked, &mut shown);
                }
            }
        }
        let rate = self.tally.counts.all as f64 / self.bar.elapsed().as_secs_f64();
        let (all, invalid) = (self.tally.counts.all, self.tally.counts.invalid());
        let message = format!("{all} checkpoints, {invalid} not valid, {rate:.0}/s");
        self.bar.set_message(message);
        if shown.is_empty() {
            return Ok(());
        }
        self.bar.suspend(|| print(&shown))
    }

    /// Notes how much of one of the inputs was left out, and how much was not.
    fn count(&mut self, path: usize, left_out: u64, checked: u64) {
        let Some(unselected) = self.unselected.get_mut(path) else {
            return;
        };
        match unselected {
            Some(unselected) if checked == 0 => *unselected += left_out,
            _ => *unselected = None,
        }
    }

    fn look_ahead(&mut self, checked: &Checked, place: &str) {
        let Some(signed_at) = checked.signed_at else {
            return;
        };
        if checked.kind == VerdictKind::Valid && signed_at > self.now + CLOCK_TOLERANCE {
            let first = || (0, format!("{place} at {}", instant_text(signed_at)));
            self.ahead.get_or_insert_with(first).0 += 1;
        }
    }

    fn look_behind(&mut self, checked: &Checked) {
        let from = self.pinned.as_ref().map(|pinned| pinned.window.from());
        let is_before = from
            .zip(checked.signed_at)
            .is_some_and(|(from, at)| at < from);
        self.before_pin |= is_before && checked.kind == VerdictKind::UnknownKey;
    }

    /// Whether the service has it on record.
    fn look_for(&mut self, origin: &Origin, checked: &Checked, place: &str) {
        let is_said = origin.alone && self.format == ReportFormat::Text;
        if checked.is_not_recorded() && !is_said {
            let member = Member::alone(checked, place.to_owned());
            let finding = Finding::NotRecorded([member]);
            self.not_recorded.add(finding, self.format);
        }
    }

    fn show(&mut self, origin: &Origin, place: String, checked: Checked, shown: &mut String) {
        let told = origin.alone || checked.kind != VerdictKind::Valid;
        self.told |= told;
        let key_id = checked.key_id.as_ref();
        let line = VerdictLine {
            fingerprint: key_id.and_then(|key_id| self.fingerprints.get(key_id).copied()),
            place,
            checked,
        };
        match self.format {
            ReportFormat::Text if told => shown.push_str(&line.to_text(self.told_by.as_deref())),
            ReportFormat::Json if told => self.verdicts.push(line.to_json(origin)),
            ReportFormat::Ndjson => shown.push_str(&json_line(&line.to_json(origin))),
            ReportFormat::Html if line.checked.kind != VerdictKind::Valid => {
                if self.bad.len() < MAX_ON_PAGE {
                    self.bad.push(line);
                }
            }
            ReportFormat::Text | ReportFormat::Json | ReportFormat::Html => {}
        }
    }

    /// Adds what shows only now that all were taken.
    pub(super) fn complete(&mut self) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        self.look_at_histories()?;
        self.name_left_out();
        if let Some(before) = &self.before {
            let (digests, changed) = before.digests(&self.inputs);
            self.digests = digests;
            self.failures.extend(changed);
        }
        if let Some((count, first)) = &self.ahead {
            let now = instant_text(self.now);
            self.remarks.push(Finding::DatedAhead(format!(
                "{} signed at times that are yet to come, the first in {first}; the clock here shows {now}: \
                 one of the two clocks is wrong",
                counted(count, "checkpoint is", "checkpoints are")
            )));
        }
        self.failures.extend(self.nothing());
        Ok(())
    }

    /// That nothing was checked, where no input has said why.
    fn nothing(&self) -> Option<String> {
        if self.tally.counts.all > 0 || !self.failures.is_empty() {
            return None;
        }
        let selected = self.selected.as_ref().and_then(Selected::told);
        let selected = selected.map_or_else(String::new, |told| format!("; selected: {told}"));
        let left_out = match self.tally.left_out {
            0 => String::new(),
            1 => format!(" (1 was left out{selected})"),
            count => format!(" ({count} were left out{selected})"),
        };
        Some(format!(
            "nothing was checked: there was no checkpoint to verify{left_out}"
        ))
    }

    /// Names what was asked for and left out whole.
    fn name_left_out(&mut self) {
        for (input, unselected) in self.inputs.iter().zip(&self.unselected) {
            if let Some(count @ 1..) = unselected {
                let input = input.display();
                let told = format!(
                    "{input}: nothing in it was looked at, as nothing in it is selected ({count} left out)"
                );
                self.left_out.add(Finding::LeftOut(told), self.format);
            }
        }
    }

    /// How it went.
    pub(super) fn outcome(&self) -> Result<(), Failure> {
        let bad = self.tally.counts.invalid() > 0 || !self.faults.is_empty();
        match (bad, self.failures.as_slice()) {
            (false, []) => Ok(()),
            (false, failures) => Err(Failure::Faults(not_checked(failures).collect())),
            (true, []) => Err(Failure::Shown),
            (true, failures) => {
                not_checked(failures).for_each(|told| self.program.tell(&told));
                Err(Failure::Shown)
            }
        }
    }

    fn look_at_histories(&mut self) -> Result<(), Failure> {
        let histories = std::mem::take(&mut self.histories);
        let together = histories.finish(|finding| {
            match &finding {
                // A reader of the page finds these among those that are not genuine.
                Finding::Gap(_, days) if self.format == ReportFormat::Html && days.are_told() => {}
                finding if finding.is_fault() => self.faults.push(finding.clone()),
                _ => self.gaps.add(finding, self.format),
            }
            Ok(())
        });
        self.together = together.map_err(temporary)?;
        Ok(())
    }

    /// Valid ones that another valid one contradicts.
    pub(super) fn contradicted(&self) -> u64 {
        self.together.contradicted.values().sum()
    }

    /// The faults between two checkpoints; all others are those of a file.
    pub(super) fn contradictions(&self) -> impl Iterator<Item = &Finding> {
        let faults = self.faults.iter();
        faults.filter(|finding| !finding.members().is_empty())
    }

    /// All that is told beside the verdicts, what weighs most first.
    pub(super) fn findings(&self) -> impl Iterator<Item = &Finding> {
        let notes = self.not_recorded.told.iter().chain(&self.remarks);
        let notes = notes.chain(&self.left_out.told);
        self.faults.iter().chain(notes).chain(&self.gaps.told)
    }
}

/// What was not checked, as far as it is told.
fn not_checked(failures: &[String]) -> impl Iterator<Item = String> {
    let more = failures.len().saturating_sub(MAX_NOT_CHECKED);
    let told = failures.iter().take(MAX_NOT_CHECKED);
    let told = told.map(|failure| format!("not checked: {failure}"));
    let more = (more > 0).then(|| format!("not checked: {more} more; --format json has all"));
    told.chain(more)
}

fn temporary(error: std::io::Error) -> Failure {
    Failure::Impossible(format!("temporary files: {error}"))
}

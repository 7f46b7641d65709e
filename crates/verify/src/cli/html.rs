//! The report as one page: it needs nothing from elsewhere, so that it looks the same when it is opened in ten years.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::report::Report;
use super::selecting::Selected;
use crate::bulk::{Counts, Finding};
use checkpoint::counted::counted;
use checkpoint::key::instant_text;
use checkpoint::keyring::KeyringEntry;
use checkpoint::verdict::VerdictKind;
use checkpoint::visible::visible;

/// Units of the drawings.
const WIDTH: f64 = 1000.0;
const NAMES: f64 = 250.0;
const ROW: f64 = 26.0;
const BARS: f64 = 160.0;

const STYLE: &str = include_str!("report.css");

pub(super) fn page(report: &Report, now: DateTime<Utc>) -> String {
    let bad = report.tally.counts.invalid() + report.faults.len() as u64;
    let title = match (bad, report.failures.len(), report.tally.not_recorded) {
        (0, 0, 0) => "All checkpoints are valid",
        (0, 0, _) => "All signatures are valid, and not all are in the service's record",
        (0, ..) => "Some files could not be checked",
        _ => "Not everything is valid",
    };
    let is_good = bad == 0 && report.failures.is_empty() && report.tally.not_recorded == 0;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Checkpoints verified: " (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.made { "Verification report, made " (instant_text(now)) " by " (report.program.0) " " (env!("CARGO_PKG_VERSION")) }
                    h1.good[is_good] { (title) }
                    (summary(report))
                    p.sentence { "Read: " (visible(&report.inputs.join(", "))) ". " (visible(&report.believed)) }
                    @if let Some(told) = report.selected.as_ref().and_then(Selected::told) {
                        p.sentence { "Only these were looked at: " (visible(&told)) "." }
                    }
                }
                main {
                    (bad_ones(report))
                    (findings("Faults between checkpoints", &report.faults, report.faults.len() as u64))
                    (findings("Not in the service's record", &report.not_recorded.told, report.not_recorded.count))
                    (timeline(&report.keys, now))
                    (over_time(report))
                    (keys(report))
                    (ledgers(report))
                    (findings("To be noted", &report.remarks, report.remarks.len() as u64))
                    (findings("Left out as a whole", &report.left_out.told, report.left_out.count))
                    (findings("Days without a checkpoint", &report.gaps.told, report.gaps.count))
                    (failures(&report.failures))
                }
            }
        }
    };
    page.into_string()
}

fn summary(report: &Report) -> Markup {
    let tally = &report.tally;
    html! {
        table.verdicts {
            caption { "Verdicts on " (counted(number(tally.counts.all), "checkpoint", "checkpoints")) " of " (counted(number(tally.ledgers.len() as u64), "ledger", "ledgers")) }
            tbody {
                @for (kind, count) in tally.verdicts.iter().rev() {
                    tr { th scope="row" { (kind) } td { (number(*count)) } td.sentence { (meaning(*kind)) } }
                }
                @if tally.not_recorded > 0 {
                    tr { th scope="row" { "not on record" } td { (number(tally.not_recorded)) } td.sentence { "Their signatures are valid, and the service has none of them on record: by its word it did not sign them." } }
                }
                @if report.copies > 0 {
                    tr { th scope="row" { "of them copies" } td { (number(report.copies)) } td.sentence { "The same checkpoint is there more than once, unchanged." } }
                }
                @if tally.left_out > 0 {
                    tr { th scope="row" { "left out" } td { (number(tally.left_out)) } td.sentence { "They are not selected, and were not looked at." } }
                }
            }
        }
    }
}

fn meaning(kind: VerdictKind) -> &'static str {
    match kind {
        VerdictKind::Valid => {
            "Signed by its key, inside of the key's window, and not changed since."
        }
        VerdictKind::InvalidSignature => "It was changed, or never signed by this key.",
        VerdictKind::UnknownKey => "The keyring has no such key that can be believed.",
        VerdictKind::OutsideValidity => "Signed when its key was not in force.",
        VerdictKind::KeyRevoked => "Signed after the instant from which its key is distrusted.",
        VerdictKind::AlgorithmMismatch => "Signed in another way than its key signs.",
        VerdictKind::Malformed => "It is not a signed checkpoint.",
    }
}

fn bad_ones(report: &Report) -> Markup {
    let more = report.tally.counts.invalid() - report.bad.len() as u64;
    html! {
        @if !report.bad.is_empty() {
            section {
                h2 { "Not valid" }
                table {
                    thead { tr { th scope="col" { "Where" } th scope="col" { "Checkpoint" } th scope="col" { "Verdict" } th scope="col" { "Why" } } }
                    tbody {
                        @for line in &report.bad {
                            tr {
                                td { (visible(&line.place)) }
                                td { @if let Some(outline) = &line.checked.outline { (outline.ledger_id) " " (outline.checkpoint_id) } }
                                td.kind { (line.checked.kind) }
                                td.sentence { (visible(&line.checked.explanation)) }
                            }
                        }
                    }
                }
                @if more > 0 { p { "And " (number(more)) " more." } }
            }
        }
    }
}

fn findings(title: &str, findings: &[Finding], count: u64) -> Markup {
    let more = count - findings.len() as u64;
    html! {
        @if count > 0 {
            section {
                h2 { (title) }
                table {
                    thead { tr { th scope="col" { "What" } th scope="col" { "Where" } } }
                    tbody {
                        @for finding in findings {
                            tr {
                                td.sentence { (visible(&finding.explanation())) }
                                td { @for member in finding.members() { (visible(&member.source)) br; } }
                            }
                        }
                    }
                }
                @if more > 0 { p { "And " (number(more)) " more." } }
            }
        }
    }
}

/// Days since the first of the years that are drawn, as a part of all of them.
struct Axis {
    first: i32,
    last: i32,
}

impl Axis {
    fn years(times: impl Iterator<Item = DateTime<Utc>>) -> Option<Self> {
        let years = times.map(|time| time.year());
        let (first, last) = years.fold((i32::MAX, i32::MIN), |(first, last), year| {
            (first.min(year), last.max(year))
        });
        (first <= last).then_some(Self { first, last })
    }

    fn x(&self, date: NaiveDate) -> f64 {
        let start = NaiveDate::from_ymd_opt(self.first, 1, 1).unwrap_or_default();
        let end = NaiveDate::from_ymd_opt(self.last + 1, 1, 1).unwrap_or_default();
        let part = (date - start).num_days() as f64 / (end - start).num_days().max(1) as f64;
        NAMES + part.clamp(0.0, 1.0) * (WIDTH - NAMES)
    }

    /// The years, not more than fit.
    fn marks(&self) -> impl Iterator<Item = (i32, f64)> {
        let step = ((self.last - self.first) / 12 + 1).unsigned_abs() as usize;
        let years = (self.first..=self.last).step_by(step);
        years.filter_map(|year| Some((year, self.x(NaiveDate::from_ymd_opt(year, 1, 1)?))))
    }

    fn draw(&self, height: f64) -> Markup {
        html! {
            @for (year, x) in self.marks() {
                line.grid x1=(x) x2=(x) y1="0" y2=(height) {}
                text.year x=(x + 4.0) y=(height + 16.0) { (year) }
            }
        }
    }
}

fn timeline(keys: &[KeyringEntry], now: DateTime<Utc>) -> Markup {
    let edges = |entry: &KeyringEntry| {
        let window = entry.version().window;
        // The first instant after the window is often the next year's first.
        [
            window.from(),
            window.until() - chrono::TimeDelta::seconds(1),
        ]
    };
    let Some(axis) = Axis::years(keys.iter().flat_map(edges)) else {
        return html! {};
    };
    let height = keys.len() as f64 * ROW;
    let today = axis.x(now.date_naive());
    html! {
        section {
            h2 { "The keys" }
            svg viewBox=(format!("0 0 {WIDTH} {}", height + 24.0)) role="img" aria-label="When each key could sign" {
                (axis.draw(height))
                @for (row, entry) in keys.iter().enumerate() {
                    @let version = entry.version();
                    @let (from, until) = (axis.x(version.window.from().date_naive()), axis.x(version.window.until().date_naive()));
                    @let y = row as f64 * ROW;
                    text.name x="0" y=(y + 17.0) { (version.key_id) }
                    rect.key.revoked[entry.revocation().is_some()] x=(from) y=(y + 5.0) width=((until - from).max(2.0)) height=(ROW - 10.0) rx="3" {
                        title { (version.key_id) ": " (version.window) }
                    }
                    @if let Some(revocation) = entry.revocation() {
                        @let x = axis.x(revocation.distrust_after.date_naive());
                        line.distrust x1=(x) x2=(x) y1=(y + 1.0) y2=(y + ROW - 1.0) {}
                    }
                }
                line.now x1=(today) x2=(today) y1="0" y2=(height) { title { "when this report was made" } }
            }
            p.sentence { "Each bar is the time in which a key could sign. The thin line is when this report was made; a thick one is the instant from which a key is distrusted." }
        }
    }
}

fn over_time(report: &Report) -> Markup {
    let first_day = |(year, month): (i32, u32)| NaiveDate::from_ymd_opt(year, month, 1);
    let months = report.tally.months.iter();
    let months: Vec<(NaiveDate, Counts)> = months
        .filter_map(|(month, counts)| Some((first_day(*month)?, *counts)))
        .collect();
    let times = months
        .iter()
        .map(|(day, _)| day.and_time(Default::default()).and_utc());
    let Some(axis) = Axis::years(times) else {
        return html! {};
    };
    let most = months
        .iter()
        .map(|(_, counts)| counts.all)
        .max()
        .unwrap_or(1);
    let high = |count: u64| count as f64 / most as f64 * (BARS - 14.0);
    html! {
        section {
            h2 { "Signatures over time" }
            svg viewBox=(format!("0 0 {WIDTH} {}", BARS + 24.0)) role="img" aria-label="Signatures by month" {
                (axis.draw(BARS))
                text.name x="0" y="17" { (number(most)) " in a month" }
                line.base x1=(NAMES) x2=(WIDTH) y1=(BARS) y2=(BARS) {}
                @for (day, counts) in &months {
                    @let next = day.checked_add_months(chrono::Months::new(1)).unwrap_or(*day);
                    @let (x, width) = (axis.x(*day), (axis.x(next) - axis.x(*day) - 1.0).max(1.0));
                    @let (valid, invalid) = (high(counts.valid), high(counts.invalid()));
                    rect.valid x=(x) y=(BARS - valid) width=(width) height=(valid) {
                        title { (day.format("%Y-%m")) ": " (number(counts.valid)) " valid" }
                    }
                    @if counts.invalid() > 0 {
                        // Seen however few they are.
                        @let height = invalid.max(3.0);
                        rect.invalid x=(x) y=(BARS - valid - height) width=(width.max(2.0)) height=(height) {
                            title { (day.format("%Y-%m")) ": " (number(counts.invalid())) " not valid" }
                        }
                    }
                }
            }
            p.sentence { "By the month of signing. On top, in another colour: those that are not valid." }
        }
    }
}

fn keys(report: &Report) -> Markup {
    html! {
        section {
            h2 { "By key" }
            table {
                thead { tr { th scope="col" { "Key" } th.number scope="col" { "Valid" } th.number scope="col" { "Not valid" } th scope="col" { "First signature" } th scope="col" { "Last signature" } th scope="col" { "Fingerprint" } } }
                tbody {
                    @for (key_id, key) in &report.tally.keys {
                        tr {
                            td { (key_id) }
                            (counts(key.counts))
                            td { @if let Some((first, _)) = key.signed { (instant_text(first)) } }
                            td { @if let Some((_, last)) = key.signed { (instant_text(last)) } }
                            td { @if let Some(fingerprint) = report.fingerprints.get(key_id) { (fingerprint) } }
                        }
                    }
                }
            }
        }
    }
}

fn ledgers(report: &Report) -> Markup {
    html! {
        section {
            h2 { "By ledger" }
            table {
                thead { tr { th scope="col" { "Ledger" } th.number scope="col" { "Valid" } th.number scope="col" { "Not valid" } th scope="col" { "First checkpoint" } th scope="col" { "Last checkpoint" } th.number scope="col" { "Entries" } } }
                tbody {
                    @for (ledger_id, ledger) in &report.tally.ledgers {
                        tr {
                            td { (ledger_id) }
                            (counts(ledger.counts))
                            td { @if let Some((first, _)) = ledger.time { (instant_text(first)) } }
                            td { @if let Some((_, last)) = ledger.time { (instant_text(last)) } }
                            td.number { (number(ledger.entry_count)) }
                        }
                    }
                }
            }
        }
    }
}

fn counts(counts: Counts) -> Markup {
    html! {
        td.number { (number(counts.valid)) }
        td.number { (number(counts.invalid())) }
    }
}

fn failures(failures: &[String]) -> Markup {
    html! {
        @if !failures.is_empty() {
            section {
                h2 { "Not checked" }
                ul { @for failure in failures { li { (visible(failure)) } } }
            }
        }
    }
}

/// With thin spaces between thousands.
fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

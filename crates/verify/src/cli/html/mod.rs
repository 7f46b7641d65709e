//! The report as one page: it needs nothing from elsewhere, so that it looks the same when it is opened in ten years, on a desk, on a
//! phone and on paper.

mod drawings;
mod ledgers;
mod tables;
mod times;
mod words;

use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::report::Report;
use super::selecting::Selected;
use crate::bulk::Finding;
use checkpoint::counted::counted;
use checkpoint::verdict::VerdictKind;
use checkpoint::visible::visible;
use drawings::{over_time, timeline};
use ledgers::{keys, ledgers};
use tables::{bad_ones, contradictions, failures, findings, inputs};
use times::moment;

const STYLE: &str = include_str!("report.css");

pub(super) fn page(report: &Report, now: DateTime<Utc>) -> String {
    let (title, is_good) = words::headline(report);
    let of_files = |finding: &&Finding| finding.members().is_empty();
    let of_files: Vec<&Finding> = report.faults.iter().filter(of_files).collect();
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
                    p.made { "Verification report, made " (moment(now)) " by " (report.program.0) " " (env!("CARGO_PKG_VERSION")) }
                    h1.good[is_good] { (title) }
                    (summary(report))
                    p.sentence { "Read: " (visible(&names(report))) ". " (visible(&report.believed)) }
                    @if let Some(told) = report.selected.as_ref().and_then(Selected::told) {
                        p.sentence { "Only these were looked at: " (visible(&told)) "." }
                    }
                }
                main {
                    (contradictions(report))
                    (bad_ones(report))
                    (findings("Exports that are not as they were written", of_files, None))
                    (failures(&report.failures))
                    (findings("Not in the service's record", &report.not_recorded.told, Some(report.not_recorded.count)))
                    (timeline(&report.keys, now))
                    (over_time(report))
                    (keys(report))
                    (ledgers(report))
                    (findings("To be noted", &report.remarks, None))
                    (findings("Left out as a whole", &report.left_out.told, Some(report.left_out.count)))
                    (findings("Days without a checkpoint", &report.gaps.told, Some(report.gaps.count)))
                    (inputs(report))
                }
            }
        }
    };
    page.into_string()
}

fn names(report: &Report) -> String {
    let names = report.inputs.iter();
    let names: Vec<String> = names.map(|path| path.display().to_string()).collect();
    names.join(", ")
}

fn summary(report: &Report) -> Markup {
    let tally = &report.tally;
    let contradicted = report.contradicted();
    html! {
        table.verdicts {
            caption { "Verdicts on " (counted(number(tally.counts.all), "checkpoint", "checkpoints")) }
            tbody {
                @for (kind, count) in tally.verdicts.iter().rev() {
                    @if *kind != VerdictKind::Valid {
                        (row(words::title(*kind), Some(*kind), *count, words::meaning(*kind)))
                    } @else {
                        (row(words::title(*kind), Some(*kind), words::genuine(report), words::meaning(*kind)))
                        (row(words::CONTRADICTED, Some(*kind), contradicted, words::CONTRADICTED_MEANING))
                    }
                }
            }
        }
        @if report.together.copies > 0 { p.sentence { (copies(report.together.copies)) } }
        @if tally.not_recorded + tally.left_out > 0 || !report.failures.is_empty() {
            table.verdicts {
                caption { "And besides" }
                tbody {
                    (row("Not on record", None, tally.not_recorded, "Their signatures are genuine, and the service has none of them on record: by its word it did not sign them."))
                    (row("Left out", None, tally.left_out, "They are not selected, and were not looked at."))
                    (row("Not checked", None, report.failures.len() as u64, "Files and folders of which nothing, or not all, could be read."))
                }
            }
        }
    }
}

/// A line of a table, unless there is nothing to count.
fn row(title: &str, kind: Option<VerdictKind>, count: u64, meaning: &str) -> Markup {
    html! {
        @if count > 0 {
            tr { th scope="row" { (title) @if let Some(kind) = kind { " " code { (kind) } } } td { (number(count)) } td.sentence { (meaning) } }
        }
    }
}

fn copies(count: u64) -> String {
    let count = counted(number(count), "checkpoint is", "checkpoints are");
    format!("Among all of these, {count} there once more, unchanged, and counted again.")
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

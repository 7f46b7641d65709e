//! The report as one page: it needs nothing from elsewhere, so that it looks the same when it is opened in ten years, on a desk, on a
//! phone and on paper.

mod drawings;
mod tables;
mod words;

use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::report::Report;
use super::selecting::Selected;
use checkpoint::counted::counted;
use checkpoint::key::instant_text;
use checkpoint::visible::visible;
use drawings::{over_time, timeline};
use tables::{bad_ones, failures, findings, inputs, keys, ledgers};

const STYLE: &str = include_str!("report.css");

pub(super) fn page(report: &Report, now: DateTime<Utc>) -> String {
    let (title, is_good) = words::headline(report);
    let faults = report.faults.as_slice();
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
                    p.sentence { "Read: " (visible(&names(report))) ". " (visible(&report.believed)) }
                    @if let Some(told) = report.selected.as_ref().and_then(Selected::told) {
                        p.sentence { "Only these were looked at: " (visible(&told)) "." }
                    }
                }
                main {
                    (findings("Faults between checkpoints", faults, faults.len() as u64))
                    (bad_ones(report))
                    (failures(&report.failures))
                    (findings("Not in the service's record", &report.not_recorded.told, report.not_recorded.count))
                    (timeline(&report.keys, now))
                    (over_time(report))
                    (keys(report))
                    (ledgers(report))
                    (findings("To be noted", &report.remarks, report.remarks.len() as u64))
                    (findings("Left out as a whole", &report.left_out.told, report.left_out.count))
                    (findings("Days without a checkpoint", &report.gaps.told, report.gaps.count))
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
    html! {
        table.verdicts {
            caption { "Verdicts on " (counted(number(tally.counts.all), "checkpoint", "checkpoints")) " of " (counted(number(tally.ledgers.len() as u64), "ledger", "ledgers")) }
            tbody {
                @for (kind, count) in tally.verdicts.iter().rev() {
                    tr { th scope="row" { (words::title(*kind)) " " code { (kind) } } td { (number(*count)) } td.sentence { (words::meaning(*kind)) } }
                }
                @if !report.faults.is_empty() {
                    tr { th scope="row" { "Faults between them" } td { (number(report.faults.len() as u64)) } td.sentence { "Each is signed, and they contradict each other, or something is missing: not all of it can be true." } }
                }
                @if tally.not_recorded > 0 {
                    tr { th scope="row" { "Not on record" } td { (number(tally.not_recorded)) } td.sentence { "Their signatures are genuine, and the service has none of them on record: by its word it did not sign them." } }
                }
                @if report.copies > 0 {
                    tr { th scope="row" { "Of them copies" } td { (number(report.copies)) } td.sentence { "The same checkpoint is there more than once, unchanged." } }
                }
                @if tally.left_out > 0 {
                    tr { th scope="row" { "Left out" } td { (number(tally.left_out)) } td.sentence { "They are not selected, and were not looked at." } }
                }
                @if !report.failures.is_empty() {
                    tr { th scope="row" { "Not checked" } td { (number(report.failures.len() as u64)) } td.sentence { "Files and folders of which nothing, or not all, could be read." } }
                }
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

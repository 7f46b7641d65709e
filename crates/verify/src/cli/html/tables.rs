//! The parts of the report in which each line is of one checkpoint or input. A checkpoint is named by its ledger, its own name and
//! where it stands, each unbroken as far as a line goes.

use maud::{Markup, html};

use super::times::with_moments;
use super::{number, words};
use crate::bulk::{Finding, Member};
use crate::cli::report::Report;
use crate::cli::verdict_line::VerdictLine;
use checkpoint::counted::counted;
use checkpoint::visible::visible;

/// Those that are not valid.
pub(super) fn bad_ones(report: &Report) -> Markup {
    let count = report.tally.counts.invalid();
    let more = count - report.bad.len() as u64;
    html! {
        @if !report.bad.is_empty() {
            section {
                h2 { "Not genuine (" (number(count)) ")" }
                p.sentence { "Whatever these say of themselves, whose they are and what they are called, too, nobody has confirmed." }
                ul.found { @for line in &report.bad { li { (bad(line)) } } }
                @if more > 0 { p { "And " (number(more)) " more; --format ndjson has all." } }
            }
        }
    }
}

fn bad(line: &VerdictLine) -> Markup {
    let checked = &line.checked;
    let outline = checked.outline.as_ref();
    html! {
        h3 { (words::title(checked.kind)) " " code { (checked.kind) } }
        dl {
            @if let Some(outline) = outline {
                (fact("Ledger", outline.ledger_id.as_str()))
                (fact("Checkpoint", outline.checkpoint_id.as_str()))
            } @else {
                div { dt { "Checkpoint" } dd { "cannot be read" } }
            }
            (fact("Where", &visible(&line.place)))
        }
        p { (with_moments(&visible(&checked.explanation))) }
    }
}

/// The faults between two checkpoints, each of which is signed.
pub(super) fn contradictions(report: &Report) -> Markup {
    let contradicted = report.contradicted();
    html! {
        @if contradicted > 0 {
            section {
                h2 { (words::CONTRADICTED) " (" (number(contradicted)) ")" }
                p.sentence { "Each of these is signed by its key, and not all of them can be true. No signature shows which of them is." }
                ul.found { @for finding in report.contradictions() { li { (found(finding)) } } }
            }
        }
    }
}

pub(super) fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { code { (value) } } } }
}

/// What else was found; `count` says how many there are where not all are told.
pub(super) fn findings<'a>(
    title: &str,
    findings: impl IntoIterator<Item = &'a Finding>,
    count: Option<u64>,
) -> Markup {
    let findings: Vec<_> = findings.into_iter().collect();
    let told = findings.len() as u64;
    let count = count.unwrap_or(told);
    html! {
        @if count > 0 {
            section {
                h2 { (title) " (" (number(count)) ")" }
                ul.found { @for finding in findings { li { (found(finding)) } } }
                @if count > told { p { "And " (number(count - told)) " more; --format ndjson has all." } }
            }
        }
    }
}

fn found(finding: &Finding) -> Markup {
    html! {
        h3 { (words::finding(finding)) " " code { (finding.name()) } }
        p { (with_moments(&visible(&finding.explanation()))) }
        @for member in finding.members() { (named(member)) }
    }
}

fn named(member: &Member) -> Markup {
    html! {
        dl {
            (fact("Ledger", &member.ledger_id))
            (fact("Checkpoint", &member.checkpoint_id))
            (fact("Where", &visible(&member.source)))
        }
    }
}

/// What was not checked, and why.
pub(super) fn failures(failures: &[String]) -> Markup {
    html! {
        @if !failures.is_empty() {
            section {
                h2 { "Not checked (" (number(failures.len() as u64)) ")" }
                ul.found { @for failure in failures { li { p { (visible(failure)) } } } }
            }
        }
    }
}

/// What was read, each with what tells it from any other.
pub(super) fn inputs(report: &Report) -> Markup {
    html! {
        section {
            h2 { "What was read" }
            ul.found {
                @if let Some(keyring) = &report.keyring {
                    li { h3.name { "The keyring " code { (visible(&keyring.name)) } } dl { (fact("SHA-256", &keyring.sha256)) } }
                }
                @for input in &report.digests {
                    li {
                        h3.name {
                            code { (visible(&input.name)) }
                            @if let Some(files) = &input.files { ", " (counted(number(files.count), "file", "files")) }
                        }
                        dl { (fact("SHA-256", &input.sha256)) }
                        @if let Some(files) = &input.files {
                            p { "That is of the list of its files, each as " code { "sha256sum" } " prints it, in the order of their names." }
                            @if !files.each.is_empty() { pre { (visible_lines(&files.each)) } }
                        }
                    }
                }
            }
        }
    }
}

fn visible_lines(lines: &[String]) -> String {
    let lines: Vec<String> = lines
        .iter()
        .map(|line| visible(line).into_owned())
        .collect();
    lines.join("\n")
}

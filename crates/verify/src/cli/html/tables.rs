//! The parts of the report in which each line is of one checkpoint, key, ledger or input. A checkpoint is named by its ledger, its
//! own name and where it stands, each unbroken as far as a line goes.

use maud::{Markup, html};

use super::{number, words};
use crate::bulk::{Counts, Finding, Member};
use crate::cli::report::Report;
use crate::cli::verdict_line::VerdictLine;
use checkpoint::counted::counted;
use checkpoint::key::instant_text;
use checkpoint::visible::visible;

/// Those that are not valid.
pub(super) fn bad_ones(report: &Report) -> Markup {
    let count = report.tally.counts.invalid();
    let more = count - report.bad.len() as u64;
    html! {
        @if !report.bad.is_empty() {
            section {
                h2 { "Not genuine (" (number(count)) ")" }
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
        p { (visible(&checked.explanation)) }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { code { (value) } } } }
}

/// What shows when they are seen together.
pub(super) fn findings(title: &str, findings: &[Finding], count: u64) -> Markup {
    let more = count - findings.len() as u64;
    html! {
        @if count > 0 {
            section {
                h2 { (title) " (" (number(count)) ")" }
                ul.found {
                    @for finding in findings {
                        li {
                            h3 { (words::finding(finding)) " " code { (finding.name()) } }
                            p { (visible(&finding.explanation())) }
                            @for member in finding.members() { (named(member)) }
                        }
                    }
                }
                @if more > 0 { p { "And " (number(more)) " more; --format ndjson has all." } }
            }
        }
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

/// The keys, and what they signed.
pub(super) fn keys(report: &Report) -> Markup {
    html! {
        section {
            h2 { "By key" }
            ul.found {
                @for (key_id, key) in &report.tally.keys {
                    li {
                        h3.name { code { (key_id) } }
                        dl {
                            (counts(key.counts))
                            @if let Some((first, last)) = key.signed {
                                (fact("First signature", &instant_text(first)))
                                (fact("Last signature", &instant_text(last)))
                            }
                        }
                        @if let Some(fingerprint) = report.fingerprints.get(key_id) {
                            dl { (fact("Fingerprint", &fingerprint.to_string())) }
                        }
                    }
                }
            }
        }
    }
}

/// The ledgers, and how far they go.
pub(super) fn ledgers(report: &Report) -> Markup {
    html! {
        section {
            h2 { "By ledger" }
            ul.found {
                @for (ledger_id, ledger) in &report.tally.ledgers {
                    li {
                        h3.name { code { (ledger_id) } }
                        dl {
                            (counts(ledger.counts))
                            @if let Some((first, last)) = ledger.time {
                                (fact("First checkpoint", &instant_text(first)))
                                (fact("Last checkpoint", &instant_text(last)))
                                div { dt { "Entries" } dd { (number(ledger.entry_count)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn counts(counts: Counts) -> Markup {
    html! {
        div { dt { "Genuine" } dd { (number(counts.valid)) } }
        @if counts.invalid() > 0 { div.bad { dt { "Not genuine" } dd { (number(counts.invalid())) } } }
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

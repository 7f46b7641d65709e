//! The keys and the ledgers. What a file says that is not genuine, nobody has confirmed: whom it names did nothing by that, and is told
//! apart from those that signed.

use std::fmt::Display;

use maud::{Markup, html};

use super::number;
use super::tables::fact;
use super::times::moment;
use crate::cli::report::Report;
use checkpoint::counted::counted;

/// Names that are told in full of those that nobody has confirmed: a forger can make up any number of them.
const MAX_CLAIMED: usize = 100;

/// The keys, and what they signed.
pub(super) fn keys(report: &Report) -> Markup {
    let keys = report.tally.keys.iter();
    let (known, claimed): (Vec<_>, Vec<_>) = keys.partition(|(key_id, key)| {
        key.counts.valid > 0 || report.fingerprints.contains_key(*key_id)
    });
    let claimed: Vec<_> = claimed
        .iter()
        .map(|(key_id, key)| (*key_id, key.counts.all))
        .collect();
    html! {
        section {
            h2 { "By key" }
            ul.found {
                @for (key_id, key) in known {
                    li {
                        h3.name { code { (key_id) } }
                        dl {
                            (of_count("Signed", key.counts.valid))
                            (named_by(key.counts.invalid()))
                            @if let Some((first, last)) = key.signed {
                                (plain("First signature", &moment(first)))
                                (plain("Last signature", &moment(last)))
                            }
                        }
                        @if let Some(fingerprint) = report.fingerprints.get(key_id) {
                            dl { (fact("Fingerprint", &fingerprint.to_string())) }
                        }
                    }
                }
            }
            (only_claimed("Keys that are only claimed", "Only checkpoints that are not genuine name them: nothing here shows that there are such keys.", &claimed))
        }
    }
}

/// The ledgers, and how far they go.
pub(super) fn ledgers(report: &Report) -> Markup {
    let ledgers = report.tally.ledgers.iter();
    let (known, claimed): (Vec<_>, Vec<_>) =
        ledgers.partition(|(_, ledger)| ledger.counts.valid > 0);
    let claimed: Vec<_> = claimed
        .iter()
        .map(|(ledger_id, ledger)| (*ledger_id, ledger.counts.all))
        .collect();
    let contradicted = |ledger_id: &str| {
        let found = report.together.contradicted.get(ledger_id);
        found.copied().unwrap_or_default()
    };
    html! {
        section {
            h2 { "By ledger" }
            ul.found {
                @for (ledger_id, ledger) in known {
                    @let contradicted = contradicted(ledger_id.as_str());
                    li {
                        h3.name { code { (ledger_id) } }
                        dl {
                            (of_count("Genuine", ledger.counts.valid.saturating_sub(contradicted)))
                            @if contradicted > 0 { div.bad { dt { "Signed, but contradicted" } dd { (number(contradicted)) } } }
                            (named_by(ledger.counts.invalid()))
                            @if let Some((first, last)) = ledger.time {
                                (plain("First checkpoint", &moment(first)))
                                (plain("Last checkpoint", &moment(last)))
                                (of_count("Entries", ledger.entry_count))
                            }
                        }
                    }
                }
            }
            (only_claimed("Ledgers that are only claimed", "Only checkpoints that are not genuine name them: nothing here is of such a ledger.", &claimed))
        }
    }
}

fn of_count(name: &str, count: u64) -> Markup {
    html! { div { dt { (name) } dd { (number(count)) } } }
}

fn plain(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// How many are not genuine, and name it.
fn named_by(count: u64) -> Markup {
    html! { @if count > 0 { (of_count("Not genuine, and claimed for it", count)) } }
}

fn only_claimed(title: &str, meaning: &str, claimed: &[(impl Display, u64)]) -> Markup {
    let more = claimed.len().saturating_sub(MAX_CLAIMED);
    html! {
        @if !claimed.is_empty() {
            h3.claimed { (title) " (" (number(claimed.len() as u64)) ")" }
            p.sentence { (meaning) }
            ul {
                @for (name, count) in claimed.iter().take(MAX_CLAIMED) {
                    li { code { (name) } ": " (counted(number(*count), "checkpoint", "checkpoints")) }
                }
            }
            @if more > 0 { p { "And " (number(more as u64)) " more; --format json has all." } }
        }
    }
}

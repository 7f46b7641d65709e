//! How `rollover status` shows the windows of the keys.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::rollover::{Overview, Phase, Replica, StoredVersion, TimelineKey, days};
use checkpoint::key::{StagingLabel, instant_text};
use checkpoint::keyring::KeyState;
use checkpoint::visible::visible;

/// Characters of the drawn timeline.
const WIDTH: i64 = 36;

pub(super) fn text(status: &Overview, now: DateTime<Utc>) -> String {
    let (spans, warnings) = (&status.timeline.spans, &status.timeline.warnings);
    let (secret, at) = (visible(&status.snapshot.secret), instant_text(now));
    let mut text = format!("{secret} at {at}\n\n");
    let scale = Scale::new(spans, now);
    let name = spans
        .iter()
        .map(|span| span.key.key_id.as_str().len())
        .max();
    let name = name.unwrap_or_default();
    for span in spans {
        let window = span.key.window;
        let signs = if span.signs { "  <- signs now" } else { "" };
        let labels = match span.stages.is_empty() {
            true => "no label".into(),
            false => visible(&stages(span).join(",")).into_owned(),
        };
        text.push_str(&format!(
            "{:<9} {:<name$} {} {} to {}  {:<18} {labels}{signs}\n",
            span.phase.as_str(),
            span.key.key_id,
            scale.bar(span),
            day(window.from()),
            day(window.until()),
            distance(span, now),
        ));
    }
    if !spans.is_empty() {
        let column = usize::try_from(scale.column(now)).unwrap_or_default();
        let before = " ".repeat(9 + 1 + name + 1 + 1 + column);
        text.push_str(&format!("{before}^ now\n\n"));
    }
    for span in spans {
        let (key_id, fingerprint) = (&span.key.key_id, span.key.fingerprint());
        text.push_str(&format!("{key_id:<name$} {fingerprint}\n"));
    }
    if !status.replicas.is_empty() {
        text.push('\n');
    }
    for replica in &status.replicas {
        let (url, said) = (visible(&replica.url), says(replica));
        text.push_str(&format!("{url}: {}\n", visible(&said)));
    }
    if let Some(problem) = &status.not_checked {
        text.push_str(&format!("\nNOT CHECKED: {}\n", visible(problem)));
    }
    if !warnings.is_empty() {
        text.push('\n');
    }
    for warning in warnings {
        text.push_str(&format!("WARNING: {}\n", visible(&warning.to_string())));
    }
    let notes: Vec<String> = notes(status).collect();
    if !notes.is_empty() {
        text.push('\n');
    }
    for note in notes {
        text.push_str(&format!("NOTE {}\n", visible(&note)));
    }
    text.push_str(&format!("\nnext: {}\n", visible(&status.next(now))));
    text
}

pub(super) fn json(status: &Overview, now: DateTime<Utc>) -> Value {
    let keys = status.timeline.spans.iter().map(|span| {
        json!({
            "key_id": span.key.key_id.as_str(),
            "phase": span.phase.as_str(),
            "valid_from": instant_text(span.key.window.from()),
            "valid_until": instant_text(span.key.window.until()),
            "fingerprint": span.key.fingerprint().to_string(),
            "thumbprint": span.key.public_key.thumbprint(),
            "version_id": span.version_id,
            "version_stages": stages(span),
            "signing": span.signs,
        })
    });
    let replicas = status.replicas.iter().map(|replica| {
        let keys = replica.keys().iter();
        let keys = keys.map(|key| {
            let (state, fingerprint) = (key.state.as_str(), &key.fingerprint);
            json!({ "key_id": key.key_id, "state": state, "fingerprint": fingerprint })
        });
        json!({
            "server": replica.url,
            "problem": replica.listing.as_ref().err(),
            "signing": replica.signs_with().filter(|_| replica.signs_nothing().is_none()),
            "signing_refused": replica.signs_nothing(),
            "keys": keys.collect::<Vec<_>>(),
        })
    });
    let warnings = status.timeline.warnings.iter();
    json!({
        "secret": status.snapshot.secret,
        "time": instant_text(now),
        "keys": keys.collect::<Vec<_>>(),
        "servers": replicas.collect::<Vec<_>>(),
        "not_checked": status.not_checked.iter().collect::<Vec<_>>(),
        "warnings": warnings.map(ToString::to_string).collect::<Vec<_>>(),
        "notes": notes(status).collect::<Vec<_>>(),
        "next": status.next(now),
    })
}

/// What is odd about the secret's versions. It is no warning: nothing need be done before the next key comes.
fn notes(status: &Overview) -> impl Iterator<Item = String> {
    let versions = status.snapshot.versions.iter();
    versions.filter_map(StoredVersion::note)
}

fn stages(span: &TimelineKey) -> Vec<&str> {
    span.stages.iter().map(StagingLabel::as_str).collect()
}

/// The date alone where a window begins or ends at midnight.
fn day(instant: DateTime<Utc>) -> String {
    let text = instant_text(instant);
    match text.strip_suffix("T00:00:00Z") {
        Some(date) => date.into(),
        None => text,
    }
}

fn distance(span: &TimelineKey, now: DateTime<Utc>) -> String {
    let window = span.key.window;
    if now >= window.until() {
        format!("ended {} ago", days(now - window.until()))
    } else if now < window.from() {
        format!("opens in {}", days(window.from() - now))
    } else {
        format!("{} left", days(window.until() - now))
    }
}

fn says(replica: &Replica) -> String {
    if let Err(problem) = &replica.listing {
        return problem.clone();
    }
    let trusted = replica
        .keys()
        .iter()
        .filter(|key| matches!(key.state, KeyState::Scheduled | KeyState::Active));
    let trusted: Vec<String> = trusted
        .map(|key| format!("{} {}", key.key_id, key.state.as_str()))
        .collect();
    match replica.signs_with() {
        Some(_) if replica.signs_nothing().is_some() => {
            format!("SIGNS NOTHING; {}", trusted.join(", "))
        }
        Some(key_id) => format!("signs with {key_id}; {}", trusted.join(", ")),
        None => format!("SIGNS WITH NO KEY; {}", trusted.join(", ")),
    }
}

/// Instants as columns.
struct Scale {
    from: DateTime<Utc>,
    seconds: i64,
}

impl Scale {
    fn new(spans: &[TimelineKey], now: DateTime<Utc>) -> Self {
        let edges = spans
            .iter()
            .flat_map(|span| [span.key.window.from(), span.key.window.until()]);
        let edges: Vec<DateTime<Utc>> = edges.chain([now]).collect();
        let from = edges.iter().min().copied().unwrap_or(now);
        let until = edges.iter().max().copied().unwrap_or(now);
        Self {
            from,
            seconds: (until - from).num_seconds().max(1),
        }
    }

    fn column(&self, instant: DateTime<Utc>) -> i64 {
        let column = (instant - self.from).num_seconds() * WIDTH / self.seconds;
        column.clamp(0, WIDTH - 1)
    }

    fn bar(&self, span: &TimelineKey) -> String {
        let window = span.key.window;
        let (first, end) = (self.column(window.from()), self.column(window.until()));
        // The last instant is outside of the window, unless it is at the end of the whole.
        let last = match window.until() {
            until if until >= self.from + chrono::TimeDelta::seconds(self.seconds) => WIDTH - 1,
            _ => (end - 1).max(first),
        };
        let drawn = match span.phase {
            Phase::Past => '=',
            Phase::Active => '#',
            Phase::Scheduled => '+',
            Phase::Staged => '-',
            Phase::Revoked | Phase::GivenUp => 'x',
        };
        let bar: String = (0..WIDTH)
            .map(|column| match (first..=last).contains(&column) {
                true => drawn,
                false => '.',
            })
            .collect();
        format!("|{bar}|")
    }
}

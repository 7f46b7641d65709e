//! How `rollover status` shows the windows of the keys, in 80 columns.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::rollover::{Overview, Phase, Replica, Situation, TimelineKey, days};
use checkpoint::key::{StagingLabel, instant_text};
use checkpoint::keyring::KeyState;
use checkpoint::visible::visible;

/// Characters of the drawn timeline.
const WIDTH: i64 = 44;

const LEGEND: &str = "\
= past   # active   + opens later   - staged   x revoked, refused or given up
! no key can sign";

pub(super) fn text(status: &Overview, first: Option<&str>, next: &str) -> String {
    let Overview {
        situation,
        timeline,
        ..
    } = status;
    let (spans, now) = (&timeline.spans, situation.now);
    let (secret, at) = (visible(&situation.snapshot.secret), instant_text(now));
    let mut text = format!("{secret} at {at}\n\n");
    let scale = Scale::new(spans, now);
    for span in spans {
        text.push_str(&entry(span, &scale, situation));
    }
    for gap in &timeline.gaps {
        let bar = scale.bar(gap.from, gap.until, '!');
        let length = days(gap.until - gap.from);
        text.push_str(&format!("  {bar}  gap of {length}\n"));
    }
    if !spans.is_empty() {
        let column = usize::try_from(scale.column(now)).unwrap_or_default();
        text.push_str(&format!("   {}^ now\n\n{LEGEND}\n\n", " ".repeat(column)));
    }
    for span in spans {
        let (key_id, fingerprint) = (&span.key.key_id, span.key.fingerprint());
        text.push_str(&format!("{key_id}\n  {fingerprint}\n"));
    }
    if !situation.replicas.is_empty() {
        text.push('\n');
    }
    for replica in &situation.replicas {
        let (url, said) = (visible(&replica.url), says(replica));
        text.push_str(&format!("{url}: {}\n", visible(&said)));
    }
    if let Some(problem) = &status.not_checked {
        text.push_str(&format!("\nNOT CHECKED: {}\n", visible(problem)));
    }
    if !timeline.warnings.is_empty() {
        text.push('\n');
    }
    for warning in &timeline.warnings {
        text.push_str(&format!("WARNING: {}\n", visible(&warning.to_string())));
    }
    if !timeline.notes.is_empty() {
        text.push('\n');
    }
    for note in &timeline.notes {
        text.push_str(&format!("NOTE: {}\n", visible(note)));
    }
    text.push('\n');
    text.push_str(&super::ending(first, next));
    text
}

/// Two lines: what it is, and when.
fn entry(span: &TimelineKey, scale: &Scale, situation: &Situation) -> String {
    let window = span.key.window;
    let labels = match span.stages.is_empty() {
        true => String::new(),
        false => format!("  {}", visible(&stages(span).join(","))),
    };
    let signs = if span.signs { "  <- signs now" } else { "" };
    let drawn = match span.phase {
        Phase::Past => '=',
        Phase::Active | Phase::Unlabelled => '#',
        Phase::Scheduled => '+',
        Phase::Staged => '-',
        Phase::Revoked | Phase::Refused | Phase::GivenUp => 'x',
    };
    let bar = scale.bar(window.from(), window.until(), drawn);
    format!(
        "{:<9} {}{labels}{signs}\n  {bar}  {}\n  {} to {}\n",
        span.phase.as_str(),
        span.key.key_id,
        distance(span, situation),
        day(window.from()),
        day(window.until()),
    )
}

pub(super) fn json(status: &Overview, first: Option<&str>, next: &str) -> Value {
    let situation = &status.situation;
    let keys = status.timeline.spans.iter().map(|span| {
        let revoked_from = revoked_from(span, situation).map(instant_text);
        json!({
            "key_id": span.key.key_id.as_str(),
            "phase": span.phase.as_str(),
            "valid_from": instant_text(span.key.window.from()),
            "valid_until": instant_text(span.key.window.until()),
            "revoked_from": revoked_from,
            "fingerprint": span.key.fingerprint().to_string(),
            "thumbprint": span.key.public_key.thumbprint(),
            "version_id": span.version_id,
            "version_stages": stages(span),
            "signing": span.signs,
        })
    });
    let replicas = situation.replicas.iter().map(|replica| {
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
    let gaps = status.timeline.gaps.iter();
    let gaps =
        gaps.map(|gap| json!({ "from": instant_text(gap.from), "until": instant_text(gap.until) }));
    let warnings = status.timeline.warnings.iter();
    json!({
        "secret": situation.snapshot.secret,
        "time": instant_text(situation.now),
        "keys": keys.collect::<Vec<_>>(),
        "gaps": gaps.collect::<Vec<_>>(),
        "servers": replicas.collect::<Vec<_>>(),
        "not_checked": status.not_checked.iter().collect::<Vec<_>>(),
        "warnings": warnings.map(ToString::to_string).collect::<Vec<_>>(),
        "notes": status.timeline.notes,
        "first": first,
        "next": next,
    })
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

fn distance(span: &TimelineKey, situation: &Situation) -> String {
    let (window, now) = (span.key.window, situation.now);
    if span.phase == Phase::Revoked {
        return match revoked_from(span, situation) {
            Some(from) => format!("revoked from {}", instant_text(from)),
            None => "revoked".into(),
        };
    }
    if now >= window.until() {
        format!("ended {} ago", days(now - window.until()))
    } else if now < window.from() {
        format!("opens in {}", days(window.from() - now))
    } else {
        format!("{} left", days(window.until() - now))
    }
}

/// From when on the key is distrusted, as those who were asked say: the earliest.
fn revoked_from(span: &TimelineKey, situation: &Situation) -> Option<DateTime<Utc>> {
    let thumbprint = span.key.public_key.thumbprint();
    let keys = situation.replicas.iter().flat_map(Replica::keys);
    keys.filter(|key| key.thumbprint == thumbprint)
        .filter_map(|key| key.revoked_from)
        .min()
}

fn says(replica: &Replica) -> String {
    if let Err(problem) = &replica.listing {
        return problem.clone();
    }
    let trusted = replica
        .keys()
        .iter()
        .filter(|key| matches!(key.state, KeyState::Scheduled | KeyState::Active));
    let trusted = trusted.map(|key| format!("{} {}", key.key_id, key.state.as_str()));
    let signs = match replica.signs_with() {
        // Of a record, nobody signs with it.
        None if replica.is_record() => None,
        Some(_) if replica.signs_nothing().is_some() => Some("SIGNS NOTHING".into()),
        Some(key_id) => Some(format!("signs with {key_id}")),
        None => Some("SIGNS WITH NO KEY".into()),
    };
    let mut said: Vec<String> = signs.into_iter().chain(trusted).collect();
    if said.is_empty() {
        said.push("has no key that is trusted".into());
    }
    let first = said.remove(0);
    match said.is_empty() {
        true => first,
        false => format!("{first}; {}", said.join(", ")),
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
        let seconds = i128::from((instant - self.from).num_seconds());
        let column = seconds * i128::from(WIDTH) / i128::from(self.seconds);
        i64::try_from(column).unwrap_or(WIDTH).clamp(0, WIDTH - 1)
    }

    fn bar(&self, from: DateTime<Utc>, until: DateTime<Utc>, drawn: char) -> String {
        let (first, end) = (self.column(from), self.column(until));
        // The last instant is outside of the window, unless it is at the end of the whole.
        let last = match until {
            until if until >= self.from + TimeDelta::seconds(self.seconds) => WIDTH - 1,
            _ => (end - 1).max(first),
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

//! The drawings of the report: when each key could sign, and how many signatures there are of each month.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use maud::{Markup, html};

use super::number;
use crate::bulk::Counts;
use crate::cli::report::Report;
use checkpoint::keyring::KeyringEntry;

/// Units of the drawings.
const WIDTH: f64 = 1000.0;
const NAMES: f64 = 250.0;
const ROW: f64 = 26.0;
const BARS: f64 = 160.0;

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

pub(super) fn timeline(keys: &[KeyringEntry], now: DateTime<Utc>) -> Markup {
    let edges = |entry: &KeyringEntry| {
        let window = entry.version().window;
        // The first instant after the window is often the next year's first.
        [
            window.from(),
            window.until() - chrono::TimeDelta::seconds(1),
        ]
    };
    // The line of this day has its place among them; without keys there is nothing to draw.
    let today = (!keys.is_empty()).then_some(now);
    let Some(axis) = Axis::years(keys.iter().flat_map(edges).chain(today)) else {
        return html! {};
    };
    let height = keys.len() as f64 * ROW;
    let now = axis.x(now.date_naive());
    html! {
        section {
            h2 { "The keys" }
            div.drawing { svg viewBox=(format!("0 0 {WIDTH} {}", height + 24.0)) role="img" aria-label="When each key could sign" {
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
                line.now x1=(now) x2=(now) y1="0" y2=(height) { title { "when this report was made" } }
            } }
            p.sentence { "Each bar is the time in which a key could sign. The thin line is when this report was made; a thick one is the instant from which a key is distrusted." }
        }
    }
}

pub(super) fn over_time(report: &Report) -> Markup {
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
            div.drawing { svg viewBox=(format!("0 0 {WIDTH} {}", BARS + 24.0)) role="img" aria-label="Signatures by month" {
                (axis.draw(BARS))
                text.name x="0" y="17" { (number(most)) " in a month" }
                line.base x1=(NAMES) x2=(WIDTH) y1=(BARS) y2=(BARS) {}
                @for (day, counts) in &months {
                    @let next = day.checked_add_months(chrono::Months::new(1)).unwrap_or(*day);
                    @let (x, width) = (axis.x(*day), (axis.x(next) - axis.x(*day) - 1.0).max(1.0));
                    @let (valid, invalid) = (high(counts.valid), high(counts.invalid()));
                    rect.valid x=(x) y=(BARS - valid) width=(width) height=(valid) {
                        title { (day.format("%Y-%m")) ": " (number(counts.valid)) " genuine" }
                    }
                    @if counts.invalid() > 0 {
                        // Seen however few they are.
                        @let height = invalid.max(3.0);
                        rect.invalid x=(x) y=(BARS - valid - height) width=(width.max(2.0)) height=(height) {
                            title { (day.format("%Y-%m")) ": " (number(counts.invalid())) " not genuine" }
                        }
                    }
                }
            } }
            p.sentence { "By the month of signing. On top, in another colour: those that are not genuine." }
        }
    }
}

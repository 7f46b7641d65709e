//! The drawings of the report: when each key could sign, and how many signatures there are of each month. They are as wide as there is
//! room, and their words keep their size.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use maud::{Markup, html};

use super::number;
use super::times::moment;
use crate::bulk::Counts;
use crate::cli::report::Report;
use checkpoint::keyring::KeyringEntry;

/// Heights, in pixels: of a key with its name, of its bar alone, of the highest bar of a month, of the years below.
const ROW: usize = 40;
const BAR: usize = 14;
const BARS: f64 = 150.0;
const YEARS: f64 = 20.0;

/// Years that are named, at most: as many as fit on a phone.
const MAX_YEARS: i32 = 7;

/// The years that are drawn; places on it are in percent of its width.
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
        part.clamp(0.0, 1.0) * 100.0
    }

    fn has(&self, date: NaiveDate) -> bool {
        (self.first..=self.last).contains(&date.year())
    }

    /// The years, not more than fit.
    fn marks(&self) -> impl Iterator<Item = (i32, f64)> {
        let step = ((self.last - self.first) / MAX_YEARS + 1).unsigned_abs() as usize;
        let years = (self.first..=self.last).step_by(step);
        years.filter_map(|year| Some((year, self.x(NaiveDate::from_ymd_opt(year, 1, 1)?))))
    }

    fn draw(&self, height: f64) -> Markup {
        html! {
            @for (year, x) in self.marks() {
                line.grid x1=(percent(x)) x2=(percent(x)) y1="0" y2=(height) {}
                text x=(percent(x)) y=(height + 16.0) dx="4" { (year) }
            }
        }
    }
}

fn percent(part: f64) -> String {
    format!("{part:.3}%")
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
    let height = (keys.len() * ROW) as f64;
    let now = percent(axis.x(now.date_naive()));
    html! {
        section {
            h2 { "The keys" }
            svg width="100%" height=(height + YEARS) role="img" aria-label="When each key could sign" {
                (axis.draw(height))
                @for (row, entry) in keys.iter().enumerate() { (key_bar(&axis, entry, row * ROW)) }
                line.now x1=(now) x2=(now) y1="0" y2=(height) { title { "when this report was made" } }
            }
            p.sentence { "Each bar is the time in which a key could sign. The broken line is when this report was made"
                @if keys.iter().any(|entry| entry.revocation().is_some()) { "; a thick one is the instant from which a key is distrusted" }
                "." }
        }
    }
}

fn key_bar(axis: &Axis, entry: &KeyringEntry, y: usize) -> Markup {
    let version = entry.version();
    let [from, until] = [version.window.from(), version.window.until()];
    let [left, right] = [axis.x(from.date_naive()), axis.x(until.date_naive())];
    html! {
        text.name x="0" y=(y + 15) { (version.key_id) }
        rect.key.revoked[entry.revocation().is_some()] x=(percent(left)) y=(y + 21) width=(percent((right - left).max(0.4))) height=(BAR) rx="3" {
            title { (version.key_id) ": " (moment(from)) " to " (moment(until)) }
        }
        @if let Some(revocation) = entry.revocation() {
            @let x = percent(axis.x(revocation.distrust_after.date_naive()));
            line.distrust x1=(x) x2=(x) y1=(y + 17) y2=(y + ROW - 1) {}
        }
    }
}

pub(super) fn over_time(report: &Report) -> Markup {
    let first_day = |(year, month): (i32, u32)| NaiveDate::from_ymd_opt(year, month, 1);
    let months = report.tally.months.iter();
    let mut months: Vec<(NaiveDate, Counts)> = months
        .filter_map(|(month, counts)| Some((first_day(*month)?, *counts)))
        .collect();
    // What is not genuine says of itself when it was signed, and may say any year.
    let signed = months.iter().filter(|(_, counts)| counts.valid > 0);
    let times = signed.map(|(day, _)| day.and_time(Default::default()).and_utc());
    let Some(axis) = Axis::years(times) else {
        return html! {};
    };
    months.retain(|(day, _)| axis.has(*day));
    let most = months.iter().map(|(_, counts)| counts.all).max();
    let most = most.unwrap_or(1);
    let is_any_claimed = months.iter().any(|(_, counts)| counts.invalid() > 0);
    html! {
        section {
            h2 { "Signatures over time" }
            p.sentence { "By the month of signing; the highest bar is of " (number(most)) "."
                @if is_any_claimed { " On top, in another colour: those that are not genuine, by the time that they claim." } }
            svg width="100%" height=(BARS + YEARS) role="img" aria-label="Signatures by month" {
                (axis.draw(BARS))
                line.base x1="0" x2="100%" y1=(BARS) y2=(BARS) {}
                @for (day, counts) in &months { (month_bar(&axis, *day, *counts, most)) }
            }
        }
    }
}

fn month_bar(axis: &Axis, day: NaiveDate, counts: Counts, most: u64) -> Markup {
    let high = |count: u64| count as f64 / most as f64 * (BARS - 6.0);
    let next = day
        .checked_add_months(chrono::Months::new(1))
        .unwrap_or(day);
    let (x, width) = (axis.x(day), (axis.x(next) - axis.x(day)) * 0.9);
    let (x, width) = (percent(x), percent(width.max(0.2)));
    let valid = high(counts.valid);
    html! {
        rect.valid x=(x) y=(BARS - valid) width=(width) height=(valid) {
            title { (day.format("%B %Y")) ": " (number(counts.valid)) " signed" }
        }
        @if counts.invalid() > 0 {
            // Seen however few they are.
            @let height = high(counts.invalid()).max(3.0);
            rect.invalid x=(x) y=(BARS - valid - height) width=(width) height=(height) {
                title { (day.format("%B %Y")) ": " (number(counts.invalid())) " not genuine" }
            }
        }
    }
}

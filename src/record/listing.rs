//! Pages of rows, as every store gives them: what a page may cost is bounded, whatever is asked for.

use super::row::Row;
use super::{Filter, RecordError};
use checkpoint::checkpoint::MAX_PAYLOAD_BYTES;
use checkpoint::history::Receipt;
use checkpoint::history::rules::CLOCK_TOLERANCE;

/// Most rows that one page looks at: a filter that hardly any row passes must not cost more than one that all pass.
pub const MAX_LOOKED_AT: u32 = 10_000;

/// A page of rows.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Those that pass the filter, the oldest first; there may be none although later pages have some.
    pub rows: Vec<Receipt>,
    /// The position after which the next page begins; none when all rows were looked at.
    pub next: Option<u64>,
}

/// Takes the rows of a page until it is full: of its number, or of half a mebibyte.
pub(super) struct PageBuilder {
    listing: Listing,
    limit: u32,
    bytes: usize,
}

impl PageBuilder {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            listing: Listing::default(),
            limit,
            bytes: 0,
        }
    }

    /// Takes the next row. The first is always taken. False when the page is full.
    pub(super) fn take(&mut self, row: Row<'_>) -> Result<bool, RecordError> {
        let Listing { rows, next } = &mut self.listing;
        self.bytes += row.payload.len();
        if self.bytes <= MAX_PAYLOAD_BYTES || rows.is_empty() {
            rows.push(row.into_receipt()?);
            if rows.len() < self.limit as usize {
                return Ok(true);
            }
        }
        *next = rows.last().map(|last| last.position);
        Ok(false)
    }

    /// The page, when not all rows are taken that pass the filter, or none is left; `cut` is the last position that was looked
    /// at when there are further ones.
    pub(super) fn end(self, cut: Option<i64>) -> Listing {
        let Listing { rows, next } = self.listing;
        let next = next.or(cut.map(i64::unsigned_abs));
        Listing { rows, next }
    }
}

/// Seconds since 1970: rows that pass a filter are not recorded before the first that was signed at `from` or later, and
/// not after the last that was signed before `until`.
pub(super) struct Recorded {
    pub(super) from: Option<i64>,
    pub(super) until: Option<i64>,
}

impl Recorded {
    /// Where the order of the rows does not tell: a clock ran ahead, and an operator let signing go on after it.
    pub(super) fn anywhere() -> Self {
        Self {
            from: None,
            until: None,
        }
    }

    /// `window` is that of the filter's key, which signs within it.
    pub(super) fn of(filter: &Filter, window: Option<(i64, i64)>) -> Self {
        // Of two rows, the later one was signed no more than this before the earlier.
        let tolerance = CLOCK_TOLERANCE.num_seconds();
        let from = filter.signed_from.map(|from| from.timestamp());
        let until = filter.signed_until.map(|until| until.timestamp());
        let (begin, end) = window.unzip();
        let from = from.max(begin);
        let until = until.into_iter().chain(end).min();
        Self {
            from: from.map(|from| from.saturating_sub(tolerance)),
            until: until.map(|until| until.saturating_add(tolerance)),
        }
    }
}

/// The rows that a page looks at.
pub(super) struct RowRange {
    /// Positions.
    pub(super) first: i64,
    pub(super) last: i64,
    /// The entry_counts that a ledger has there.
    pub(super) counts: (i64, i64),
    /// The last position that is looked at, when rows after it can pass.
    pub(super) cut: Option<i64>,
}

impl RowRange {
    /// Of the rows from one position to another, which have no gap.
    pub(super) fn of_all(first: i64, last: i64) -> Self {
        let end = first.saturating_add(i64::from(MAX_LOOKED_AT) - 1);
        Self::up_to(end, first, last, (0, i64::MAX))
    }

    /// Of a ledger's rows from `begin` on, an entry_count; `end` is the entry_count and position of the last that may be
    /// looked at, none when there are fewer.
    pub(super) fn of_ledger(first: i64, last: i64, begin: i64, end: Option<(i64, i64)>) -> Self {
        let (count, end) = end.unwrap_or((i64::MAX, i64::MAX));
        Self::up_to(end, first, last, (begin, count))
    }

    fn up_to(end: i64, first: i64, last: i64, counts: (i64, i64)) -> Self {
        Self {
            first,
            last: last.min(end),
            counts,
            cut: (end < last).then_some(end),
        }
    }
}

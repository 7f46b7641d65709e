//! Pages of the record, for the edges that list it: bounded in rows and in bytes, each with the token by which a
//! reader gets the next one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::pools::Pool;
use crate::record::{Filter, Record, RecordError};
use checkpoint::history::Receipt;

/// Largest page in bytes, so that it stays below the 4 MiB that gRPC clients accept by default. One item is always
/// given, and one item is always smaller.
const MAX_PAGE_BYTES: usize = 3 * 1024 * 1024 + 512 * 1024;

/// Bytes of the filters' digest in a token: enough to notice a mistake.
const DIGEST_BYTES: usize = 8;

/// Rows as an edge shows them.
#[derive(Debug)]
pub struct Page<T> {
    /// In the order of the record.
    pub items: Vec<T>,
    /// The position after which to go on, when there may be rows there.
    pub next: Option<u64>,
}

/// Reads up to `limit` rows after a position; `show` gives what is made of a row, and its bytes. A page may be empty although
/// others follow.
///
/// # Errors
/// [`RecordError`] when the record cannot be read.
pub async fn read<T: Send>(
    record: &dyn Record,
    filter: &Filter,
    after: u64,
    limit: u32,
    show: impl Fn(&Receipt) -> (T, usize) + Sync,
) -> Result<Page<T>, RecordError> {
    // One more than asked for tells whether there is a next page.
    let listing = record.list(filter, after, limit.saturating_add(1)).await?;
    let (mut items, mut bytes, mut last) = (Vec::new(), 0, after);
    let mut rows = listing.rows.iter().peekable();
    while let Some(row) = rows.next_if(|_| items.len() < limit as usize) {
        let (item, size) = Pool::of_signed(&row.signed).read(|| show(row));
        bytes += size;
        if bytes > MAX_PAGE_BYTES && !items.is_empty() {
            let next = Some(last);
            return Ok(Page { items, next });
        }
        items.push(item);
        last = row.position;
    }
    let next = match rows.peek() {
        Some(_) => Some(last),
        // The store may have given fewer rows than there are.
        None => listing.next,
    };
    Ok(Page { items, next })
}

/// A digest of the filters that a token belongs to, so that it is not taken for another list's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterDigest([u8; DIGEST_BYTES]);

impl FilterDigest {
    /// Of any text or bytes that differ when the filters do.
    pub fn of(filters: impl AsRef<[u8]>) -> Self {
        let digest = Sha256::digest(filters);
        Self(std::array::from_fn(|index| {
            digest.get(index).copied().unwrap_or_default()
        }))
    }

    /// The token for what comes after a position.
    pub fn token(self, last: u64) -> String {
        URL_SAFE_NO_PAD.encode([last.to_be_bytes(), self.0].concat())
    }

    /// The position in a token; an empty one is the beginning. None when it is no token of these filters.
    pub fn position(self, token: &str) -> Option<u64> {
        if token.is_empty() {
            return Some(0);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (last, found) = bytes.split_first_chunk()?;
        (found == self.0).then(|| u64::from_be_bytes(*last))
    }
}

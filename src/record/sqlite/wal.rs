//! Reads a write-ahead log without SQLite: how many commits it has, and those that SQLite would drop without a word.
//!
//! It reads a write-ahead log up to the first frame whose checksum is wrong, and forgets the rest: that is what a
//! crash leaves behind. But a crash spoils one commit, which nobody was told of. When there are more behind the
//! wrong frame, one of them was answered, and its place would be given again.

use std::path::Path;
use std::time::Duration;

/// SQLite's default, which `init` leaves as it is.
const PAGE: usize = 4096;

const HEADER: usize = 32;

const FRAME: usize = 24 + PAGE;

/// Commits that a crash can leave behind a wrong frame: the one under way.
const SPOILED_BY_A_CRASH: usize = 1;

/// Another process may write while this one reads: what is seen twice is there.
const PAUSE: Duration = Duration::from_millis(50);

/// What a log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// Commits that SQLite reads.
    pub(super) commits: usize,
    /// Commits of the log's last generation (one that was copied into the file is overwritten from the beginning, with other
    /// salts) that are behind the first wrong frame.
    dropped: usize,
    /// It was begun anew, and all that it has is of the generation before, which is in the file.
    pub(super) begun_anew: bool,
}

impl Log {
    /// Reads the log of a record; one that is missing is empty.
    pub(super) fn read(record: &Path) -> std::io::Result<Self> {
        let name = super::files::beside(record, "-wal");
        let read = || match std::fs::read(&name) {
            Ok(log) => Ok(Self::of(&log)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        };
        let log = read()?;
        if !log.loses_commits() {
            return Ok(log);
        }
        std::thread::sleep(PAUSE);
        read()
    }

    /// Whether answered commits would be lost when the record is opened.
    pub(super) fn loses_commits(self) -> bool {
        self.dropped > SPOILED_BY_A_CRASH
    }

    fn of(log: &[u8]) -> Self {
        let Some((header, rest)) = log.split_first_chunk::<HEADER>() else {
            return Self::default();
        };
        frames(header, rest)
    }
}

fn frames(header: &[u8; HEADER], rest: &[u8]) -> Log {
    let (frames, _) = rest.as_chunks::<FRAME>();
    let big_endian = word(header, 0) & 1 == 1;
    let mut chain = word(header, 0) & !1 == 0x377f_0682 && word(header, 8) == 4096;
    let mut sum = checksum((0, 0), header.get(..24).unwrap_or_default(), big_endian);
    chain &= sum == (word(header, 24), word(header, 28));
    let first = frames.first().map(|frame| salts(frame, 8));
    let generation = match chain {
        true => salts(header, 16),
        false => first.unwrap_or_default(),
    };
    let mut log = Log {
        begun_anew: chain && first.is_some_and(|first| first.0.wrapping_add(1) == generation.0),
        ..Log::default()
    };
    for frame in frames {
        let (head, page) = frame.split_at(24);
        let numbers = head.get(..8).unwrap_or_default();
        sum = checksum(checksum(sum, numbers, big_endian), page, big_endian);
        chain &= salts(head, 8) == generation && sum == (word(head, 16), word(head, 20));
        // The size of the file after the commit; 0 in frames that are not the last of one.
        let is_commit = word(head, 4) != 0;
        log.commits += usize::from(chain && is_commit);
        log.dropped += usize::from(!chain && is_commit && salts(head, 8) == generation);
    }
    log
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    u32::from_be_bytes(word.copied().unwrap_or_default())
}

fn salts(bytes: &[u8], at: usize) -> (u32, u32) {
    (word(bytes, at), word(bytes, at + 4))
}

/// <https://www.sqlite.org/fileformat2.html#checksum_algorithm>
fn checksum(sum: (u32, u32), bytes: &[u8], big_endian: bool) -> (u32, u32) {
    let native = |word: u32| match big_endian {
        true => word,
        false => word.swap_bytes(),
    };
    let (pairs, _) = bytes.as_chunks::<8>();
    pairs.iter().fold(sum, |(first, second), pair| {
        let (x, y) = (native(word(pair, 0)), native(word(pair, 4)));
        let first = first.wrapping_add(x).wrapping_add(second);
        (first, second.wrapping_add(y).wrapping_add(first))
    })
}

//! The SHA-256 of what is read, while it is read.

use std::collections::BTreeMap;
use std::io::{Read, Result};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

/// Hashes what is read through it.
pub struct Hashing<R> {
    reader: R,
    hash: Sha256,
    ended: bool,
}

impl<R> Hashing<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            hash: Sha256::new(),
            ended: false,
        }
    }

    /// The digest; none when it was not read to its end.
    pub(super) fn finish(self) -> Option<String> {
        self.ended.then(|| hexadecimal(self.hash))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.reader.read(buffer)?;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        self.ended |= read == 0 && !buffer.is_empty();
        Ok(read)
    }
}

/// As `sha256sum` prints it.
pub(super) fn hexadecimal(hash: Sha256) -> String {
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Takes down the digests of what can be read only once, while it is read.
#[derive(Clone, Default)]
pub struct Once(Arc<Mutex<BTreeMap<usize, String>>>);

impl Once {
    /// Reads an input, which is that of this number, by `read`.
    pub(super) fn read<T>(
        &self,
        index: usize,
        reader: &mut dyn Read,
        read: impl FnOnce(&mut dyn Read) -> T,
    ) -> T {
        let mut hashing = Hashing::new(reader);
        let found = read(&mut hashing);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(hashing.finish().map(|sha256| (index, sha256)));
        found
    }

    /// The digest of the input of this number; none when it was not read to its end.
    pub(super) fn of(&self, index: usize) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&index).cloned()
    }
}

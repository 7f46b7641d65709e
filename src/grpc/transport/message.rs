//! One message of a request, as it arrives.

use bytes::Bytes;

use super::LARGE_BYTES;
use crate::budget::Part;

/// Before each message: one byte for compression, four for the length (gRPC over HTTP/2, "Length-Prefixed-Message").
pub(in crate::grpc) const PREFIX: usize = 5;

/// A large message is kept in pieces of so many bytes: what has not come takes nothing, and memory that is taken and given back in blocks of
/// all lengths stays with the allocator in parts that fit nothing.
const PIECE_BYTES: usize = 16 * 1024;

/// The first bytes of a message, until its length is known.
#[derive(Default)]
pub(super) struct Prefix(Vec<u8>);

impl Prefix {
    /// All of it, if it is there with what came now. Nothing is taken of that then.
    pub(super) fn of(&mut self, rest: &mut Bytes) -> Option<[u8; PREFIX]> {
        if let (true, Some(prefix)) = (self.0.is_empty(), rest.first_chunk()) {
            return Some(*prefix);
        }
        let there: Vec<u8> = self
            .0
            .iter()
            .chain(rest.iter().take(PREFIX))
            .copied()
            .collect();
        if let Some(prefix) = there.first_chunk() {
            return Some(*prefix);
        }
        (self.0, *rest) = (there, Bytes::new());
        None
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A message that arrives, with its prefix.
pub(in crate::grpc) struct Message {
    /// Of what follows its prefix, in bytes.
    pub(super) length: usize,
    missing: usize,
    pieces: Vec<Vec<u8>>,
    /// All of it, if it came at once, where it was read.
    shared: Bytes,
    /// A large one's, in which it arrives.
    pub(super) room: Option<Part>,
    /// Whether it was there as a whole, and asked for what it needs to go on, if it needs anything.
    pub(super) has_asked: bool,
}

impl Message {
    pub(super) fn new(length: usize, prefix: &mut Prefix) -> Self {
        let mut message = Self {
            length,
            missing: PREFIX + length,
            pieces: Vec::new(),
            shared: Bytes::new(),
            room: None,
            has_asked: false,
        };
        message.copy(&std::mem::take(&mut prefix.0));
        message
    }

    pub(super) fn is_large(&self) -> bool {
        self.length > LARGE_BYTES
    }

    pub(super) fn is_whole(&self) -> bool {
        self.missing == 0
    }

    /// Takes what came of it. A small one that came at once stays where it is.
    pub(super) fn arrives(&mut self, rest: &mut Bytes) {
        let comes_at_once = self.missing == PREFIX + self.length && self.missing <= rest.len();
        if comes_at_once && !self.is_large() {
            self.shared = rest.split_to(self.missing);
            self.missing = 0;
            return;
        }
        let came = rest.split_to(self.missing.min(rest.len()));
        self.copy(&came);
    }

    fn copy(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let mut piece = match self.pieces.pop() {
                Some(piece) if piece.len() < PIECE_BYTES => piece,
                full => {
                    self.pieces.extend(full);
                    Vec::with_capacity(self.missing.min(PIECE_BYTES))
                }
            };
            let (fits, rest) = bytes.split_at(bytes.len().min(PIECE_BYTES - piece.len()));
            piece.extend_from_slice(fits);
            self.missing -= fits.len();
            self.pieces.push(piece);
            bytes = rest;
        }
    }

    /// It stays: where it is, all that was read together with it would stay as well.
    pub(super) fn keep(&mut self) {
        let shared = std::mem::take(&mut self.shared);
        if !shared.is_empty() {
            self.pieces.push(shared.to_vec());
        }
    }

    /// Its bytes with the prefix, one after the other.
    pub(super) fn into_pieces(self) -> impl Iterator<Item = Bytes> {
        let pieces = self.pieces.into_iter().map(Bytes::from);
        std::iter::once(self.shared)
            .chain(pieces)
            .filter(|piece| !piece.is_empty())
    }

    /// What follows the prefix.
    pub(in crate::grpc) fn into_content(self) -> Bytes {
        let mut pieces = self.into_pieces();
        let first = pieces.next().unwrap_or_default();
        let mut all = match pieces.next() {
            None => first,
            Some(second) => {
                let pieces = [first, second].into_iter().chain(pieces);
                pieces.collect::<Vec<_>>().concat().into()
            }
        };
        all.split_off(PREFIX.min(all.len()))
    }
}

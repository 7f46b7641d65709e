//! The lines of a file, however long it is: the first two one by one, since they show what it is, and then many at once.

use std::io::{ErrorKind, Read, Result};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::document::is_json;
use checkpoint::checkpoint::MAX_JSON_BYTES;
use checkpoint::lines;

/// Bytes that are read at once: what one core verifies in a few milliseconds.
pub(super) const CHUNK: usize = 1 << 18;

/// Buffers that are read into again once nobody has them any more.
#[derive(Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    fn take(&self) -> Vec<u8> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        free.pop().unwrap_or_default()
    }

    fn give_back(&self, buffer: Vec<u8>) {
        // What was needed for a long line is not kept.
        if buffer.len() <= 2 * CHUNK {
            let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            free.push(buffer);
        }
    }
}

/// Lines of a file that follow one another.
pub struct Chunk {
    buffer: Vec<u8>,
    range: Range<usize>,
    buffers: Buffers,
    /// The number of the first one.
    number: u64,
    blank_ones_too: bool,
    /// It is one that is too long, and not all of it.
    is_cut_off: bool,
}

impl Chunk {
    /// How many bytes they have.
    pub fn size(&self) -> usize {
        self.range.len()
    }

    /// Gives each line with its number to `take` until that says stop.
    pub fn each(&self, take: &mut dyn FnMut(u64, &[u8]) -> bool) -> bool {
        let text = self.buffer.get(self.range.clone()).unwrap_or_default();
        if self.is_cut_off {
            return take(self.number, text);
        }
        let (mut start, mut number) = (0, self.number);
        let last = (!text.ends_with(b"\n")).then_some(text.len());
        for end in memchr::memchr_iter(b'\n', text).chain(last) {
            let line = text.get(start..end).unwrap_or_default();
            let is_blank = !self.blank_ones_too && line.trim_ascii().is_empty();
            if !is_blank && !take(number, lines::content(line, MAX_JSON_BYTES)) {
                return false;
            }
            (start, number) = (end + 1, number + 1);
        }
        true
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.buffers.give_back(std::mem::take(&mut self.buffer));
    }
}

/// The lines, each up to a bound, without those that are blank but where each counts.
pub(super) struct Lines<'a> {
    reader: &'a mut dyn Read,
    buffers: Buffers,
    buffer: Vec<u8>,
    /// What is in the buffer and was not given yet.
    unread: Range<usize>,
    /// How much is read at once.
    room: usize,
    /// The number of the line that this begins with.
    number: u64,
    /// The rest of this line is dropped: it is too long.
    dropping: bool,
    /// There is no more to read, maybe since that failed.
    end: Option<Result<()>>,
    /// In an export, where one stands that has nothing in it, a row should.
    pub(super) blank_ones_too: bool,
}

impl<'a> Lines<'a> {
    /// Of what has this size, as far as that is known.
    pub(super) fn new(reader: &'a mut dyn Read, size: Option<u64>, buffers: &Buffers) -> Self {
        let size = size.and_then(|size| usize::try_from(size).ok());
        Self {
            reader,
            buffers: buffers.clone(),
            buffer: Vec::new(),
            unread: 0..0,
            // One more, so that the end is seen.
            room: size.map_or(CHUNK, |size| CHUNK.min(size + 1)),
            number: 1,
            dropping: false,
            end: None,
            blank_ones_too: false,
        }
    }

    fn text(&self) -> &[u8] {
        self.buffer.get(self.unread.clone()).unwrap_or_default()
    }

    /// The next line with its number. One that is too long is cut off behind the bound: whoever reads it sees that.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Bytes)>> {
        while self.finish_dropping()? {
            // What has no end yet is looked at again with more of it, which is as much again.
            let Some(end) = memchr::memchr(b'\n', self.text()) else {
                if self.unread.len() > MAX_JSON_BYTES {
                    self.dropping = true;
                    return Ok(Some((self.number, self.take_all())));
                }
                if self.fill()? {
                    continue;
                }
                let rest = self.take_all();
                let text = lines::content(&rest, MAX_JSON_BYTES);
                let ended = match self.blank_ones_too {
                    true => rest.is_empty(),
                    false => rest.trim_ascii().is_empty(),
                };
                return Ok((!ended).then(|| (self.number, rest.slice_ref(text))));
            };
            let line = self.text().get(..end).unwrap_or_default();
            let is_blank = !self.blank_ones_too && line.trim_ascii().is_empty();
            let text =
                (!is_blank).then(|| Bytes::copy_from_slice(lines::content(line, MAX_JSON_BYTES)));
            let number = self.number;
            self.number += 1;
            self.unread.start += end + 1;
            if let Some(text) = text {
                return Ok(Some((number, text)));
            }
        }
        Ok(None)
    }

    fn take_all(&mut self) -> Bytes {
        let all = Bytes::copy_from_slice(self.text());
        self.unread.start = self.unread.end;
        all
    }

    /// The next lines, many at once. One that is too long is cut off behind the bound: whoever reads it sees that.
    pub(super) fn chunk(&mut self) -> Result<Option<Chunk>> {
        if !self.finish_dropping()? {
            return Ok(None);
        }
        loop {
            let is_full = self.unread.len() >= self.room;
            let end = is_full.then(|| memchr::memrchr(b'\n', self.text()));
            if let Some(end) = end.flatten() {
                return Ok(Some(self.split(end + 1)));
            }
            if self.unread.len() > MAX_JSON_BYTES {
                self.dropping = true;
                let mut chunk = self.split(self.unread.len());
                chunk.is_cut_off = true;
                return Ok(Some(chunk));
            }
            match self.fill() {
                Ok(true) => {}
                Ok(false) => {
                    let left = self.unread.len();
                    return Ok((left > 0).then(|| self.split(left)));
                }
                // The lines that are whole come before it, and it comes then.
                Err(error) => match memchr::memrchr(b'\n', self.text()) {
                    None => return Err(error),
                    Some(end) => {
                        self.end = Some(Err(error));
                        return Ok(Some(self.split(end + 1)));
                    }
                },
            }
        }
    }

    /// So many bytes of what is in the buffer; the others go to the next one.
    fn split(&mut self, length: usize) -> Chunk {
        let range = self.unread.start..self.unread.start + length;
        let rest = self.buffer.get(range.end..self.unread.end);
        let rest = rest.unwrap_or_default();
        let mut next = self.buffers.take();
        if next.len() < rest.len() {
            next.resize(rest.len(), 0);
        }
        if let Some(place) = next.get_mut(..rest.len()) {
            place.copy_from_slice(rest);
        }
        self.unread = 0..rest.len();
        let chunk = Chunk {
            buffer: std::mem::replace(&mut self.buffer, next),
            range,
            buffers: self.buffers.clone(),
            number: self.number,
            blank_ones_too: self.blank_ones_too,
            is_cut_off: false,
        };
        let text = chunk.buffer.get(chunk.range.clone()).unwrap_or_default();
        self.number += memchr::memchr_iter(b'\n', text).count() as u64;
        chunk
    }

    /// Drops the rest of a line that is too long. False when there is nothing behind it.
    fn finish_dropping(&mut self) -> Result<bool> {
        while self.dropping {
            match memchr::memchr(b'\n', self.text()) {
                Some(end) => {
                    self.unread.start += end + 1;
                    self.number += 1;
                    self.dropping = false;
                }
                None => {
                    self.unread = 0..0;
                    if !self.fill()? {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Whether all of it is one JSON text, as far as one may be long.
    pub(super) fn is_one(&mut self, first: &[u8], second: &[u8]) -> Result<bool> {
        while self.unread.len() <= MAX_JSON_BYTES {
            if !self.fill()? {
                return Ok(is_json(&[first, second, self.text()].join(&b'\n')));
            }
        }
        Ok(false)
    }

    /// All of it as one text, from its first two lines on; cut off behind the bound.
    pub(super) fn document(&mut self, first: Bytes, second: Option<(u64, Bytes)>) -> Result<Bytes> {
        let Some((_, second)) = second else {
            return Ok(first);
        };
        let mut whole = [&first, &b"\n"[..], &second, b"\n"].concat();
        while whole.len() <= MAX_JSON_BYTES {
            if self.unread.is_empty() && !self.fill()? {
                break;
            }
            whole.extend_from_slice(self.text());
            self.unread = 0..0;
        }
        Ok(whole.into())
    }

    /// Reads as much as there is room for; false at the end. What was read before a failure comes before it.
    fn fill(&mut self) -> Result<bool> {
        if self.unread.end + self.room > self.buffer.len() {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
            // A line that is long needs more of it each time.
            let length = self.unread.len().max(self.room) + self.room;
            if length > self.buffer.len() {
                self.buffer.resize(length, 0);
            }
        }
        let (before, most) = (self.unread.end, self.unread.end + self.room);
        while self.end.is_none() && self.unread.end < most {
            let room = self.buffer.get_mut(self.unread.end..most);
            match self.reader.read(room.unwrap_or_default()) {
                Ok(0) => self.end = Some(Ok(())),
                Ok(read) => self.unread.end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.end = Some(Err(error)),
            }
        }
        match &mut self.end {
            Some(end) if self.unread.end == before => {
                std::mem::replace(end, Ok(())).map(|()| false)
            }
            _ => Ok(true),
        }
    }
}

impl Drop for Lines<'_> {
    fn drop(&mut self) {
        self.buffers.give_back(std::mem::take(&mut self.buffer));
    }
}

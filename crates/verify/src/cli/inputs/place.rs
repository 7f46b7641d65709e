//! A file that is to be read, and what it turns out to be: one checkpoint, one a line, a list, an export; compressed or not.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::document::{self, Begun, is_json};
use super::lines::{Buffers, Lines};
use super::{Origin, Piece, Text, Trouble, is_known, plain};
use crate::cli::hashing::Once;
use crate::cli::input::{is_url, of_url};
use crate::log::told_resumption;
use crate::unpacked::Unpacked;
use checkpoint::checkpoint::MAX_JSON_BYTES;
use checkpoint::counted::counted;
use checkpoint::log::export::{ExportHeader, row_in_other_form};
use checkpoint::log::tree::{Frontier, TreeHash};

/// A file that is to be read.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// In which of the paths that were given it is, from 0 on.
    pub index: usize,
    /// Its path, or `-`.
    pub path: &'a Path,
    /// Whether the user named it.
    pub named: bool,
}

impl Place<'_> {
    /// Opens it, and tells how many bytes it has.
    ///
    /// # Errors
    /// When it is no regular file, or cannot be opened.
    pub fn open(self) -> Result<(File, u64), Trouble> {
        let named = || {
            let file = files::open(self.path)?;
            let size = file.metadata()?.len();
            Ok((file, size))
        };
        let file = match self.named {
            true => named(),
            false => files::open_found(self.path),
        };
        file.map_err(|error| Trouble::Unread(self.unopened(&error)))
    }

    /// What is wrong with one that cannot be opened: an address is no file.
    fn unopened(self, error: &std::io::Error) -> String {
        let url = self.path.to_str().filter(|path| self.named && is_url(path));
        url.map_or_else(
            || format!("{}: {error}", self.path.display()),
            |url| of_url(url, "checkpoint.json"),
        )
    }

    /// Gives all pieces of it to `take` until that says stop.
    pub fn read(self, take: &mut dyn FnMut(Piece) -> bool) -> bool {
        match self.open() {
            Ok((mut file, size)) => self.read_from(&mut file, Some(size), take),
            Err(trouble) => take(Piece::Read(Err(trouble))),
        }
    }

    /// Gives all pieces of what can be read only once to `take` until that says stop.
    pub(super) fn read_once(
        self,
        reader: &mut dyn Read,
        once: Option<&Once>,
        take: &mut dyn FnMut(Piece) -> bool,
    ) -> bool {
        match once {
            Some(once) => once.read(self.index, reader, |mut reader| {
                self.read_from(&mut reader, None, take)
            }),
            None => self.read_from(reader, None, take),
        }
    }

    /// Whether its name says that it has one checkpoint a line.
    pub fn has_lines(self) -> bool {
        let extension = plain(self.path).extension().and_then(|name| name.to_str());
        extension.is_some_and(|name| !name.eq_ignore_ascii_case("json") && is_known(name))
    }

    /// Gives all pieces of what `reader` gives to `take` until that says stop.
    pub fn read_from(
        self,
        reader: &mut dyn Read,
        size: Option<u64>,
        take: &mut dyn FnMut(Piece) -> bool,
    ) -> bool {
        let source: Arc<str> = self.path.to_string_lossy().into();
        let unread = |error| Piece::Read(Err(Trouble::Unread(format!("{source}: {error}"))));
        let mut reader = match Unpacked::open(reader) {
            Ok(reader) => reader,
            Err(error) => return take(unread(error)),
        };
        let size = size.filter(|_| !reader.is_packed());
        let listed = match self.has_lines() {
            true => Ok(Begun::Other(Vec::new())),
            false => document::begin(&mut reader),
        };
        let begun = match listed {
            Ok(Begun::List(checkpoints)) => return self.give_list(&source, checkpoints, take),
            Ok(Begun::Other(begun)) => begun,
            Err(error) => return take(unread(error)),
        };
        let buffers = Buffers::default();
        let mut reader = Cursor::new(begun).chain(reader);
        let mut lines = Lines::new(&mut reader, size, &buffers);
        let give = |source: &Arc<str>, line, alone, bytes: Bytes| {
            let origin = Origin {
                path: self.index,
                source: Arc::clone(source),
                line,
                item: None,
                alone,
                size: bytes.len(),
            };
            Piece::Read(Ok(Text { origin, bytes }))
        };
        let (mut not_whole, mut resumed) = (None, Vec::new());
        let mut read = || -> std::io::Result<bool> {
            let Some((number, first)) = lines.next()? else {
                return Err(std::io::Error::other("is empty: nothing in it was checked"));
            };
            // What is not wholly the first line of an export is taken for a checkpoint, and judged.
            let is_bounded = first.len() <= MAX_JSON_BYTES;
            let export = is_bounded
                .then(|| ExportHeader::parse(&first).ok())
                .flatten();
            lines.blank_ones_too = export.is_some();
            let second = match lines.next() {
                // A line that is whole is checked, whatever comes behind it.
                Err(error) if export.is_none() && is_json(&first) => {
                    take(give(&source, Some(number), false, first));
                    return Err(error);
                }
                second => second?,
            };
            if let Some(header) = &export {
                let resumptions = header.resumptions().map_err(std::io::Error::other)?;
                resumed.extend(resumptions.iter().map(told_resumption));
            }
            let one_a_line = match &second {
                _ if export.is_some() || self.has_lines() => true,
                None => false,
                Some(_) if is_json(&first) => true,
                // One that is broken, before others; or one that stands on several lines.
                Some((_, second)) => second.starts_with(b"{") && !lines.is_one(&first, second)?,
            };
            if !one_a_line {
                let document = lines.document(first, second)?;
                return Ok(take(give(&source, None, self.named, document)));
            }
            let alone = self.named && second.is_none();
            if export.is_none() && !take(give(&source, Some(number), alone, first)) {
                return Ok(false);
            }
            let mut tree = Frontier::default();
            if let Some((number, second)) = second {
                if export.is_some() {
                    tree.push(TreeHash::leaf(&second));
                }
                if !take(give(&source, Some(number), false, second)) {
                    return Ok(false);
                }
            }
            while let Some(lines) = lines.chunk()? {
                if export.is_some() {
                    lines.each(&mut |_, line| {
                        tree.push(TreeHash::leaf(line));
                        true
                    });
                }
                let lines = Piece::Lines {
                    path: self.index,
                    source: Arc::clone(&source),
                    lines,
                };
                if !take(lines) {
                    return Ok(false);
                }
            }
            not_whole = export.and_then(|header| wrong_rows(self.path, &header, &tree));
            Ok(true)
        };
        let found = read();
        let mut trouble = |trouble| take(Piece::Read(Err(trouble)));
        let go_on = resumed
            .into_iter()
            .all(|told| trouble(Trouble::Resumed(format!("{source}: {told}"))));
        match found {
            Ok(read) => {
                let not_whole = not_whole.map(|problem| format!("{source}: {problem}"));
                read && go_on && not_whole.is_none_or(|problem| trouble(Trouble::NotWhole(problem)))
            }
            Err(error) => trouble(Trouble::Unread(format!("{source}: {error}"))),
        }
    }
}

impl Place<'_> {
    /// Gives the checkpoints of a list to `take` until that says stop.
    fn give_list(
        self,
        source: &Arc<str>,
        checkpoints: Vec<Bytes>,
        take: &mut dyn FnMut(Piece) -> bool,
    ) -> bool {
        if checkpoints.is_empty() {
            let problem = format!("{source}: is a list of none: nothing in it was checked");
            return take(Piece::Read(Err(Trouble::Unread(problem))));
        }
        let alone = self.named && checkpoints.len() == 1;
        checkpoints.into_iter().enumerate().all(|(index, bytes)| {
            let origin = Origin {
                path: self.index,
                source: Arc::clone(source),
                line: None,
                item: Some(index),
                alone,
                size: bytes.len(),
            };
            take(Piece::Read(Ok(Text { origin, bytes })))
        })
    }
}

/// What is wrong when the rows of an export are not those of which its first line speaks.
fn wrong_rows(path: &Path, header: &ExportHeader, found: &Frontier) -> Option<String> {
    let (rows, root) = (found.size(), found.root().to_string());
    if header.rows == rows && header.root == root {
        return None;
    }
    Some(match other_form(path) {
        Some(told) => told,
        None if header.rows != rows => format!(
            "its first line says that {} exported, and it has {rows}: rows were taken away or added since it was written, \
             or the first line was changed",
            counted(header.rows, "row was", "rows were")
        ),
        None => format!(
            "its first line says that the {} the root {}, and they have {root}: rows were changed, exchanged or moved since it \
             was written, or the first line was",
            counted(rows, "row has", "rows have"),
            header.root
        ),
    })
}

/// What to say of an export whose rows are those of its first line, and only stand there in another form. What is no file is
/// not read twice.
pub(in crate::cli) fn other_form(path: &Path) -> Option<String> {
    let export = BufReader::new(Unpacked::open(files::open_regular(path).ok()?).ok()?);
    let line = row_in_other_form(export).ok().flatten()?;
    Some(format!(
        "line {line} is not in its canonical form (RFC 8785), of which the root in its first line is: expected the file as \
         `record export` wrote it"
    ))
}

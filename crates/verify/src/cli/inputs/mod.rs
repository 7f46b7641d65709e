//! Where published checkpoints come from: files with one, files with one a line, folders, standard input. They are
//! streamed: nothing here grows with their number.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use walkdir::WalkDir;

use crate::files;
use crate::log::told_resumption;
use checkpoint::checkpoint::MAX_JSON_BYTES;
use checkpoint::counted::counted;
use checkpoint::lines;
use checkpoint::log::export::{ExportHeader, row_in_other_form};
use checkpoint::log::tree::{Frontier, TreeHash};

/// Bytes that are read at once.
const CHUNK: usize = 1 << 18;

/// Names of files in a folder that are looked at.
const EXTENSIONS: [&str; 3] = ["json", "ndjson", "jsonl"];

/// One text that should be a published checkpoint.
pub struct Text {
    /// In which of the paths that were given it is, from 0 on.
    pub path: usize,
    /// The file, or `-`.
    pub source: Arc<str>,
    /// Its line, from 1 on, in a file that has one checkpoint a line.
    pub line: Option<u64>,
    /// Whether the user named the file, and it holds this one alone.
    pub alone: bool,
    /// The bytes of it.
    pub bytes: Bytes,
}

impl Text {
    /// The file, and the line if there is one.
    pub fn place(&self) -> String {
        match self.line {
            Some(line) => format!("{}:{line}", self.source),
            None => self.source.to_string(),
        }
    }
}

/// What is wrong with a file as a whole, in a sentence.
#[derive(Debug)]
pub enum Trouble {
    /// It cannot be read.
    Unread(String),
    /// The rows of an export do not have the root that its first line tells.
    NotWhole(String),
    /// The first line of an export says that an operator let the clock go on from an earlier time.
    Resumed(String),
}

/// A text, or what is wrong with a file.
pub type Input = Result<Text, Trouble>;

/// Gives every text to `take` until that says stop.
pub fn read_all(paths: &[PathBuf], take: &mut dyn FnMut(Input) -> bool) {
    for (index, path) in paths.iter().enumerate() {
        let take = &mut |input: Input| {
            take(input.map(|text| Text {
                path: index,
                ..text
            }))
        };
        let go_on = match path.to_str() {
            Some("-") => read(path, true, &mut std::io::stdin().lock(), take),
            _ if path.is_dir() => read_folder(path, take),
            _ => read_file(path, true, take),
        };
        if !go_on {
            return;
        }
    }
}

/// How many bytes there are to read; none when that cannot be known.
pub fn total_bytes(paths: &[PathBuf]) -> Option<u64> {
    let size = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    paths
        .iter()
        .map(|path| match path.to_str() {
            Some("-") => None,
            _ if path.is_dir() => Some(files(path).flatten().map(|path| size(&path)).sum()),
            _ => Some(size(path)),
        })
        .sum()
}

/// All files in a folder, in the order of their names; what is not read is an error that names it.
fn files(folder: &Path) -> impl Iterator<Item = Result<PathBuf, String>> {
    let entries = WalkDir::new(folder).sort_by_file_name().into_iter();
    let entries = entries.map(|entry| {
        let entry = entry.map_err(|error| error.to_string())?;
        let extension = entry.path().extension().and_then(|name| name.to_str());
        let wanted = extension.is_some_and(is_known);
        let problem = match entry.file_type() {
            kind if kind.is_dir() => return Ok(None),
            kind if kind.is_symlink() => "is a symbolic link, which is not followed: name what it leads to",
            kind if !kind.is_file() => "is not a regular file",
            _ if wanted => return Ok(Some(entry.into_path())),
            _ => "was not read, as it is not one of .json, .ndjson and .jsonl: name the file itself if it has checkpoints",
        };
        Err(format!("{}: {problem}", entry.path().display()))
    });
    entries.filter_map(Result::transpose)
}

fn read_folder(folder: &Path, take: &mut dyn FnMut(Input) -> bool) -> bool {
    files(folder).all(|file| match file {
        Ok(file) => read_file(&file, false, take),
        Err(problem) => take(Err(Trouble::Unread(problem))),
    })
}

fn read_file(path: &Path, named: bool, take: &mut dyn FnMut(Input) -> bool) -> bool {
    match files::open(path) {
        Ok(mut file) => read(path, named, &mut file, take),
        Err(error) => take(Err(Trouble::Unread(format!("{}: {error}", path.display())))),
    }
}

fn read(
    path: &Path,
    named: bool,
    reader: &mut dyn Read,
    take: &mut dyn FnMut(Input) -> bool,
) -> bool {
    let source: Arc<str> = path.to_string_lossy().into();
    let extension = path.extension().and_then(|name| name.to_str());
    let mut lines = Lines::new(reader);
    let mut give = |source: &Arc<str>, line, alone, bytes| {
        take(Ok(Text {
            path: 0,
            source: Arc::clone(source),
            line,
            alone,
            bytes,
        }))
    };
    let (mut not_whole, mut resumed) = (None, Vec::new());
    let mut read = || -> std::io::Result<bool> {
        let Some((number, first)) = lines.next()? else {
            return Err(std::io::Error::other("is empty: nothing in it was checked"));
        };
        // What is not wholly the first line of an export is taken for a checkpoint, and judged.
        let export = ExportHeader::parse(&first).ok();
        lines.blank_ones_too = export.is_some();
        let second = lines.next()?;
        if let Some(header) = &export {
            let resumptions = header.resumptions().map_err(std::io::Error::other)?;
            resumed.extend(resumptions.iter().map(told_resumption));
        }
        let one_a_line = match &second {
            _ if export.is_some() => true,
            _ if extension
                .is_some_and(|name| !name.eq_ignore_ascii_case("json") && is_known(name)) =>
            {
                true
            }
            None => false,
            Some(_) if is_json(&first) => true,
            // One that is broken, before others; or one that stands on several lines.
            Some((_, second)) => second.starts_with(b"{") && !lines.is_one(&first, second)?,
        };
        if !one_a_line {
            let document = lines.document(first, second)?;
            let Some(listed) = listed(&document) else {
                return Ok(give(&source, None, named, document));
            };
            if listed.is_empty() {
                return Err(std::io::Error::other(
                    "is a list of none: nothing in it was checked",
                ));
            }
            return Ok(listed.into_iter().enumerate().all(|(index, one)| {
                let source = format!("{source}: checkpoints[{index}]").into();
                give(&source, None, false, one)
            }));
        }
        if export.is_none() && !give(&source, Some(number), false, first) {
            return Ok(false);
        }
        let (mut next, mut tree) = (second, Frontier::default());
        while let Some((number, line)) = next {
            if export.is_some() {
                tree.push(TreeHash::leaf(&line));
            }
            if !give(&source, Some(number), false, line) {
                return Ok(false);
            }
            next = lines.next()?;
        }
        not_whole = export.and_then(|header| wrong_rows(path, &header, &tree));
        Ok(true)
    };
    let found = read();
    let go_on = resumed
        .into_iter()
        .all(|told| take(Err(Trouble::Resumed(format!("{source}: {told}")))));
    match found {
        Ok(read) => {
            let not_whole = not_whole.map(|problem| format!("{source}: {problem}"));
            read && go_on && not_whole.is_none_or(|problem| take(Err(Trouble::NotWhole(problem))))
        }
        Err(error) => take(Err(Trouble::Unread(format!("{source}: {error}")))),
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
pub(super) fn other_form(path: &Path) -> Option<String> {
    let export = BufReader::new(files::open_regular(path).ok()?);
    let line = row_in_other_form(export).ok().flatten()?;
    Some(format!(
        "line {line} is not in its canonical form (RFC 8785), of which the root in its first line is: expected the file as \
         `record export` wrote it"
    ))
}

fn is_known(extension: &str) -> bool {
    EXTENSIONS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(extension))
}

/// What `/v1/checkpoints` gives, and nothing else: a text that has any other member is judged as a checkpoint.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List<'a> {
    #[serde(borrow)]
    checkpoints: Vec<&'a RawValue>,
    #[serde(rename = "next_page", default)]
    _next_page: IgnoredAny,
}

/// The checkpoints of a list, or of an array; none when it is neither.
fn listed(document: &Bytes) -> Option<Vec<Bytes>> {
    let checkpoints = match document.trim_ascii_start().first()? {
        b'[' => serde_json::from_slice(document).ok()?,
        b'{' => serde_json::from_slice::<List>(document).ok()?.checkpoints,
        _ => return None,
    };
    let checkpoints: Vec<&RawValue> = checkpoints;
    let bytes = |one: &&RawValue| document.slice_ref(one.get().as_bytes());
    Some(checkpoints.iter().map(bytes).collect())
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// The lines, each up to a bound, without those that are blank but where each counts.
struct Lines<'a> {
    reader: &'a mut dyn Read,
    buffer: BytesMut,
    /// Bytes of the buffer in which there is no end of a line.
    searched: usize,
    /// The number of the line that the buffer begins with.
    number: u64,
    /// The rest of this line is dropped: it is too long.
    dropping: bool,
    /// In an export, where one stands that has nothing in it, a row should.
    blank_ones_too: bool,
}

impl<'a> Lines<'a> {
    fn new(reader: &'a mut dyn Read) -> Self {
        Self {
            reader,
            buffer: BytesMut::new(),
            searched: 0,
            number: 1,
            dropping: false,
            blank_ones_too: false,
        }
    }

    /// The next line with its number. One that is too long is cut off behind the bound: whoever reads it sees that.
    fn next(&mut self) -> std::io::Result<Option<(u64, Bytes)>> {
        loop {
            let fresh = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', fresh) {
                let line = self.buffer.split_to(self.searched + at + 1).freeze();
                self.searched = 0;
                let number = self.number;
                self.number += 1;
                let is_blank = !self.blank_ones_too && line.trim_ascii().is_empty();
                if std::mem::take(&mut self.dropping) || is_blank {
                    continue;
                }
                let text = line.strip_suffix(b"\n").unwrap_or(&line);
                let text = lines::content(text, MAX_JSON_BYTES);
                return Ok(Some((number, line.slice_ref(text))));
            }
            self.searched = self.buffer.len();
            if self.dropping {
                self.buffer.clear();
                self.searched = 0;
            } else if self.buffer.len() > MAX_JSON_BYTES {
                self.dropping = true;
                self.searched = 0;
                return Ok(Some((self.number, self.buffer.split().freeze())));
            }
            if !self.fill()? {
                let rest = self.buffer.split().freeze();
                self.searched = 0;
                let text = lines::content(&rest, MAX_JSON_BYTES);
                let ended = match self.blank_ones_too {
                    true => rest.is_empty(),
                    false => rest.trim_ascii().is_empty(),
                };
                return Ok((!ended).then(|| (self.number, rest.slice_ref(text))));
            }
        }
    }

    /// Whether all of it is one JSON text, as far as one may be long.
    fn is_one(&mut self, first: &[u8], second: &[u8]) -> std::io::Result<bool> {
        while self.buffer.len() <= MAX_JSON_BYTES {
            if !self.fill()? {
                return Ok(is_json(&[first, second, self.buffer.as_ref()].join(&b'\n')));
            }
        }
        Ok(false)
    }

    /// All of it as one text, from its first two lines on; cut off behind the bound.
    fn document(&mut self, first: Bytes, second: Option<(u64, Bytes)>) -> std::io::Result<Bytes> {
        let Some((_, second)) = second else {
            return Ok(first);
        };
        let mut whole = BytesMut::from(first);
        whole.extend_from_slice(b"\n");
        whole.extend_from_slice(&second);
        whole.extend_from_slice(b"\n");
        while whole.len() <= MAX_JSON_BYTES {
            if self.buffer.is_empty() && !self.fill()? {
                break;
            }
            whole.extend_from_slice(&self.buffer.split());
        }
        Ok(whole.freeze())
    }

    /// Reads more; false at the end.
    fn fill(&mut self) -> std::io::Result<bool> {
        let before = self.buffer.len();
        self.buffer.resize(before + CHUNK, 0);
        let room = self.buffer.get_mut(before..).unwrap_or_default();
        let outcome = self.reader.read(room);
        self.buffer
            .truncate(before + outcome.as_ref().copied().unwrap_or(0));
        Ok(outcome? > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(name: &str, content: &[u8]) -> Vec<(Option<u64>, bool, String)> {
        let mut found = Vec::new();
        let mut content = content;
        read(Path::new(name), true, &mut content, &mut |input| {
            let Ok(text) = input else { return true };
            let shown = String::from_utf8_lossy(&text.bytes).into_owned();
            found.push((text.line, text.alone, shown));
            true
        });
        found
    }

    #[test]
    fn a_file_holds_one_or_one_a_line() {
        let one = |text: &str| vec![(None, true, text.to_owned())];
        assert_eq!(texts("a.json", b"{\"a\":1}\n"), one("{\"a\":1}"));
        assert_eq!(
            texts("a.json", b"{\n \"a\":1\n}\n"),
            one("{\n \"a\":1\n}\n")
        );
        let line = |number, text: &str| (Some(number), false, text.to_owned());
        let lines = vec![line(1, "{\"a\":1}"), line(3, "x"), line(4, "{\"b\":2}")];
        assert_eq!(texts("a.json", b"{\"a\":1}\r\n\nx\n{\"b\":2}"), lines);
        let broken = "{\"a\":[\n{\"b\":2},\n{}]}\n";
        assert_eq!(texts("a.json", broken.as_bytes()), one(broken));
        // The first line is broken, but the second begins an object.
        let lines = vec![line(1, "{\"a\":"), line(2, "{\"b\":2}")];
        assert_eq!(texts("a.json", b"{\"a\":\n{\"b\":2}\n"), lines);
        assert_eq!(texts("a.ndjson", b"{\"a\":\n"), vec![line(1, "{\"a\":")]);
        let export = r#"{"record_export":1,"rows":2,"root":"00","keyring":{"keys":[]}}"#;
        let rows = vec![line(2, "{\"a\":1}"), line(3, "{\"b\":2}")];
        let text = format!("{export}\n{{\"a\":1}}\n{{\"b\":2}}\n");
        assert_eq!(texts("a", text.as_bytes()), rows);
        // What only begins like an export is judged like any other line.
        for first in [
            r#"{"record_export":1}"#,
            r#"{"record_export":1,"signature":"x"}"#,
            r#"{"record_export":1,"rows":1,"root":"00","keyring":{},"signature":"x"}"#,
            r#"{"record_export":2,"rows":1,"root":"00","keyring":{}}"#,
        ] {
            let text = format!("{first}\n{{\"b\":2}}\n");
            let lines = vec![line(1, first), line(2, "{\"b\":2}")];
            assert_eq!(texts("a", text.as_bytes()), lines);
        }
    }

    #[test]
    fn what_is_too_long_is_cut_off_and_the_next_line_is_read() {
        let mut content = b"{}\n".to_vec();
        content.extend(vec![b'x'; 5 * MAX_JSON_BYTES]);
        content.extend(b"\n{\"b\":2}\n");
        let found = texts("a.ndjson", &content);
        let numbers: Vec<_> = found.iter().map(|(line, ..)| line.unwrap()).collect();
        assert_eq!(numbers, [1, 2, 3]);
        assert!(found[1].2.len() > MAX_JSON_BYTES && found[1].2.len() < 2 * MAX_JSON_BYTES);
    }

    #[test]
    fn a_file_of_blank_lines_is_told_as_one_in_which_nothing_was_checked() {
        for content in [&b""[..], b"\n\n\n", b" \r\n\t"] {
            let (mut problems, mut content) = (Vec::new(), content);
            read(Path::new("a.json"), true, &mut content, &mut |input| {
                problems.extend(input.err());
                true
            });
            let [Trouble::Unread(problem)] = problems.as_slice() else {
                panic!("{problems:?}")
            };
            assert_eq!(problem, "a.json: is empty: nothing in it was checked");
        }
    }

    #[test]
    fn the_reader_may_stop() {
        let mut count = 0;
        let mut content: &[u8] = b"{}\n{}\n{}\n";
        let go_on = read(Path::new("a"), true, &mut content, &mut |_| {
            count += 1;
            count < 2
        });
        assert_eq!((go_on, count), (false, 2));
    }
}

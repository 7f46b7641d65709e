//! Where published checkpoints come from: files with one, files with one a line, folders, standard input. They are
//! streamed: but for the names in a folder, nothing here grows with their number.

mod document;
mod folder;
mod lines;
mod place;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use checkpoint::checkpoint::MAX_JSON_BYTES;

use super::hashing::Once;

pub use folder::Files;
pub use lines::Chunk;
pub use place::Place;
pub(super) use place::other_form;

/// Names of files in a folder that are looked at.
const EXTENSIONS: [&str; 3] = ["json", "ndjson", "jsonl"];

/// What such a name may have behind it, of a file that is compressed.
const PACKED: [&str; 2] = ["gz", "zst"];

/// Where a text stands.
#[derive(Clone, Debug)]
pub struct Origin {
    /// In which of the paths that were given it is, from 0 on.
    pub path: usize,
    /// The file, or `-`.
    pub source: Arc<str>,
    /// Its line, from 1 on, in a file that has one checkpoint a line.
    pub line: Option<u64>,
    /// Its place, from 0 on, in a file that is a list.
    pub item: Option<usize>,
    /// Whether the user named the file, and it holds this one alone.
    pub alone: bool,
    /// How many bytes it has.
    pub size: usize,
}

impl Origin {
    /// The file, and the line or the place in its list if there is one.
    pub fn place(&self) -> String {
        let within = Within {
            line: self.line,
            item: self.item,
        };
        format!("{}{within}", self.source)
    }
}

/// What is said behind the name of a file: the line, or the place in its list.
pub(super) struct Within {
    pub(super) line: Option<u64>,
    pub(super) item: Option<usize>,
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.item) {
            (Some(line), _) => write!(f, ":{line}"),
            (None, Some(item)) => write!(f, ": checkpoints[{item}]"),
            (None, None) => Ok(()),
        }
    }
}

/// One text that should be a published checkpoint.
pub struct Text {
    /// Where it stands.
    pub origin: Origin,
    /// The bytes of it.
    pub bytes: Bytes,
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

/// A piece of the input, whose texts one core takes at once.
pub enum Piece {
    /// It was read already.
    Read(Input),
    /// Lines of a file that has one checkpoint a line.
    Lines {
        /// In which of the paths that were given it is, from 0 on.
        path: usize,
        /// The file, or `-`.
        source: Arc<str>,
        /// The lines.
        lines: Chunk,
    },
    /// Files that are still to be opened, of a folder.
    Files {
        /// Which of the paths that were given that is, from 0 on.
        path: usize,
        /// The files.
        files: Files,
    },
    /// A file that is still to be opened.
    Named {
        /// Which of the paths that were given it is, from 0 on.
        path: usize,
        /// It.
        file: PathBuf,
    },
}

impl Piece {
    /// How much work it is: about the bytes that it has.
    pub fn weight(&self) -> usize {
        match self {
            Self::Read(Ok(text)) => text.bytes.len(),
            Self::Read(Err(_)) => 0,
            Self::Lines { lines, .. } => lines.size(),
            Self::Files { files, .. } => files.count() * ORDINARY_BYTES,
            Self::Named { .. } => ORDINARY_BYTES,
        }
    }

    /// Gives every text of it to `take` until that says stop.
    pub fn each(self, take: &mut dyn FnMut(Input) -> bool) -> bool {
        match self {
            Self::Read(input) => take(input),
            Self::Lines {
                path,
                source,
                lines,
            } => lines.each(&mut |line, bytes| {
                take(Ok(Text {
                    origin: Origin {
                        path,
                        source: Arc::clone(&source),
                        line: Some(line),
                        item: None,
                        alone: false,
                        size: bytes.len(),
                    },
                    bytes: Bytes::copy_from_slice(bytes),
                }))
            }),
            Self::Files { path, files } => files.each(&mut |file| {
                let place = Place {
                    index: path,
                    path: file,
                    named: false,
                };
                place.read(&mut |piece| piece.each(take))
            }),
            Self::Named { path, file } => {
                let place = Place {
                    index: path,
                    path: &file,
                    named: true,
                };
                place.read(&mut |piece| piece.each(take))
            }
        }
    }
}

/// What a text mostly has, about.
const ORDINARY_BYTES: usize = 1024;

/// Gives all pieces to `take` until that says stop. What can be read only once is told to `once`.
pub fn read_all(paths: &[PathBuf], once: Option<&Once>, take: &mut dyn FnMut(Piece) -> bool) {
    for (index, path) in paths.iter().enumerate() {
        let place = Place {
            index,
            path,
            named: true,
        };
        let metadata = || path.metadata().ok();
        let go_on = match path.to_str() {
            Some("-") => place.read_once(&mut std::io::stdin().lock(), once, take),
            _ => match metadata() {
                Some(metadata) if metadata.is_dir() => read_folder(index, path, take),
                Some(metadata) if metadata.is_file() && metadata.len() <= MAX_SMALL => {
                    take(Piece::Named {
                        path: index,
                        file: path.clone(),
                    })
                }
                Some(metadata) if metadata.is_file() => place.read(take),
                _ => match place.open() {
                    Ok((mut file, _)) => place.read_once(&mut file, once, take),
                    Err(trouble) => take(Piece::Read(Err(trouble))),
                },
            },
        };
        if !go_on {
            return;
        }
    }
}

fn read_folder(index: usize, folder: &Path, take: &mut dyn FnMut(Piece) -> bool) -> bool {
    folder::each(folder, &mut |found| {
        take(match found {
            folder::Found::Files(files) => Piece::Files { path: index, files },
            folder::Found::Problem(problem) => Piece::Read(Err(Trouble::Unread(problem))),
        })
    })
}

/// Gives every file of a folder that is read to `take`, in the order in which they are, until that says stop.
pub(super) fn each_file(folder: &Path, take: &mut dyn FnMut(&Path) -> bool) {
    folder::each(folder, &mut |found| match found {
        folder::Found::Files(files) => files.each(take),
        folder::Found::Problem(_) => true,
    });
}

/// How many bytes there are to read; none when that cannot be known.
pub fn total_bytes(paths: &[PathBuf]) -> Option<u64> {
    let size = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    let sizes = paths.iter().map(|path| match path.to_str() {
        Some("-") => None,
        _ if path.is_dir() => folder::total_bytes(path),
        // Nobody knows how many these are when they are unpacked.
        _ if is_packed(path) => None,
        _ => Some(size(path)),
    });
    sizes.sum()
}

/// Largest file that is read as a whole by who verifies it, in bytes: one checkpoint has no more.
pub const MAX_SMALL: u64 = MAX_JSON_BYTES as u64;

/// The name without that of a compression.
fn plain(path: &Path) -> &Path {
    match is_packed(path) {
        true => path.file_stem().map_or(path, Path::new),
        false => path,
    }
}

/// Whether its name says that it is compressed.
fn is_packed(path: &Path) -> bool {
    let extension = path.extension().and_then(|name| name.to_str());
    extension.is_some_and(|name| PACKED.iter().any(|known| known.eq_ignore_ascii_case(name)))
}

fn is_known(extension: &str) -> bool {
    EXTENSIONS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, mut content: &[u8], take: &mut dyn FnMut(Input) -> bool) -> bool {
        let place = Place {
            index: 0,
            path: Path::new(name),
            named: true,
        };
        place.read_from(&mut content, None, &mut |piece| piece.each(take))
    }

    fn texts(name: &str, content: &[u8]) -> Vec<(Option<u64>, bool, String)> {
        let mut found = Vec::new();
        read(name, content, &mut |input| {
            let Ok(Text { origin, bytes }) = input else {
                return true;
            };
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            found.push((origin.line, origin.alone, shown));
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
        let only = vec![(Some(1), true, "{\"a\":".to_owned())];
        assert_eq!(texts("a.ndjson", b"{\"a\":\n"), only);
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
            let mut problems = Vec::new();
            read("a.json", content, &mut |input| {
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
        let go_on = read("a", b"{}\n{}\n{}\n", &mut |_| {
            count += 1;
            count < 2
        });
        assert_eq!((go_on, count), (false, 2));
    }
}

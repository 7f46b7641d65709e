//! Folders: all files in them, in the order of their names. A folder may hold millions, so that their names are kept as small as they
//! are, and the files are opened by whoever verifies them.

use std::ffi::OsStr;
use std::fs::FileType;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::slice::ParallelSliceMut as _;

use super::{is_known, is_packed, plain};

/// Files that one core reads at once, at most.
const MOST: usize = 256;

/// Files of one folder that follow one another.
pub struct Files {
    folder: Arc<Path>,
    /// Each ends with a byte that no name has.
    names: Vec<u8>,
    count: usize,
}

impl Files {
    /// How many they are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Gives the path of each to `take` until that says stop.
    pub fn each(&self, take: &mut dyn FnMut(&Path) -> bool) -> bool {
        let mut path = self.folder.join("-");
        let names = self.names.split(|byte| *byte == END).take(self.count);
        names.map(OsStr::from_bytes).all(|name| {
            path.set_file_name(name);
            take(&path)
        })
    }
}

/// What ends a name.
const END: u8 = 0;

/// What is in a folder, or what is wrong with something in it.
pub(super) enum Found {
    Files(Files),
    Problem(String),
}

/// Gives all that is in a folder to `take`, until that says stop.
pub(super) fn each(folder: &Path, take: &mut dyn FnMut(Found) -> bool) -> bool {
    let names = match Names::of(folder) {
        Ok(names) => names,
        Err(problem) => return take(Found::Problem(problem)),
    };
    let path: Arc<Path> = folder.into();
    let none = || Files {
        folder: Arc::clone(&path),
        names: Vec::new(),
        count: 0,
    };
    let mut files = none();
    for problem in names.problems {
        if !take(Found::Problem(problem)) {
            return false;
        }
    }
    for entry in &names.entries {
        let name = entry.name(&names.text);
        if entry.kind == Kind::File {
            files.names.extend_from_slice(name);
            files.names.push(END);
            files.count += 1;
            if files.count < MOST {
                continue;
            }
        }
        if files.count > 0 && !take(Found::Files(std::mem::replace(&mut files, none()))) {
            return false;
        }
        let path = folder.join(OsStr::from_bytes(name));
        let problem = match entry.kind {
            Kind::File => continue,
            Kind::Folder => match each(&path, take) {
                true => continue,
                false => return false,
            },
            Kind::Link => "is a symbolic link, which is not followed: name what it leads to",
            Kind::Pipe => "is a pipe, which is not read in a folder; expected a regular file",
            Kind::Socket => "is a socket; expected a regular file",
            Kind::Device => "is a device; expected a regular file",
            Kind::Other => {
                "was not read, as it is not one of .json, .ndjson and .jsonl, or these with .gz or .zst: name the file itself if it has \
                 checkpoints"
            }
        };
        if !take(Found::Problem(format!("{}: {problem}", path.display()))) {
            return false;
        }
    }
    files.count == 0 || take(Found::Files(files))
}

/// How many bytes all files in a folder have; none when some are compressed.
pub(super) fn total_bytes(folder: &Path) -> Option<u64> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => total_bytes(&entry.path()),
        Ok(kind) if Kind::of(kind, &entry.file_name()) == Kind::File => {
            let size = || entry.metadata().map_or(0, |metadata| metadata.len());
            (!is_packed(Path::new(&entry.file_name()))).then(size)
        }
        _ => Some(0),
    });
    sizes.sum()
}

/// What the names in a folder are of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One that is read.
    File,
    Folder,
    Link,
    Pipe,
    Socket,
    Device,
    /// One that is not read, by its name.
    Other,
}

impl Kind {
    fn of(kind: FileType, name: &OsStr) -> Self {
        let extension = || plain(Path::new(name)).extension().and_then(OsStr::to_str);
        match kind {
            kind if kind.is_dir() => Self::Folder,
            kind if kind.is_symlink() => Self::Link,
            kind if kind.is_fifo() => Self::Pipe,
            kind if kind.is_socket() => Self::Socket,
            kind if !kind.is_file() => Self::Device,
            _ if extension().is_some_and(is_known) => Self::File,
            _ => Self::Other,
        }
    }
}

/// A name in a folder, by where it stands in the text of all of them.
#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    length: u16,
    kind: Kind,
}

impl Entry {
    fn name<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        let start = self.start as usize;
        text.get(start..start + usize::from(self.length))
            .unwrap_or_default()
    }
}

/// The names in a folder, sorted.
struct Names {
    text: Vec<u8>,
    entries: Vec<Entry>,
    /// What could not be read.
    problems: Vec<String>,
}

impl Names {
    fn of(folder: &Path) -> Result<Self, String> {
        let failed =
            |path: PathBuf, error| format!("IO error for operation on {}: {error}", path.display());
        let mut names = Self {
            text: Vec::new(),
            entries: Vec::new(),
            problems: Vec::new(),
        };
        let entries = std::fs::read_dir(folder).map_err(|error| failed(folder.into(), error))?;
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    names.problems.push(error.to_string());
                    continue;
                }
            };
            let name = entry.file_name();
            let place = u32::try_from(names.text.len()).ok();
            let place = place.zip(u16::try_from(name.len()).ok());
            match (entry.file_type(), place) {
                (Ok(kind), Some((start, length))) => {
                    names.text.extend_from_slice(name.as_bytes());
                    names.entries.push(Entry {
                        start,
                        length,
                        kind: Kind::of(kind, &name),
                    });
                }
                (Err(error), _) => names.problems.push(failed(entry.path(), error)),
                (Ok(_), None) => names.problems.push(format!(
                    "{}: its folder has too many names for one; expected folders in it",
                    entry.path().display()
                )),
            }
        }
        let Self { text, entries, .. } = &mut names;
        entries.par_sort_unstable_by(|one, other| one.name(text).cmp(other.name(text)));
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_their_names_and_what_is_not_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("b/c")).unwrap();
        for name in [
            "b.json",
            "a.JSONL",
            "b/2.ndjson.gz",
            "b/c/1.json.ZST",
            "z.txt",
            "z.tar.gz",
        ] {
            std::fs::write(root.join(name), "").unwrap();
        }
        for n in 0..=MOST {
            std::fs::write(root.join(format!("d{n:05}.json")), "").unwrap();
        }
        std::os::unix::fs::symlink("b.json", root.join("c.json")).unwrap();
        let (mut found, mut problems) = (Vec::new(), Vec::new());
        let go_on = each(root, &mut |what| {
            match what {
                Found::Files(files) => {
                    assert!(files.count() <= MOST);
                    files.each(&mut |path| {
                        let name = path.strip_prefix(root).unwrap();
                        found.push(name.to_str().unwrap().to_owned());
                        true
                    });
                }
                Found::Problem(problem) => problems.push(problem),
            }
            true
        });
        assert!(go_on);
        let many = (0..=MOST).map(|n| format!("d{n:05}.json"));
        let expected = ["a.JSONL", "b/2.ndjson.gz", "b/c/1.json.ZST", "b.json"].map(str::to_owned);
        assert!(found.into_iter().eq(expected.into_iter().chain(many)));
        let [link, packed, text] = problems.as_slice() else {
            panic!("{problems:?}")
        };
        assert!(link.contains("c.json: is a symbolic link"), "{link}");
        assert!(packed.contains("z.tar.gz: was not read"), "{packed}");
        assert!(text.contains("z.txt: was not read"), "{text}");
        let nowhere = root.join("nowhere");
        each(&nowhere, &mut |what| {
            let Found::Problem(problem) = what else {
                panic!("files in {nowhere:?}")
            };
            let place = format!("IO error for operation on {}: ", nowhere.display());
            assert!(problem.starts_with(&place), "{problem}");
            true
        });
    }
}

//! What tells each input from any other, for a report to file away: its SHA-256.

use std::fs::Metadata;
use std::io::{Error, Result};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::hashing::{Hashing, Once, hexadecimal};
use super::inputs::each_file;

/// Files of a folder that are told one by one.
const MAX_TOLD: usize = 200;

/// An input, and its digest.
pub(super) struct Digest {
    pub(super) name: String,
    /// In hexadecimal, or why there is none.
    pub(super) sha256: String,
    /// Of a folder.
    pub(super) files: Option<FilesOf>,
}

/// The files of a folder.
pub(super) struct FilesOf {
    pub(super) count: u64,
    /// A line for each, as `sha256sum` prints it; none where they are too many.
    pub(super) each: Vec<String>,
}

/// The inputs as they were before they were verified: they are hashed afterwards, and must be the same then.
pub(super) struct Before {
    states: Vec<Option<String>>,
    once: Once,
}

impl Before {
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        Self {
            states: paths.iter().map(|path| state(path)).collect(),
            once: Once::default(),
        }
    }

    pub(super) fn once(&self) -> Once {
        self.once.clone()
    }

    /// The digest of each, and what was changed meanwhile.
    pub(super) fn digests(&self, paths: &[PathBuf]) -> (Vec<Digest>, Vec<String>) {
        let (mut digests, mut changed) = (Vec::new(), Vec::new());
        for (index, (path, before)) in paths.iter().zip(&self.states).enumerate() {
            let name = match path.to_str() {
                Some("-") => "standard input (-)".to_owned(),
                _ => path.display().to_string(),
            };
            let none = |why: &dyn std::fmt::Display| Digest {
                name: name.clone(),
                sha256: format!("none: {why}"),
                files: None,
            };
            let digest = match before {
                None => match self.once.of(index) {
                    Some(sha256) => Digest {
                        sha256,
                        ..none(&"")
                    },
                    None => none(&"it was not read to its end"),
                },
                Some(_) => digest(path).unwrap_or_else(|error| none(&error)),
            };
            if before.is_some() && *before != state(path) {
                changed.push(format!(
                    "{name}: was changed while it was verified, so that its SHA-256 may be of something else; expected files that stay as \
                     they are"
                ));
            }
            digests.push(digest);
        }
        (digests, changed)
    }
}

/// How a file stands, or all that are read in a folder; none for what can be read only once, or not at all.
fn state(path: &Path) -> Option<String> {
    if path == Path::new("-") {
        return None;
    }
    let metadata = path.metadata().ok()?;
    if !metadata.is_dir() {
        return metadata.is_file().then(|| state_of(&metadata));
    }
    let mut hash = Sha256::new();
    each_file(path, &mut |file| {
        let metadata = file.symlink_metadata();
        hash.update(file.as_os_str().as_encoded_bytes());
        hash.update(metadata.map_or_else(|error| error.to_string(), |found| state_of(&found)));
        true
    });
    Some(hexadecimal(hash))
}

fn state_of(metadata: &Metadata) -> String {
    let (dev, ino, size) = (metadata.dev(), metadata.ino(), metadata.size());
    let modified = (metadata.mtime(), metadata.mtime_nsec());
    let changed = (metadata.ctime(), metadata.ctime_nsec());
    format!("{dev} {ino} {size} {modified:?} {changed:?}")
}

fn digest(path: &Path) -> Result<Digest> {
    let name = path.display().to_string();
    if !path.is_dir() {
        let sha256 = of_file(path)?;
        return Ok(Digest {
            name,
            sha256,
            files: None,
        });
    }
    let mut hash = Sha256::new();
    let mut files = FilesOf {
        count: 0,
        each: Vec::new(),
    };
    let mut failed = None;
    each_file(path, &mut |file| {
        let line = match of_file(file) {
            Ok(sha256) => format!("{sha256}  {}", file.display()),
            Err(error) => {
                failed = Some(error);
                return false;
            }
        };
        hash.update(&line);
        hash.update(b"\n");
        files.count += 1;
        files.each.push(line);
        files.each.truncate(MAX_TOLD + 1);
        true
    });
    if let Some(error) = failed {
        return Err(error);
    }
    if files.count > MAX_TOLD as u64 {
        files.each.clear();
    }
    Ok(Digest {
        name,
        sha256: hexadecimal(hash),
        files: Some(files),
    })
}

fn of_file(path: &Path) -> Result<String> {
    let mut hashing = Hashing::new(files::open(path)?);
    std::io::copy(&mut hashing, &mut std::io::sink())?;
    hashing
        .finish()
        .ok_or_else(|| Error::other("was not read to its end"))
}

//! Which files are read. A named pipe, a device or a socket may never give anything, or never end: whoever reads one waits for
//! ever, so that none is opened. The pipes of a shell's `<(...)` are read, as standard input is: who writes is there already.

use std::fs::{File, FileType, Metadata};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// Folders of what is open in this process already.
const OPEN_ALREADY: [&str; 3] = ["/dev/fd", "/proc/self/fd", "/dev/stdin"];

/// Opens what ends: a regular file, or a pipe that was given open.
///
/// # Errors
/// When it is anything else, or cannot be opened.
pub fn open(path: &Path) -> Result<File> {
    let kind = std::fs::metadata(path)?.file_type();
    let is_open = kind.is_fifo() && OPEN_ALREADY.iter().any(|given| path.starts_with(given));
    if !kind.is_file() && !is_open {
        let found = name(kind);
        return Err(refused(format!(
            "is {found}; expected a regular file, or - for standard input where that is read"
        )));
    }
    File::open(path)
}

/// Opens what a folder says is a regular file, without asking again, and tells how many bytes it has: what has taken its place
/// since is neither followed nor waited for.
///
/// # Errors
/// When it is anything else now, or cannot be opened.
pub fn open_found(path: &Path) -> Result<(File, u64)> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let mut options = File::options();
    let file = options.read(true).custom_flags(flags.bits().cast_signed());
    let file = file.open(path)?;
    let found = file.metadata()?;
    match found.is_file() {
        true => Ok((file, found.len())),
        false => Err(refused(format!(
            "is {}; expected a regular file",
            name_of(&found)
        ))),
    }
}

/// Opens a file that is read more than once, or written beside: a pipe gives its bytes once.
///
/// # Errors
/// When it is no regular file, or cannot be opened.
pub fn open_regular(path: &Path) -> Result<File> {
    let kind = std::fs::metadata(path)?.file_type();
    if !kind.is_file() {
        let found = name(kind);
        return Err(refused(format!(
            "is {found}; expected a regular file, since it is read more than once (write what comes through a pipe to a \
             file first)"
        )));
    }
    File::open(path)
}

/// Reads a file as a whole, up to one byte more than `most`, so that the reader sees that it is too large.
///
/// # Errors
/// As [`open`].
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a path leads to, for a person.
pub fn name_of(file: &Metadata) -> &'static str {
    name(file.file_type())
}

fn name(kind: FileType) -> &'static str {
    match () {
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () if kind.is_char_device() || kind.is_block_device() => "a device",
        () => "no regular file",
    }
}

fn refused(problem: String) -> Error {
    Error::new(ErrorKind::InvalidInput, problem)
}

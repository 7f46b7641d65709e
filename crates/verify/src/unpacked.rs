//! What is compressed is read as what it was: gzip (RFC 1952) and Zstandard (RFC 8878), known by their first bytes, whatever the name
//! says. Members and frames that follow one another are one text. What is of another kind altogether is told as what it is.

use std::io::{BufRead as _, BufReader, Chain, Cursor, Error, ErrorKind, Read, Result};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::foreign;

const GZIP: [u8; 2] = *b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// The last three bytes of what begins a frame that holds nothing, and may stand before the first that does. The byte before them is
/// of 16 kinds.
const ZSTD_SKIPPED: &[u8] = b"\x2a\x4d\x18";

/// Compressed bytes that are read at once.
const AHEAD: usize = 1 << 16;

/// Memory that a Zstandard frame may ask for, in bytes. `zstd -20` asks for as much; RFC 8878, section 3.1.1.1.2, for 8 MiB at least.
const MAX_WINDOW: u64 = 32 << 20;

/// How often its size a file may grow to: a signature is as random as its key is good, and does not compress.
const MAX_GROWTH: u64 = 200;

/// Bytes that a file may grow to, however small it is.
const ANY_GROWTH: u64 = 64 << 20;

/// A reader with what was read of it already before it.
type Again<R> = Chain<Cursor<Vec<u8>>, R>;

/// Whether what begins like this is read as compressed.
pub(crate) fn is_packed(first: &[u8]) -> bool {
    first.starts_with(&GZIP) || is_zstd(first)
}

/// The compressed bytes.
type Source<R> = BufReader<Watched<Again<R>>>;

/// Reads a text, whether it is compressed or not.
pub(crate) struct Unpacked<R: Read> {
    form: Form<R>,
    given: u64,
    /// What was unpacked to see what it is, and is still to be given; what went wrong then comes behind it.
    ahead: Cursor<Vec<u8>>,
    failed: Option<Error>,
}

enum Form<R: Read> {
    Plain(Again<R>),
    Gzip(Box<MultiGzDecoder<Source<R>>>),
    Zstd(Box<Frames<R>>),
}

impl<R: Read> Unpacked<R> {
    /// Looks at how it begins.
    ///
    /// # Errors
    /// When it cannot be read, or is of a kind that has no checkpoints in it.
    pub(crate) fn open(mut reader: R) -> Result<Self> {
        let mut first = Vec::new();
        let most = foreign::SHOWN as u64;
        (&mut reader).take(most).read_to_end(&mut first)?;
        foreign::check(&first)?;
        // What is cut off in the midst of these bytes is no text either.
        let is_gzip = first.starts_with(&GZIP) || first == [0x1f];
        let is_zstd = is_zstd(&first);
        let again = Cursor::new(first).chain(reader);
        let source = |again| BufReader::with_capacity(AHEAD, Watched::new(again));
        let form = match () {
            () if is_gzip => Form::Gzip(Box::new(MultiGzDecoder::new(source(again)))),
            () if is_zstd => Form::Zstd(Box::new(Frames::new(source(again)))),
            () => Form::Plain(again),
        };
        let mut unpacked = Self {
            form,
            given: 0,
            ahead: Cursor::default(),
            failed: None,
        };
        unpacked.look_ahead()?;
        Ok(unpacked)
    }

    /// Looks at what is in it.
    fn look_ahead(&mut self) -> Result<()> {
        let Some(packing) = self.packing() else {
            return Ok(());
        };
        let mut first = Vec::new();
        let most = foreign::SHOWN as u64;
        self.failed = self.by_ref().take(most).read_to_end(&mut first).err();
        foreign::check_unpacked(&first, packing, is_packed(&first))?;
        self.ahead = Cursor::new(first);
        Ok(())
    }

    fn packing(&self) -> Option<&'static str> {
        match self.form {
            Form::Plain(_) => None,
            Form::Gzip(_) => Some("gzip"),
            Form::Zstd(_) => Some("Zstandard"),
        }
    }

    /// Whether it is compressed.
    pub(crate) fn is_packed(&self) -> bool {
        self.packing().is_some()
    }

    /// That it does not grow beyond all measure.
    fn watch(&mut self, read: usize, name: &str, taken: u64) -> Result<usize> {
        self.given += read as u64;
        match self.given > ANY_GROWTH && self.given / MAX_GROWTH > taken {
            false => Ok(read),
            true => Err(Error::other(format!(
                "is {name} data that grows to more than {MAX_GROWTH} times its size, {} bytes of {taken}, as no checkpoints do; what \
                 follows was not read",
                self.given
            ))),
        }
    }
}

fn is_zstd(first: &[u8]) -> bool {
    let is_skipped = || matches!(first, [0x50..=0x5f, rest @ ..] if rest.starts_with(ZSTD_SKIPPED));
    first.starts_with(ZSTD) || is_skipped()
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self.ahead.read(buffer)? {
            0 => {}
            read => return Ok(read),
        }
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        let name = self.packing().unwrap_or_default();
        let (read, source) = match &mut self.form {
            Form::Plain(reader) => return reader.read(buffer),
            Form::Gzip(gzip) => (gzip.read(buffer), gzip.get_mut()),
            Form::Zstd(frames) => (frames.read(buffer), &mut frames.source),
        };
        match read {
            Ok(read) => {
                let taken = source.get_ref().taken;
                self.watch(read, name, taken)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
            Err(error) => Err(explain(error, name, self.given, source)),
        }
    }
}

/// What is wrong: with the disk, with the file's end, or with what stands in it.
fn explain<R: Read>(error: Error, name: &str, given: u64, source: &mut Source<R>) -> Error {
    let is_used_up = source.buffer().is_empty();
    let source = source.get_mut();
    match source.failed.take() {
        Some(failed) => failed,
        None if is_used_up && source.ended => Error::other(format!(
            "is {name} data that is cut off: it ends after {} bytes, {given} when unpacked, in the midst of it; expected all of it (get \
             the file again)",
            source.taken
        )),
        None if error.kind() == ErrorKind::Unsupported => {
            Error::other(format!("is {name} data that is not read here: {error}"))
        }
        None => Error::other(format!(
            "is {name} data that is damaged, behind {given} bytes of what is in it: {error}; expected it as it was written (get the file \
             again)"
        )),
    }
}

/// Counts what is taken, and keeps what went wrong: whoever unpacks wraps it in words of their own.
struct Watched<R> {
    reader: R,
    taken: u64,
    ended: bool,
    failed: Option<Error>,
}

impl<R> Watched<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            taken: 0,
            ended: false,
            failed: None,
        }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self.reader.read(buffer) {
            Ok(read) => {
                self.taken += read as u64;
                self.ended |= read == 0 && !buffer.is_empty();
                Ok(read)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
        }
    }
}

/// Zstandard frames, one after the other.
struct Frames<R: Read> {
    source: Source<R>,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: Read> Frames<R> {
    fn new(source: Source<R>) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        Self {
            source,
            decoder,
            in_frame: false,
        }
    }

    /// Goes on to the next frame that holds something; false at the end.
    fn begin(&mut self) -> Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => self.skip(length.into())?,
                Err(error) => return Err(told(error)),
            }
        }
        Ok(false)
    }

    fn skip(&mut self, length: u64) -> Result<()> {
        let mut skipped = (&mut self.source).take(length);
        match std::io::copy(&mut skipped, &mut std::io::sink())? == length {
            true => Ok(()),
            false => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    /// That the frame which has ended has what its writer put into it, where that left a checksum.
    fn end(&mut self) -> Result<()> {
        self.in_frame = false;
        let written = self.decoder.get_checksum_from_data();
        match written.is_none() || written == self.decoder.get_calculated_checksum() {
            true => Ok(()),
            false => Err(Error::other(
                "it has another checksum than it was written with",
            )),
        }
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.in_frame || self.begin()? {
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                let decoded = self.decoder.decode_blocks(&mut self.source, one);
                decoded.map_err(told)?;
            }
            match self.decoder.read(buffer)? {
                0 => self.end()?,
                read => return Ok(read),
            }
        }
        Ok(0)
    }
}

/// What is wrong with a frame: what is as it was written, and is not read here, is unsupported.
fn told(error: FrameDecoderError) -> Error {
    let unsupported = |told: String| Error::new(ErrorKind::Unsupported, told);
    match error {
        FrameDecoderError::WindowSizeTooBig { requested, max } => unsupported(format!(
            "a frame asks for {requested} bytes of memory, as `zstd --long` makes them, and {max} is what it gets; expected one that \
             asks for less (`zstd -d --long=31` unpacks it)"
        )),
        FrameDecoderError::DictNotProvided { dict_id } => unsupported(format!(
            "it was written with the dictionary {dict_id}; expected one without a dictionary (`zstd -d -D DICTIONARY` unpacks it)"
        )),
        FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::BadMagicNumber(_)) => {
            Error::other("what comes there is no frame of Zstandard")
        }
        FrameDecoderError::ReadFrameHeaderError(_) | FrameDecoderError::FrameHeaderError(_) => {
            Error::other("a frame has no header that can be read")
        }
        _ => Error::other("a frame cannot be decoded"),
    }
}

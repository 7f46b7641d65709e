//! What one core does: verifies texts, opens the files of a folder, and puts down what nothing is to be told of, so that whoever
//! reports takes many at once.

use std::fs::File;
use std::io::{Read as _, Write as _};

use chrono::{DateTime, Utc};

use super::inputs::{MAX_SMALL, Origin, Piece, Place, Text, Within};
use super::outcome::{Outcome, Run};
use crate::bulk::{Checked, Judge};
use checkpoint::checkpoint::{MAX_JSON_BYTES, PublishedOutline};
use checkpoint::key::instant_text;
use checkpoint::lines;
use checkpoint::verdict::VerdictKind;

/// Of which texts nothing is told by itself: valid ones that are not alone in a file that the user named.
#[derive(Clone, Copy, Debug)]
pub struct Plain {
    /// None: each is explained and told.
    pub none: bool,
    /// Those that are signed later than this are counted.
    pub latest: DateTime<Utc>,
}

/// A file that is too large for one core.
pub(super) struct Large<'a> {
    pub(super) place: Place<'a>,
    pub(super) file: File,
    pub(super) size: u64,
}

/// Takes what is to be done next: what was found so far, and a file that others shall help with. It may say stop.
pub(super) type Spread<'a> = &'a mut dyn FnMut(Vec<Outcome>, Large<'_>) -> bool;

/// Verifies texts, in their order.
pub(super) struct Checker<'a> {
    judge: &'a Judge,
    plain: Plain,
    outcomes: Vec<Outcome>,
    run: Option<Box<Run>>,
    /// Of the last small file.
    content: Vec<u8>,
}

/// Where a text stands, as [`Origin`] tells it.
#[derive(Clone, Copy)]
struct Stand<'a> {
    path: usize,
    source: &'a str,
    line: Option<u64>,
    item: Option<usize>,
    alone: bool,
}

impl Stand<'_> {
    fn origin(self, size: usize) -> Origin {
        Origin {
            path: self.path,
            source: self.source.into(),
            line: self.line,
            item: self.item,
            alone: self.alone,
            size,
        }
    }
}

impl<'a> Checker<'a> {
    pub(super) fn new(judge: &'a Judge, plain: Plain) -> Self {
        Self {
            judge,
            plain,
            outcomes: Vec::new(),
            run: None,
            content: Vec::new(),
        }
    }

    /// What was found since this was asked last.
    pub(super) fn finish(&mut self) -> Vec<Outcome> {
        self.end_run();
        std::mem::take(&mut self.outcomes)
    }

    /// Verifies a piece; false when `spread` said stop.
    pub(super) fn check(&mut self, piece: Piece, spread: Spread<'_>) -> bool {
        match piece {
            Piece::Files { path, files } => files.each(&mut |file| {
                let place = Place {
                    index: path,
                    path: file,
                    named: false,
                };
                self.check_file(place, spread)
            }),
            Piece::Named { path, file } => {
                let place = Place {
                    index: path,
                    path: &file,
                    named: true,
                };
                self.check_file(place, spread)
            }
            read => {
                self.check_read(read);
                true
            }
        }
    }

    /// Verifies a piece that needs no file.
    pub(super) fn check_read(&mut self, piece: Piece) {
        match piece {
            Piece::Lines {
                path,
                source,
                lines,
            } => {
                lines.each(&mut |line, text| {
                    let stand = Stand {
                        path,
                        source: &source,
                        line: Some(line),
                        item: None,
                        alone: false,
                    };
                    self.check_text(stand, text);
                    true
                });
            }
            piece => {
                piece.each(&mut |input| {
                    match input {
                        Ok(Text { origin, bytes }) => {
                            let stand = Stand {
                                path: origin.path,
                                source: &origin.source,
                                line: origin.line,
                                item: origin.item,
                                alone: origin.alone,
                            };
                            self.check_text(stand, &bytes);
                        }
                        Err(trouble) => self.push(trouble.into()),
                    }
                    true
                });
            }
        }
    }

    fn check_file(&mut self, place: Place<'_>, spread: Spread<'_>) -> bool {
        let (mut file, size) = match place.open() {
            Ok(opened) => opened,
            Err(trouble) => {
                self.push(trouble.into());
                return true;
            }
        };
        if size > MAX_SMALL {
            let found = self.finish();
            return spread(found, Large { place, file, size });
        }
        let mut content = std::mem::take(&mut self.content);
        match read_whole(&mut file, size, &mut content) {
            Ok(()) => self.check_small(place, &content),
            // What stands before the place that cannot be read is read.
            Err(_) => {
                place.read(&mut |piece| {
                    self.check_read(piece);
                    true
                });
            }
        }
        self.content = content;
        true
    }

    fn check_small(&mut self, place: Place<'_>, content: &[u8]) {
        let text = lines::content(content, MAX_JSON_BYTES);
        // Then it has one line, and is neither a list nor the first line of an export.
        if !place.has_lines()
            && let Some(published) = PublishedOutline::from_canonical_json(text)
        {
            let stand = Stand {
                path: place.index,
                source: &place.path.to_string_lossy(),
                line: None,
                item: None,
                alone: place.named,
            };
            let explain = self.plain.none || stand.alone;
            let checked = self.judge.check_read(published, explain);
            return self.found(stand, text.len(), checked);
        }
        place.read_from(&mut &*content, Some(content.len() as u64), &mut |piece| {
            self.check_read(piece);
            true
        });
    }

    fn check_text(&mut self, stand: Stand<'_>, text: &[u8]) {
        let checked = self.judge.check(text, self.plain.none || stand.alone);
        self.found(stand, text.len(), checked);
    }

    fn found(&mut self, stand: Stand<'_>, size: usize, checked: Option<Checked>) {
        match checked {
            None => {
                let run = self.run_of(stand.path);
                run.bytes += size as u64 + 1;
                run.tally.left_out += 1;
            }
            Some(checked) if self.is_plain(stand, &checked) => {
                let (fingerprints, latest) = (&self.judge.fingerprints, self.plain.latest);
                let run = self.run_of(stand.path);
                run.bytes += size as u64 + 1;
                run.tally.add(&checked);
                if let Some(signed_at) = checked.signed_at
                    && signed_at > latest
                {
                    let place = || stand.origin(size).place();
                    let first = || (0, format!("{} at {}", place(), instant_text(signed_at)));
                    run.ahead.get_or_insert_with(first).0 += 1;
                }
                run.stretch.add(&checked, fingerprints, |place| {
                    place.extend_from_slice(stand.source.as_bytes());
                    let (line, item) = (stand.line, stand.item);
                    // A vector takes all that is written to it.
                    let _ = write!(place, "{}", Within { line, item });
                });
            }
            Some(checked) => {
                let origin = stand.origin(size);
                self.push(Outcome::Checked(origin, Box::new(checked)));
            }
        }
    }

    fn is_plain(&self, stand: Stand<'_>, checked: &Checked) -> bool {
        !self.plain.none && !stand.alone && checked.kind == VerdictKind::Valid
    }

    fn run_of(&mut self, path: usize) -> &mut Run {
        if self.run.as_ref().is_some_and(|run| run.path != path) {
            self.end_run();
        }
        self.run.get_or_insert_with(|| {
            Box::new(Run {
                path,
                ..Run::default()
            })
        })
    }

    fn push(&mut self, outcome: Outcome) {
        self.end_run();
        self.outcomes.push(outcome);
    }

    fn end_run(&mut self) {
        self.outcomes.extend(self.run.take().map(Outcome::Plain));
    }
}

/// Reads all of a file that has this size, mostly by one read.
fn read_whole(file: &mut File, size: u64, content: &mut Vec<u8>) -> std::io::Result<()> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if content.len() <= size {
        content.resize(size + 1, 0);
    }
    let mut end = 0;
    loop {
        if end == content.len() {
            content.resize(2 * end, 0);
        }
        match file.read(content.get_mut(end..).unwrap_or_default())? {
            0 => break,
            read => end += read,
        }
        // There was room for more, and a regular file gives all that it has.
        if end == size {
            break;
        }
    }
    content.truncate(end);
    Ok(())
}

//! Verifies everything that is to be read, on all cores, and tells what became of it in the order of the input.

use std::path::PathBuf;

use rayon::prelude::*;

use super::Failure;
use super::checker::{Checker, Large};
use super::hashing::Once;
use super::inputs::{Input, Piece, read_all};
use super::outcome::Outcome;
use crate::bulk::Judge;
use crate::in_order::{Answer, WAITING, in_order};

pub use super::checker::Plain;

/// Texts of a batch for one who asks a service, at most.
const BATCH_TEXTS: usize = 1024;

/// Pieces of a batch, at most.
const BATCH_PIECES: usize = 1024;

/// Bytes of a batch, about: some milliseconds of work.
const BATCH_BYTES: usize = 1 << 18;

/// Takes outcomes; an error ends it all.
pub type Take<'a> = &'a mut dyn FnMut(Vec<Outcome>) -> Result<(), Failure>;

/// Verifies everything; of those that `plain` says nothing is told by itself.
///
/// # Errors
/// That of `take`.
pub fn run(
    (paths, once): (&[PathBuf], Option<&Once>),
    judge: &Judge,
    plain: Plain,
    take: Take,
) -> Result<(), Failure> {
    let worker = || {
        let mut checker = Checker::new(judge, plain);
        move |batch: Vec<Piece>, answer: &Answer<Vec<Outcome>>| {
            let mut batch = batch.into_iter();
            let go_on = batch.all(|piece| {
                checker.check(piece, &mut |found, large| {
                    // What stands before it comes before it.
                    answer.give(found) && spread(large, judge, plain, answer)
                })
            });
            go_on && answer.give(checker.finish())
        }
    };
    in_order(|send| pieces(paths, once, send), worker, take)
}

/// Verifies a file on all cores, in its order, where one core would take too long for all that wait behind it.
fn spread(
    mut large: Large<'_>,
    judge: &Judge,
    plain: Plain,
    answer: &Answer<Vec<Outcome>>,
) -> bool {
    let verify = |pieces: Vec<Piece>| {
        let one = |piece| {
            let mut checker = Checker::new(judge, plain);
            checker.check_read(piece);
            checker.finish()
        };
        let found: Vec<_> = pieces.into_par_iter().map(one).collect();
        found.into_iter().all(|found| answer.give(found))
    };
    let most = WAITING * rayon::current_num_threads();
    let mut pieces = Vec::with_capacity(most);
    let (file, size) = (&mut large.file, Some(large.size));
    let go_on = large.place.read_from(file, size, &mut |piece| {
        pieces.push(piece);
        pieces.len() < most || verify(std::mem::take(&mut pieces))
    });
    go_on && verify(pieces)
}

/// Gives the inputs to `send`, in batches, until that says stop.
fn pieces(paths: &[PathBuf], once: Option<&Once>, send: &mut dyn FnMut(Vec<Piece>) -> bool) {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let mut stopped = false;
    read_all(paths, once, &mut |piece| {
        bytes += piece.weight();
        batch.push(piece);
        if bytes >= BATCH_BYTES || batch.len() >= BATCH_PIECES {
            bytes = 0;
            stopped = !send(std::mem::take(&mut batch));
        }
        !stopped
    });
    if !stopped && !batch.is_empty() {
        send(batch);
    }
}

/// Gives the inputs in batches to `send` until that says stop, all of them read.
pub fn batch(paths: &[PathBuf], once: Option<&Once>, send: &mut dyn FnMut(Vec<Input>) -> bool) {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let mut stopped = false;
    read_all(paths, once, &mut |piece| {
        piece.each(&mut |input| {
            bytes += input.as_ref().map_or(0, |text| text.bytes.len());
            batch.push(input);
            if batch.len() >= BATCH_TEXTS || bytes >= BATCH_BYTES {
                bytes = 0;
                stopped = !send(std::mem::take(&mut batch));
            }
            !stopped
        })
    });
    if !stopped && !batch.is_empty() {
        send(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulk::{Fingerprints, Selection};
    use checkpoint::keyring::{Keyring, PinnedKeyring};

    #[test]
    fn a_large_file_among_small_ones_is_taken_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        let lines = 400_000;
        write("1.json", "{}\n");
        write("2.json", &"{}\n\n".repeat(lines));
        write("3.json", "{}\n{}\n");
        write("4.json", "");
        let judge = Judge {
            keyring: PinnedKeyring::unpinned(Keyring::default()),
            selection: Selection::default(),
            fingerprints: Fingerprints::default(),
        };
        let plain = Plain {
            none: false,
            latest: chrono::DateTime::UNIX_EPOCH,
        };
        let (mut found, mut failed) = (Vec::new(), Vec::new());
        let paths = [folder.path().to_owned()];
        let ran = run((&paths, None), &judge, plain, &mut |outcomes| {
            for outcome in outcomes {
                match outcome {
                    Outcome::Checked(origin, _) => {
                        let name = origin.source.rsplit_once('/').unwrap().1;
                        found.push((name.to_owned(), origin.line));
                    }
                    Outcome::Failed(problem) => failed.push(problem),
                    _ => panic!("nothing is valid, left out or an export"),
                }
            }
            Ok(())
        });
        assert!(ran.is_ok());
        let one = |name: &str, line| (name.to_owned(), line);
        let many = (0..lines as u64).map(|n| one("2.json", Some(2 * n + 1)));
        let last = [one("3.json", Some(1)), one("3.json", Some(2))];
        let expected = [one("1.json", None)].into_iter().chain(many).chain(last);
        assert!(found.into_iter().eq(expected));
        let [problem] = failed.as_slice() else {
            panic!("{failed:?}")
        };
        assert!(problem.ends_with("4.json: is empty: nothing in it was checked"));
    }
}

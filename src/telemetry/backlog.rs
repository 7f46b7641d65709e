//! A log whose reader may stall: a service goes on, and what cannot be written waits.
//!
//! A pipe takes 64 KiB from who writes to it, and then stops him: a log driver that cannot reach its store would stop all signing
//! (<https://docs.docker.com/engine/logging/configure/#configure-the-delivery-mode-of-log-messages-from-container-to-log-driver>).
//! A line that can be written at once is written by who logs it, so that nothing of it is lost with the process. Others wait in
//! memory for a thread that writes them in their order.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The most bytes that wait; of what comes then, nothing is written. The first half is everybody's, the other one only that of what is [`Worth::Kept`].
const MOST_WAITING: usize = 8 * 1024 * 1024;

/// Who tells that lines were lost.
pub(super) const TARGET: &str = module_path!();

/// Which room a line has while nobody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// Half of it.
    Ordinary,
    /// All of it: an error, or of the audit log.
    Kept,
    /// Whatever it takes: it tells that others were lost, once for many.
    Notice,
}

/// The longest line that fits where there is room at all: `PIPE_BUF` of Linux, pipe(7).
const AT_ONCE: usize = 4096;

/// What a reader that has stalled is given at the end of the program.
const AT_THE_END: Duration = Duration::from_secs(2);

/// Lines of this process that no reader has seen.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Lines that the log of this process has lost since it began.
pub(crate) fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// What the thread has taken, and not written yet.
    taken: usize,
    lost: u64,
    /// Of those, what was to be kept.
    lost_kept: u64,
}

impl Waiting {
    fn is_over(&self) -> bool {
        self.lines.is_empty() && self.taken == 0
    }
}

struct Shared<W> {
    sink: W,
    most: usize,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

/// Writes lines without waiting for their reader. Its copies write to the same log.
pub(super) struct Backlog<W>(Arc<Shared<W>>);

impl<W> Clone for Backlog<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W> Backlog<W>
where
    W: AsFd + Send + Sync + 'static,
    for<'a> &'a W: Write,
{
    /// # Errors
    /// When no thread can be started.
    pub(super) fn new(sink: W) -> io::Result<Self> {
        Self::bounded(sink, MOST_WAITING)
    }

    fn bounded(sink: W, most: usize) -> io::Result<Self> {
        let log = Self(Arc::new(Shared {
            sink,
            most,
            waiting: Mutex::default(),
            changed: Condvar::new(),
        }));
        let writer = log.clone();
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || writer.write_on())?;
        Ok(log)
    }

    /// Writes what waits, as long as the process lives.
    fn write_on(&self) {
        loop {
            let mut waiting = self.waiting();
            while waiting.lines.is_empty() {
                let wait = self.0.changed.wait(waiting);
                waiting = wait.unwrap_or_else(PoisonError::into_inner);
            }
            let lines = std::mem::take(&mut waiting.lines);
            waiting.taken = lines.len();
            drop(waiting);
            // A log that cannot be written is no reason to end.
            let _ = (&self.0.sink).write_all(&lines);
            let mut waiting = self.waiting();
            waiting.taken = 0;
            let lost = std::mem::take(&mut waiting.lost);
            let of_the_audit_log_or_errors = std::mem::take(&mut waiting.lost_kept);
            drop(waiting);
            self.0.changed.notify_all();
            if lost > 0 {
                tracing::error!(
                    target: TARGET,
                    lost,
                    of_the_audit_log_or_errors,
                    "lines of the log were lost while nobody read it; what was signed is in the record"
                );
            }
        }
    }

    fn write_line(&self, worth: Worth, line: &[u8]) {
        let most = match worth {
            Worth::Ordinary => self.0.most / 2,
            Worth::Kept => self.0.most,
            Worth::Notice => usize::MAX,
        };
        let mut waiting = self.waiting();
        if waiting.is_over() && line.len() <= AT_ONCE && self.has_room() {
            let _ = (&self.0.sink).write_all(line);
        } else if waiting.lines.len() + waiting.taken + line.len() > most {
            waiting.lost += 1;
            waiting.lost_kept += u64::from(worth == Worth::Kept);
            LOST.fetch_add(1, Ordering::Relaxed);
        } else {
            waiting.lines.extend_from_slice(line);
            self.0.changed.notify_all();
        }
    }

    /// What writes lines of this worth, each with one write.
    pub(super) fn writer(&self, worth: Worth) -> Lines<'_, W> {
        Lines(self, worth)
    }

    fn has_room(&self) -> bool {
        let mut asked = [PollFd::new(&self.0.sink, PollFlags::OUT)];
        let at_once = Timespec::default();
        // A pipe that nobody will read any more has room for the error that a write gives.
        poll(&mut asked, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }

    /// Waits until all of it is written, while its reader reads.
    pub(super) fn end(&self) {
        let waiting = self.waiting();
        let waits = |waiting: &mut Waiting| !waiting.is_over();
        // What is not read by now is lost with the process.
        let _ = self
            .0
            .changed
            .wait_timeout_while(waiting, AT_THE_END, waits);
    }
}

impl<W> Backlog<W> {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        let waiting = self.0.waiting.lock();
        waiting.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes lines of one worth.
pub(super) struct Lines<'a, W>(&'a Backlog<W>, Worth);

impl<W> Write for Lines<'_, W>
where
    W: AsFd + Send + Sync + 'static,
    for<'a> &'a W: Write,
{
    // Each event comes whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_line(self.1, line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, PipeReader, PipeWriter};

    use super::*;

    fn log(most: usize) -> (Backlog<PipeWriter>, PipeReader) {
        let (reader, writer) = io::pipe().unwrap();
        (Backlog::bounded(writer, most).unwrap(), reader)
    }

    fn line(n: usize) -> String {
        format!("{n:0>99}")
    }

    #[test]
    fn lines_wait_for_their_reader_in_their_order_and_who_writes_does_not() {
        let (log, reader) = log(1024 * 1024);
        // More than a pipe takes, and one that is longer than what is written at once.
        let lines = (0..5_000).map(line);
        let lines: Vec<_> = [line(0).repeat(100)].into_iter().chain(lines).collect();
        for line in &lines {
            log.write_line(Worth::Kept, format!("{line}\n").as_bytes());
        }
        let read = BufReader::new(reader).lines().map(Result::unwrap);
        assert!(read.take(lines.len()).eq(lines));
        log.end();
    }

    #[test]
    fn what_finds_no_room_is_lost_whole_and_counted() {
        let (log, reader) = log(10_000);
        for n in 0..5_000 {
            log.write_line(Worth::Kept, format!("{}\n", line(n)).as_bytes());
        }
        let lost = usize::try_from(log.waiting().lost).unwrap();
        assert!(lost > 1_000, "{lost}");
        assert!(self::lost() >= lost as u64);
        let read = BufReader::new(reader).lines().map(Result::unwrap);
        // Those that came first.
        let kept = 5_000 - lost;
        assert!(read.take(kept).eq((0..kept).map(line)));
        log.end();
        log.write_line(Worth::Kept, b"and on\n");
        assert_eq!(log.waiting().lost, 0);
    }

    #[test]
    fn what_can_be_written_is_written_by_who_logs_it() {
        let (log, reader) = log(0);
        log.write_line(Worth::Kept, b"one\n");
        log.write_line(Worth::Kept, b"two\n");
        let mut read = BufReader::new(reader).lines().map(Result::unwrap);
        assert_eq!([read.next().unwrap(), read.next().unwrap()], ["one", "two"]);
    }

    #[test]
    fn a_log_that_nobody_will_read_stops_nobody() {
        let (log, reader) = log(1024);
        drop(reader);
        for n in 0..5_000 {
            log.write_line(Worth::Kept, line(n).as_bytes());
        }
        log.end();
    }

    #[test]
    fn ordinary_lines_leave_half_of_the_room_to_the_audit_log_and_what_tells_of_losses_is_never_lost()
     {
        let (log, reader) = log(10_000);
        // Beyond what the pipe takes, and the room.
        for n in 0..5_000 {
            log.write_line(Worth::Ordinary, format!("{}\n", line(n)).as_bytes());
        }
        let (kept, lost) = (50, log.waiting().lost);
        assert_eq!(log.waiting().lost_kept, 0);
        for n in 0..kept {
            log.write_line(Worth::Kept, format!("audit {}\n", line(n)).as_bytes());
        }
        let lost_then = log.waiting().lost;
        assert!(
            lost > 1_000 && lost_then < lost + kept as u64 / 2,
            "{lost} {lost_then}"
        );
        log.write_line(
            Worth::Notice,
            format!("notice {}\n", line(0)).repeat(100).as_bytes(),
        );
        assert_eq!(log.waiting().lost, lost_then);
        assert_eq!(log.waiting().lost_kept, lost_then - lost);
        let read = BufReader::new(reader).lines().map(Result::unwrap);
        let mut read = read.skip_while(|line| !line.starts_with("audit"));
        let audited = kept - usize::try_from(lost_then - lost).unwrap();
        let audited = (0..audited).map(|n| format!("audit {}", line(n)));
        assert!(read.by_ref().take(audited.len()).eq(audited));
        assert!(read.next().unwrap().starts_with("notice"));
    }
}

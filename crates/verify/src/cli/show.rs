//! What is printed: the answer on standard output, notes and failures on standard error.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use checkpoint::visible::{visible, visible_json, visible_lines};

use super::Failure;

/// The program that speaks: its name stands before what it says on standard error.
#[derive(Clone, Copy, Debug)]
pub struct Program(pub &'static str);

impl Program {
    /// Tells something on standard error that changes no outcome.
    pub fn tell(self, note: &str) {
        let name = self.0;
        let _ = writeln!(std::io::stderr(), "{name}: note: {}", visible(note));
    }

    /// Tells why the answer is no, and what to do then, a line each; `first` is what has to be done before by other means.
    pub fn refused(self, problem: &str, first: Option<&str>, next: &str) -> Failure {
        self.tell_why(problem, first, next);
        Failure::Shown
    }

    /// Tells why it could not be done or checked, and what to do then, a line each.
    pub fn not_done(self, problem: &str, next: &str) -> Failure {
        self.tell_why(problem, None, next);
        Failure::Faults(Vec::new())
    }

    fn tell_why(self, problem: &str, first: Option<&str>, next: &str) {
        let (name, problem, next) = (self.0, visible(problem), visible(next));
        let first = first.map(|first| format!("first: {}\n", visible(first)));
        let first = first.unwrap_or_default();
        let _ = writeln!(std::io::stderr(), "{name}: {problem}\n{first}next: {next}");
    }

    /// Tells how it went, if it did not go well, and gives the exit code.
    pub fn end(self, outcome: Result<(), Failure>) -> ExitCode {
        let Err(failure) = outcome else {
            return ExitCode::SUCCESS;
        };
        for message in failure.messages() {
            let _ = writeln!(std::io::stderr(), "{}: {}", self.0, visible(message));
        }
        failure.exit_code()
    }
}

/// Writes to standard output. Who closed it (`| head`) wants no more of it: the work goes on, and the exit code is that of the
/// work. So it is where it was closed before the start (`>&-`): the runtime has opened `/dev/null` there for reading and writing
/// by then, which nothing tells from the one that whoever wants the exit code alone gives (Python's `subprocess.DEVNULL`).
fn write(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => {
            written.map_err(|error| Failure::Impossible(format!("standard output: {error}")))
        }
    }
}

/// Prints lines for a person. What comes from elsewhere must be [`visible`] in them already: here its ends of lines are lost
/// among those of the text.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(text: &str) -> Result<(), Failure> {
    write(&visible_lines(text))
}

/// Prints one line for a person, whatever is in it.
///
/// # Errors
/// When standard output cannot be written.
pub fn print_line(line: &str) -> Result<(), Failure> {
    write(&format!("{}\n", visible(line)))
}

/// Prints lines for a person, whatever is in each.
///
/// # Errors
/// When standard output cannot be written.
pub fn print_lines<const N: usize>(lines: [String; N]) -> Result<(), Failure> {
    lines.iter().try_for_each(|line| print_line(line))
}

/// Prints a JSON document.
///
/// # Errors
/// When standard output cannot be written.
pub fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    print_json_text(&format!("{value:#}"))
}

/// Prints JSON as it stands; what is unseen is escaped in its strings.
///
/// # Errors
/// When standard output cannot be written.
pub fn print_json_text(text: &str) -> Result<(), Failure> {
    write(&format!("{}\n", visible_json(text)))
}

/// Prints one document byte for byte, for a file or a program; on a terminal nothing in it moves the cursor.
///
/// # Errors
/// When standard output cannot be written.
pub fn print_document(text: &str) -> Result<(), Failure> {
    match std::io::stdout().is_terminal() {
        true => print(text),
        false => write(text),
    }
}

/// An object as one line.
pub(super) fn json_line(value: &serde_json::Value) -> String {
    format!("{}\n", visible_json(&value.to_string()))
}

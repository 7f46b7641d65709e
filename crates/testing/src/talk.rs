//! A server behind a Python script: it tells a line of JSON when it is there, and answers every line with one.

use std::fmt::Display;
use std::io::{BufReader, Read as _, Seek as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::wait;

/// It ends with this, since its standard input does.
pub struct Talk {
    script: &'static str,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    child: Child,
    complaints: std::fs::File,
}

impl Talk {
    /// Starts a script of `tests/python`, and gives what it tells.
    pub fn start(script: &'static str) -> (Self, Value) {
        let path = crate::root().join("tests/python").join(script);
        let complaints = tempfile::tempfile().expect("a file for what it complains of");
        let mut child = crate::python::python()
            .arg(path)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints.try_clone().expect("the same file"))
            .spawn()
            .expect("Python");
        let stdin = child.stdin.take().expect("its standard input");
        let stdout = BufReader::new(child.stdout.take().expect("its standard output"));
        let mut talk = Self {
            script,
            pipes: Mutex::new((stdin, stdout)),
            child,
            complaints,
        };
        let told = talk.read("to tell that it is there");
        let told = serde_json::from_str(&told);
        let told = told.unwrap_or_else(|_| panic!("{script} did not start: {}", talk.complaints()));
        (talk, told)
    }

    fn read(&self, what: &str) -> String {
        let what = format!("{} {what}", self.script);
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        wait::line(self.child.id(), &mut pipes.1, &what)
    }

    /// Its answer to a line.
    pub fn say(&self, line: impl Display) -> String {
        let line = line.to_string();
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(pipes.0, "{line}").expect("its standard input");
        let what = format!("{} to answer {line}", self.script);
        let answer = wait::line(self.child.id(), &mut pipes.1, &what);
        assert!(
            !answer.is_empty(),
            "{} has ended, asked {line}",
            self.script
        );
        answer
    }

    /// What it answers to a request, or the error that it tells.
    pub fn ask(&self, request: &Value) -> Result<Value, String> {
        let answer = self.say(request);
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        match answer["error"].as_str() {
            Some(error) => Err(error.into()),
            None => Ok(answer["answer"].clone()),
        }
    }

    fn complaints(&mut self) -> String {
        let mut said = String::new();
        let _ = self.complaints.rewind();
        let _ = self.complaints.read_to_string(&mut said);
        said
    }
}

//! The real binary as a child process: a service in a folder of its own, and commands that ask it.

use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

use crate::openssl::{self, Form};

/// The program, free of what the tester's shell says about it.
pub(crate) fn program() -> Command {
    crate::starter::binary()
}

/// Runs it to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Runs it to its end, which must be a good one; gives its standard output.
pub(crate) fn run_well(command: &mut Command) -> String {
    let output = run(command);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{out}{err}",
        output.status
    );
    out.into_owned()
}

/// A child that serves; it is ended with its owner.
pub(crate) struct Serving {
    child: Child,
    /// Held, since a closed pipe would be an error to the child.
    stdout: BufReader<ChildStdout>,
    stderr: PathBuf,
}

impl Serving {
    /// Starts `serve` with free ports; `stderr` is the file for its log.
    pub(crate) fn start(mut serve: Command, stderr: &Path) -> Self {
        let log = File::create(stderr).expect("a file for the log");
        let mut child = serve
            .args(["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the program to start");
        let stdout = BufReader::new(child.stdout.take().expect("its standard output"));
        Self {
            child,
            stdout,
            stderr: stderr.into(),
        }
    }

    /// The next line of its standard output.
    pub(crate) fn line(&mut self) -> String {
        let what = "a service to say where it listens";
        let line = crate::wait::line_or_end(self.child.id(), &mut self.stdout, what);
        line.unwrap_or_else(|| {
            let log = std::fs::read_to_string(&self.stderr).unwrap_or_default();
            panic!("the service ended: {log}");
        })
    }

    /// What stands behind `prefix` on the next line.
    pub(crate) fn line_after(&mut self, prefix: &str) -> String {
        let line = self.line();
        line.strip_prefix(prefix)
            .unwrap_or_else(|| panic!("expected {prefix}..., found {line}"))
            .to_owned()
    }

    /// Sends the signal of Ctrl-C, and waits until it has ended well.
    pub(crate) fn interrupt(mut self) {
        let pid = self.child.id().to_string();
        run_well(Command::new("kill").args(["-INT", &pid]));
        let status = self.child.wait().expect("its end");
        let log = std::fs::read_to_string(&self.stderr).unwrap_or_default();
        assert!(status.success(), "it ended with {status}: {log}");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Both do nothing to a child that was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A service with one key of openssl's, and a record of its own.
pub(crate) struct Server {
    _serving: Serving,
    folder: TempDir,
    url: String,
}

impl Server {
    /// Serves with a small key: for what does not depend on keys.
    pub(crate) fn start() -> Self {
        let pem = openssl::private_key(Form::Pkcs8, 2048);
        Self::with_secret(&openssl::secret("interop-key", "PS256", &pem))
    }

    /// Serves with this secret document.
    pub(crate) fn with_secret(secret: &str) -> Self {
        let folder = TempDir::with_prefix("checkpoint-signer-interop-").expect("a folder");
        let at = |name| folder.path().join(name);
        let keys = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(at("keys.json"));
        std::io::Write::write_all(&mut keys.expect("a new file"), secret.as_bytes())
            .expect("the secret to be written");
        let record = format!("sqlite:{}", at("record.sqlite").display());
        let source = format!("file:{}", at("keys.json").display());
        run_well(program().args(["record", "init", "--record", &record]));
        let mut serve = program();
        serve.args(["serve", "--source", &source, "--record", &record]);
        let mut serving = Serving::start(serve, &at("stderr"));
        let url = serving.line_after("gRPC on ");
        Self {
            _serving: serving,
            folder,
            url,
        }
    }

    /// Where it answers, as a URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where it answers, as host:port.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").expect("a URL of http")
    }

    /// A path in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command of the program against this service, and keeps what it prints in a file.
    pub(crate) fn ask(&self, arguments: &[&str], into: &str) -> PathBuf {
        let printed = run_well(program().args(arguments).args(["--server", &self.url]));
        let path = self.path(into);
        std::fs::write(&path, printed).expect("what it printed to be written");
        path
    }
}

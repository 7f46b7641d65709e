//! The server under load: the real binary in a folder of its own.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use checkpoint_signer::key::{KeySecret, ValidityWindow, parse_instant};
use checkpoint_signer::signature::Algorithm;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_checkpoint-signer");

pub struct Server {
    pub url: String,
    child: Child,
    _folder: TempDir,
}

impl Server {
    pub fn start(bits: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let window = ValidityWindow::new(
            parse_instant("2020-01-01").unwrap(),
            parse_instant("2099-01-01").unwrap(),
        );
        let key_id = "load".parse().unwrap();
        let key =
            KeySecret::generate(key_id, window.unwrap(), Algorithm::Ps256, bits, None).unwrap();
        let file = folder.path().join("key.json");
        std::fs::write(&file, key.0.as_bytes()).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let command = |arguments: &str| {
            let mut command = Command::new(BINARY);
            command
                .args(arguments.split(' '))
                .current_dir(folder.path());
            command
        };
        assert!(
            command("record init --record sqlite:r.sqlite")
                .output()
                .unwrap()
                .status
                .success()
        );
        let serve = "serve --source file:key.json --record sqlite:r.sqlite --grpc 127.0.0.1:0";
        let mut child = command(serve).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            url: line.trim().strip_prefix("gRPC on ").unwrap().into(),
            child,
            _folder: folder,
        }
    }

    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time of a process and its threads (proc_pid_stat(5), fields 14 and 15).
pub fn cpu_seconds(pid: u32) -> f64 {
    // Linux counts them in hundredths of a second.
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The second field, the name, may hold spaces; it ends with the last parenthesis.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / TICKS_A_SECOND
}

//! `serve --dev` in every year, in one folder: what its first line and its refusals tell a person to type is typed, to the letter.

use std::io::BufReader;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::run_well;
use crate::{faketime, starter, wait};

type Variables = Vec<(&'static str, String)>;

const SERVE: [&str; 6] = [
    "serve",
    "--dev",
    "--grpc",
    "127.0.0.1:0",
    "--http",
    "127.0.0.1:0",
];

/// A service that listens; it ends with this.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    first: String,
    server: String,
    /// What it tells of keys.
    news: Vec<String>,
}

impl Running {
    fn line(&mut self) -> String {
        let what = "a service to say something";
        wait::line_or_end(self.child.id(), &mut self.stdout, what).unwrap_or_default()
    }

    /// The command of its first line.
    fn next(&self) -> &str {
        let (_, command) = self
            .first
            .split_once("next, in another terminal: ")
            .unwrap();
        command
    }

    fn end(mut self) {
        let pid = self.child.id().to_string();
        run_well(Command::new("kill").args(["-TERM", &pid]));
        let _ending = wait::watch(self.child.id(), "SIGTERM to end the service");
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::with_prefix("checkpoint-signer-years-").unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn data(&self, name: &str) -> PathBuf {
        self.path("checkpoint-signer-data").join(name)
    }

    fn command(&self, program: Command, clock: &Variables) -> Command {
        let mut command = program;
        let clock = clock.iter().map(|(name, value)| (name, value));
        command.envs(clock).current_dir(self.0.path());
        command
    }

    fn start(&self, mut serve: Command) -> Result<Running, String> {
        let errors = tempfile::NamedTempFile::new().unwrap();
        serve.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = serve.stderr(errors.reopen().unwrap()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut running = Running {
            child,
            stdout,
            first: String::new(),
            server: String::new(),
            news: Vec::new(),
        };
        running.first = running.line();
        loop {
            let line = running.line();
            if let Some(server) = line.strip_prefix("gRPC on ") {
                running.server = server.into();
            } else if line.starts_with("new key ") {
                running.news.push(line);
            } else if line.starts_with("End with") {
                return Ok(running);
            } else if line.is_empty() && running.child.try_wait().unwrap().is_some() {
                let code = running.child.wait().unwrap().code();
                let told = std::fs::read_to_string(errors.path()).unwrap();
                assert_eq!(code, Some(2), "{told}");
                return Err(told);
            }
        }
    }

    fn serve(&self, clock: &Variables) -> Result<Running, String> {
        let mut serve = self.command(starter::binary(), clock);
        serve.args(SERVE);
        self.start(serve)
    }

    /// Serves at a time.
    fn at(&self, time: &str) -> Running {
        let running = self.serve(&faketime::beginning(time));
        running.unwrap_or_else(|told| panic!("{time}: {told}"))
    }

    fn refused_at(&self, time: &str) -> String {
        match self.serve(&faketime::beginning(time)) {
            Ok(running) => panic!("{time}: {}", running.first),
            Err(told) => told,
        }
    }

    /// Types a command in a shell.
    fn type_in(&self, command: &str, time: &str) -> String {
        let clock = faketime::beginning(time);
        let mut shell = self.command(starter::program("sh"), &clock);
        run_well(shell.args(["-c", command]))
    }

    /// Types a command that serves.
    fn type_in_serve(&self, command: &str, time: &str) -> Running {
        let clock = faketime::beginning(time);
        let mut shell = self.command(starter::program("sh"), &clock);
        // A shell that waits for it would be ended in its place.
        let (first, last) = command
            .rsplit_once("&& ")
            .map_or(("", command), |(a, b)| (a, b));
        let first = match first {
            "" => String::new(),
            first => format!("{first}&& "),
        };
        shell.args(["-c", &format!("{first}exec {last}")]);
        let running = self.start(shell);
        running.unwrap_or_else(|told| panic!("{command}: {told}"))
    }

    /// Has a checkpoint of its own signed, as the first line says, and gives the name of the key and the file.
    fn sign(&self, running: &Running, number: u64, time: &str) -> (String, String) {
        let example = self.data("checkpoint.json");
        let example = std::fs::read_to_string(example).unwrap();
        let mut checkpoint: Value = serde_json::from_str(&example).unwrap();
        checkpoint["checkpoint_id"] = json!(format!("chk_{number}"));
        checkpoint["entry_count"] = json!(20_000 + number);
        checkpoint["cumulative_hash"] = json!(format!("sha256:{number:064x}"));
        checkpoint["timestamp"] = json!(format!("{}Z", time.replace(' ', "T")));
        let name = format!("{number}.json");
        std::fs::write(self.path(&name), checkpoint.to_string()).unwrap();
        let signed = format!("signed-{number}.json");
        let command = running
            .next()
            .replace("checkpoint-signer-data/checkpoint.json", &name);
        let command = command.replace("checkpoint-signer-data/signed.json", &signed);
        self.type_in(&command, time);
        let verdict = self.verify(&signed, running, time);
        let key_id = verdict.split_whitespace().nth(2).unwrap();
        (key_id.into(), signed)
    }

    fn verify(&self, signed: &str, running: &Running, time: &str) -> String {
        let program = running.next().split(' ').next().unwrap();
        let online = format!("{program} verify {signed} --server {}", running.server);
        let keys = format!(
            "{program} keys export --server {} > keyring.json",
            running.server
        );
        let offline = format!("{keys} && {program} verify {signed} --keys keyring.json");
        let verdicts = [online, offline].map(|command| self.type_in(&command, time));
        let [online, offline] = verdicts;
        assert!(
            online.starts_with("VALID ") && offline.starts_with("VALID "),
            "{online}{offline}"
        );
        offline
    }
}

/// The command behind these words, to the end of the line.
fn command_after<'a>(told: &'a str, words: &str) -> &'a str {
    let (_, command) = told.split_once(words).unwrap_or_else(|| panic!("{told}"));
    command.lines().next().unwrap()
}

const IN_ANOTHER: &str = "To try out in a folder of its own: ";

#[test]
fn one_folder_serves_year_after_year_and_verifies_what_was_signed_before() {
    let place = Place::new();
    let mut signed = Vec::new();
    for (number, time) in [
        (1, "2026-03-05 10:00:00"),
        (2, "2026-04-05 10:00:00"),
        (3, "2027-02-03 04:05:06"),
        (4, "2028-02-29 23:59:00"),
        // It was not used for three years.
        (5, "2032-07-01 12:00:00"),
    ] {
        let running = place.at(time);
        for part in ["to try out", &running.server, "(a page for auditors)"] {
            assert!(running.first.contains(part), "{}", running.first);
        }
        let year = &time[..4];
        let made: Vec<&str> = running
            .news
            .iter()
            .map(|line| line.split(' ').nth(2).unwrap())
            .collect();
        let expected = format!("dev-checkpoint-key-{year},");
        assert_eq!(
            made,
            if number == 2 {
                vec![]
            } else {
                vec![&*expected]
            }
        );
        let (key_id, file) = place.sign(&running, number, time);
        assert_eq!(key_id, format!("dev-checkpoint-key-{year}"));
        signed.push(file);
        for file in &signed {
            place.verify(file, &running, time);
        }
        running.end();
    }
}

#[test]
fn late_in_the_year_the_next_key_is_there_endorsed_and_takes_over_at_new_year() {
    let place = Place::new();
    let (december, january) = ("2026-12-20 10:00:00", "2027-01-01 00:00:01");
    let running = place.at(december);
    assert_eq!(running.news.len(), 2, "{:?}", running.news);
    let (key_id, _) = place.sign(&running, 1, december);
    assert_eq!(key_id, "dev-checkpoint-key-2026");
    let program = running.next().split(' ').next().unwrap();
    place.type_in(
        &format!(
            "{program} keys export --server {} > 2026.json",
            running.server
        ),
        december,
    );
    let pin = place.type_in(&format!("{program} keys fingerprint 2026.json"), december);
    let pin = pin.lines().find(|line| line.ends_with("-2026")).unwrap();
    let pin = pin.split(' ').next().unwrap();
    running.end();
    let running = place.at(january);
    assert!(running.news.is_empty(), "{:?}", running.news);
    let (key_id, signed) = place.sign(&running, 2, january);
    assert_eq!(key_id, "dev-checkpoint-key-2027");
    // Whoever pinned last year's key believes this year's.
    let program = running.next().split(' ').next().unwrap();
    let verdict = place.type_in(
        &format!("{program} verify {signed} --keys keyring.json --pin={pin}"),
        january,
    );
    assert!(verdict.starts_with("VALID "), "{verdict}");
}

#[test]
fn a_service_that_runs_adds_the_next_key_before_new_year_and_after_a_sleep_over_it() {
    for (later, key_id) in [
        ("2026-11-15 00:00:00", "dev-checkpoint-key-2027"),
        ("2027-02-01 00:00:00", "dev-checkpoint-key-2027"),
    ] {
        let place = Place::new();
        let clock = place.path("clock");
        faketime::set(&clock, "2026-06-01 00:00:00");
        let mut running = place.serve(&faketime::moved_by(&clock)).unwrap();
        assert_eq!(running.news.len(), 1, "{:?}", running.news);
        faketime::set(&clock, later);
        let told = running.line();
        assert!(told.starts_with(&format!("new key {key_id},")), "{told}");
        running.end();
        let running = place.at("2027-02-02 00:00:00");
        assert!(running.news.is_empty(), "{:?}", running.news);
        let (signed_by, _) = place.sign(&running, 1, "2027-02-02 00:00:00");
        assert_eq!(signed_by, key_id);
    }
}

/// All that is in its folder, but what SQLite makes anew each time.
fn contents(place: &Place) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(place.path("checkpoint-signer-data"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().contains("sqlite"))
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn a_clock_that_went_back_is_refused_with_a_way_out_and_nothing_is_lost() {
    for signs in [true, false] {
        let place = Place::new();
        let (ahead, back) = ("2028-05-01 00:00:00", "2027-06-01 00:00:00");
        let running = place.at(ahead);
        if signs {
            place.sign(&running, 1, ahead);
        }
        running.end();
        let before = contents(&place);
        let told = place.refused_at(back);
        for part in [
            "the clock shows 2027-06-01T00:00:0",
            "which is before",
            "2028-",
            "Nothing was changed",
        ] {
            assert!(told.contains(part), "{told}");
        }
        assert_eq!(contents(&place), before);
        let other = place.type_in_serve(command_after(&told, IN_ANOTHER), back);
        place.type_in(other.next(), back);
        other.end();
        let running = place.at(ahead);
        assert!(running.news.is_empty(), "{:?}", running.news);
        place.sign(&running, 2, ahead);
        if signs {
            place.verify("signed-1.json", &running, ahead);
        }
    }
}

const NOW: &str = "2026-03-05 10:00:00";

#[test]
fn a_folder_that_cannot_be_written_to_is_told_with_another_one() {
    let place = Place::new();
    std::fs::write(place.path("file"), "").unwrap();
    // Nobody can write to the second, whoever runs this.
    for folder in ["file", "/proc/self/fdinfo", "/sys/kernel"] {
        let mut serve = place.command(starter::binary(), &faketime::beginning(NOW));
        serve.args(SERVE).args(["--data", folder]);
        let told = place.start(serve).err().unwrap();
        let expected = format!("--data: {folder}: is no folder that can be written to: ");
        assert!(told.contains(&expected), "{told}");
        let other = place.type_in_serve(command_after(&told, IN_ANOTHER), NOW);
        place.type_in(other.next(), NOW);
    }
}

#[test]
fn half_a_key_file_is_put_aside_by_the_command_that_is_told() {
    for keep in [0, 1, 100, 1500] {
        let place = Place::new();
        let running = place.at(NOW);
        place.sign(&running, 1, NOW);
        running.end();
        let key = place.data("key.json");
        let whole = std::fs::read(&key).unwrap();
        std::fs::write(&key, &whole[..keep]).unwrap();
        let told = place.refused_at(NOW);
        assert!(
            told.contains("--data: checkpoint-signer-data/key.json: "),
            "{told}"
        );
        assert!(!told.contains("MII"), "{told}");
        let running = place.type_in_serve(command_after(&told, "a new key is made: "), NOW);
        // The name of the other stays taken for ever.
        let (key_id, _) = place.sign(&running, 2, NOW);
        assert_eq!(key_id, "dev-checkpoint-key-2026b");
        place.verify("signed-1.json", &running, NOW);
        let aside = std::fs::read(place.data("key.json.aside")).unwrap();
        assert_eq!(aside, &whole[..keep]);
    }
}

#[test]
fn a_first_start_that_is_killed_leaves_a_folder_that_serves_or_says_what_to_type() {
    for moment in 0..12_u64 {
        let place = Place::new();
        let clock = faketime::beginning(NOW);
        let mut serve = place.command(starter::binary(), &clock);
        let mut child = serve.args(SERVE).stdout(Stdio::piped()).spawn().unwrap();
        // Wherever that is: what is said below holds for all moments.
        std::thread::sleep(std::time::Duration::from_millis(moment * moment * 10));
        child.kill().unwrap();
        child.wait().unwrap();
        let running = match place.serve(&clock) {
            Ok(running) => running,
            Err(told) => place.type_in_serve(command_after(&told, "start again: "), NOW),
        };
        place.sign(&running, 1, NOW);
    }
}

#[test]
fn an_empty_record_of_a_start_that_was_cut_off_is_put_aside_by_the_command_that_is_told() {
    let place = Place::new();
    std::fs::create_dir(place.path("checkpoint-signer-data")).unwrap();
    std::fs::write(place.data("record.sqlite"), "").unwrap();
    let told = place.refused_at(NOW);
    assert!(
        told.contains("a first start was cut off, and nothing was signed"),
        "{told}"
    );
    let running = place.type_in_serve(command_after(&told, "start again: "), NOW);
    place.sign(&running, 1, NOW);
}

#[test]
fn two_in_one_folder_and_a_port_that_is_taken_are_told_with_what_to_type() {
    let place = Place::new();
    let first = place.at(NOW);
    let told = place.refused_at(NOW);
    let pid = first.child.id();
    assert!(
        told.contains(&format!("is in use by process {pid}")),
        "{told}"
    );
    let second = place.type_in_serve(command_after(&told, IN_ANOTHER), NOW);
    place.type_in(second.next(), NOW);
    place.sign(&first, 1, NOW);
    for flag in ["--grpc", "--http"] {
        let taken = first.server.trim_start_matches("http://");
        let mut serve = place.command(starter::binary(), &faketime::beginning(NOW));
        let other = if flag == "--grpc" { "--http" } else { "--grpc" };
        serve.args([
            "serve",
            "--dev",
            "--data",
            "third",
            flag,
            taken,
            other,
            "127.0.0.1:0",
        ]);
        let told = place.start(serve).err().unwrap();
        assert!(
            told.contains(&format!("{flag}: cannot listen on {taken}")),
            "{told}"
        );
        let third = place.type_in_serve(command_after(&told, "To listen on free ports: "), NOW);
        place.type_in(third.next(), NOW);
        third.end();
    }
}

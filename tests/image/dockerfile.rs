//! The Dockerfile's last stage, read: the files that it copies, and how it is run.

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub struct Stage {
    /// From where, in the build stage, to where.
    pub copies: Vec<(PathBuf, PathBuf)>,
    pub user: String,
    pub entrypoint: Vec<String>,
    pub health: Vec<String>,
    /// The base of the stage.
    pub from: String,
}

/// Reads it. An instruction that is not understood is a failure: it would not be in the folder.
pub fn last_stage() -> Stage {
    let text = std::fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    let text = text.replace("\\\n", " ");
    let (_, stage) = text.rsplit_once("\nFROM ").unwrap();
    let mut lines = stage.lines();
    let mut found = Stage {
        copies: Vec::new(),
        user: String::new(),
        entrypoint: Vec::new(),
        health: Vec::new(),
        from: lines.next().unwrap().into(),
    };
    for line in lines.filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (instruction, rest) = line.split_once(' ').unwrap();
        match instruction {
            "COPY" => {
                let words: Vec<&str> = rest.split_whitespace().collect();
                let ["--from=build", from, to] = words[..] else {
                    panic!("{line}: not understood");
                };
                found.copies.push((from.into(), to.into()));
            }
            "USER" => found.user = rest.into(),
            "ENTRYPOINT" => found.entrypoint = serde_json::from_str(rest).unwrap(),
            "HEALTHCHECK" => {
                let (_, command) = rest.split_once("CMD ").unwrap();
                found.health = serde_json::from_str(command).unwrap();
            }
            "EXPOSE" | "CMD" => {}
            _ => panic!("{line}: not understood"),
        }
    }
    found
}

/// The compiler's flags of the build stage, without those that only rename paths.
pub fn flags() -> String {
    let text = std::fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    let flags = text.split("RUSTFLAGS=\"").nth(1).unwrap();
    let flags = flags.split('"').next().unwrap();
    let flags = flags.split(" --remap-path-prefix").next().unwrap();
    flags.into()
}

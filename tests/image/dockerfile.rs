//! The Dockerfile's last stage, read: the files that it copies, and how it is run.

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub struct Stage {
    /// From where, in the build stage, to where.
    pub copies: Vec<(PathBuf, PathBuf)>,
    /// Folders that belong to the user of the image, and are declared as volumes.
    pub volumes: Vec<PathBuf>,
    pub labels: String,
    pub user: String,
    pub entrypoint: Vec<String>,
    /// What it says of a health check.
    pub health: String,
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
        volumes: Vec::new(),
        labels: String::new(),
        user: String::new(),
        entrypoint: Vec::new(),
        health: String::new(),
        from: lines.next().unwrap().into(),
    };
    let mut owned = Vec::new();
    for line in lines.filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (instruction, rest) = line.split_once(' ').unwrap();
        match instruction {
            "COPY" => {
                let words: Vec<&str> = rest.split_whitespace().collect();
                match words[..] {
                    ["--from=build", from, to] => found.copies.push((from.into(), to.into())),
                    ["--from=build", "--chown=65532:65532", "/out/files", to] => {
                        owned.push(PathBuf::from(to));
                    }
                    _ => panic!("{line}: not understood"),
                }
            }
            "VOLUME" => {
                let volumes: Vec<PathBuf> = serde_json::from_str(rest).unwrap();
                assert_eq!(
                    volumes, owned,
                    "a volume is its user's, or nobody can write it"
                );
                found.volumes = volumes;
            }
            "LABEL" => found.labels = rest.into(),
            "ARG" => assert_eq!(rest, "SOURCE_COMMIT"),
            "USER" if found.volumes.is_empty() => {
                panic!("{line}: after the volume, whose owner is given before it")
            }
            "USER" => found.user = rest.into(),
            "ENTRYPOINT" => found.entrypoint = serde_json::from_str(rest).unwrap(),
            "HEALTHCHECK" => found.health = rest.into(),
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

/// The images that the stages begin with.
pub fn bases() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    let value = |name: &str| {
        let set = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("ARG {name}=")));
        set.unwrap_or_else(|| panic!("{name} has no value"))
            .to_owned()
    };
    let stages = text.lines().filter_map(|line| line.strip_prefix("FROM "));
    let base = |stage: &str| {
        let mut words = stage.split_whitespace();
        let base = words.find(|word| !word.starts_with("--")).unwrap();
        match base
            .strip_prefix("${")
            .and_then(|name| name.strip_suffix('}'))
        {
            Some(name) => value(name),
            None => base.into(),
        }
    };
    stages.map(base).collect()
}

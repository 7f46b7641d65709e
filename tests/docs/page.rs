//! A page of `docs/`: its sections, and in each the blocks that are run and what they are said to print.

use std::path::Path;

/// A block that is printed as ```` ```sh ````.
#[derive(Clone, Debug)]
pub struct Command {
    /// Where it begins in the page.
    pub line: usize,
    pub text: String,
    /// How it ends: `sh exit=2`.
    pub exit: i32,
    /// The block without a language that follows.
    pub prints: Option<String>,
}

/// What a proxy or a pooler reads.
const CONFIGURATIONS: [&str; 3] = ["nginx", "haproxy", "ini"];

#[derive(Debug)]
pub struct Section {
    /// Empty for what stands before the first one.
    pub title: String,
    pub commands: Vec<Command>,
}

#[derive(Debug)]
pub struct Page {
    pub name: String,
    pub sections: Vec<Section>,
}

impl Page {
    pub fn read(name: &str) -> Self {
        let path = folder().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        Self::parse(name, &text)
    }

    /// All of them.
    pub fn all() -> Vec<Self> {
        let files = std::fs::read_dir(folder()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".md")).collect();
        names.sort();
        names.iter().map(|name| Self::read(name)).collect()
    }

    fn parse(name: &str, text: &str) -> Self {
        let mut sections = vec![Section {
            title: String::new(),
            commands: Vec::new(),
        }];
        let mut lines = (1..).zip(text.lines());
        while let Some((number, line)) = lines.next() {
            if let Some(title) = line.strip_prefix("## ") {
                sections.push(Section {
                    title: title.into(),
                    commands: Vec::new(),
                });
            }
            let Some(info) = line.strip_prefix("```") else {
                continue;
            };
            let inside = lines.by_ref().map(|(_, line)| line);
            let inside: Vec<&str> = inside.take_while(|line| *line != "```").collect();
            let inside = inside.join("\n") + "\n";
            let commands = &mut sections.last_mut().unwrap().commands;
            match info.strip_prefix("sh") {
                Some(how) => commands.push(Command::new(number, how.trim(), inside)),
                None if info.is_empty() => {
                    let printed_by = commands.last_mut();
                    let command =
                        printed_by.unwrap_or_else(|| panic!("{name}:{number}: output of what?"));
                    command.prints = Some(inside);
                }
                // `tests/proxies` does.
                None if name == "proxies.md" && CONFIGURATIONS.contains(&info) => {}
                // `tests/deploy` tries it.
                None if name == "principals.md" && info == "json" => {}
                None => {
                    panic!("{name}:{number}: nobody runs {info}; expected sh, or what it prints")
                }
            }
        }
        Self {
            name: name.into(),
            sections,
        }
    }
}

impl Command {
    fn new(line: usize, how: &str, text: String) -> Self {
        let exit = how.strip_prefix("exit=").map(|code| code.parse().unwrap());
        assert!(
            how.is_empty() || exit.is_some(),
            "line {line}: `sh {how}`; expected `sh` or `sh exit=CODE`"
        );
        Self {
            line,
            text,
            exit: exit.unwrap_or(0),
            prints: None,
        }
    }
}

pub fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

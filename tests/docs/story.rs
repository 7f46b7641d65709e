//! A page, or a section of it, told from its first command to its last.

use std::collections::VecDeque;

use crate::installation::Installation;
use crate::page::{Command, Page, folder};
use crate::shape::difference;
use crate::shell::Shell;

pub struct Story {
    pub installation: Installation,
    page: String,
    shell: Shell,
    commands: VecDeque<Command>,
}

impl Story {
    /// A page from top to bottom.
    pub fn page(name: &str) -> Self {
        Self::page_on(Installation::start(), name)
    }

    pub fn page_on(installation: Installation, name: &str) -> Self {
        Self::new(name, installation, commands(name, |_| true))
    }

    /// What stands before the first section, and one section.
    pub fn section(name: &str, title: &str) -> Self {
        Self::section_on(Installation::start(), name, title)
    }

    pub fn section_on(installation: Installation, name: &str, title: &str) -> Self {
        let commands = commands(name, |section| section.is_empty() || section == title);
        Self::new(name, installation, commands)
    }

    fn new(page: &str, installation: Installation, commands: VecDeque<Command>) -> Self {
        Self {
            shell: Shell::start(installation.command("bash")),
            page: page.into(),
            installation,
            commands,
        }
    }

    /// Tells a section of another page in between.
    pub fn aside(&mut self, name: &str, title: &str) {
        let page = std::mem::replace(&mut self.page, name.into());
        for command in commands(name, |section| section == title) {
            self.tell(&command);
        }
        self.page = page;
    }

    /// Tells a section of another page in between, up to and with the block that says this.
    pub fn aside_up_to(&mut self, name: &str, title: &str, part: &str) {
        let page = std::mem::replace(&mut self.page, name.into());
        for command in commands(name, |section| section == title) {
            self.tell(&command);
            if command.text.contains(part) {
                break;
            }
        }
        self.page = page;
    }

    /// Goes on up to and with the next block that says this, and gives what that one printed.
    pub fn up_to(&mut self, part: &str) -> String {
        loop {
            let page = &self.page;
            let command = self.commands.pop_front();
            let command = command.unwrap_or_else(|| panic!("{page}: no more block says {part}"));
            let printed = self.tell(&command);
            if command.text.contains(part) {
                return printed;
            }
        }
    }

    /// What somebody types who has read another page.
    pub fn types(&mut self, line: &str) {
        let (code, printed) = self.shell.run(line, 0);
        assert_eq!(code, 0, "{line}: {printed}");
    }

    /// Tries a block of a section once more, which is to end so now; gives what it printed.
    pub fn tries(&mut self, name: &str, title: &str, part: &str, exit: i32) -> String {
        let commands = commands(name, |section| section == title);
        let found = commands.iter().find(|command| command.text.contains(part));
        let block = found.unwrap_or_else(|| panic!("{name}: no block says {part}"));
        let (code, printed) = self.shell.run(&block.text, exit);
        assert_eq!(code, exit, "{name}\n{}\nprinted:\n{printed}", block.text);
        printed
    }

    /// Tells the rest.
    pub fn tell_the_rest(&mut self) {
        while let Some(command) = self.commands.pop_front() {
            self.tell(&command);
        }
    }

    fn tell(&mut self, command: &Command) -> String {
        let (page, line) = (&self.page, command.line);
        let (code, printed) = self.shell.run(&command.text, command.exit);
        let printed = self.as_in_the_page(&printed);
        let block = &command.text;
        assert_eq!(
            code, command.exit,
            "{page}:{line}\n{block}\nprinted:\n{printed}"
        );
        let shown = command.prints.as_ref();
        if let Some(problem) = shown.and_then(|shown| difference(shown, &printed)) {
            panic!("{page}:{line}: {problem}");
        }
        self.installation.follow();
        printed
    }

    /// With the addresses that `site.sh` has for an example.
    fn as_in_the_page(&self, printed: &str) -> String {
        let mut text = printed.to_owned();
        let examples = examples();
        for (name, value) in self.installation.variables() {
            let example = examples.iter().find(|(known, _)| known == name);
            if let Some((_, example)) = example.filter(|_| value.contains(':')) {
                text = text.replace(&value, example);
            }
        }
        text
    }
}

/// The commands of the sections that are wanted.
fn commands(page: &str, wanted: impl Fn(&str) -> bool) -> VecDeque<Command> {
    let sections = Page::read(page).sections.into_iter();
    let sections = sections.filter(|section| wanted(&section.title));
    sections.flat_map(|section| section.commands).collect()
}

/// The values in `site.sh`, by name.
fn examples() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(folder().join("site.sh")).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("export "));
    let values = lines.filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        let value = value.split_once(":-")?.1.split_once('}')?.0;
        let value = value.replace("$SITE_DOMAIN", "example.org");
        Some((name.into(), value))
    });
    values.collect()
}

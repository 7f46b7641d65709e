//! A block that goes on with what an earlier one has put into a variable does nothing in a new shell, where it is empty: each line of it is
//! pasted into one, with stand-ins for all programs, and none of these is called.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::page::{Page, folder};

/// What the blocks call that is no part of a shell. What only reads, or works on files at hand, may be called.
const PROGRAMS: [&str; 9] = [
    "aws",
    "checkpoint-signer",
    "psql",
    "pg_dump",
    "pg_restore",
    "curl",
    "openssl",
    "administrator",
    "cut_off",
];

/// What a shell has by itself, and what `site.sh` does not export since a person has it.
const GIVEN: [&str; 4] = ["HOME", "PATH", "PWD", "PPID"];

/// The variables that a script takes, without what stands in single quotes.
fn taken(script: &str) -> BTreeSet<String> {
    let script = without_quoted(script);
    let mut names = BTreeSet::new();
    for rest in script.split('$').skip(1) {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let name = &rest[..end.unwrap_or(rest.len())];
        if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name != "_" {
            names.insert(name.into());
        }
    }
    names
}

/// Those that it gives a value before it takes any.
fn given(script: &str) -> BTreeSet<String> {
    let script = without_quoted(script);
    let mut names: BTreeSet<String> = BTreeSet::new();
    let is_name = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    for line in script.lines() {
        let words: Vec<&str> = line.split([' ', ';', '(', '"']).collect();
        for (place, word) in words.iter().enumerate() {
            if let Some((name, _)) = word.split_once('=').filter(|(name, _)| is_name(name)) {
                names.insert(name.into());
            }
            let names_follow = matches!(*word, "for" | "read" | "local");
            let follow = words[place + 1..]
                .iter()
                .take_while(|name| **name == "-r" || is_name(name));
            if names_follow {
                names.extend(
                    follow
                        .filter(|name| is_name(name))
                        .map(|name| (*name).into()),
                );
            }
        }
    }
    names
}

/// A script without what its single quotes and its quoted here-documents hold: that is for `jq`, `python3`, `sed`.
fn without_quoted(script: &str) -> String {
    let mut found = String::new();
    let mut document = false;
    for line in script.lines() {
        document = match (document, line.trim()) {
            (true, "END" | "SQL") => false,
            (true, _) => true,
            (false, _) => {
                found.push_str(line);
                found.push('\n');
                line.contains("<<'")
            }
        };
    }
    let mut kept = String::new();
    // Whether it is inside of double quotes; `$(` begins anew inside of them.
    let mut quotes = vec![false];
    let mut chars = found.chars().peekable();
    while let Some(c) = chars.next() {
        let inside = *quotes.last().unwrap();
        match c {
            '\\' => kept.extend(chars.next().filter(|c| *c != '$')),
            '\'' if !inside => while chars.next().is_some_and(|c| c != '\'') {},
            '"' => *quotes.last_mut().unwrap() = !inside,
            '$' if chars.peek() == Some(&'(') => {
                chars.next();
                quotes.push(false);
                kept.push(' ');
            }
            '(' if !inside => quotes.push(false),
            ')' if !inside && quotes.len() > 1 => {
                quotes.pop();
            }
            c => kept.push(c),
        }
    }
    kept
}

/// What `site.sh` exports.
fn site() -> BTreeSet<String> {
    let text = std::fs::read_to_string(folder().join("site.sh")).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("export "));
    let words = lines.flat_map(|line| line.split(' '));
    words
        .filter_map(|word| word.split_once('='))
        .map(|(name, _)| name.into())
        .collect()
}

/// What is called, and what is said, when the lines of a block are pasted into a new shell.
fn pasted(block: &str) -> (String, String) {
    pasted_where(block, "true")
}

/// The same, where each stand-in ends as a command does.
fn pasted_where(block: &str, ends: &str) -> (String, String) {
    let desk = tempfile::tempdir().unwrap();
    std::fs::copy(folder().join("site.sh"), desk.path().join("site.sh")).unwrap();
    let called = desk.path().join("called");
    std::fs::write(&called, "").unwrap();
    for program in PROGRAMS {
        let stand_in = desk.path().join(program);
        std::fs::write(
            &stand_in,
            format!(
                "#!/bin/sh\necho {program} \"$@\" >> {}\n{ends}\n",
                called.display()
            ),
        )
        .unwrap();
        std::fs::set_permissions(&stand_in, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut shell = Command::new("bash")
        .args(["--noprofile", "--norc", "-i"])
        .current_dir(desk.path())
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", desk.path().display()))
        .env("HOME", desk.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = shell.stdin.take().unwrap();
    write!(stdin, ". ./site.sh\n{block}\nexit 0\n").unwrap();
    drop(stdin);
    let said = shell.wait_with_output().unwrap().stderr;
    let said = String::from_utf8_lossy(&said).into_owned();
    (read(&called), said)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn what_an_earlier_block_has_left_is_asked_for_before_anything_is_called() {
    let mut known = site();
    known.extend(GIVEN.map(Into::into));
    let (mut blocks, mut wrong) = (0, Vec::new());
    for page in Page::all() {
        for command in page.sections.iter().flat_map(|section| &section.commands) {
            let own = given(&command.text);
            let taken = taken(&command.text);
            let earlier: Vec<&String> = taken
                .iter()
                .filter(|name| !own.contains(*name) && !known.contains(*name))
                .collect();
            if earlier.is_empty() {
                continue;
            }
            blocks += 1;
            let (called, said) = pasted(&command.text);
            let named = earlier
                .iter()
                .any(|name| said.contains(&format!("{name}: ")));
            if !called.is_empty() || !named {
                wrong.push(format!(
                    "{}:{}: {earlier:?} of an earlier block; called:\n{called}",
                    page.name, command.line
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(blocks > 8, "{blocks}");
}

#[test]
fn a_stack_is_not_deployed_in_a_new_shell_without_the_role_that_deploys_it() {
    let text = crate::cloud::read("deploy/README.md");
    let blocks = text.split("\n```sh\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("\n```").next());
    let stacks = [
        "deploy/key.yaml",
        "deploy/service.yaml",
        "deploy/alarms.yaml",
    ];
    let deploys = |block: &&str| stacks.iter().any(|stack| block.contains(stack));
    let mut found = 0;
    for block in blocks.filter(|block| block.contains("cloudformation deploy")) {
        if !deploys(&block) {
            continue;
        }
        found += 1;
        let (called, said) = pasted(block);
        let done = stacks.iter().find(|stack| called.contains(*stack));
        let named = said.contains("DEPLOYMENT: is not set") || said.contains("EMAIL: is empty");
        assert!(done.is_none() && named, "{block}: {called}{said}");
    }
    assert_eq!(found, 5);
}

#[test]
fn policies_are_put_back_only_from_what_was_kept_as_a_whole() {
    let page = Page::read("watch.md");
    let blocks: Vec<_> = page
        .sections
        .iter()
        .flat_map(|section| &section.commands)
        .collect();
    let block = |part: &str| {
        let found = blocks.iter().find(|block| block.text.contains(part));
        found.unwrap().text.as_str()
    };
    let (called, said) = pasted(block("revoke-grant"));
    assert!(
        called.is_empty() && said.contains("kms_key: is empty"),
        "{called}{said}"
    );
    // The first look-up fails: the next ones are not made, and nothing has the name of what was kept.
    let keep = format!("{}\n[ ! -e kept ] || aws kept\n", block("policies kept"));
    let (called, said) = pasted_where(&keep, "false");
    assert_eq!(called.lines().count(), 1, "{called}{said}");
    assert!(called.contains("get-resource-policy"), "{called}");
}

#[test]
fn who_waits_for_a_service_to_start_waits_no_longer_than_it_runs() {
    let mut loops = 0;
    for page in Page::all() {
        let commands = page.sections.iter().flat_map(|section| &section.commands);
        let lines = commands.flat_map(|command| command.text.lines());
        for line in lines.filter(|line| line.contains("gRPC on")) {
            loops += 1;
            let script = format!("echo it refuses > trial.log\n: > trial.txt\nfalse &\n{line}\n");
            let desk = tempfile::tempdir().unwrap();
            let mut command = Command::new("timeout");
            command.args(["60", "bash", "-c", &script]);
            let output = command.current_dir(desk.path()).output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(said, "it refuses\n", "{}: {line}", page.name);
        }
    }
    assert_eq!(loops, 2);
}

#[test]
fn a_block_that_does_not_ask_is_found() {
    let block = "aws secretsmanager delete-secret --secret-id \"$secret\"\n";
    assert_eq!(taken(block), BTreeSet::from(["secret".to_owned()]));
    assert!(
        pasted(block)
            .0
            .starts_with("aws secretsmanager delete-secret")
    );
    let asks = "{\n: \"${secret:?is empty}\"\naws secretsmanager delete-secret --secret-id \"$secret\"\n}\n";
    let (called, said) = pasted(asks);
    assert!(
        called.is_empty() && said.contains("secret: is empty"),
        "{called}{said}"
    );
    let own =
        "for key in $(cat keys); do aws \"$key\"; done\njq '.[$other]' x\nnew=\"$(version A)\"";
    assert_eq!(taken(own), BTreeSet::from(["key".to_owned()]));
    assert!(given(own).contains("key") && given(own).contains("new"));
}

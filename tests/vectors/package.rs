//! The npm package: packed, installed next to `jose` and `canonicalize`, and used in Node, in a browser, from TypeScript, and as a command.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::node::{environment, node, run};
use crate::{FOLDER, repository};

/// What may be in it.
const FILES: [&str; 15] = [
    "LICENSE",
    "README.md",
    "bin/amply-checkpoint-verify.js",
    "index.d.ts",
    "index.js",
    "package.json",
    "src/checkpoint.js",
    "src/explain.js",
    "src/foreign.js",
    "src/input.js",
    "src/json.js",
    "src/keyring.js",
    "src/together.js",
    "src/verify.js",
    "src/visible.js",
];

fn npm(folder: &Path) -> Command {
    let mut npm = crate::starter::program("npm");
    npm.current_dir(folder);
    npm
}

/// Packs it; gives the archive.
fn packed(folder: &Path) -> PathBuf {
    let source = repository("clients/javascript");
    let said = run(npm(&source)
        .args(["pack", "--silent", "--pack-destination"])
        .arg(folder));
    folder.join(said.trim())
}

/// Installs the archive next to the libraries that the recipe for Node uses. Nothing is fetched: it has no dependencies.
pub fn installed(folder: &Path) -> PathBuf {
    let archive = packed(folder);
    let folder = folder.join("installed");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(
        folder.join("package.json"),
        r#"{"private":true,"type":"module"}"#,
    )
    .unwrap();
    let peer = |name: &str| environment().join("node_modules").join(name);
    let mut install = npm(&folder);
    install
        .args([
            "install",
            "--offline",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--install-links",
        ])
        .arg(archive)
        .args([peer("jose"), peer("canonicalize")]);
    run(&mut install);
    folder
}

/// A script in the folder where it is installed.
fn script(folder: &Path, name: &str) -> Command {
    let here = folder.join(name);
    std::fs::copy(Path::new(FOLDER).join(name), &here).unwrap();
    let mut node = node();
    node.arg(here)
        .current_dir(folder)
        .env("VECTORS", repository("vectors"))
        .env("AGREEMENT", format!("{FOLDER}/agreement.mjs"));
    node
}

/// How many single checkpoints there are.
fn singles() -> usize {
    let single = std::fs::read(repository("vectors/single.json")).unwrap();
    let single: serde_json::Value = serde_json::from_slice(&single).unwrap();
    single["cases"].as_array().unwrap().len()
}

#[test]
fn the_package_has_its_files_alone_and_no_dependencies() {
    let folder = TempDir::new().unwrap();
    let archive = packed(folder.path());
    let listed = run(crate::starter::program("tar").arg("-tzf").arg(archive));
    let mut listed: Vec<&str> = listed
        .lines()
        .filter_map(|path| path.strip_prefix("package/"))
        .collect();
    listed.sort_unstable();
    assert_eq!(listed, FILES);
    let manifest = std::fs::read(repository("clients/javascript/package.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    for kind in ["dependencies", "peerDependencies", "optionalDependencies"] {
        assert!(manifest[kind].is_null(), "{kind}");
    }
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn installed_it_agrees_with_jose_and_canonicalize_in_node() {
    let folder = TempDir::new().unwrap();
    let installed = installed(folder.path());
    let said = run(&mut script(&installed, "beside-jose.mjs"));
    assert_eq!(said, format!("{} cases\n", singles()));
}

#[test]
fn it_runs_the_vectors_in_a_browser_beside_jose_and_canonicalize() {
    let folder = TempDir::new().unwrap();
    let installed = installed(folder.path());
    let said = run(&mut script(&installed, "browser.mjs"));
    assert_eq!(said, format!("{} cases in the browser\n", singles()));
}

#[test]
fn its_types_are_those_of_what_it_does() {
    let folder = TempDir::new().unwrap();
    let installed = installed(folder.path());
    let compiler = environment().join("node_modules/typescript/bin/tsc");
    for (name, compiles) in [("right.mts", true), ("wrong.mts", false)] {
        let here = installed.join(name);
        std::fs::copy(Path::new(FOLDER).join("types").join(name), &here).unwrap();
        let mut node = node();
        node.arg(&compiler)
            .args([
                "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext",
            ])
            .arg(name)
            .current_dir(&installed);
        let output = node.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.success(), compiles, "{name}: {said}");
        if !compiles {
            // Each call in it is wrong.
            let wrong = said.lines().filter(|line| line.contains("error TS"));
            assert_eq!(wrong.count(), 4, "{said}");
        }
    }
}

#[test]
fn its_readme_is_true() {
    let folder = TempDir::new().unwrap();
    let installed = installed(folder.path());
    let readme = std::fs::read_to_string(repository("clients/javascript/README.md")).unwrap();
    let sample = readme
        .split("```js\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    std::fs::write(installed.join("sample.mjs"), sample).unwrap();
    let golden = |name: &str, to: &str| {
        std::fs::copy(repository("tests/golden").join(name), installed.join(to)).unwrap();
    };
    golden("PS256.published.json", "published.json");
    golden("keyring.json", "keyring.json");
    let said = run(node().arg("sample.mjs").current_dir(&installed));
    assert!(
        said.starts_with("true VALID test-key-never-trust-ps256 signed at "),
        "{said}"
    );
}

#[test]
fn its_command_ends_in_0_1_or_2() {
    let folder = TempDir::new().unwrap();
    let installed = installed(folder.path());
    let golden =
        |name: &str| std::fs::read_to_string(repository("tests/golden").join(name)).unwrap();
    let write = |name: &str, text: &str| std::fs::write(installed.join(name), text).unwrap();
    let (published, other) = (
        golden("PS256.published.json"),
        golden("RS256.published.json"),
    );
    write("valid.json", &published);
    write("many.json", &format!("[{published},{other}]"));
    write("changed.json", &published.replacen("15842", "15843", 1));
    write("keyring.json", &golden("keyring.json"));
    write("empty.json", "");
    let header = r#"{"record_export":1,"rows":1,"root":"00","keyring":{"keys":[]}}"#;
    write("export.ndjson", &format!("{header}\n{published}\n"));
    write("page.html", "<!DOCTYPE html><title>Checkpoints</title>");
    for (name, begin) in [
        ("file.gz", &b"\x1f\x8b\x08"[..]),
        ("file.zst", b"\x28\xb5\x2f\xfd"),
        ("wide.json", b"\xff\xfe{\0"),
        ("wide-be.json", b"\xfe\xff\0{"),
        ("wider.json", b"\xff\xfe\0\0{\0\0\0"),
        ("record.sqlite", b"SQLite format 3\0"),
        ("all.zip", b"PK\x03\x04"),
        ("file.xz", b"\xfd7zXZ\0"),
        ("file.bz2", b"BZh9"),
        ("report.pdf", b"%PDF-1.7"),
        ("program", b"\x7fELF"),
        ("file.Z", b"\x1f\x9d"),
        ("file.lz4", b"\x04\x22\x4d\x18"),
        ("file.7z", b"7z\xbc\xaf\x27\x1c"),
        ("file.zlib", b"x\x9c\xff"),
    ] {
        std::fs::write(installed.join(name), begin).unwrap();
    }
    let tar = [&[b'a'; 257][..], b"ustar\0"].concat();
    std::fs::write(installed.join("all.tar"), tar).unwrap();
    run(crate::starter::program("mkfifo").arg(installed.join("pipe")));
    let command = installed.join("node_modules/.bin/amply-checkpoint-verify");
    for (arguments, code, says) in [
        (
            "--keys keyring.json valid.json",
            0,
            "VALID              valid.json: test-key-never-trust-ps256 signed at",
        ),
        (
            "--keys keyring.json --json valid.json",
            0,
            r#"{"valid":true,"verdicts":[{"source":"valid.json","kind":"VALID""#,
        ),
        (
            "--keys keyring.json many.json",
            0,
            "VALID              many.json[1]: test-key-never-trust-rs256 signed at",
        ),
        (
            "--keys keyring.json valid.json changed.json",
            1,
            "INVALID_SIGNATURE  changed.json: test-key-never-trust-ps256 did not make",
        ),
        (
            "--keys keyring.json --pin test-key valid.json",
            2,
            "is not a fingerprint; expected sha256:",
        ),
        (
            "--keys keyring.json --pin= valid.json",
            2,
            "\"\" is not a fingerprint",
        ),
        (
            "--keys valid.json valid.json",
            2,
            "keyring: is not a JWK Set",
        ),
        (
            "--keys keyring.json empty.json",
            2,
            "empty.json: has no checkpoint in it",
        ),
        ("--keys keyring.json none.json", 2, "none.json: "),
        // As checkpoint-verify has it: where checkpoints are expected, a keyring is none.
        (
            "--keys keyring.json keyring.json",
            1,
            "MALFORMED          keyring.json: ",
        ),
        (
            "--keys keyring.json export.ndjson",
            2,
            "not checked: export.ndjson: is an export of the record",
        ),
        (
            "--keys keyring.json --keys keyring.json valid.json",
            2,
            "--keys is given twice",
        ),
        (
            "--keys keyring.json --json --json valid.json",
            2,
            "--json is given twice",
        ),
        ("--keys keyring.json pipe", 2, "pipe: is a pipe; expected a"),
        ("--keys pipe valid.json", 2, "pipe: is a pipe; expected a"),
        ("--keys keyring.json .", 2, ".: is a folder; expected a"),
        (
            "--keys keyring.json file.gz",
            2,
            "file.gz: is compressed by gzip",
        ),
        (
            "--keys keyring.json file.zst",
            2,
            "file.zst: is compressed by Zstandard",
        ),
        // As checkpoint-verify has it: these are text, and no checkpoint.
        (
            "--keys keyring.json wide.json",
            1,
            "MALFORMED          wide.json: this is not a signed checkpoint: json: is UTF-16",
        ),
        (
            "--keys keyring.json wide-be.json",
            1,
            "MALFORMED          wide-be.json: this is not a signed checkpoint: json: is UTF-16",
        ),
        (
            "--keys keyring.json wider.json",
            1,
            "MALFORMED          wider.json: this is not a signed checkpoint: json: is UTF-32",
        ),
        ("--keys wide.json valid.json", 2, "keyring: json: is UTF-16"),
        (
            "--keys keyring.json record.sqlite",
            2,
            "record.sqlite: is a SQLite database",
        ),
        (
            "--keys keyring.json all.zip",
            2,
            "all.zip: is a ZIP archive",
        ),
        (
            "--keys keyring.json file.xz",
            2,
            "file.xz: is compressed by xz",
        ),
        (
            "--keys keyring.json file.bz2",
            2,
            "file.bz2: is compressed by bzip2",
        ),
        (
            "--keys keyring.json report.pdf",
            2,
            "report.pdf: is a PDF document",
        ),
        (
            "--keys keyring.json file.Z",
            2,
            "file.Z: is compressed by compress",
        ),
        (
            "--keys keyring.json file.lz4",
            2,
            "file.lz4: is compressed by lz4",
        ),
        ("--keys keyring.json file.7z", 2, "file.7z: is a 7z archive"),
        (
            "--keys keyring.json file.zlib",
            2,
            "file.zlib: is compressed by zlib",
        ),
        (
            "--keys keyring.json all.tar",
            2,
            "all.tar: is a tar archive",
        ),
        (
            "--keys keyring.json valid.json none.json changed.json",
            1,
            "not checked: none.json: ",
        ),
        ("--keys keyring.json program", 2, "program: is a program"),
        (
            "--keys keyring.json page.html",
            2,
            "page.html: is a web page (HTML)",
        ),
        (
            "--keys keyring.json",
            2,
            "expected amply-checkpoint-verify --keys KEYRING.json",
        ),
        ("--keys - -", 2, "standard input is read once"),
        ("--unknown", 2, "Unknown option '--unknown'"),
    ] {
        let mut run = crate::starter::program(&command);
        let output = run
            .args(arguments.split(' '))
            .current_dir(&installed)
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
        assert!(said.contains(says), "{arguments}: {said}");
    }
    // What nobody could read was not told; who closed the pipe wanted no more of it.
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let full = std::fs::File::create("/dev/full").unwrap();
    for (out, code) in [(Stdio::from(full), 2), (closed.into(), 0)] {
        let mut run = crate::starter::program(&command);
        let status = run
            .args(["--keys", "keyring.json", "valid.json"])
            .current_dir(&installed)
            .stdout(out)
            .status();
        assert_eq!(status.unwrap().code(), Some(code));
    }
}

#[test]
fn nothing_checked_is_not_valid_and_no_option_is_passed_over() {
    let folder = TempDir::new().unwrap();
    let installed = installed(folder.path());
    let keyring = std::fs::read(repository("tests/golden/keyring.json")).unwrap();
    std::fs::write(installed.join("keyring.json"), keyring).unwrap();
    let said = run(script(&installed, "options.mjs").current_dir(&installed));
    assert_eq!(said, "9 refused, nothing is not valid\n");
}

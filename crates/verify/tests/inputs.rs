//! What an auditor has: files as they come, from wherever they come.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use tempfile::TempDir;

fn golden(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    folder.join(name)
}

fn published() -> Vec<u8> {
    std::fs::read(golden("PS256.published.json")).unwrap()
}

fn program(keys: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_checkpoint-verify"));
    command.arg("--keys").arg(keys).env_clear();
    command
}

fn verify(file: &Path) -> Output {
    program(&golden("keyring.json")).arg(file).output().unwrap()
}

/// What it ends in, and all that it says.
fn said(output: &Output) -> (Option<i32>, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output.status.code(), out + &err)
}

/// A file with this content, verified.
fn judged(name: &str, content: &[u8]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, content).unwrap();
    said(&verify(&file))
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(text).unwrap();
    writer.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    compress_to_vec(text, CompressionLevel::Fastest)
}

/// The ways in which a file is packed: a name, and how.
type Packing = (&'static str, fn(&[u8]) -> Vec<u8>);
const PACKINGS: [Packing; 2] = [("gzip", gzip), ("Zstandard", zstd)];

fn given(keys: &Path, arguments: &[&Path], input: &[u8]) -> (Option<i32>, String) {
    let mut child = program(keys)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    // It may want no more of it.
    let _ = to.write_all(input);
    drop(to);
    said(&child.wait_with_output().unwrap())
}

fn with_newline(mut text: Vec<u8>) -> Vec<u8> {
    text.push(b'\n');
    text
}

#[test]
fn what_is_compressed_is_read_whatever_its_name_says() {
    for (kind, pack) in PACKINGS {
        for name in ["a.json", "a.json.gz", "a.json.zst", "a"] {
            let (code, told) = judged(name, &pack(&published()));
            assert_eq!(code, Some(0), "{kind} {name}: {told}");
            assert!(told.starts_with("VALID "), "{kind} {name}: {told}");
        }
        let (code, told) = given(
            &golden("keyring.json"),
            &[Path::new("-")],
            &pack(&published()),
        );
        assert_eq!(code, Some(0), "{kind}: {told}");
    }
}

#[test]
fn members_and_frames_that_follow_one_another_are_one_text() {
    let line = with_newline(published());
    for (kind, pack) in PACKINGS {
        // Two in one part, one that is spread over two parts, and a part with nothing in it.
        let (first, second) = line.split_at(line.len() / 2);
        let parts = [&line.repeat(2)[..], first, b"", second, &line];
        let packed: Vec<u8> = parts.into_iter().flat_map(pack).collect();
        let (code, told) = judged("a.ndjson.gz", &packed);
        assert_eq!(code, Some(0), "{kind}: {told}");
        assert!(
            told.contains("4 checkpoints of 1 ledger: 4 VALID"),
            "{kind}: {told}"
        );
    }
    // RFC 8878, section 3.1.2: a frame that holds nothing, before and between the others.
    let skipped = b"\x53\x2a\x4d\x18\x03\0\0\0xyz";
    let packed = [&skipped[..], &zstd(&line), skipped, &zstd(&line), skipped].concat();
    let (code, told) = judged("a.ndjson", &packed);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("2 VALID"), "{told}");
}

#[test]
fn damage_is_told_as_what_it_is_and_what_stands_before_it_is_checked() {
    let lines = with_newline(published()).repeat(3);
    for (kind, pack) in PACKINGS {
        let whole = pack(&lines);
        let cut = [&whole[..], &whole[..whole.len() / 2]].concat();
        let (code, told) = judged("a.ndjson", &cut);
        assert_eq!(code, Some(2), "{kind}: {told}");
        assert!(
            told.contains(&format!("is {kind} data that is cut off")),
            "{told}"
        );
        let valid = (3..6).any(|count| told.contains(&format!(": {count} VALID")));
        assert!(valid, "{kind}: {told}");
        let mut damaged = [&whole[..], &whole[..]].concat();
        let at = whole.len() + whole.len() / 2;
        for byte in &mut damaged[at..at + 16] {
            *byte ^= 0x55;
        }
        let (code, told) = judged("a.ndjson", &damaged);
        assert_ne!(code, Some(0), "{kind}: {told}");
        assert!(
            told.contains(&format!("is {kind} data that is damaged")),
            "{told}"
        );
        // What follows the end is not passed over either.
        let behind = [&whole[..], b"and more"].concat();
        let (code, told) = judged("a.ndjson", &behind);
        assert_eq!(code, Some(2), "{kind}: {told}");
    }
}

#[test]
fn what_grows_beyond_all_measure_is_not_read_on() {
    for byte in [0, b'\n'] {
        for (kind, pack) in PACKINGS {
            let packed = pack(&vec![byte; 1 << 20]).repeat(80);
            let (code, told) = judged("a.ndjson", &packed);
            assert_ne!(code, Some(0), "{kind}: {told}");
            assert!(
                told.contains("more than 200 times its size"),
                "{kind}: {told}"
            );
        }
    }
}

#[test]
fn a_keyring_and_a_head_may_be_compressed_or_come_through_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keyring.json.gz");
    let text = std::fs::read(golden("keyring.json")).unwrap();
    std::fs::write(&keys, gzip(&text)).unwrap();
    let file = golden("PS256.published.json");
    let (code, told) = said(&program(&keys).arg(&file).output().unwrap());
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = given(Path::new("-"), &[&file], &zstd(&text));
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn one_valid_checkpoint_has_its_verdict_told_in_whatever_form_it_stands() {
    let line = with_newline(published());
    let array = [b"[\n", &line[..], b"]\n"].concat();
    let list = [b"{\"checkpoints\":[", &line[..], b"],\"next_page\":null}"].concat();
    for (name, content) in [("a.ndjson", &line), ("a.json", &array), ("b.json", &list)] {
        let (code, told) = judged(name, content);
        assert_eq!(code, Some(0), "{told}");
        assert!(told.starts_with("VALID "), "{name}: {told}");
        assert_eq!(told.lines().count(), 1, "{name}: {told}");
    }
}

#[test]
fn a_list_may_be_larger_than_a_checkpoint() {
    let many = vec![published(); 2000].join(&b","[..]);
    let array = [b"[", &many[..], b"]"].concat();
    let (code, told) = judged("a.json", &array);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("2000 VALID"), "{told}");
    let (code, told) = judged("a.json", &array[..array.len() - 1]);
    assert_eq!(code, Some(1), "{told}");
    let (code, told) = judged(
        "a.json",
        &[b"[\"", &vec![b'x'; 65 << 20][..], b"\"]"].concat(),
    );
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.contains("is a list of more than 67108864 bytes"),
        "{told}"
    );
    // What writes it anew drops members that stand there twice.
    assert!(!told.contains("jq"), "{told}");
}

/// The first block of a tar archive, and what follows.
fn tar() -> Vec<u8> {
    let mut block = vec![0; 1024];
    block[..6].copy_from_slice(b"a.json");
    block[257..262].copy_from_slice(b"ustar");
    block
}

/// A frame that is whole, and asks for 128 MiB, as `zstd --long=27` makes it of something long.
fn of_a_large_window() -> Vec<u8> {
    // RFC 8878, section 3.1.1.1.2: 2^(10 + 17); then the last block, raw and of two bytes.
    [b"\x28\xb5\x2f\xfd\x00\x88", &b"\x11\x00\x00{}"[..]].concat()
}

#[test]
fn what_is_whole_and_not_read_here_is_not_called_damaged() {
    let (code, told) = judged("a.json", &of_a_large_window());
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.contains("is Zstandard data that is not read here: a frame asks for 134217728 bytes"),
        "{told}"
    );
    assert!(
        told.contains("`zstd -d --long=31` unpacks it") && !told.contains("damaged"),
        "{told}"
    );
    // Nor does anybody read of what the program is made.
    let behind = [&zstd(b"{}\n{}\n")[..], b"and more"].concat();
    let (_, told) = judged("a.ndjson", &behind);
    assert!(
        told.contains("what comes there is no frame of Zstandard") && !told.contains("Magic"),
        "{told}"
    );
}

#[test]
fn inputs_are_counted_and_not_what_is_said_of_them() {
    let (code, told) = judged("a.json", b"");
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("NOT CHECKED: 1\n"), "{told}");
    assert!(
        !told.contains("left out") && !told.contains("nothing was checked:"),
        "{told}"
    );
    let folder = tempfile::tempdir().unwrap();
    let (code, told) = said(&verify(folder.path()));
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.contains("nothing was checked: there was no checkpoint to verify\n"),
        "{told}"
    );
}

#[test]
fn an_address_is_told_as_one_with_what_to_type() {
    let url = "https://signer.example/v1/checkpoints/org_xyz789/chk_2025-01-15";
    let (code, told) = said(&verify(Path::new(url)));
    assert_eq!(code, Some(2), "{told}");
    let next =
        format!("{url}: is a URL; expected a file. Next: curl -fsS {url} -o checkpoint.json && ");
    assert!(told.contains(&next), "{told}");
    assert!(told.contains(" checkpoint.json\n"), "{told}");
}

#[test]
fn checkpoints_in_place_of_a_keyring_are_told_as_that() {
    let folder = tempfile::tempdir().unwrap();
    let file = golden("PS256.published.json");
    let one = with_newline(published());
    let array = [b"[", &one[..], b"]"].concat();
    for content in [&one, &one.repeat(2), &array] {
        let keys = folder.path().join("pair.ndjson");
        std::fs::write(&keys, content).unwrap();
        let (code, told) = said(&program(&keys).arg(&file).output().unwrap());
        assert_eq!(code, Some(2), "{told}");
        assert!(
            told.contains("pair.ndjson: has published checkpoints in it; expected a keyring"),
            "{told}"
        );
    }
}

#[test]
fn an_item_of_a_list_is_told_beside_the_path_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.json");
    let array = [b"[", &published()[..], b",{}]"].concat();
    std::fs::write(&file, array).unwrap();
    let with = |format: &str| {
        let mut command = program(&golden("keyring.json"));
        command.arg(&file).args(["--format", format]);
        said(&command.output().unwrap()).1
    };
    let path = file.to_str().unwrap();
    let told = with("json");
    assert!(told.contains(&format!("\"{path}\"")), "{told}");
    assert!(told.contains("\"item\": 1"), "{told}");
    let told = with("text");
    assert!(
        told.contains(&format!("{path}: checkpoints[1]: ")),
        "{told}"
    );
}

#[test]
fn what_is_no_checkpoint_is_told_as_what_it_is() {
    let text = String::from_utf8(published()).unwrap();
    let wide = |mark: &[u8], bytes: fn(u16) -> [u8; 2]| {
        let units = text.encode_utf16().flat_map(bytes);
        mark.iter().copied().chain(units).collect::<Vec<u8>>()
    };
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    for (content, code, told) in [
        (marked, 1, "begins with a byte order mark (BOM)"),
        (wide(b"\xff\xfe", u16::to_le_bytes), 1, "is UTF-16"),
        (wide(b"\xfe\xff", u16::to_be_bytes), 1, "is UTF-16"),
        (wide(b"", u16::to_le_bytes), 1, "is UTF-16"),
        (wide(b"", u16::to_be_bytes), 1, "is UTF-16"),
        (b"\xff\xfe\0\0{\0\0\0}\0\0\0".to_vec(), 1, "is UTF-32"),
        (b"\0\0\0{\0\0\0}".to_vec(), 1, "is UTF-32"),
        (
            b"<!DOCTYPE html>\n<html></html>".to_vec(),
            2,
            "is a web page",
        ),
        (b"\n  <html lang=en>".to_vec(), 2, "is a web page"),
        (b"SQLite format 3\0xyz".to_vec(), 2, "is a SQLite database"),
        (b"PK\x03\x04xyz".to_vec(), 2, "is a ZIP archive"),
        (b"PK\x05\x06xyz".to_vec(), 2, "is a ZIP archive"),
        (b"\xfd7zXZ\0xyz".to_vec(), 2, "is compressed by xz"),
        (b"\x1f\x9dxyz".to_vec(), 2, "is compressed by compress (.Z)"),
        (b"\x04\x22\x4d\x18xyz".to_vec(), 2, "is compressed by lz4"),
        (b"7z\xbc\xaf\x27\x1cxyz".to_vec(), 2, "is a 7z archive"),
        (b"x\x9c\xed\xfd".to_vec(), 2, "is compressed by zlib"),
        (b"x^2 is no JSON".to_vec(), 1, "is not JSON"),
        (
            tar(),
            2,
            "a.json: is a tar archive; expected the files in it",
        ),
        (
            gzip(&tar()),
            2,
            "is gzip data, and what is in it is a tar archive",
        ),
        (
            zstd(&tar()),
            2,
            "is Zstandard data, and what is in it is a tar archive",
        ),
        (
            gzip(&zstd(b"{}")),
            2,
            "what is in it is compressed once more",
        ),
        (gzip(b"<html>"), 2, "what is in it is a web page"),
        (
            b"{\"a\":\"\xe4\"}".to_vec(),
            1,
            "is not UTF-8, from byte 7 on",
        ),
    ] {
        let (found, said) = judged("a.json", &content);
        assert_eq!(found, Some(code), "{told}: {said}");
        assert!(said.contains(told), "{told}: {said}");
    }
    // As a keyring, too.
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("keyring.json");
    std::fs::write(&page, "<!doctype html><p>").unwrap();
    let file = golden("PS256.published.json");
    let (code, told) = said(&program(&page).arg(&file).output().unwrap());
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("is a web page"), "{told}");
}

/// A folder with one of everything.
fn of_all_kinds() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, content: &[u8]| {
        std::fs::write(folder.path().join(name), content).unwrap();
    };
    put("a.JSON", &published());
    put("b.ndjson.gz", &gzip(&with_newline(published())));
    put("c.Json.Zst", &zstd(&published()));
    put("d.tar.gz", &gzip(b"no checkpoints"));
    put("readme.txt", b"no checkpoints");
    std::os::unix::fs::symlink("a.JSON", folder.path().join("e.json")).unwrap();
    folder
}

#[test]
fn nothing_in_a_folder_is_passed_over_in_silence() {
    let folder = of_all_kinds();
    let socket = folder.path().join("f.json");
    let _listener = UnixListener::bind(&socket).unwrap();
    let pipe = folder.path().join("g.json");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let (code, told) = said(&verify(folder.path()));
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.contains("3 checkpoints of 1 ledger: 3 VALID"),
        "{told}"
    );
    assert!(told.contains("NOT CHECKED: 5\n"), "{told}");
    for (name, problem) in [
        ("d.tar.gz", "was not read, as it is not one of"),
        ("e.json", "is a symbolic link"),
        ("f.json", "is a socket"),
        ("g.json", "is a pipe"),
        ("readme.txt", "was not read, as it is not one of"),
    ] {
        let line = told
            .lines()
            .find(|line| line.contains(&format!("{name}: ")));
        assert!(
            line.is_some_and(|line| line.contains(problem)),
            "{name}: {told}"
        );
    }
}

#[test]
fn no_temporary_folder_is_needed_for_what_fits_memory() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.ndjson");
    std::fs::write(&file, with_newline(published()).repeat(100)).unwrap();
    let output = program(&golden("keyring.json"))
        .arg(&file)
        .env("TMPDIR", folder.path().join("nowhere"))
        .output()
        .unwrap();
    let (code, told) = said(&output);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("99 there more than once"), "{told}");
}

#[test]
fn what_is_too_much_for_memory_goes_to_a_temporary_file_and_is_told_where_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    // The name of a file stands beside each: a long one needs few checkpoints.
    let inner = folder.path().join("a".repeat(200)).join("b".repeat(200));
    std::fs::create_dir_all(&inner).unwrap();
    let file = inner.join("a.ndjson");
    std::fs::write(&file, with_newline(published()).repeat(20_000)).unwrap();
    let with = |temporary: &Path| {
        let mut command = program(&golden("keyring.json"));
        said(
            &command
                .arg(&file)
                .env("TMPDIR", temporary)
                .output()
                .unwrap(),
        )
    };
    let (code, told) = with(folder.path());
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("19999 there more than once"), "{told}");
    let (code, told) = with(&folder.path().join("nowhere"));
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("temporary files: "), "{told}");
}

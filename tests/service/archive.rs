//! `verify` on an archive: what it reads, what it leaves out, and the forms of its report.

use std::path::Path;

use checkpoint::keyring::Keyring;
use checkpoint::signing::KeySecret;
use checkpoint_signer::wire::proto::SignCheckpointRequest;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{TestService, at, checkpoint, key_of, wire};

/// Signs ten days of a ledger; the sixth day is left out.
async fn archive() -> (TestService, TempDir, Vec<String>) {
    let mut service = TestService::with(&key_of(2025), "2025-06-30T12:00:00Z").await;
    let mut published = Vec::new();
    for day in (1..=10).filter(|day| *day != 6) {
        let mut checkpoint = checkpoint(&format!("chk_{day}"), day, &day.to_string());
        checkpoint.timestamp = Some(wire(at(&format!("2025-06-{day:02}T12:00:00Z"))));
        let request = SignCheckpointRequest {
            checkpoint: Some(checkpoint),
            ..Default::default()
        };
        let answer = service.signing.sign_checkpoint(request).await.unwrap();
        let signed = answer.into_inner().signed_checkpoint.unwrap();
        published.push(signed.published_json);
    }
    let folder = tempfile::tempdir().unwrap();
    let secret = KeySecret::parse(&key_of(2025), None).unwrap();
    let mut keyring = Keyring::default();
    keyring
        .insert(secret.into_signing_key().version().clone())
        .unwrap();
    std::fs::write(folder.path().join("keyring.jwks"), keyring.to_jwks()).unwrap();
    (service, folder, published)
}

fn verify(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = crate::starter::binary()
        .current_dir(folder)
        .arg("verify")
        .args(arguments)
        .output()
        .unwrap();
    // Nothing is drawn where nobody sees it.
    assert!(!output.stderr.contains(&b'\r') && !output.stderr.contains(&0x1b));
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), shown)
}

fn json(text: &str) -> Value {
    // What was wrong may stand behind it.
    let first = serde_json::Deserializer::from_str(text).into_iter().next();
    first
        .unwrap()
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

const KEYS: [&str; 2] = ["--keys", "keyring.jwks"];

#[tokio::test]
async fn folders_files_and_lines_are_mixed_and_one_bad_one_ends_nothing() {
    let (_service, folder, published) = archive().await;
    let path = folder.path();
    std::fs::create_dir_all(path.join("archive/2025")).unwrap();
    std::fs::write(path.join("archive/2025/1.json"), &published[0]).unwrap();
    let pretty: Value = serde_json::from_str(&published[1]).unwrap();
    std::fs::write(path.join("archive/2.json"), format!("{pretty:#}")).unwrap();
    std::fs::write(path.join("archive/readme.txt"), "no checkpoint").unwrap();
    let lines = format!("{}\n\nnonsense\n{}", published[2], published[3]);
    std::fs::write(path.join("archive/lines.jsonl"), lines).unwrap();
    std::fs::write(path.join("rest.json"), published[4..].join("\r\n")).unwrap();
    // The same one twice is no fault.
    std::fs::write(path.join("again.json"), &published[0]).unwrap();
    let files = ["archive", "rest.json", "again.json"];
    let report = |more: &[&str]| verify(path, &[&files, &KEYS[..], more].concat());

    let (code, shown) = report(&[]);
    assert_eq!(code, 1, "{shown}");
    for line in [
        "MALFORMED          archive/lines.jsonl:3: this is not a signed checkpoint",
        "VALID              again.json: key-2025 signed at",
        "11 checkpoints of 1 ledger: 10 VALID, 1 MALFORMED",
        "seen together: 0 faults, 1 gap, 1 there more than once, 0 left out",
        "ledger org_1: 1 day without a checkpoint between 2025-06-05T12:00:00Z (chk_5)",
        "key-2025, from 2025-06-30T12:00:",
        "org_1, from 2025-06-01T12:00:00Z to 2025-06-10T12:00:00Z, 10 entries",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert_eq!(shown.matches("VALID  ").count(), 1, "{shown}");

    let (code, shown) = report(&["--format", "json"]);
    let found = json(&shown);
    assert_eq!((code, &found["summary"]["copies"]), (1, &1.into()));
    assert_eq!(found["verdicts"][0]["line"], 3);
    assert_eq!(found["notes"][0]["finding"], "GAP");

    let (code, shown) = report(&["--format", "ndjson"]);
    // What was not read is told on standard error as well.
    let told = "not checked: archive/readme.txt: was not read";
    assert!(shown.lines().any(|line| line.contains(told)), "{shown}");
    let lines = shown.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<Value> = lines.map(json).collect();
    assert_eq!((code, lines.len()), (1, 11 + 1 + 1));
    let sentence = |line: &Value| line["explanation"].as_str().map(str::len).unwrap_or(0);
    assert!(lines[..12].iter().all(|line| sentence(line) > 20));
    assert_eq!(lines[12]["summary"]["valid"], 10);

    let (code, page) = report(&["--format", "html"]);
    assert!(code == 1 && page.starts_with("<!DOCTYPE html>"), "{page}");
    for part in [
        "Something is wrong: 1 of 11 checkpoints is not genuine; 10 are genuine; 1 input was not checked",
        "archive/lines.jsonl:3",
        "<svg",
        "chk_5",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // Nothing from elsewhere.
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("<script"));
}

#[tokio::test]
async fn what_is_not_selected_is_left_out() {
    let (_service, folder, published) = archive().await;
    std::fs::write(folder.path().join("all.ndjson"), published.join("\n")).unwrap();
    let count = |selection: &[&str]| {
        let arguments = [&["all.ndjson", "--format", "json"], &KEYS[..], selection].concat();
        let (code, shown) = verify(folder.path(), &arguments);
        let summary = json(&shown)["summary"].clone();
        let count = |name: &str| summary[name].as_u64().unwrap();
        (code, count("checkpoints"), count("left_out"))
    };
    assert_eq!(count(&[]), (0, 9, 0));
    assert_eq!(count(&["--since", "2025-06-08"]), (0, 3, 6));
    assert_eq!(count(&["--since", "2025-06-08T12:00:01Z"]), (0, 2, 7));
    assert_eq!(count(&["--until", "2025-06-03T12:00:00Z"]), (0, 2, 7));
    assert_eq!(count(&["--ledger", "org_1"]), (0, 9, 0));
    // That nothing was verified is no good news.
    assert_eq!(count(&["--ledger", "org_2"]), (2, 0, 9));
    for wrong in [["--since", "soon"], ["--ledger", "a b"]] {
        let (code, shown) = verify(
            folder.path(),
            &[&["all.ndjson"], &KEYS[..], &wrong].concat(),
        );
        assert!(code == 2 && shown.contains(wrong[0]), "{shown}");
    }
}

#[tokio::test]
async fn a_selection_is_named_and_so_is_what_it_leaves_out_as_a_whole() {
    let (_service, folder, published) = archive().await;
    let path = folder.path();
    std::fs::write(path.join("all.ndjson"), published.join("\n")).unwrap();
    let changed = published[0].replace("\"entry_count\":1,", "\"entry_count\":2,");
    assert_ne!(changed, published[0]);
    std::fs::write(path.join("changed.json"), changed).unwrap();
    let files = ["all.ndjson", "changed.json"];
    assert_eq!(verify(path, &[&files, &KEYS[..]].concat()).0, 1);

    let since = "timestamp >= 2025-06-08T00:00:00Z";
    let left_out =
        "changed.json: nothing in it was looked at, as nothing in it is selected (1 left out)";
    let typed = ["--ledger", "org_1", "--since", "2025-06-08"];
    // What a shell was left with says the same, and that nobody typed it.
    let set = [
        ("CHECKPOINT_SIGNER_LEDGER", "org_1"),
        ("CHECKPOINT_SIGNER_SINCE", "2025-06-08"),
    ];
    for (typed, set, untyped) in [
        (&typed[..], &[][..], ""),
        (&[], &set, " (--ledger, --since: set by the environment)"),
    ] {
        let report = |form: &str| {
            let output = crate::starter::binary()
                .current_dir(path)
                .args(["verify"])
                .args([&files, &KEYS[..], typed, &["--format", form]].concat())
                .envs(set.iter().copied())
                .output()
                .unwrap();
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            assert_eq!(output.status.code(), Some(0));
            let (shown, noted) = (text(output.stdout), text(output.stderr));
            assert_eq!(
                noted.contains("which the environment sets"),
                !set.is_empty(),
                "{noted}"
            );
            assert_eq!(noted.contains(since), !set.is_empty(), "{noted}");
            shown
        };
        let shown = report("text");
        assert!(
            shown.contains(&format!("\nselected: ledger org_1, {since}{untyped}\n")),
            "{shown}"
        );
        assert!(
            shown.contains(&format!("LEFT_OUT           {left_out}\n")),
            "{shown}"
        );

        let shown = json(&report("json"));
        let selected = &shown["summary"]["selected"];
        assert_eq!(selected["ledger"], "org_1");
        assert_eq!(selected["since"], "2025-06-08T00:00:00Z");
        assert!(selected["until"].is_null());
        let untyped_flags = selected["from_environment"].as_array().unwrap();
        assert_eq!(untyped_flags.len(), set.len());
        assert_eq!(shown["notes"][0]["finding"], "LEFT_OUT");
        assert_eq!(shown["notes"][0]["explanation"], left_out);

        let page = report("html");
        let since = since.replace('>', "&gt;");
        let sentence = format!("Only these were looked at: ledger org_1, {since}{untyped}.");
        assert!(
            page.contains(&sentence) && page.contains(left_out),
            "{page}"
        );
    }

    // Where everything is looked at, nothing is said of a selection.
    let (_, shown) = verify(
        path,
        &[&["all.ndjson", "--format", "json"], &KEYS[..]].concat(),
    );
    assert!(json(&shown)["summary"]["selected"].is_null());
    let (_, shown) = verify(
        path,
        &[&["all.ndjson", "--ledger", "org_2"], &KEYS[..]].concat(),
    );
    assert!(
        shown.contains("(9 were left out; selected: ledger org_2)"),
        "{shown}"
    );
}

#[tokio::test]
async fn one_valid_checkpoint_is_told_whatever_the_file_is_called() {
    let (_service, folder, published) = archive().await;
    for name in ["one.ndjson", "one.jsonl", "one.json"] {
        std::fs::write(folder.path().join(name), &published[0]).unwrap();
        let (code, shown) = verify(folder.path(), &[&[name], &KEYS[..]].concat());
        assert!(code == 0 && shown.contains("VALID"), "{name}: {shown}");
    }
}

#[tokio::test]
async fn an_empty_folder_is_no_good_news() {
    let (_service, folder, _) = archive().await;
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let (code, shown) = verify(folder.path(), &[&["empty"], &KEYS[..]].concat());
    assert!(
        code == 2 && shown.contains("no checkpoint to verify"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_verifies_an_archive_too_and_says_what_is_on_record() {
    let (service, folder, published) = archive().await;
    let lines = format!("{}\nnonsense\n", published.join("\n"));
    std::fs::write(folder.path().join("all.ndjson"), lines).unwrap();
    let server = service.grpc();
    let arguments = ["all.ndjson", "--server", &server, "--format", "ndjson"];
    let (code, shown) = verify(folder.path(), &arguments);
    let lines: Vec<Value> = shown.lines().map(json).collect();
    assert_eq!((code, lines.len()), (1, 10 + 1 + 1), "{shown}");
    assert!(lines[..9].iter().all(|line| line["recorded"] == true));
    assert_eq!(lines[9]["verdict"], "MALFORMED");
}

/// A folder, an array and a file with one a line, each with what the service signed and what somebody else signed with its
/// key.
async fn found() -> (TestService, TempDir) {
    let (service, folder, mut published) = archive().await;
    let mut thief = TestService::with(&key_of(2025), "2025-06-30T12:00:00Z").await;
    let request = SignCheckpointRequest {
        checkpoint: Some(checkpoint("chk_x", 1, "1")),
        ..Default::default()
    };
    let answer = thief.signing.sign_checkpoint(request).await.unwrap();
    let forged = answer.into_inner().signed_checkpoint.unwrap();
    published.push(forged.published_json);
    let path = folder.path();
    std::fs::create_dir(path.join("found")).unwrap();
    for (number, one) in published.iter().enumerate() {
        std::fs::write(path.join(format!("found/{number}.json")), one).unwrap();
    }
    std::fs::write(path.join("found.ndjson"), published.join("\n")).unwrap();
    let array = format!("[{}]", published.join(","));
    std::fs::write(path.join("found.json"), array).unwrap();
    (service, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_has_not_on_record_is_named_in_every_form() {
    let (service, folder) = found().await;
    let server = service.grpc();
    for (file, place) in [
        ("found", "found/9.json"),
        ("found.ndjson", "found.ndjson:10"),
        ("found.json", "found.json: checkpoints[9]"),
    ] {
        let report = |form: &str| {
            let arguments = [file, "--server", &server, "--format", form];
            verify(folder.path(), &arguments)
        };
        let (code, shown) = report("text");
        let line = format!(
            "NOT_RECORDED       {place}: its signature is valid, and it is NOT in the service's record: ledger org_1, \
             checkpoint chk_x\n"
        );
        let summary = format!(
            "\n1 of them NOT in the service's record; by the word of the service {server}, which was believed\n"
        );
        assert!(
            code == 0 && shown.contains(&line) && shown.contains(&summary),
            "{shown}"
        );

        let (code, shown) = report("json");
        let told = json(&shown);
        assert_eq!((code, &told["summary"]["not_recorded"]), (0, &1.into()));
        let note = &told["notes"][0];
        let names = (
            &note["finding"],
            &note["checkpoints"][0]["source"],
            &note["checkpoints"][0]["checkpoint_id"],
        );
        let expected = (&"NOT_RECORDED".into(), &place.into(), &"chk_x".into());
        assert_eq!(names, expected, "{shown}");

        let (code, shown) = report("ndjson");
        let lines: Vec<Value> = shown.lines().map(json).collect();
        assert_eq!((code, &lines[9]["recorded"]), (0, &false.into()));
        assert_eq!(lines[10]["finding"], "NOT_RECORDED");
        assert_eq!(lines.last().unwrap()["summary"]["not_recorded"], 1);

        let (code, page) = report("html");
        assert_eq!(code, 0);
        for part in [
            "checkpoints is genuine, but 1 is not in the service&#39;s record",
            "it is NOT in the service&#39;s record: ledger org_1, checkpoint chk_x",
            "by its word it did not sign them",
            place,
        ] {
            let page = page.replace("'", "&#39;");
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(!page.contains("checkpoints is genuine</h1>"));
    }

    // One by itself says it in its verdict, and programs get the count as well.
    let one = ["found/9.json", "--server", &server];
    let (code, shown) = verify(folder.path(), &one);
    assert!(
        code == 0 && shown.contains("; it is NOT in the service's record; by the word of"),
        "{shown}"
    );
    let (_, shown) = verify(folder.path(), &[&one[..], &["--format", "json"]].concat());
    assert_eq!(json(&shown)["summary"]["not_recorded"], 1);

    // Who asks no service is told nothing of its record.
    let (_, shown) = verify(
        folder.path(),
        &[&["found", "--format", "json"], &KEYS[..]].concat(),
    );
    assert!(json(&shown)["summary"]["not_recorded"].is_null());
}

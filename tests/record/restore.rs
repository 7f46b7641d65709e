//! `record restore`: what was published takes its places again.

use std::path::Path;

use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::record::{Filter, Record};

use crate::backup::{Store, request, save_head, sign_all};
use crate::cluster::{Log, Trouble, sign};
use crate::history::{Answer, Request};

/// Exit code, and everything that was shown.
fn restore(file: &Path, place: &str) -> (i32, String) {
    let output = crate::starter::binary()
        .args([
            "record",
            "restore",
            file.to_str().unwrap(),
            "--record",
            place,
        ])
        .output()
        .unwrap();
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), shown)
}

/// What was published of a record, in its order.
async fn published(store: &Store) -> Vec<String> {
    let record = SqliteRecord::open(&store.file("record.sqlite")).unwrap();
    let rows = record.list(&Filter::default(), 0, 100).await.unwrap().rows;
    rows.iter().map(|row| row.signed.published_json()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_backup_becomes_the_record_again_by_what_was_published() {
    let store = Store::new(false).await;
    let first = store.start(&store.place(), &[]).await;
    sign_all(&first, 1..=5).await;
    first.stop().await;
    let backup = store.backup("backup.sqlite").await;
    let second = store.start(&store.place(), &[]).await;
    sign_all(&second, 6..=9).await;
    let head = store.file("head.jws");
    save_head(&second, &head, &[]);
    second.stop().await;
    let known = ["--known-head", head.to_str().unwrap()];
    store.refused(&backup, &known).await;

    let file = store.file("published.ndjson");
    std::fs::write(&file, published(&store).await.join("\n")).unwrap();
    for added in [
        "4 of 9 checkpoints were added, 9 rows",
        "0 of 9 checkpoints were added",
    ] {
        let (code, shown) = restore(&file, &backup);
        assert!(code == 0 && shown.contains(added), "{shown}");
    }
    let restored = store.start(&backup, &known).await;
    let other = Request {
        history: "y".into(),
        ..request(7)
    };
    let channels = [restored.channel()];
    let answer = sign(&channels, 0, &other, &Log::default(), Trouble::None).await;
    assert_eq!(answer, Answer::Equivocation);
    restored.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_valid_or_contradicts_the_record_is_not_restored() {
    let store = Store::new(false).await;
    let first = store.start(&store.place(), &[]).await;
    sign_all(&first, 1..=5).await;
    first.stop().await;
    let lines = published(&store).await;
    let empty = Store::new(false).await;
    let file = empty.file("published.ndjson");
    let tampered = lines[3].replace("\"total_volume\":1000", "\"total_volume\":1001");
    let cases = [
        (lines.join("\n"), 1, "line 1: is UNKNOWN_KEY"),
        ("{}".into(), 2, "line 1"),
        ("x".repeat(2_000_000), 2, "line 1: is longer"),
    ];
    for (text, expected, part) in cases {
        std::fs::write(&file, text).unwrap();
        let (code, shown) = restore(&file, &empty.place());
        assert!(code == expected && shown.contains(part), "{part}: {shown}");
    }
    // Its service puts the key on record.
    empty.start(&empty.place(), &[]).await.stop().await;
    let cases = [
        (
            [&lines[0], &lines[1], &tampered],
            "line 3: is INVALID_SIGNATURE",
            0,
        ),
        (
            [&lines[0], &lines[2], &lines[1]],
            "line 3: entry_count: is 2",
            0,
        ),
    ];
    for (chosen, part, rows) in cases {
        std::fs::write(&file, chosen.map(String::as_str).join("\n")).unwrap();
        let (code, shown) = restore(&file, &empty.place());
        assert!(code == 1 && shown.contains(part), "{part}: {shown}");
        let record = SqliteRecord::open(&empty.file("record.sqlite")).unwrap();
        assert_eq!(record.head().await.unwrap().size(), rows);
    }
}

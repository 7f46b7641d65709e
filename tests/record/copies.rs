//! `record backup`: a copy of a SQLite record while its service signs.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::backup::{Store, save_head, sign_all};
use crate::one_owner::{run, sign, verify};

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_made_while_a_service_signs_is_whole() {
    let store = Store::new(false).await;
    let place = store.place();
    let service = Arc::new(store.start(&place, &[]).await);
    sign_all(&service, 1..=3).await;
    let (stop, signed) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(3)),
    );
    let signing = {
        let (service, stop, signed) = (service.clone(), stop.clone(), signed.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let next = signed.load(Ordering::Relaxed) + 1;
                sign(&service, next).await.unwrap();
                signed.store(next, Ordering::Relaxed);
            }
        })
    };
    let head = store.file("head.jws");
    for n in 0..3 {
        save_head(&service, &head, &[]);
        let before = signed.load(Ordering::Relaxed);
        let copy = store.file(&format!("copy-{n}.sqlite"));
        let shown = copy.display().to_string();
        let backup = ["record", "backup", &shown, "--record", &place];
        let (code, told) = run(&[&backup[..], &["--format", "json"]].concat());
        assert_eq!(code, Some(0), "{told}");
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let (rows, root) = (told["rows"].as_u64().unwrap(), told["root"].clone());
        assert!(rows >= before, "{rows} of at least {before}");
        let mode = copy.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let (code, verified) = verify(&format!("sqlite:{shown}"));
        let expected = format!("{rows} rows, root {}: all is well", root.as_str().unwrap());
        assert!(
            code == Some(0) && verified.contains(&expected),
            "{verified}"
        );
        // What is there stays.
        let bytes = std::fs::read(&copy).unwrap();
        let (code, told) = run(&backup);
        assert!(code == Some(2) && told.contains("exists already"), "{told}");
        assert_eq!(std::fs::read(&copy).unwrap(), bytes);
        // It is the record, and has at least what a head said that was kept before.
        let head = ["--known-head", head.to_str().unwrap()];
        let other = store.start(&format!("sqlite:{shown}"), &head).await;
        sign_all(&other, 1..=before).await;
        other.stop().await;
    }
    stop.store(true, Ordering::Relaxed);
    signing.await.unwrap();
    Arc::into_inner(service).unwrap().stop().await;
    let names = std::fs::read_dir(store.folder.path()).unwrap().flatten();
    let names = names.map(|file| file.file_name().to_string_lossy().into_owned());
    let left: Vec<_> = names.filter(|name| name.contains("-backup-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_wrong_or_not_whole_is_not_copied() {
    let store = Store::new(false).await;
    let service = store.start(&store.place(), &[]).await;
    sign_all(&service, 1..=3).await;
    let alone = store.file("alone.sqlite");
    std::fs::copy(store.file("record.sqlite"), &alone).unwrap();
    service.stop().await;
    let raw = rusqlite::Connection::open(store.file("record.sqlite")).unwrap();
    raw.execute_batch(
        "DROP TRIGGER signed_checkpoint_no_update; \
         UPDATE signed_checkpoint SET signature = 'x' WHERE position = 2",
    )
    .unwrap();
    drop(raw);
    let copy = store.file("copy.sqlite");
    let copy_name = copy.to_str().unwrap();
    let cases = [
        (store.place(), 1, "the record is wrong, so it is not copied"),
        (format!("sqlite:{}", alone.display()), 2, "is not whole"),
        ("postgres://u@127.0.0.1/db".into(), 2, "pg_dump"),
        ("sqlite:nowhere.sqlite".into(), 2, "is missing"),
    ];
    for (place, expected, part) in cases {
        let (code, told) = run(&["record", "backup", copy_name, "--record", &place]);
        assert!(
            code == Some(expected) && told.contains(part),
            "{part}: {told}"
        );
        assert!(!copy.exists());
    }
}

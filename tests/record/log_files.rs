//! Proofs, heads and exports in files, which `verify` judges without any service.

use std::path::Path;

use serde_json::{Value, json};

use crate::log::{Case, rows, shown, to_file};

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_in_a_file_is_verified_without_any_service() {
    let case = Case::new(rows(), false).await;
    let (head, proof) = (case.head(), case.path("proof.json"));
    let ask = ["record", "proof", "org_1", "chk_7", "--server", &case.url];
    to_file(&ask, &proof);
    let keys = case.path("keyring.json");
    let bundle: Value = serde_json::from_slice(&std::fs::read(&proof).unwrap()).unwrap();
    let published = case.path("published.json");
    std::fs::write(&published, bundle["checkpoint"].to_string()).unwrap();
    let other = case.path("other.json");
    std::fs::write(&other, rows()[8].published_json()).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let verify = |more: &[String]| {
        let fixed = ["verify".to_owned(), "--keys".into(), path(&keys)];
        let all = [&fixed, more].concat();
        shown(&all.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let proof_of = |path_of: &Path| ["--proof".to_owned(), path(path_of)];
    let (code, text) = verify(&proof_of(&proof));
    assert!(
        code == 0 && text.contains("row 8 of 300 of the record"),
        "{text}"
    );
    let with_head = ["--record-head".into(), path(&head)];
    let (code, text) = verify(&[&proof_of(&proof)[..], &with_head].concat());
    assert!(code == 0, "{text}");
    let (code, text) = verify(&[&proof_of(&proof)[..], &[path(&published)]].concat());
    assert!(
        code == 0 && text.contains("proved to be in the record"),
        "{text}"
    );
    let (code, text) = verify(&[&proof_of(&proof)[..], &[path(&other)]].concat());
    assert!(code == 1 && text.contains("NOT_PROVED"), "{text}");
    // Another place, another head, another checkpoint, a proof without its last hash.
    let mut shorter = bundle["proof"].as_array().unwrap().clone();
    shorter.pop();
    let checkpoint: Value = serde_json::from_str(&rows()[8].published_json()).unwrap();
    for (member, value) in [
        ("position", json!(9)),
        ("proof", json!(shorter)),
        ("checkpoint", checkpoint),
    ] {
        let mut forged = bundle.clone();
        forged[member] = value;
        let file = case.path("forged.json");
        std::fs::write(&file, forged.to_string()).unwrap();
        let (code, text) = verify(&proof_of(&file));
        assert!(code == 1 && text.contains("NOT_PROVED"), "{member}: {text}");
    }
    let fewer = Case::new(rows()[..250].to_vec(), false).await;
    let with_other = ["--record-head".into(), path(&fewer.head())];
    let (code, text) = verify(&[&proof_of(&proof)[..], &with_other].concat());
    assert!(
        code == 2
            && text.contains("NOT_PROVED")
            && text.contains("300 rows in it")
            && text.contains("counts 250"),
        "{text}"
    );
    let files = [path(&published)];
    let (code, text) = verify(&[&proof_of(&proof)[..], &with_other, &files].concat());
    assert!(code == 2 && text.contains("for another head"), "{text}");
    // What is forged is that, whatever head is given.
    let (code, text) = verify(&[&proof_of(&case.path("forged.json"))[..], &with_other].concat());
    assert!(code == 1, "{text}");
    // The head of before the row.
    let before = Case::new(rows()[..5].to_vec(), false).await;
    let with_earlier = ["--record-head".into(), path(&before.head())];
    let (code, text) = verify(&[&proof_of(&proof)[..], &with_earlier].concat());
    assert!(
        code == 2 && text.contains("row 8, which came later"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_verified_by_one_head_in_either_form() {
    for postgres in [false, true] {
        let case = Case::new(rows(), postgres).await;
        let (jws, note) = (case.head(), case.path("head.note"));
        to_file(&["record", "head", "--note", "--server", &case.url], &note);
        let export = case.path("export.ndjson");
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let write = [
            "record",
            "export",
            "--record",
            &case.record,
            "--out",
            &text(&export),
        ];
        assert_eq!(shown(&write).0, 0);
        let verify = |head: &Path, export: &Path| {
            let (keys, head, export) = (text(&case.path("keyring.json")), text(head), text(export));
            let arguments = ["verify", "--keys", &keys, "--record-head", &head, "--log"];
            shown(&[&arguments[..], &[&export]].concat())
        };
        for head in [&jws, &note] {
            let (code, told) = verify(head, &export);
            assert!(
                code == 0 && told.contains("the first 300 of 300 rows"),
                "{told}"
            );
        }
        // One row more than the head, and one row changed.
        let fewer = Case::new(rows()[..299].to_vec(), postgres).await;
        let (code, told) = verify(&fewer.head(), &export);
        assert!(
            code == 0 && told.contains("rows 300 to 300 are beyond the head: each was verified"),
            "{told}"
        );
        // A head that counts nothing vouches for nothing.
        let none = Case::new(Vec::new(), postgres).await;
        let (code, told) = verify(&none.head(), &export);
        assert!(
            code == 2 && told.contains("it vouches for no row"),
            "{told}"
        );
        let sound = std::fs::read_to_string(&export).unwrap();
        let changed = case.path("changed.ndjson");
        std::fs::write(&changed, sound.replace("chk_123", "chk_321")).unwrap();
        let (code, told) = verify(&jws, &changed);
        assert!(code == 1 && told.contains("NOT_COVERED"), "{told}");
        let line = "INVALID_SIGNATURE  ";
        assert!(
            told.contains(line) && told.contains("changed.ndjson:125: "),
            "{told}"
        );
        // A head that somebody changed vouches for nothing.
        let head = std::fs::read_to_string(&note).unwrap();
        std::fs::write(&note, head.replacen("\n300\n", "\n299\n", 1)).unwrap();
        let (code, told) = verify(&note, &export);
        assert!(
            code == 1 && told.contains("the head is INVALID_SIGNATURE"),
            "{told}"
        );
    }
}

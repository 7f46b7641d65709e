//! What a third party answers is judged by what it shows, and turned into no accusation: two heads are not said to be of two
//! records because a service could not, or would not, prove that they are of one.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{TestService, checkpoint};

fn ended(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_checkpoint-signer"))
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn save(folder: &Path, name: &str, url: &str, arguments: &[&str]) -> PathBuf {
    let (code, out, said) = ended(&[arguments, &["--server", url]].concat());
    assert_eq!(code, 0, "{said}");
    let path = folder.join(name);
    std::fs::write(&path, out).unwrap();
    path
}

async fn sign(service: &mut TestService, from: u64, to: u64, history: &str) {
    for n in from..=to {
        let signed = service.sign(checkpoint(&format!("chk_{n}"), n, history));
        signed.await.unwrap();
    }
}

/// Heads of the first record over so many rows; they are asked for when each is the newest.
struct Heads {
    folder: tempfile::TempDir,
    keys: PathBuf,
}

impl Heads {
    fn ask(&self, from: &str, to: &str, url: &str, format: &str) -> (i32, String, String) {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let keys = self.keys.display().to_string();
        let (from, to) = (at(from), at(to));
        ended(&[
            "record",
            "consistency",
            "--from",
            &from,
            "--to",
            &to,
            "--keys",
            &keys,
            "--server",
            url,
            "--format",
            format,
        ])
    }

    /// The newest head of a service, once it counts so many rows.
    async fn save(&self, name: &str, url: &str, rows: u64) {
        crate::wait::until("a head of all rows", async || {
            let head = ["record", "head", "--format", "json"];
            let json = save(self.folder.path(), "head.json", url, &head);
            let head: Value =
                serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
            let jws = head["jws"].as_str().unwrap();
            std::fs::write(self.folder.path().join(name), jws).unwrap();
            head["rows"] == rows
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_another_record_says_nothing_against_two_good_heads() {
    let mut service = TestService::new().await;
    let folder = tempfile::tempdir().unwrap();
    let keys = save(
        folder.path(),
        "keys.json",
        &service.grpc(),
        &["keys", "export"],
    );
    let heads = Heads { folder, keys };
    for (rows, last) in [("1", 1), ("2", 2), ("3", 3), ("7", 7)] {
        let signed = [0, 1, 2, 3, 3, 3, 3][last as usize - 1];
        sign(&mut service, signed + 1, last, "a").await;
        heads.save(rows, &service.grpc(), last).await;
    }
    // The same names, and even the same key: another content.
    let mut other = TestService::new().await;
    sign(&mut other, 1, 9, "b").await;
    // One that has fewer rows.
    let mut small = TestService::new().await;
    sign(&mut small, 1, 1, "c").await;
    for (from, to) in [("1", "2"), ("1", "7"), ("2", "3"), ("2", "7"), ("3", "7")] {
        let (code, _, said) = heads.ask(from, to, &service.grpc(), "text");
        assert_eq!(code, 0, "{from} to {to}: {said}");
        let (code, out, said) = heads.ask(from, to, &other.grpc(), "json");
        assert_eq!(code, 2, "{from} to {to}: {said}");
        assert!(
            said.contains("gave no proof that fits these heads"),
            "{said}"
        );
        assert!(
            !said.contains("evidence") && !said.contains("NOT ONE RECORD"),
            "{said}"
        );
        let found: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(found["consistent"], Value::Null, "{found}");
        assert_eq!(found["not_checked"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_leads_to_the_later_head_alone_shows_two_records() {
    let mut first = TestService::new().await;
    let mut second = TestService::new().await;
    let folder = tempfile::tempdir().unwrap();
    let keys = save(
        folder.path(),
        "keys.json",
        &first.grpc(),
        &["keys", "export"],
    );
    let heads = Heads { folder, keys };
    for rows in [2, 3, 5] {
        sign(&mut first, [0, 0, 1, 3, 4, 4][rows as usize], rows, "a").await;
        heads.save(&rows.to_string(), &first.grpc(), rows).await;
    }
    sign(&mut second, 1, 8, "b").await;
    heads.save("other", &second.grpc(), 8).await;
    for from in ["2", "3", "5"] {
        let (code, out, said) = heads.ask(from, "other", &second.grpc(), "json");
        assert_eq!(code, 1, "{from}: {said}");
        assert!(
            said.contains("NOT ONE RECORD: the later head's record begins with"),
            "{said}"
        );
        let found: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(found["consistent"], false, "{found}");
    }
}

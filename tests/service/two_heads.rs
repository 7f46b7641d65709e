//! Two heads of one record, of which the larger is called the earlier one.

use checkpoint::keyring::Keyring;
use checkpoint::log::head::SignedHead;
use checkpoint::log::proof::TreeHead;
use chrono::TimeDelta;
use testing::publication::{DOCUMENTS, NOW, signing_key};
use testing::support::at;

use crate::asked::Folder;

#[test]
fn two_replicas_heads_of_one_moment_are_no_record_that_went_back() {
    let folder = Folder::new();
    let key = signing_key(&DOCUMENTS[3]);
    let mut keyring = Keyring::default();
    keyring.insert(key.version().clone()).unwrap();
    folder.put("ring.json", &keyring.to_jwks());
    let head = |name: &str, size: u64, second: i64| {
        let tree = TreeHead {
            size,
            root: [7; 32].into(),
        };
        let at = at(NOW) + TimeDelta::seconds(second);
        let signed = SignedHead::sign(&key.open_at(at).unwrap(), &"log".parse().unwrap(), tree);
        folder.put(name, &signed.unwrap().jws().compact());
    };
    head("large.jws", 9, 0);
    // Of replicas whose clocks differ as far as they may.
    for (second, code, says) in [
        (-60, 2, "are the wrong way round"),
        (0, 2, "which a newer head shows"),
        (5, 2, "which a newer head shows"),
        (6, 1, "NOT ONE RECORD: the record went back"),
    ] {
        head("small.jws", 3, second);
        let ask = "consistency --from large.jws --to small.jws --keys ring.json";
        let found = folder.run(&format!("record {ask} --server http://127.0.0.1:1"));
        assert!(
            found.0 == code && found.1.contains(says),
            "{second}: {found:?}"
        );
    }
}

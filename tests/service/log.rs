//! The record as a transparency log, as its users see it through gRPC and the library.

use std::collections::HashSet;

use checkpoint::jws::SignedCheckpoint;
use checkpoint::keyring::Keyring;
use checkpoint::log::head::SignedHead;
use checkpoint::log::note::Note;
use checkpoint::log::tree::TreeHash;
use checkpoint::log::{verify_grown, verify_head, verify_included, verify_note};
use checkpoint::signing::KeySecret;
use checkpoint::verdict::{Verdict, VerdictKind};
use checkpoint_signer::wire::proto::{
    GetRecordHeadRequest, GetSignedCheckpointRequest, GetSignedCheckpointResponse,
    ProveConsistencyRequest, RecordHead,
};
use tonic::{Code, Status};

use crate::support::{TestService, at, checkpoint, fields, key_of, refusal};

async fn head(service: &mut TestService) -> Result<RecordHead, Status> {
    let answer = service
        .record
        .get_record_head(GetRecordHeadRequest {})
        .await?;
    Ok(answer.into_inner().record_head.unwrap())
}

async fn get(
    service: &mut TestService,
    checkpoint_id: &str,
    tree_size: u64,
) -> Result<GetSignedCheckpointResponse, Status> {
    let request = GetSignedCheckpointRequest {
        ledger_id: "org_1".into(),
        checkpoint_id: checkpoint_id.into(),
        include_proof: true,
        tree_size,
    };
    let answer = service.record.get_signed_checkpoint(request).await?;
    Ok(answer.into_inner())
}

async fn consistency(
    service: &mut TestService,
    from_rows: u64,
    to_rows: u64,
) -> Result<Vec<TreeHash>, Status> {
    let request = ProveConsistencyRequest { from_rows, to_rows };
    let answer = service.record.prove_consistency(request).await?;
    Ok(hashes(answer.into_inner().hashes))
}

fn hashes(wire: Vec<Vec<u8>>) -> Vec<TreeHash> {
    let hash = |bytes: Vec<u8>| TreeHash::from(<[u8; 32]>::try_from(bytes).unwrap());
    wire.into_iter().map(hash).collect()
}

fn keyring(year: i32) -> Keyring {
    let secret = KeySecret::parse(&key_of(year), None).unwrap();
    let mut keyring = Keyring::default();
    keyring.insert(secret.version().clone()).unwrap();
    keyring
}

async fn sign(service: &mut TestService, n: u64) -> String {
    let signed = service.sign(checkpoint(&format!("chk_{n}"), n, "a"));
    signed.await.unwrap().published_json
}

#[tokio::test]
async fn a_checkpoint_is_proved_to_be_in_the_record_as_soon_as_it_is_answered() {
    let mut service = TestService::new().await;
    for n in 1..=20 {
        let published = sign(&mut service, n).await;
        let answer = get(&mut service, &format!("chk_{n}"), 0).await.unwrap();
        let proof = answer.inclusion_proof.unwrap();
        let head = SignedHead::parse(&answer.record_head.unwrap().jws).unwrap();
        assert_eq!((proof.tree_size, head.head().tree.size), (n, n));
        assert_eq!(verify_head(&keyring(2025), &head).kind, VerdictKind::Valid);
        let signed = SignedCheckpoint::from_published_json(published.as_bytes()).unwrap();
        let proof = hashes(proof.hashes);
        verify_included(&signed, answer.position, &proof, head.head().tree).unwrap();
        let other = verify_included(&signed, answer.position + 1, &proof, head.head().tree);
        assert!(other.is_err());
    }
}

#[tokio::test]
async fn earlier_heads_are_proved_against_and_grown_from_also_after_a_restart() {
    let mut service = TestService::new().await;
    let mut heads = Vec::new();
    for n in 1..=9 {
        sign(&mut service, n).await;
        let answer = get(&mut service, &format!("chk_{n}"), 0).await.unwrap();
        heads.push(SignedHead::parse(&answer.record_head.unwrap().jws).unwrap());
    }
    let mut service = service.restart().await;
    sign(&mut service, 10).await;
    let newest = SignedHead::parse(&head(&mut service).await.unwrap().jws).unwrap();
    assert_eq!(newest.head().tree.size, 10);
    for earlier in &heads {
        let size = earlier.head().tree.size;
        let proof = consistency(&mut service, size, 10).await.unwrap();
        verify_grown(earlier.head(), newest.head(), &proof).unwrap();
        let answer = get(&mut service, "chk_1", size).await.unwrap();
        assert_eq!(answer.record_head, None);
        let published = answer.signed_checkpoint.unwrap().published_json;
        let signed = SignedCheckpoint::from_published_json(published.as_bytes()).unwrap();
        let proof = hashes(answer.inclusion_proof.unwrap().hashes);
        verify_included(&signed, 1, &proof, earlier.head().tree).unwrap();
    }
}

#[tokio::test]
async fn the_head_is_the_same_in_every_form() {
    let mut service = TestService::new().await;
    sign(&mut service, 1).await;
    let wire = head(&mut service).await.unwrap();
    let signed = SignedHead::parse(&wire.jws).unwrap();
    let note = Note::parse(&wire.note).unwrap();
    assert_eq!(wire.log, "test-record");
    assert_eq!(note.log, signed.head().log);
    assert_eq!(note.tree, signed.head().tree);
    assert_eq!(wire.root, signed.head().tree.root.as_bytes());
    assert_eq!(wire.rows, 1);
    assert_eq!(
        wire.timestamp.unwrap().seconds,
        at("2025-06-01T12:00:00Z").timestamp()
    );
    assert_eq!(wire.key_id, "key-2025");
    let keyring = keyring(2025);
    let kinds = [verify_head(&keyring, &signed), verify_note(&keyring, &note)];
    assert_eq!(
        kinds.map(|verdict: Verdict| verdict.kind),
        [VerdictKind::Valid; 2]
    );
}

#[tokio::test]
async fn a_flood_of_questions_costs_hardly_any_signature() {
    let mut service = TestService::new().await;
    sign(&mut service, 1).await;
    let start = std::time::Instant::now();
    let mut seen = HashSet::new();
    for _ in 0..300 {
        seen.insert(head(&mut service).await.unwrap().jws);
    }
    // Not even one a second, as the record does not grow.
    assert_eq!(seen.len(), 1);
    for n in 2..=200 {
        sign(&mut service, n).await;
        seen.insert(head(&mut service).await.unwrap().jws);
    }
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    assert!(seen.len() <= seconds + 2, "{} in {seconds} s", seen.len());
}

#[tokio::test]
async fn no_head_is_signed_when_no_key_may_sign() {
    let mut service = TestService::new().await;
    sign(&mut service, 1).await;
    head(&mut service).await.unwrap();
    service.clock.set(at("2026-01-01"));
    let refused = refusal(head(&mut service).await.unwrap_err());
    assert_eq!(refused, (Code::FailedPrecondition, "KEY_EXPIRED".into()));
    // What was signed is proved all the same.
    get(&mut service, "chk_1", 1).await.unwrap();
    consistency(&mut service, 0, 1).await.unwrap();
}

#[tokio::test]
async fn an_empty_record_has_a_head() {
    let mut service = TestService::new().await;
    let wire = head(&mut service).await.unwrap();
    assert_eq!(wire.rows, 0);
    let signed = SignedHead::parse(&wire.jws).unwrap();
    assert_eq!(
        verify_head(&keyring(2025), &signed).kind,
        VerdictKind::Valid
    );
    assert_eq!(consistency(&mut service, 0, 0).await.unwrap(), []);
}

#[tokio::test]
async fn what_cannot_be_proved_is_refused_by_the_name_of_the_field() {
    let mut service = TestService::new().await;
    for n in 1..=3 {
        sign(&mut service, n).await;
    }
    for (from, to, field) in [
        (0, 4, "to_rows"),
        (3, 2, "from_rows"),
        (0, u64::MAX, "to_rows"),
    ] {
        let status = consistency(&mut service, from, to).await.unwrap_err();
        assert_eq!(fields(&status), [field]);
        assert_eq!(
            refusal(status),
            (Code::InvalidArgument, "INVALID_REQUEST".into())
        );
    }
    for size in [1, 4, u64::MAX] {
        let status = get(&mut service, "chk_2", size).await.unwrap_err();
        assert_eq!(fields(&status), ["tree_size"], "{size}");
    }
    let alone = GetSignedCheckpointRequest {
        ledger_id: "org_1".into(),
        checkpoint_id: "chk_2".into(),
        include_proof: false,
        tree_size: 2,
    };
    let status = service
        .record
        .get_signed_checkpoint(alone)
        .await
        .unwrap_err();
    assert_eq!(fields(&status), ["tree_size"]);
}

#[tokio::test]
async fn a_wrong_node_in_the_store_makes_no_wrong_proof() {
    let mut service = TestService::new().await;
    for n in 1..=258 {
        sign(&mut service, n).await;
    }
    get(&mut service, "chk_258", 0).await.unwrap();
    let sqlite = rusqlite::Connection::open(service.record_path()).unwrap();
    sqlite
        .execute_batch("DROP TRIGGER tree_node_no_update; UPDATE tree_node SET hash = zeroblob(32)")
        .unwrap();
    let status = get(&mut service, "chk_258", 0).await.unwrap_err();
    let damaged = (Code::Unavailable, "RECORD_STORE_UNAVAILABLE".into());
    assert_eq!(refusal(status), damaged);
}

#[tokio::test]
async fn a_changed_head_is_found() {
    let mut service = TestService::new().await;
    sign(&mut service, 1).await;
    let wire = head(&mut service).await.unwrap();
    let keyring = keyring(2025);
    let parts: Vec<&str> = wire.jws.split('.').collect();
    let other = TreeHash::leaf(b"other").to_string();
    let changed = |from: &str, to: &str| {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        assert!(payload.contains(from), "{payload}");
        let payload = URL_SAFE_NO_PAD.encode(payload.replace(from, to));
        SignedHead::parse(&format!("{}.{payload}.{}", parts[0], parts[2]))
    };
    let root = SignedHead::parse(&wire.jws)
        .unwrap()
        .head()
        .tree
        .root
        .to_string();
    for (from, to) in [
        ("\"rows\":1", "\"rows\":2"),
        (root.as_str(), &other),
        ("test-record", "else"),
    ] {
        let changed = changed(from, to).unwrap();
        let verdict = verify_head(&keyring, &changed);
        assert_eq!(verdict.kind, VerdictKind::InvalidSignature, "{from}");
    }
    for (from, to) in [
        ("\"rows\":1", "\"rows\":-1"),
        (root.as_str(), "00"),
        ("\"timestamp\":1", "\"timestamp\":2"),
    ] {
        assert!(changed(from, to).is_err(), "{from}");
    }
    assert!(SignedHead::parse(&parts[..2].join(".")).is_err());
    assert_eq!(
        verify_head(&Keyring::default(), &SignedHead::parse(&wire.jws).unwrap()).kind,
        VerdictKind::UnknownKey
    );
    let note = wire.note.replacen("\n1\n", "\n2\n", 1);
    let verdict = verify_note(&keyring, &Note::parse(&note).unwrap());
    assert_eq!(verdict.kind, VerdictKind::InvalidSignature);
    // Somebody else's signature line beside it changes nothing.
    let note = format!("{}— witness.example AAAAAAAA\n", wire.note);
    let verdict = verify_note(&keyring, &Note::parse(&note).unwrap());
    assert_eq!(verdict.kind, VerdictKind::Valid);
    for wrong in [
        "",
        "x\n",
        "a\n1\n\n— a AAAA\n",
        "a\n01\nAAAA\n\n— a AAAAAAAA\n",
    ] {
        assert!(Note::parse(wrong).is_err(), "{wrong}");
    }
}

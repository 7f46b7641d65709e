//! A standby is promoted.

use crate::client::get as get_http;
use crate::cluster::Replica;
use crate::went_back::becomes_healthy;

use super::servers::Servers;
use super::told::{Told, get, head, list, unavailable};

/// `record accept-promotion`: exit code and what was printed.
pub fn accept(servers: &Servers, further: &[&str]) -> (i32, String) {
    let output = crate::starter::binary()
        .args(["record", "accept-promotion", "--record"])
        .arg(servers.place("clients"))
        .args(further)
        .output()
        .unwrap();
    let shown = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(shown).unwrap(),
    )
}

/// The answer, before what was said on standard error.
fn first_json(shown: &str) -> serde_json::Value {
    let mut values = serde_json::Deserializer::from_str(shown).into_iter();
    values.next().unwrap().unwrap()
}

/// A standby that lags by the last rows takes the place of the primary.
pub fn fail_over(servers: &Servers) {
    servers.control("a", "kill");
    servers.control("lags", "start");
    servers.control("lags", "promote");
    servers.point("clients", "lags");
}

/// An idle replica, and one that has signed rows which the promoted standby has not.
async fn lost_rows(peers: bool) -> (Servers, Told, [Replica; 2]) {
    let servers = Servers::new(&["lags"]).await;
    let mut told = Told::default();
    let busy = servers.replica("clients", &["--http", "127.0.0.1:0"]).await;
    let named = ["--peer", &busy.url()];
    let named: &[&str] = if peers { &named } else { &[] };
    for count in 1..=5 {
        told.sign(&busy, count).await.unwrap();
    }
    let idle = servers.replica("clients", named).await;
    servers.caught_up("lags").await;
    servers.control("lags", "stop");
    for count in 6..=9 {
        told.sign(&busy, count).await.unwrap();
    }
    fail_over(&servers);
    (servers, told, [idle, busy])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_replica_signs_no_second_history_on_a_standby_that_lagged() {
    let (servers, mut told, [idle, mut busy]) = lost_rows(false).await;
    for count in 6..=12 {
        let message = unavailable(told.sign(&idle, count).await);
        // On a slow machine it has looked as late as some rows of the other one.
        let told_why = ["accept-promotion", "went back from"];
        assert!(
            told_why.iter().any(|why| message.contains(why)),
            "{message}"
        );
        unavailable(told.sign(&busy, count).await);
    }
    // What it knows to be the same is given as ever; what it does not know is not.
    told.note("chk_5", get(&idle, "chk_5").await.unwrap());
    told.note("chk_5", get(&busy, "chk_5").await.unwrap());
    told.sign(&idle, 3).await.unwrap();
    unavailable(get(&busy, "chk_7").await);
    unavailable(head(&idle).await);
    unavailable(head(&busy).await);
    // A list would end as if that were all; and revocations may be missing from a keyring that is signed anew.
    unavailable(list(&idle).await);
    unavailable(list(&busy).await);
    let http = format!("http://{}", busy.next_address().await);
    for path in [
        "/v1/checkpoints",
        "/v1/checkpoints/newest",
        "/.well-known/jwks.jwt",
    ] {
        let http = http.clone();
        let answer = tokio::task::spawn_blocking(move || get_http(&http, path));
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 503, "{path}: {}", answer.body);
    }
    becomes_healthy(&idle, false).await;
    becomes_healthy(&busy, false).await;
    // The operator puts back what the busy one has handed out, says so, and both sign again by themselves.
    let lost = servers.files().join("lost.ndjson");
    std::fs::write(&lost, told.published(6..=9)).unwrap();
    let output = crate::starter::binary()
        .args(["record", "restore", lost.to_str().unwrap(), "--record"])
        .arg(servers.place("clients"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let (code, shown) = accept(&servers, &[]);
    assert_eq!(code, 2, "{shown}");
    assert!(
        shown.contains("chk_9") && shown.contains("timeline 2"),
        "{shown}"
    );
    unavailable(told.sign(&idle, 10).await);
    let (code, shown) = accept(&servers, &["--reason", "all is there again"]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("accept promotion"), "it is audited: {shown}");
    let took = told.sign_until_done(&idle, 10).await;
    eprintln!("signing resumes {took:?} after the operator's word");
    told.sign_until_done(&busy, 11).await;
    becomes_healthy(&idle, true).await;
    told.is_in(&idle).await;
    told.is_in(&busy).await;
    let (code, shown) = accept(&servers, &["--reason", "again"]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("nothing to accept"), "{shown}");
    // The acts are on record, and shown.
    assert!(
        shown.contains("the record was made") && shown.contains("all is there again"),
        "{shown}"
    );
    idle.stop().await;
    busy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_hears_of_the_missing_rows_from_its_peer() {
    let (servers, mut told, [idle, busy]) = lost_rows(true).await;
    unavailable(told.sign(&idle, 10).await);
    let (code, shown) = accept(&servers, &["--peer", &busy.url(), "--reason", "x"]);
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("went back from 9 rows to 5"), "{shown}");
    // Even an operator's word is not the idle one's, which asks its peer.
    assert_eq!(accept(&servers, &["--reason", "a mistake"]).0, 0);
    for _ in 0..20 {
        unavailable(told.sign(&idle, 10).await);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    told.note("chk_5", get(&idle, "chk_5").await.unwrap());
    busy.stop().await;
    idle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_find_out_together_that_nothing_is_missing_and_sign_again() {
    let servers = Servers::new(&["lags"]).await;
    let mut told = Told::default();
    let first = servers.replica("clients", &[]).await;
    let second = servers.replica("clients", &["--peer", &first.url()]).await;
    for count in 1..=4 {
        told.sign(&first, count).await.unwrap();
    }
    servers.caught_up("lags").await;
    servers.control("lags", "stop");
    fail_over(&servers);
    let took = told.sign_until_done(&second, 5).await;
    eprintln!("signing resumes {took:?} after a promotion, by itself");
    // The first names nobody, and goes by what the record says now.
    told.sign_until_done(&first, 6).await;
    told.is_in(&first).await;
    // One that has begun since cannot tell; the record does.
    let third = servers.replica("clients", &["--peer", &first.url()]).await;
    told.sign(&third, 7).await.unwrap();
    for replica in [first, second, third] {
        replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_does_not_answer_is_not_taken_for_one_that_agrees() {
    let servers = Servers::new(&["lags"]).await;
    let mut told = Told::default();
    let replica = servers.replica("clients", &[]).await;
    told.sign(&replica, 1).await.unwrap();
    servers.caught_up("lags").await;
    servers.control("lags", "stop");
    fail_over(&servers);
    let nobody = format!("http://127.0.0.1:{}", crate::port::HeldPort::new().port);
    let peers = ["--peer", &nobody, "--peer", &replica.url()];
    let with = |further: &[&str]| accept(&servers, &[&peers[..], further].concat());
    let (code, shown) = with(&["--reason", "compared with all replicas"]);
    assert_eq!(code, 2, "{shown}");
    assert!(
        shown.contains(&format!("NOT CHECKED --peer {nobody}")) && shown.contains("--without-peer"),
        "{shown}"
    );
    // What there is to compare is the answer, and no event of the log besides.
    assert!(!shown.contains(r#""level":"ERROR""#), "{shown}");
    let quiet = ["--format", "json", "--log-level", "off"];
    let (code, shown) = with(&[&quiet[..], &["--reason", "compared"]].concat());
    let found = first_json(&shown);
    assert_eq!((code, &found["accepted"]), (2, &false.into()), "{shown}");
    let not_checked = found["not_checked"][0].as_str().unwrap();
    assert!(not_checked.contains(&nobody), "{shown}");
    // Without a reason, JSON shows what there is to compare, too.
    let (code, shown) = accept(&servers, &quiet);
    let found = first_json(&shown);
    assert_eq!((code, &found["accepted"]), (2, &false.into()), "{shown}");
    assert_eq!(found["newest"][0]["checkpoint_id"], "chk_1", "{shown}");
    // A flag that would do nothing, and one that names what is not there.
    for (wrong, named) in [
        (
            ["--without-peer", "http://127.0.0.1:1"],
            "expected one of --peer",
        ),
        (["--head-file", "/nowhere/head.jws"], "is missing"),
    ] {
        let (code, shown) = with(&[&wrong[..], &["--reason", "x"]].concat());
        assert!(code == 2 && shown.contains(named), "{shown}");
        assert!(
            !shown.contains("record restore"),
            "no row is missing: {shown}"
        );
    }
    unavailable(told.sign(&replica, 2).await);
    let (code, shown) = with(&["--without-peer", &nobody, "--reason", "it was ended"]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("not checked: --peer"), "{shown}");
    told.sign_until_done(&replica, 2).await;
    let (code, shown) = accept(&servers, &["--reason", "again", "--peer", &nobody]);
    // Who comes second compares all the same.
    assert!(code == 2 && shown.contains("was not recorded"), "{shown}");
    assert!(
        shown.contains(&format!("NOT CHECKED --peer {nobody}")),
        "{shown}"
    );
    let (code, shown) = accept(&servers, &[&quiet[..], &["--peer", &nobody]].concat());
    let found = first_json(&shown);
    let not_checked = found["not_checked"][0].as_str().unwrap();
    assert!(code == 2 && not_checked.contains(&nobody), "{shown}");
    let (code, shown) = accept(&servers, &["--peer", &replica.url()]);
    assert!(code == 0 && shown.contains("nothing to accept"), "{shown}");
    // Of the former primary, a peer knows that it is one.
    servers.control("a", "start");
    servers.point("clients", "a");
    let (code, shown) = accept(&servers, &["--peer", &replica.url()]);
    assert!(code == 1 && shown.contains("timeline 2"), "{shown}");
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_primary_that_returns_is_not_signed_on() {
    let servers = Servers::new(&["lags"]).await;
    let mut told = Told::default();
    servers.point("one", "a");
    servers.point("two", "a");
    let one = servers.replica("one", &[]).await;
    let two = servers.replica("two", &["--peer", &one.url()]).await;
    for count in 1..=3 {
        told.sign(&one, count).await.unwrap();
    }
    told.sign(&two, 4).await.unwrap();
    servers.caught_up("lags").await;
    // The primary lives on, and only the second one is led to the new one.
    servers.control("lags", "promote");
    servers.point("two", "lags");
    let former = servers.client("a").await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'";
    former.execute(end, &[]).await.unwrap();
    told.sign_until_done(&one, 5).await;
    for count in 6..=9 {
        let message = unavailable(told.sign(&two, count).await);
        assert!(message.contains("timeline 2"), "{message}");
    }
    // It has seen the new one, so it never goes back to the former.
    servers.point("two", "a");
    let promoted = servers.client("lags").await;
    promoted.execute(end, &[]).await.unwrap();
    for _ in 0..5 {
        unavailable(told.sign(&two, 6).await);
    }
    told.is_in(&one).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_primaries_that_are_both_written_to_are_found_by_peers() {
    let servers = Servers::new(&["lags"]).await;
    let mut told = Told::default();
    servers.point("one", "a");
    let one = servers.replica("one", &[]).await;
    told.sign(&one, 1).await.unwrap();
    servers.caught_up("lags").await;
    servers.control("lags", "promote");
    servers.point("clients", "lags");
    assert_eq!(accept(&servers, &["--reason", "too early"]).0, 0);
    let two = servers.replica("clients", &["--peer", &one.url()]).await;
    told.sign(&two, 2).await.unwrap();
    // A name is taken on the former primary by another ledger meanwhile.
    let other = crate::history::Request {
        ledger_id: "other".into(),
        ..crate::backup::request(1)
    };
    super::told::sign(&one, &other).await.unwrap();
    becomes_healthy(&two, false).await;
    let message = unavailable(told.sign(&two, 3).await);
    assert!(message.contains(&one.url()), "{message}");
    one.stop().await;
    two.stop().await;
}

//! nginx and HAProxy before two replicas.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::caller::{Caller, checkpoint};
use crate::page::{block, without};
use crate::port::HeldPort;
use crate::postgres::Server;
use crate::site::{Proxy, Site};
use crate::{client, wait};

const LEDGER: &str = "URI:spiffe://amply.example/ledger";
const PROXY: &str = "URI:spiffe://amply.example/proxy";

/// Longer than any pause that proxies allow by themselves, and than the service's own between two PINGs.
const SILENCE: Duration = Duration::from_secs(75);

fn passing() -> String {
    block("nginx", "stream {")
}

fn ending() -> String {
    block("nginx", "grpc_pass")
}

async fn nginx(site: &Site) -> Proxy {
    site.nginx(&passing(), &ending()).await
}

fn haproxy_parts() -> [String; 2] {
    [
        block("haproxy", "listen signer"),
        block("haproxy", "frontend terminated"),
    ]
}

async fn haproxy(site: &Site) -> Proxy {
    let [passing, ending] = haproxy_parts();
    site.haproxy(&[&passing, &ending]).await
}

fn caller(site: &Site, who: &str, door: &HeldPort) -> Caller {
    Caller::new(site.folder.path(), who, door.port)
}

/// Who had something signed, by all replicas.
fn signers(site: &Site) -> Vec<String> {
    site.replicas
        .iter()
        .flat_map(|replica| replica.signers())
        .collect()
}

/// A client is itself where TLS passes through, and the proxy where it ends there.
async fn is_seen(site: &Site) {
    let (passed, ended) = (&site.places.passed, &site.places.ended);
    let ledger = caller(site, "ledger", passed);
    ledger.signs(checkpoint("org_passed")).await.unwrap();
    assert_eq!(signers(site), [LEDGER]);
    caller(site, "operator", passed)
        .has_the_keys_read()
        .await
        .unwrap();
    let ledger = caller(site, "ledger", ended);
    ledger.signs(checkpoint("org_ended")).await.unwrap();
    let mut both = signers(site);
    both.sort();
    assert_eq!(both, [LEDGER, PROXY]);
    let refused = caller(site, "operator", ended)
        .has_the_keys_read()
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
    assert!(
        refused.message().contains("spiffe://amply.example/proxy"),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn through_nginx_a_client_is_itself_unless_tls_ends_there() {
    let site = Site::start().await;
    let _proxy = nginx(&site).await;
    is_seen(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_haproxy_a_client_is_itself_unless_tls_ends_there() {
    let site = Site::start().await;
    let _proxy = haproxy(&site).await;
    is_seen(&site).await;
}

/// Calls of one client, one after the other and without a retry, until it is told to stop; gives the first that failed.
async fn calls(
    caller: Caller,
    name: &str,
    stop: &AtomicBool,
    answered: &AtomicUsize,
) -> Result<(), Status> {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        caller
            .signs(checkpoint(&format!("{name}_{number}")))
            .await?;
        answered.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Both replicas are ended and started again while clients call by both doors.
async fn is_restarted_while_clients_call(site: &mut Site) {
    let doors = [&site.places.passed, &site.places.ended];
    let callers = [0, 1, 2, 3].map(|number| {
        let caller = caller(site, "ledger", doors[number % 2]);
        (caller, format!("org_{number}"))
    });
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let more = async || {
        let before = answered.load(Ordering::Relaxed);
        let come =
            async || answered.load(Ordering::Relaxed) > before + 40 || stop.load(Ordering::Relaxed);
        wait::until("further calls to be answered", come).await;
    };
    let replicas = &mut site.replicas;
    let restarting = async {
        for replica in replicas {
            more().await;
            tokio::task::block_in_place(|| replica.end());
            more().await;
            tokio::task::block_in_place(|| replica.start_again());
        }
        more().await;
        stop.store(true, Ordering::Relaxed);
    };
    let each = callers.map(|(caller, name)| {
        let (stop, answered) = (&stop, &answered);
        async move {
            let ended = calls(caller, &name, stop, answered).await;
            stop.store(true, Ordering::Relaxed);
            ended
        }
    });
    let [first, second, third, fourth] = each;
    let (.., a, b, c, d) = tokio::join!(restarting, first, second, third, fourth);
    for ended in [a, b, c, d] {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_fails_no_call_through_nginx() {
    let mut site = Site::start().await;
    let _proxy = nginx(&site).await;
    is_restarted_while_clients_call(&mut site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_fails_no_call_through_haproxy() {
    let mut site = Site::start().await;
    let _proxy = haproxy(&site).await;
    is_restarted_while_clients_call(&mut site).await;
}

/// Of some mebibytes, by both doors.
async fn takes_large_streams(site: &Site) {
    for door in [&site.places.passed, &site.places.ended] {
        let ledger = caller(site, "ledger", door);
        let name = format!("org_{}", door.port);
        let signed = ledger.streams(&name, 10, 300_000, Duration::ZERO).await;
        assert_eq!(signed.unwrap(), 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_some_mebibytes_goes_through_nginx_and_not_without_the_setting() {
    let site = Site::start().await;
    let proxy = nginx(&site).await;
    takes_large_streams(&site).await;
    drop(proxy);
    let fewer = without(&ending(), "client_max_body_size 0;");
    let _proxy = site.nginx(&passing(), &fewer).await;
    let ledger = caller(&site, "ledger", &site.places.ended);
    let ended = ledger
        .streams("org_cut_off", 10, 300_000, Duration::ZERO)
        .await;
    ended.expect_err("nginx ends what has more than a mebibyte");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_some_mebibytes_goes_through_haproxy() {
    let site = Site::start().await;
    let _proxy = haproxy(&site).await;
    takes_large_streams(&site).await;
}

/// A stream that says nothing, and one whose client says nothing, by a door; what became of them.
async fn is_silent(site: &Site, door: &HeldPort) -> [Result<(), Status>; 2] {
    let watcher = caller(site, "operator", door);
    let ledger = caller(site, "ledger", door);
    let name = format!("org_{}", door.port);
    let streaming = ledger.streams(&name, 2, 0, SILENCE);
    let (watched, streamed) = tokio::join!(watcher.watches(SILENCE), streaming);
    [watched, streamed.map(|signed| assert_eq!(signed, 2))]
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_for_longer_than_a_minute_ends_nothing_and_does_without_the_settings() {
    let sites = tokio::join!(Site::start(), Site::start(), Site::start(), Site::start());
    let (good_nginx, bad_nginx, good_haproxy, bad_haproxy) = &sites;
    let _first = nginx(good_nginx).await;
    let _second = {
        let passing = passing().replace("proxy_timeout 10m", "proxy_timeout 40s");
        let ending = without(
            &without(&ending(), "grpc_read_timeout"),
            "client_body_timeout",
        );
        bad_nginx.nginx(&passing, &ending).await
    };
    let _third = haproxy(good_haproxy).await;
    let _fourth = {
        let parts = haproxy_parts().map(|part| part.replace(" 5m", " 50s").replace(" 10m", " 50s"));
        bad_haproxy.haproxy(&[&parts[0], &parts[1]]).await
    };
    let by_both = async |site: &Site| {
        let (passed, ended) = (&site.places.passed, &site.places.ended);
        let (passed, ended) = tokio::join!(is_silent(site, passed), is_silent(site, ended));
        [passed, ended].concat()
    };
    let (a, b, c, d) = tokio::join!(
        by_both(good_nginx),
        by_both(bad_nginx),
        by_both(good_haproxy),
        by_both(bad_haproxy)
    );
    for kept in a.into_iter().chain(c) {
        kept.unwrap();
    }
    // Of two calls by a door: the service's PING may come just before one of them is given up.
    for (number, by_door) in b.chunks(2).chain(d.chunks(2)).enumerate() {
        assert!(by_door.iter().any(Result::is_err), "{number}");
    }
}

/// Reads, and asks for a verdict on nearly the largest body.
fn reads(site: &Site) {
    let keys = client::get(&site.public(), "/v1/keys");
    assert_eq!(keys.status, 200, "{}", keys.body);
    let body = serde_json::json!({ "note": "x".repeat(500_000) }).to_string();
    let verdict = client::post_json(&site.public(), "/v1/verify", &body);
    assert_eq!(verdict.status, 200, "{}", verdict.body);
    assert_eq!(verdict.json()["verdict"], "MALFORMED", "{}", verdict.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_reads_through_nginx_and_through_haproxy() {
    let site = Site::start().await;
    let proxy = nginx(&site).await;
    reads(&site);
    drop(proxy);
    let _proxy = haproxy(&site).await;
    reads(&site);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_replica_can_sign_haproxy_lets_callers_know_why() {
    let server = Server::start();
    let site = Site::on_own_database(&server).await;
    let _proxy = haproxy(&site).await;
    let ledger = caller(&site, "ledger", &site.places.passed);
    ledger.signs(checkpoint("org_before")).await.unwrap();
    server.control("stop");
    let metrics = site
        .replicas
        .each_ref()
        .map(|replica| format!("http://127.0.0.1:{}", replica.metrics.port));
    let unwell = async || {
        metrics
            .iter()
            .all(|url| client::get(url, "/health").status == 503)
    };
    wait::until("both replicas to say that they cannot sign", unwell).await;
    // HAProxy has asked as well.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let refused = caller(&site, "ledger", &site.places.passed);
    let refused = refused.signs(checkpoint("org_after")).await.unwrap_err();
    let info = refused.get_details_error_info();
    let reason = info.unwrap_or_else(|| panic!("{refused:?}")).reason;
    assert_eq!(reason, "RECORD_STORE_UNAVAILABLE");
}

//! An address with several hosts, one of which is a former primary that is still up.

use super::promotion::fail_over;
use super::servers::Servers;
use super::told::{PATIENCE, Told, unavailable};

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = crate::starter::binary().args(arguments).output().unwrap();
    let shown = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(shown).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_says_at_which_host_it_was_done_and_does_nothing_where_two_take_rows() {
    let servers = Servers::new(&["lags"]).await;
    let mut told = Told::default();
    let (place, shown) = servers.several(&["a", "lags"]);
    let (backwards, _) = servers.several(&["lags", "a"]);
    let files = servers.files().to_owned();
    let replica = crate::cluster::Replica::start(&files, &backwards).await;
    for count in 1..=3 {
        told.sign(&replica, count).await.unwrap();
    }
    assert!(replica.log().contains(&shown[0]), "{}", replica.log());
    servers.caught_up("lags").await;
    // The standby stands first, and takes no rows.
    let published = files.join("published.ndjson");
    std::fs::write(&published, told.published(1..=3)).unwrap();
    let published = published.to_str().unwrap().to_owned();
    let commands = |place: &str| {
        let line = |line: &str| -> Vec<String> {
            let words = line.split(' ').map(str::to_owned);
            let named = ["--record".to_owned(), place.to_owned()];
            words.chain(named).collect()
        };
        [
            line("record verify"),
            line(&format!("record restore {published}")),
            line("record accept-promotion"),
        ]
    };
    for command in commands(&backwards) {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let (code, output) = run(&words);
        assert_eq!(code, Some(0), "{command:?}: {output}");
        assert!(
            output.contains(&format!("{}:", shown[0])),
            "{command:?}: {output}"
        );
        let json = [&words[..], &["--format", "json", "--log-level", "off"]].concat();
        let (_, output) = run(&json);
        let found: serde_json::Value = serde_json::from_str(output.trim()).unwrap();
        assert_eq!(found["record"], shown[0], "{command:?}");
    }
    // Now both take rows.
    servers.control("lags", "promote");
    for command in commands(&place) {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let (code, output) = run(&words);
        assert_eq!(code, Some(2), "{command:?}: {output}");
        for (host, timeline) in shown.iter().zip(["timeline 1", "timeline 2"]) {
            assert!(
                output.contains(&format!("{host} ({timeline} of")),
                "{output}"
            );
        }
    }
    // Each alone is clear.
    let (alone, _) = servers.several(&["lags"]);
    let (code, output) = run(&["record", "verify", "--record", &alone]);
    assert_eq!(code, Some(0), "{output}");
    replica.stop().await;
    // What is wrong with each host is told by its name.
    servers.control("a", "kill");
    let nobody = place.replace("app@", "nobody@");
    for command in commands(&nobody) {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let (code, output) = run(&words);
        assert_eq!(code, Some(2), "{output}");
        let refused = format!("{}: role \"nobody\" does not exist", shown[1]);
        let silent = format!("{}: ", shown[0]);
        assert!(
            output.contains(&refused) && output.contains(&silent),
            "{output}"
        );
    }
    let output = crate::cluster::refused(&files, &nobody, &[]).await;
    let refused = format!("{}: role \"nobody\" does not exist", shown[1]);
    assert!(output.contains(&refused), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_says_which_host_it_is_led_to() {
    let servers = Servers::new(&["lags"]).await;
    let mut told = Told::default();
    let (place, shown) = servers.several(&["a", "lags"]);
    let files = servers.files().to_owned();
    let replica = crate::cluster::Replica::start(&files, &place).await;
    told.sign(&replica, 1).await.unwrap();
    servers.caught_up("lags").await;
    servers.control("lags", "stop");
    fail_over(&servers);
    let accept = [
        "record",
        "accept-promotion",
        "--reason",
        "all is there",
        "--record",
        &place,
    ];
    let (code, output) = run(&accept);
    assert_eq!(code, Some(0), "{output}");
    told.sign_until_done(&replica, 2).await;
    let log = replica.log();
    for host in &shown {
        assert!(log.contains(host), "{log}");
    }
    replica.stop().await;
}

/// Accepts the promotion on a host alone.
fn accept(servers: &Servers, host: &str) {
    let (alone, _) = servers.several(&[host]);
    let accept = ["record", "accept-promotion", "--reason", "all is there"];
    let (code, output) = run(&[&accept[..], &["--record", &alone]].concat());
    assert_eq!(code, Some(0), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_primary_that_stands_first_is_not_signed_on_by_who_begins() {
    let servers = Servers::new(&["lags"]).await;
    let mut told = Told::default();
    let (place, shown) = servers.several(&["a", "lags"]);
    let files = servers.files().to_owned();
    let first = crate::cluster::Replica::start(&files, &place).await;
    told.sign(&first, 1).await.unwrap();
    servers.caught_up("lags").await;
    first.stop().await;
    servers.control("lags", "promote");
    accept(&servers, "lags");
    let (alone, _) = servers.several(&["lags"]);
    let second = crate::cluster::Replica::start(&files, &alone).await;
    told.sign(&second, 2).await.unwrap();
    second.stop().await;
    // Nobody runs that could tell it.
    let third = crate::cluster::Replica::start(&files, &place).await;
    told.sign_until_done(&third, 3).await;
    told.is_in(&third).await;
    let log = third.log();
    assert!(
        log.contains("is a former primary") && log.contains(&shown[0]),
        "{log}"
    );
    third.stop().await;
    let former = servers.client("a").await;
    let rows = former.query_one("SELECT count(*) FROM signed_checkpoint", &[]);
    assert_eq!(rows.await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_lives_on_is_not_signed_on_after_another_host_was_promoted() {
    let servers = Servers::new(&["lags"]).await;
    let mut told = Told::default();
    let (place, _) = servers.several(&["a", "lags"]);
    let files = servers.files().to_owned();
    let replica = crate::cluster::Replica::start(&files, &place).await;
    told.sign(&replica, 1).await.unwrap();
    servers.caught_up("lags").await;
    servers.control("lags", "promote");
    // Until it has asked the other one.
    let begun = std::time::Instant::now();
    let mut count = 2;
    while told.sign(&replica, count).await.is_ok() {
        assert!(
            begun.elapsed() < PATIENCE,
            "it signs on the former primary for ever"
        );
        count += 1;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    // What it has signed there is missing in the other one: an operator decides.
    for _ in 0..3 {
        let message = unavailable(told.sign(&replica, count).await);
        assert!(
            message.contains("timeline 2") || message.contains("went back"),
            "{message}"
        );
    }
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_primary_that_was_away_is_signed_on_again_while_the_former_one_is_up() {
    let servers = Servers::new(&["lags"]).await;
    let mut told = Told::default();
    let (place, _) = servers.several(&["a", "lags"]);
    let files = servers.files().to_owned();
    let first = crate::cluster::Replica::start(&files, &place).await;
    told.sign(&first, 1).await.unwrap();
    servers.caught_up("lags").await;
    first.stop().await;
    servers.control("lags", "promote");
    accept(&servers, "lags");
    let replica = crate::cluster::Replica::start(&files, &place).await;
    for count in 2..=5 {
        told.sign_until_done(&replica, count).await;
    }
    servers.control("lags", "stop");
    // The former one is all that answers, to each of those who are connected to it now. It has fewer rows.
    let mut callers: [Told; 6] = Default::default();
    let begun = std::time::Instant::now();
    while !replica.log().contains("former primary (timeline 1") {
        assert!(begun.elapsed() < PATIENCE, "nothing was asked of it");
        let calls = callers.iter_mut().map(|told| told.sign(&replica, 6));
        for outcome in futures_util::future::join_all(calls).await {
            unavailable(outcome);
        }
    }
    servers.control("lags", "start");
    told.sign_until_done(&replica, 6).await;
    for count in 7..=26 {
        told.sign(&replica, count).await.unwrap();
    }
    told.is_in(&replica).await;
    replica.stop().await;
}

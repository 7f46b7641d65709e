//! An address with several hosts, one of which is a former primary that is still up.

use super::promotion::fail_over;
use super::servers::Servers;
use super::told::Told;

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

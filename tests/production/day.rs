//! Everything that happens to a service in a year, in one night, while the batch goes on.

use std::time::{Duration, Instant};

use crate::batch::{Batch, LEDGERS};
use crate::replica::Replica;
use crate::site::{NEW, SECRET, Site, day};
use crate::{certificates, evidence, story};

const SIGNING: &str = "amply.checkpoint.v1.SigningService";

/// Longer than the service asks its database again before it refuses.
const PATIENCE: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn a_night_in_which_everything_is_renewed_loses_no_call() {
    let site = Site::new().await;
    let (mut a, mut b) = (site.replica("a").await, site.replica("b").await);
    let mut batch = Batch::start(site.path(), &[&a.url(), &b.url()]);

    batch.reached(LEDGERS / 10).await;
    let happening = async {
        for replica in [&mut a, &mut b] {
            replica.restart().await;
            let health = ["health", "--service", SIGNING, "--server", &replica.url()];
            site.until(true, "operator", "ca", &health).await;
        }
    };
    batch.during("the replicas are restarted", happening).await;

    batch.reached(LEDGERS * 3 / 10).await;
    let happening = restart_database(&site, &a, &b);
    batch.during("the database is restarted", happening).await;

    batch.reached(LEDGERS * 5 / 10).await;
    let both = [&a, &b];
    let happening = roll_over(&site, &both);
    batch.during("the key is rolled over", happening).await;

    batch.reached(LEDGERS * 7 / 10).await;
    let happening = certificates::rotate(&site, &both);
    batch
        .during("the certificates are rotated", happening)
        .await;

    batch.finish().await;
    let signed_by = evidence::check(&site, &both).await;
    story::check(&site, &both, &signed_by);
    for replica in [&mut a, &mut b] {
        replica.terminate();
        replica.ended().await;
    }
}

/// It stays away until a caller was told so.
async fn restart_database(site: &Site, a: &Replica, b: &Replica) {
    tokio::task::block_in_place(|| site.postgres.control("stop"));
    let begun = Instant::now();
    loop {
        let scrapes = [a.scrape(), b.scrape()];
        for scrape in &scrapes {
            assert_eq!(scrape.get("record_rows"), None, "{}", scrape.text);
        }
        if scrapes
            .iter()
            .any(|scrape| story::refused(scrape, "RECORD_STORE_UNAVAILABLE") > 0.0)
        {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "nobody was told");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    tokio::task::block_in_place(|| site.postgres.control("start"));
}

/// By the book, but for the window: the new key takes over at once.
async fn roll_over(site: &Site, replicas: &[&Replica]) {
    let servers: Vec<String> = replicas.iter().map(|replica| replica.url()).collect();
    let servers = servers.join(",");
    let (from, until) = (day(0), day(395));
    let step = async |step: &[&str]| {
        let place = ["--secret", SECRET, "--server", &servers];
        site.operator(&[&["rollover"], step, &place].concat()).await
    };
    step(&["stage", "--valid-from", &from, "--valid-until", &until]).await;
    step(&["test", NEW]).await;
    let promoted = step(&["promote", NEW]).await;
    for replica in replicas {
        let listed = format!("{} lists {NEW} as ACTIVE", replica.url());
        assert!(promoted.contains(&listed), "{promoted}");
    }
}

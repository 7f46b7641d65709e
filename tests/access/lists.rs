//! Which revocation lists belong to which authorities.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::authority::{Authority, read, replace};
use crate::changes::{PATIENCE, lists};
use crate::guarded::{Running, prepare};
use crate::start::{TLS, refused};

const LISTS: [&str; 2] = ["--tls-client-crl", "ca.crl"];

/// What `serve` and `config check` say of these lists for these authorities.
fn told(folder: &Path, authorities: &[&Authority], lists: &[String]) -> String {
    let authorities: Vec<&str> = authorities
        .iter()
        .map(|authority| authority.pem())
        .collect();
    replace(&folder.join("ca.crt"), &authorities.concat());
    replace(&folder.join("ca.crl"), &lists.concat());
    let files = [&TLS[..], &LISTS].concat();
    let said = refused(folder, &files);
    let mut check = crate::starter::binary();
    let check = check.current_dir(folder).args(["config", "check"]);
    let place = [
        "--source",
        "file:keys.json",
        "--record",
        "sqlite:record.sqlite",
    ];
    let checked = check.args(place).args(&files).output().unwrap();
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let checked = String::from_utf8(checked.stdout).unwrap();
    let fault = checked
        .lines()
        .find_map(|line| line.strip_prefix("fault: "));
    let fault = fault.unwrap_or_else(|| panic!("{checked}"));
    assert!(said.contains(fault), "{said}\n{fault}");
    assert!(fault.starts_with("--tls-client-crl: ca.crl: "), "{fault}");
    fault.into()
}

#[test]
fn each_authority_needs_a_list_of_its_own() {
    let (folder, authority) = prepare();
    let folder = folder.path();
    let (next, other) = (Authority::new("the next one"), Authority::new("another"));
    let list = || authority.revocation_list(&[]);
    let bare = |fault: &str, names: &str| {
        let expected =
            format!("has no revocation list (of clients) of {names}, in --tls-client-ca: ");
        assert!(fault.contains(&expected), "{fault}");
    };
    bare(
        &told(folder, &[&authority], &[other.revocation_list(&[])]),
        "CN=the right one",
    );
    bare(
        &told(folder, &[&authority, &next], &[list()]),
        "CN=the next one",
    );
    let neither = told(folder, &[&authority, &next], &[other.revocation_list(&[])]);
    bare(&neither, "CN=the next one; of CN=the right one");
    let of_authorities = authority.revocation_list_of_authorities();
    bare(
        &told(folder, &[&authority], &[of_authorities]),
        "CN=the right one",
    );
    // One key under two names: a list is found by its name.
    let renamed = authority.renamed("its other name");
    bare(
        &told(folder, &[&authority, &renamed], &[list()]),
        "CN=its other name",
    );
    // One above the one that issues.
    let below = authority.below("the one below");
    bare(
        &told(folder, &[&authority, &below], &[below.revocation_list(&[])]),
        "CN=the right one",
    );
    bare(
        &told(folder, &[&authority], &[below.revocation_list(&[])]),
        "CN=the right one",
    );
    // Two keys under one name.
    let again = Authority::new("the right one");
    let both = told(
        folder,
        &[&authority, &again],
        &[list(), again.revocation_list(&[])],
    );
    assert!(
        both.contains("two authorities of the name CN=the right one, each"),
        "{both}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_leave_an_authority_out_change_nothing() {
    let (folder, authority) = prepare();
    let folder = folder.path();
    let next = Authority::new("the next one");
    next.issue(folder, "new", "auditor.amply.example");
    let running = Running::start_with(folder, &LISTS);
    let client = |file| running.client(folder, &authority, file);
    let open = client("auditor");
    lists(&open).await.unwrap();
    let told = async |part: &str| {
        let start = Instant::now();
        while !read(&folder.join("log")).contains(part) {
            assert!(start.elapsed() < PATIENCE, "{part}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    // The list of nobody who is let in, and then an authority that has none.
    replace(&folder.join("ca.crl"), &next.revocation_list(&[]));
    told("--tls-client-crl: ca.crl: has no revocation list (of clients) of CN=the right one, in")
        .await;
    lists(&open).await.unwrap();
    lists(&client("auditor")).await.unwrap();
    replace(&folder.join("ca.crl"), &authority.revocation_list(&[]));
    replace(
        &folder.join("ca.crt"),
        &format!("{}{}", authority.pem(), next.pem()),
    );
    told("--tls-client-crl: ca.crl: has no revocation list (of clients) of CN=the next one, in")
        .await;
    lists(&open).await.unwrap();
    lists(&client("auditor")).await.unwrap();
    lists(&client("new")).await.unwrap_err();
    let both = [authority.revocation_list(&[]), next.revocation_list(&[])];
    replace(&folder.join("ca.crl"), &both.concat());
    let start = Instant::now();
    while lists(&client("new")).await.is_err() {
        assert!(start.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    lists(&open).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_lists_of_one_authority_the_later_one_counts() {
    let (folder, authority) = prepare();
    let folder = folder.path();
    let stolen = authority.issue(folder, "stolen", "auditor.amply.example");
    let both = [
        authority.revocation_list(&[]),
        authority.later_revocation_list(&[&stolen]),
    ];
    replace(&folder.join("ca.crl"), &both.concat());
    let running = Running::start_with(folder, &LISTS);
    lists(&running.client(folder, &authority, "auditor"))
        .await
        .unwrap();
    lists(&running.client(folder, &authority, "stolen"))
        .await
        .unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_below_takes_the_place_of_the_one_above() {
    let (folder, authority) = prepare();
    let folder = folder.path();
    let below = authority.below("the one below");
    let stolen = below.issue(folder, "stolen", "auditor.amply.example");
    below.issue(folder, "from-below", "auditor.amply.example");
    replace(&folder.join("ca.crt"), below.pem());
    replace(&folder.join("ca.crl"), &below.revocation_list(&[&stolen]));
    let running = Running::start_with(folder, &LISTS);
    lists(&running.client(folder, &authority, "from-below"))
        .await
        .unwrap();
    lists(&running.client(folder, &authority, "stolen"))
        .await
        .unwrap_err();
}

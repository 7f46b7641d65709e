//! Certificates that are not valid now: taken, and told before anybody is turned away by them.

use std::path::Path;

use crate::authority::{Authority, replace};
use crate::guarded::prepare;
use crate::start::TLS;

/// The warnings of `config check`, which finds no fault.
fn warnings(folder: &Path, more: &[&str]) -> Vec<String> {
    let mut check = crate::starter::binary();
    let place = [
        "--source",
        "file:keys.json",
        "--record",
        "sqlite:record.sqlite",
    ];
    let check = check
        .current_dir(folder)
        .args(["config", "check"])
        .args(place);
    let checked = check.args(TLS).args(more).output().unwrap();
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let text = String::from_utf8(checked.stdout).unwrap();
    let warnings = text
        .lines()
        .filter_map(|line| line.strip_prefix("warning: "));
    warnings.map(str::to_owned).collect()
}

#[test]
fn config_check_warns_of_each_file_whose_certificates_are_not_valid_now() {
    let (folder, authority) = prepare();
    let folder = folder.path();
    assert_eq!(warnings(folder, &[]), Vec::<String>::new());
    authority.issue_between(folder, "server", "localhost", (2097, 2098));
    let ended = Authority::ended("of yore", 2024);
    replace(
        &folder.join("ca.crt"),
        &format!("{ended}{}", authority.pem()),
    );
    replace(&folder.join("peers.crt"), &ended);
    let peers = [
        "--peer",
        "https://localhost:1",
        "--server-ca",
        "peers.crt",
        "--client-certificate",
        "expired.crt",
        "--client-key",
        "expired.key",
    ];
    let mut found = warnings(folder, &peers);
    found.sort();
    assert_eq!(
        found,
        [
            "--client-certificate: expired.crt: CN=expired has ended 2024-01-31T00:00:00Z",
            "--server-ca: peers.crt: CN=of yore has ended 2024-01-31T00:00:00Z",
            "--tls-certificate: server.crt: CN=server is not valid yet: it begins 2097-01-01T00:00:00Z",
            "--tls-client-ca: ca.crt: CN=of yore has ended 2024-01-31T00:00:00Z",
        ]
    );
}

#[test]
fn a_certificate_that_vouches_for_nobody_in_the_chain_is_no_warning() {
    let (folder, authority) = prepare();
    let folder = folder.path();
    let server = folder.join("server.crt");
    let chain = std::fs::read_to_string(&server).unwrap();
    replace(
        &server,
        &format!("{chain}{}", Authority::ended("of yore", 2024)),
    );
    assert_eq!(warnings(folder, &[]), Vec::<String>::new());
    // One that does, in whatever place.
    let ended = authority.as_if_ended("the right one", 2024);
    replace(
        &server,
        &format!("{chain}{}{ended}", Authority::ended("of yore", 2024)),
    );
    assert_eq!(warnings(folder, &[]).len(), 1);
}

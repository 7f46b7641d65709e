//! The page, in a real browser: online, and from a saved copy without a network.
//!
//! `PICTURES=target/tmp/pictures cargo test --test web-slow page` also makes pictures, for a person to look at.

use crate::node::{node, run};
use crate::publication::Publication;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/web/browser");

/// Runs a scenario against a publication; it says what is wrong and ends badly when something is.
async fn drive(scenario: &str) {
    let publication = Publication::new().await;
    let mut command = node();
    command
        .arg(format!("{FOLDER}/{scenario}.mjs"))
        .env("PAGE", publication.service.http())
        .env("FILES", publication.service.folder.path());
    // A program that is started has nothing of the tester's shell otherwise.
    if let Some(pictures) = std::env::var_os("PICTURES") {
        command.env("PICTURES", pictures);
    }
    // The service has threads of its own.
    run(&mut command);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_gives_the_right_verdicts_and_sends_nothing() {
    drive("online").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_copy_works_without_a_network() {
    drive("offline").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyring_from_a_file_is_used_only_when_the_reader_says_so() {
    drive("rings").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layman_sees_the_verdict_money_and_names_in_one_language() {
    drive("layman").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_word_stands_in_one_table_in_each_language() {
    drive("languages").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_can_be_used_with_the_keyboard_alone() {
    drive("keyboard").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_accessible_in_both_colour_schemes_and_on_a_phone() {
    drive("accessibility").await;
}

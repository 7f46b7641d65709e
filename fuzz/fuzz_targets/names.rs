//! Names, instants, hashes and URLs: what is read is printed as it was, or as something that is read as the same.
#![no_main]

use std::fmt::Display;
use std::str::FromStr;

use checkpoint::checkpoint::{CheckpointId, CumulativeHash, LedgerId, Timestamp};
use checkpoint::key::{Algorithm, KeyId, ValidityWindow, instant_text, parse_instant};
use checkpoint::log::head::LogName;
use checkpoint::log::tree::TreeHash;
use checkpoint_signer::http::PublicUrl;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    same::<CheckpointId>(text);
    same::<LedgerId>(text);
    same::<KeyId>(text);
    same::<LogName>(text);
    same::<Timestamp>(text);
    same::<CumulativeHash>(text);
    same::<TreeHash>(text);
    same::<Algorithm>(text);
    if let Ok(instant) = parse_instant(text) {
        assert_eq!(parse_instant(&instant_text(instant)), Ok(instant));
        assert_eq!(
            instant_text(instant)
                .parse::<Timestamp>()
                .map(Timestamp::instant),
            Ok(instant)
        );
    }
    if let Some((from, until)) = text.split_once('\n')
        && let (Ok(from), Ok(until)) = (parse_instant(from), parse_instant(until))
    {
        let window = ValidityWindow::new(from, until);
        assert_eq!(window.is_ok(), from < until);
        if let Ok(window) = window {
            assert!(window.contains(from) && !window.contains(until));
        }
    }
    if let Ok(url) = text.parse::<PublicUrl>() {
        assert_eq!(url.as_str().parse::<PublicUrl>(), Ok(url.clone()));
        let (_, rest) = url.as_str().split_once("://").expect("a scheme");
        let authority = rest.split('/').next().expect("a host");
        assert!(!authority.contains('@'), "the public would see a password");
        assert!(!url.as_str().contains(['?', '#', '\n']));
    }
});

/// One value has one text.
fn same<T: FromStr<Err: Display> + Display>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => assert_eq!(value.to_string(), text),
        Err(error) => assert!(error.to_string().len() < 1024, "the error repeats too much"),
    }
}

//! The URL that the public is told.

use checkpoint_signer::http::{NotPublic, PublicUrl};

#[test]
fn a_url_has_one_text() {
    for text in ["https://a.example/log", "https://a.example/log/"] {
        let url: PublicUrl = text.parse().unwrap();
        assert_eq!(url.as_str(), "https://a.example/log");
    }
}

#[test]
fn what_not_everybody_may_see_is_refused() {
    for text in [
        "https://user@a.example/",
        "https://user:secret@a.example/",
        "https://:secret@a.example/",
        "https://a.example/?token=secret",
        "https://a.example/#secret",
        "file:///etc/passwd",
        "a.example",
    ] {
        assert_eq!(text.parse::<PublicUrl>(), Err(NotPublic), "{text}");
    }
}

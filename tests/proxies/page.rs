//! The blocks of the page that are configurations, with the addresses and folders of a test in place of the page's.

use crate::site::Site;

const PAGE: &str = include_str!("../../docs/proxies.md");

/// The block in this language in which these words stand.
pub fn block(language: &str, words: &str) -> String {
    let fence = format!("\n```{language}\n");
    let blocks = PAGE.split(&fence).skip(1);
    let mut blocks = blocks.map(|rest| rest.split("\n```").next().unwrap());
    let found = blocks.find(|block| block.contains(words));
    let found = found.unwrap_or_else(|| panic!("the page has no {language} with {words:?}"));
    format!("{found}\n")
}

/// The same here: the replicas and the proxy itself have the page's addresses.
pub fn here(block: &str, site: &Site) -> String {
    let folder = site.folder.path().display().to_string();
    let lines = block.lines().map(|line| {
        let mut line = line.replace("/etc/signer", &folder);
        for (address, replica) in ["10.0.1.11", "10.0.1.12"].iter().zip(&site.replicas) {
            if line.contains(address) {
                line = line.replace(
                    "check port 9464",
                    &format!("check port {}", replica.metrics.port),
                );
            }
            for (port, held) in [("50051", &replica.grpc), ("8080", &replica.http)] {
                let found = format!("{address}:{port}");
                line = line.replace(&found, &format!("127.0.0.1:{}", held.port));
            }
        }
        for (port, held) in [
            ("50051", &site.places.passed),
            ("50443", &site.places.ended),
            ("8080", &site.places.public),
        ] {
            let found = format!("10.0.1.10:{port}");
            line = line.replace(&found, &format!("127.0.0.1:{}", held.port));
        }
        line + "\n"
    });
    let text: String = lines.collect();
    assert!(
        !text.contains("10.0.1."),
        "an address of the page is left: {text}"
    );
    text
}

/// Without a setting, of which there is one.
pub fn without(block: &str, setting: &str) -> String {
    let kept = block
        .lines()
        .filter(|line| !line.trim().starts_with(setting));
    let kept: String = kept.map(|line| format!("{line}\n")).collect();
    assert_ne!(kept, block, "the page has {setting}");
    kept
}

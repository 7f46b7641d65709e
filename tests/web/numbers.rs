//! What JavaScript's numbers become on their way to the service, as `docs/proxies.md` tells.

use crate::node::{node, run};
use crate::support::{TestService, key_of, versions};

const PAGE: &str = include_str!("../../docs/proxies.md");

#[tokio::test(flavor = "multi_thread")]
async fn what_proto_loader_makes_of_a_number_is_what_the_page_tells() {
    let keys = versions(&[(&key_of(2025), "AWSCURRENT")]);
    let service = TestService::with(&keys, "2025-06-01").await;
    let root = env!("CARGO_MANIFEST_DIR");
    let said = tokio::task::block_in_place(|| {
        run(node()
            .arg(format!("{root}/tests/web/browser/numbers.mjs"))
            .env("PROTO", format!("{root}/proto"))
            .env("SERVER", service.grpc().trim_start_matches("http://")))
    });
    let beyond = "expected -9007199254740991 to 9007199254740991 (2^53-1)";
    let expected = [
        "-5: -5",
        "1.5: 1",
        "NaN: 0",
        "abc: 0",
        "undefined: 0",
        "-5n: -5",
        "\"-5\": -5",
        "2^53-1: 9007199254740991",
        &format!("2^53: total_volume: is 9007199254740992; {beyond}"),
        &format!("\"2^53+1\": total_volume: is 9007199254740993; {beyond}"),
        "count of -1: 0",
        "spelt wrongly: 0",
        "plain object: [{}]",
        "fields: [{\"total\":5}]",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    for row in [
        "| `-1` (`entry_count`) | **0** |",
        "| `1.5` | **1** |",
        "| `NaN`, `\"abc\"` | **0** |",
    ] {
        assert!(PAGE.contains(row), "{row}");
    }
}

//! The vectors of `vectors/`, by the page's modules in Node.

use crate::node::{node, run};

#[test]
fn the_page_finds_what_the_vectors_say() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/web/browser/vectors.mjs");
    let said = run(node().arg(script));
    assert_eq!(said, "274 and 33 cases\n");
}

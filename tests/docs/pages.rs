//! The pages that are told from top to bottom.

use crate::story::Story;

#[test]
fn the_first_look() {
    Story::page("README.md").to_the_end();
}

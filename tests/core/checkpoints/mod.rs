//! Bad checkpoints, each refused with an error that names the field and says what is expected.

mod fields;
mod limits;
mod strictness;

use crate::support::document::Document;

/// Asserts that `text` has exactly one fault: of `field`, with `found` in its sentence, which says what is
/// expected.
fn assert_refused(text: &Document, field: &str, found: &str) {
    let faults = text.faults();
    let [(named, problem)] = faults.as_slice() else {
        panic!("expected one fault, of {field}: {faults:?}");
    };
    assert_eq!(named, field, "{problem}");
    assert!(problem.contains(found), "{field}: {problem}");
    assert!(problem.contains("expected"), "{field}: {problem}");
}

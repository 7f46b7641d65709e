//! Bundles of inclusion and the lines of an export: what is read is printed and read again as the same, and a reader of
//! an export ends.
#![no_main]

use checkpoint::log::export::ExportReader;
use checkpoint::log::tree::TreeHash;
use checkpoint::log::{InclusionBundle, verify_head};
use checkpoint::verdict::VerdictKind;
use checkpoint_signer_fuzz::{KEYRING, PUBLISHED};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(bundle) = InclusionBundle::parse(data) {
        let printed = bundle.to_json().expect("it has a JSON form");
        let again = InclusionBundle::parse(printed.as_bytes()).expect("its own text");
        assert_eq!(again.to_json().expect("it has a JSON form"), printed);
        assert_eq!(again.check(), bundle.check());
        let by_a_key = verify_head(&KEYRING, &bundle.head).kind == VerdictKind::Valid;
        if by_a_key && bundle.check().is_ok() {
            let row = usize::try_from(bundle.position - 1).expect("a row of the golden record");
            assert_eq!(TreeHash::of(&bundle.signed), TreeHash::of(&PUBLISHED[row]));
        }
    }
    let lines = data.split(|byte| *byte == b'\n').count();
    let Ok(mut export) = ExportReader::open(data) else {
        return;
    };
    let mut rows = 0;
    while let Ok(more) = export.next_rows(3) {
        rows += more.len();
        if more.len() < 3 {
            break;
        }
    }
    assert!(rows < lines);
});

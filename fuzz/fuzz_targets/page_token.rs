//! Page tokens: only what encodes back is a token, and none is one of another list.
#![no_main]

use checkpoint_signer::paging::FilterDigest;
use checkpoint_signer_fuzz::take_u64;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    let position = take_u64(&mut rest);
    let (filters, text) = rest.split_at(rest.len().min(1));
    let (digest, other) = (FilterDigest::of(filters), FilterDigest::of("another list"));

    let token = digest.token(position);
    assert_eq!(digest.position(&token), Some(position));
    assert_eq!(other.position(&token), None);

    if let Ok(text) = std::str::from_utf8(text) {
        for digest in [digest, other] {
            match digest.position(text) {
                Some(position) if !text.is_empty() => assert_eq!(digest.token(position), text),
                Some(position) => assert_eq!(position, 0),
                None => {}
            }
        }
        // One character of a good token is changed.
        let (at, by) = (
            text.len() % token.len(),
            filters.first().copied().unwrap_or(b'A'),
        );
        let mut changed = token.clone().into_bytes();
        changed[at] = by;
        if let Ok(changed) = String::from_utf8(changed)
            && let Some(found) = digest.position(&changed)
        {
            assert_eq!(digest.token(found), changed);
        }
    }
});

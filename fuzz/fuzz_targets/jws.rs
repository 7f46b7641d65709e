//! The compact forms and the protected header: one text for one meaning, one type for one text, and the header of this
//! service's own form is read as any other.
#![no_main]

use checkpoint::jws::{DetachedJws, EmbeddedJws, JwsType, ProtectedHeader};
use libfuzzer_sys::fuzz_target;

const TYPES: [JwsType; 4] = [
    JwsType::Checkpoint,
    JwsType::Endorsement,
    JwsType::RecordHead,
    JwsType::KeySet,
];

fuzz_target!(|data: &[u8]| {
    once(|typ| header(data, typ));
    if let Ok(text) = std::str::from_utf8(data) {
        once(|typ| detached(text, typ));
        once(|typ| embedded(text, typ));
    }
});

/// A text is of one type at most.
fn once(mut reads: impl FnMut(JwsType) -> bool) {
    let count = TYPES.into_iter().filter(|typ| reads(*typ)).count();
    assert!(count <= 1, "the text is of {count} types");
}

fn header(text: &[u8], typ: JwsType) -> bool {
    let header = ProtectedHeader::from_json(text, typ);
    // White space keeps it from being taken for the service's own form.
    let slow = ProtectedHeader::from_json(&[b" ", text].concat(), typ);
    let header = match (header, slow) {
        (Ok(header), Ok(slow)) => {
            assert_eq!(header, slow);
            header
        }
        (Err(_), Err(_)) => return false,
        (header, slow) => panic!("read as {header:?} and as {slow:?}"),
    };
    let own = header.to_json();
    let again = ProtectedHeader::from_json(own.as_bytes(), typ).expect("its own text");
    assert_eq!(again, header);
    true
}

fn detached(text: &str, typ: JwsType) -> bool {
    let Ok(jws) = DetachedJws::parse_as(typ, text) else {
        return false;
    };
    assert_eq!(jws.header().typ, typ);
    assert_eq!(jws.compact(), text);
    let encoded = text.split_once('.').map(|(header, _)| header);
    assert_eq!(jws.signing_input(b"").strip_suffix('.'), encoded);
    true
}

fn embedded(text: &str, typ: JwsType) -> bool {
    let Ok(jws) = EmbeddedJws::parse_as(typ, text) else {
        return false;
    };
    assert_eq!(jws.header().typ, typ);
    assert_eq!(jws.compact(), text);
    let input = text.rsplit_once('.').map(|(input, _)| input);
    assert_eq!(Some(jws.signing_input().as_str()), input);
    let (header, rest) = text.split_once('.').expect("three parts");
    let (_, signature) = rest.split_once('.').expect("three parts");
    let detached = DetachedJws::parse_as(typ, &format!("{header}..{signature}"));
    let detached = detached.expect("the same without its payload");
    assert_eq!(
        detached.signing_input(jws.payload().as_bytes()),
        jws.signing_input()
    );
    true
}

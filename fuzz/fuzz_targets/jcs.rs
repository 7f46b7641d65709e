//! The payload against another implementation of RFC 8785: the input is the additional members of a checkpoint.
#![no_main]

use checkpoint::checkpoint::{Checkpoint, CheckpointFields, parse_object};
use checkpoint_signer_fuzz::PUBLISHED;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fuzz_target!(|text: &[u8]| {
    let Ok(additional_members) = parse_object(text) else {
        return;
    };
    let fields = PUBLISHED[0].checkpoint.fields();
    let Ok(checkpoint) = Checkpoint::new(CheckpointFields {
        additional_members,
        ..fields.clone().into()
    }) else {
        return;
    };
    // What the strict reader took, every reader takes.
    let mut members: Map<String, Value> = serde_json::from_slice(text).expect("an object");
    members.extend([
        ("checkpoint_id".into(), fields.checkpoint_id.as_str().into()),
        ("ledger_id".into(), fields.ledger_id.as_str().into()),
        ("timestamp".into(), fields.timestamp.to_string().into()),
        (
            "cumulative_hash".into(),
            fields.cumulative_hash.to_string().into(),
        ),
        ("entry_count".into(), fields.entry_count.get().into()),
        ("total_volume".into(), fields.total_volume.get().into()),
    ]);
    members.insert("organization_summaries".into(), Value::Array(Vec::new()));

    let payload = checkpoint.payload().as_bytes();
    let other = serde_jcs::to_vec(&members).expect("another implementation writes it");
    assert_eq!(
        String::from_utf8_lossy(payload),
        String::from_utf8_lossy(&other)
    );
    let again = Checkpoint::from_json(payload).expect("its own payload");
    assert_eq!(again.payload().as_bytes(), payload);
});

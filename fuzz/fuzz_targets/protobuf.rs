//! Requests on the wire: a checkpoint of a message is that of its JSON, and goes back to the wire as it came.
#![no_main]

use checkpoint::checkpoint::Checkpoint;
use checkpoint::jws::SignedCheckpoint;
use checkpoint_signer::wire::proto;
use libfuzzer_sys::fuzz_target;
use prost::Message;

fuzz_target!(|data: &[u8]| {
    if let Ok(request) = proto::SignCheckpointRequest::decode(data) {
        request.checkpoint.into_iter().for_each(unsigned);
    }
    if let Ok(request) = proto::SignCheckpointsRequest::decode(data) {
        request.checkpoint.into_iter().for_each(unsigned);
    }
    if let Ok(wire) = proto::Checkpoint::decode(data) {
        unsigned(wire);
    }
    if let Ok(wire) = proto::SignedCheckpoint::decode(data) {
        signed(wire);
    }
});

fn unsigned(wire: proto::Checkpoint) {
    let checkpoint = match Checkpoint::try_from(wire) {
        Ok(checkpoint) => checkpoint,
        Err(error) => {
            assert!(!error.0.is_empty());
            assert!(error.0.iter().all(|fault| !fault.field.is_empty()));
            return;
        }
    };
    let payload = checkpoint.payload();
    let read = Checkpoint::from_json(payload.as_bytes()).expect("its own payload");
    assert_eq!(read.payload(), payload);
    let back = proto::Checkpoint::from(&checkpoint);
    assert_eq!(back, proto::Checkpoint::from(&read));
    let bytes = back.encode_to_vec();
    let back = proto::Checkpoint::decode(bytes.as_slice()).expect("its own bytes");
    let back = Checkpoint::try_from(back).expect("its own message");
    assert_eq!(back.payload(), payload);
}

fn signed(wire: proto::SignedCheckpoint) {
    let Ok(signed) = SignedCheckpoint::try_from(wire) else {
        return;
    };
    let back = proto::SignedCheckpoint::from(&signed);
    let again = SignedCheckpoint::try_from(back.clone()).expect("its own message");
    assert_eq!(proto::SignedCheckpoint::from(&again), back);
    let published = SignedCheckpoint::from_published_json(back.published_json.as_bytes());
    let published = published.expect("its own JSON");
    assert_eq!(proto::SignedCheckpoint::from(&published), back);
}

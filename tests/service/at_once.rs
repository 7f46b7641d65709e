//! Large messages at once on one connection, more than their client has memory for.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, stream::FuturesUnordered};
use prost::Message as _;
use tokio_stream::StreamExt as _;

use crate::protocol::{SIGN, connect, framed, good, status_of};
use crate::support::{TestService, checkpoint};
use checkpoint_signer::wire::proto::{Checkpoint, SignCheckpointRequest};

/// A test that hangs ends here.
const DEADLINE: Duration = Duration::from_secs(120);

/// What a call may leave unread, and some.
const MORE_THAN_A_WINDOW: usize = 80 * 1024;

fn asked(checkpoint: Checkpoint) -> Vec<u8> {
    let request = SignCheckpointRequest {
        checkpoint: Some(checkpoint),
        ..Default::default()
    };
    framed(&request.encode_to_vec())
}

#[tokio::test]
async fn what_waits_for_its_part_keeps_no_other_call_of_its_connection_waiting() {
    let service = TestService::new().await;
    let mut requests = connect(&service).await;
    // The first ones have all the room that their client may have, and do not go on. Eight wait for it, and the others are refused.
    let announced = [&[0][..], &2_900_000_u32.to_be_bytes()].concat();
    let begun = [&announced[..], &vec![b'x'; MORE_THAN_A_WINDOW]].concat();
    let mut answers = FuturesUnordered::new();
    let mut streams = Vec::new();
    for _ in 0..40 {
        let head = good(SIGN).body(()).unwrap();
        let (answer, mut stream) = requests.send_request(head, false).unwrap();
        stream.send_data(Bytes::from(begun.clone()), false).unwrap();
        answers.push(answer);
        streams.push(stream);
    }
    for count in 1..=5 {
        let head = good(SIGN).body(()).unwrap();
        let (answer, mut stream) = requests.send_request(head, false).unwrap();
        let small = asked(checkpoint(&format!("chk_{count}"), count, "a"));
        stream.send_data(Bytes::from(small), true).unwrap();
        let told = async {
            let mut body = answer.await.unwrap().into_body();
            while let Some(data) = body.data().await {
                let read = data.unwrap().len();
                body.flow_control().release_capacity(read).unwrap();
            }
            let trailers = body.trailers().await.unwrap().unwrap();
            status_of(&trailers, None).0
        };
        let told = tokio::time::timeout(DEADLINE, told).await;
        assert_eq!(told.expect("the small one is answered"), "Ok");
    }
    let mut refused = 0;
    while let Some(Some(answer)) = answers.next().now_or_never() {
        let (code, reason) = status_of(answer.unwrap().headers(), None);
        assert_eq!(
            (code.as_str(), reason.as_str()),
            ("ResourceExhausted", "TOO_MUCH_AT_ONCE")
        );
        refused += 1;
    }
    assert!(refused <= 40 - 8 - 8, "the others wait: {refused}");
}

//! Who keeps a place, when all are taken: clients for whom something is done, and not those that are waited for.

use std::any::Any;
use std::time::Duration;

use bytes::Bytes;
use checkpoint_signer::wire::proto::SignCheckpointsRequest;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use h2::client::SendRequest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::attack::framed;
use crate::cluster::Replica;
use crate::support::checkpoint;
use crate::unread::{PREFACE, SIGN, begin, connect_from, large, speak_from, start, try_to_begin};
use prost::Message as _;
use testing::wait;

/// As many as there are.
const PLACES: u8 = 255;

/// Silent calls are ended after 30 s at the earliest.
const BEFORE_ANY_PATIENCE_ENDS: Duration = Duration::from_secs(25);

/// Who comes when all places are taken.
const FRESH: u8 = 10;

const HEALTH: &str = "/grpc.health.v1.Health/Watch";
const STREAM: &str = "/amply.checkpoint.v1.SigningService/SignCheckpoints";
const WATCH: &str = "/amply.checkpoint.v1.KeyService/WatchKeys";
const LIST: &str = "/amply.checkpoint.v1.KeyService/ListKeys";

/// What stays open while a client is waited for.
type Held = Box<dyn Any + Send>;

/// What a client leaves undone, on a connection of its own.
async fn leave(service: &Replica, client: u8, what: Leaves) -> Held {
    let window = match what {
        Leaves::AnswerUnread => 0,
        _ => 65_535,
    };
    if let Leaves::EndOfConnection = what {
        let mut stream = connect_from(service, [127, 0, 3, client]).await;
        stream.write_all(PREFACE).await.unwrap();
        // So it has a place.
        stream.read_exact(&mut [0; 9]).await.unwrap();
        return Box::new(stream);
    }
    let mut requests = speak_from(service, [127, 0, 3, client], window)
        .await
        .unwrap();
    let small = framed(&[0; 4_000]);
    let (path, sent, is_all) = match what {
        Leaves::Nothing | Leaves::EndOfConnection => return Box::new(requests),
        Leaves::LastByte => (SIGN, small.slice(..small.len() - 1), false),
        Leaves::End => (LIST, framed(&[]), false),
        Leaves::HalfAPrefix => (LIST, Bytes::from_static(&[0, 0]), false),
        Leaves::Watch => (WATCH, framed(&[]), true),
        Leaves::Health => (HEALTH, framed(&[]), true),
        Leaves::NextItem => (STREAM, Bytes::new(), false),
        Leaves::AnswerUnread => (LIST, framed(&[]), true),
    };
    let (answer, mut stream) = begin(&mut requests, path);
    stream.send_data(sent, is_all).unwrap();
    match what {
        Leaves::Watch | Leaves::Health => Box::new((requests, answer.await.unwrap())),
        _ => Box::new((requests, answer, stream)),
    }
}

#[derive(Clone, Copy, Debug)]
enum Leaves {
    Nothing,
    /// Not even when the service has ended its own end.
    EndOfConnection,
    LastByte,
    End,
    HalfAPrefix,
    Watch,
    Health,
    NextItem,
    AnswerUnread,
}

/// Takes all places, each for a client of its own.
async fn take_all(service: &Replica, what: Leaves) -> Vec<Held> {
    let mut all = Vec::new();
    for client in 1..=PLACES {
        all.push(leave(service, client, what).await);
    }
    all
}

/// Whether a call is answered on a connection.
async fn asks(requests: &mut SendRequest<Bytes>) -> Option<()> {
    let (answer, mut stream) = try_to_begin(requests, LIST).ok()?;
    stream.send_data(framed(&[]), true).ok()?;
    let mut body = answer.await.ok()?.into_body();
    body.data().await?.ok().map(drop)
}

/// Another client comes, and stays: its connection, when it is let in and answered.
async fn come(service: &Replica, client: u8) -> Option<SendRequest<Bytes>> {
    let spoken = speak_from(service, [127, 0, 4, client], 65_535).await;
    let mut requests = spoken.ok()?;
    asks(&mut requests).await.map(|()| requests)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_are_waited_for_keep_nobody_out() {
    let kinds = [
        Leaves::Nothing,
        Leaves::EndOfConnection,
        Leaves::LastByte,
        Leaves::End,
        Leaves::HalfAPrefix,
        Leaves::Watch,
        Leaves::Health,
        Leaves::NextItem,
        Leaves::AnswerUnread,
    ];
    for what in kinds {
        let (_folder, service) = start().await;
        let held = take_all(&service, what).await;
        // One place is left; then each takes that of one who is waited for, before that one's patience here is over.
        let mut fresh = Vec::new();
        let all_come = wait::until("a place", async || {
            let next = u8::try_from(fresh.len() + 1).unwrap();
            fresh.extend(come(&service, next).await);
            fresh.len() == usize::from(FRESH)
        });
        let all_come = tokio::time::timeout(BEFORE_ANY_PATIENCE_ENDS, all_come).await;
        let came = fresh.len();
        all_come.unwrap_or_else(|_| panic!("{came} came beside those that leave {what:?}"));
        drop((held, fresh));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_for_which_something_is_done_keeps_its_place() {
    let (_folder, service) = start().await;
    let held = take_all(&service, Leaves::Watch).await;
    // The last place is that of a client that calls again and again.
    let mut signing = SigningServiceClient::new(service.channel());
    let mut signs = async |n: u64| {
        let signed = signing.sign_checkpoint(large(&format!("good-{n}"))).await;
        signed.unwrap()
    };
    signs(0).await;
    let mut fresh = Vec::new();
    for n in 1..=u64::from(FRESH) {
        signs(n).await;
        fresh.extend(come(&service, u8::try_from(n).unwrap()).await);
    }
    // Who has a connection gets no other one.
    let mut stream = connect_from(&service, [127, 0, 3, PLACES]).await;
    stream.write_all(PREFACE).await.unwrap();
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told).await;
    assert!(told.is_empty(), "{told:?}");
    drop((held, fresh));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_of_a_stream_that_is_worked_on_keeps_the_place_of_its_client() {
    let (_folder, service) = start().await;
    let mut requests = speak_from(&service, [127, 0, 4, 200], 65_535)
        .await
        .unwrap();
    let (answer, mut stream) = begin(&mut requests, STREAM);
    let mut answers = answer.await.unwrap().into_body();
    let held = take_all(&service, Leaves::NextItem).await;
    let mut fresh = Vec::new();
    for n in 1..=u64::from(FRESH) {
        let checkpoint = checkpoint(&format!("chk_{n}"), n, "a");
        let item = SignCheckpointsRequest {
            checkpoint: Some(checkpoint),
            ..Default::default()
        };
        stream
            .send_data(framed(&item.encode_to_vec()), false)
            .unwrap();
        fresh.extend(come(&service, u8::try_from(n).unwrap()).await);
        let data = answers.data().await.unwrap().unwrap();
        answers.flow_control().release_capacity(data.len()).unwrap();
    }
    drop((held, fresh));
}

/// What a client has at the most, who comes to so many places one after the other.
const ALL_THAT_ARE_LEFT: [usize; 9] = [128, 64, 32, 16, 8, 4, 2, 1, 1];

/// Opens a call and calls it off, again and again, so that it is never waited for long.
async fn is_never_silent(mut requests: SendRequest<Bytes>) {
    loop {
        let Ok((_, mut stream)) = try_to_begin(&mut requests, LIST) else {
            return;
        };
        tokio::time::sleep(Duration::from_millis(300)).await;
        stream.send_reset(h2::Reason::CANCEL);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_have_all_places_and_never_fall_silent_keep_nobody_out() {
    let (_folder, service) = start().await;
    let mut busy = tokio::task::JoinSet::new();
    for (client, count) in (1..).zip(ALL_THAT_ARE_LEFT) {
        for _ in 0..count {
            let requests = speak_from(&service, [127, 0, 6, client], 65_535).await;
            busy.spawn(is_never_silent(requests.unwrap()));
        }
    }
    let mut fresh = Vec::new();
    for client in 1..=FRESH {
        wait::until("a place", async || {
            fresh.extend(come(&service, client).await);
            fresh.len() == usize::from(client)
        })
        .await;
    }
    // And those keep theirs: nobody who has few gives way to those who have many.
    for one in &mut fresh {
        assert!(asks(one).await.is_some());
    }
}

/// Streams of one connection.
const STREAMS_HERE: usize = 6;

/// What a client has at the most, who comes to so many streams one after the other.
const ALL_STREAMS_THAT_ARE_LEFT: [usize; 7] = [32, 16, 8, 4, 2, 1, 1];

const VERIFY: &str = "/amply.checkpoint.v1.VerificationService/VerifyCheckpoints";

/// Opens a stream and has a checkpoint signed on it: it goes on for as long as what is given back, unless it was refused.
async fn is_signed_on_a_stream(requests: &mut SendRequest<Bytes>, client: u8) -> Option<Held> {
    let (answer, mut stream) = begin(requests, STREAM);
    let item = SignCheckpointsRequest {
        checkpoint: Some(checkpoint(&format!("chk_{client}"), client.into(), "a")),
        ..Default::default()
    };
    let sent = stream.send_data(framed(&item.encode_to_vec()), false);
    let answer = answer.await.unwrap();
    let is_refused = sent.is_err() || answer.headers().contains_key("grpc-status");
    let mut body = answer.into_body();
    let is_signed = !is_refused && body.data().await.is_some_and(|data| data.is_ok());
    is_signed.then(|| Box::new((stream, body)) as Held)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_on_which_nothing_comes_keep_nobodys_stream_out() {
    for path in [STREAM, VERIFY] {
        let (_folder, service) = start().await;
        let mut held = Vec::new();
        for (client, count) in (1..).zip(ALL_STREAMS_THAT_ARE_LEFT) {
            for first in (0..count).step_by(STREAMS_HERE) {
                let requests = speak_from(&service, [127, 0, 7, client], 65_535).await;
                let mut requests = requests.unwrap();
                for _ in first..count.min(first + STREAMS_HERE) {
                    let (answer, stream) = begin(&mut requests, path);
                    let answer = answer.await.unwrap();
                    assert!(!answer.headers().contains_key("grpc-status"), "{answer:?}");
                    held.push((requests.clone(), stream, answer));
                }
            }
        }
        let mut fresh = Vec::new();
        for client in 1..=3 {
            let requests = speak_from(&service, [127, 0, 8, client], 65_535).await;
            let mut requests = requests.unwrap();
            wait::until("a stream", async || {
                let signed = is_signed_on_a_stream(&mut requests, client).await;
                let is_signed = signed.is_some();
                fresh.extend(signed);
                is_signed
            })
            .await;
        }
        drop((held, fresh));
    }
}

/// Clients that would each have so many streams, which are more than there are.
const CLIENTS_OF_STREAMS: u8 = 16;
const STREAMS_OF_EACH: usize = 5;

/// Keeps a stream open by an item now and then, and opens another one when it has to give it up.
async fn goes_on_and_on(mut requests: SendRequest<Bytes>) {
    loop {
        let Ok((answer, mut stream)) = try_to_begin(&mut requests, VERIFY) else {
            return;
        };
        // Something that is no item of it is answered as one, and costs nothing.
        while stream.send_data(framed(&[]), false).is_ok() {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        drop(answer);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_have_more_than_a_share_of_the_streams_keep_nobodys_stream_out() {
    let (_folder, service) = start().await;
    let mut busy = tokio::task::JoinSet::new();
    for client in 1..=CLIENTS_OF_STREAMS {
        let requests = speak_from(&service, [127, 0, 9, client], 65_535)
            .await
            .unwrap();
        for _ in 0..STREAMS_OF_EACH {
            busy.spawn(goes_on_and_on(requests.clone()));
        }
    }
    for client in 1..=3 {
        let requests = speak_from(&service, [127, 0, 10, client], 65_535).await;
        let mut requests = requests.unwrap();
        wait::until("a stream", async || {
            is_signed_on_a_stream(&mut requests, client).await.is_some()
        })
        .await;
    }
}

//! Protobuf as tonic's own codec does it, except that a message that cannot be decoded is the sender's
//! fault: INVALID_ARGUMENT, where tonic says INTERNAL; that its values are counted before it is; that what is large is
//! decoded and encoded aside; and that what is signed is read and written with no message in between ([`wire::signing`](crate::wire)).

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::{Buf as _, BufMut, Bytes, BytesMut};
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::transport::AnswerBudget;
use crate::pools::Pool;
use crate::wire::proto;
use crate::wire::signing::{
    SignCheckpointRequest, SignCheckpointResponse, SignCheckpointsRequest, SignCheckpointsResponse,
};

/// What a message is read into at first: nothing, since it is there as a whole when it is read. tonic's 8 KiB, in thousands of calls that are open, are many.
const BUFFER_BYTES: usize = 0;

/// What is read from the wire.
pub trait Incoming: Sized + Send + 'static {
    /// Reads a message.
    ///
    /// # Errors
    /// What is wrong with it, as the sender is told.
    fn decode(message: &[u8]) -> Result<Self, Status>;

    /// Whether nothing is to be done for it, however large it is.
    const IS_THERE: bool = false;
}

/// What is written to the wire.
pub trait Outgoing: Send + Sync + 'static {
    /// How long the message is, about; nothing when it is written already.
    fn about(&self) -> usize;

    /// The message, if it is written already.
    fn written(&self) -> Option<&Bytes> {
        None
    }

    /// Writes the message; `reserve` is told its length before.
    fn encode<B: BufMut>(&self, buffer: &mut B, reserve: impl FnOnce(&mut B, usize));
}

impl<U: Message + Default + Send + 'static> Incoming for U {
    fn decode(message: &[u8]) -> Result<Self, Status> {
        super::values::check::<U>(message)
            .map_err(|problem| super::status::invalid_request("message", &problem))?;
        Message::decode(message).map_err(|error| {
            let problem =
                format!("is not the protobuf message that is expected, or nests too deep: {error}");
            super::status::invalid_request("message", &problem)
        })
    }
}

impl<T: Message + Send + Sync + 'static> Outgoing for T {
    fn about(&self) -> usize {
        self.encoded_len()
    }

    fn encode<B: BufMut>(&self, buffer: &mut B, reserve: impl FnOnce(&mut B, usize)) {
        reserve(buffer, self.encoded_len());
        self.encode_raw(buffer);
    }
}

/// A request of one message as it came, for whoever answers to read.
pub(crate) struct Unread(Bytes);

impl Unread {
    /// Reads it where such messages are read.
    ///
    /// # Errors
    /// What is wrong with it, as the sender is told; or the service ends.
    pub(super) async fn read<T: Incoming>(self) -> Result<T, Status> {
        read(self.0).await
    }
}

impl Incoming for Unread {
    fn decode(message: &[u8]) -> Result<Self, Status> {
        Ok(Self(Bytes::copy_from_slice(message)))
    }

    const IS_THERE: bool = true;
}

/// Reads a message; what is large on other threads than those where all calls go on. One of those would wait for that, and
/// a further one take its place meanwhile: each has memory of its own, which what is large leaves in parts that fit nothing.
///
/// # Errors
/// What is wrong with it, as the sender is told; or the service ends.
pub(super) async fn read<T: Incoming>(message: Bytes) -> Result<T, Status> {
    match Pool::of(message.len()) {
        Pool::Small => T::decode(&message),
        large @ Pool::Large => {
            let read = large.write(move || T::decode(&message)).await;
            read.unwrap_or_else(|| Err(super::status::shutting_down()))
        }
    }
}

impl Incoming for SignCheckpointRequest {
    fn decode(message: &[u8]) -> Result<Self, Status> {
        at_once::<_, proto::SignCheckpointRequest>(message, Self::read)
    }
}

impl Incoming for SignCheckpointsRequest {
    fn decode(message: &[u8]) -> Result<Self, Status> {
        at_once::<_, proto::SignCheckpointsRequest>(message, Self::read)
    }
}

/// Reads what is certainly right, and leaves all else to prost.
fn at_once<U, M: Message + Default + Into<U> + 'static>(
    message: &[u8],
    read: fn(&[u8]) -> Option<U>,
) -> Result<U, Status> {
    match read(message) {
        Some(read) => Ok(read),
        None => <M as Incoming>::decode(message).map(M::into),
    }
}

impl Outgoing for SignCheckpointResponse {
    fn about(&self) -> usize {
        Self::about(self)
    }

    fn encode<B: BufMut>(&self, buffer: &mut B, reserve: impl FnOnce(&mut B, usize)) {
        self.write(buffer, reserve);
    }
}

impl From<Bytes> for SignCheckpointResponse {
    fn from(written: Bytes) -> Self {
        Self::Written(written)
    }
}

impl Outgoing for SignCheckpointsResponse {
    fn about(&self) -> usize {
        Self::about(self)
    }

    fn written(&self) -> Option<&Bytes> {
        match self {
            Self::Written(written) => Some(written),
            Self::Item { .. } => None,
        }
    }

    fn encode<B: BufMut>(&self, buffer: &mut B, reserve: impl FnOnce(&mut B, usize)) {
        self.write(buffer, reserve);
    }
}

impl From<Bytes> for SignCheckpointsResponse {
    fn from(written: Bytes) -> Self {
        Self::Written(written)
    }
}

/// Writes an answer that is large as [`read`] reads a message, before anybody there asks for it. Given a budget, when it has room for that.
///
/// # Errors
/// The service ends.
pub(super) async fn written<T: Outgoing + From<Bytes>>(
    answer: T,
    room: Option<(AnswerBudget, Arc<str>)>,
) -> Result<T, Status> {
    let pool = Pool::of(answer.about());
    if pool == Pool::Small {
        return Ok(answer);
    }
    let part = match room {
        Some((unread, peer)) => Some(unread.room(peer, answer.about()).await),
        None => None,
    };
    let write = move || {
        let mut out = BytesMut::new();
        answer.encode(&mut out, |out, length| out.reserve(length));
        out.freeze()
    };
    let written = pool.write(write).await;
    let held = |written| match part {
        Some(part) => part.held_by(written),
        None => written,
    };
    written
        .map(held)
        .map(T::from)
        .ok_or_else(super::status::shutting_down)
}

/// The codec of all services of this crate.
#[derive(Debug, Clone)]
pub struct StrictCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for StrictCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: Outgoing, U: Incoming> Codec for StrictCodec<T, U> {
    type Encode = T;
    type Decode = U;
    type Encoder = StrictEncoder<T>;
    type Decoder = StrictDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        StrictEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        StrictDecoder(PhantomData)
    }
}

/// See [`StrictCodec`].
#[derive(Debug)]
pub struct StrictEncoder<T>(PhantomData<T>);

impl<T: Outgoing> Encoder for StrictEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let reserve = |buffer: &mut EncodeBuf<'_>, length| buffer.reserve(length);
        Pool::of(item.about()).read(|| item.encode(buffer, reserve));
        Ok(())
    }
}

/// See [`StrictCodec`].
#[derive(Debug)]
pub struct StrictDecoder<U>(PhantomData<U>);

impl<U: Incoming> Decoder for StrictDecoder<U> {
    type Item = U;
    type Error = Status;

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, BUFFER_BYTES)
    }

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // tonic keeps a message in one piece.
        let pool = match U::IS_THERE {
            true => Pool::Small,
            false => Pool::of(buffer.remaining()),
        };
        let read = pool.read(|| U::decode(buffer.chunk()));
        buffer.advance(buffer.remaining());
        read.map(Some)
    }
}

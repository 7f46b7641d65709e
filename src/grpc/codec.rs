//! Protobuf as tonic's own codec does it, except that a message that cannot be decoded is the sender's
//! fault: INVALID_ARGUMENT, where tonic says INTERNAL; that its values are counted before it is; that what is large is
//! decoded and encoded aside; and that what is signed is read and written with no message in between ([`wire::signing`](crate::wire)).

use std::marker::PhantomData;

use bytes::Buf as _;
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::pools::Pool;
use crate::wire::proto;
use crate::wire::signing::{
    SignCheckpointRequest, SignCheckpointResponse, SignCheckpointsRequest, SignCheckpointsResponse,
};

/// What a message is read into at first: as much as an ordinary one has. tonic's 8 KiB, in thousands of calls that are open, are many.
const BUFFER_BYTES: usize = 1024;

/// What is read from the wire.
pub trait Incoming: Sized + Send + 'static {
    /// Reads the message that the buffer holds.
    ///
    /// # Errors
    /// What is wrong with it, as the sender is told.
    fn decode(buffer: &mut DecodeBuf<'_>) -> Result<Self, Status>;
}

/// What is written to the wire.
pub trait Outgoing: Send + Sync + 'static {
    /// How long the message is, about.
    fn about(&self) -> usize;

    /// Writes the message.
    fn encode(&self, buffer: &mut EncodeBuf<'_>);
}

impl<U: Message + Default + Send + 'static> Incoming for U {
    fn decode(buffer: &mut DecodeBuf<'_>) -> Result<Self, Status> {
        // tonic keeps a message in one piece.
        super::values::check::<U>(buffer.chunk())
            .map_err(|problem| super::status::invalid_request("message", &problem))?;
        Message::decode(buffer).map_err(|error| {
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

    fn encode(&self, buffer: &mut EncodeBuf<'_>) {
        buffer.reserve(self.encoded_len());
        self.encode_raw(buffer);
    }
}

impl Incoming for SignCheckpointRequest {
    fn decode(buffer: &mut DecodeBuf<'_>) -> Result<Self, Status> {
        at_once::<_, proto::SignCheckpointRequest>(buffer, Self::read)
    }
}

impl Incoming for SignCheckpointsRequest {
    fn decode(buffer: &mut DecodeBuf<'_>) -> Result<Self, Status> {
        at_once::<_, proto::SignCheckpointsRequest>(buffer, Self::read)
    }
}

/// Reads what is certainly right, and leaves all else to prost.
fn at_once<U, M: Message + Default + Into<U> + 'static>(
    buffer: &mut DecodeBuf<'_>,
    read: fn(&[u8]) -> Option<U>,
) -> Result<U, Status> {
    match read(buffer.chunk()) {
        Some(message) => {
            buffer.advance(buffer.remaining());
            Ok(message)
        }
        None => <M as Incoming>::decode(buffer).map(M::into),
    }
}

impl Outgoing for SignCheckpointResponse {
    fn about(&self) -> usize {
        Self::about(self)
    }

    fn encode(&self, buffer: &mut EncodeBuf<'_>) {
        self.write(buffer, |buffer, length| buffer.reserve(length));
    }
}

impl Outgoing for SignCheckpointsResponse {
    fn about(&self) -> usize {
        Self::about(self)
    }

    fn encode(&self, buffer: &mut EncodeBuf<'_>) {
        self.write(buffer, |buffer, length| buffer.reserve(length));
    }
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
        Pool::of(item.about()).read(|| item.encode(buffer));
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
        Pool::of(buffer.remaining()).read(|| U::decode(buffer).map(Some))
    }
}

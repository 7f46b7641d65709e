//! Protobuf as tonic's own codec does it, except that a message that cannot be decoded is the sender's
//! fault: INVALID_ARGUMENT, where tonic says INTERNAL; that its values are counted before it is; and that what is large is
//! decoded and encoded aside.

use bytes::Buf as _;
use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

use crate::pools::Pool;

/// The codec of all services of this crate.
#[derive(Debug, Clone)]
pub struct StrictCodec<T, U>(ProstCodec<T, U>);

impl<T, U> Default for StrictCodec<T, U> {
    fn default() -> Self {
        Self(ProstCodec::default())
    }
}

impl<T, U> Codec for StrictCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = StrictEncoder<T>;
    type Decoder = StrictDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        StrictEncoder(self.0.encoder())
    }

    fn decoder(&mut self) -> Self::Decoder {
        StrictDecoder(self.0.decoder())
    }
}

/// See [`StrictCodec`].
#[derive(Debug)]
pub struct StrictEncoder<T>(ProstEncoder<T>);

impl<T: Message + Send + 'static> Encoder for StrictEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        Pool::of(item.encoded_len()).read(|| self.0.encode(item, buffer))
    }
}

/// See [`StrictCodec`].
#[derive(Debug)]
pub struct StrictDecoder<U>(ProstDecoder<U>);

impl<U: Message + Default + Send + 'static> Decoder for StrictDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        Pool::of(buffer.remaining()).read(|| {
            // tonic keeps a message in one piece.
            super::values::check::<U>(buffer.chunk())
                .map_err(|problem| super::status::invalid_request("message", &problem))?;
            self.0.decode(buffer).map_err(explained)
        })
    }
}

fn explained(status: Status) -> Status {
    match status.code() {
        Code::Internal => super::status::invalid_request(
            "message",
            &format!(
                "is not the protobuf message that is expected, or nests too deep: {}",
                status.message()
            ),
        ),
        _ => status,
    }
}

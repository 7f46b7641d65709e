//! What belongs to a connection for gRPC, and what is asked of its client.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tonic::transport::server::Connected;

use super::{Answers, LINGER, WRITE_PATIENCE};
use crate::counts::Place;
use crate::grpc::access::Peer;
use crate::net::{self, Terms};

/// A connection that has begun to speak HTTP/2.
pub(in crate::grpc) type Connection = net::Connection<Belongs>;

/// What a call knows of its connection.
#[derive(Clone)]
pub(in crate::grpc) struct ConnectInfo {
    /// The other end.
    pub(in crate::grpc) peer: Arc<Peer>,
    /// The answers that it has yet to take.
    pub(in crate::grpc) answers: Arc<Answers>,
}

/// What a connection has as long as it lasts.
pub(in crate::grpc) struct Belongs {
    pub(super) info: ConnectInfo,
    pub(super) _places: (OwnedSemaphorePermit, Place),
}

pub(super) static TERMS: Terms<Belongs> = Terms {
    write_patience: WRITE_PATIENCE,
    is_overdue: |of| of.info.answers.are_overdue(),
    linger: Some(LINGER),
};

impl Connected for Connection {
    type ConnectInfo = ConnectInfo;

    fn connect_info(&self) -> ConnectInfo {
        self.of.info.clone()
    }
}

//! What belongs to a connection for gRPC, and what is asked of its client.

use std::sync::Arc;

use tonic::transport::server::Connected;

use super::{LINGER, WRITE_PATIENCE, WaitingAnswers};
use crate::budget::Part;
use crate::grpc::access::Peer;
use crate::net::{self, Listed, Terms};

/// A connection that has begun to speak HTTP/2.
pub(in crate::grpc) type Connection = net::Connection<Admitted>;

/// What a call knows of its connection.
#[derive(Clone)]
pub(in crate::grpc) struct ConnectInfo {
    /// The other end.
    pub(in crate::grpc) peer: Arc<Peer>,
    /// The answers that it has yet to take.
    pub(in crate::grpc) answers: Arc<WaitingAnswers>,
    /// It gives way while its client is waited for.
    pub(in crate::grpc) listed: Arc<Listed>,
}

/// What a connection has as long as it lasts.
pub(in crate::grpc) struct Admitted {
    pub(super) info: ConnectInfo,
    pub(super) _place: Part,
}

pub(super) static TERMS: Terms<Admitted> = Terms {
    write_patience: WRITE_PATIENCE,
    is_overdue: |of| of.info.answers.are_overdue(),
    gives_way: |of, cx| of.info.listed.poll_ends(cx),
    linger: Some(LINGER),
};

impl Connected for Connection {
    type ConnectInfo = ConnectInfo;

    fn connect_info(&self) -> ConnectInfo {
        self.of.info.clone()
    }
}

//! The one table of RPCs and the roles that may call them. What does not stand here cannot be called.
//!
//! Attack: a method for which nobody thought of a role, and messages larger than any that it takes. Shown by
//! `tests/access/every_rpc.rs` (`what_is_no_rpc_is_unimplemented_for_everybody`), the test below, and `tests/service/wrong_input.rs`
//! (`ten_megabytes_are_not_even_read`).

use std::fmt;

use super::roles::{Caller, Role};
use Role::{Auditor, Operator, Signer};

/// Largest message with a checkpoint, in bytes. A checkpoint's payload has at most 512 KiB and its content at most 65,536 values
/// (`checkpoint::MAX_VALUES`). As protobuf, a value takes up to 20 bytes beside its text: 1.75 MiB at most. To be verified it comes with
/// its payload and its published JSON, another 1.1 MiB: 2.9 MiB, and this is more.
const MAX_REQUEST_BYTES: usize = 3 * 1024 * 1024;

/// Largest message of every other RPC: names, numbers, a page token, a sentence of 512 characters.
const MAX_SMALL_REQUEST_BYTES: usize = 64 * 1024;

/// What a caller must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Anyone who was let in, with a role or without: says nothing about the service but that it is there.
    LetIn,
    /// Anyone with one of these roles.
    OneOf(&'static [Role]),
}

/// How long a call may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// Until its one answer.
    Once,
    /// For as long as the caller likes: it is ended when the caller may not any more, and when nothing comes while the service
    /// ends.
    Open,
    /// The same, and whoever answers it looks to that: signing answers first what it has taken in.
    OpenForSigning,
}

/// On which threads a call is worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// On those that have the connections: it signs, or an operator asked for it, or it is over at once.
    Here,
    /// On those that give way to signing: whoever asks has what they have left.
    Aside,
}

/// What a call's request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// One message of names and numbers.
    Few,
    /// As many of these as the caller likes.
    FewEach,
    /// One message with a checkpoint.
    Checkpoint,
    /// As many of these as a stream may have.
    Checkpoints,
}

impl Takes {
    /// Largest message in bytes.
    pub fn at_most(self) -> usize {
        match self {
            Self::Few | Self::FewEach => MAX_SMALL_REQUEST_BYTES,
            Self::Checkpoint | Self::Checkpoints => MAX_REQUEST_BYTES,
        }
    }

    /// Whether they have checkpoints.
    pub fn checkpoints(self) -> bool {
        matches!(self, Self::Checkpoint | Self::Checkpoints)
    }

    /// Whether there may be other than one message.
    pub fn many(self) -> bool {
        matches!(self, Self::FewEach | Self::Checkpoints)
    }
}

/// An RPC that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rpc {
    /// Its path (gRPC over HTTP/2, "Requests").
    pub path: &'static str,
    /// What it is given.
    pub takes: Takes,
    /// Who may call it.
    pub need: Need,
    /// How long a call may go on.
    pub lasts: Lasts,
    /// Where it is worked on. A stream's items are looked after by its own service.
    pub runs: Runs,
}

const fn rpc(path: &'static str, takes: Takes, need: Need, lasts: Lasts) -> Rpc {
    Rpc {
        path,
        takes,
        need,
        lasts,
        runs: Runs::Here,
    }
}

impl Rpc {
    /// Whether it signs what it is given.
    pub(in crate::grpc) fn signs(&self) -> bool {
        self.path
            .starts_with("/amply.checkpoint.v1.SigningService/")
    }

    const fn aside(self) -> Self {
        let runs = Runs::Aside;
        Self { runs, ..self }
    }
}

const ANY_ROLE: Need = Need::OneOf(&[Signer, Auditor, Operator]);

/// Every RPC that is served.
pub const RPCS: &[Rpc] = &[
    rpc(
        "/amply.checkpoint.v1.SigningService/SignCheckpoint",
        Takes::Checkpoint,
        Need::OneOf(&[Signer]),
        Lasts::Once,
    ),
    rpc(
        "/amply.checkpoint.v1.SigningService/SignCheckpoints",
        Takes::Checkpoints,
        Need::OneOf(&[Signer]),
        Lasts::OpenForSigning,
    ),
    rpc(
        "/amply.checkpoint.v1.VerificationService/VerifyCheckpoint",
        Takes::Checkpoint,
        ANY_ROLE,
        Lasts::Once,
    )
    .aside(),
    rpc(
        "/amply.checkpoint.v1.VerificationService/VerifyCheckpoints",
        Takes::Checkpoints,
        ANY_ROLE,
        Lasts::Open,
    ),
    rpc(
        "/amply.checkpoint.v1.KeyService/ListKeys",
        Takes::Few,
        ANY_ROLE,
        Lasts::Once,
    )
    .aside(),
    rpc(
        "/amply.checkpoint.v1.KeyService/GetKey",
        Takes::Few,
        ANY_ROLE,
        Lasts::Once,
    )
    .aside(),
    rpc(
        "/amply.checkpoint.v1.KeyService/WatchKeys",
        Takes::Few,
        ANY_ROLE,
        Lasts::Open,
    ),
    rpc(
        "/amply.checkpoint.v1.KeyService/RefreshKeys",
        Takes::Few,
        Need::OneOf(&[Operator]),
        Lasts::Once,
    ),
    rpc(
        "/amply.checkpoint.v1.KeyService/RevokeKey",
        Takes::Few,
        Need::OneOf(&[Operator]),
        Lasts::Once,
    ),
    rpc(
        "/amply.checkpoint.v1.RecordService/GetSignedCheckpoint",
        Takes::Few,
        ANY_ROLE,
        Lasts::Once,
    )
    .aside(),
    rpc(
        "/amply.checkpoint.v1.RecordService/ListSignedCheckpoints",
        Takes::Few,
        Need::OneOf(&[Auditor, Operator]),
        Lasts::Once,
    )
    .aside(),
    rpc(
        "/amply.checkpoint.v1.RecordService/GetRecordHead",
        Takes::Few,
        ANY_ROLE,
        Lasts::Once,
    ),
    rpc(
        "/amply.checkpoint.v1.RecordService/ProveConsistency",
        Takes::Few,
        ANY_ROLE,
        Lasts::Once,
    )
    .aside(),
    rpc(
        "/amply.checkpoint.v1.RecordService/ListClockResumptions",
        Takes::Few,
        ANY_ROLE,
        Lasts::Once,
    ),
    rpc(
        "/amply.checkpoint.v1.RecordService/ResumeClock",
        Takes::Few,
        Need::OneOf(&[Operator]),
        Lasts::Once,
    ),
    rpc(
        "/grpc.health.v1.Health/Check",
        Takes::Few,
        Need::LetIn,
        Lasts::Once,
    ),
    rpc(
        "/grpc.health.v1.Health/Watch",
        Takes::Few,
        Need::LetIn,
        Lasts::Open,
    ),
    rpc(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        Takes::FewEach,
        ANY_ROLE,
        Lasts::Open,
    ),
    rpc(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        Takes::FewEach,
        ANY_ROLE,
        Lasts::Open,
    ),
];

impl Rpc {
    /// The RPC of this path; none when there is no such RPC.
    pub(in crate::grpc) fn of(path: &str) -> Option<&'static Self> {
        RPCS.iter().find(|rpc| rpc.path == path)
    }
}

impl Need {
    /// Whether the caller has it.
    pub(super) fn is_met_by(self, caller: &Caller) -> bool {
        match self {
            Self::LetIn => true,
            Self::OneOf(roles) => roles.iter().any(|role| caller.has(*role)),
        }
    }
}

/// The roles, of which one is needed.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roles: &[Role] = match self {
            Self::LetIn => &[],
            Self::OneOf(roles) => roles,
        };
        let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        f.write_str(&roles.join(" or "))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::wire::proto::DESCRIPTORS;

    #[test]
    fn every_rpc_of_the_protos_stands_in_the_table_and_nothing_else() {
        let (mut served, mut streams) = (BTreeSet::new(), BTreeSet::new());
        let mut streamed = BTreeSet::new();
        let sets = [
            DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        for set in sets {
            for file in FileDescriptorSet::decode(set).unwrap().file {
                for service in &file.service {
                    for method in &service.method {
                        let (package, service) = (file.package(), service.name());
                        let path = format!("/{package}.{service}/{}", method.name());
                        if method.server_streaming() {
                            streams.insert(path.clone());
                        }
                        if method.client_streaming() {
                            streamed.insert(path.clone());
                        }
                        served.insert(path);
                    }
                }
            }
        }
        let paths = |rpcs: &mut dyn Iterator<Item = &Rpc>| -> BTreeSet<String> {
            rpcs.map(|rpc| rpc.path.to_owned()).collect()
        };
        let table = paths(&mut RPCS.iter());
        assert_eq!(table.len(), RPCS.len(), "no RPC stands twice");
        assert_eq!(table, served);
        let open = paths(&mut RPCS.iter().filter(|rpc| rpc.lasts != Lasts::Once));
        assert_eq!(open, streams);
        let many = paths(&mut RPCS.iter().filter(|rpc| rpc.takes.many()));
        assert_eq!(many, streamed);
    }
}

//! The one table of RPCs and the roles that may call them. What does not stand here cannot be called.

use super::roles::{Caller, Role};
use Role::{Auditor, Operator, Signer};

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
    /// For as long as the caller likes: it is ended when the caller may not any more, or when the service ends.
    Open,
    /// The same, and whoever answers it looks to that: signing answers first what it has taken in.
    OpenForSigning,
}

/// An RPC that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rpc {
    /// Its path (gRPC over HTTP/2, "Requests").
    pub path: &'static str,
    /// Who may call it.
    pub need: Need,
    /// How long a call may go on.
    pub lasts: Lasts,
}

const fn rpc(path: &'static str, need: Need, lasts: Lasts) -> Rpc {
    Rpc { path, need, lasts }
}

const ANY_ROLE: Need = Need::OneOf(&[Signer, Auditor, Operator]);

/// Every RPC that is served.
pub const RPCS: &[Rpc] = &[
    rpc(
        "/amply.checkpoint.v1.SigningService/SignCheckpoint",
        Need::OneOf(&[Signer]),
        Lasts::Once,
    ),
    rpc(
        "/amply.checkpoint.v1.SigningService/SignCheckpoints",
        Need::OneOf(&[Signer]),
        Lasts::OpenForSigning,
    ),
    rpc(
        "/amply.checkpoint.v1.VerificationService/VerifyCheckpoint",
        ANY_ROLE,
        Lasts::Once,
    ),
    rpc(
        "/amply.checkpoint.v1.VerificationService/VerifyCheckpoints",
        ANY_ROLE,
        Lasts::Open,
    ),
    rpc(
        "/amply.checkpoint.v1.KeyService/ListKeys",
        ANY_ROLE,
        Lasts::Once,
    ),
    rpc(
        "/amply.checkpoint.v1.KeyService/GetKey",
        ANY_ROLE,
        Lasts::Once,
    ),
    rpc(
        "/amply.checkpoint.v1.KeyService/WatchKeys",
        ANY_ROLE,
        Lasts::Open,
    ),
    rpc(
        "/amply.checkpoint.v1.KeyService/RefreshKeys",
        Need::OneOf(&[Operator]),
        Lasts::Once,
    ),
    rpc(
        "/amply.checkpoint.v1.KeyService/RevokeKey",
        Need::OneOf(&[Operator]),
        Lasts::Once,
    ),
    rpc(
        "/amply.checkpoint.v1.RecordService/GetSignedCheckpoint",
        ANY_ROLE,
        Lasts::Once,
    ),
    rpc(
        "/amply.checkpoint.v1.RecordService/ListSignedCheckpoints",
        Need::OneOf(&[Auditor, Operator]),
        Lasts::Once,
    ),
    rpc(
        "/amply.checkpoint.v1.RecordService/GetRecordHead",
        ANY_ROLE,
        Lasts::Once,
    ),
    rpc(
        "/amply.checkpoint.v1.RecordService/ProveConsistency",
        ANY_ROLE,
        Lasts::Once,
    ),
    rpc("/grpc.health.v1.Health/Check", Need::LetIn, Lasts::Once),
    rpc("/grpc.health.v1.Health/Watch", Need::LetIn, Lasts::Open),
    rpc(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ANY_ROLE,
        Lasts::Open,
    ),
    rpc(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ANY_ROLE,
        Lasts::Open,
    ),
];

impl Rpc {
    /// The RPC of this path; none when there is no such RPC.
    pub(super) fn of(path: &str) -> Option<&'static Self> {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::grpc::proto::DESCRIPTORS;

    #[test]
    fn every_rpc_of_the_protos_stands_in_the_table_and_nothing_else() {
        let (mut served, mut streams) = (BTreeSet::new(), BTreeSet::new());
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
    }
}

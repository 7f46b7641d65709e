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

const ANY_ROLE: Need = Need::OneOf(&[Signer, Auditor, Operator]);

/// Every RPC that is served, as its path (gRPC over HTTP/2, "Requests"), and who may call it.
pub const RPCS: &[(&str, Need)] = &[
    (
        "/amply.checkpoint.v1.SigningService/SignCheckpoint",
        Need::OneOf(&[Signer]),
    ),
    (
        "/amply.checkpoint.v1.SigningService/SignCheckpoints",
        Need::OneOf(&[Signer]),
    ),
    (
        "/amply.checkpoint.v1.VerificationService/VerifyCheckpoint",
        ANY_ROLE,
    ),
    (
        "/amply.checkpoint.v1.VerificationService/VerifyCheckpoints",
        ANY_ROLE,
    ),
    ("/amply.checkpoint.v1.KeyService/ListKeys", ANY_ROLE),
    ("/amply.checkpoint.v1.KeyService/GetKey", ANY_ROLE),
    ("/amply.checkpoint.v1.KeyService/WatchKeys", ANY_ROLE),
    (
        "/amply.checkpoint.v1.KeyService/RefreshKeys",
        Need::OneOf(&[Operator]),
    ),
    (
        "/amply.checkpoint.v1.KeyService/RevokeKey",
        Need::OneOf(&[Operator]),
    ),
    (
        "/amply.checkpoint.v1.RecordService/GetSignedCheckpoint",
        ANY_ROLE,
    ),
    (
        "/amply.checkpoint.v1.RecordService/ListSignedCheckpoints",
        Need::OneOf(&[Auditor, Operator]),
    ),
    ("/amply.checkpoint.v1.RecordService/GetRecordHead", ANY_ROLE),
    (
        "/amply.checkpoint.v1.RecordService/ProveConsistency",
        ANY_ROLE,
    ),
    ("/grpc.health.v1.Health/Check", Need::LetIn),
    ("/grpc.health.v1.Health/Watch", Need::LetIn),
    (
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ANY_ROLE,
    ),
    (
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ANY_ROLE,
    ),
];

impl Need {
    /// What the RPC of this path needs; none when there is no such RPC.
    pub(super) fn of(path: &str) -> Option<Self> {
        RPCS.iter()
            .find(|(rpc, _)| *rpc == path)
            .map(|(_, need)| *need)
    }

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
        let mut served = BTreeSet::new();
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
                        served.insert(format!(
                            "/{}.{}/{}",
                            file.package(),
                            service.name(),
                            method.name()
                        ));
                    }
                }
            }
        }
        let table: BTreeSet<String> = RPCS.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(table.len(), RPCS.len(), "no RPC stands twice");
        assert_eq!(table, served);
    }
}

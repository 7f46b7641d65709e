//! Why a secret holds no key.

use crate::fault::{self, FieldFault};

/// Why a document is refused: at least one fault, each naming its member, none holding key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", fault::list(.0))]
pub struct SecretError(pub Vec<FieldFault>);

impl SecretError {
    pub(super) fn one(field: &str, problem: impl Into<String>) -> Self {
        Self(vec![FieldFault::new(field, problem)])
    }
}

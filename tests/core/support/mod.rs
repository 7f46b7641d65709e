//! Set-up that the modules share: checkpoints, keys made by OpenSSL, and secret documents.

pub(crate) mod checkpoint;

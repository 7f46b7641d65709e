//! Set-up that the modules share: JSON documents, checkpoints, keys made by OpenSSL, and secrets.

pub(crate) mod checkpoint;
pub(crate) mod document;
pub(crate) mod openssl;
pub(crate) mod rsa_numbers;
pub(crate) mod secret;

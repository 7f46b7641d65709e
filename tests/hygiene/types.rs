//! Key material cannot be copied, printed or serialized by accident: the compiler refuses.

use std::fmt::{Debug, Display};

use checkpoint::key::PrivateKey;
use checkpoint::signing::{KeySecret, OpenKey, SigningKey, VersionSecret};
use checkpoint_signer::signer::{KeyManager, KeysInForce};
use serde::Serialize;
use static_assertions::assert_not_impl_any;

assert_not_impl_any!(PrivateKey: Clone, Copy, Debug, Display, Serialize);
assert_not_impl_any!(SigningKey: Clone, Copy, Debug, Display, Serialize);
assert_not_impl_any!(OpenKey<'static>: Clone, Copy, Debug, Display, Serialize);
assert_not_impl_any!(KeySecret: Clone, Copy, Debug, Display, Serialize);
assert_not_impl_any!(VersionSecret: Clone, Copy, Debug, Display, Serialize);
assert_not_impl_any!(KeysInForce: Clone, Copy, Debug, Display, Serialize);
// Clones of the handle share the keys.
assert_not_impl_any!(KeyManager: Debug, Display, Serialize);

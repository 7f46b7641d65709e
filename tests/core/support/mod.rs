//! Set-up that the modules share: keys, secret documents and checkpoints.

//! The files that a service is given.

use std::path::Path;

use crate::authority::Authority;

/// Puts them into a folder, by the names of `deploy/README.md`.
pub fn write(folder: &Path) {
    let authority = Authority::new("of all");
    authority.issue(folder, "server", "localhost");
    let roles = "[clients.\"URI:spiffe://amply.example/ledger\"]\nroles = [\"signer\"]\n";
    for (file, text) in [
        ("clients-ca.crt", authority.pem()),
        ("database-ca.pem", authority.pem()),
        ("roles.toml", roles),
    ] {
        std::fs::write(folder.join(file), text).unwrap();
    }
}

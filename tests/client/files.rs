//! The files that the client's tests start services with.

use std::path::Path;

use checkpoint::key::{Algorithm, ValidityWindow, parse_instant};
use checkpoint::signing::KeySecret;

use crate::authority::{Authority, replace};

const ROLES: &str = r#"
[clients."URI:spiffe://amply.example/ledger"]
roles = ["signer"]

[clients."DNS:auditor.amply.example"]
roles = ["auditor"]
"#;

/// Keys with windows that hold, have ended and have not begun, whenever the tests run; certificates and roles.
pub fn write(folder: &Path) {
    for (file, key_id, from, until) in [
        ("keys.json", "key-now", "2020-01-01", "2099-01-01"),
        ("expired.json", "key-old", "2020-01-01", "2021-01-01"),
        ("scheduled.json", "key-new", "2098-01-01", "2099-01-01"),
    ] {
        let instant = |text| parse_instant(text).unwrap();
        let window = ValidityWindow::new(instant(from), instant(until)).unwrap();
        let key_id = key_id.parse().unwrap();
        let made = KeySecret::generate(key_id, window, Algorithm::Ps256, 2048, None);
        replace(&folder.join(file), &made.unwrap().0);
    }
    let authority = Authority::new("the right one");
    authority.issue(folder, "server", "localhost");
    authority.issue(folder, "ledger", "spiffe://amply.example/ledger");
    authority.issue(folder, "auditor", "auditor.amply.example");
    replace(&folder.join("ca.crt"), authority.pem());
    replace(&folder.join("roles.toml"), ROLES);
}

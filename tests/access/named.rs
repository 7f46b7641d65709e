//! What the names of a certificate let its holder do.

use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use checkpoint_signer::wire::proto::{ListKeysRequest, RefreshKeysRequest};
use tonic::Code;

use crate::authority::{read, replace};
use crate::guarded::Guarded;

const ROLES: &str = r#"
[clients."DNS:operator.amply.example"]
roles = ["operator"]
[clients."URI:spiffe://amply.example/operator"]
roles = ["operator"]
[clients."DNS:auditor.amply.example"]
roles = ["auditor"]
"#;

/// A service that believes these authorities.
pub async fn believing(authorities: &[&str]) -> Guarded {
    let service = Guarded::start_with(|folder| {
        let mut trusted = read(&folder.join("ca.crt"));
        trusted.extend(authorities.iter().copied());
        replace(&folder.join("ca.crt"), &trusted);
        replace(&folder.join("roles.toml"), ROLES);
        std::fs::remove_file(folder.join("ca.crl")).unwrap();
    });
    service.await
}

/// Whether it may read, and whether it may operate.
pub async fn may(service: &Guarded, file: &str) -> (bool, bool) {
    let mut client = KeyServiceClient::new(service.client(Some(file)));
    let mut codes = Vec::new();
    codes.push(client.list_keys(ListKeysRequest {}).await.err());
    codes.push(client.refresh_keys(RefreshKeysRequest {}).await.err());
    let mut may = codes.into_iter().map(|refused| match refused {
        None => true,
        Some(status) => {
            assert_eq!(status.code(), Code::PermissionDenied, "{file}: {status:?}");
            false
        }
    });
    (may.next().unwrap(), may.next().unwrap())
}

pub const NOTHING: (bool, bool) = (false, false);
pub const READS: (bool, bool) = (true, false);
pub const OPERATES: (bool, bool) = (true, true);

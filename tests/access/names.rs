//! The names in a certificate: each has the roles of its own type of name, and of no other.

use std::path::Path;

use checkpoint_signer::grpc::access::{Access, Clients};
use checkpoint_signer::grpc::proto::key_service_client::KeyServiceClient;
use checkpoint_signer::grpc::proto::{ListKeysRequest, RefreshKeysRequest};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, NameConstraints, SanType,
};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::authority::{Identity, read, replace};
use crate::guarded::{Guarded, files, prepare};

const ROLES: &str = r#"
[clients."DNS:operator.amply.example"]
roles = ["operator"]
[clients."URI:spiffe://amply.example/operator"]
roles = ["operator"]
[clients."DNS:auditor.amply.example"]
roles = ["auditor"]
"#;

/// An authority of its own making, which may be bound to some names.
struct Issuing {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Issuing {
    fn bound_to(permitted: Option<&str>) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        let name = permitted.unwrap_or("free");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.name_constraints = permitted.map(|domain| NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName(domain.into())],
            excluded_subtrees: vec![],
        });
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    fn issue(&self, folder: &Path, file: &str, common_name: &str, names: Vec<SanType>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.subject_alt_names = names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        replace(&folder.join(format!("{file}.key")), &key.serialize_pem());
        replace(&folder.join(format!("{file}.crt")), &certificate.pem());
    }
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

/// A service that believes these authorities.
async fn believing(authorities: &[&Issuing]) -> Guarded {
    let service = Guarded::start_with(|folder| {
        let mut trusted = read(&folder.join("ca.crt"));
        trusted.extend(authorities.iter().map(|authority| authority.pem.as_str()));
        replace(&folder.join("ca.crt"), &trusted);
        replace(&folder.join("roles.toml"), ROLES);
        std::fs::remove_file(folder.join("ca.crl")).unwrap();
    });
    service.await
}

async fn may(service: &Guarded, file: &str) -> (bool, bool) {
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

const NOTHING: (bool, bool) = (false, false);
const READS: (bool, bool) = (true, false);
const OPERATES: (bool, bool) = (true, true);

#[tokio::test]
async fn a_name_has_the_roles_of_its_own_type_alone() {
    let free = Issuing::bound_to(None);
    let service = believing(&[&free]).await;
    let cases = [
        (vec![dns("operator.amply.example")], OPERATES),
        (vec![dns("Operator.AMPLY.example")], OPERATES),
        (vec![uri("spiffe://amply.example/operator")], OPERATES),
        (vec![uri("operator.amply.example")], NOTHING),
        (vec![uri("DNS:operator.amply.example")], NOTHING),
        (vec![uri("dns:operator.amply.example")], NOTHING),
        (vec![uri("spiffe://operator.amply.example")], NOTHING),
        (vec![uri("spiffe://amply.example/Operator")], NOTHING),
        (vec![uri("spiffe://amply.example/operator/")], NOTHING),
        (vec![uri("spiffe://amply.example/operator\0x")], NOTHING),
        (vec![dns("operator.amply.example\0.evil.example")], NOTHING),
        (vec![dns("*.amply.example")], NOTHING),
        (vec![dns("xoperator.amply.example")], NOTHING),
        (
            vec![SanType::Rfc822Name(
                "operator.amply.example".try_into().unwrap(),
            )],
            NOTHING,
        ),
        (vec![SanType::IpAddress([127, 0, 0, 1].into())], NOTHING),
        (
            vec![SanType::OtherName((
                vec![1, 3, 6, 1, 5, 5, 7, 8, 7],
                "operator.amply.example".into(),
            ))],
            NOTHING,
        ),
        // Several names: the roles of all of them.
        (
            vec![
                uri("operator.amply.example"),
                dns("auditor.amply.example"),
                SanType::IpAddress([10, 0, 0, 1].into()),
            ],
            READS,
        ),
        (
            vec![
                dns("auditor.amply.example"),
                uri("spiffe://amply.example/operator"),
            ],
            OPERATES,
        ),
    ];
    for (number, (names, expected)) in cases.into_iter().enumerate() {
        let shown = format!("{names:?}");
        free.issue(
            service.folder.path(),
            "client",
            "operator.amply.example",
            names,
        );
        assert_eq!(may(&service, "client").await, expected, "{number}: {shown}");
    }
    free.issue(
        service.folder.path(),
        "common-name-alone",
        "operator.amply.example",
        vec![],
    );
    assert_eq!(may(&service, "common-name-alone").await, NOTHING);
}

#[tokio::test]
async fn an_authority_that_is_bound_in_dns_names_gets_past_no_dns_role() {
    let partner = Issuing::bound_to(Some("partner.example"));
    let service = believing(&[&partner]).await;
    let folder = service.folder.path();
    partner.issue(
        folder,
        "past",
        "operator.amply.example",
        vec![
            dns("ledger.partner.example"),
            uri("operator.amply.example"),
            uri("auditor.amply.example"),
        ],
    );
    assert_eq!(may(&service, "past").await, NOTHING);
    partner.issue(
        folder,
        "bold",
        "operator.amply.example",
        vec![dns("operator.amply.example")],
    );
    let mut client = KeyServiceClient::new(service.client(Some("bold")));
    let refused = client.list_keys(ListKeysRequest {}).await.unwrap_err();
    assert_ne!(
        refused.code(),
        Code::PermissionDenied,
        "it is not let in at all: {refused:?}"
    );
}

#[tokio::test]
async fn certificates_of_openssl_are_read_in_the_same_way() {
    let service = believing(&[]).await;
    let folder = service.folder.path();
    let openssl = |arguments: &str| {
        let output = crate::starter::program("openssl")
            .args(arguments.split_whitespace())
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 -subj /CN=openssl \
             -keyout own.key -out own.crt",
    );
    let trusted = format!(
        "{}{}",
        read(&folder.join("ca.crt")),
        read(&folder.join("own.crt"))
    );
    replace(&folder.join("ca.crt"), &trusted);
    for (file, names, expected) in [
        ("dns", "DNS:operator.amply.example", OPERATES),
        ("uri", "URI:operator.amply.example", NOTHING),
        ("email", "email:operator@amply.example", NOTHING),
        (
            "both",
            "email:a@b.example,URI:urn:x,DNS:auditor.amply.example",
            READS,
        ),
    ] {
        openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 \
             -subj /CN=operator.amply.example -addext subjectAltName={names} \
             -addext basicConstraints=critical,CA:FALSE -CA own.crt -CAkey own.key -keyout {file}.key -out {file}.crt"
        ));
        // The authority is in force within seconds.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let mut client = KeyServiceClient::new(service.client(Some(file)));
            match client.list_keys(ListKeysRequest {}).await {
                Err(status) if status.code() != Code::PermissionDenied => {
                    assert!(
                        std::time::Instant::now() < deadline,
                        "the authority is not believed after 60 s: {status:?}"
                    );
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
                _ => break,
            }
        }
        assert_eq!(may(&service, file).await, expected, "{file}");
    }
    assert!(Identity::in_folder(folder, "uri").certificate.exists());
}

#[tokio::test]
async fn a_certificate_without_a_name_that_counts_is_told_that() {
    let free = Issuing::bound_to(None);
    let service = believing(&[&free]).await;
    free.issue(
        service.folder.path(),
        "nameless",
        "operator.amply.example",
        vec![],
    );
    let mut client = KeyServiceClient::new(service.client(Some("nameless")));
    let status = client.list_keys(ListKeysRequest {}).await.unwrap_err();
    let said = status.message();
    for part in [
        "has no name that counts",
        "expected a URI or a DNS name (subjectAltName) with the role ",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn a_name_without_its_type_is_refused_with_what_to_write() {
    let (folder, _) = prepare();
    for (name, expected) in [
        (
            "operator.amply.example",
            "expected [clients.\"DNS:operator.amply.example\"]",
        ),
        (
            "spiffe://amply.example/operator",
            "expected [clients.\"URI:spiffe://amply.example/operator\"]",
        ),
        ("DNS:*.amply.example", "has a wildcard, which names nobody"),
        (
            "DNS:Bücher.example",
            "expected \"DNS:xn--bcher-kva.example\"",
        ),
    ] {
        let roles = format!("[clients.\"{name}\"]\nroles = [\"operator\"]\n");
        replace(&folder.path().join("roles.toml"), &roles);
        let access = Access::certificates(files(folder.path()), CancellationToken::new()).await;
        let faults = access.err().unwrap();
        let said = faults
            .iter()
            .map(|fault| fault.to_string())
            .collect::<String>();
        assert!(said.contains(expected), "{name}: {said}");
    }
    let twice = "[clients.\"DNS:a.example\"]\nroles=[\"auditor\"]\n[clients.\"DNS:A.example.\"]\nroles=[\"operator\"]";
    assert!(
        Clients::parse(twice).is_err(),
        "one name stands there twice"
    );
}

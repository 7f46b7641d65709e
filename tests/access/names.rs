//! The names in a certificate: each has the roles of its own type of name, and of no other.

use std::path::Path;

use checkpoint_signer::grpc::access::{Access, Clients};
use checkpoint_signer::wire::proto::ListKeysRequest;
use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, NameConstraints, SanType,
};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::authority::replace;
use crate::guarded::{files, prepare};
use crate::named::{NOTHING, OPERATES, READS, believing, may};

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

#[tokio::test]
async fn a_name_has_the_roles_of_its_own_type_alone() {
    let free = Issuing::bound_to(None);
    let service = believing(&[&free.pem]).await;
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
    let service = believing(&[&partner.pem]).await;
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
async fn a_certificate_without_a_name_that_counts_is_told_that() {
    let free = Issuing::bound_to(None);
    let service = believing(&[&free.pem]).await;
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

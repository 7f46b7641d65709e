//! The names of certificates that `openssl` makes.

use checkpoint_signer::wire::proto::ListKeysRequest;
use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use tonic::Code;

use crate::authority::{Identity, read, replace};
use crate::named::{NOTHING, OPERATES, READS, believing, may};

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

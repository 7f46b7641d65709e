//! Certificates of an authority, and the next authority's that take their place while everything runs.

use std::path::{Path, PathBuf};

use crate::authority::{Authority, Identity, read, replace};
use crate::replica::Replica;
use crate::site::Site;

const NAMES: [(&str, &str); 3] = [
    ("server", "localhost"),
    ("ledger", "spiffe://amply.example/ledger"),
    ("operator", "spiffe://amply.example/operator"),
];

pub struct Certificates {
    folder: PathBuf,
    first: Authority,
    next: Authority,
}

impl Certificates {
    /// Issued by the first authority, in the files that everybody reads: `ca.crt`, and a pair for each name. The pairs
    /// `next-...` are by the next one, which `next-ca.crt` has alone.
    pub fn new(folder: &Path) -> Self {
        let (first, next) = (Authority::new("first"), Authority::new("next"));
        for (file, name) in NAMES {
            first.issue(folder, file, name);
            next.issue(folder, &format!("next-{file}"), name);
        }
        first.issue(folder, "first-operator", "spiffe://amply.example/operator");
        replace(&folder.join("ca.crt"), first.pem());
        replace(&folder.join("next-ca.crt"), next.pem());
        Self {
            folder: folder.into(),
            first,
            next,
        }
    }

    fn trust(&self, authorities: &[&Authority]) {
        let all: String = authorities
            .iter()
            .map(|authority| authority.pem())
            .collect();
        replace(&self.folder.join("ca.crt"), &all);
    }

    fn use_next(&self) {
        for (file, _) in NAMES {
            let from = Identity::in_folder(&self.folder, &format!("next-{file}"));
            let to = Identity::in_folder(&self.folder, file);
            replace(&to.certificate, &read(&from.certificate));
            replace(&to.key, &read(&from.key));
        }
    }
}

/// The next authority takes the first one's place: it is trusted too, then everybody has its certificates, then it is
/// trusted alone. Each step is seen to be in force on each replica before the next one.
pub async fn rotate(site: &Site, replicas: &[&Replica]) {
    let certificates = &site.certificates;
    let urls: Vec<String> = replicas.iter().map(|replica| replica.url()).collect();
    let each = async |good: bool, identity: &str, ca: &str| {
        for url in &urls {
            site.until(good, identity, ca, &["keys", "list", "--server", url])
                .await;
        }
    };
    each(false, "next-operator", "ca").await;
    certificates.trust(&[&certificates.first, &certificates.next]);
    each(true, "next-operator", "ca").await;
    certificates.use_next();
    each(true, "operator", "next-ca").await;
    certificates.trust(&[&certificates.next]);
    each(false, "first-operator", "ca").await;
}

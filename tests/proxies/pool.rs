//! pgbouncer between the replicas and their database.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::debian::Package;
use crate::page::block;
use crate::port::HeldPort;
use crate::postgres::Database;
use crate::site::Site;
use crate::{starter, wait};

struct Pooler {
    child: Child,
    port: HeldPort,
    _folder: TempDir,
}

impl Pooler {
    /// As the page has it, before this database.
    async fn start(database: &Database<'_>) -> Self {
        let package = Package::get(
            "pgbouncer",
            &["pgbouncer", r"libevent-2\.1-7*", "libc-ares2*"],
        );
        let (folder, port) = (tempfile::tempdir().unwrap(), HeldPort::new());
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let users = folder.path().join("userlist.txt");
        std::fs::write(&users, "\"postgres\" \"secret word\"\n").unwrap();
        let own = "amply = host=db.example.org port=5432";
        let here = format!(
            "{} = host=127.0.0.1 port={}",
            database.name, database.server.port
        );
        let text = block("ini", "[pgbouncer]");
        let text = [
            (own, here.as_str()),
            ("10.0.1.10", "127.0.0.1"),
            ("6432", &port.port.to_string()),
            ("/etc/pgbouncer/userlist.txt", &users.display().to_string()),
        ]
        .iter()
        .fold(text, |text, (found, here)| {
            assert!(text.contains(found), "the page has {found}: {text}");
            text.replace(found, here)
        });
        // It refuses to be root, and its socket's folder may not be there.
        let as_nobody = match rustix::process::geteuid().is_root() {
            true => "user = nobody\n",
            false => "",
        };
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, format!("{text}unix_socket_dir =\n{as_nobody}")).unwrap();
        let mut command = package.command();
        let child = command.arg(&file).stderr(Stdio::null()).spawn().unwrap();
        let listens = async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port.port))
                .await
                .is_ok()
        };
        wait::until("pgbouncer to listen", listens).await;
        Self {
            child,
            port,
            _folder: folder,
        }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_sign_and_restart_through_the_pooler_of_the_page() {
    let database = Database::new().await;
    let pooler = Pooler::start(&database).await;
    let through = database.url().replace(
        &format!(":{}/", database.server.port),
        &format!(":{}/", pooler.port.port),
    );
    let mut site = Site::on(&through);
    let sign = async |site: &Site, name: &str| {
        for (number, replica) in site.replicas.iter().enumerate() {
            let ledger =
                crate::caller::Caller::new(site.folder.path(), "ledger", replica.grpc.port);
            let name = format!("org_{name}_{number}");
            let signed = ledger
                .streams(&name, 50, 0, std::time::Duration::ZERO)
                .await;
            assert_eq!(signed.unwrap(), 50);
        }
    };
    sign(&site, "first").await;
    for replica in &mut site.replicas {
        replica.end();
        replica.start_again();
    }
    sign(&site, "second").await;
    let mut verify = starter::binary();
    let verify = verify.args(["record", "verify", "--record", &through]);
    let verified = verify.output().unwrap();
    let shown = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(
        shown.contains("200 rows") && shown.contains("all is well"),
        "{shown}{verified:?}"
    );
}

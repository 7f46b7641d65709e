//! Two replicas with mutual TLS on one PostgreSQL, the places at which a proxy of theirs listens, and the proxies.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::authority::Authority;
use crate::debian::Package;
use crate::page;
use crate::port::HeldPort;
use crate::postgres::{Database, Server};
use crate::replica::Replica;
use crate::support::{key_with, write_keys};
use crate::{starter, wait};

const ROLES: &str = r#"
[clients."URI:spiffe://amply.example/ledger"]
roles = ["signer", "auditor"]
[clients."URI:spiffe://amply.example/operator"]
roles = ["operator", "auditor"]
[clients."URI:spiffe://amply.example/proxy"]
roles = ["signer", "auditor"]
"#;

/// Where the proxies of this page listen.
pub struct Places {
    /// gRPC with TLS passed through.
    pub passed: HeldPort,
    /// gRPC with TLS ended there.
    pub ended: HeldPort,
    /// HTTP.
    pub public: HeldPort,
}

pub struct Site {
    pub folder: TempDir,
    pub replicas: [Replica; 2],
    pub places: Places,
}

impl Site {
    pub async fn start() -> Self {
        Self::on(&Database::new().await.url())
    }

    pub async fn on_own_database(server: &Server) -> Self {
        Self::on(&server.database().await.url())
    }

    pub fn on(record: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let authority = Authority::new("the authority");
        for name in ["ca.crt", "clients-ca.crt"] {
            std::fs::write(path.join(name), authority.pem()).unwrap();
        }
        authority.issue(path, "server", "localhost");
        for name in ["ledger", "operator", "proxy"] {
            authority.issue(path, name, &format!("spiffe://amply.example/{name}"));
        }
        // HAProxy's form.
        for name in ["server", "proxy"] {
            let read = |kind| std::fs::read_to_string(path.join(format!("{name}.{kind}"))).unwrap();
            std::fs::write(path.join(format!("{name}.pem")), read("crt") + &read("key")).unwrap();
        }
        std::fs::write(path.join("roles.toml"), ROLES).unwrap();
        write_keys(
            path,
            &key_with("key-proxies", "2020-01-01", "2099-01-01", 0),
        );
        let mut init = starter::binary();
        let made = init.args(["record", "init", "--record", record]).output();
        assert!(made.as_ref().unwrap().status.success(), "{made:?}");
        let replicas = ["a", "b"].map(|name| Replica::start(path, name, record));
        let places = Places {
            passed: HeldPort::new(),
            ended: HeldPort::new(),
            public: HeldPort::new(),
        };
        Self {
            folder,
            replicas,
            places,
        }
    }

    pub fn public(&self) -> String {
        format!("http://127.0.0.1:{}", self.places.public.port)
    }

    /// nginx, with what the page has for the top level and for the section `http`.
    pub async fn nginx(&self, top: &str, http: &str) -> Proxy {
        let package = Package::get("nginx", &["nginx", "libnginx-mod-stream", "libpcre2-8-0"]);
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().display();
        let stream = "usr/lib/nginx/modules/ngx_stream_module.so";
        let modules = package.root.join(stream);
        // As root, its workers are root's: the files of the test are.
        let user = match rustix::process::geteuid().is_root() {
            true => "user root;",
            false => "",
        };
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|name| format!("{name}_temp_path {own}/{name};\n"));
        let text = format!(
            "load_module {};\ndaemon off;\npid {own}/pid;\n{user}\nerror_log {own}/error.log;\n\
             events {{ worker_connections 1024; }}\n{}http {{\naccess_log off;\n{}{}}}\n",
            modules.display(),
            page::here(top, self),
            temporary.concat(),
            page::here(http, self)
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, text).unwrap();
        let mut command = package.command();
        command.arg("-c").arg(&file).arg("-p").arg(folder.path());
        self.proxy(command, folder).await
    }

    /// HAProxy, with these parts of the page.
    pub async fn haproxy(&self, parts: &[&str]) -> Proxy {
        let package = Package::get(
            "haproxy",
            &[
                "haproxy",
                r"liblua5\.[34]-0",
                "libopentracing-c-wrapper0*",
                "libopentracing1*",
                "libpcre2-8-0",
                "libsystemd0",
            ],
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("haproxy.cfg");
        let parts: String = parts.concat();
        let text = format!("global\n  maxconn 1024\n{}", page::here(&parts, self));
        std::fs::write(&file, text).unwrap();
        let mut command = package.command();
        command.arg("-db").arg("-f").arg(&file);
        self.proxy(command, folder).await
    }

    async fn proxy(&self, mut command: Command, folder: TempDir) -> Proxy {
        let log = folder.path().join("said");
        let file = std::fs::File::create(&log).unwrap();
        command.stdout(Stdio::null()).stderr(file);
        let mut child = command.spawn().unwrap();
        let mut ports = vec![self.places.public.port, self.places.passed.port];
        ports.push(self.places.ended.port);
        let listens = async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{command:?}: {status}: {}", read(&log));
            }
            let mut all = true;
            for port in &ports {
                let connected = tokio::net::TcpStream::connect(("127.0.0.1", *port)).await;
                all &= connected.is_ok();
            }
            all
        };
        wait::until("a proxy to listen", listens).await;
        Proxy {
            child,
            _folder: folder,
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// A proxy that runs; it ends with this.
pub struct Proxy {
    child: Child,
    _folder: TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // SIGTERM, so that its workers end as well.
        let pid = i32::try_from(self.child.id()).ok();
        let pid = pid.and_then(rustix::process::Pid::from_raw).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _watch = wait::watch(self.child.id(), "a proxy to end");
        let _ = self.child.wait();
    }
}

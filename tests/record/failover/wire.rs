//! A proxy between a standby and its primary, which can be cut.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// What PostgreSQL calls its socket.
const SOCKET: &str = ".s.PGSQL.5432";

/// How it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Cut,
}

pub struct Wire(watch::Sender<State>);

impl Wire {
    /// Listens in one folder, and leads to the server with its sockets in the other.
    pub fn new(from: &Path, to: &Path) -> Self {
        std::fs::create_dir(from).unwrap();
        let socket = from.join(SOCKET);
        let listener = UnixListener::bind(&socket).unwrap();
        // The servers are not run by the user who runs the tests.
        for path in [from, &socket] {
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
        }
        let (state, states) = watch::channel(State::Open);
        let to = to.join(SOCKET);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, to.clone(), states.clone()));
            }
        });
        Self(state)
    }

    /// All connections end, and no other one is led anywhere.
    pub fn cut(&self) {
        self.0.send_replace(State::Cut);
    }

    pub fn mend(&self) {
        self.0.send_replace(State::Open);
    }
}

async fn pass(mut stream: UnixStream, to: std::path::PathBuf, mut states: watch::Receiver<State>) {
    if *states.borrow() == State::Cut {
        return;
    }
    let Ok(mut server) = UnixStream::connect(to).await else {
        return;
    };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut stream, &mut server) => {}
        _ = states.wait_for(|state| *state == State::Cut) => {}
    }
}

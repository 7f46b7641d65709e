//! A port of loopback that nobody else is given for as long as this lives, for a program that must be found at the same address
//! after it was started again.
//!
//! The port is bound here and never listened on. Linux lets whoever names the port listen on it meanwhile (both ask for
//! SO_REUSEADDR, as every listener of Rust and PostgreSQL's does), and gives it to nobody who asks for any port.

use tokio::net::TcpSocket;

pub struct HeldPort {
    _socket: TcpSocket,
    pub port: u16,
}

impl HeldPort {
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("SO_REUSEADDR");
        let any = ([127, 0, 0, 1], 0).into();
        socket.bind(any).expect("a free port on loopback");
        let port = socket.local_addr().expect("the port").port();
        Self {
            _socket: socket,
            port,
        }
    }
}

//! An address where nobody is.

use tokio::net::TcpSocket;

/// An address that refuses connections. While this lives nobody else gets it: a port that
/// was only free a moment ago may be another test's by now.
pub(crate) struct Nowhere(TcpSocket);

impl Nowhere {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // Bound and never listening.
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    /// `<host>:<port>`
    pub(crate) fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }
}

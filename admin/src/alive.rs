//! What the service manager is told of the admin app: that it is ready, and from then on
//! that it lives, for as long as it answers requests.

use std::net::SocketAddr;

use store::config::ServiceManager;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Signs of life within the time that a watchdog gives.
const SIGNS: u32 = 3;

/// Tells it until the app ends.
pub(crate) async fn tell(manager: ServiceManager, address: SocketAddr) {
    manager.tell(&format!("READY=1\nSTATUS=serving on http://{address}"));
    let Some(every) = manager.watchdog().map(|within| within / SIGNS) else {
        return;
    };
    loop {
        let answered = tokio::time::timeout(every, answers(address)).await;
        if matches!(answered, Ok(Ok(()))) {
            manager.tell("WATCHDOG=1");
        }
        tokio::time::sleep(every).await;
    }
}

/// Asks as anyone would. Whatever is answered, somebody has: a store that cannot be read is
/// not mended by starting anew.
async fn answers(address: SocketAddr) -> std::io::Result<()> {
    let mut asked = TcpStream::connect(address).await?;
    let request = format!("HEAD /health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    asked.write_all(request.as_bytes()).await?;
    let mut answer = [0; 9];
    asked.read_exact(&mut answer).await?;
    Ok(())
}

//! TCP.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::protocol::{Neighbors, Port};

/// Connections of one port; more wait until one ends.
const CONNECTIONS_MAX: usize = 4096;
/// The container is on this machine: it answers or it does not.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// For each direction of a connection.
const BUFFER_BYTES: usize = 64 << 10;
/// After a failure of the kernel, which is not expected to end sooner: descriptors, memory.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);

/// A listening socket.
pub(crate) fn listener(socket: OwnedFd) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Accepts connections, and carries them until they end; they do not end with this.
pub(crate) async fn carry(port: Arc<Port>, neighbors: Arc<Neighbors>, listener: TcpListener) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((near, peer)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        if !neighbors.reach(port.reach, peer.ip()) {
            tracing::debug!(peer = %peer, target = %port.target, "a connection is not carried");
            continue;
        }
        let target = port.target;
        tokio::spawn(async move {
            // Whoever is left learns from the end of his stream.
            drop(connect(near, target).await);
            drop(permit);
        });
    }
}

async fn connect(mut near: TcpStream, target: std::net::SocketAddr) -> io::Result<()> {
    let mut far = timeout(CONNECT_DEADLINE, TcpStream::connect(target)).await??;
    // Each of the ends decides itself what it collects.
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    tokio::io::copy_bidirectional_with_sizes(&mut near, &mut far, BUFFER_BYTES, BUFFER_BYTES)
        .await
        .map(drop)
}

//! TCP.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use sys::rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::protocol::{Neighbors, Port};

/// The container is on this machine: it answers or it does not.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// An end that is gone without a word, as one of a network that was removed, is asked after a
/// minute of silence, and given up a minute later.
const SILENCE: Duration = Duration::from_secs(60);
const ASKED_AGAIN: Duration = Duration::from_secs(15);
const ASKED: u32 = 4;
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

/// Accepts connections, and carries them until they end; they do not end with this. Those for which
/// there is no room wait.
pub(crate) async fn carry(
    port: Arc<Port>,
    neighbors: Arc<Neighbors>,
    listener: TcpListener,
    room: Arc<Semaphore>,
) {
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
    for end in [&near, &far] {
        // Each of the ends decides itself what it collects.
        end.set_nodelay(true)?;
        sockopt::set_tcp_keepidle(end, SILENCE)?;
        sockopt::set_tcp_keepintvl(end, ASKED_AGAIN)?;
        sockopt::set_tcp_keepcnt(end, ASKED)?;
        sockopt::set_socket_keepalive(end, true)?;
    }
    tokio::io::copy_bidirectional_with_sizes(&mut near, &mut far, BUFFER_BYTES, BUFFER_BYTES)
        .await
        .map(drop)
}

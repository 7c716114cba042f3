//! UDP.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::timeout;

use crate::protocol::{Neighbors, Port};
use crate::streams::PAUSE;

/// A peer that nothing came for so long is forgotten: as with Docker.
const IDLE_MAX: Duration = Duration::from_secs(90);
/// The largest datagram.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// A peer, and the address at which it knows us.
type Peer = (SocketAddr, Option<IpAddr>);

/// A bound socket.
pub(crate) fn socket(socket: OwnedFd) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::from(socket);
    socket.set_nonblocking(true)?;
    sys::datagram::tell_destination(socket.as_fd(), socket.local_addr()?.is_ipv6())?;
    UdpSocket::from_std(socket)
}

/// Carries datagrams to the container, and its answers back. Datagrams of peers for which there is
/// no room are lost, as datagrams are.
pub(crate) async fn carry(
    port: Arc<Port>,
    neighbors: Arc<Neighbors>,
    socket: UdpSocket,
    room: Arc<Semaphore>,
) {
    let socket = Arc::new(socket);
    let mut flows: HashMap<Peer, (Arc<UdpSocket>, AbortHandle)> = HashMap::new();
    let (mut tasks, mut peers) = (JoinSet::new(), HashMap::<Id, Peer>::new());
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let received = socket
            .async_io(Interest::READABLE, || sys::datagram::receive(socket.as_fd(), &mut buffer));
        let arrived = tokio::select! {
            Some(ended) = tasks.join_next_with_id(), if !tasks.is_empty() => {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                peers.remove(&id).map(|peer| flows.remove(&peer));
                continue;
            }
            arrived = received => arrived,
        };
        let Ok(arrived) = arrived else {
            // It is of a datagram before, which did not arrive; or memory is short.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        if !neighbors.reach(port.reach, arrived.peer.ip()) {
            continue;
        }
        let peer = (arrived.peer, arrived.to);
        let far = match flows.get(&peer) {
            Some((far, _)) => Arc::clone(far),
            None => {
                let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
                let Ok(far) = far_end(port.target).await else { continue };
                let (far, near) = (Arc::new(far), Arc::clone(&socket));
                let own = Arc::clone(&far);
                let handle = tasks.spawn(async move {
                    answers(own, near, peer).await;
                    drop(permit);
                });
                peers.insert(handle.id(), peer);
                flows.insert(peer, (Arc::clone(&far), handle));
                far
            }
        };
        // What cannot be sent is lost, as datagrams are.
        drop(far.send(buffer.get(..arrived.bytes).unwrap_or_default()).await);
    }
}

async fn far_end(target: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(target).await?;
    Ok(socket)
}

/// Until nothing came for a while. A peer that only sends is found again with its next datagram.
async fn answers(far: Arc<UdpSocket>, socket: Arc<UdpSocket>, (peer, from): Peer) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    while let Ok(received) = timeout(IDLE_MAX, far.recv(&mut buffer)).await {
        // An error says that nobody is there now; somebody may be soon.
        let Ok(length) = received else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let bytes = buffer.get(..length).unwrap_or_default();
        let sent = socket.async_io(Interest::WRITABLE, || {
            sys::datagram::send(socket.as_fd(), bytes, peer, from)
        });
        drop(sent.await);
    }
}

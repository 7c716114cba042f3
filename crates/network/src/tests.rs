//! Networks with containers that are network namespaces, on a machine that is one, too.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use netlink::namespace::{self, inside};
use netlink::{AddressSpec, BridgeSpec, LinkKind, LinkSpec, PeerSpec, Route, Rtnl};
use sys::process::{CloneSpec, Fork};

use super::*;
use crate::ports::{PortSpec, Protocol};

mod life;
mod matrix;

/// A machine with an uplink `192.0.2.1/24`, `2001:db8::1/64`, and another machine at its end, `.9`,
/// that routes everything to the first.
struct World {
    host: OwnedFd,
    outside: OwnedFd,
    dirs: tempfile::TempDir,
    networks: Networks,
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn machine() -> OwnedFd {
    let namespace = namespace::create().unwrap();
    let mut rtnl = Rtnl::open_in(namespace.as_fd()).unwrap();
    let lo = rtnl.link("lo").unwrap().unwrap();
    rtnl.set_up(lo.index, true).unwrap();
    namespace
}

fn configure(machine: &OwnedFd, link: &str, addresses: [&str; 2], gateways: &[&str]) {
    let mut rtnl = Rtnl::open_in(machine.as_fd()).unwrap();
    let index = rtnl.link(link).unwrap().unwrap().index;
    rtnl.set_up(index, true).unwrap();
    for (text, prefix) in addresses.into_iter().zip([24, 64]) {
        let spec = AddressSpec { address: address(text), prefix, at_once: true };
        rtnl.add_address(index, spec).unwrap();
    }
    for gateway in gateways.iter().map(|text| address(text)) {
        let all = if gateway.is_ipv4() { address("0.0.0.0") } else { address("::") };
        rtnl.add_route(&Route {
            destination: (all, 0),
            link: Some(index),
            gateway: Some(gateway),
            source: None,
            metric: None,
        })
        .unwrap();
    }
}

impl World {
    fn new() -> World {
        let (host, outside) = (machine(), machine());
        let peer = PeerSpec { name: "up1", mac: None, mtu: None, namespace: Some(outside.as_fd()) };
        let mut rtnl = Rtnl::open_in(host.as_fd()).unwrap();
        rtnl.create(&LinkSpec::new("up0", LinkKind::Veth(peer))).unwrap();
        configure(&host, "up0", ["192.0.2.1", "2001:db8::1"], &[]);
        configure(&outside, "up1", ["192.0.2.9", "2001:db8::9"], &["192.0.2.1", "2001:db8::1"]);
        let dirs = tempfile::tempdir().unwrap();
        let networks = open(&host, &dirs);
        World { host, outside, dirs, networks }
    }

    /// As a new engine does it.
    fn reopen(&mut self) {
        self.networks = open(&self.host, &self.dirs);
    }

    fn network(&self, name: &str, change: impl FnOnce(&mut NetworkSpec)) -> NetworkRecord {
        self.networks.create(&spec(name, change)).unwrap()
    }

    /// Runs a container in a network, with these ports published.
    fn container(&self, name: &'static str, network: &NetworkRecord, ports: &[PortSpec]) -> Guest {
        let namespace = guest_namespace();
        let spec = EndpointSpec {
            network: network.id.clone(),
            container: name.to_owned(),
            names: vec![name.to_owned()],
            ..EndpointSpec::default()
        };
        let leased = self.networks.lease(&spec).unwrap();
        let place = Place { namespace: namespace.as_fd(), number: 0, is_default: true };
        let attached = self.networks.attach(&leased.id, place, ports).unwrap();
        let guest = Guest { namespace, endpoint: attached.record, reserved: attached.reserved };
        let own = [guest.endpoint.ipv4, guest.endpoint.ipv6];
        for own in own.into_iter().flatten() {
            serve(&guest.namespace, SocketAddr::new(own, 80), name);
        }
        guest
    }
}

struct Guest {
    namespace: OwnedFd,
    endpoint: EndpointRecord,
    #[expect(dead_code, reason = "it holds the ports of the machine")]
    reserved: Vec<(ports::Reserved, SocketAddr)>,
}

impl Guest {
    fn ipv4(&self) -> String {
        self.endpoint.ipv4.unwrap().to_string()
    }

    fn at(&self, port: u16) -> String {
        format!("{}:{port}", self.ipv4())
    }

    fn at6(&self, port: u16) -> String {
        format!("[{}]:{port}", self.endpoint.ipv6.unwrap())
    }
}

fn open(host: &OwnedFd, dirs: &tempfile::TempDir) -> Networks {
    let config = Config {
        host: host.try_clone().unwrap(),
        root: dirs.path().join("root"),
        run: dirs.path().join("run"),
        table: "wharf".to_owned(),
        pools: pools::usual("engine"),
    };
    Networks::open(config).unwrap()
}

fn spec(name: &str, change: impl FnOnce(&mut NetworkSpec)) -> NetworkSpec {
    let mut spec = NetworkSpec { name: name.to_owned(), ipv4: true, ..NetworkSpec::default() };
    change(&mut spec);
    spec
}

/// A network namespace that belongs to another user namespace, as a container's.
fn guest_namespace() -> OwnedFd {
    let flags = sys::namespace::USER | sys::namespace::NET;
    let spec = CloneSpec { flags, cgroup: None };
    let Fork::Parent(child) = sys::process::clone3(&spec).unwrap() else {
        sys::signal::pause();
        sys::process::exit_now(0)
    };
    let namespace = File::open(format!("/proc/{}/ns/net", child.pid)).unwrap();
    sys::process::pidfd_send_signal(child.pidfd.as_fd(), sys::libc::SIGKILL).unwrap();
    sys::process::wait(child.pidfd.as_fd(), true).unwrap();
    namespace.into()
}

/// A server, of TCP and UDP, that tells everybody its name and the caller's address.
fn serve(namespace: &OwnedFd, address: SocketAddr, name: &'static str) {
    let bind = || (TcpListener::bind(address).unwrap(), UdpSocket::bind(address).unwrap());
    let (listener, socket) = inside(namespace.as_fd(), bind).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let peer = stream.peer_addr().unwrap().ip();
            drop(write!(stream, "{name} to {peer}"));
        }
    });
    std::thread::spawn(move || {
        let mut buffer = [0; 16];
        while let Ok((_, peer)) = socket.recv_from(&mut buffer) {
            drop(socket.send_to(format!("{name} to {}", peer.ip()).as_bytes(), peer));
        }
    });
}

/// How long a packet that is dropped is waited for. One that is not is there in microseconds, but
/// the machine may be busy.
const PATIENCE: Duration = Duration::from_millis(150);
/// For what must succeed.
const DEADLINE: Duration = Duration::from_secs(20);

/// What the server at an address says; nothing when it cannot be reached.
fn ask(from: &OwnedFd, to: &str, patience: Duration) -> Option<String> {
    let address: SocketAddr = to.parse().unwrap();
    let body = || {
        let mut stream = TcpStream::connect_timeout(&address, patience).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    };
    inside(from.as_fd(), body).unwrap()
}

/// The same with UDP.
fn ask_udp(from: &OwnedFd, to: &str, patience: Duration) -> Option<String> {
    let address: SocketAddr = to.parse().unwrap();
    let body = || {
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).unwrap();
        socket.connect(address).ok()?;
        socket.set_read_timeout(Some(patience)).unwrap();
        socket.send(b"?").ok()?;
        let mut buffer = [0; 100];
        let length = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    };
    inside(from.as_fd(), body).unwrap()
}

#[track_caller]
fn reaches(from: &OwnedFd, to: &str, answer: &str) {
    assert_eq!(ask(from, to, DEADLINE).as_deref(), Some(answer), "TCP to {to}");
    assert_eq!(ask_udp(from, to, DEADLINE).as_deref(), Some(answer), "UDP to {to}");
}

#[track_caller]
fn misses(from: &OwnedFd, to: &str) {
    assert_eq!(ask(from, to, PATIENCE), None, "TCP to {to}");
    assert_eq!(ask_udp(from, to, PATIENCE), None, "UDP to {to}");
}

fn publish(host_ip: Option<&str>, host_port: u16) -> [PortSpec; 2] {
    [Protocol::Tcp, Protocol::Udp].map(|protocol| PortSpec {
        protocol,
        container_port: 80,
        host_ip: host_ip.map(address),
        host_ports: Some(host_port..=host_port),
    })
}

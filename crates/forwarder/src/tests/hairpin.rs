//! Together with the packet filter: every way to a published port.

use std::collections::BTreeMap;

use netlink::namespace::{self, inside};
use netlink::nft::{Batch, Family, Nft, TableName};
use netlink::{AddressSpec, LinkKind, LinkSpec, PeerSpec, Route, Rtnl};
use network::ports::PortSpec;
use network::{
    Config, EndpointRecord, EndpointSpec, NetworkRecord, NetworkSpec, Networks, Place, Pool, pools,
};

use super::*;

/// A machine with an uplink, `.1`, and another one at its end, `.9`; and its forwarder.
struct World {
    host: OwnedFd,
    outside: OwnedFd,
    networks: Networks,
    control: Control,
    _process: Process,
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
        let spec = AddressSpec { address: text.parse().unwrap(), prefix, at_once: true };
        rtnl.add_address(index, spec).unwrap();
    }
    for gateway in gateways {
        rtnl.add_route(&Route {
            destination: ("0.0.0.0".parse().unwrap(), 0),
            link: Some(index),
            gateway: Some(gateway.parse().unwrap()),
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
        configure(&outside, "up1", ["192.0.2.9", "2001:db8::9"], &["192.0.2.1"]);
        let namespace = host.try_clone().unwrap();
        let process = Process::start_with(move || {
            sys::namespace::join(namespace.as_fd(), sys::namespace::NET).unwrap();
        });
        let config = Config {
            host: host.try_clone().unwrap(),
            root: process.dir.path().join("root"),
            run: process.dir.path().join("run"),
            table: "wharf".to_owned(),
            pools: pools::usual("engine"),
        };
        let networks = Networks::open(config).unwrap();
        World { host, outside, networks, control: process.control(), _process: process }
    }

    fn network(&mut self, name: &str, options: &[(&str, &str)]) -> NetworkRecord {
        self.network_of(name, options, false)
    }

    fn network_of(
        &mut self,
        name: &str,
        options: &[(&str, &str)],
        internal: bool,
    ) -> NetworkRecord {
        let option = |(key, value): &(&str, &str)| (format!("com.docker.{key}"), (*value).into());
        let spec = NetworkSpec {
            name: name.to_owned(),
            ipv4: true,
            internal,
            ipv6: internal,
            options: options.iter().map(option).collect::<BTreeMap<_, _>>(),
            ..NetworkSpec::default()
        };
        let record = self.networks.create(&spec).unwrap();
        let all = self.networks.list();
        let neighbors = |one: &NetworkRecord| {
            let internal = one.internal;
            let neighbor = move |pool: &Pool| Neighbor { subnet: pool.subnet, internal };
            one.pools.iter().map(neighbor).collect::<Vec<_>>()
        };
        let neighbors: Vec<Neighbor> = all.iter().flat_map(neighbors).collect();
        self.control.set_neighbors(&neighbors).unwrap();
        record
    }

    /// A container that serves port 80 and publishes it.
    fn container(
        &mut self,
        name: &'static str,
        network: &NetworkRecord,
        port: Option<u16>,
    ) -> (OwnedFd, EndpointRecord) {
        let namespace = machine();
        let spec = EndpointSpec {
            network: network.id.clone(),
            container: name.to_owned(),
            ..EndpointSpec::default()
        };
        let leased = self.networks.lease(&spec).unwrap();
        let ports = port.into_iter().flat_map(|port| {
            [Protocol::Tcp, Protocol::Udp].map(|protocol| PortSpec {
                protocol,
                container_port: 80,
                host_ip: None,
                host_ports: Some(port..=port),
            })
        });
        let ports: Vec<PortSpec> = ports.collect();
        let place = Place { namespace: namespace.as_fd(), number: 0, is_default: true };
        let attached = self.networks.attach(&leased.id, place, &ports).unwrap();
        let record = attached.record.clone();
        for (port, socket) in crate::ports(attached) {
            self.control.add(&port, socket.as_fd()).unwrap();
        }
        serve(&namespace, (record.ipv4.unwrap(), 80).into(), name);
        (namespace, record)
    }
}

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

/// What is said by TCP and by UDP.
fn ask(from: &OwnedFd, to: &str, patience: Duration) -> [Option<String>; 2] {
    let address: SocketAddr = to.parse().unwrap();
    let body = || {
        let tcp = || {
            let mut stream = TcpStream::connect_timeout(&address, patience).ok()?;
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).ok()?;
            Some(text).filter(|text| !text.is_empty())
        };
        let udp = || {
            let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any).unwrap();
            socket.connect(address).ok()?;
            socket.set_read_timeout(Some(patience)).unwrap();
            socket.send(b"?").ok()?;
            let mut buffer = [0; 100];
            let length = socket.recv(&mut buffer).ok()?;
            Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
        };
        [tcp(), udp()]
    };
    inside(from.as_fd(), body).unwrap()
}

#[track_caller]
fn reaches(from: &OwnedFd, to: &str, answer: &str) {
    let answer = Some(answer.to_owned());
    assert_eq!(ask(from, to, DEADLINE), [answer.clone(), answer], "{to}");
}

#[test]
fn every_way_leads_to_a_published_port() {
    let mut world = World::new();
    let network = world.network("n", &[]);
    let (web, _) = world.container("web", &network, Some(8080));
    // By the filter.
    reaches(&world.outside, "192.0.2.1:8080", "web to 192.0.2.9");
    // From loopback addresses, of both versions, though the container has but one.
    reaches(&world.host, "127.0.0.1:8080", "web to 172.17.0.1");
    reaches(&world.host, "[::1]:8080", "web to 172.17.0.1");
    // By IPv6 from elsewhere.
    reaches(&world.outside, "[2001:db8::1]:8080", "web to 172.17.0.1");
    // From the container to itself.
    reaches(&web, "192.0.2.1:8080", "web to 172.17.0.1");
    reaches(&web, "172.17.0.1:8080", "web to 172.17.0.1");
}

#[test]
fn neighbors_that_do_not_see_each_other_use_published_ports() {
    let mut world = World::new();
    let closed = world.network("closed", &[("network.bridge.enable_icc", "false")]);
    let usual = world.network("usual", &[]);
    world.container("web", &closed, Some(8080));
    let (other, _) = world.container("other", &closed, None);
    world.container("elsewhere", &usual, Some(8081));
    reaches(&other, "192.0.2.1:8080", "web to 172.17.0.1");
    reaches(&other, "192.0.2.1:8081", "elsewhere to 172.18.0.1");
}

#[test]
fn from_an_internal_network_no_published_port_is_reached() {
    let mut world = World::new();
    let usual = world.network("usual", &[]);
    world.container("web", &usual, Some(8080));
    for (name, open_inside) in [("hidden", "true"), ("alone", "false")] {
        let options = [("network.bridge.enable_icc", open_inside)];
        let inner = world.network_of(name, &options, true);
        let (hidden, record) = world.container(name, &inner, None);
        assert!(record.ipv4.is_some() && record.ipv6.is_some());
        let patience = Duration::from_millis(150);
        for pool in &inner.pools {
            let at = SocketAddr::new(pool.gateway.unwrap(), 8080).to_string();
            assert_eq!(ask(&hidden, &at, patience), [None, None], "{name} to {at}");
        }
    }
}

#[test]
fn without_the_filter_strangers_are_refused() {
    let mut world = World::new();
    let network = world.network("n", &[]);
    world.container("web", &network, Some(8080));
    let mut batch = Batch::new();
    batch.delete_table(TableName { family: Family::Inet, name: "wharf" });
    Nft::open_in(world.host.as_fd()).unwrap().commit(batch).unwrap();
    let patience = Duration::from_millis(150);
    assert_eq!(ask(&world.outside, "192.0.2.1:8080", patience), [None, None]);
    reaches(&world.host, "127.0.0.1:8080", "web to 172.17.0.1");
}

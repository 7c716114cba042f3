//! Everything against the kernel, in namespaces that nobody else sees.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use sys::process::{CloneSpec, Fork};

use super::*;
use crate::namespace::inside;

mod filter;

fn four(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(address: &str, prefix: u8) -> AddressSpec {
    AddressSpec { address: four(address), prefix, at_once: true }
}

/// A namespace with its loopback up.
fn machine() -> OwnedFd {
    let namespace = namespace::create().unwrap();
    let mut rtnl = Rtnl::open_in(namespace.as_fd()).unwrap();
    let lo = rtnl.link("lo").unwrap().unwrap();
    rtnl.set_up(lo.index, true).unwrap();
    namespace
}

/// Gives `guest` a link `eth0` with an address, whose other end is the port `name` of a bridge.
fn plug(host: &mut Rtnl, guest: &OwnedFd, name: &str, bridge: u32, address: &str, gateway: &str) {
    let peer = PeerSpec { name: "eth0", mac: None, mtu: None, namespace: Some(guest.as_fd()) };
    let mut spec = LinkSpec::new(name, LinkKind::Veth(peer));
    spec.master = Some(bridge);
    spec.up = true;
    host.create(&spec).unwrap();
    let mut rtnl = Rtnl::open_in(guest.as_fd()).unwrap();
    let eth0 = rtnl.link("eth0").unwrap().unwrap();
    rtnl.set_up(eth0.index, true).unwrap();
    rtnl.add_address(eth0.index, at(address, 24)).unwrap();
    let gateway = Some(four(gateway));
    let default = (IpAddr::from([0; 4]), 0);
    rtnl.add_route(&Route {
        destination: default,
        link: Some(eth0.index),
        gateway,
        source: None,
        metric: None,
    })
    .unwrap();
}

/// A bridge with an address.
fn bridge(host: &mut Rtnl, name: &str, address: &str) -> u32 {
    let mut spec = LinkSpec::new(name, LinkKind::Bridge(BridgeSpec::default()));
    spec.up = true;
    host.create(&spec).unwrap();
    let index = host.link(name).unwrap().unwrap().index;
    host.add_address(index, at(address, 24)).unwrap();
    index
}

/// For what must succeed, on a machine that may be busy.
const DEADLINE: Duration = Duration::from_secs(20);
/// For what must not.
const PATIENCE: Duration = Duration::from_millis(200);

/// What the server at `to` says to who connects from `from`.
fn greeting(from: &OwnedFd, to: &str, patience: Duration) -> std::io::Result<String> {
    use std::io::Read;
    inside(from.as_fd(), || {
        let address = to.parse().unwrap();
        let mut stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    })
    .unwrap()
}

/// A server that tells everybody its own name and the caller's address.
fn serve(namespace: &OwnedFd, address: &str, name: &'static str) {
    use std::io::Write;
    let listener = inside(namespace.as_fd(), || TcpListener::bind(address)).unwrap().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let peer = stream.peer_addr().unwrap().ip();
            write!(stream, "{name} to {peer}").unwrap();
        }
    });
}

#[test]
fn links_are_made_changed_and_removed() {
    let namespace = machine();
    let mut rtnl = Rtnl::open_in(namespace.as_fd()).unwrap();
    let mut spec = LinkSpec::new("br0", LinkKind::Bridge(BridgeSpec::default()));
    spec.mac = Some(Mac([2, 0, 0, 0, 0, 1]));
    spec.mtu = Some(1400);
    rtnl.create(&spec).unwrap();
    let again = rtnl.create(&spec).unwrap_err();
    assert!(again.is_exists(), "{again:?}");
    assert_eq!(again.to_string(), "failed to make link `br0`");
    let br0 = rtnl.link("br0").unwrap().unwrap();
    assert_eq!((br0.kind.as_str(), br0.mac, br0.mtu), ("bridge", spec.mac, 1400));
    assert!(!br0.up);
    rtnl.set_up(br0.index, true).unwrap();
    assert!(rtnl.link("br0").unwrap().unwrap().up);

    let guest = machine();
    let mac = Some(Mac([2, 0, 0, 0, 0, 9]));
    let peer = PeerSpec { name: "eth0", mac, mtu: Some(1300), namespace: Some(guest.as_fd()) };
    let mut spec = LinkSpec::new("veth0", LinkKind::Veth(peer));
    spec.master = Some(br0.index);
    spec.mtu = Some(1300);
    rtnl.create(&spec).unwrap();
    let port = rtnl.link("veth0").unwrap().unwrap();
    assert_eq!((port.kind.as_str(), port.master, port.mtu), ("veth", Some(br0.index), 1300));
    let eth0 = Rtnl::open_in(guest.as_fd()).unwrap().link("eth0").unwrap().unwrap();
    assert_eq!((eth0.mac, eth0.up, eth0.mtu), (mac, false, 1300));
    let flags = PortFlags { hairpin: Some(true), isolated: Some(true), ..PortFlags::default() };
    rtnl.set_port(port.index, flags).unwrap();
    rtnl.set_master(port.index, None).unwrap();
    rtnl.rename(port.index, "other").unwrap();
    rtnl.set_mtu(port.index, 1200).unwrap();
    rtnl.set_mac(port.index, Mac([2, 0, 0, 0, 0, 7])).unwrap();
    let other = rtnl.link("other").unwrap().unwrap();
    assert_eq!((other.master, other.mtu, other.mac), (None, 1200, Some(Mac([2, 0, 0, 0, 0, 7]))));
    assert_eq!(rtnl.link("veth0").unwrap(), None);
    // One end takes the other along.
    rtnl.delete(other.index).unwrap();
    assert_eq!(Rtnl::open_in(guest.as_fd()).unwrap().link("eth0").unwrap(), None);
    assert!(rtnl.delete(other.index).unwrap_err().is_missing());
    let names: Vec<String> = rtnl.links().unwrap().into_iter().map(|link| link.name).collect();
    assert_eq!(names, ["lo", "br0"]);
}

#[test]
fn links_share_others_and_move() {
    let namespace = machine();
    let mut rtnl = Rtnl::open_in(namespace.as_fd()).unwrap();
    let parent = bridge(&mut rtnl, "parent", "10.0.0.1");
    let kind = LinkKind::Macvlan { parent, mode: MacvlanMode::Bridge };
    rtnl.create(&LinkSpec::new("mac0", kind)).unwrap();
    let mac0 = rtnl.link("mac0").unwrap().unwrap();
    assert_eq!((mac0.kind.as_str(), mac0.parent), ("macvlan", Some(parent)));
    let guest = machine();
    rtnl.move_to(mac0.index, guest.as_fd()).unwrap();
    assert_eq!(rtnl.link("mac0").unwrap(), None);
    assert!(Rtnl::open_in(guest.as_fd()).unwrap().link("mac0").unwrap().is_some());
    // What this kernel does not have is said so.
    for (name, kind) in [
        ("ip0", LinkKind::Ipvlan { parent, mode: IpvlanMode::L2, flags: 0 }),
        ("dummy0", LinkKind::Dummy),
        ("vlan0", LinkKind::Vlan { parent, id: 7 }),
    ] {
        match rtnl.create(&LinkSpec::new(name, kind)) {
            Ok(()) => assert!(rtnl.link(name).unwrap().is_some()),
            Err(error) => assert_eq!(error.kind(), stdx::Kind::Unsupported, "{error:?}"),
        }
    }
}

#[test]
fn names_that_the_kernel_would_take_otherwise_are_refused() {
    let namespace = machine();
    let mut rtnl = Rtnl::open_in(namespace.as_fd()).unwrap();
    for name in ["", ".", "..", "a/b", "a b", "veth%d", "a:1", "0123456789abcdef", "ä"] {
        let spec = LinkSpec::new(name, LinkKind::Bridge(BridgeSpec::default()));
        let error = rtnl.create(&spec).unwrap_err();
        assert!(matches!(error, NetlinkError::Invalid { .. }), "{name}: {error:?}");
        assert_eq!(error.kind(), stdx::Kind::Invalid);
    }
}

#[test]
fn addresses_routes_and_neighbors() {
    let namespace = machine();
    let mut rtnl = Rtnl::open_in(namespace.as_fd()).unwrap();
    let index = bridge(&mut rtnl, "br0", "10.1.2.3");
    rtnl.add_address(index, at("fd00::1", 64)).unwrap();
    assert!(rtnl.add_address(index, at("10.1.2.3", 24)).unwrap_err().is_exists());
    let own = |rtnl: &mut Rtnl| -> Vec<String> {
        let list = rtnl.addresses().unwrap().into_iter().filter(|one| {
            let is_local = matches!(one.address, IpAddr::V6(six) if six.is_unicast_link_local());
            one.index == index && !is_local
        });
        list.map(|one| format!("{}/{}", one.address, one.prefix)).collect()
    };
    assert_eq!(own(&mut rtnl), ["10.1.2.3/24", "fd00::1/64"]);
    let route = Route {
        destination: (four("10.9.0.0"), 16),
        link: Some(index),
        gateway: Some(four("10.1.2.1")),
        source: None,
        metric: None,
    };
    rtnl.add_route(&route).unwrap();
    assert!(rtnl.add_route(&route).unwrap_err().is_exists());
    let other = Route { gateway: Some(four("10.1.2.2")), ..route };
    rtnl.replace_route(&other).unwrap();
    let routes = rtnl.routes().unwrap();
    assert!(routes.contains(&other) && !routes.contains(&route), "{routes:?}");
    assert!(routes.iter().any(|route| route.destination == (four("10.1.2.0"), 24)));
    assert!(routes.iter().any(|route| route.destination == (four("fd00::"), 64)));
    rtnl.delete_route(&other).unwrap();
    assert!(rtnl.delete_route(&other).unwrap_err().is_missing());
    for address in ["10.1.2.9", "fd00::9"] {
        rtnl.set_neighbor(index, four(address), Mac([2, 0, 0, 0, 0, 9])).unwrap();
    }
    let neighbors = rtnl.neighbors().unwrap();
    let set: Vec<_> = neighbors.iter().filter(|one| one.permanent).collect();
    assert_eq!(set.len(), 2);
    assert_eq!(set[0].mac, Some(Mac([2, 0, 0, 0, 0, 9])));
    rtnl.delete_neighbor(index, four("fd00::9")).unwrap();
    rtnl.delete_address(index, at("10.1.2.3", 24)).unwrap();
    assert_eq!(own(&mut rtnl), ["fd00::1/64"]);
    assert!(rtnl.delete_address(index, at("10.1.2.3", 24)).unwrap_err().is_missing());
}

#[test]
fn long_lists_come_whole() {
    let namespace = machine();
    let mut rtnl = Rtnl::open_in(namespace.as_fd()).unwrap();
    let index = bridge(&mut rtnl, "br0", "10.0.0.1");
    for number in 0..2000_u32 {
        let address = Ipv4Addr::from_bits(0x0a01_0000 + number).into();
        rtnl.add_address(index, AddressSpec { address, prefix: 32, at_once: true }).unwrap();
    }
    let all = rtnl.addresses().unwrap();
    let distinct: std::collections::HashSet<_> = all.iter().map(|one| one.address).collect();
    let added = distinct.iter().filter(|address| {
        matches!(address, IpAddr::V4(four)
        if four.octets()[1] == 1)
    });
    assert_eq!((all.len(), added.count()), (distinct.len(), 2000));
}

#[test]
fn parameters_are_of_the_namespace() {
    let (one, two) = (machine(), machine());
    let sysctls = sysctl::Sysctls::open().unwrap();
    let name = "ipv4/ip_forward";
    sysctls.write_in(one.as_fd(), &[(name, "1"), ("ipv6/conf/lo/disable_ipv6", "1")]).unwrap();
    assert_eq!(sysctls.read_in(one.as_fd(), name).unwrap(), "1");
    assert_eq!(sysctls.read_in(two.as_fd(), name).unwrap(), "0");
    assert_eq!(sysctls.read_in(two.as_fd(), "ipv6/conf/lo/disable_ipv6").unwrap(), "0");
    for wrong in ["../../self/comm", "ipv4/absent", "/etc/passwd"] {
        let error = sysctls.write_in(one.as_fd(), &[(wrong, "1")]).unwrap_err();
        assert!(matches!(error, NetlinkError::Sysctl { .. }), "{error:?}");
    }
}

#[test]
fn a_namespace_of_another_user_namespace_is_configured_too() {
    let flags = sys::namespace::USER | sys::namespace::NET;
    let Fork::Parent(child) = sys::process::clone3(&CloneSpec { flags, cgroup: None }).unwrap()
    else {
        sys::signal::pause();
        sys::process::exit_now(0)
    };
    let guest = OwnedFd::from(File::open(format!("/proc/{}/ns/net", child.pid)).unwrap());
    sys::process::pidfd_send_signal(child.pidfd.as_fd(), sys::libc::SIGKILL).unwrap();
    sys::process::wait(child.pidfd.as_fd(), true).unwrap();
    let host = machine();
    let mut rtnl = Rtnl::open_in(host.as_fd()).unwrap();
    let index = bridge(&mut rtnl, "br0", "10.7.0.1");
    plug(&mut rtnl, &guest, "veth0", index, "10.7.0.2", "10.7.0.1");
    serve(&guest, "10.7.0.2:80", "guest");
    assert_eq!(greeting(&host, "10.7.0.2:80", DEADLINE).unwrap(), "guest to 10.7.0.1");
    let sysctls = sysctl::Sysctls::open().unwrap();
    sysctls.write_in(guest.as_fd(), &[("ipv6/conf/eth0/disable_ipv6", "1")]).unwrap();
    let mut batch = nft::Batch::new();
    batch.add_table(nft::TableName { family: nft::Family::Ip, name: "t" });
    nft::Nft::open_in(guest.as_fd()).unwrap().commit(batch).unwrap();
}

#[test]
fn hardware_addresses_are_read() {
    let mac: Mac = "02:42:ac:11:00:02".parse().unwrap();
    assert_eq!(mac, Mac([2, 0x42, 0xac, 0x11, 0, 2]));
    assert_eq!(mac.to_string(), "02:42:ac:11:00:02");
    assert_eq!("02-42-AC-11-00-02".parse(), Ok(mac));
    for wrong in ["", "02:42:ac:11:00", "02:42:ac:11:00:02:03", "2:42:ac:11:0:2", "0x:1:2:3:4:5"] {
        assert!(wrong.parse::<Mac>().is_err(), "{wrong}");
    }
}

#[test]
fn messages_that_are_cut_are_not_read_beyond() {
    let mut message = message::Message::new(1, 0, &[1, 2, 3, 4]);
    message.text(3, "abc").nested(4, |message| {
        message.native32(1, 7);
    });
    let bytes = message.finish(9).unwrap();
    let whole = message::next(&mut &bytes[..]).unwrap();
    assert_eq!((whole.kind, whole.sequence), (1, 9));
    let values = message::attributes(&whole.body[4..]);
    assert_eq!(values.text(3).unwrap(), "abc");
    assert_eq!(values.nested(4).unwrap().native32(1), Some(7));
    for end in 0..bytes.len() {
        assert!(message::next(&mut &bytes[..end]).is_none());
        assert!(message::attributes(&bytes[..end]).count() <= end);
    }
    let long = message::Message::new(1, 0, &[]).attribute(1, &vec![0; 70_000]).clone();
    assert!(long.finish(1).is_none());
}

//! Who reaches whom, and as whom.

use super::*;

#[test]
fn containers_of_a_network_and_the_outside() {
    let world = World::new();
    let network = world.network("n", |spec| spec.ipv6 = true);
    let web = world.container("web", &network, &publish(None, 8080));
    let other = world.container("other", &network, &[]);
    serve(&world.outside, "192.0.2.9:80".parse().unwrap(), "outside");
    serve(&world.outside, "[2001:db8::9]:80".parse().unwrap(), "outside");
    let (web4, other4) = (web.ipv4(), other.ipv4());
    let other6 = other.endpoint.ipv6.unwrap();
    assert_eq!((web4.as_str(), other4.as_str()), ("172.17.0.2", "172.17.0.3"));
    // Directly.
    reaches(&other.namespace, &web.at(80), &format!("web to {other4}"));
    reaches(&other.namespace, &web.at6(80), &format!("web to {other6}"));
    reaches(&world.host, &web.at(80), "web to 172.17.0.1");
    // Out, with the address of the machine.
    reaches(&web.namespace, "192.0.2.9:80", "outside to 192.0.2.1");
    reaches(&web.namespace, "[2001:db8::9]:80", "outside to 2001:db8::1");
    // In, by the published port: from elsewhere with the source kept.
    reaches(&world.outside, "192.0.2.1:8080", "web to 192.0.2.9");
    reaches(&world.outside, "[2001:db8::1]:8080", "web to 2001:db8::9");
    reaches(&world.host, "192.0.2.1:8080", "web to 192.0.2.1");
    // From a neighbor, so that the answer finds its way.
    reaches(&other.namespace, "192.0.2.1:8080", "web to 172.17.0.1");
    reaches(&other.namespace, "172.17.0.1:8080", "web to 172.17.0.1");
    let gateway6 = network.pools[1].gateway.unwrap();
    reaches(&other.namespace, "[2001:db8::1]:8080", &format!("web to {gateway6}"));
    // What is not published is not reached from elsewhere, even by who knows the way.
    misses(&world.outside, &web.at(80));
    misses(&world.outside, &web.at6(80));
    misses(&world.outside, "192.0.2.1:8081");
    world.networks.release(&web.endpoint.id).unwrap();
    drop(web);
    misses(&world.outside, "192.0.2.1:8080");
}

#[test]
fn networks_do_not_see_each_other() {
    let world = World::new();
    let (one, two) = (world.network("one", |_| ()), world.network("two", |_| ()));
    let web = world.container("web", &one, &publish(None, 8080));
    let other = world.container("other", &two, &[]);
    misses(&other.namespace, &web.at(80));
    misses(&web.namespace, &other.at(80));
    // By a published port they do, and the source is kept.
    reaches(&other.namespace, "192.0.2.1:8080", &format!("web to {}", other.ipv4()));
}

#[test]
fn an_internal_network_has_no_way_in_or_out() {
    let world = World::new();
    let inner = world.network("inner", |spec| spec.internal = true);
    let usual = world.network("usual", |_| ());
    let web = world.container("web", &usual, &publish(None, 8080));
    let hidden = world.container("hidden", &inner, &publish(None, 8081));
    let friend = world.container("friend", &inner, &[]);
    serve(&world.outside, "192.0.2.9:80".parse().unwrap(), "outside");
    reaches(&friend.namespace, &hidden.at(80), &format!("hidden to {}", friend.ipv4()));
    assert!(hidden.endpoint.published.is_empty());
    // Even with a route that somebody adds.
    let mut rtnl = Rtnl::open_in(hidden.namespace.as_fd()).unwrap();
    rtnl.add_route(&Route {
        destination: (address("0.0.0.0"), 0),
        link: None,
        gateway: inner.pools[0].gateway,
        source: None,
        metric: None,
    })
    .unwrap();
    misses(&hidden.namespace, "192.0.2.9:80");
    misses(&hidden.namespace, "192.0.2.1:8080");
    misses(&hidden.namespace, &web.at(80));
    misses(&web.namespace, &hidden.at(80));
    misses(&world.outside, &hidden.at(80));
}

#[test]
fn ports_at_one_address_and_at_a_loopback_address() {
    let world = World::new();
    let network = world.network("n", |_| ());
    let mut rtnl = Rtnl::open_in(world.host.as_fd()).unwrap();
    let up0 = rtnl.link("up0").unwrap().unwrap().index;
    let second = AddressSpec { address: address("192.0.2.2"), prefix: 24, at_once: true };
    rtnl.add_address(up0, second).unwrap();
    let one = world.container("one", &network, &publish(Some("192.0.2.1"), 8080));
    let two = world.container("two", &network, &publish(Some("192.0.2.2"), 8080));
    let local = world.container("local", &network, &publish(Some("127.0.0.1"), 8081));
    reaches(&world.outside, "192.0.2.1:8080", "one to 192.0.2.9");
    reaches(&world.outside, "192.0.2.2:8080", "two to 192.0.2.9");
    reaches(&local.namespace, "192.0.2.2:8080", "two to 172.17.0.1");
    misses(&world.outside, "192.0.2.1:8081");
    misses(&one.namespace, "172.17.0.1:8081");
    assert_eq!(two.endpoint.published.len(), 2);
}

#[test]
fn nobody_pretends_to_be_somebody_else() {
    let world = World::new();
    let network = world.network("n", |spec| spec.ipv6 = true);
    let web = world.container("web", &network, &[]);
    let liar = world.container("liar", &network, &[]);
    let mut rtnl = Rtnl::open_in(liar.namespace.as_fd()).unwrap();
    let eth0 = rtnl.link("eth0").unwrap().unwrap();
    reaches(&liar.namespace, &web.at(80), &format!("web to {}", liar.ipv4()));
    // With another address.
    let own = AddressSpec { address: liar.endpoint.ipv4.unwrap(), prefix: 16, at_once: true };
    let other = AddressSpec { address: address("172.17.0.77"), prefix: 16, at_once: true };
    rtnl.delete_address(eth0.index, own).unwrap();
    rtnl.add_address(eth0.index, other).unwrap();
    misses(&liar.namespace, &web.at(80));
    rtnl.delete_address(eth0.index, other).unwrap();
    rtnl.add_address(eth0.index, own).unwrap();
    reaches(&liar.namespace, &web.at(80), &format!("web to {}", liar.ipv4()));
    let own = AddressSpec { address: liar.endpoint.ipv6.unwrap(), prefix: 64, at_once: true };
    let prefix = network.pools[1].subnet.first().to_string();
    let other = AddressSpec { address: address(&format!("{prefix}77")), prefix: 64, at_once: true };
    rtnl.delete_address(eth0.index, own).unwrap();
    rtnl.add_address(eth0.index, other).unwrap();
    misses(&liar.namespace, &web.at6(80));
    // With another hardware address.
    rtnl.set_mac(eth0.index, netlink::Mac([2, 0, 0, 0, 0, 1])).unwrap();
    misses(&liar.namespace, &web.at(80));
}

/// Tells `to` that `claimed` is at a hardware address: RFC 4861, section 4.4.
fn advertise(from: &OwnedFd, to: IpAddr, claimed: IpAddr, mac: netlink::Mac) {
    use sys::rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
    use sys::rustix::net::{ipproto, sendto, socket_with, sockopt};
    let IpAddr::V6(claimed) = claimed else { panic!("no such thing for IPv4") };
    let mut message = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    message.extend(claimed.octets());
    message.extend([2, 1]);
    message.extend(mac.0);
    let body = || {
        let (flags, protocol) = (SocketFlags::CLOEXEC, Some(ipproto::ICMPV6));
        let raw = socket_with(AddressFamily::INET6, SocketType::RAW, flags, protocol).unwrap();
        sockopt::set_ipv6_unicast_hops(&raw, Some(255)).unwrap();
        sendto(&raw, &message, SendFlags::empty(), &SocketAddr::new(to, 0)).unwrap();
    };
    inside(from.as_fd(), body).unwrap();
}

#[test]
fn nobody_claims_the_address_of_somebody_else() {
    let world = World::new();
    let network = world.network("n", |spec| spec.ipv6 = true);
    let [web, other, liar] =
        ["web", "other", "liar"].map(|name| world.container(name, &network, &[]));
    let [web6, other6, liar6] = [&web, &other, &liar].map(|one| one.endpoint.ipv6.unwrap());
    reaches(&other.namespace, &web.at6(80), &format!("web to {other6}"));
    reaches(&liar.namespace, &web.at6(80), &format!("web to {liar6}"));
    let known = |address: IpAddr| {
        let neighbors = Rtnl::open_in(web.namespace.as_fd()).unwrap().neighbors().unwrap();
        neighbors.into_iter().find(|one| one.address == address)?.mac
    };
    let own = netlink::Mac([2, 0, 0, 0, 0, 7]);
    advertise(&liar.namespace, web6, other6, liar.endpoint.mac.parse().unwrap());
    // What he says of himself is heard, and later.
    advertise(&liar.namespace, web6, liar6, own);
    let until = std::time::Instant::now() + DEADLINE;
    while known(liar6) != Some(own) {
        assert!(std::time::Instant::now() < until, "nothing is heard");
        std::thread::yield_now();
    }
    assert_eq!(known(other6), other.endpoint.mac.parse().ok());
}

#[test]
fn who_is_trusted_may_use_other_addresses() {
    let world = World::new();
    let network = world.network("n", |spec| {
        spec.options.insert("wharf.network.trusted".to_owned(), "true".to_owned());
    });
    let web = world.container("web", &network, &[]);
    let floating = world.container("floating", &network, &[]);
    let mut rtnl = Rtnl::open_in(floating.namespace.as_fd()).unwrap();
    let eth0 = rtnl.link("eth0").unwrap().unwrap();
    let other = AddressSpec { address: address("172.17.0.77"), prefix: 16, at_once: true };
    rtnl.add_address(eth0.index, other).unwrap();
    serve(&floating.namespace, "172.17.0.77:80".parse().unwrap(), "floating");
    reaches(&web.namespace, "172.17.0.77:80", &format!("floating to {}", web.ipv4()));
}

#[test]
fn without_inter_container_communication_neighbors_are_not_reached() {
    let world = World::new();
    let network = world.network("n", |spec| {
        let option = "com.docker.network.bridge.enable_icc".to_owned();
        spec.options.insert(option, "false".to_owned());
    });
    let web = world.container("web", &network, &publish(None, 8080));
    let other = world.container("other", &network, &[]);
    misses(&other.namespace, &web.at(80));
    reaches(&world.outside, "192.0.2.1:8080", "web to 192.0.2.9");
    reaches(&world.host, &web.at(80), "web to 172.17.0.1");
}

#[test]
fn routed_networks_translate_nothing() {
    let world = World::new();
    let mode = |mode: &str| {
        let mode = mode.to_owned();
        move |spec: &mut NetworkSpec| {
            let option = "com.docker.network.bridge.gateway_mode_ipv4".to_owned();
            spec.options.insert(option, mode);
        }
    };
    let routed = world.network("routed", mode("routed"));
    let open = world.network("open", mode("nat-unprotected"));
    let web = world.container("web", &routed, &publish(None, 8080));
    serve(&web.namespace, SocketAddr::new(web.endpoint.ipv4.unwrap(), 81), "hidden");
    let second = world.container("second", &open, &[]);
    serve(&world.outside, "192.0.2.9:80".parse().unwrap(), "outside");
    reaches(&world.outside, &web.at(80), "web to 192.0.2.9");
    misses(&world.outside, &web.at(81));
    misses(&world.outside, "192.0.2.1:8080");
    reaches(&web.namespace, "192.0.2.9:80", &format!("outside to {}", web.ipv4()));
    reaches(&world.outside, &second.at(80), "second to 192.0.2.9");
    reaches(&second.namespace, "192.0.2.9:80", "outside to 192.0.2.1");
}

/// Another machine at the end of a second uplink, `198.51.100.9` and `2001:db8:1::9`.
fn far(world: &World) -> OwnedFd {
    let far = machine();
    let peer = PeerSpec { name: "far0", mac: None, mtu: None, namespace: Some(far.as_fd()) };
    let mut rtnl = Rtnl::open_in(world.host.as_fd()).unwrap();
    rtnl.create(&LinkSpec::new("up2", LinkKind::Veth(peer))).unwrap();
    configure(&world.host, "up2", ["198.51.100.1", "2001:db8:1::1"], &[]);
    configure(&far, "far0", ["198.51.100.9", "2001:db8:1::9"], &["198.51.100.1", "2001:db8:1::1"]);
    serve(&far, "198.51.100.9:80".parse().unwrap(), "far");
    serve(&far, "[2001:db8:1::9]:80".parse().unwrap(), "far");
    serve(&world.outside, "[2001:db8::9]:81".parse().unwrap(), "outside");
    // All know their neighbors: what does not arrive later was not forwarded.
    reaches(&world.host, "[2001:db8:1::9]:80", "far to 2001:db8:1::1");
    reaches(&world.host, "[2001:db8::9]:81", "outside to 2001:db8::1");
    far
}

/// A machine that forwarded nothing does not become a router for others.
#[test]
fn only_what_is_ours_is_forwarded() {
    let mut world = World::new();
    let _far = far(&world);
    misses(&world.outside, "198.51.100.9:80");
    let network = world.network("n", |spec| spec.ipv6 = true);
    misses(&world.outside, "198.51.100.9:80");
    misses(&world.outside, "[2001:db8:1::9]:80");
    let web = world.container("web", &network, &[]);
    reaches(&web.namespace, "198.51.100.9:80", "far to 198.51.100.1");
    reaches(&web.namespace, "[2001:db8:1::9]:80", "far to 2001:db8:1::1");
    // The next engine knows it from the tables.
    world.reopen();
    misses(&world.outside, "198.51.100.9:80");
    misses(&world.outside, "[2001:db8:1::9]:80");
}

/// A router of one IP version stays one, and does not become one of the other.
#[test]
fn what_was_forwarded_before_is_forwarded() {
    let world = World::new();
    let _far = far(&world);
    let sysctls = netlink::sysctl::Sysctls::open().unwrap();
    sysctls.write_in(world.host.as_fd(), &[("ipv4/ip_forward", "1")]).unwrap();
    world.network("n", |spec| spec.ipv6 = true);
    reaches(&world.outside, "198.51.100.9:80", "far to 192.0.2.9");
    misses(&world.outside, "[2001:db8:1::9]:80");
}

/// The operator's own rules at `filter` have the last word.
#[test]
fn what_the_operator_denies_stays_denied() {
    use netlink::nft::*;
    let world = World::new();
    let network = world.network("n", |_| ());
    let web = world.container("web", &network, &publish(None, 8080));
    reaches(&world.outside, "192.0.2.1:8080", "web to 192.0.2.9");
    let table = TableName { family: Family::Inet, name: "operator" };
    let hook = Hook { kind: ChainKind::Filter, point: Point::Forward, priority: 0, accepts: false };
    let mut batch = Batch::new();
    batch.add_table(table);
    batch.add_chain(table, &ChainSpec { name: "forward".to_owned(), hook: Some(hook) });
    Nft::open_in(world.host.as_fd()).unwrap().commit(batch).unwrap();
    misses(&world.outside, "192.0.2.1:8080");
    assert_eq!(web.endpoint.published.len(), 4);
}

#[test]
fn links_have_the_size_that_was_wished() {
    let world = World::new();
    let network = world.network("n", |spec| {
        spec.options = BTreeMap::from([
            ("com.docker.network.driver.mtu".to_owned(), "1400".to_owned()),
            ("com.docker.network.bridge.name".to_owned(), "mine0".to_owned()),
            ("com.docker.network.container_iface_prefix".to_owned(), "net".to_owned()),
        ]);
    });
    let web = world.container("web", &network, &[]);
    let mut rtnl = Rtnl::open_in(web.namespace.as_fd()).unwrap();
    let link = rtnl.link("net0").unwrap().unwrap();
    assert_eq!((link.mtu, link.mac.unwrap().to_string()), (1400, web.endpoint.mac.clone()));
    assert_eq!(web.endpoint.mac, "02:42:ac:11:00:02");
    let mut rtnl = Rtnl::open_in(world.host.as_fd()).unwrap();
    assert_eq!(rtnl.link("mine0").unwrap().unwrap().mtu, 1400);
}

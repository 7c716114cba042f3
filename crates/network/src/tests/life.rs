//! Networks come, stay and go.

use super::*;

#[track_caller]
fn refused(world: &World, change: impl FnOnce(&mut NetworkSpec), expect: &str) {
    let before = links(&world.host);
    let error = world.networks.create(&spec("other", change)).unwrap_err();
    assert_eq!(error.to_string(), expect);
    assert_eq!(links(&world.host), before, "something was left");
}

fn links(machine: &OwnedFd) -> Vec<String> {
    let links = Rtnl::open_in(machine.as_fd()).unwrap().links().unwrap();
    let mut names: Vec<String> = links.into_iter().map(|link| link.name).collect();
    names.sort();
    names
}

fn pool(subnet: &str) -> PoolSpec {
    PoolSpec { subnet: subnet.to_owned(), ..PoolSpec::default() }
}

#[test]
fn what_cannot_be_is_refused_in_dockers_words() {
    let world = World::new();
    let first = world.network("first", |spec| {
        let option = "com.docker.network.bridge.name".to_owned();
        spec.options.insert(option, "mine0".to_owned());
    });
    refused(&world, |spec| spec.name = " ".to_owned(), "invalid name: name is empty");
    let taken = |spec: &mut NetworkSpec| spec.name = "first".to_owned();
    refused(&world, taken, "network with name first already exists");
    refused(&world, |spec| spec.ipv4 = false, "IPv4 or IPv6 must be enabled");
    refused(&world, |spec| spec.driver = "nosuch".to_owned(), "plugin \"nosuch\" not found");
    refused(
        &world,
        |spec| spec.pools = vec![pool("172.17.5.0/24")],
        "invalid pool request: Pool overlaps with other one on this address space",
    );
    refused(
        &world,
        |spec| {
            let gateway = "10.1.0.0".to_owned();
            spec.pools = vec![PoolSpec { gateway, ..pool("10.1.0.0/24") }];
        },
        "failed to allocate gateway (10.1.0.0): Address already in use",
    );
    refused(
        &world,
        |spec| {
            let auxiliary = BTreeMap::from([("a".to_owned(), "10.1.0.1".to_owned())]);
            let gateway = "10.1.0.1".to_owned();
            spec.pools = vec![PoolSpec { gateway, auxiliary, ..pool("10.1.0.0/24") }];
        },
        "failed to allocate secondary ip address (a:10.1.0.1): Address already in use",
    );
    let option = "com.docker.network.bridge.name";
    let named = |name: &str| {
        let name = name.to_owned();
        move |spec: &mut NetworkSpec| drop(spec.options.insert(option.to_owned(), name))
    };
    let error = world.networks.create(&spec("other", named("mine0"))).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("cannot create network "), "{text}");
    assert!(text.contains(&format!("conflicts with network {} (mine0)", first.id)), "{text}");
    assert!(text.ends_with(": networks have same bridge name"), "{text}");
    let error =
        world.networks.create(&spec("other", named("a-name-that-is-too-long"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid bridge name a-name-that-is-too-long: it has 1 to 15 visible characters without \
         `/`, `:` and `%`"
    );
    assert_eq!(world.networks.list().len(), 1);
    // Routes of the machine are not in the way of who insists, as with Docker, but of our choice.
    world.network("insists", |spec| spec.pools = vec![pool("192.0.2.0/25")]);
}

#[test]
fn a_bridge_that_was_there_before_stays() {
    let mut world = World::new();
    let mut rtnl = Rtnl::open_in(world.host.as_fd()).unwrap();
    rtnl.create(&LinkSpec::new("theirs", LinkKind::Bridge(BridgeSpec::default()))).unwrap();
    let named = |name: &str| {
        let option = ("com.docker.network.bridge.name".to_owned(), name.to_owned());
        move |spec: &mut NetworkSpec| spec.options = BTreeMap::from([option])
    };
    refused(&world, named("up0"), "existing interface up0 is not a bridge");
    let network = world.network("n", named("theirs"));
    let web = world.container("web", &network, &[]);
    reaches(&world.host, &web.at(80), "web to 172.17.0.1");
    world.networks.release(&web.endpoint.id).unwrap();
    // By the next engine, too.
    world.reopen();
    world.networks.remove(&network.id).unwrap();
    assert!(rtnl.link("theirs").unwrap().is_some());
    assert!(!world.networks.filter_text().unwrap().contains("theirs"));
}

#[test]
fn networks_are_found_by_name_id_and_its_beginning() {
    let world = World::new();
    let one = world.network("one", |_| ());
    world.network("two", |_| ());
    for called in ["one", &one.id, &one.id[..20]] {
        assert_eq!(world.networks.find(called).unwrap(), one);
    }
    for called in ["", "on", "zz"] {
        let error = world.networks.find(called).unwrap_err();
        assert_eq!(error.to_string(), format!("network {called} not found"));
    }
    let names: Vec<String> = world.networks.list().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["one", "two"]);
}

#[test]
fn the_machines_own_routes_are_avoided() {
    let world = World::new();
    let mut rtnl = Rtnl::open_in(world.host.as_fd()).unwrap();
    let up0 = rtnl.link("up0").unwrap().unwrap().index;
    rtnl.add_route(&Route {
        destination: (address("172.16.0.0"), 14),
        link: Some(up0),
        gateway: None,
        source: None,
        metric: None,
    })
    .unwrap();
    let network = world.network("n", |_| ());
    assert_eq!(network.pools[0].subnet.to_string(), "172.20.0.0/16");
    // Our own are none of them.
    let network = world.network("m", |_| ());
    assert_eq!(network.pools[0].subnet.to_string(), "172.21.0.0/16");
}

#[test]
fn addresses_are_leased_and_given_back() {
    let world = World::new();
    let network = world.network("n", |spec| {
        let range = "10.9.0.0/30".to_owned();
        let auxiliary = BTreeMap::from([("a".to_owned(), "10.9.0.2".to_owned())]);
        spec.pools = vec![PoolSpec { range, auxiliary, ..pool("10.9.0.0/29") }];
    });
    assert_eq!(network.pools[0].gateway, Some(address("10.9.0.1")));
    assert!(!network.pools[0].shows_gateway);
    let lease = |container: &str, ipv4: Option<&str>| {
        world.networks.lease(&EndpointSpec {
            network: network.id.clone(),
            container: container.to_owned(),
            names: vec![container.to_owned()],
            ipv4: ipv4.map(address),
            ..EndpointSpec::default()
        })
    };
    let one = lease("one", None).unwrap();
    assert_eq!(one.ipv4, Some(address("10.9.0.3")));
    let text = "endpoint with name one already exists in network n";
    assert_eq!(lease("one", None).unwrap_err().to_string(), text);
    let error = lease("two", None).unwrap_err();
    let text = "no available IPv4 addresses on this network's address pools: n";
    assert_eq!(error.to_string(), format!("{text} ({})", network.id));
    assert_eq!(lease("two", Some("10.9.0.5")).unwrap().ipv4, Some(address("10.9.0.5")));
    let error = lease("three", Some("10.9.0.5")).unwrap_err();
    assert_eq!(error.to_string(), "Address already in use");
    let error = lease("three", Some("10.8.0.5")).unwrap_err();
    let text = "no configured subnet or ip-range contain the IP address 10.8.0.5";
    assert_eq!(error.to_string(), text);
    world.networks.release(&one.id).unwrap();
    world.networks.release(&one.id).unwrap();
    assert_eq!(lease("four", None).unwrap().ipv4, Some(address("10.9.0.3")));
    let error = world.networks.remove(&network.id).unwrap_err();
    assert_eq!(error.kind(), stdx::Kind::Forbidden);
    assert!(error.to_string().contains("network n has active endpoints (name:\""), "{error}");
}

#[test]
fn nothing_stays_of_what_is_removed() {
    let world = World::new();
    let before = links(&world.host);
    let network = world.network("n", |spec| spec.ipv6 = true);
    let text = world.networks.filter_text().unwrap();
    let web = world.container("web", &network, &publish(None, 8080));
    assert_ne!(world.networks.filter_text().unwrap(), text);
    world.networks.release(&web.endpoint.id).unwrap();
    assert_eq!(world.networks.filter_text().unwrap(), text);
    world.networks.remove(&network.id).unwrap();
    assert_eq!(world.networks.remove(&network.id).unwrap_err().kind(), stdx::Kind::NotFound);
    assert_eq!(links(&world.host), before);
    assert!(!world.networks.filter_text().unwrap().contains("elements"));
    for dir in ["root", "run"] {
        let left = std::fs::read_dir(world.dirs.path().join(dir)).unwrap().count();
        assert_eq!(left, 0, "{dir}");
    }
}

#[test]
fn a_new_engine_finds_everything_and_no_connection_is_lost() {
    let mut world = World::new();
    let network = world.network("n", |spec| {
        spec.ipv6 = true;
        spec.labels.insert("a".to_owned(), "b".to_owned());
    });
    let web = world.container("web", &network, &publish(None, 8080));
    let leased = EndpointSpec {
        network: network.id.clone(),
        container: "leased".to_owned(),
        ..EndpointSpec::default()
    };
    world.networks.lease(&leased).unwrap();
    let text = world.networks.filter_text().unwrap();
    // A connection from outside that is used before and after.
    let listen = || TcpListener::bind((web.endpoint.ipv4.unwrap(), 81)).unwrap();
    let listener = inside(web.namespace.as_fd(), listen).unwrap();
    let second = world.container(
        "second",
        &network,
        &[PortSpec {
            protocol: Protocol::Tcp,
            container_port: 80,
            host_ip: None,
            host_ports: None,
        }],
    );
    assert_eq!(second.endpoint.published.len(), 2);
    world.networks.release(&second.endpoint.id).unwrap();
    drop(second);
    let connect = || TcpStream::connect((web.endpoint.ipv4.unwrap(), 81)).unwrap();
    let mut near = inside(world.host.as_fd(), connect).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    for _ in 0..3 {
        world.reopen();
        assert_eq!(world.networks.list(), std::slice::from_ref(&network));
        // What was never attached is not there any more.
        assert_eq!(world.networks.endpoints_of_network(&network.id).len(), 1);
        assert_eq!(world.networks.endpoints_of_container("web").len(), 1);
        assert_eq!(world.networks.filter_text().unwrap(), text);
        near.write_all(b"x").unwrap();
        far.read_exact(&mut [0]).unwrap();
        reaches(&world.outside, "192.0.2.1:8080", "web to 192.0.2.9");
    }
    // Its address is still its own.
    let next = world.container("next", &network, &[]);
    assert_eq!(next.ipv4(), "172.17.0.3");
}

#[test]
fn after_a_boot_the_bridges_are_made_again() {
    let mut world = World::new();
    let network = world.network("n", |_| ());
    let web = world.container("web", &network, &publish(None, 8080));
    drop(web);
    // Another kernel, and a directory that is empty.
    world.host = machine();
    let sysctls = netlink::sysctl::Sysctls::open().unwrap();
    std::fs::remove_dir_all(world.dirs.path().join("run")).unwrap();
    let damaged = world.dirs.path().join("root/damaged.json");
    std::fs::write(&damaged, "{").unwrap();
    world.reopen();
    assert_eq!(world.networks.list(), std::slice::from_ref(&network));
    assert!(world.networks.endpoints_of_network(&network.id).is_empty());
    assert!(damaged.with_extension("damaged").exists());
    let web = world.container("web", &network, &[]);
    reaches(&world.host, &web.at(80), "web to 172.17.0.1");
    assert_eq!(sysctls.read_in(world.host.as_fd(), "ipv4/ip_forward").unwrap(), "1");
    assert!(world.networks.filter_text().unwrap().contains("iifname != @bridges counter drop"));
}

#[test]
fn what_is_attached_is_not_attached_again() {
    let world = World::new();
    let network = world.network("n", |_| ());
    let web = world.container("web", &network, &[]);
    let text = world.networks.filter_text().unwrap();
    let place = Place { namespace: web.namespace.as_fd(), number: 1, is_default: false };
    let error = world.networks.attach(&web.endpoint.id, place, &[]).unwrap_err();
    assert_eq!(error.kind(), stdx::Kind::Conflict, "{error}");
    assert_eq!(world.networks.filter_text().unwrap(), text);
}

#[test]
fn one_network_that_is_lost_takes_no_other_with_it() {
    let mut world = World::new();
    let named = |name: &str| {
        let option = ("com.docker.network.bridge.name".to_owned(), name.to_owned());
        move |spec: &mut NetworkSpec| spec.options = BTreeMap::from([option])
    };
    let lost = world.network("lost", |_| ());
    let blocked = world.network("blocked", named("blocked0"));
    let usual = world.network("usual", |_| ());
    let orphan = world.container("orphan", &lost, &[]);
    let web = world.container("web", &usual, &publish(None, 8080));
    let record = |id: &str| world.dirs.path().join(format!("root/{id}.json"));
    std::fs::write(record(&lost.id), "{").unwrap();
    // What an engine leaves that is killed while it writes.
    let half = record(&usual.id).with_extension("json.new-0123456789ab");
    std::fs::write(&half, "{").unwrap();
    let mut rtnl = Rtnl::open_in(world.host.as_fd()).unwrap();
    let bridge = rtnl.link("blocked0").unwrap().unwrap();
    rtnl.delete(bridge.index).unwrap();
    let peer = PeerSpec { name: "blocked1", mac: None, mtu: None, namespace: None };
    rtnl.create(&LinkSpec::new("blocked0", LinkKind::Veth(peer))).unwrap();
    world.reopen();
    let mut names: Vec<String> = world.networks.list().into_iter().map(|one| one.name).collect();
    names.sort();
    assert_eq!(names, ["blocked", "usual"]);
    assert!(!half.exists());
    reaches(&world.outside, "192.0.2.1:8080", "web to 192.0.2.9");
    let kept = world.networks.endpoints_of_container("web");
    assert_eq!(kept, std::slice::from_ref(&web.endpoint));
    // Nobody looks at what it sends.
    assert!(!links(&world.host).contains(&orphan.endpoint.port));
    // What is in the way is not ours to remove.
    world.networks.remove(&blocked.id).unwrap();
    assert!(rtnl.link("blocked0").unwrap().is_some());
}

#[test]
fn ports_are_allocated_once() {
    let world = World::new();
    let network = world.network("n", |_| ());
    let web = world.container("web", &network, &publish(None, 8080));
    let lease = |container: &str| {
        let spec = EndpointSpec {
            network: network.id.clone(),
            container: container.to_owned(),
            ..EndpointSpec::default()
        };
        world.networks.lease(&spec).unwrap()
    };
    let second = lease("second");
    let namespace = guest_namespace();
    let place = Place { namespace: namespace.as_fd(), number: 0, is_default: true };
    let attach = |ports: &[PortSpec]| world.networks.attach(&second.id, place, ports);
    let error = attach(&publish(None, 8080)).unwrap_err();
    let text = "Bind for 0.0.0.0:8080 failed: port is already allocated";
    assert_eq!((error.to_string().as_str(), error.kind()), (text, stdx::Kind::Conflict));
    let error = attach(&publish(Some("192.0.2.1"), 8080)).unwrap_err();
    let text = "Bind for 192.0.2.1:8080 failed: port is already allocated";
    assert_eq!(error.to_string(), text);
    let error = attach(&publish(Some("192.0.2.77"), 8081)).unwrap_err();
    let text = "failed to bind host port for 192.0.2.77:8081/tcp: cannot assign requested address";
    assert_eq!(error.to_string(), text);
    let bind = || TcpListener::bind("0.0.0.0:8081").unwrap();
    let others = inside(world.host.as_fd(), bind).unwrap();
    let error = attach(&publish(None, 8081)).unwrap_err();
    let text = "failed to bind host port for 0.0.0.0:8081/tcp: address already in use";
    assert_eq!(error.to_string(), text);
    drop(others);
    // Of a range the first free one; TCP and UDP have ports of their own.
    let [tcp, udp] = publish(None, 0);
    let range = |spec: &PortSpec| PortSpec { host_ports: Some(8080..=8082), ..spec.clone() };
    let attached = attach(&[range(&tcp), range(&udp)]).unwrap();
    let ports: Vec<u16> = attached.record.published.iter().map(|one| one.host_port).collect();
    assert_eq!(ports, [8081, 8081, 8081, 8081]);
    reaches(&world.host, &web.at(80), "web to 172.17.0.1");
    // None of them was left by a failure.
    world.networks.release(&second.id).unwrap();
    drop(attached);
    let third = lease("third");
    let place = Place { namespace: namespace.as_fd(), number: 1, is_default: true };
    world.networks.attach(&third.id, place, &publish(None, 8081)).unwrap();
}

#[test]
fn the_filter_is_repaired_when_somebody_empties_it() {
    use netlink::nft::{Batch, Family, Nft, TableName};
    let world = World::new();
    let network = world.network("n", |_| ());
    let _web = world.container("web", &network, &publish(None, 8080));
    let World { host, outside, dirs: _dirs, networks } = world;
    let networks = std::sync::Arc::new(networks);
    let text = networks.filter_text().unwrap();
    let watching = networks.watch().unwrap();
    let mut nft = Nft::open_in(host.as_fd()).unwrap();
    let repaired = |count: u32| {
        let until = std::time::Instant::now() + DEADLINE;
        while networks.filter_text().unwrap() != text {
            assert!(std::time::Instant::now() < until, "attack {count} was not noticed");
            std::thread::yield_now();
        }
    };
    for count in 0..3 {
        let mut batch = Batch::new();
        for family in [Family::Inet, Family::Bridge].into_iter().take(1 + count as usize % 2) {
            batch.delete_table(TableName { family, name: "wharf" });
        }
        nft.commit(batch).unwrap();
        repaired(count);
    }
    let mut batch = Batch::new();
    let inet = TableName { family: Family::Inet, name: "wharf" };
    batch.flush_chain(inet, "forward");
    nft.commit(batch).unwrap();
    repaired(3);
    reaches(&outside, "192.0.2.1:8080", "web to 192.0.2.9");
    // Others' tables are their own affair.
    let mut batch = Batch::new();
    batch.add_table(TableName { family: Family::Inet, name: "other" });
    nft.commit(batch).unwrap();
    drop(watching);
    let mut batch = Batch::new();
    batch.delete_table(inet);
    nft.commit(batch).unwrap();
    assert_ne!(networks.filter_text().unwrap(), text);
}

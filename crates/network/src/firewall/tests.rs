//! The tables as the kernel has them: golden documents.

use std::os::fd::AsFd;

use netlink::namespace;

use super::*;

fn subnet(text: &str, masquerade: bool, direct: Direct) -> SubnetRules {
    SubnetRules { subnet: text.parse().unwrap(), masquerade, direct }
}

fn network(bridge: &str, subnets: Vec<SubnetRules>) -> NetworkRules {
    NetworkRules { bridge: bridge.to_owned(), subnets, internal: false, open_inside: true }
}

fn endpoint(
    port: &str,
    last: u8,
    addresses: &[&str],
    published: Vec<PublishedRules>,
) -> EndpointRules {
    EndpointRules {
        port: port.to_owned(),
        mac: Mac([2, 0x42, 0, 0, 0, last]),
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        published,
        trusted: false,
    }
}

fn published(protocol: u8, host: &str, target: &str, direct: bool) -> PublishedRules {
    PublishedRules {
        protocol,
        host: host.parse().unwrap(),
        target: target.parse().unwrap(),
        direct,
    }
}

fn text(firewall: &mut Firewall) -> String {
    let tables = firewall.list().unwrap();
    tables.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn fill(firewall: &mut Firewall) {
    let nat = |text| subnet(text, true, Direct::Denied);
    firewall.set_network("a", network("wharf0", vec![nat("172.17.0.0/16")])).unwrap();
    let both = vec![nat("172.18.0.0/16"), nat("fd00:1::/64")];
    firewall
        .set_network("b", NetworkRules { open_inside: false, ..network("br-b", both) })
        .unwrap();
    let inner = vec![subnet("172.19.0.0/16", false, Direct::Denied)];
    firewall.set_network("c", NetworkRules { internal: true, ..network("br-c", inner) }).unwrap();
    let routed = vec![
        subnet("10.0.0.0/24", false, Direct::Published),
        subnet("fd00:2::/64", false, Direct::Open),
    ];
    firewall.set_network("d", network("br-d", routed)).unwrap();
    let ports = vec![
        published(6, "0.0.0.0:8080", "172.17.0.2:80", false),
        published(17, "192.0.2.1:53", "172.17.0.2:53", false),
    ];
    firewall.set_endpoint("1", endpoint("veth1", 1, &["172.17.0.2"], ports)).unwrap();
    let ports = vec![
        published(6, "[::]:8081", "[fd00:1::2]:80", false),
        published(6, "[2001:db8::1]:8082", "[fd00:1::2]:80", false),
    ];
    let own = ["172.18.0.2", "fd00:1::2"];
    firewall.set_endpoint("2", endpoint("veth2", 2, &own, ports)).unwrap();
    let ports = vec![published(132, "0.0.0.0:9", "10.0.0.2:9", true)];
    firewall.set_endpoint("3", endpoint("veth3", 3, &["10.0.0.2"], ports)).unwrap();
    let trusted =
        EndpointRules { trusted: true, ..endpoint("veth4", 4, &["10.0.0.3"], Vec::new()) };
    firewall.set_endpoint("4", trusted).unwrap();
}

#[test]
fn the_tables_are_as_documented() {
    let machine = namespace::create().unwrap();
    let nft = Nft::open_in(machine.as_fd()).unwrap();
    let mut firewall = Firewall::new(nft, "wharf");
    firewall.replace().unwrap();
    let empty = text(&mut firewall);
    assert_eq!(empty, include_str!("empty.txt"), "{empty}");
    fill(&mut firewall);
    let full = text(&mut firewall);
    assert_eq!(full, include_str!("full.txt"), "{full}");
    // Step by step or as a whole, it is the same.
    firewall.replace().unwrap();
    assert_eq!(text(&mut firewall), full);
    for id in ["1", "2", "3", "4", "absent"] {
        firewall.remove_endpoint(id).unwrap();
    }
    for id in ["a", "b", "c", "d"] {
        firewall.remove_network(id).unwrap();
    }
    assert_eq!(text(&mut firewall), empty);
    for (count, ipv6) in [(1, true), (2, false), (2, true)] {
        firewall.guard(ipv6).unwrap();
        let guarded = text(&mut firewall);
        assert_eq!(guarded.lines().count(), empty.lines().count() + count);
        let version = if ipv6 { "ipv6" } else { "ipv4" };
        let rule = format!("\t\tmeta nfproto {version} iifname != @bridges counter drop\n");
        assert!(guarded.contains(&rule), "{guarded}");
    }
    firewall.remove().unwrap();
    firewall.remove().unwrap();
    assert_eq!(text(&mut firewall), "");
}

#[test]
fn other_tables_are_left_alone_and_ours_come_back() {
    let machine = namespace::create().unwrap();
    let other = TableName { family: Family::Inet, name: "operator" };
    let mut nft = Nft::open_in(machine.as_fd()).unwrap();
    let mut batch = Batch::new();
    batch.add_table(other);
    nft.commit(batch).unwrap();
    let own = Nft::open_in(machine.as_fd()).unwrap();
    let mut firewall = Firewall::new(own, "wharf-2");
    firewall.replace().unwrap();
    fill(&mut firewall);
    let full = text(&mut firewall);
    // As `nft flush ruleset` does it.
    let mut batch = Batch::new();
    for family in [Family::Inet, Family::Bridge] {
        batch.delete_table(TableName { family, name: "wharf-2" });
    }
    nft.commit(batch).unwrap();
    assert_eq!(text(&mut firewall), "");
    firewall.remove_endpoint("4").unwrap();
    firewall.remove_endpoint("3").unwrap();
    let rules =
        endpoint("veth3", 3, &["10.0.0.2"], vec![published(132, "0.0.0.0:9", "10.0.0.2:9", true)]);
    firewall.set_endpoint("3", rules).unwrap();
    assert_eq!(text(&mut firewall), full);
    firewall.remove().unwrap();
    assert!(nft.has_table(other).unwrap());
}

#[test]
fn what_the_kernel_refuses_changes_nothing() {
    let machine = namespace::create().unwrap();
    let nft = Nft::open_in(machine.as_fd()).unwrap();
    let mut firewall = Firewall::new(nft, "wharf");
    firewall.replace().unwrap();
    fill(&mut firewall);
    let full = text(&mut firewall);
    // The port leads elsewhere already.
    let ports = vec![published(6, "0.0.0.0:8080", "172.17.0.9:80", false)];
    firewall.set_endpoint("9", endpoint("veth9", 9, &["172.17.0.9"], ports)).unwrap_err();
    assert_eq!(text(&mut firewall), full);
    firewall.replace().unwrap();
    assert_eq!(text(&mut firewall), full);
}

//! What a network, an endpoint, a published port is in the sets and maps.

use std::net::{IpAddr, Ipv6Addr};

use netlink::Mac;
use netlink::nft::{Element, Family, SetSpec, Value};

use super::document::{BRIDGES, CLOSED, INTERNAL, MACS, PORTS, SAME, VERSIONS, Version, sets};
use super::{Changes, Direct, EndpointRules, NetworkRules, PublishedRules};

pub(super) fn network(rules: &NetworkRules) -> Changes {
    let bridge = || Value::Link(rules.bridge.clone());
    let mut changes = vec![packets(BRIDGES, Element::of(vec![bridge()]))];
    match rules.open_inside {
        true => changes.push(packets(SAME, Element::of(vec![bridge(), bridge()]))),
        // From an internal network nobody reaches published ports, by the forwarder neither.
        false if rules.internal => {}
        false => changes.push(packets(CLOSED, Element::of(vec![bridge()]))),
    }
    if rules.internal {
        changes.push(packets(INTERNAL, Element::of(vec![bridge()])));
    }
    for one in &rules.subnets {
        let (first, bits) = (one.subnet.first(), one.subnet.bits());
        let version = version(first);
        let range = || Element::prefix(Vec::new(), first, bits);
        let home = Element::prefix(vec![bridge()], first, bits);
        changes.push(packets(version.subnets, home));
        if one.masquerade {
            changes.push(packets(version.masquerade, range()));
        }
        match one.direct {
            Direct::Denied => {}
            Direct::Published => changes.push(packets(version.pinged, range())),
            Direct::Open => changes.push(packets(version.open, range())),
        }
    }
    changes
}

pub(super) fn endpoint(rules: &EndpointRules) -> Changes {
    let mut changes: Changes = rules.published.iter().map(published).collect();
    let translated = rules.published.iter().filter(|port| !port.direct);
    changes.extend(translated.map(|port| {
        let protocol = Value::Byte(port.protocol);
        let key = vec![value(port.target.ip()), protocol, Value::Short(port.host.port())];
        packets(version(port.target.ip()).own, Element::of(key))
    }));
    // One port at several addresses of this machine is the same here.
    changes.sort_by(|(_, a), (_, b)| a.cmp(b));
    changes.dedup();
    if rules.trusted {
        return changes;
    }
    let port = || Value::Link(rules.port.clone());
    changes.push(frames(PORTS, Element::of(vec![port()])));
    changes.push(frames(MACS, Element::of(vec![port(), Value::Mac(rules.mac)])));
    let own = rules.addresses.iter().copied();
    let has_ipv6 = rules.addresses.iter().any(IpAddr::is_ipv6);
    let local = has_ipv6.then(|| IpAddr::V6(link_local(rules.mac)));
    for address in own.chain(local) {
        let element = Element::of(vec![port(), value(address)]);
        changes.push(frames(version(address).addresses, element));
    }
    changes
}

fn published(rules: &PublishedRules) -> (SetSpec, Element) {
    let version = version(rules.target.ip());
    let protocol = Value::Byte(rules.protocol);
    let target = vec![value(rules.target.ip()), Value::Short(rules.target.port())];
    if rules.direct {
        let key = vec![value(rules.target.ip()), protocol, Value::Short(rules.target.port())];
        return packets(version.direct, Element::of(key));
    }
    let port = Value::Short(rules.host.port());
    if rules.host.ip().is_unspecified() {
        let element = Element::to_values(vec![protocol, port], target);
        return packets(version.published, element);
    }
    let element = Element::to_values(vec![value(rules.host.ip()), protocol, port], target);
    packets(version.published_at, element)
}

/// The address that a link with this hardware address gives itself: RFC 4291, appendix A.
pub(crate) fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

fn version(address: IpAddr) -> &'static Version {
    &VERSIONS[usize::from(address.is_ipv6())]
}

fn value(address: IpAddr) -> Value {
    match address {
        IpAddr::V4(four) => Value::Ip4(four),
        IpAddr::V6(six) => Value::Ip6(six),
    }
}

fn packets(set: &str, element: Element) -> (SetSpec, Element) {
    (named(Family::Inet, set), element)
}

fn frames(set: &str, element: Element) -> (SetSpec, Element) {
    (named(Family::Bridge, set), element)
}

fn named(family: Family, name: &str) -> SetSpec {
    let found = sets(family).into_iter().find(|set| set.name == name);
    found.expect("every set that has elements is in the document")
}

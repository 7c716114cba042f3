//! What a network and an endpoint are in the kernel.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::BorrowedFd;

use netlink::namespace::inside;
use netlink::sysctl::Sysctls;
use netlink::{
    AddressSpec, BridgeSpec, Link, LinkKind, LinkSpec, Mac, NetlinkError, PeerSpec, PortFlags,
    Route, Rtnl,
};

use crate::subnet::Subnet;

/// A bridge as it should be.
pub(crate) struct BridgePlan<'a> {
    pub(crate) name: &'a str,
    pub(crate) addresses: &'a [(IpAddr, u8)],
    pub(crate) mtu: Option<u32>,
    pub(crate) ipv6: bool,
    /// Whether it is made for the network; somebody else's keeps its own parameters.
    pub(crate) is_ours: bool,
}

/// Whether containers can be connected to a link.
pub(crate) fn is_bridge(link: &Link) -> bool {
    link.kind == "bridge"
}

/// Makes a bridge, or makes an existing one right. On failure what was made is removed.
pub(crate) fn make(
    rtnl: &mut Rtnl,
    sysctls: &Sysctls,
    host: BorrowedFd<'_>,
    plan: &BridgePlan<'_>,
) -> Result<(), NetlinkError> {
    let existing = rtnl.link(plan.name)?;
    if existing.as_ref().is_some_and(|link| !is_bridge(link)) {
        let request = format!("make bridge `{}`", plan.name);
        return Err(NetlinkError::Invalid { request, reason: "a link of that name is none" });
    }
    if existing.is_none() {
        let spec = LinkSpec {
            mtu: plan.mtu,
            // Otherwise it would change with its ports.
            mac: Some(mac_of(plan.addresses.first().map(|(address, _)| *address))),
            ..LinkSpec::new(plan.name, LinkKind::Bridge(BridgeSpec::default()))
        };
        rtnl.create(&spec)?;
    }
    let configured = configure(rtnl, sysctls, host, plan);
    if configured.is_err() && existing.is_none() {
        // The first failure is the one to tell.
        drop(remove(rtnl, plan.name));
    }
    configured
}

fn configure(
    rtnl: &mut Rtnl,
    sysctls: &Sysctls,
    host: BorrowedFd<'_>,
    plan: &BridgePlan<'_>,
) -> Result<(), NetlinkError> {
    let link = rtnl.link(plan.name)?.ok_or_else(|| NetlinkError::Answer {
        request: format!("look for link `{}`", plan.name),
    })?;
    let own = |name: &str| format!("ipv6/conf/{}/{name}", plan.name);
    let disabled = if plan.ipv6 { "0" } else { "1" };
    // Nobody behind it is a router for this machine.
    let values = [(own("disable_ipv6"), disabled), (own("accept_ra"), "0")];
    let values: Vec<(&str, &str)> =
        values.iter().map(|(name, value)| (&name[..], *value)).collect();
    if plan.is_ours && sysctls.read_in(host, "ipv6/conf/all/disable_ipv6").is_ok() {
        sysctls.write_in(host, &values)?;
    }
    for (address, prefix) in plan.addresses {
        let spec = AddressSpec { address: *address, prefix: *prefix, at_once: true };
        match rtnl.add_address(link.index, spec) {
            Err(error) if error.is_exists() => {}
            other => other?,
        }
    }
    rtnl.set_up(link.index, true)
}

/// Removes a bridge. If it is gone, another link may have its name by now.
pub(crate) fn unmake(rtnl: &mut Rtnl, name: &str) -> Result<(), NetlinkError> {
    match rtnl.link(name)?.is_some_and(|link| is_bridge(&link)) {
        true => remove(rtnl, name),
        false => Ok(()),
    }
}

/// Removes a link; an absent one is fine.
pub(crate) fn remove(rtnl: &mut Rtnl, name: &str) -> Result<(), NetlinkError> {
    match rtnl.link(name)? {
        Some(link) => match rtnl.delete(link.index) {
            Err(error) if error.is_missing() => Ok(()),
            other => other,
        },
        None => Ok(()),
    }
}

const FORWARD4: &str = "ipv4/ip_forward";
const FORWARD6: &str = "ipv6/conf/all/forwarding";

/// Whether this machine forwards packets of an IP version.
pub(crate) fn forwards(
    sysctls: &Sysctls,
    host: BorrowedFd<'_>,
    ipv6: bool,
) -> Result<bool, NetlinkError> {
    let name = if ipv6 { FORWARD6 } else { FORWARD4 };
    Ok(sysctls.read_in(host, name)? != "0")
}

/// Lets this machine forward packets of an IP version. Links that learn their routes from routers
/// go on learning.
pub(crate) fn forward(
    rtnl: &mut Rtnl,
    sysctls: &Sysctls,
    host: BorrowedFd<'_>,
    ipv6: bool,
) -> Result<(), NetlinkError> {
    if !ipv6 {
        return sysctls.write_in(host, &[(FORWARD4, "1")]);
    }
    // Linux stops to listen to routers where it forwards, unless told twice.
    for link in rtnl.links()? {
        let name = format!("ipv6/conf/{}/accept_ra", link.name);
        if sysctls.read_in(host, &name).is_ok_and(|value| value == "1") {
            sysctls.write_in(host, &[(&name, "2")])?;
        }
    }
    sysctls.write_in(host, &[("ipv6/conf/default/forwarding", "1"), (FORWARD6, "1")])
}

/// The subnets that this machine has routes to, other than by links of these names.
pub(crate) fn routes(rtnl: &mut Rtnl, ours: &[&str]) -> Result<Vec<Subnet>, NetlinkError> {
    let links = rtnl.links()?;
    let own = links.iter().filter(|link| ours.contains(&link.name.as_str()));
    let own: Vec<u32> = own.map(|link| link.index).collect();
    let is_own = |index: Option<u32>| index.is_some_and(|index| own.contains(&index));
    let routes = rtnl.routes()?.into_iter().filter(|route| !is_own(route.link));
    let mut subnets: Vec<Subnet> =
        routes.filter_map(|route| Subnet::of(route.destination.0, route.destination.1)).collect();
    for address in rtnl.addresses()?.into_iter().filter(|one| !own.contains(&one.index)) {
        subnets.extend(Subnet::of(address.address, address.prefix));
    }
    // The default route leads to everywhere, and says nothing.
    subnets.retain(|subnet| subnet.bits() > 0);
    Ok(subnets)
}

/// An endpoint as it should be.
pub(crate) struct LinkPlan<'a> {
    /// Our end.
    pub(crate) port: &'a str,
    /// Its end.
    pub(crate) name: &'a str,
    pub(crate) bridge: &'a str,
    pub(crate) mac: Mac,
    pub(crate) mtu: Option<u32>,
    pub(crate) addresses: &'a [(IpAddr, u8)],
    /// Routers of the default routes; none if it has those by another network.
    pub(crate) gateways: &'a [IpAddr],
    pub(crate) isolated: bool,
}

/// Makes a pair of links and everything behind. On failure nothing is left.
pub(crate) fn attach(
    rtnl: &mut Rtnl,
    sysctls: &Sysctls,
    guest: BorrowedFd<'_>,
    plan: &LinkPlan<'_>,
) -> Result<(), NetlinkError> {
    let bridge = rtnl.link(plan.bridge)?.ok_or_else(|| NetlinkError::Answer {
        request: format!("look for bridge `{}`", plan.bridge),
    })?;
    let peer =
        PeerSpec { name: plan.name, mac: Some(plan.mac), mtu: plan.mtu, namespace: Some(guest) };
    let spec = LinkSpec {
        mtu: plan.mtu,
        master: Some(bridge.index),
        up: true,
        ..LinkSpec::new(plan.port, LinkKind::Veth(peer))
    };
    rtnl.create(&spec)?;
    let configured =
        isolate(rtnl, plan).and_then(|()| inside(guest, || configure_guest(sysctls, plan))?);
    if configured.is_err() {
        // The first failure is the one to tell.
        drop(remove(rtnl, plan.port));
    }
    configured
}

fn isolate(rtnl: &mut Rtnl, plan: &LinkPlan<'_>) -> Result<(), NetlinkError> {
    if !plan.isolated {
        return Ok(());
    }
    let port = rtnl.link(plan.port)?.ok_or_else(|| NetlinkError::Answer {
        request: format!("look for link `{}`", plan.port),
    })?;
    rtnl.set_port(port.index, PortFlags { isolated: Some(true), ..PortFlags::default() })
}

/// On a thread in the container's network namespace.
fn configure_guest(sysctls: &Sysctls, plan: &LinkPlan<'_>) -> Result<(), NetlinkError> {
    let mut rtnl = Rtnl::open()?;
    let find = |rtnl: &mut Rtnl, name: &str| {
        rtnl.link(name)?
            .ok_or_else(|| NetlinkError::Answer { request: format!("look for link `{name}`") })
    };
    let lo = find(&mut rtnl, "lo")?;
    rtnl.set_up(lo.index, true)?;
    let link = find(&mut rtnl, plan.name)?;
    if !plan.addresses.iter().any(|(address, _)| address.is_ipv6()) {
        let name = format!("ipv6/conf/{}/disable_ipv6", plan.name);
        if sysctls.read(&name).is_ok() {
            sysctls.write(&name, "1")?;
        }
    }
    rtnl.set_up(link.index, true)?;
    for (address, prefix) in plan.addresses {
        let spec = AddressSpec { address: *address, prefix: *prefix, at_once: true };
        rtnl.add_address(link.index, spec)?;
    }
    for gateway in plan.gateways {
        let everywhere: IpAddr = match gateway {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        rtnl.replace_route(&Route {
            destination: (everywhere, 0),
            link: Some(link.index),
            gateway: Some(*gateway),
            source: None,
            metric: None,
        })?;
    }
    Ok(())
}

/// The hardware address that goes with an address, so that neighbors who remember it are right
/// about the next one who has it.
pub(crate) fn mac_of(address: Option<IpAddr>) -> Mac {
    let tail = match address {
        Some(IpAddr::V4(four)) => four.octets(),
        Some(IpAddr::V6(six)) => {
            let octets = six.octets();
            [octets[12], octets[13], octets[14], octets[15]]
        }
        None => [0; 4],
    };
    Mac([0x02, 0x42, tail[0], tail[1], tail[2], tail[3]])
}

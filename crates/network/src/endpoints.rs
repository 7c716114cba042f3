//! Endpoints.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd};

use netlink::namespace::inside;
use netlink::{Mac, Rtnl};

use crate::bridge::{self, LinkPlan, mac_of};
use crate::error::{NetworkError, Result};
use crate::firewall::{EndpointRules, PublishedRules};
use crate::networks::{Network, Networks, State};
use crate::ports::{self, PortSpec, PublishedPort, Reserved};
use crate::record::EndpointRecord;

/// An endpoint to be leased.
#[derive(Clone, Debug, Default)]
pub struct EndpointSpec {
    /// The network's id.
    pub network: String,
    /// The container's id.
    pub container: String,
    /// Names by which others in the network find it, its own first.
    pub names: Vec<String>,
    /// Its IPv4 address; any if none.
    pub ipv4: Option<IpAddr>,
    /// Its IPv6 address; any if none.
    pub ipv6: Option<IpAddr>,
    /// Its hardware address; ours if none.
    pub mac: Option<Mac>,
}

/// What an endpoint got when it was attached.
#[derive(Debug)]
pub struct Attached {
    /// The endpoint with its published ports.
    pub record: EndpointRecord,
    /// The sockets that hold them, with where they lead.
    pub reserved: Vec<(Reserved, SocketAddr)>,
}

/// How an endpoint appears in the container.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The container's network namespace.
    pub namespace: BorrowedFd<'a>,
    /// The number behind the name of its link: the first one is `eth0`.
    pub number: u32,
    /// Whether the container's default routes lead here.
    pub is_default: bool,
}

/// `net.ipv4.ip_local_port_range` of a kernel that nobody told otherwise.
const DYNAMIC: RangeInclusive<u16> = 32_768..=60_999;

impl Networks {
    /// Gives a container addresses in a network. It is shown, but has no link yet.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` when an address is taken or the container is in already.
    pub fn lease(&self, spec: &EndpointSpec) -> Result<EndpointRecord> {
        self.lock().lease(spec)
    }

    /// Makes a leased endpoint's links, and publishes ports. On failure nothing is left of that,
    /// and it is still leased.
    ///
    /// # Errors
    /// The kernel's; `Conflict` for a port that is taken, or when it is attached already.
    pub fn attach(&self, id: &str, place: Place<'_>, ports: &[PortSpec]) -> Result<Attached> {
        self.lock().attach(id, place, ports)
    }

    /// Removes an endpoint's links, ports and addresses; an absent one is fine.
    ///
    /// The kernel takes some ten milliseconds to forget a link; meanwhile others are served.
    ///
    /// # Errors
    /// The kernel's; then it is still there.
    pub fn release(&self, id: &str) -> Result<()> {
        let failed = || NetworkError::kernel("remove the link of an endpoint");
        let (port, mut rtnl) = {
            let state = self.lock();
            let Some(record) = state.endpoints.get(id) else { return Ok(()) };
            (record.port.clone(), Rtnl::open_in(state.host.as_fd()).map_err(failed())?)
        };
        bridge::remove(&mut rtnl, &port).map_err(failed())?;
        self.lock().forget_endpoint(id)
    }
}

impl State {
    fn lease(&mut self, spec: &EndpointSpec) -> Result<EndpointRecord> {
        let missing = || NetworkError::not_found(format!("network {} not found", spec.network));
        let network = self.networks.get_mut(&spec.network).ok_or_else(missing)?;
        let is_same = |other: &&EndpointRecord| {
            (&other.network, &other.container) == (&spec.network, &spec.container)
        };
        if self.endpoints.values().any(|other| is_same(&other)) {
            return Err(NetworkError::forbidden(format!(
                "endpoint with name {} already exists in network {}",
                spec.names.first().unwrap_or(&spec.container),
                network.record.name
            )));
        }
        let (ipv4, ipv6) = network.addresses_for(spec)?;
        let id = stdx::id::random_hex::<32>();
        let record = EndpointRecord {
            port: format!("veth{}", &id[..11]),
            network: spec.network.clone(),
            container: spec.container.clone(),
            mac: spec.mac.unwrap_or_else(|| mac_of(ipv4.or(ipv6))).to_string(),
            ipv4,
            ipv6,
            names: spec.names.clone(),
            published: Vec::new(),
            id,
        };
        if let Err(error) = self.endpoint_records.put(&record.id, &record) {
            network.give_back(&record);
            return Err(error);
        }
        self.endpoints.insert(record.id.clone(), record.clone());
        Ok(record)
    }

    fn attach(&mut self, id: &str, place: Place<'_>, wished: &[PortSpec]) -> Result<Attached> {
        let missing = || NetworkError::not_found(format!("endpoint {id} not found"));
        let mut record = self.endpoints.get(id).cloned().ok_or_else(missing)?;
        if self.firewall.has_endpoint(id) {
            let text = format!("endpoint {id} is attached already");
            return Err(NetworkError::conflict(text));
        }
        let reserved = self.reserve(&record, wished)?;
        record.published = reserved.iter().map(|(one, _)| one.port).collect();
        self.endpoint_records.put(id, &record)?;
        match self.build_endpoint(&record, place) {
            Ok(()) => {
                self.endpoints.insert(id.to_owned(), record.clone());
                Ok(Attached { record, reserved })
            }
            Err(error) => {
                // The first failure is the one to tell.
                drop(self.firewall.remove_endpoint(id));
                record.published.clear();
                drop(self.endpoint_records.put(id, &record));
                Err(error)
            }
        }
    }

    /// Binds the ports of this machine.
    fn reserve(
        &mut self,
        record: &EndpointRecord,
        wished: &[PortSpec],
    ) -> Result<Vec<(Reserved, SocketAddr)>> {
        let network = &self.networks[&record.network];
        if wished.is_empty() || network.record.internal {
            return Ok(Vec::new());
        }
        let taken = self.endpoints.values().flat_map(|other| &other.published);
        let taken: Vec<PublishedPort> = taken.copied().collect();
        let text = self.sysctls.read_in(self.host.as_fd(), "ipv4/ip_local_port_range");
        let dynamic = text.ok().and_then(|text| range(&text)).unwrap_or(DYNAMIC);
        let binding = network.options.binding;
        let routed = |address: IpAddr| network.is_routed(address.is_ipv6());
        let reserve = || ports::reserve(wished, binding, &taken, dynamic, routed);
        let reserved = inside(self.host.as_fd(), reserve)
            .map_err(NetworkError::kernel("bind ports of this machine"))??;
        let with_target = |one: Reserved| Some((target(record, &one.port)?, one));
        Ok(reserved.into_iter().filter_map(with_target).map(|(to, one)| (one, to)).collect())
    }

    fn build_endpoint(&mut self, record: &EndpointRecord, place: Place<'_>) -> Result<()> {
        let network = &self.networks[&record.network];
        let endpoint_rules = rules(record, network);
        let name = format!("{}{}", network.options.link_prefix, place.number);
        let pools = network.record.pools.iter();
        let bits = |address: IpAddr| {
            let mut pools = network.record.pools.iter();
            pools.find(|pool| pool.subnet.contains(address)).map(|pool| pool.subnet.bits())
        };
        let own = [record.ipv4, record.ipv6].into_iter().flatten();
        let addresses: Vec<(IpAddr, u8)> =
            own.filter_map(|address| Some((address, bits(address)?))).collect();
        let routed = place.is_default && !network.record.internal;
        let gateways: Vec<IpAddr> =
            pools.filter(|_| routed).filter_map(|pool| pool.gateway).collect();
        let plan = LinkPlan {
            port: &record.port,
            name: &name,
            bridge: &network.record.bridge,
            mac: endpoint_rules.mac,
            mtu: network.options.mtu,
            addresses: &addresses,
            gateways: &gateways,
            isolated: !network.options.open_inside,
        };
        // The filter knows the port before the port is there.
        self.firewall
            .set_endpoint(&record.id, endpoint_rules)
            .map_err(NetworkError::kernel("add the endpoint to the packet filter"))?;
        bridge::attach(&mut self.rtnl, &self.sysctls, place.namespace, &plan)
            .map_err(NetworkError::kernel(format!("connect a container to `{}`", plan.bridge)))
    }

    /// After its links are gone.
    fn forget_endpoint(&mut self, id: &str) -> Result<()> {
        let Some(record) = self.endpoints.get(id).cloned() else { return Ok(()) };
        let forgotten = self
            .firewall
            .remove_endpoint(id)
            .map_err(NetworkError::kernel("remove the endpoint from the packet filter"));
        self.endpoint_records.remove(id)?;
        self.endpoints.remove(id);
        if let Some(network) = self.networks.get_mut(&record.network) {
            network.give_back(&record);
        }
        forgotten
    }
}

impl Network {
    /// One address of each version that the network has.
    fn addresses_for(&mut self, spec: &EndpointSpec) -> Result<(Option<IpAddr>, Option<IpAddr>)> {
        let ipv4 = self.address(false, "IPv4", spec.ipv4)?;
        let ipv6 = self.address(true, "IPv6", spec.ipv6);
        if let (Err(_), Some(address)) = (&ipv6, ipv4) {
            self.give_back_address(address);
        }
        let ipv6 = ipv6?;
        Ok((ipv4, ipv6))
    }

    fn address(
        &mut self,
        six: bool,
        version: &str,
        wished: Option<IpAddr>,
    ) -> Result<Option<IpAddr>> {
        let mut all = self.addresses.iter_mut();
        let pool = all.find(|addresses| addresses.subnet().is_ipv6() == six);
        match (pool, wished) {
            (None, None) => Ok(None),
            (Some(pool), None) => pool.take_any().map(Some).ok_or_else(|| {
                NetworkError::conflict(format!(
                    "no available {version} addresses on this network's address pools: {} ({})",
                    self.record.name, self.record.id
                ))
            }),
            (Some(pool), Some(address)) if pool.subnet().contains(address) => {
                match pool.take(address) {
                    true => Ok(Some(address)),
                    false => Err(NetworkError::forbidden("Address already in use")),
                }
            }
            (_, Some(address)) => Err(NetworkError::invalid(format!(
                "no configured subnet or ip-range contain the IP address {address}"
            ))),
        }
    }

    fn give_back(&mut self, record: &EndpointRecord) {
        for address in [record.ipv4, record.ipv6].into_iter().flatten() {
            self.give_back_address(address);
        }
    }

    fn give_back_address(&mut self, address: IpAddr) {
        let mut all = self.addresses.iter_mut();
        if let Some(pool) = all.find(|addresses| addresses.subnet().contains(address)) {
            pool.give_back(address);
        }
    }
}

/// Where a published port leads: to an address of the same version if the container has one. Else
/// only the forwarder can carry it.
fn target(record: &EndpointRecord, port: &PublishedPort) -> Option<SocketAddr> {
    let address = match port.host_ip {
        IpAddr::V4(_) => record.ipv4.or(record.ipv6),
        IpAddr::V6(_) => record.ipv6.or(record.ipv4),
    };
    Some(SocketAddr::new(address?, port.container_port))
}

/// What the packet filter knows of an endpoint.
pub(crate) fn rules(record: &EndpointRecord, network: &Network) -> EndpointRules {
    let published = record.published.iter().filter_map(|port| {
        let target = target(record, port)?;
        // What is for a loopback address does not come by a link, and no version becomes another.
        let by_filter = !port.host_ip.is_loopback() && target.is_ipv4() == port.host_ip.is_ipv4();
        let subnet = network.record.pools.iter().find(|pool| pool.subnet.contains(target.ip()))?;
        by_filter.then_some(PublishedRules {
            protocol: port.protocol.number(),
            host: port.host(),
            target,
            direct: network.is_routed(subnet.subnet.is_ipv6()),
        })
    });
    EndpointRules {
        port: record.port.clone(),
        // It was printed by us.
        mac: record.mac.parse().unwrap_or_default(),
        addresses: [record.ipv4, record.ipv6].into_iter().flatten().collect(),
        published: published.collect(),
        trusted: network.options.trusted,
    }
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_whitespace();
    let (first, last) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    (first <= last).then_some(first..=last)
}

//! Making, finding and removing networks.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use netlink::nft::Nft;
use netlink::sysctl::Sysctls;
use netlink::{Rtnl, namespace};
use stdx::fs::Durability;

use crate::addresses::Addresses;
use crate::bridge::{self, BridgePlan};
use crate::error::{NetworkError, Result};
use crate::firewall::{Direct, Firewall, NetworkRules, SubnetRules};
use crate::pools::{self, AddressPool};
use crate::record::{EndpointRecord, NetworkRecord, Records};
use crate::spec::{BridgeOptions, GatewayMode, NetworkSpec, Pool};
use crate::subnet::Subnet;

/// Where everything is, and how it is called.
#[derive(Debug)]
pub struct Config {
    /// The network namespace of the bridges: this machine's.
    pub host: OwnedFd,
    /// Networks are kept here.
    pub root: PathBuf,
    /// Endpoints are kept here; a directory that does not survive the boot.
    pub run: PathBuf,
    /// The tables of the packet filter are called so.
    pub table: String,
    /// Subnets that nobody chose come from here.
    pub pools: Vec<AddressPool>,
}

/// All networks of an engine. Methods block for as long as the kernel takes: some milliseconds.
#[derive(Debug)]
pub struct Networks {
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) host: OwnedFd,
    pub(crate) pools: Vec<AddressPool>,
    pub(crate) rtnl: Rtnl,
    pub(crate) sysctls: Sysctls,
    pub(crate) firewall: Firewall,
    pub(crate) networks: BTreeMap<String, Network>,
    pub(crate) endpoints: BTreeMap<String, EndpointRecord>,
    pub(crate) network_records: Records,
    pub(crate) endpoint_records: Records,
}

#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) record: NetworkRecord,
    pub(crate) options: BridgeOptions,
    /// One for each pool, in the same order.
    pub(crate) addresses: Vec<Addresses>,
}

impl Networks {
    /// Finds the networks and endpoints of before, repairs what the kernel lost, and replaces the
    /// packet filter in one step.
    ///
    /// # Errors
    /// [`NetworkError::Record`], [`NetworkError::Kernel`].
    pub fn open(config: Config) -> Result<Networks> {
        let failed = || NetworkError::kernel("prepare networks");
        let nft = Nft::open_in(config.host.as_fd()).map_err(failed())?;
        let mut state = State {
            rtnl: Rtnl::open_in(config.host.as_fd()).map_err(failed())?,
            sysctls: Sysctls::open().map_err(failed())?,
            firewall: Firewall::new(nft, &config.table),
            host: config.host,
            pools: config.pools,
            networks: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            network_records: Records::open(config.root, Durability::PowerCut)?,
            endpoint_records: Records::open(config.run, Durability::Process)?,
        };
        state.restore()?;
        Ok(Networks { state: Mutex::new(state) })
    }

    /// Makes a network.
    ///
    /// # Errors
    /// In Docker's words; then nothing is left of it.
    pub fn create(&self, spec: &NetworkSpec) -> Result<NetworkRecord> {
        self.lock().create(spec)
    }

    /// All networks, the oldest first.
    pub fn list(&self) -> Vec<NetworkRecord> {
        let state = self.lock();
        let mut all: Vec<NetworkRecord> =
            state.networks.values().map(|network| network.record.clone()).collect();
        all.sort_by(|a, b| (a.created_ns, &a.id).cmp(&(b.created_ns, &b.id)));
        all
    }

    /// The network of a name, of an id, or whose id alone begins so.
    ///
    /// # Errors
    /// `NotFound`, and `Invalid` when several begin so.
    pub fn find(&self, called: &str) -> Result<NetworkRecord> {
        let state = self.lock();
        let all = || state.networks.values().map(|network| &network.record);
        let exact = all().find(|one| one.id == called).or(all().find(|one| one.name == called));
        if let Some(found) = exact {
            return Ok(found.clone());
        }
        let mut starting = all().filter(|one| !called.is_empty() && one.id.starts_with(called));
        match (starting.next(), starting.next()) {
            (Some(found), None) => Ok(found.clone()),
            (Some(_), Some(_)) => Err(NetworkError::invalid(format!(
                "network {called} is ambiguous (2 matches found based on ID prefix)"
            ))),
            (None, _) => Err(NetworkError::not_found(format!("network {called} not found"))),
        }
    }

    /// Removes a network.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` while it has endpoints.
    pub fn remove(&self, id: &str) -> Result<()> {
        self.lock().remove(id)
    }

    /// The endpoints of a network.
    pub fn endpoints_of_network(&self, id: &str) -> Vec<EndpointRecord> {
        self.endpoints(|endpoint| endpoint.network == id)
    }

    /// The endpoints of a container.
    pub fn endpoints_of_container(&self, id: &str) -> Vec<EndpointRecord> {
        self.endpoints(|endpoint| endpoint.container == id)
    }

    fn endpoints(&self, fits: impl Fn(&EndpointRecord) -> bool) -> Vec<EndpointRecord> {
        let state = self.lock();
        state.endpoints.values().filter(|endpoint| fits(endpoint)).cloned().collect()
    }

    /// The packet filter as the kernel has it, as `nft list table` prints it.
    ///
    /// # Errors
    /// [`NetworkError::Kernel`].
    pub fn filter_text(&self) -> Result<String> {
        let tables = self.lock().firewall.list();
        let tables = tables.map_err(NetworkError::kernel("list the packet filter"))?;
        Ok(tables.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked has left at worst a step undone that the next start repairs.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn create(&mut self, spec: &NetworkSpec) -> Result<NetworkRecord> {
        self.check(spec)?;
        let options = BridgeOptions::read(&spec.options, spec.internal)?;
        let id = stdx::id::random_hex::<32>();
        let bridge = options.bridge.clone().unwrap_or_else(|| format!("br-{}", &id[..12]));
        let existing = self.rtnl.link(&bridge);
        let existing = existing.map_err(NetworkError::kernel("look for the network's bridge"))?;
        if existing.as_ref().is_some_and(|link| !bridge::is_bridge(link)) {
            let text = format!("existing interface {bridge} is not a bridge");
            return Err(NetworkError::conflict(text));
        }
        let pools = self.choose_pools(spec)?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let record = NetworkRecord {
            id,
            name: spec.name.clone(),
            created_ns: i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
            driver: "bridge".to_owned(),
            ipv4: spec.ipv4,
            ipv6: spec.ipv6,
            internal: spec.internal,
            attachable: spec.attachable,
            labels: spec.labels.clone(),
            options: spec.options.clone(),
            address_options: spec.address_options.clone(),
            pools,
            bridge,
            owns_bridge: existing.is_none(),
        };
        let same = self.networks.values().find(|other| other.record.bridge == record.bridge);
        if let Some(other) = same {
            let (bridge, other) = (&record.bridge, &other.record);
            return Err(NetworkError::forbidden(format!(
                "cannot create network {} ({bridge}): conflicts with network {} ({bridge}): \
                 networks have same bridge name",
                record.id, other.id
            )));
        }
        let mut network = Network::of(record, options);
        network.choose_gateways()?;
        let record = network.record.clone();
        // From here on, what is made is found again by its record.
        self.network_records.put(&record.id, &record)?;
        self.networks.insert(record.id.clone(), network);
        match self.build(&record.id) {
            Ok(()) => Ok(record),
            Err(error) => {
                // The first failure is the one to tell; the record stays if its bridge does.
                drop(self.demolish(&record.id));
                Err(error)
            }
        }
    }

    fn check(&self, spec: &NetworkSpec) -> Result<()> {
        if spec.name.trim().is_empty() {
            return Err(NetworkError::invalid("invalid name: name is empty"));
        }
        if !spec.driver.is_empty() && spec.driver != "bridge" {
            let text = format!("plugin \"{}\" not found", spec.driver);
            return Err(NetworkError::not_found(text));
        }
        if self.networks.values().any(|other| other.record.name == spec.name) {
            let text = format!("network with name {} already exists", spec.name);
            return Err(NetworkError::conflict(text));
        }
        match spec.ipv4 || spec.ipv6 {
            true => Ok(()),
            false => Err(NetworkError::invalid("IPv4 or IPv6 must be enabled")),
        }
    }

    /// The wished ones, and one for each version that has none.
    fn choose_pools(&mut self, spec: &NetworkSpec) -> Result<Vec<Pool>> {
        let mut pools = spec.pools()?;
        let others = self.networks.values().flat_map(|network| &network.record.pools);
        let others: Vec<Subnet> = others.map(|pool| pool.subnet).collect();
        let taken = |pool: &Pool| others.iter().any(|other| other.overlaps(pool.subnet));
        if pools.iter().any(taken) {
            let text = "invalid pool request: Pool overlaps with other one on this address space";
            return Err(NetworkError::forbidden(text));
        }
        let ours: Vec<&str> =
            self.networks.values().map(|network| network.record.bridge.as_str()).collect();
        let mut obstacles = bridge::routes(&mut self.rtnl, &ours)
            .map_err(NetworkError::kernel("list the routes of this machine"))?;
        obstacles.extend(others);
        obstacles.extend(pools.iter().map(|pool| pool.subnet));
        for (wished, six) in [(spec.ipv4, false), (spec.ipv6, true)] {
            if wished && !pools.iter().any(|pool| pool.subnet.is_ipv6() == six) {
                let text = "all predefined address pools have been fully subnetted";
                let subnet = pools::choose(&self.pools, six, &obstacles)
                    .ok_or_else(|| NetworkError::invalid(text))?;
                pools.push(Pool {
                    subnet,
                    range: None,
                    gateway: None,
                    shows_gateway: true,
                    auxiliary: BTreeMap::new(),
                });
            }
        }
        Ok(pools)
    }

    /// Makes in the kernel what the record says.
    fn build(&mut self, id: &str) -> Result<()> {
        if self.networks.len() == 1 {
            // Whatever is in the tables is of networks that are no more.
            let failed = || NetworkError::kernel("make the packet filter");
            self.firewall.recall().map_err(failed())?;
            self.firewall.replace().map_err(failed())?;
        }
        let rules = self.networks[id].rules();
        self.firewall
            .set_network(id, rules)
            .map_err(NetworkError::kernel("add the network to the packet filter"))?;
        self.make_bridge(id)?;
        self.forward(id)
    }

    /// Lets this machine forward what a network needs.
    pub(crate) fn forward(&mut self, id: &str) -> Result<()> {
        let record = &self.networks[id].record;
        if record.internal {
            return Ok(());
        }
        let failed = || NetworkError::kernel("let this machine forward packets");
        for (ipv6, wished) in [(false, record.ipv4), (true, record.ipv6)] {
            let host = self.host.as_fd();
            let forwards = || bridge::forwards(&self.sysctls, host, ipv6).map_err(failed());
            if !wished || forwards()? {
                continue;
            }
            // The guard comes first: whoever is killed in between leaves no router for others.
            self.firewall.guard(ipv6).map_err(failed())?;
            bridge::forward(&mut self.rtnl, &self.sysctls, host, ipv6).map_err(failed())?;
        }
        Ok(())
    }

    pub(crate) fn make_bridge(&mut self, id: &str) -> Result<()> {
        let network = &self.networks[id];
        let isolated = |pool: &Pool| network.mode(pool.subnet) == GatewayMode::Isolated;
        let pools = network.record.pools.iter().filter(|pool| !isolated(pool));
        let addresses: Vec<(IpAddr, u8)> =
            pools.filter_map(|pool| Some((pool.gateway?, pool.subnet.bits()))).collect();
        let plan = BridgePlan {
            name: &network.record.bridge,
            addresses: &addresses,
            mtu: network.options.mtu,
            ipv6: network.record.ipv6,
            is_ours: network.record.owns_bridge,
        };
        let action = format!("make bridge `{}`", plan.name);
        bridge::make(&mut self.rtnl, &self.sysctls, self.host.as_fd(), &plan)
            .map_err(NetworkError::kernel(action))
    }

    fn remove(&mut self, id: &str) -> Result<()> {
        let Some(network) = self.networks.get(id) else {
            return Err(NetworkError::not_found(format!("network {id} not found")));
        };
        let mut endpoints = self.endpoints.values().filter(|endpoint| endpoint.network == id);
        if let Some(endpoint) = endpoints.next() {
            let name = &network.record.name;
            let container = endpoint.names.first().unwrap_or(&endpoint.container);
            return Err(NetworkError::forbidden(format!(
                "error while removing network: network {name} has active endpoints \
                 (name:\"{container}\" id:\"{}\")",
                &endpoint.id.get(..12).unwrap_or(&endpoint.id)
            )));
        }
        self.demolish(id)
    }

    /// Removes everything; the record last, so that nothing is forgotten that is there.
    fn demolish(&mut self, id: &str) -> Result<()> {
        let Some(network) = self.networks.get(id) else { return Ok(()) };
        let bridge = network.record.bridge.clone();
        let removed = match network.record.owns_bridge {
            true => bridge::unmake(&mut self.rtnl, &bridge)
                .map_err(NetworkError::kernel(format!("remove bridge `{bridge}`"))),
            // Somebody made it for more than this network.
            false => Ok(()),
        };
        let forgotten = self
            .firewall
            .remove_network(id)
            .map_err(NetworkError::kernel("remove the network from the packet filter"));
        removed?;
        self.network_records.remove(id)?;
        self.networks.remove(id);
        forgotten
    }
}

impl Network {
    pub(crate) fn of(record: NetworkRecord, options: BridgeOptions) -> Network {
        let addresses = record.pools.iter().map(|pool| {
            let mut addresses = Addresses::new(pool.subnet, pool.range);
            for address in pool.auxiliary.values().chain(&pool.gateway) {
                addresses.take(*address);
            }
            addresses
        });
        Network { addresses: addresses.collect(), record, options }
    }

    /// Gives each pool a gateway that has none, and checks those that were chosen.
    fn choose_gateways(&mut self) -> Result<()> {
        for (pool, addresses) in self.record.pools.iter_mut().zip(&mut self.addresses) {
            let mut fresh = Addresses::new(pool.subnet, pool.range);
            if let Some(gateway) = pool.gateway
                && !fresh.take(gateway)
            {
                return Err(NetworkError::forbidden(format!(
                    "failed to allocate gateway ({gateway}): Address already in use"
                )));
            }
            for (name, address) in &pool.auxiliary {
                if !fresh.take(*address) {
                    return Err(NetworkError::forbidden(format!(
                        "failed to allocate secondary ip address ({name}:{address}): Address \
                         already in use"
                    )));
                }
            }
            if pool.gateway.is_none() {
                let text = "failed to allocate gateway (): no available IPv4 addresses on this \
                            network's address pools";
                let free = addresses.take_any().ok_or_else(|| NetworkError::conflict(text))?;
                pool.gateway = Some(free);
            }
        }
        Ok(())
    }

    /// Takes an address; whether it was free.
    pub(crate) fn take(&mut self, address: IpAddr) -> bool {
        let mut fitting = self.addresses.iter_mut();
        fitting
            .find(|addresses| addresses.subnet().contains(address))
            .is_some_and(|addresses| addresses.take(address))
    }

    pub(crate) fn mode(&self, subnet: Subnet) -> GatewayMode {
        if subnet.is_ipv6() { self.options.gateway6 } else { self.options.gateway4 }
    }

    /// Whether published ports are reached at the containers' own addresses.
    pub(crate) fn is_routed(&self, six: bool) -> bool {
        let mode = if six { self.options.gateway6 } else { self.options.gateway4 };
        mode == GatewayMode::Routed
    }

    pub(crate) fn rules(&self) -> NetworkRules {
        let subnet = |pool: &Pool| {
            let mode = self.mode(pool.subnet);
            SubnetRules {
                subnet: pool.subnet,
                masquerade: self.options.masquerade
                    && !self.record.internal
                    && matches!(mode, GatewayMode::Nat | GatewayMode::NatUnprotected),
                direct: match mode {
                    GatewayMode::Nat | GatewayMode::Isolated => Direct::Denied,
                    GatewayMode::Routed => Direct::Published,
                    GatewayMode::NatUnprotected => Direct::Open,
                },
            }
        };
        NetworkRules {
            bridge: self.record.bridge.clone(),
            subnets: self.record.pools.iter().map(subnet).collect(),
            internal: self.record.internal,
            open_inside: self.options.open_inside,
        }
    }
}

impl Config {
    /// The network namespace that the calling thread is in.
    ///
    /// # Errors
    /// [`NetworkError::Kernel`].
    pub fn this_machine() -> Result<OwnedFd> {
        namespace::current().map_err(NetworkError::kernel("open this machine's network namespace"))
    }
}

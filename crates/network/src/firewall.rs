//! The packet filter: one table for packets (`inet`) and one of the same name for the frames on
//! our bridges (`bridge`). No other table is read or written.
//!
//! The rules are the same on every machine; networks, endpoints and published ports are elements of
//! sets and maps, so that one more costs the same however many there are. `docs/firewall.md` tells
//! an operator what the rules do and where rules of their own take part.

mod document;
mod elements;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use netlink::nft::{Batch, Element, Family, Nft, SetSpec, Table, TableName};
use netlink::{Mac, NetlinkError};

use crate::subnet::Subnet;

/// What the filter knows of a network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NetworkRules {
    /// Its bridge.
    pub bridge: String,
    /// Its subnets.
    pub subnets: Vec<SubnetRules>,
    /// Whether nothing goes in or out.
    pub internal: bool,
    /// Whether its containers see each other.
    pub open_inside: bool,
}

/// What the filter knows of a subnet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SubnetRules {
    /// The subnet.
    pub subnet: Subnet,
    /// Whether packets to elsewhere get the address of this machine.
    pub masquerade: bool,
    /// What comes from elsewhere without having been sent to a published port.
    pub direct: Direct,
}

/// Which packets for a container's own address are let in from elsewhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direct {
    /// None.
    Denied,
    /// Those for its published ports, and ICMP.
    Published,
    /// All.
    Open,
}

/// What the filter knows of an endpoint: whatever else comes out of its port is dropped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EndpointRules {
    /// The port of the bridge that it is behind.
    pub port: String,
    /// Its hardware address.
    pub mac: Mac,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its published ports.
    pub published: Vec<PublishedRules>,
    /// Whether it may pretend to be somebody else.
    pub trusted: bool,
}

/// What the filter knows of a published port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PublishedRules {
    /// IANA's number of TCP, UDP or SCTP.
    pub protocol: u8,
    /// Address and port of this machine; the unspecified address means all of them.
    pub host: SocketAddr,
    /// Address and port of the container.
    pub target: SocketAddr,
    /// Whether `target` may be reached directly instead, and nothing is translated.
    pub direct: bool,
}

/// The filter as it should be, and the connection by which it becomes so.
#[derive(Debug)]
pub struct Firewall {
    nft: Nft,
    table: String,
    /// Whether this machine forwarded nothing before we came; then it forwards only ours. Of IPv4
    /// and IPv6.
    guards: [bool; 2],
    networks: BTreeMap<String, NetworkRules>,
    endpoints: BTreeMap<String, EndpointRules>,
}

type Changes = Vec<(SetSpec, Element)>;

impl Firewall {
    /// For tables of this name; nothing happens yet.
    pub fn new(nft: Nft, table: &str) -> Firewall {
        let (table, guards) = (table.to_owned(), [false; 2]);
        Firewall { nft, table, guards, networks: BTreeMap::new(), endpoints: BTreeMap::new() }
    }

    /// Notes a network without telling the kernel; [`Firewall::replace`] does.
    pub fn note_network(&mut self, id: &str, rules: NetworkRules) {
        self.networks.insert(id.to_owned(), rules);
    }

    /// Notes an endpoint without telling the kernel; [`Firewall::replace`] does.
    pub fn note_endpoint(&mut self, id: &str, rules: EndpointRules) {
        self.endpoints.insert(id.to_owned(), rules);
    }

    /// Learns from the kernel whether this machine forwards only what is ours: the tables may be of
    /// an engine before this one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn recall(&mut self) -> Result<(), NetlinkError> {
        let name = TableName { family: Family::Inet, name: &self.table };
        let before = self.nft.table(name)?;
        let chains = before.iter().flat_map(|table| &table.chains);
        for rule in chains.flat_map(|chain| &chain.rules) {
            for (guards, found) in self.guards.iter_mut().zip(document::guards(rule)) {
                *guards |= found;
            }
        }
        Ok(())
    }

    /// The name of the tables, and the number by which the kernel tells who changed them.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn identity(&self) -> Result<(String, u32), NetlinkError> {
        Ok((self.table.clone(), self.nft.number()?))
    }

    /// Says that of one IP version this machine forwards only what is ours, and makes it so.
    ///
    /// # Errors
    /// The kernel's.
    pub fn guard(&mut self, ipv6: bool) -> Result<(), NetlinkError> {
        let guards = &mut self.guards[usize::from(ipv6)];
        if *guards {
            return Ok(());
        }
        *guards = true;
        self.replace()
    }

    /// Makes both tables what they should be, in one step: no packet sees anything in between, and
    /// connections go on.
    ///
    /// # Errors
    /// The kernel's; then the tables are as they were.
    pub fn replace(&mut self) -> Result<(), NetlinkError> {
        let mut batch = Batch::new();
        document::skeleton(&mut batch, self.packets(), self.frames(), self.guards);
        let networks = self.networks.values().flat_map(elements::network);
        let endpoints = self.endpoints.values().flat_map(elements::endpoint);
        let changes: Changes = networks.chain(endpoints).collect();
        for (family, table) in [(Family::Inet, self.packets()), (Family::Bridge, self.frames())] {
            for set in document::sets(family) {
                let own = changes.iter().filter(|(spec, _)| *spec == set);
                let own: Vec<Element> = own.map(|(_, element)| element.clone()).collect();
                batch.add_elements(table, &set, &own);
            }
        }
        self.nft.commit(batch)
    }

    /// Adds or changes a network.
    ///
    /// # Errors
    /// The kernel's; then nothing has changed.
    pub fn set_network(&mut self, id: &str, rules: NetworkRules) -> Result<(), NetlinkError> {
        let before = self.networks.get(id).map(elements::network).unwrap_or_default();
        let old = self.networks.insert(id.to_owned(), rules.clone());
        let changed = self.change(before, elements::network(&rules));
        if changed.is_err() {
            put_back(&mut self.networks, id, old);
        }
        changed
    }

    /// Forgets a network.
    ///
    /// # Errors
    /// The kernel's; it is forgotten all the same.
    pub fn remove_network(&mut self, id: &str) -> Result<(), NetlinkError> {
        match self.networks.remove(id) {
            Some(rules) => self.change(elements::network(&rules), Changes::new()),
            None => Ok(()),
        }
    }

    /// Whether it knows an endpoint.
    pub fn has_endpoint(&self, id: &str) -> bool {
        self.endpoints.contains_key(id)
    }

    /// Adds or changes an endpoint with its published ports.
    ///
    /// # Errors
    /// The kernel's; then nothing has changed.
    pub fn set_endpoint(&mut self, id: &str, rules: EndpointRules) -> Result<(), NetlinkError> {
        let before = self.endpoints.get(id).map(elements::endpoint).unwrap_or_default();
        let old = self.endpoints.insert(id.to_owned(), rules.clone());
        let changed = self.change(before, elements::endpoint(&rules));
        if changed.is_err() {
            put_back(&mut self.endpoints, id, old);
        }
        changed
    }

    /// Forgets an endpoint.
    ///
    /// # Errors
    /// The kernel's; it is forgotten all the same.
    pub fn remove_endpoint(&mut self, id: &str) -> Result<(), NetlinkError> {
        match self.endpoints.remove(id) {
            Some(rules) => self.change(elements::endpoint(&rules), Changes::new()),
            None => Ok(()),
        }
    }

    /// Removes both tables.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove(&mut self) -> Result<(), NetlinkError> {
        let mut batch = Batch::new();
        for table in [self.packets(), self.frames()] {
            // Removing what is not there is an error, making what is there is none.
            batch.add_table(table);
            batch.delete_table(table);
        }
        self.nft.commit(batch)
    }

    /// Both tables as the kernel has them, packets first.
    ///
    /// # Errors
    /// The kernel's.
    pub fn list(&mut self) -> Result<Vec<Table>, NetlinkError> {
        let mut tables = Vec::new();
        for family in [Family::Inet, Family::Bridge] {
            let name = TableName { family, name: &self.table };
            tables.extend(self.nft.table(name)?);
        }
        Ok(tables)
    }

    /// Removes and adds elements in one step. When the kernel does not have what we think, because
    /// somebody emptied its tables, everything is made anew.
    fn change(&mut self, before: Changes, after: Changes) -> Result<(), NetlinkError> {
        let mut batch = Batch::new();
        for (set, element) in before.iter().filter(|change| !after.contains(change)) {
            let table = self.table_of(set);
            batch.delete_elements(table, set, std::slice::from_ref(element));
        }
        for (set, element) in after.iter().filter(|change| !before.contains(change)) {
            let table = self.table_of(set);
            batch.add_new_elements(table, set, std::slice::from_ref(element));
        }
        match self.nft.commit(batch) {
            Err(error) if error.is_missing() || error.is_exists() => {
                tracing::warn!(
                    error = %stdx::error::chain(&error),
                    table = self.table,
                    "the packet filter was changed by somebody else; it is made anew"
                );
                self.replace()
            }
            other => other,
        }
    }

    fn packets(&self) -> TableName<'_> {
        TableName { family: Family::Inet, name: &self.table }
    }

    fn frames(&self) -> TableName<'_> {
        TableName { family: Family::Bridge, name: &self.table }
    }

    fn table_of(&self, set: &SetSpec) -> TableName<'_> {
        let is_frames = document::sets(Family::Bridge).contains(set);
        if is_frames { self.frames() } else { self.packets() }
    }
}

fn put_back<T>(map: &mut BTreeMap<String, T>, id: &str, old: Option<T>) {
    match old {
        Some(old) => map.insert(id.to_owned(), old),
        None => map.remove(id),
    };
}

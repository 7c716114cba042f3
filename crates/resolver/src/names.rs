//! Names of endpoints.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

/// What an endpoint is called, and where it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Entry {
    /// Its names, of which the first one is told to who asks by address.
    pub names: Vec<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// The names of all networks.
#[derive(Debug, Default)]
pub struct Names {
    networks: RwLock<HashMap<String, Network>>,
    /// Which of several addresses is told first: each time the next one.
    turn: AtomicUsize,
}

#[derive(Debug, Default)]
struct Network {
    /// Behind a dot, after a name of its own: `web.front`.
    name: String,
    entries: HashMap<String, Entry>,
    /// Name in lower case to endpoints.
    names: HashMap<String, Vec<String>>,
    addresses: HashMap<IpAddr, String>,
}

impl Names {
    /// No networks.
    pub fn new() -> Names {
        Names::default()
    }

    /// Makes or changes an endpoint of a network, which is called `network_name`.
    pub fn set(&self, network: &str, network_name: &str, endpoint: &str, entry: Entry) {
        let mut networks = self.networks.write().unwrap_or_else(PoisonError::into_inner);
        let network = networks.entry(network.to_owned()).or_default();
        network.name = network_name.to_ascii_lowercase();
        network.remove(endpoint);
        for name in &entry.names {
            let all = network.names.entry(name.to_ascii_lowercase()).or_default();
            if !all.iter().any(|other| other == endpoint) {
                all.push(endpoint.to_owned());
            }
        }
        for address in &entry.addresses {
            network.addresses.insert(*address, endpoint.to_owned());
        }
        network.entries.insert(endpoint.to_owned(), entry);
    }

    /// Forgets an endpoint.
    pub fn remove(&self, network: &str, endpoint: &str) {
        let mut networks = self.networks.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = networks.get_mut(network) {
            found.remove(endpoint);
            if found.entries.is_empty() {
                networks.remove(network);
            }
        }
    }

    /// The addresses of a name in lower case, in the first of the networks that has it; nothing if
    /// none has. A different one is first each time.
    pub(crate) fn addresses(&self, networks: &[String], name: &str) -> Option<Vec<IpAddr>> {
        let all = self.networks.read().unwrap_or_else(PoisonError::into_inner);
        let mut seen = networks.iter().filter_map(|id| all.get(id));
        let mut addresses = seen.find_map(|network| network.find(name))?;
        if !addresses.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % addresses.len();
            addresses.rotate_left(turn);
        }
        Some(addresses)
    }

    /// The name of an address, with that of its network behind.
    pub(crate) fn name(&self, networks: &[String], address: IpAddr) -> Option<String> {
        let all = self.networks.read().unwrap_or_else(PoisonError::into_inner);
        networks.iter().filter_map(|id| all.get(id)).find_map(|network| {
            let endpoint = network.addresses.get(&address)?;
            let name = network.entries.get(endpoint)?.names.first()?;
            Some(format!("{name}.{}", network.name))
        })
    }
}

impl Network {
    fn find(&self, name: &str) -> Option<Vec<IpAddr>> {
        let own = || name.strip_suffix(&self.name)?.strip_suffix('.');
        let endpoints = self.names.get(name).or_else(|| self.names.get(own()?))?;
        let entries = endpoints.iter().filter_map(|endpoint| self.entries.get(endpoint));
        Some(entries.flat_map(|entry| entry.addresses.iter().copied()).collect())
    }

    fn remove(&mut self, endpoint: &str) {
        let Some(entry) = self.entries.remove(endpoint) else { return };
        for name in entry.names.iter().map(|name| name.to_ascii_lowercase()) {
            if let Some(all) = self.names.get_mut(&name) {
                all.retain(|other| other != endpoint);
                if all.is_empty() {
                    self.names.remove(&name);
                }
            }
        }
        for address in &entry.addresses {
            if self.addresses.get(address).is_some_and(|other| other == endpoint) {
                self.addresses.remove(address);
            }
        }
    }
}

//! What a new engine finds of the one before.
//!
//! One network that cannot be as it was is no reason for the others not to be: it is told to the
//! operator, and the rest goes on.

use crate::bridge;
use crate::endpoints;
use crate::error::{NetworkError, Result};
use crate::networks::{Network, State};
use crate::record::{EndpointRecord, NetworkRecord};
use crate::spec::BridgeOptions;

impl State {
    pub(crate) fn restore(&mut self) -> Result<()> {
        for record in self.network_records.all::<NetworkRecord>()? {
            match BridgeOptions::read(&record.options, record.internal) {
                Ok(options) => {
                    self.networks.insert(record.id.clone(), Network::of(record, options));
                }
                Err(error) => told(&record.id, &error),
            }
        }
        for record in self.endpoint_records.all::<EndpointRecord>()? {
            self.keep_endpoint(record)?;
        }
        let ids: Vec<String> = self.networks.keys().cloned().collect();
        for id in &ids {
            if let Err(error) = self.make_bridge(id) {
                told(id, &error);
            }
            let network = &self.networks[id];
            self.firewall.note_network(id, network.rules());
        }
        for endpoint in self.endpoints.values() {
            let network = &self.networks[&endpoint.network];
            let rules = endpoints::rules(endpoint, network);
            self.firewall.note_endpoint(&endpoint.id, rules);
        }
        if ids.is_empty() {
            return Ok(());
        }
        let failed = || NetworkError::kernel("make the packet filter");
        self.firewall.recall().map_err(failed())?;
        self.firewall.replace().map_err(failed())?;
        for id in &ids {
            if let Err(error) = self.forward(id) {
                told(id, &error);
            }
        }
        Ok(())
    }

    /// An endpoint whose links are gone is gone. So is one whose network is: the filter knows
    /// nothing of it any more, and nobody would look at what comes out of its link.
    fn keep_endpoint(&mut self, record: EndpointRecord) -> Result<()> {
        let failed = || NetworkError::kernel("look for an endpoint's link");
        let link = self.rtnl.link(&record.port).map_err(failed())?;
        match (link, self.networks.get_mut(&record.network)) {
            (Some(_), Some(network)) => {
                for address in [record.ipv4, record.ipv6].into_iter().flatten() {
                    network.take(address);
                }
                self.endpoints.insert(record.id.clone(), record);
                Ok(())
            }
            (Some(_), None) => {
                let failed = NetworkError::kernel("remove the link of an endpoint");
                bridge::remove(&mut self.rtnl, &record.port).map_err(failed)?;
                self.endpoint_records.remove(&record.id)
            }
            (None, _) => self.endpoint_records.remove(&record.id),
        }
    }
}

fn told(network: &str, error: &NetworkError) {
    let error = stdx::error::chain(error);
    tracing::error!(network, %error, "a network is not as it was before");
}

//! Networks and endpoints.

use std::collections::BTreeMap;

use crate::time::Timestamp;
use crate::wire::{StringMap, Strings, is_empty, is_zero, objects};

objects! { "PascalCase";
    /// Networks that a new container joins.
    pub struct NetworkingConfig {
        /// By network name; a `null` endpoint takes the defaults.
        pub endpoints_config: Option<BTreeMap<String, Option<EndpointSettings>>>,
    }

    /// A container's place in one network: first what is wished, then what was given.
    pub struct EndpointSettings {
        /// Wished addresses.
        #[serde(rename = "IPAMConfig")]
        pub ipam_config: Option<EndpointIpamConfig>,
        /// Legacy links.
        pub links: Strings,
        /// Further names.
        pub aliases: Strings,
        /// Wished, then given.
        pub mac_address: String,
        /// Driver's options.
        pub driver_opts: StringMap,
        /// The highest has the default route.
        pub gw_priority: i64,
        /// Given.
        #[serde(rename = "NetworkID")]
        pub network_id: String,
        /// Given.
        #[serde(rename = "EndpointID")]
        pub endpoint_id: String,
        /// Given.
        pub gateway: String,
        /// Given.
        #[serde(rename = "IPAddress")]
        pub ip_address: String,
        /// Given.
        #[serde(rename = "IPPrefixLen")]
        pub ip_prefix_len: i64,
        /// Given.
        #[serde(rename = "IPv6Gateway")]
        pub ipv6_gateway: String,
        /// Given.
        #[serde(rename = "GlobalIPv6Address")]
        pub global_ipv6_address: String,
        /// Given.
        #[serde(rename = "GlobalIPv6PrefixLen")]
        pub global_ipv6_prefix_len: i64,
        /// All names that resolve to it.
        #[serde(rename = "DNSNames")]
        pub dns_names: Strings,
    }

    /// Wished addresses of an endpoint.
    pub struct EndpointIpamConfig {
        /// Address.
        #[serde(rename = "IPv4Address", skip_serializing_if = "is_zero")]
        pub ipv4_address: String,
        /// Address.
        #[serde(rename = "IPv6Address", skip_serializing_if = "is_zero")]
        pub ipv6_address: String,
        /// Addresses.
        #[serde(rename = "LinkLocalIPs", skip_serializing_if = "is_empty")]
        pub link_local_ips: Strings,
    }

    /// A network, in lists and in inspect.
    pub struct Network {
        /// Name.
        pub name: String,
        /// 64 hexadecimal digits.
        pub id: String,
        /// When it was created.
        pub created: Timestamp,
        /// `local`.
        pub scope: String,
        /// `bridge`, `host`, `null`, ...
        pub driver: String,
        /// It has IPv4.
        #[serde(rename = "EnableIPv4")]
        pub enable_ipv4: bool,
        /// It has IPv6.
        #[serde(rename = "EnableIPv6")]
        pub enable_ipv6: bool,
        /// Its addresses.
        #[serde(rename = "IPAM")]
        pub ipam: Ipam,
        /// No way out.
        pub internal: bool,
        /// Swarm only.
        pub attachable: bool,
        /// Swarm only.
        pub ingress: bool,
        /// Swarm only.
        pub config_from: ConfigReference,
        /// Swarm only.
        pub config_only: bool,
        /// By container id; `{}` in lists.
        pub containers: Option<BTreeMap<String, EndpointResource>>,
        /// Driver's options.
        pub options: StringMap,
        /// Labels.
        pub labels: StringMap,
    }

    /// Addresses of a network.
    pub struct Ipam {
        /// `default`.
        pub driver: String,
        /// Driver's options.
        pub options: StringMap,
        /// Subnets.
        pub config: Option<Vec<IpamPool>>,
    }

    /// One subnet.
    pub struct IpamPool {
        /// Address range of the network.
        #[serde(skip_serializing_if = "is_zero")]
        pub subnet: String,
        /// Range that containers get addresses from.
        #[serde(rename = "IPRange", skip_serializing_if = "is_zero")]
        pub ip_range: String,
        /// The host's address in it.
        #[serde(skip_serializing_if = "is_zero")]
        pub gateway: String,
        /// Addresses that are taken, by name.
        #[serde(skip_serializing_if = "is_empty")]
        pub auxiliary_addresses: StringMap,
    }

    /// Swarm only.
    pub struct ConfigReference {
        /// Swarm only.
        pub network: String,
    }

    /// A container in a network.
    pub struct EndpointResource {
        /// Container's name without slash.
        pub name: String,
        /// Endpoint.
        #[serde(rename = "EndpointID")]
        pub endpoint_id: String,
        /// Address.
        pub mac_address: String,
        /// Address with prefix.
        #[serde(rename = "IPv4Address")]
        pub ipv4_address: String,
        /// Address with prefix.
        #[serde(rename = "IPv6Address")]
        pub ipv6_address: String,
    }

    /// Body of `POST /networks/create`.
    pub struct NetworkCreateRequest {
        /// Name.
        pub name: String,
        /// Empty is `bridge`.
        pub driver: String,
        /// Swarm only.
        pub scope: String,
        /// `None` is yes.
        #[serde(rename = "EnableIPv4", skip_serializing_if = "Option::is_none")]
        pub enable_ipv4: Option<bool>,
        /// `None` is no.
        #[serde(rename = "EnableIPv6", skip_serializing_if = "Option::is_none")]
        pub enable_ipv6: Option<bool>,
        /// Its addresses.
        #[serde(rename = "IPAM")]
        pub ipam: Option<Ipam>,
        /// No way out.
        pub internal: bool,
        /// Swarm only.
        pub attachable: bool,
        /// Swarm only.
        pub ingress: bool,
        /// Swarm only.
        pub config_only: bool,
        /// Swarm only.
        pub config_from: Option<ConfigReference>,
        /// Driver's options.
        pub options: StringMap,
        /// Labels.
        pub labels: StringMap,
    }

    /// Answer to `POST /networks/create`.
    pub struct NetworkCreateResponse {
        /// The new network.
        pub id: String,
        /// One text, or empty.
        pub warning: String,
    }

    /// Answer to `POST /networks/prune`.
    pub struct NetworksPruneReport {
        /// `null` when there are none.
        pub networks_deleted: Strings,
    }
}

//! What users wish of a network, checked.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::error::{NetworkError, Result};
use crate::subnet::Subnet;

/// A network to be made, with texts as the user wrote them.
#[derive(Clone, Debug, Default)]
pub struct NetworkSpec {
    /// Its name.
    pub name: String,
    /// `bridge`, or empty for that.
    pub driver: String,
    /// Whether it has IPv4.
    pub ipv4: bool,
    /// Whether it has IPv6.
    pub ipv6: bool,
    /// Whether nothing goes in or out.
    pub internal: bool,
    /// Kept for inspection; only Swarm knows what it means.
    pub attachable: bool,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Options of the address management; kept for inspection.
    pub address_options: Option<BTreeMap<String, String>>,
    /// Its subnets.
    pub pools: Vec<PoolSpec>,
}

/// A subnet of a network to be made; empty texts are wishes that nobody has.
#[derive(Clone, Debug, Default)]
pub struct PoolSpec {
    /// The subnet.
    pub subnet: String,
    /// Addresses that nobody asked for are taken from here.
    pub range: String,
    /// The bridge's own address.
    pub gateway: String,
    /// Addresses that no container gets, by name.
    pub auxiliary: BTreeMap<String, String>,
}

/// A checked [`PoolSpec`].
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// The subnet.
    pub subnet: Subnet,
    /// Addresses that nobody asked for are taken from here.
    pub range: Option<Subnet>,
    /// The bridge's own address, as it is.
    pub gateway: Option<IpAddr>,
    /// Whether it is shown: the user chose it, or the whole subnet was chosen by us.
    pub shows_gateway: bool,
    /// Addresses that no container gets, by name.
    pub auxiliary: BTreeMap<String, IpAddr>,
}

/// Prefix of most options.
const BRIDGE: &str = "com.docker.network.bridge.";

/// What a network lets in from elsewhere, and how it gets out.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GatewayMode {
    /// Published ports are translated.
    Nat,
    /// As before, and every port can be reached directly.
    NatUnprotected,
    /// Nothing is translated; published ports can be reached directly.
    Routed,
    /// This machine has no address in it.
    Isolated,
}

/// Options of a bridge network, understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BridgeOptions {
    /// Name of the bridge.
    pub bridge: Option<String>,
    /// Whether packets to elsewhere get the address of this machine.
    pub masquerade: bool,
    /// Whether containers see each other.
    pub open_inside: bool,
    /// Where ports are published for which no address was said.
    pub binding: Ipv4Addr,
    /// Largest packet in bytes.
    pub mtu: Option<u32>,
    /// Of IPv4.
    pub gateway4: GatewayMode,
    /// Of IPv6.
    pub gateway6: GatewayMode,
    /// Containers' links are called so, with a number.
    pub link_prefix: String,
    /// Whether containers may use other addresses than their own.
    pub trusted: bool,
}

impl NetworkSpec {
    /// Checks names, subnets and their parts.
    ///
    /// # Errors
    /// In Docker's words.
    pub fn pools(&self) -> Result<Vec<Pool>> {
        let (mut pools, mut wrong) = (Vec::new(), Vec::new());
        for spec in &self.pools {
            match spec.subnet.parse::<Subnet>() {
                Ok(subnet) => pools.extend(spec.check(subnet, &mut wrong)),
                Err(_) => wrong
                    .push(format!("invalid subnet {}: invalid CIDR block notation", spec.subnet)),
            }
        }
        if !wrong.is_empty() {
            let text = format!("invalid network config:\n{}", wrong.join("\n"));
            return Err(NetworkError::invalid(text));
        }
        for six in [false, true] {
            if pools.iter().filter(|pool| pool.subnet.is_ipv6() == six).count() > 1 {
                let text = "bridge driver doesn't support multiple subnets";
                return Err(NetworkError::invalid(text));
            }
        }
        pools.retain(|pool| if pool.subnet.is_ipv6() { self.ipv6 } else { self.ipv4 });
        Ok(pools)
    }
}

impl PoolSpec {
    fn check(&self, subnet: Subnet, wrong: &mut Vec<String>) -> Option<Pool> {
        let before = wrong.len();
        let is_masked = |text: &str, subnet: Subnet| {
            text.split_once('/').and_then(|(address, _)| address.parse().ok())
                == Some(subnet.first())
        };
        if !is_masked(&self.subnet, subnet) {
            wrong.push(format!("invalid subnet {}: it should be {subnet}", self.subnet));
        }
        let range = match self.range.parse::<Subnet>() {
            _ if self.range.is_empty() => None,
            Err(_) => {
                let text = format!("invalid ip-range {}: invalid CIDR block notation", self.range);
                wrong.push(text);
                None
            }
            Ok(range) => {
                if let Some(text) = other_version(subnet, range.first()) {
                    wrong.push(format!("invalid ip-range {range}: {text}"));
                } else if !is_masked(&self.range, range) {
                    wrong.push(format!("invalid ip-range {}: it should be {range}", self.range));
                } else if !subnet.includes(range) {
                    wrong.push(format!(
                        "invalid ip-range {range}: parent subnet {subnet} doesn't contain ip-range"
                    ));
                }
                Some(range)
            }
        };
        let mut address = |text: &str, what: String| match inside(subnet, text) {
            Ok(address) => Some(address),
            Err(reason) => {
                wrong.push(format!("invalid {what}: {reason}"));
                None
            }
        };
        let gateway = Some(&self.gateway).filter(|text| !text.is_empty());
        let gateway = gateway.and_then(|text| address(text, format!("gateway {text}")));
        let mut auxiliary = BTreeMap::new();
        for (name, text) in &self.auxiliary {
            if let Some(address) = address(text, format!("auxiliary address {name}")) {
                auxiliary.insert(name.clone(), address);
            }
        }
        let shows_gateway = gateway.is_some();
        let pool = Pool { subnet, range, gateway, shows_gateway, auxiliary };
        (wrong.len() == before).then_some(pool)
    }
}

fn inside(subnet: Subnet, text: &str) -> std::result::Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| "invalid address".to_owned())?;
    if let Some(text) = other_version(subnet, address) {
        return Err(text.to_owned());
    }
    match subnet.contains(address) {
        true => Ok(address),
        false => Err(format!("parent subnet {subnet} doesn't contain this address")),
    }
}

fn other_version(subnet: Subnet, address: IpAddr) -> Option<&'static str> {
    match (subnet.is_ipv6(), address.is_ipv6()) {
        (false, true) => Some("parent subnet is an IPv4 block"),
        (true, false) => Some("parent subnet is an IPv6 block"),
        _ => None,
    }
}

impl BridgeOptions {
    /// Reads the options of a network.
    ///
    /// # Errors
    /// In Docker's words; options that it knows and this engine does not are refused, others are
    /// nobody's and kept.
    pub fn read(options: &BTreeMap<String, String>, internal: bool) -> Result<BridgeOptions> {
        let mut read = BridgeOptions {
            bridge: None,
            masquerade: true,
            open_inside: true,
            binding: Ipv4Addr::UNSPECIFIED,
            mtu: None,
            gateway4: GatewayMode::Nat,
            gateway6: GatewayMode::Nat,
            link_prefix: "eth".to_owned(),
            trusted: false,
        };
        for (key, value) in options {
            let refuse = |reason: String| {
                NetworkError::invalid(format!("failed to parse {key} value: {value} ({reason})"))
            };
            let flag = || boolean(value).map_err(refuse);
            let mode = || gateway_mode(value, internal).map_err(refuse);
            match key.strip_prefix(BRIDGE).unwrap_or(key) {
                "name" => read.bridge = Some(value.clone()).filter(|name| !name.is_empty()),
                "enable_ip_masquerade" => read.masquerade = flag()?,
                "enable_icc" => read.open_inside = flag()?,
                "gateway_mode_ipv4" => read.gateway4 = mode()?,
                "gateway_mode_ipv6" => read.gateway6 = mode()?,
                "host_binding_ipv4" => {
                    let wrong = |_| refuse("nil ip".to_owned());
                    read.binding = value.parse().map_err(wrong)?;
                }
                "com.docker.network.driver.mtu" => {
                    let wrong = |_| {
                        let text = format!("strconv.Atoi: parsing \"{value}\": invalid syntax");
                        refuse(text)
                    };
                    // Docker's zero means that nobody has a wish.
                    read.mtu = Some(value.parse().map_err(wrong)?).filter(|mtu| *mtu != 0);
                }
                "com.docker.network.container_iface_prefix" => read.link_prefix = value.clone(),
                "com.docker.network.host_ipv4"
                | "com.docker.network.host_ipv6"
                | "inhibit_ipv4"
                | "trusted_host_interfaces" => return Err(unsupported(key)),
                "wharf.network.trusted" => read.trusted = flag()?,
                _ => {}
            }
        }
        if let Some(bridge) = &read.bridge
            && !netlink::is_link_name(bridge)
        {
            return Err(NetworkError::invalid(format!(
                "invalid bridge name {bridge}: it has 1 to 15 visible characters without `/`, `:` \
                 and `%`"
            )));
        }
        let prefix = &read.link_prefix;
        let plain =
            prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if prefix.is_empty() || prefix.len() > LINK_PREFIX_BYTES_MAX || !plain {
            return Err(NetworkError::invalid(format!(
                "invalid prefix of link names: {prefix}: it has 1 to {LINK_PREFIX_BYTES_MAX} \
                 letters, digits, `-` and `_`"
            )));
        }
        Ok(read)
    }
}

/// A name of a link has 15 bytes; the number behind it may have three digits.
const LINK_PREFIX_BYTES_MAX: usize = 12;

fn unsupported(key: &str) -> NetworkError {
    NetworkError::Refused {
        kind: stdx::Kind::Unsupported,
        text: format!("network option {key} is not supported"),
    }
}

/// As Go's `strconv.ParseBool`.
fn boolean(text: &str) -> std::result::Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing \"{text}\": invalid syntax")),
    }
}

fn gateway_mode(text: &str, internal: bool) -> std::result::Result<GatewayMode, String> {
    match text {
        "nat" => Ok(GatewayMode::Nat),
        "nat-unprotected" => Ok(GatewayMode::NatUnprotected),
        "routed" => Ok(GatewayMode::Routed),
        "isolated" if internal => Ok(GatewayMode::Isolated),
        "isolated" => {
            Err("gateway mode \"isolated\" can only be used for an internal network".into())
        }
        _ => Err(format!("unknown gateway mode {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_pool(subnet: &str, range: &str, gateway: &str, auxiliary: &str, expect: &str) {
        let auxiliary = match auxiliary {
            "" => BTreeMap::new(),
            text => BTreeMap::from([("a".to_owned(), text.to_owned())]),
        };
        let pool = PoolSpec {
            subnet: subnet.to_owned(),
            range: range.to_owned(),
            gateway: gateway.to_owned(),
            auxiliary,
        };
        let spec = NetworkSpec { ipv4: true, pools: vec![pool], ..NetworkSpec::default() };
        let text = spec.pools().map_or_else(|error| error.to_string(), |_| String::new());
        assert_eq!(text.strip_prefix("invalid network config:\n").unwrap_or(&text), expect);
    }

    #[test]
    fn pools_are_checked_in_dockers_words() {
        check_pool("10.1.0.0/24", "10.1.0.0/25", "10.1.0.1", "10.1.0.7", "");
        check_pool(
            "10.1.0.5/24",
            "",
            "",
            "",
            "invalid subnet 10.1.0.5/24: it should be 10.1.0.0/24",
        );
        let text = "invalid subnet 10.1.0.0/33: invalid CIDR block notation";
        check_pool("10.1.0.0/33", "", "", "", text);
        check_pool("", "", "10.1.0.1", "", "invalid subnet : invalid CIDR block notation");
        let text = "invalid gateway bogus: invalid address";
        check_pool("10.1.0.0/24", "", "bogus", "", text);
        let text =
            "invalid gateway 10.2.0.1: parent subnet 10.1.0.0/24 doesn't contain this address";
        check_pool("10.1.0.0/24", "", "10.2.0.1", "", text);
        let text = "invalid auxiliary address a: parent subnet is an IPv4 block";
        check_pool("10.1.0.0/24", "", "", "fd00::1", text);
        let text = "invalid ip-range 10.2.0.0/25: parent subnet 10.1.0.0/24 doesn't contain \
                    ip-range";
        check_pool("10.1.0.0/24", "10.2.0.0/25", "", "", text);
        let text = "invalid ip-range 10.1.0.9/25: it should be 10.1.0.0/25";
        check_pool("10.1.0.0/24", "10.1.0.9/25", "", "", text);
    }

    #[test]
    fn one_subnet_a_version() {
        let pool = |subnet: &str| PoolSpec { subnet: subnet.to_owned(), ..PoolSpec::default() };
        let mut spec = NetworkSpec { ipv4: true, ..NetworkSpec::default() };
        spec.pools = vec![pool("10.1.0.0/24"), pool("fd00::/64")];
        // Without IPv6 its subnet does not matter.
        assert_eq!(spec.pools().unwrap().len(), 1);
        spec.ipv6 = true;
        assert_eq!(spec.pools().unwrap().len(), 2);
        spec.pools.push(pool("10.3.0.0/24"));
        let error = spec.pools().unwrap_err();
        assert_eq!(error.to_string(), "bridge driver doesn't support multiple subnets");
    }

    #[track_caller]
    fn check_option(key: &str, value: &str, expect: &str) {
        let options = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let text =
            BridgeOptions::read(&options, false).map_or_else(|e| e.to_string(), |_| "".into());
        assert_eq!(text, expect);
    }

    #[test]
    fn options_are_read_in_dockers_words() {
        check_option(
            "com.docker.network.bridge.enable_icc",
            "maybe",
            "failed to parse com.docker.network.bridge.enable_icc value: maybe \
             (strconv.ParseBool: parsing \"maybe\": invalid syntax)",
        );
        check_option(
            "com.docker.network.bridge.gateway_mode_ipv4",
            "bogus",
            "failed to parse com.docker.network.bridge.gateway_mode_ipv4 value: bogus (unknown \
             gateway mode bogus)",
        );
        check_option(
            "com.docker.network.bridge.inhibit_ipv4",
            "true",
            "network option com.docker.network.bridge.inhibit_ipv4 is not supported",
        );
        check_option("com.docker.network.driver.mtu", "1400", "");
        check_option("some.other", "x", "");
        let text = "invalid prefix of link names: a/b: it has 1 to 12 letters, digits, `-` and `_`";
        check_option("com.docker.network.container_iface_prefix", "a/b", text);
    }
}

//! `--network` in its short and long form, and the flags that belong to the first network.

use std::collections::BTreeMap;

use docker_api::{EndpointIpamConfig, EndpointSettings, NetworkingConfig};

use super::csv;
use crate::flags::number::quote;
use crate::flags::parse::Parsed;

/// One `--network` flag.
#[derive(Clone, Debug, Default)]
struct Wish {
    target: String,
    aliases: Vec<String>,
    driver_options: BTreeMap<String, String>,
    links: Vec<String>,
    ipv4: String,
    ipv6: String,
    link_local: Vec<String>,
    mac: String,
    gateway_priority: i64,
}

/// The flag's check.
pub fn check(value: &str) -> Result<String, String> {
    parse(value).map(|_| value.to_owned())
}

/// `HostConfig.NetworkMode`.
pub fn mode(values: &[String]) -> String {
    let first = values.first().and_then(|value| parse(value).ok());
    first.map_or_else(|| "default".to_owned(), |wish| wish.target)
}

/// The endpoints to make.
pub fn endpoints(flags: &Parsed) -> Result<NetworkingConfig, String> {
    let mut wishes: Vec<Wish> =
        flags.list("network").iter().map(|value| parse(value)).collect::<Result<_, _>>()?;
    let given = wishes.len();
    if wishes.is_empty() {
        wishes.push(Wish { target: "default".into(), ..Wish::default() });
    }
    apply_flags(&mut wishes[0], flags)?;
    let users = wishes.iter().filter(|wish| user_defined(&wish.target)).count();
    if users > 0 && users < wishes.len() {
        return Err("conflicting options: cannot attach both user-defined and non-user-defined \
                    network-modes"
            .into());
    }
    let mut endpoints = BTreeMap::new();
    for wish in wishes {
        let target = wish.target.clone();
        let endpoint = endpoint(wish)?;
        if given == 1 && endpoint == EndpointSettings::default() {
            continue;
        }
        if endpoints.insert(target.clone(), Some(endpoint)).is_some() {
            return Err(format!("network {} is specified multiple times", quote(&target)));
        }
    }
    Ok(NetworkingConfig { endpoints_config: Some(endpoints) })
}

fn user_defined(target: &str) -> bool {
    !matches!(target, "default" | "bridge" | "host" | "none") && !target.starts_with("container:")
}

fn apply_flags(wish: &mut Wish, flags: &Parsed) -> Result<(), String> {
    let conflict = |flag: &str, own: &str| {
        Err(format!("conflicting options: cannot specify both --{flag} and per-network {own}"))
    };
    let aliases = flags.list("network-alias");
    if !aliases.is_empty() {
        if !wish.aliases.is_empty() {
            return conflict("network-alias", "alias");
        }
        wish.aliases = aliases.to_vec();
    }
    let links = flags.list("link");
    if !links.is_empty() && user_defined(&wish.target) {
        if !wish.links.is_empty() {
            return conflict("link", "links");
        }
        wish.links = links.to_vec();
    }
    for (flag, own, slot) in [
        ("ip", "IPv4 address", &mut wish.ipv4),
        ("ip6", "IPv6 address", &mut wish.ipv6),
        ("mac-address", "MAC address", &mut wish.mac),
    ] {
        let value = flags.text(flag);
        if !value.is_empty() {
            if !slot.is_empty() {
                return conflict(flag, own);
            }
            *slot = value.to_owned();
        }
    }
    let link_local = flags.list("link-local-ip");
    if !link_local.is_empty() {
        if !wish.link_local.is_empty() {
            return conflict("link-local-ip", "link-local IP addresses");
        }
        wish.link_local = link_local.to_vec();
    }
    Ok(())
}

fn endpoint(wish: Wish) -> Result<EndpointSettings, String> {
    if wish.target.trim().is_empty() {
        return Err("no name set for network".into());
    }
    if !user_defined(&wish.target) {
        if !wish.aliases.is_empty() {
            return Err(
                "network-scoped aliases are only supported for user-defined networks".into()
            );
        }
        if !wish.links.is_empty() {
            return Err("links are only supported for user-defined networks".into());
        }
    }
    let none_if_empty = super::none_if_empty;
    let ipam = EndpointIpamConfig {
        ipv4_address: wish.ipv4,
        ipv6_address: wish.ipv6,
        link_local_ips: none_if_empty(wish.link_local),
    };
    Ok(EndpointSettings {
        ipam_config: (ipam != EndpointIpamConfig::default()).then_some(ipam),
        links: none_if_empty(wish.links),
        aliases: none_if_empty(wish.aliases),
        mac_address: wish.mac,
        driver_opts: super::some_map(wish.driver_options),
        gw_priority: wish.gateway_priority,
        ..EndpointSettings::default()
    })
}

/// Whether somewhere in it stands `word=word`.
fn long_form(value: &str) -> bool {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    value.match_indices('=').any(|(at, _)| {
        word(value[..at].chars().next_back()) && word(value[at + 1..].chars().next())
    })
}

fn parse(value: &str) -> Result<Wish, String> {
    let mut wish = Wish::default();
    if !long_form(value) {
        wish.target = value.to_owned();
        return Ok(wish);
    }
    for field in csv::fields(value)? {
        let Some((key, text)) = field.split_once('=') else {
            return Err(format!("invalid field {field}"));
        };
        let key = key.trim().to_ascii_lowercase();
        let text = text.trim();
        match key.as_str() {
            "name" => wish.target = text.to_owned(),
            "alias" => wish.aliases.push(text.to_owned()),
            "driver-opt" => {
                let (key, value) = text
                    .split_once('=')
                    .ok_or("invalid key value pair format in driver options")?;
                wish.driver_options
                    .insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
            }
            "ip" => wish.ipv4 = text.to_owned(),
            "ip6" => wish.ipv6 = text.to_owned(),
            "mac-address" => {
                if !crate::flags::check::hardware_address(text) {
                    return Err(format!("{text} is not a valid mac address"));
                }
                wish.mac = text.to_owned();
            }
            "link-local-ip" => wish.link_local.push(text.to_owned()),
            "gw-priority" => {
                wish.gateway_priority = text
                    .parse()
                    .map_err(|_| format!("invalid gw-priority ({text}): invalid syntax"))?;
            }
            _ => return Err(format!("invalid field key {key}")),
        }
    }
    if wish.target.is_empty() {
        return Err("network name/id is not specified".into());
    }
    Ok(wish)
}

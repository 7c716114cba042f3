//! `--publish` and `--expose`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use docker_api::{Empty, PortBinding, PortMap};

use super::csv;
use crate::flags::number::quote;

/// What the flags asked for.
pub struct Ports {
    /// `80/tcp` and so on.
    pub exposed: BTreeMap<String, Empty>,
    /// Where they are reachable on the host.
    pub bindings: PortMap,
}

/// Reads both flags.
pub fn parse(publish: &[String], expose: &[String]) -> Result<Ports, String> {
    let mut ports = Ports { exposed: BTreeMap::new(), bindings: PortMap::new() };
    for value in publish {
        publish_one(&standard_form(value)?, &mut ports)?;
    }
    for value in expose {
        if value.contains(':') {
            return Err(format!("invalid port format for --expose: {value}"));
        }
        let (range, protocol) = split_protocol(value);
        let range = port_range(range)
            .map_err(|why| format!("invalid range format for --expose: {value}, error: {why}"))?;
        for port in range.0..=range.1 {
            ports.exposed.insert(format!("{port}/{protocol}"), Empty);
        }
    }
    Ok(ports)
}

/// `published=80,target=90,protocol=udp` becomes `80:90/udp`.
fn standard_form(value: &str) -> Result<String, String> {
    if !value.contains('=') {
        return Ok(value.to_owned());
    }
    let mut published = String::new();
    let mut target = String::new();
    let mut protocol = "tcp".to_owned();
    for field in csv::fields(value)? {
        let pair = field.split_once('=').filter(|(key, _)| !key.is_empty());
        let Some((key, text)) = pair else {
            return Err(format!("invalid field {field}"));
        };
        match key {
            "published" => published = text.to_owned(),
            "target" => target = text.to_owned(),
            "protocol" => protocol = text.to_owned(),
            "mode" => {}
            _ => return Err(format!("invalid field key {key}")),
        }
    }
    Ok(format!("{published}:{target}/{protocol}"))
}

fn publish_one(value: &str, ports: &mut Ports) -> Result<(), String> {
    let (spec, protocol) = split_protocol(value);
    let (address, host, inside) = split_spec(spec);
    let address = checked_address(address)?;
    if inside.is_empty() {
        return Err(format!("no port specified: {spec}<empty>"));
    }
    let (first, last) =
        port_range(inside).map_err(|_| format!("invalid containerPort: {inside}"))?;
    let (host_first, host_last) = match host {
        "" => (0, 0),
        _ => port_range(host).map_err(|_| format!("invalid hostPort: {host}"))?,
    };
    if !host.is_empty() && last - first != host_last - host_first && last != first {
        return Err(format!(
            "invalid ranges specified for container and host Ports: {inside} and {host}"
        ));
    }
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(format!("invalid proto: {protocol}"));
    }
    for offset in 0..=last - first {
        let host_port = match host {
            "" => String::new(),
            _ if first == last && host_first != host_last => format!("{host_first}-{host_last}"),
            _ => (host_first + offset).to_string(),
        };
        let port = format!("{}/{protocol}", first + offset);
        ports.exposed.insert(port.clone(), Empty);
        let binding = PortBinding { host_ip: address.clone(), host_port };
        ports.bindings.entry(port).or_default().get_or_insert_default().push(binding);
    }
    Ok(())
}

/// `80/udp`; the protocol is `tcp` when none is given.
fn split_protocol(value: &str) -> (&str, String) {
    match value.split_once('/') {
        Some((spec, protocol)) if !protocol.is_empty() => (spec, protocol.to_ascii_lowercase()),
        Some((spec, _)) => (spec, "tcp".into()),
        None => (value, "tcp".into()),
    }
}

/// Address, host port, container port.
fn split_spec(spec: &str) -> (&str, &str, &str) {
    let Some((rest, inside)) = spec.rsplit_once(':') else { return ("", "", spec) };
    match rest.rsplit_once(':') {
        Some((address, host)) => (address, host, inside),
        None => ("", rest, inside),
    }
}

fn checked_address(address: &str) -> Result<String, String> {
    let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    if !bare.is_empty() && bare.parse::<IpAddr>().is_err() {
        return Err(format!("invalid IP address: {address}"));
    }
    Ok(bare.to_owned())
}

/// `80` or `80-90`.
fn port_range(text: &str) -> Result<(u32, u32), String> {
    let number = |part: &str| {
        let why = |what| format!("strconv.ParseUint: parsing {}: {what}", quote(part));
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(why("invalid syntax"));
        }
        part.parse::<u16>().map(u32::from).map_err(|_| why("value out of range"))
    };
    if text.is_empty() {
        return Err("empty string specified for ports".into());
    }
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    match first <= last {
        true => Ok((first, last)),
        false => Err(format!("invalid range specified for port: {text}")),
    }
}

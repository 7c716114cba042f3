//! The words of lists: ports, names, labels.

use std::collections::BTreeMap;

use docker_api::Port;

/// `k=v,k=v`.
pub fn labels(labels: Option<&BTreeMap<String, String>>) -> String {
    let pairs = labels.into_iter().flatten();
    pairs.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// `0.0.0.0:18080->80/tcp, [::]:18080->80/tcp`; neighbors are put together as `90-91/tcp`.
pub fn ports(ports: &[Port]) -> String {
    let mut sorted: Vec<&Port> = ports.iter().collect();
    sorted.sort_by_key(|p| (p.private_port, &p.ip, p.public_port, &p.protocol));
    let mut done = Vec::new();
    let mut mapped = Vec::new();
    let mut groups: Vec<(String, &Port, u16)> = Vec::new();
    for port in sorted {
        let public = port.public_port;
        if !port.ip.is_empty() && public != port.private_port {
            let (private, protocol) = (port.private_port, &port.protocol);
            mapped.push(format!("{}:{public}->{private}/{protocol}", host(&port.ip)));
            continue;
        }
        let key = format!("{}/{}", port.ip, port.protocol);
        match groups.iter_mut().find(|(of, ..)| *of == key) {
            Some((_, _, last)) if port.private_port == *last + 1 => *last = port.private_port,
            Some((_, first, last)) => {
                done.push(group(first, *last));
                (*first, *last) = (port, port.private_port);
            }
            None => groups.push((key, port, port.private_port)),
        }
    }
    done.extend(groups.iter().map(|(_, first, last)| group(first, *last)));
    done.extend(mapped);
    done.join(", ")
}

fn group(first: &Port, last: u16) -> String {
    let mut range = first.private_port.to_string();
    if last != first.private_port {
        range.push_str(&format!("-{last}"));
    }
    if !first.ip.is_empty() {
        range = format!("{}:{range}->{range}", host(&first.ip));
    }
    format!("{range}/{}", first.protocol)
}

fn host(ip: &str) -> String {
    if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() }
}

/// A container's own names, without the slash; `all` includes names that links gave it.
pub fn names(names: &[String], all: bool) -> String {
    let bare = names.iter().map(|name| name.strip_prefix('/').unwrap_or(name));
    bare.filter(|name| all || !name.contains('/')).collect::<Vec<_>>().join(",")
}

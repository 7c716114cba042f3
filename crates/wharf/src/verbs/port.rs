//! `port`.

use client::Client;
use docker_api::PortBinding;
use stdx::order::natural;

use crate::failure::{Failure, Outcome};
use crate::flags::number::quote;
use crate::flags::parse::Parsed;

/// `port`: where the ports of a container are reached.
pub async fn port(client: &Client, flags: &Parsed) -> Outcome {
    let name = flags.args[0].as_str();
    let ports = client.container_inspect(name, false).await?.network_settings.ports;
    let ports = ports.unwrap_or_default();
    let mut lines: Vec<String> = match flags.args.get(1).map(String::as_str) {
        None | Some("") => ports
            .iter()
            .flat_map(|(port, bindings)| bindings.iter().flatten().map(move |at| (port, at)))
            .map(|(port, at)| format!("{port} -> {}", address(at)))
            .collect(),
        Some(wish) => {
            let bindings = ports.get(&key(wish)?).and_then(Option::as_ref);
            let missing =
                || Failure::new(format!("Error: No public port '{wish}' published for {name}"));
            bindings.ok_or_else(missing)?.iter().map(address).collect()
        }
    };
    lines.sort_by(|a, b| natural(a, b));
    if !lines.is_empty() {
        println!("{}", lines.join("\n"));
    }
    Ok(0)
}

/// `80` is `80/tcp`.
fn key(wish: &str) -> Result<String, Failure> {
    let (port, protocol) = wish.split_once('/').unwrap_or((wish, ""));
    let protocol = if protocol.is_empty() { "tcp" } else { protocol };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let why = match port.parse::<u16>() {
        Ok(_) if digits => return Ok(format!("{port}/{protocol}")),
        Err(_) if digits => "value out of range",
        _ => "invalid syntax",
    };
    let text =
        format!("Error: invalid port ({port}): strconv.ParseUint: parsing {}: {why}", quote(port));
    Err(Failure::new(text))
}

fn address(at: &PortBinding) -> String {
    match at.host_ip.contains(':') {
        true => format!("[{}]:{}", at.host_ip, at.host_port),
        false => format!("{}:{}", at.host_ip, at.host_port),
    }
}

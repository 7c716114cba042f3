//! Host names to addresses: `/etc/hosts`, then the servers of `/etc/resolv.conf`.
//!
//! The C library's own resolver loads modules, which a static program must not do.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

pub mod message;

use message::{Answer, Question, RecordType};

/// Largest configuration file; block lists in `/etc/hosts` have some megabytes.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Largest answer over UDP without extensions.
const UDP_BYTES_MAX: usize = 1232;
/// As the C library: most servers that are asked, and most search domains.
const SERVERS_MAX: usize = 3;
const SEARCH_MAX: usize = 6;

/// `/etc/resolv.conf`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    servers: Vec<SocketAddr>,
    search: Vec<String>,
    dots_min: usize,
    timeout: Duration,
    attempts: usize,
}

/// The addresses of a host; IPv4 first, for many machines have no other way out. The error is one
/// line in Go's words.
pub async fn resolve(host: &str) -> Result<Vec<IpAddr>, String> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let host = host.to_ascii_lowercase();
    let name = host.clone();
    let files = tokio::task::spawn_blocking(move || (hosts_file(&name), config())).await;
    let (known, config) = files.map_err(|_| format!("lookup {host}: cut off"))?;
    if !known.is_empty() {
        return Ok(known);
    }
    let mut failure = format!("lookup {host}: no such host");
    for name in config.candidates(&host) {
        match config.look_up(&name).await {
            Ok(addresses) if !addresses.is_empty() => return Ok(addresses),
            Ok(_) => {}
            Err(cause) => failure = format!("lookup {host}: {cause}"),
        }
    }
    Err(failure)
}

/// What `/etc/hosts` says, and what `localhost` always means.
pub fn hosts_file(host: &str) -> Vec<IpAddr> {
    let bytes = stdx::fs::read(Path::new("/etc/hosts"), FILE_BYTES_MAX).unwrap_or_default();
    let found = addresses_in(&String::from_utf8_lossy(&bytes), host);
    match found.is_empty() && (host == "localhost" || host.ends_with(".localhost")) {
        true => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        false => found,
    }
}

fn addresses_in(text: &str, host: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let address = words.next().and_then(|word| word.parse().ok());
        if let Some(address) = address
            && words.any(|word| word.eq_ignore_ascii_case(host))
        {
            found.push(address);
        }
    }
    found.sort_by_key(IpAddr::is_ipv6);
    found.dedup();
    found
}

fn config() -> Config {
    let bytes = stdx::fs::read(Path::new("/etc/resolv.conf"), FILE_BYTES_MAX).unwrap_or_default();
    Config::parse(&String::from_utf8_lossy(&bytes))
}

impl Config {
    /// Reads `resolv.conf(5)`; what is not understood is left out.
    pub fn parse(text: &str) -> Config {
        let mut config = Config {
            servers: Vec::new(),
            search: Vec::new(),
            dots_min: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
        };
        for line in text.lines() {
            let mut words = line.split(['#', ';']).next().unwrap_or_default().split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    config.servers.extend(address.map(|address| SocketAddr::new(address, 53)));
                }
                Some("search" | "domain") => {
                    config.search = words.take(SEARCH_MAX).map(str::to_owned).collect();
                }
                Some("options") => words.for_each(|word| config.set(word)),
                _ => {}
            }
        }
        config.servers.truncate(SERVERS_MAX);
        if config.servers.is_empty() {
            config.servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 53));
        }
        config
    }

    fn set(&mut self, option: &str) {
        let Some((name, value)) = option.split_once(':') else { return };
        let Ok(value) = value.parse::<u8>() else { return };
        match name {
            "ndots" => self.dots_min = usize::from(value.min(15)),
            "timeout" => self.timeout = Duration::from_secs(u64::from(value.clamp(1, 30))),
            "attempts" => self.attempts = usize::from(value.clamp(1, 5)),
            _ => {}
        }
    }

    /// The full names that are tried, in order.
    fn candidates(&self, host: &str) -> Vec<String> {
        if let Some(absolute) = host.strip_suffix('.') {
            return vec![absolute.to_owned()];
        }
        let searched = self.search.iter().map(|domain| format!("{host}.{domain}"));
        let searched = searched.map(|name| name.trim_end_matches('.').to_owned());
        let mut names: Vec<String> = searched.collect();
        let is_first = host.matches('.').count() >= self.dots_min;
        names.insert(if is_first { 0 } else { names.len() }, host.to_owned());
        names
    }

    async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        let mut failure = "no such host".to_owned();
        for _ in 0..self.attempts {
            for server in &self.servers {
                let v4 = self.ask(*server, name, RecordType::A);
                let v6 = self.ask(*server, name, RecordType::Aaaa);
                match tokio::join!(v4, v6) {
                    (Ok(mut v4), v6) => {
                        v4.extend(v6.unwrap_or_default());
                        return Ok(v4);
                    }
                    (Err(_), Ok(v6)) if !v6.is_empty() => return Ok(v6),
                    (Err(cause), _) => failure = format!("on {server}: {cause}"),
                }
            }
        }
        Err(failure)
    }

    async fn ask(
        &self,
        server: SocketAddr,
        name: &str,
        record: RecordType,
    ) -> Result<Vec<IpAddr>, String> {
        let id = u16::from_str_radix(&stdx::id::random_hex::<2>(), 16).unwrap_or_default();
        let question = Question { id, name, record };
        let query = question.encode().ok_or_else(|| "no such host".to_owned())?;
        let answer = timeout(self.timeout, exchange(server, &query, &question)).await;
        answer.unwrap_or_else(|_| Err("i/o timeout".to_owned()))
    }
}

/// One query; over TCP when the answer does not fit into one packet.
async fn exchange(
    server: SocketAddr,
    query: &[u8],
    question: &Question<'_>,
) -> Result<Vec<IpAddr>, String> {
    let text = |cause: std::io::Error| crate::error::io_text(&cause);
    let any: IpAddr = match server.is_ipv4() {
        true => Ipv4Addr::UNSPECIFIED.into(),
        false => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await.map_err(text)?;
    socket.connect(server).await.map_err(text)?;
    socket.send(query).await.map_err(text)?;
    let mut buffer = vec![0; UDP_BYTES_MAX];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(text)?;
        // Whoever guesses the port sends anything: only the answer to this question counts.
        match question.read(buffer.get(..length).unwrap_or_default()) {
            None => {}
            Some(Answer::Addresses(addresses)) => return Ok(addresses),
            Some(Answer::Failed(code)) => return Err(format!("server misbehaving (code {code})")),
            Some(Answer::Truncated) => break,
        }
    }
    let mut stream = TcpStream::connect(server).await.map_err(text)?;
    let length = u16::try_from(query.len()).map_err(|_| "name too long".to_owned())?;
    stream.write_all(&length.to_be_bytes()).await.map_err(text)?;
    stream.write_all(query).await.map_err(text)?;
    let length = stream.read_u16().await.map_err(text)?;
    let mut buffer = vec![0; usize::from(length)];
    stream.read_exact(&mut buffer).await.map_err(text)?;
    match question.read(&buffer) {
        Some(Answer::Addresses(addresses)) => Ok(addresses),
        _ => Err("server misbehaving".to_owned()),
    }
}

#[cfg(test)]
mod tests;

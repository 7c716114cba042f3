//! Connections: through proxies, with TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, CertificateError};

use crate::endpoint::Way;
use crate::error::io_text;
use crate::proxy::Proxy;
use crate::resolver;
use crate::tls::Tls;
use crate::url::{Scheme, Url};

/// Docker's: a server that does not speak TLS may swallow the greeting and stay silent.
const TLS_HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Largest head of a proxy's answer to `CONNECT`.
const CONNECT_HEAD_BYTES_MAX: usize = 16 << 10;

/// A connection of any kind.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl Connection for TcpStream {}
impl<S: Connection> Connection for tokio_rustls::client::TlsStream<S> {}
impl Connection for Box<dyn Connection> {}

/// Connects to the server of `url`. The error is one line in Go's words.
pub async fn dial(url: &Url, way: &Way<'_>, wait: Duration) -> Result<Box<dyn Connection>, String> {
    let peer = way.proxy.map_or(url, |proxy| &proxy.url);
    let mut stream: Box<dyn Connection> = Box::new(connect(&peer.host, peer.port, wait).await?);
    if let Some(proxy) = way.proxy {
        if let Some(tls) = &way.proxy_tls {
            let secured = secure(stream, &proxy.url.host, tls, wait).await;
            stream = secured.map_err(|cause| format!("proxyconnect tcp: {cause}"))?;
        }
        if url.scheme == Scheme::Https {
            let asked = timeout(wait, tunnel(&mut stream, url, proxy)).await;
            asked.unwrap_or_else(|_| Err("proxyconnect tcp: i/o timeout".to_owned()))?;
        }
    }
    match url.scheme {
        Scheme::Http => Ok(stream),
        Scheme::Https => secure(stream, &url.host, &way.tls, wait).await,
    }
}

/// Tries the addresses of a host one after the other; all of them share the time.
async fn connect(host: &str, port: u16, wait: Duration) -> Result<TcpStream, String> {
    let addresses = timeout(wait, resolver::resolve(host)).await;
    let addresses = addresses
        .unwrap_or_else(|_| Err(format!("lookup {host}: i/o timeout")))
        .map_err(|cause| format!("dial tcp: {cause}"))?;
    let share = wait / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut failure = None;
    for address in addresses {
        match connect_to(address, port, share).await {
            Ok(stream) => return Ok(stream),
            Err(cause) => drop(failure.get_or_insert(cause)),
        }
    }
    Err(failure.unwrap_or_else(|| format!("dial tcp: lookup {host}: no such host")))
}

async fn connect_to(address: IpAddr, port: u16, wait: Duration) -> Result<TcpStream, String> {
    let address = SocketAddr::new(address, port);
    match timeout(wait, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            // Requests are small and whole: waiting for more bytes only delays them.
            drop(stream.set_nodelay(true));
            Ok(stream)
        }
        Ok(Err(cause)) => Err(format!("dial tcp {address}: connect: {}", io_text(&cause))),
        Err(_) => Err(format!("dial tcp {address}: i/o timeout")),
    }
}

async fn secure(
    stream: Box<dyn Connection>,
    host: &str,
    tls: &Tls,
    wait: Duration,
) -> Result<Box<dyn Connection>, String> {
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| format!("tls: `{host}` cannot be the name of a server"))?;
    let shaking = TlsConnector::from(tls.config.clone()).connect(name, stream);
    match timeout(wait.min(TLS_HANDSHAKE_MAX), shaking).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(cause)) => Err(tls_text(host, &cause)),
        Err(_) => Err("net/http: TLS handshake timeout".to_owned()),
    }
}

fn tls_text(host: &str, cause: &io::Error) -> String {
    let inner = cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let reason = match inner {
        None => return io_text(cause),
        Some(rustls::Error::InvalidMessage(_)) => {
            return "http: server gave HTTP response to HTTPS client".to_owned();
        }
        Some(rustls::Error::InvalidCertificate(reason)) => match reason {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "x509: certificate signed by unknown authority".to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "x509: certificate has expired or is not yet valid".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("x509: certificate is not valid for {host}")
            }
            other => format!("x509: {other}"),
        },
        Some(rustls::Error::AlertReceived(_)) => return io_text(cause),
        Some(other) => return format!("tls: {other}"),
    };
    format!("tls: failed to verify certificate: {reason}")
}

/// Asks a proxy for a connection to the server itself.
async fn tunnel(stream: &mut Box<dyn Connection>, url: &Url, proxy: &Proxy) -> Result<(), String> {
    let text = |cause: io::Error| format!("proxyconnect tcp: {}", io_text(&cause));
    let host = match url.host.contains(':') {
        true => format!("[{}]:{}", url.host, url.port),
        false => format!("{}:{}", url.host, url.port),
    };
    let mut request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n");
    if let Some(authorization) = &proxy.authorization {
        request.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.map_err(text)?;
    stream.flush().await.map_err(text)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        // One by one: what follows the head is the server's.
        head.push(stream.read_u8().await.map_err(text)?);
        if head.len() > CONNECT_HEAD_BYTES_MAX {
            return Err("proxyconnect tcp: the proxy's answer is too large".to_owned());
        }
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let (_, status) = line.split_once(' ').unwrap_or_default();
    match line.starts_with("HTTP/1.") && status.starts_with('2') {
        true => Ok(()),
        false => Err(format!("proxyconnect tcp: {}", status.trim())),
    }
}

//! The process on a thread, with real sockets on loopback addresses.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use network::ports::Protocol;
use sys::rustix::net::sockopt::{Timeout, set_socket_timeout};
use sys::rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

use super::*;

mod hairpin;

const DEADLINE: Duration = Duration::from_secs(20);

struct Process {
    dir: tempfile::TempDir,
    thread: std::thread::JoinHandle<()>,
}

impl Process {
    fn start() -> Process {
        Process::start_with(|| ())
    }

    /// After a preparation on its thread.
    fn start_with(prepare: impl FnOnce() + Send + 'static) -> Process {
        let dir = tempfile::tempdir().unwrap();
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        bind(&socket, &SocketAddrUnix::new(dir.path().join("socket")).unwrap()).unwrap();
        listen(&socket, 8).unwrap();
        let thread = std::thread::spawn(move || {
            prepare();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(run(socket)).unwrap();
        });
        Process { dir, thread }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    fn control(&self) -> Control {
        Control::connect(&self.socket()).unwrap()
    }
}

fn port(owner: &str, protocol: Protocol, target: SocketAddr, reach: Reach) -> Port {
    Port { owner: owner.to_owned(), protocol, target, reach }
}

/// A server that sends everything back, and to who has ended his stream, the end.
fn echo() -> (SocketAddr, SocketAddr) {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addresses = (tcp.local_addr().unwrap(), udp.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in tcp.incoming().flatten() {
            std::thread::spawn(move || {
                let mut all = Vec::new();
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    all.extend_from_slice(&buffer[..count]);
                    stream.write_all(&buffer[..count]).unwrap();
                }
                write!(stream, "end after {}", all.len()).unwrap();
            });
        }
    });
    std::thread::spawn(move || {
        let mut buffer = [0; 2000];
        while let Ok((length, peer)) = udp.recv_from(&mut buffer) {
            udp.send_to(&buffer[..length], peer).unwrap();
        }
    });
    addresses
}

fn held_tcp(address: &str) -> (OwnedFd, SocketAddr) {
    let listener = TcpListener::bind(address).unwrap();
    let at = listener.local_addr().unwrap();
    (listener.into(), at)
}

#[test]
fn connections_are_carried_whole() {
    let process = Process::start();
    let mut control = process.control();
    let (target, _) = echo();
    let (socket, at) = held_tcp("127.0.0.1:0");
    control.add(&port("a", Protocol::Tcp, target, Reach::Near), socket.as_fd()).unwrap();
    drop(socket);
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut reader = stream.try_clone().unwrap();
    let whole: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let sent = whole.clone();
    let writer = std::thread::spawn(move || {
        stream.write_all(&sent).unwrap();
        // One direction ends, the other goes on.
        stream.shutdown(Shutdown::Write).unwrap();
    });
    let mut got = Vec::new();
    reader.read_to_end(&mut got).unwrap();
    writer.join().unwrap();
    assert!(got.starts_with(&whole), "{} bytes came", got.len());
    assert_eq!(&got[whole.len()..], b"end after 3000000");
}

#[test]
fn ports_are_held_until_they_are_removed_and_connections_longer() {
    let process = Process::start();
    let mut control = process.control();
    let (target, _) = echo();
    let (socket, at) = held_tcp("127.0.0.1:0");
    control.add(&port("a", Protocol::Tcp, target, Reach::Near), socket.as_fd()).unwrap();
    drop(socket);
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut buffer = [0; 1];
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut buffer).unwrap();
    assert!(TcpListener::bind(at).is_err(), "the port is free");
    // A new engine finds them; the old one is gone.
    drop(control);
    let mut control = process.control();
    assert_eq!(control.owners().unwrap(), [("a".to_owned(), 1)]);
    for number in 0..1200 {
        let owner = format!("b{number:04}");
        let (socket, _) = held_tcp("127.0.0.1:0");
        control.add(&port(&owner, Protocol::Sctp, target, Reach::Near), socket.as_fd()).unwrap();
    }
    assert_eq!(control.owners().unwrap().len(), 1201);
    for number in 0..1200 {
        control.remove(&format!("b{number:04}")).unwrap();
    }
    control.remove("a").unwrap();
    control.remove("absent").unwrap();
    assert!(control.owners().unwrap().is_empty());
    // The socket is closed in a moment, by the task that had it.
    let until = std::time::Instant::now() + DEADLINE;
    while TcpStream::connect(at).is_ok() {
        assert!(std::time::Instant::now() < until, "the port is still held");
        std::thread::yield_now();
    }
    stream.write_all(b"y").unwrap();
    stream.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"y");
    // With nothing to hold and nobody to serve it ends.
    drop((stream, control));
    process.thread.join().unwrap();
}

/// An end that is gone without a word is noticed: both are asked while they are silent.
#[test]
fn silent_ends_are_asked() {
    let process = Process::start();
    let mut control = process.control();
    let (target, _) = echo();
    let (socket, at) = held_tcp("127.0.0.1:0");
    control.add(&port("a", Protocol::Tcp, target, Reach::Near), socket.as_fd()).unwrap();
    let mut stream = TcpStream::connect(at).unwrap();
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    // The forwarder's ends are at `at`, and connected to the target: proc_net(5), `tcp`.
    let ends = [format!(":{:04X}", at.port()), format!(":{:04X}", target.port())];
    let is_asked = || {
        let table = std::fs::read_to_string("/proc/thread-self/net/tcp").unwrap();
        let rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        let asked: Vec<(String, String)> = rows
            .filter(|row| row[3] == "01" && row[5].starts_with("02:"))
            .map(|row| (row[1].to_owned(), row[2].to_owned()))
            .collect();
        let near = asked.iter().any(|(local, _)| local.ends_with(&ends[0]));
        near && asked.iter().any(|(_, remote)| remote.ends_with(&ends[1]))
    };
    let until = std::time::Instant::now() + DEADLINE;
    while !is_asked() {
        assert!(std::time::Instant::now() < until, "nobody asks");
        std::thread::yield_now();
    }
}

#[test]
fn engines_wait_for_their_turn() {
    let process = Process::start();
    let mut engines: Vec<Control> = (0..8).map(|_| process.control()).collect();
    let flags = SocketFlags::CLOEXEC;
    let ninth = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
    connect(&ninth, &SocketAddrUnix::new(process.socket()).unwrap()).unwrap();
    sys::socket::send_with_fds(ninth.as_fd(), b"{\"hello\":{\"version\":1}}", &[]).unwrap();
    let answer = |patience: Duration| {
        set_socket_timeout(&ninth, Timeout::Recv, Some(patience)).unwrap();
        let mut buffer = [0; 100];
        let got = sys::socket::receive_with_fds(ninth.as_fd(), &mut buffer, true).ok()?;
        Some(String::from_utf8_lossy(&buffer[..got.bytes]).into_owned())
    };
    assert_eq!(answer(Duration::from_millis(150)), None);
    drop(engines.pop());
    assert_eq!(answer(DEADLINE).as_deref(), Some("\"done\""));
}

#[test]
fn datagrams_are_carried_and_answered_from_where_they_were_sent_to() {
    let process = Process::start();
    let mut control = process.control();
    let (_, target) = echo();
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let at = socket.local_addr().unwrap().port();
    control.add(&port("a", Protocol::Udp, target, Reach::Near), socket.as_fd()).unwrap();
    drop(socket);
    let clients: Vec<UdpSocket> = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
        .into_iter()
        .map(|address| {
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            client.set_read_timeout(Some(DEADLINE)).unwrap();
            client.connect((address, at)).unwrap();
            client
        })
        .collect();
    for round in 0..3u8 {
        for (number, client) in clients.iter().enumerate() {
            client.send(&[round, number as u8]).unwrap();
        }
        for (number, client) in clients.iter().enumerate() {
            let mut buffer = [0; 10];
            assert_eq!(client.recv(&mut buffer).unwrap(), 2);
            assert_eq!(buffer[..2], [round, number as u8]);
        }
    }
}

#[test]
fn version_six_leads_to_version_four() {
    let process = Process::start();
    let mut control = process.control();
    let (target, udp_target) = echo();
    let (socket, at) = held_tcp("[::1]:0");
    control.add(&port("a", Protocol::Tcp, target, Reach::Everybody), socket.as_fd()).unwrap();
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "end after 0");
    let udp = UdpSocket::bind("[::1]:0").unwrap();
    let at = udp.local_addr().unwrap();
    let six = port("a", Protocol::Udp, udp_target, Reach::Everybody);
    control.add(&six, udp.as_fd()).unwrap();
    drop(udp);
    let client = UdpSocket::bind("[::1]:0").unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.connect(at).unwrap();
    client.send(b"x").unwrap();
    assert_eq!(client.recv(&mut [0; 10]).unwrap(), 1);
}

#[test]
fn reach_is_by_the_peers_address() {
    let neighbors = protocol::Neighbors::default();
    let subnet = |text: &str| Neighbor { subnet: text.parse().unwrap(), internal: false };
    neighbors.set(true, vec![subnet("10.0.0.0/8")]);
    neighbors.set(true, vec![subnet("172.17.0.0/16")]);
    neighbors.set(false, vec![subnet("fd00::/64")]);
    neighbors.set(false, vec![Neighbor { internal: true, ..subnet("172.18.0.0/16") }]);
    for (address, near) in [
        ("127.0.0.1", true),
        ("127.8.9.10", true),
        ("::1", true),
        ("172.17.0.9", true),
        ("::ffff:172.17.0.9", true),
        ("fd00::9", true),
        ("10.0.0.1", false),
        ("192.0.2.1", false),
        ("2001:db8::1", false),
    ] {
        let address = address.parse().unwrap();
        assert_eq!(neighbors.reach(Reach::Near, address), near, "{address}");
        assert!(neighbors.reach(Reach::Everybody, address));
    }
    let inner = "::ffff:172.18.0.9".parse().unwrap();
    assert!(![Reach::Near, Reach::Everybody].iter().any(|reach| neighbors.reach(*reach, inner)));
}

#[test]
fn nonsense_ends_the_connection_and_nothing_else() {
    let process = Process::start();
    let mut control = process.control();
    let error = Control::connect(&process.dir.path().join("absent")).unwrap_err();
    assert!(matches!(error, ControlError::Connect { .. }), "{error:?}");
    let flags = SocketFlags::CLOEXEC;
    for bytes in [&b"nonsense"[..], b"{\"add\":{}}", &[b' '; 100_000]] {
        let raw = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        let at = SocketAddrUnix::new(process.socket()).unwrap();
        connect(&raw, &at).unwrap();
        sys::socket::send_with_fds(raw.as_fd(), bytes, &[]).unwrap();
        let end = sys::socket::receive_with_fds(raw.as_fd(), &mut [0; 10], true).unwrap();
        assert_eq!(end.bytes, 0);
    }
    let not_a_socket = std::fs::File::open("/dev/null").unwrap();
    let target = "127.0.0.1:1".parse().unwrap();
    let refused = control.add(&port("a", Protocol::Udp, target, Reach::Near), not_a_socket.as_fd());
    assert!(matches!(refused, Err(ControlError::Refused { .. })), "{refused:?}");
    assert!(control.owners().unwrap().is_empty());
}

//! Questions from inside of network namespaces.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use netlink::namespace::{self, inside};
use netlink::{Rtnl, nft};

use super::message::*;
use super::*;

const DEADLINE: Duration = Duration::from_secs(20);

fn machine() -> OwnedFd {
    let namespace = namespace::create().unwrap();
    let mut rtnl = Rtnl::open_in(namespace.as_fd()).unwrap();
    let lo = rtnl.link("lo").unwrap().unwrap();
    rtnl.set_up(lo.index, true).unwrap();
    namespace
}

struct World {
    guest: OwnedFd,
    names: Arc<Names>,
    serving: Serving,
    held: Sockets,
    runtime: tokio::runtime::Runtime,
}

fn entry(names: &[&str], addresses: &[&str]) -> Entry {
    Entry {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

fn client(upstream: &[SocketAddr]) -> Client {
    let upstream = upstream.iter().map(|address| Upstream { address: *address, from_host: false });
    Client {
        networks: vec!["n1".to_owned(), "n2".to_owned()],
        upstream: upstream.collect(),
        forwards_bare_names: true,
    }
}

impl World {
    fn new(upstream: impl FnOnce(&OwnedFd) -> Vec<SocketAddr>) -> World {
        let guest = machine();
        let names = Arc::new(Names::new());
        names.set("n1", "front", "e1", entry(&["Web", "shared", "0123456789ab"], &["10.0.0.2"]));
        names.set("n1", "front", "e2", entry(&["db", "shared"], &["10.0.0.3", "fd00::3"]));
        names.set("n2", "back", "e3", entry(&["web", "cache"], &["10.1.0.2"]));
        names.set("n3", "other", "e4", entry(&["hidden"], &["10.2.0.2"]));
        let sockets = Sockets::open(guest.as_fd()).unwrap();
        let held = sockets.try_clone().unwrap();
        // One of each: nothing keeps a thread for longer than a moment.
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).max_blocking_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let client = client(&upstream(&guest));
        let namespace = guest.try_clone().unwrap();
        let entered = runtime.enter();
        let serving = serve(Arc::clone(&names), sockets, namespace, client).unwrap();
        drop(entered);
        World { guest, names, serving, held, runtime }
    }

    #[track_caller]
    fn check_udp(&self, name: &str, kind: u16, expect: &str) {
        let bytes = question(7, name, kind).unwrap();
        assert_eq!(shown(&self.udp(&bytes)), expect, "{name} by UDP");
    }

    fn udp(&self, bytes: &[u8]) -> Vec<u8> {
        inside(self.guest.as_fd(), || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            socket.connect((ADDRESS, 53)).unwrap();
            socket.send(bytes).unwrap();
            let mut buffer = vec![0; 65_535];
            let length = socket.recv(&mut buffer).unwrap();
            buffer[..length].to_vec()
        })
        .unwrap()
    }

    fn tcp(&self, questions: &[Vec<u8>]) -> Vec<Vec<u8>> {
        inside(self.guest.as_fd(), || {
            let mut stream = TcpStream::connect((ADDRESS, 53)).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let exchange = |bytes: &Vec<u8>| {
                stream.write_all(&(bytes.len() as u16).to_be_bytes()).unwrap();
                stream.write_all(bytes).unwrap();
                let mut length = [0; 2];
                stream.read_exact(&mut length).unwrap();
                let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut answer).unwrap();
                answer
            };
            questions.iter().map(exchange).collect()
        })
        .unwrap()
    }

    /// Outcome and records of an answer, by UDP and the same by TCP.
    #[track_caller]
    fn check(&self, name: &str, kind: u16, expect: &str) {
        self.check_udp(name, kind, expect);
        let bytes = question(7, name, kind).unwrap();
        assert_eq!(shown(&self.tcp(&[bytes])[0]), expect, "{name} by TCP");
    }
}

/// An answer of ours as text: outcome, then records.
fn shown(answer: &[u8]) -> String {
    assert_eq!(answer[0..2], [0, 7]);
    assert_eq!(answer[2] & 0x81, 0x81, "it is no answer to a question with recursion");
    let count = u16::from_be_bytes([answer[6], answer[7]]);
    let mut rest = &answer[12..];
    while rest[0] != 0 {
        rest = &rest[1 + usize::from(rest[0])..];
    }
    rest = &rest[5..];
    let mut parts = vec![format!("{:?}", outcome(answer).unwrap())];
    for _ in 0..count {
        let kind = u16::from_be_bytes([rest[2], rest[3]]);
        let length = usize::from(u16::from_be_bytes([rest[10], rest[11]]));
        let value = &rest[12..12 + length];
        parts.push(match kind {
            A => IpAddr::from(<[u8; 4]>::try_from(value).unwrap()).to_string(),
            AAAA => IpAddr::from(<[u8; 16]>::try_from(value).unwrap()).to_string(),
            _ => String::from_utf8_lossy(value)
                .chars()
                .map(|c| if c < ' ' { '.' } else { c })
                .collect(),
        });
        rest = &rest[12 + length..];
    }
    if answer[2] & 2 != 0 {
        parts.push("truncated".to_owned());
    }
    parts.join(" ")
}

/// A server that answers every question with the same address, or a long list by TCP only.
fn upstream_server(namespace: &OwnedFd, address: &'static str, says: Outcome) -> SocketAddr {
    let bind = move || {
        let udp = UdpSocket::bind(address).unwrap();
        let tcp = TcpListener::bind(udp.local_addr().unwrap()).unwrap();
        (udp, tcp)
    };
    let (udp, tcp) = inside(namespace.as_fd(), bind).unwrap();
    let at = udp.local_addr().unwrap();
    let answer = move |bytes: &[u8], bytes_max: usize| {
        let question = Question::read(bytes).unwrap();
        let many = if question.name.as_deref() == Some("many.example") { 60 } else { 1 };
        let record = |last: u8| Record::Address([203, 0, 113, last].into());
        let records: Vec<Record> = (1..=many).map(record).collect();
        let records = if says == Outcome::Fine { &records[..] } else { &[] };
        question.answer(says, records, bytes_max)
    };
    std::thread::spawn(move || {
        let mut buffer = [0; 2000];
        while let Ok((length, peer)) = udp.recv_from(&mut buffer) {
            // Somebody else is faster, but wrong.
            let mut wrong = answer(&buffer[..length], 512);
            wrong[0] ^= 0xff;
            udp.send_to(&wrong, peer).unwrap();
            udp.send_to(&answer(&buffer[..length], 512), peer).unwrap();
        }
    });
    std::thread::spawn(move || {
        for mut stream in tcp.incoming().flatten() {
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut bytes).unwrap();
            let answer = answer(&bytes, 65_535);
            stream.write_all(&(answer.len() as u16).to_be_bytes()).unwrap();
            stream.write_all(&answer).unwrap();
        }
    });
    at
}

#[test]
fn neighbors_are_known_by_their_names() {
    let world =
        World::new(|guest| vec![upstream_server(guest, "127.0.0.1:0", Outcome::NoSuchName)]);
    world.check("web", A, "Fine 10.0.0.2");
    world.check("WEB", A, "Fine 10.0.0.2");
    world.check("0123456789ab", A, "Fine 10.0.0.2");
    world.check("web.front", A, "Fine 10.0.0.2");
    world.check("web.back", A, "Fine 10.1.0.2");
    world.check("cache", A, "Fine 10.1.0.2");
    world.check("db", AAAA, "Fine fd00::3");
    // It exists, but has none of these.
    world.check("web", AAAA, "Fine");
    world.check("web", 15, "Fine");
    // Nobody tells of networks that the client is not in.
    world.check("hidden", A, "NoSuchName");
    world.check("web.other", A, "NoSuchName");
    world.check("2.0.0.10.in-addr.arpa", PTR, "Fine .Web.front.");
    let six = format!("3.{}0.0.d.f.ip6.arpa", "0.".repeat(27));
    world.check(&six, PTR, "Fine .db.front.");
    world.check("2.0.2.10.in-addr.arpa", PTR, "NoSuchName");
    world.names.remove("n1", "e1");
    world.check("web", A, "Fine 10.1.0.2");
    world.names.remove("n2", "e3");
    world.check("web", A, "NoSuchName");
    world.serving.set_client(Client { networks: vec!["n3".to_owned()], ..client(&[]) });
    world.check("hidden", A, "Fine 10.2.0.2");
    world.check("db", A, "ServerFailure");
}

#[test]
fn a_shared_name_is_told_in_turn() {
    let world = World::new(|_| Vec::new());
    let bytes = question(7, "shared", A).unwrap();
    let first: Vec<String> = (0..4).map(|_| shown(&world.udp(&bytes))).collect();
    let count = |text: &str| first.iter().filter(|answer| *answer == text).count();
    assert_eq!(count("Fine 10.0.0.2 10.0.0.3") + count("Fine 10.0.0.3 10.0.0.2"), 4, "{first:?}");
    assert!(count("Fine 10.0.0.2 10.0.0.3") > 0 && count("Fine 10.0.0.3 10.0.0.2") > 0);
}

#[test]
fn everything_else_is_forwarded() {
    let world = World::new(|guest| {
        vec![
            // Nobody is there.
            "127.0.0.99:53".parse().unwrap(),
            upstream_server(guest, "127.0.0.1:0", Outcome::Refused),
            upstream_server(guest, "127.0.0.1:0", Outcome::Fine),
        ]
    });
    world.check("www.example", A, "Fine 203.0.113.1");
    // What is too large by UDP is cut, and whole by TCP.
    let bytes = question(7, "many.example", A).unwrap();
    let answer = world.udp(&bytes);
    assert!(answer.len() <= 512 && shown(&answer).ends_with(" truncated"), "{}", shown(&answer));
    let [answer] = &world.tcp(&[bytes])[..] else { panic!("one question, one answer") };
    assert_eq!(shown(answer).split(' ').count(), 61);
    // Two questions on one connection.
    let two = [question(7, "web", A).unwrap(), question(7, "www.example", A).unwrap()];
    let answers = world.tcp(&two);
    assert_eq!(shown(&answers[0]), "Fine 10.0.0.2");
    assert_eq!(shown(&answers[1]), "Fine 203.0.113.1");
}

/// All containers share the engine's threads: a server that takes no connection keeps none.
#[test]
fn a_server_that_takes_no_connection_keeps_nobody_waiting() {
    let mut at = None;
    let world =
        World::new(|guest| vec![*at.insert(upstream_server(guest, "127.0.0.1:0", Outcome::Fine))]);
    let port = at.unwrap().port();
    let hook = nft::Hook {
        kind: nft::ChainKind::Filter,
        point: nft::Point::Input,
        priority: 0,
        accepts: true,
    };
    let table = nft::TableName { family: nft::Family::Ip, name: "silent" };
    let mut batch = nft::Batch::new();
    batch.add_table(table);
    batch.add_chain(table, &nft::ChainSpec { name: "input".to_owned(), hook: Some(hook) });
    let rule = [
        nft::Statement::Is(nft::Field::Protocol, nft::Value::Byte(6)),
        nft::Statement::Is(nft::Field::DestinationPort, nft::Value::Short(port)),
        nft::Statement::Do(nft::Verdict::Drop),
    ];
    batch.add_rule(table, "input", &rule);
    nft::Nft::open_in(world.guest.as_fd()).unwrap().commit(batch).unwrap();
    let bytes = question(7, "www.example", A).unwrap();
    let mut waiting = inside(world.guest.as_fd(), || TcpStream::connect((ADDRESS, 53))).unwrap();
    let waiting = waiting.as_mut().unwrap();
    waiting.write_all(&(bytes.len() as u16).to_be_bytes()).unwrap();
    waiting.write_all(&bytes).unwrap();
    // Meanwhile it is asked.
    world.check_udp("web", A, "Fine 10.0.0.2");
    world.check_udp("www.example", A, "Fine 203.0.113.1");
    waiting.set_nonblocking(true).unwrap();
    let early = waiting.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(early, Err(std::io::ErrorKind::WouldBlock));
}

#[test]
fn who_must_not_reach_anybody_does_not_by_questions() {
    let world = World::new(|_| Vec::new());
    world.check("www.example", A, "ServerFailure");
    world.check("web", A, "Fine 10.0.0.2");
}

#[test]
fn bare_names_stay_inside_when_the_user_set_ndots() {
    let world = World::new(|guest| vec![upstream_server(guest, "127.0.0.1:0", Outcome::Fine)]);
    world.check("bare", A, "Fine 203.0.113.1");
    let server =
        Client { forwards_bare_names: false, ..client(&["127.0.0.99:53".parse().unwrap()]) };
    world.serving.set_client(server);
    world.check("bare", A, "NoSuchName");
    world.check("web", A, "Fine 10.0.0.2");
}

#[test]
fn a_server_of_the_machine_is_asked_from_the_machine() {
    let host = namespace::current().unwrap();
    let at = upstream_server(&host, "127.0.0.1:0", Outcome::Fine);
    let world = World::new(|_| Vec::new());
    let upstream = vec![Upstream { address: at, from_host: true }];
    world.serving.set_client(Client { upstream, ..client(&[]) });
    world.check("www.example", A, "Fine 203.0.113.1");
}

#[test]
fn questions_wait_while_nobody_answers() {
    let World { guest, names, serving, held, runtime } = World::new(|_| Vec::new());
    drop(serving);
    runtime.shutdown_timeout(DEADLINE);
    let bytes = question(7, "web", A).unwrap();
    let (udp, mut tcp) = inside(guest.as_fd(), || {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.set_read_timeout(Some(DEADLINE)).unwrap();
        udp.connect((ADDRESS, 53)).unwrap();
        udp.send(&bytes).unwrap();
        let mut tcp = TcpStream::connect((ADDRESS, 53)).unwrap();
        tcp.set_read_timeout(Some(DEADLINE)).unwrap();
        tcp.write_all(&(bytes.len() as u16).to_be_bytes()).unwrap();
        tcp.write_all(&bytes).unwrap();
        (udp, tcp)
    })
    .unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.unwrap();
    let _entered = runtime.enter();
    let namespace = guest.try_clone().unwrap();
    let _serving = serve(names, held, namespace, client(&[])).unwrap();
    let mut buffer = [0; 512];
    let length = udp.recv(&mut buffer).unwrap();
    assert_eq!(shown(&buffer[..length]), "Fine 10.0.0.2");
    tcp.read_exact(&mut buffer[..2]).unwrap();
    let length = usize::from(u16::from_be_bytes([buffer[0], buffer[1]]));
    tcp.read_exact(&mut buffer[..length]).unwrap();
    assert_eq!(shown(&buffer[..length]), "Fine 10.0.0.2");
}

/// A name server of the container's own has port 53 on all addresses but ours.
#[test]
fn port_53_is_free() {
    let world = World::new(|_| Vec::new());
    let bind =
        || (UdpSocket::bind("0.0.0.0:53").unwrap(), TcpListener::bind("0.0.0.0:53").unwrap());
    let _own = inside(world.guest.as_fd(), bind).unwrap();
    world.check("web", A, "Fine 10.0.0.2");
    // Opened again, the old ones are not asked any more.
    let sockets = Sockets::open(world.guest.as_fd()).unwrap();
    let mut filter = nft::Nft::open_in(world.guest.as_fd()).unwrap();
    let table = nft::TableName { family: nft::Family::Ip, name: "wharf-dns" };
    let text = filter.table(table).unwrap().unwrap().to_string();
    let udp = UdpSocket::from(sockets.udp).local_addr().unwrap();
    assert!(text.contains(&format!("meta l4proto udp th dport 53 dnat ip to {udp}")), "{text}");
}

#[test]
fn what_is_no_question_is_refused() {
    let fine = question(7, "web", A).unwrap();
    assert!(Question::read(&fine).is_ok());
    for end in 0..fine.len() {
        assert!(Question::read(&fine[..end]).is_err(), "{end}");
    }
    let changed = |at: usize, value: u8| {
        let mut bytes = fine.clone();
        bytes[at] = value;
        Question::read(&bytes)
    };
    // An answer; another kind of question; two; a pointer; a label that is too long.
    assert_eq!(changed(2, 0x81), Err(QuestionError::Ignored));
    let answered = |outcome| Err(QuestionError::Answered { id: 7, outcome });
    assert_eq!(changed(2, 0x29), answered(Outcome::NotImplemented));
    assert_eq!(changed(5, 2), answered(Outcome::FormatError));
    assert_eq!(changed(12, 0xc0), answered(Outcome::FormatError));
    assert_eq!(changed(12, 0x40), answered(Outcome::FormatError));
    assert_eq!(changed(13, b'.').unwrap().name, None);
    let mut sized = fine.clone();
    sized[11] = 1;
    sized.extend([0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(Question::read(&sized).unwrap().answer_bytes_max, 4096);
    assert_eq!(question(1, &"a".repeat(64), A), None);
    assert_eq!(question(1, &"a.".repeat(128), A), None);
}

proptest::proptest! {
    /// Our own answers are answers, and no longer than they may be.
    #[test]
    fn answers_fit(
        labels in proptest::collection::vec("[a-z0-9_-]{1,20}", 1..8),
        count in 0u8..200,
    ) {
        let name = labels.join(".");
        let asked = Question::read(&question(9, &name, A).unwrap()).unwrap();
        proptest::prop_assert_eq!(asked.name.as_deref(), Some(name.as_str()));
        let record = |last: u8| Record::Address([10, 0, 0, last].into());
        let records: Vec<Record> = (0..count).map(record).collect();
        let answer = asked.answer(Outcome::Fine, &records, 512);
        proptest::prop_assert!(answer.len() <= 512 && asked.is_answered_by(&answer));
        let cut = 12 + name.len() + 2 + 4 + usize::from(count) * 16 > 512;
        proptest::prop_assert_eq!(answer[2] & 2 != 0, cut);
    }
}

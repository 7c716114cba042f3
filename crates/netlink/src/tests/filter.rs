//! nf_tables.

use super::*;
use crate::nft::*;

const TABLE: TableName<'static> = TableName { family: Family::Inet, name: "wharf-test" };

fn chain(name: &str, hook: Option<Hook>) -> ChainSpec {
    ChainSpec { name: name.to_owned(), hook }
}

fn hook(kind: ChainKind, point: Point, priority: i32) -> Option<Hook> {
    Some(Hook { kind, point, priority, accepts: true })
}

fn set(name: &str, key: &[Type], data: DataSpec, ranges: bool) -> SetSpec {
    SetSpec { name: name.to_owned(), key: key.to_vec(), data, ranges }
}

fn link(name: &str) -> Value {
    Value::Link(name.to_owned())
}

fn ip(text: &str) -> Value {
    Value::Ip4(text.parse().unwrap())
}

/// One of every statement and of every kind of set.
#[test]
fn what_is_written_is_read_back() {
    let namespace = machine();
    let mut nft = Nft::open_in(namespace.as_fd()).unwrap();
    let mut batch = Batch::new();
    batch.add_table(TABLE);
    let links = set("links", &[Type::LinkName], DataSpec::Nothing, false);
    let subnets = set("subnets", &[Type::LinkName, Type::Ip4], DataSpec::Nothing, true);
    let six = set("six", &[Type::Ip6], DataSpec::Nothing, true);
    let plain = set("plain", &[Type::Ip4], DataSpec::Nothing, true);
    let verdicts = set("verdicts", &[Type::LinkName, Type::Mac], DataSpec::Verdict, false);
    let ports = DataSpec::Values(vec![Type::Ip4, Type::Port]);
    let ports = set("ports", &[Type::Protocol, Type::Port], ports, false);
    for one in [&links, &subnets, &six, &plain, &verdicts, &ports] {
        batch.add_set(TABLE, one);
    }
    batch.add_chain(TABLE, &chain("other", None));
    batch.add_chain(TABLE, &chain("nat", hook(ChainKind::Nat, Point::Prerouting, -100)));
    batch.add_chain(TABLE, &chain("out", hook(ChainKind::Nat, Point::Postrouting, 100)));
    let forward = Hook { accepts: false, ..hook(ChainKind::Filter, Point::Forward, -10).unwrap() };
    batch.add_chain(TABLE, &chain("forward", Some(forward)));
    batch.add_elements(TABLE, &links, &[Element::of(vec![link("br0")])]);
    let nets = [
        Element::prefix(vec![link("br0")], four("172.17.0.0"), 16),
        Element::prefix(vec![link("br1")], four("10.0.0.0"), 8),
    ];
    batch.add_elements(TABLE, &subnets, &nets);
    batch.add_elements(TABLE, &six, &[Element::prefix(vec![], four("fd00::"), 8)]);
    let ranges = [
        Element::prefix(vec![], four("255.0.0.0"), 8),
        Element::range(vec![ip("10.0.0.3")], vec![ip("10.0.0.9")]),
        Element::of(vec![ip("10.0.0.1")]),
        Element::prefix(vec![], four("172.18.0.0"), 16),
        Element::prefix(vec![], four("172.17.0.0"), 16),
    ];
    batch.add_elements(TABLE, &plain, &ranges);
    let mac = Value::Mac(Mac([2, 0, 0, 0, 0, 1]));
    let verdict = Verdict::Goto("other".to_owned());
    let element = Element::to_verdict(vec![link("veth0"), mac], verdict);
    batch.add_elements(TABLE, &verdicts, &[element]);
    let target = vec![ip("172.17.0.2"), Value::Short(80)];
    let element = Element::to_values(vec![Value::Byte(6), Value::Short(8080)], target);
    batch.add_elements(TABLE, &ports, &[element]);
    let local = ip("127.0.0.0");
    for rule in [
        vec![Statement::Is(Field::LinkIn, link("br0")), Statement::Do(Verdict::Return)],
        vec![Statement::VerdictBy(vec![Field::LinkIn, Field::EtherSource], "verdicts".to_owned())],
        vec![Statement::HasAny(Field::CtState, 6), Statement::Do(Verdict::Accept)],
        vec![Statement::HasNone(Field::CtStatus, 32), Statement::Counter, Statement::Reject],
        vec![
            Statement::Is(Field::NfProto, Value::Byte(2)),
            Statement::NotInPrefix(Field::Ip4Destination, local.clone(), 8),
            Statement::InPrefix(Field::Ip4Source, local, 8),
            Statement::NotIn(vec![Field::LinkOut, Field::Ip4Source], "subnets".to_owned()),
            Statement::Do(Verdict::Jump("other".to_owned())),
        ],
        vec![
            Statement::In(vec![Field::LinkIn], "links".to_owned()),
            Statement::IsNot(Field::Protocol, Value::Byte(58)),
            Statement::Do(Verdict::Drop),
        ],
    ] {
        batch.add_rule(TABLE, "forward", &rule);
    }
    batch.add_rule(
        TABLE,
        "nat",
        &[
            Statement::Is(Field::NfProto, Value::Byte(2)),
            Statement::Is(Field::DestinationKind, Value::Word(2)),
            Statement::DestinationBy(
                false,
                vec![Field::Protocol, Field::DestinationPort],
                "ports".to_owned(),
            ),
        ],
    );
    batch.add_rule(
        TABLE,
        "nat",
        &[
            Statement::Is(Field::Protocol, Value::Byte(17)),
            Statement::Is(Field::DestinationPort, Value::Short(53)),
            Statement::Destination(four("fd00::5"), 5353),
        ],
    );
    batch.add_rule(TABLE, "out", &[Statement::Masquerade]);
    nft.commit(batch).unwrap();
    let listed = nft.table(TABLE).unwrap().unwrap().to_string();
    assert_eq!(listed, include_str!("filter.txt"), "{listed}");
}

#[test]
fn a_transaction_happens_as_a_whole_or_not() {
    let namespace = machine();
    let mut nft = Nft::open_in(namespace.as_fd()).unwrap();
    let ports = set("ports", &[Type::Protocol, Type::Port], DataSpec::Nothing, false);
    let element = |port| Element::of(vec![Value::Byte(6), Value::Short(port)]);
    let mut batch = Batch::new();
    batch.add_table(TABLE);
    batch.add_set(TABLE, &ports);
    batch.add_elements(TABLE, &ports, &[element(1), element(2)]);
    nft.commit(batch).unwrap();
    let mut batch = Batch::new();
    batch.add_elements(TABLE, &ports, &[element(3)]);
    batch.delete_elements(TABLE, &ports, &[element(9)]);
    batch.add_elements(TABLE, &ports, &[element(4)]);
    let error = nft.commit(batch).unwrap_err();
    assert_eq!(error.to_string(), "failed to remove tcp . 9 from set `ports`");
    assert!(error.is_missing());
    let mut batch = Batch::new();
    batch.add_new_elements(TABLE, &ports, &[element(1)]);
    assert!(nft.commit(batch).unwrap_err().is_exists());
    assert_eq!(nft.elements(TABLE, &ports).unwrap(), [element(1), element(2)]);
    nft.commit(Batch::new()).unwrap();
    // Replacing it all is one step, too.
    let mut batch = Batch::new();
    batch.delete_table(TABLE);
    batch.add_table(TABLE);
    batch.add_set(TABLE, &ports);
    batch.add_elements(TABLE, &ports, &[element(5)]);
    nft.commit(batch).unwrap();
    assert_eq!(nft.elements(TABLE, &ports).unwrap(), [element(5)]);
    let mut batch = Batch::new();
    batch.flush_set(TABLE, "ports");
    batch.delete_set(TABLE, "ports");
    nft.commit(batch).unwrap();
    assert!(nft.table(TABLE).unwrap().unwrap().sets.is_empty());
    let mut batch = Batch::new();
    batch.delete_table(TABLE);
    nft.commit(batch).unwrap();
    assert!(nft.table(TABLE).unwrap().is_none());
}

#[test]
fn thousands_of_elements_fit() {
    let namespace = machine();
    let mut nft = Nft::open_in(namespace.as_fd()).unwrap();
    let data = DataSpec::Values(vec![Type::Ip6, Type::Port]);
    let ports = set("ports", &[Type::Ip6, Type::Protocol, Type::Port], data, false);
    let element = |port: u16| {
        let host = Value::Ip6("fd00::1".parse().unwrap());
        let guest = Value::Ip6("fd00:1:2:3:4:5:6:7".parse().unwrap());
        let key = vec![host, Value::Byte(6), Value::Short(port)];
        Element::to_values(key, vec![guest, Value::Short(port)])
    };
    let all: Vec<Element> = (1..=20_000).map(element).collect();
    let mut batch = Batch::new();
    batch.add_table(TABLE);
    batch.add_set(TABLE, &ports);
    batch.add_elements(TABLE, &ports, &all);
    nft.commit(batch).unwrap();
    // The kernel makes room for so many in the background; meanwhile it lists them badly.
    let until = std::time::Instant::now() + DEADLINE;
    while nft.elements(TABLE, &ports).unwrap() != all {
        assert!(std::time::Instant::now() < until, "some are missing, or there are others");
    }
}

/// A published port, as packets see it: from another machine to a guest behind this one.
#[test]
fn a_map_translates_destinations() {
    let (host, outside, guest) = (machine(), machine(), machine());
    let mut rtnl = Rtnl::open_in(host.as_fd()).unwrap();
    let uplink = bridge(&mut rtnl, "uplink", "192.0.2.1");
    let inner = bridge(&mut rtnl, "inner", "10.7.0.1");
    plug(&mut rtnl, &outside, "out0", uplink, "192.0.2.9", "192.0.2.1");
    plug(&mut rtnl, &guest, "veth0", inner, "10.7.0.2", "10.7.0.1");
    sysctl::Sysctls::open().unwrap().write_in(host.as_fd(), &[("ipv4/ip_forward", "1")]).unwrap();
    serve(&guest, "10.7.0.2:80", "guest");
    let data = DataSpec::Values(vec![Type::Ip4, Type::Port]);
    let ports = set("ports", &[Type::Protocol, Type::Port], data, false);
    let element = Element::to_values(
        vec![Value::Byte(6), Value::Short(8080)],
        vec![ip("10.7.0.2"), Value::Short(80)],
    );
    let mut batch = Batch::new();
    batch.add_table(TABLE);
    batch.add_set(TABLE, &ports);
    batch.add_chain(TABLE, &chain("nat", hook(ChainKind::Nat, Point::Prerouting, -100)));
    batch.add_rule(
        TABLE,
        "nat",
        &[
            Statement::Is(Field::NfProto, Value::Byte(2)),
            Statement::Is(Field::DestinationKind, Value::Word(2)),
            Statement::DestinationBy(
                false,
                vec![Field::Protocol, Field::DestinationPort],
                "ports".to_owned(),
            ),
        ],
    );
    let mut nft = Nft::open_in(host.as_fd()).unwrap();
    nft.commit(batch).unwrap();
    assert!(greeting(&outside, "192.0.2.1:8080", PATIENCE).is_err());
    let mut batch = Batch::new();
    batch.add_elements(TABLE, &ports, std::slice::from_ref(&element));
    nft.commit(batch).unwrap();
    assert_eq!(greeting(&outside, "192.0.2.1:8080", DEADLINE).unwrap(), "guest to 192.0.2.9");
    let mut batch = Batch::new();
    batch.delete_elements(TABLE, &ports, &[element]);
    nft.commit(batch).unwrap();
    assert!(greeting(&outside, "192.0.2.1:8080", PATIENCE).is_err());
}

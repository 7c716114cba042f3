//! The rules, and the sets that they look into.

use netlink::nft::{
    Batch, ChainKind, ChainSpec, DataSpec, Family, Field, Hook, Point, Rule, SetSpec, Statement,
    TableName, Type, Value, Verdict,
};

/// Addresses are translated where everybody does it, at `dstnat` and `srcnat`.
const DESTINATIONS: i32 = -100;
const SOURCES: i32 = 100;
/// Before `filter`: an operator's chains at `filter` see what we let through, and have the last
/// word.
const FORWARD: i32 = -10;
/// `filter` of the bridge family.
const FRAMES: i32 = -200;

const IPV4: u8 = 2;
const IPV6: u8 = 10;
/// `RTN_LOCAL`.
const LOCAL: u32 = 2;
/// Bits of the connection's state.
const ESTABLISHED_OR_RELATED: u32 = 2 | 4;
/// `IPS_DST_NAT`.
const TRANSLATED: u32 = 1 << 5;
const ETHER_IP: u16 = 0x0800;
const ETHER_ARP: u16 = 0x0806;
const ETHER_IP6: u16 = 0x86dd;
const ICMP: u8 = 1;
const ICMP6: u8 = 58;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;

pub(super) const BRIDGES: &str = "bridges";
pub(super) const SAME: &str = "same";
pub(super) const INTERNAL: &str = "internal";
pub(super) const CLOSED: &str = "closed";
pub(super) const PORTS: &str = "ports";
pub(super) const MACS: &str = "macs";

/// What differs between IPv4 and IPv6.
pub(super) struct Version {
    pub(super) six: bool,
    proto: u8,
    address: Type,
    source: Field,
    destination: Field,
    ether: u16,
    icmp: u8,
    pub(super) subnets: &'static str,
    pub(super) masquerade: &'static str,
    pub(super) published: &'static str,
    pub(super) published_at: &'static str,
    pub(super) own: &'static str,
    pub(super) direct: &'static str,
    pub(super) pinged: &'static str,
    pub(super) open: &'static str,
    pub(super) addresses: &'static str,
}

pub(super) const VERSIONS: [Version; 2] = [
    Version {
        six: false,
        proto: IPV4,
        address: Type::Ip4,
        source: Field::Ip4Source,
        destination: Field::Ip4Destination,
        ether: ETHER_IP,
        icmp: ICMP,
        subnets: "subnets4",
        masquerade: "masquerade4",
        published: "published4",
        published_at: "published4_at",
        own: "own4",
        direct: "direct4",
        pinged: "pinged4",
        open: "open4",
        addresses: "addresses4",
    },
    Version {
        six: true,
        proto: IPV6,
        address: Type::Ip6,
        source: Field::Ip6Source,
        destination: Field::Ip6Destination,
        ether: ETHER_IP6,
        icmp: ICMP6,
        subnets: "subnets6",
        masquerade: "masquerade6",
        published: "published6",
        published_at: "published6_at",
        own: "own6",
        direct: "direct6",
        pinged: "pinged6",
        open: "open6",
        addresses: "addresses6",
    },
];

fn set(name: &str, key: &[Type]) -> SetSpec {
    SetSpec { name: name.to_owned(), key: key.to_vec(), data: DataSpec::Nothing, ranges: false }
}

fn ranges(name: &str, key: &[Type]) -> SetSpec {
    SetSpec { ranges: true, ..set(name, key) }
}

/// All sets and maps of a table.
pub(super) fn sets(family: Family) -> Vec<SetSpec> {
    if family == Family::Bridge {
        let mut sets = vec![set(PORTS, &[Type::LinkName]), set(MACS, &[Type::LinkName, Type::Mac])];
        let addresses = VERSIONS.iter();
        sets.extend(addresses.map(|v| set(v.addresses, &[Type::LinkName, v.address])));
        return sets;
    }
    let mut sets = vec![
        set(BRIDGES, &[Type::LinkName]),
        set(SAME, &[Type::LinkName, Type::LinkName]),
        set(INTERNAL, &[Type::LinkName]),
        set(CLOSED, &[Type::LinkName]),
    ];
    for version in &VERSIONS {
        let address = version.address;
        let to = DataSpec::Values(vec![address, Type::Port]);
        let map = |name, key: &[Type]| SetSpec { data: to.clone(), ..set(name, key) };
        sets.extend([
            ranges(version.subnets, &[Type::LinkName, address]),
            ranges(version.masquerade, &[address]),
            map(version.published, &[Type::Protocol, Type::Port]),
            map(version.published_at, &[address, Type::Protocol, Type::Port]),
            set(version.own, &[address, Type::Protocol, Type::Port]),
            set(version.direct, &[address, Type::Protocol, Type::Port]),
            ranges(version.pinged, &[address]),
            ranges(version.open, &[address]),
        ]);
    }
    sets
}

/// Both tables without elements, in place of whatever they are.
pub(super) fn skeleton(
    batch: &mut Batch,
    packets: TableName<'_>,
    frames: TableName<'_>,
    guards: [bool; 2],
) {
    for table in [packets, frames] {
        // Removing what is not there is an error, making what is there is none.
        batch.add_table(table);
        batch.delete_table(table);
        batch.add_table(table);
        for set in sets(table.family) {
            batch.add_set(table, &set);
        }
    }
    let nat = |point, priority| Hook { kind: ChainKind::Nat, point, priority, accepts: true };
    let filter = |point, priority| Hook { kind: ChainKind::Filter, point, priority, accepts: true };
    let prerouting = nat(Point::Prerouting, DESTINATIONS);
    let output = nat(Point::Output, DESTINATIONS);
    let postrouting = nat(Point::Postrouting, SOURCES);
    let forward = filter(Point::Forward, FORWARD);
    chain(batch, packets, "publish", None, publish());
    chain(batch, packets, "prerouting", Some(prerouting), vec![to_this_machine()]);
    chain(batch, packets, "output", Some(output), from_this_machine());
    chain(batch, packets, "postrouting", Some(postrouting), sources());
    chain(batch, packets, "entering", None, entering());
    chain(batch, packets, "forward", Some(forward), forwarding(guards));
    let arriving = filter(Point::Prerouting, FRAMES);
    chain(batch, frames, "prerouting", Some(arriving), arriving_frames());
}

type Rules = Vec<Vec<Statement>>;

fn chain(batch: &mut Batch, table: TableName<'_>, name: &str, hook: Option<Hook>, rules: Rules) {
    batch.add_chain(table, &ChainSpec { name: name.to_owned(), hook });
    for rule in rules {
        batch.add_rule(table, name, &rule);
    }
}

fn is(field: Field, value: Value) -> Statement {
    Statement::Is(field, value)
}

fn within(fields: &[Field], set: &str) -> Statement {
    Statement::In(fields.to_vec(), set.to_owned())
}

fn without(fields: &[Field], set: &str) -> Statement {
    Statement::NotIn(fields.to_vec(), set.to_owned())
}

const ACCEPT: Statement = Statement::Do(Verdict::Accept);
const DROP: Statement = Statement::Do(Verdict::Drop);

fn jump(chain: &str) -> Statement {
    Statement::Do(Verdict::Jump(chain.to_owned()))
}

/// Packets for an address of this machine may be for a published port.
fn to_this_machine() -> Vec<Statement> {
    vec![is(Field::DestinationKind, Value::Word(LOCAL)), jump("publish")]
}

/// The same for what this machine sends itself, but not to its loopback addresses: with those as
/// source a packet cannot leave. The forwarder serves them.
fn from_this_machine() -> Rules {
    let loopback = |version: &Version| match version.six {
        false => {
            let first = Value::Ip4([127, 0, 0, 0].into());
            Statement::InPrefix(version.destination, first, 8)
        }
        true => is(version.destination, Value::Ip6(std::net::Ipv6Addr::LOCALHOST)),
    };
    let mut rules: Rules = VERSIONS
        .iter()
        .map(|version| vec![is_version(version), loopback(version), ACCEPT])
        .collect();
    rules.push(to_this_machine());
    rules
}

fn is_version(version: &Version) -> Statement {
    is(Field::NfProto, Value::Byte(version.proto))
}

/// Ports published at one address go before those published at all.
///
/// What a container sends to its own published port, or to a neighbor's where neighbors do not see
/// each other, is left to the forwarder: with `br_netfilter` a bridge would send a translated
/// packet straight back to where it came from, which the bridge's ports refuse.
fn publish() -> Rules {
    let back = Statement::Do(Verdict::Return);
    let mut rules = vec![vec![within(&[Field::LinkIn], CLOSED), back.clone()]];
    for version in &VERSIONS {
        let own = [version.source, Field::Protocol, Field::DestinationPort];
        rules.push(vec![is_version(version), within(&own, version.own), back.clone()]);
        let at = vec![version.destination, Field::Protocol, Field::DestinationPort];
        let all = vec![Field::Protocol, Field::DestinationPort];
        for (fields, map) in [(at, version.published_at), (all, version.published)] {
            let translate = Statement::DestinationBy(version.six, fields, map.to_owned());
            rules.push(vec![is_version(version), translate]);
        }
    }
    rules
}

fn sources() -> Rules {
    let mut rules = Rules::new();
    for version in &VERSIONS {
        let home = [Field::LinkOut, version.source];
        // By way of a published port to a neighbor: the answer must come back through here.
        rules.push(vec![
            is_version(version),
            Statement::HasAny(Field::CtStatus, TRANSLATED),
            within(&home, version.subnets),
            Statement::Masquerade,
        ]);
        // By way of a published port to another network the source is kept.
        rules.push(vec![
            is_version(version),
            Statement::HasNone(Field::CtStatus, TRANSLATED),
            within(&[version.source], version.masquerade),
            without(&home, version.subnets),
            Statement::Masquerade,
        ]);
    }
    rules
}

fn forwarding(guards: [bool; 2]) -> Rules {
    let mut rules = vec![
        vec![within(&[Field::LinkIn, Field::LinkOut], SAME), ACCEPT],
        vec![within(&[Field::LinkIn], INTERNAL), Statement::Counter, DROP],
        vec![within(&[Field::LinkOut], INTERNAL), Statement::Counter, DROP],
        vec![Statement::HasAny(Field::CtState, ESTABLISHED_OR_RELATED), ACCEPT],
        vec![
            within(&[Field::LinkOut], BRIDGES),
            Statement::Do(Verdict::Goto("entering".to_owned())),
        ],
    ];
    let guarded = VERSIONS.iter().zip(guards).filter(|(_, guards)| *guards);
    rules.extend(guarded.map(|(version, _)| guard(version)));
    rules
}

fn guard(version: &Version) -> Vec<Statement> {
    vec![is_version(version), without(&[Field::LinkIn], BRIDGES), Statement::Counter, DROP]
}

/// Of which IP versions a rule is the one that drops what is not ours.
pub(super) fn guards(rule: &Rule) -> [bool; 2] {
    VERSIONS.each_ref().map(|version| rule.statements == guard(version))
}

/// What comes from elsewhere: to published ports, and where it is wished, to addresses directly.
fn entering() -> Rules {
    let mut rules = vec![vec![Statement::HasAny(Field::CtStatus, TRANSLATED), ACCEPT]];
    for version in &VERSIONS {
        let to = version.destination;
        let port = [to, Field::Protocol, Field::DestinationPort];
        rules.push(vec![is_version(version), within(&[to], version.open), ACCEPT]);
        rules.push(vec![is_version(version), within(&port, version.direct), ACCEPT]);
        rules.push(vec![
            is_version(version),
            is(Field::Protocol, Value::Byte(version.icmp)),
            within(&[to], version.pinged),
            ACCEPT,
        ]);
    }
    rules.push(vec![Statement::Counter, DROP]);
    rules
}

/// Nobody pretends to be somebody else, nor to be a router.
fn arriving_frames() -> Rules {
    let ether = |kind| is(Field::EtherType, Value::Short(kind));
    let icmp6 = |kind| {
        vec![
            ether(ETHER_IP6),
            is(Field::Protocol, Value::Byte(ICMP6)),
            is(Field::Icmp6Type, Value::Byte(kind)),
        ]
    };
    let dropped = |rule: Vec<Statement>| [rule, vec![Statement::Counter, DROP]].concat();
    let claimed = without(&[Field::LinkIn, Field::Icmp6Target], VERSIONS[1].addresses);
    let mut rules = vec![
        vec![without(&[Field::LinkIn], PORTS), ACCEPT],
        vec![without(&[Field::LinkIn, Field::EtherSource], MACS), Statement::Counter, DROP],
        vec![
            ether(ETHER_ARP),
            without(&[Field::LinkIn, Field::ArpSourceEther], MACS),
            Statement::Counter,
            DROP,
        ],
        dropped(icmp6(ROUTER_ADVERTISEMENT)),
        dropped(icmp6(REDIRECT)),
        dropped([icmp6(NEIGHBOR_ADVERTISEMENT), vec![claimed]].concat()),
    ];
    for version in &VERSIONS {
        rules.push(vec![
            ether(version.ether),
            within(&[Field::LinkIn, version.source], version.addresses),
            ACCEPT,
        ]);
    }
    rules.push(vec![
        ether(ETHER_ARP),
        within(&[Field::LinkIn, Field::ArpSourceIp], VERSIONS[0].addresses),
        ACCEPT,
    ]);
    // Asking whether somebody has an address is done without one: RFC 5227, RFC 4862.
    let nobody4 = Value::Ip4(std::net::Ipv4Addr::UNSPECIFIED);
    let nobody6 = Value::Ip6(std::net::Ipv6Addr::UNSPECIFIED);
    rules.push(vec![ether(ETHER_ARP), is(Field::ArpSourceIp, nobody4), ACCEPT]);
    rules.push(vec![
        ether(ETHER_IP6),
        is(Field::Protocol, Value::Byte(ICMP6)),
        is(Field::Ip6Source, nobody6),
        ACCEPT,
    ]);
    rules.push(vec![Statement::Counter, DROP]);
    rules
}

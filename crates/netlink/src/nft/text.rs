//! Tables as `nft list table` prints them.

use std::fmt;

use super::list::{Chain, Set, Table};
use super::rule::{Field, Statement, Verdict};
use super::value::{Type, Value};
use super::{ChainKind, DataSpec, Element, ElementData, Family, Hook, Point, SetSpec};

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.family {
            Family::Inet => "inet",
            Family::Ip => "ip",
            Family::Ip6 => "ip6",
            Family::Bridge => "bridge",
        };
        writeln!(f, "table {family} {} {{", self.name)?;
        for (index, set) in self.sets.iter().enumerate() {
            write!(f, "{}{set}", if index == 0 { "" } else { "\n" })?;
        }
        for (index, chain) in self.chains.iter().enumerate() {
            let first = index == 0 && self.sets.is_empty();
            write!(f, "{}{chain}", if first { "" } else { "\n" })?;
        }
        writeln!(f, "}}")
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.spec.data == DataSpec::Nothing { "set" } else { "map" };
        writeln!(f, "\t{kind} {} {{", self.spec.name)?;
        let data = match &self.spec.data {
            DataSpec::Nothing => String::new(),
            DataSpec::Verdict => " : verdict".to_owned(),
            DataSpec::Values(types) => format!(" : {}", dotted(types)),
        };
        writeln!(f, "\t\ttype {}{data}", dotted(&self.spec.key))?;
        if self.spec.ranges {
            writeln!(f, "\t\tflags interval")?;
        }
        for (index, one) in self.elements.iter().enumerate() {
            let begin = if index == 0 { "elements = { " } else { "\t     " };
            let end = if index + 1 == self.elements.len() { " }" } else { "," };
            writeln!(f, "\t\t{begin}{}{end}", element(&self.spec, one))?;
        }
        writeln!(f, "\t}}")
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\tchain {} {{", self.spec.name)?;
        if let Some(hook) = self.spec.hook {
            writeln!(f, "\t\t{hook}")?;
        }
        for one in &self.rules {
            writeln!(f, "\t\t{}", rule(&one.statements))?;
        }
        writeln!(f, "\t}}")
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ChainKind::Filter => "filter",
            ChainKind::Nat => "nat",
        };
        let point = match self.point {
            Point::Prerouting => "prerouting",
            Point::Input => "input",
            Point::Forward => "forward",
            Point::Output => "output",
            Point::Postrouting => "postrouting",
        };
        let policy = if self.accepts { "accept" } else { "drop" };
        write!(f, "type {kind} hook {point} priority {}; policy {policy};", self.priority)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Return => f.write_str("return"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
        }
    }
}

/// A rule in one line.
pub(super) fn rule(statements: &[Statement]) -> String {
    let parts: Vec<String> = statements.iter().map(statement).collect();
    parts.join(" ")
}

fn statement(statement: &Statement) -> String {
    match statement {
        Statement::Is(field, value) => format!("{} {}", name(*field), text(*field, value)),
        Statement::IsNot(field, value) => format!("{} != {}", name(*field), text(*field, value)),
        Statement::InPrefix(field, value, bits) => {
            format!("{} {}/{bits}", name(*field), text(*field, value))
        }
        Statement::NotInPrefix(field, value, bits) => {
            format!("{} != {}/{bits}", name(*field), text(*field, value))
        }
        Statement::HasAny(field, bits) => {
            format!("{} {}", name(*field), text(*field, &Value::Word(*bits)))
        }
        Statement::HasNone(field, bits) => {
            format!("{} ! {}", name(*field), text(*field, &Value::Word(*bits)))
        }
        Statement::In(fields, set) => format!("{} @{set}", names(fields)),
        Statement::NotIn(fields, set) => format!("{} != @{set}", names(fields)),
        Statement::VerdictBy(fields, map) => format!("{} vmap @{map}", names(fields)),
        Statement::Counter => "counter".to_owned(),
        Statement::Do(verdict) => verdict.to_string(),
        Statement::Reject => "reject".to_owned(),
        Statement::Masquerade => "masquerade".to_owned(),
        Statement::DestinationBy(six, fields, map) => {
            let family = if *six { "ip6" } else { "ip" };
            format!("dnat {family} to {} map @{map}", names(fields))
        }
        Statement::Destination(address, port) => {
            let family = if address.is_ipv6() { "ip6" } else { "ip" };
            format!("dnat {family} to {}", std::net::SocketAddr::new(*address, *port))
        }
        Statement::Source(address, port) => {
            let family = if address.is_ipv6() { "ip6" } else { "ip" };
            format!("snat {family} to {}", std::net::SocketAddr::new(*address, *port))
        }
        Statement::Unknown(name) => format!("[{name}]"),
    }
}

fn name(field: Field) -> &'static str {
    field.row().name
}

fn names(fields: &[Field]) -> String {
    let names: Vec<&str> = fields.iter().map(|field| name(*field)).collect();
    names.join(" . ")
}

fn text(field: Field, value: &Value) -> String {
    value.text(field.of())
}

fn dotted(types: &[Type]) -> String {
    let names: Vec<String> = types.iter().map(Type::to_string).collect();
    names.join(" . ")
}

/// An element with what it leads to.
pub(super) fn element(set: &SetSpec, element: &Element) -> String {
    let key = match &element.to {
        None => values(&set.key, &element.key),
        Some(to) => {
            let one = |(of, (from, to)): (&Type, (&Value, &Value))| range(*of, from, to);
            let pairs = set.key.iter().zip(element.key.iter().zip(to));
            pairs.map(one).collect::<Vec<_>>().join(" . ")
        }
    };
    match (&set.data, &element.data) {
        (_, ElementData::Nothing) => key,
        (_, ElementData::Verdict(verdict)) => format!("{key} : {verdict}"),
        (DataSpec::Values(types), ElementData::Values(data)) => {
            format!("{key} : {}", values(types, data))
        }
        (_, ElementData::Values(_)) => key,
    }
}

fn values(types: &[Type], all: &[Value]) -> String {
    let texts: Vec<String> = types.iter().zip(all).map(|(of, value)| value.text(*of)).collect();
    texts.join(" . ")
}

fn range(of: Type, from: &Value, to: &Value) -> String {
    if from == to {
        return from.text(of);
    }
    let (first, last) = (from.bytes(), to.bytes());
    // As a prefix if it is one.
    for bits in 0..=(first.len() * 8) as u8 {
        let mask = super::encode::mask(first.len(), bits);
        let starts = first.iter().zip(&mask).all(|(byte, mask)| byte & !mask == 0);
        let ends = first.iter().zip(&last).zip(&mask).all(|((a, b), mask)| a | !mask == *b);
        if starts && ends {
            return format!("{}/{bits}", from.text(of));
        }
    }
    format!("{}-{}", from.text(of), to.text(of))
}

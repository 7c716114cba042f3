//! The kernel's expressions, read as the statements that they were.

use std::net::IpAddr;

use super::encode::{
    DATA_VALUE, DATA_VERDICT, DESTINATION_NAT, EQUAL, EXPRESSION_DATA, EXPRESSION_NAME, INVERTED,
    LIST_ELEMENT, NOT_EQUAL, SOURCE_NAT, VERDICT_CHAIN, VERDICT_CODE, VERDICT_REGISTER, mask,
};
use super::rule::{FIELDS, Field, Source, Statement, Verdict};
use super::value::Type;
use crate::message::{Attributes, attributes};

/// What was loaded and not yet looked at.
#[derive(Default)]
struct Registers {
    fields: Vec<Field>,
    mask: Option<Vec<u8>>,
    /// Values that are no field's, for address translation.
    values: Vec<Vec<u8>>,
    /// A map that filled registers, and from what.
    map: Option<(Vec<Field>, String)>,
}

/// Packets and bytes.
pub(super) type Count = (u64, u64);

/// The statements of a rule, and what its counter says.
pub(super) fn rule(expressions: &[u8]) -> (Vec<Statement>, Option<Count>) {
    let (mut registers, mut statements, mut count) = (Registers::default(), Vec::new(), None);
    for (kind, value) in attributes(expressions) {
        if kind != LIST_ELEMENT {
            continue;
        }
        let parts = attributes(value);
        let name = parts.text(EXPRESSION_NAME).unwrap_or_default();
        let values = parts.nested(EXPRESSION_DATA).unwrap_or(attributes(&[]));
        if name == "counter" {
            count = counter(values);
        }
        match registers.take(&name, values) {
            Some(Step::Loaded) => {}
            Some(Step::Done(statement)) => {
                statements.push(statement);
                registers = Registers::default();
            }
            None => {
                statements.push(Statement::Unknown(name));
                registers = Registers::default();
            }
        }
    }
    (statements, count)
}

enum Step {
    Loaded,
    Done(Statement),
}

impl Registers {
    fn take(&mut self, name: &str, values: Attributes<'_>) -> Option<Step> {
        let number = |kind| values.network32(kind);
        let source = match name {
            "meta" => Source::Meta(number(2)?),
            "payload" => Source::Payload(number(2)?, number(3)?),
            "ct" => Source::Ct(number(2)?),
            "fib" => Source::Fib(number(2)?, number(3)?),
            _ => return self.consume(name, values),
        };
        // TCP ports and ICMPv6 types are at the same place.
        let bytes = number(4).filter(|_| name == "payload").map(|bytes| bytes as usize);
        let fits = |of: Type| bytes.is_none_or(|bytes| bytes == of.bytes());
        let mut same = FIELDS.iter().filter(|row| row.source == source && fits(row.of));
        // IPv6 and ARP share an offset, too, and differ in length.
        self.fields.push(same.next()?.field);
        Some(Step::Loaded)
    }

    fn consume(&mut self, name: &str, values: Attributes<'_>) -> Option<Step> {
        let number = |kind| values.network32(kind);
        Some(Step::Done(match name {
            "bitwise" => {
                self.mask = Some(data(values, 4)?.to_vec());
                return Some(Step::Loaded);
            }
            "cmp" => self.compared(number(2)?, data(values, 3)?)?,
            "lookup" => {
                let (fields, set) = (std::mem::take(&mut self.fields), values.text(1)?);
                match number(3) {
                    None if number(5).unwrap_or(0) & INVERTED != 0 => Statement::NotIn(fields, set),
                    None => Statement::In(fields, set),
                    Some(VERDICT_REGISTER) => Statement::VerdictBy(fields, set),
                    Some(_) => {
                        self.map = Some((fields, set));
                        return Some(Step::Loaded);
                    }
                }
            }
            "immediate" if number(1)? == VERDICT_REGISTER => {
                Statement::Do(verdict(values.nested(2)?)?)
            }
            "immediate" => {
                self.values.push(data(values, 2)?.to_vec());
                return Some(Step::Loaded);
            }
            "nat" => self.translated(number(1)?, number(2)?)?,
            "counter" => Statement::Counter,
            "masq" => Statement::Masquerade,
            "reject" => Statement::Reject,
            _ => return None,
        }))
    }

    fn compared(&mut self, operator: u32, value: &[u8]) -> Option<Statement> {
        let field = self.fields.pop()?;
        let Some(bits) = self.mask.take() else {
            let value = field.of().read(value)?;
            return match operator {
                EQUAL => Some(Statement::Is(field, value)),
                NOT_EQUAL => Some(Statement::IsNot(field, value)),
                _ => None,
            };
        };
        if matches!(field.of(), Type::Ip4 | Type::Ip6) {
            let ones: u32 = bits.iter().map(|byte| byte.count_ones()).sum();
            let ones = u8::try_from(ones).ok()?;
            let value = field.of().read(value)?;
            return match operator {
                _ if mask(bits.len(), ones) != bits => None,
                EQUAL => Some(Statement::InPrefix(field, value, ones)),
                NOT_EQUAL => Some(Statement::NotInPrefix(field, value, ones)),
                _ => None,
            };
        }
        let bits = u32::from_ne_bytes(bits.try_into().ok()?);
        match operator {
            _ if value != [0; 4] => None,
            NOT_EQUAL => Some(Statement::HasAny(field, bits)),
            EQUAL => Some(Statement::HasNone(field, bits)),
            _ => None,
        }
    }

    fn translated(&mut self, kind: u32, family: u32) -> Option<Statement> {
        let six = family == sys::libc::AF_INET6 as u32;
        if let Some((fields, map)) = self.map.take() {
            let by_map = kind == DESTINATION_NAT;
            return by_map.then_some(Statement::DestinationBy(six, fields, map));
        }
        let (address, port) = (self.values.first()?, self.values.get(1)?);
        let address: IpAddr = crate::address::read(address)?;
        let port = u16::from_be_bytes(port.get(0..2)?.try_into().ok()?);
        match kind {
            SOURCE_NAT => Some(Statement::Source(address, port)),
            DESTINATION_NAT => Some(Statement::Destination(address, port)),
            _ => None,
        }
    }
}

/// The verdict in the attributes of a value.
pub(super) fn verdict(data: Attributes<'_>) -> Option<Verdict> {
    let parts = data.nested(DATA_VERDICT)?;
    let chain = parts.text(VERDICT_CHAIN);
    match parts.network32(VERDICT_CODE)?.cast_signed() {
        0 => Some(Verdict::Drop),
        1 => Some(Verdict::Accept),
        -3 => Some(Verdict::Jump(chain?)),
        -4 => Some(Verdict::Goto(chain?)),
        -5 => Some(Verdict::Return),
        _ => None,
    }
}

fn data(values: Attributes<'_>, kind: u16) -> Option<&[u8]> {
    values.nested(kind)?.find(DATA_VALUE)
}

fn counter(values: Attributes<'_>) -> Option<Count> {
    let number = |kind| Some(u64::from_be_bytes(values.find(kind)?.try_into().ok()?));
    Some((number(2)?, number(1)?))
}

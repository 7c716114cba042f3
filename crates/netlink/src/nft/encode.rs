//! Rules in the kernel's form: expressions that load registers and look at them.
//!
//! There are 16 registers of four bytes, from number 8 on; fields that are looked up together lie
//! side by side. Register 0 is the verdict.

use std::net::IpAddr;

use super::rule::{Field, Source, Statement, Verdict};
use super::value::Value;
use crate::message::Message;

pub(super) const LIST_ELEMENT: u16 = 1;
pub(super) const EXPRESSION_NAME: u16 = 1;
pub(super) const EXPRESSION_DATA: u16 = 2;
pub(super) const DATA_VALUE: u16 = 1;
pub(super) const DATA_VERDICT: u16 = 2;
pub(super) const VERDICT_CODE: u16 = 1;
pub(super) const VERDICT_CHAIN: u16 = 2;

pub(super) const VERDICT_REGISTER: u32 = 0;
pub(super) const FIRST_REGISTER: u32 = 8;

pub(super) const EQUAL: u32 = 0;
pub(super) const NOT_EQUAL: u32 = 1;
/// `NFT_LOOKUP_F_INV`.
pub(super) const INVERTED: u32 = 1;
pub(super) const SOURCE_NAT: u32 = 0;
pub(super) const DESTINATION_NAT: u32 = 1;
/// `NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED`.
const ADDRESS_AND_PORT: u32 = 3;
/// `NFT_REJECT_ICMPX_UNREACH` and `NFT_REJECT_ICMPX_PORT_UNREACH`.
const UNREACHABLE: (u32, u8) = (2, 1);

impl Statement {
    /// Writes the expressions.
    pub(super) fn encode(&self, out: &mut Message) {
        match self {
            Self::Is(field, value) => compare(out, *field, EQUAL, value),
            Self::IsNot(field, value) => compare(out, *field, NOT_EQUAL, value),
            Self::InPrefix(field, value, bits) => prefix(out, *field, EQUAL, value, *bits),
            Self::NotInPrefix(field, value, bits) => prefix(out, *field, NOT_EQUAL, value, *bits),
            Self::HasAny(field, bits) => masked(out, *field, NOT_EQUAL, *bits),
            Self::HasNone(field, bits) => masked(out, *field, EQUAL, *bits),
            Self::In(fields, set) => look_up(out, fields, set, None, 0),
            Self::NotIn(fields, set) => look_up(out, fields, set, None, INVERTED),
            Self::VerdictBy(fields, map) => {
                look_up(out, fields, map, Some(VERDICT_REGISTER), 0);
            }
            Self::Counter => {
                expression(out, "counter", |_| ());
            }
            Self::Do(verdict) => expression(out, "immediate", |out| {
                out.network32(1, VERDICT_REGISTER);
                out.nested(2, |out| verdict.encode(out));
            }),
            Self::Reject => expression(out, "reject", |out| {
                out.network32(1, UNREACHABLE.0).attribute(2, &[UNREACHABLE.1]);
            }),
            Self::Masquerade => expression(out, "masq", |_| ()),
            Self::DestinationBy(six, fields, map) => {
                look_up(out, fields, map, Some(FIRST_REGISTER), 0);
                translate(out, DESTINATION_NAT, *six);
            }
            Self::Destination(address, port) => fixed(out, DESTINATION_NAT, *address, *port),
            Self::Source(address, port) => fixed(out, SOURCE_NAT, *address, *port),
            Self::Unknown(name) => expression(out, name, |_| ()),
        }
    }
}

impl Verdict {
    /// `NFTA_VERDICT_*`, in a `DATA_VERDICT`.
    pub(super) fn encode(&self, out: &mut Message) {
        let (code, chain): (i32, Option<&str>) = match self {
            Self::Drop => (0, None),
            Self::Accept => (1, None),
            Self::Jump(chain) => (-3, Some(chain)),
            Self::Goto(chain) => (-4, Some(chain)),
            Self::Return => (-5, None),
        };
        out.nested(DATA_VERDICT, |out| {
            out.network32(VERDICT_CODE, code.cast_unsigned());
            if let Some(chain) = chain {
                out.text(VERDICT_CHAIN, chain);
            }
        });
    }
}

fn expression(out: &mut Message, name: &str, values: impl FnOnce(&mut Message)) {
    out.nested(LIST_ELEMENT, |out| {
        out.text(EXPRESSION_NAME, name);
        out.nested(EXPRESSION_DATA, values);
    });
}

fn load(out: &mut Message, field: Field, register: u32) {
    let row = field.row();
    match row.source {
        Source::Meta(key) => expression(out, "meta", |out| {
            out.network32(1, register).network32(2, key);
        }),
        Source::Payload(base, offset) => expression(out, "payload", |out| {
            out.network32(1, register).network32(2, base).network32(3, offset);
            out.network32(4, row.of.bytes() as u32);
        }),
        Source::Ct(key) => expression(out, "ct", |out| {
            out.network32(1, register).network32(2, key);
        }),
        Source::Fib(result, flags) => expression(out, "fib", |out| {
            out.network32(1, register).network32(2, result).network32(3, flags);
        }),
    }
}

/// Loads fields side by side.
fn load_all(out: &mut Message, fields: &[Field]) {
    let mut register = FIRST_REGISTER;
    for field in fields {
        load(out, *field, register);
        register += (field.of().bytes() as u32).div_ceil(4);
    }
}

fn compare(out: &mut Message, field: Field, operator: u32, value: &Value) {
    load(out, field, FIRST_REGISTER);
    compare_loaded(out, operator, &value.bytes());
}

fn compare_loaded(out: &mut Message, operator: u32, value: &[u8]) {
    expression(out, "cmp", |out| {
        out.network32(1, FIRST_REGISTER).network32(2, operator);
        out.nested(3, |out| {
            out.attribute(DATA_VALUE, value);
        });
    });
}

fn prefix(out: &mut Message, field: Field, operator: u32, value: &Value, bits: u8) {
    load(out, field, FIRST_REGISTER);
    let value = value.bytes();
    let mask = mask(value.len(), bits);
    mask_loaded(out, &mask);
    let masked: Vec<u8> = value.iter().zip(&mask).map(|(byte, mask)| byte & mask).collect();
    compare_loaded(out, operator, &masked);
}

fn masked(out: &mut Message, field: Field, operator: u32, bits: u32) {
    load(out, field, FIRST_REGISTER);
    mask_loaded(out, &bits.to_ne_bytes());
    compare_loaded(out, operator, &[0; 4]);
}

fn mask_loaded(out: &mut Message, mask: &[u8]) {
    expression(out, "bitwise", |out| {
        out.network32(1, FIRST_REGISTER).network32(2, FIRST_REGISTER);
        out.network32(3, mask.len() as u32);
        let nothing = vec![0; mask.len()];
        for (kind, value) in [(4, mask), (5, &nothing[..])] {
            out.nested(kind, |out| {
                out.attribute(DATA_VALUE, value);
            });
        }
    });
}

/// So many bytes with the first `bits` set.
pub(super) fn mask(bytes: usize, bits: u8) -> Vec<u8> {
    let set = |index: usize| {
        let left = usize::from(bits).saturating_sub(index * 8).min(8);
        (0xff00_u16 >> left) as u8
    };
    (0..bytes).map(set).collect()
}

fn look_up(out: &mut Message, fields: &[Field], set: &str, to: Option<u32>, flags: u32) {
    load_all(out, fields);
    expression(out, "lookup", |out| {
        out.text(1, set).network32(2, FIRST_REGISTER);
        if let Some(register) = to {
            out.network32(3, register);
        }
        if flags != 0 {
            out.network32(5, flags);
        }
    });
}

/// Address and port lie side by side from the first register on.
fn translate(out: &mut Message, kind: u32, six: bool) {
    let family = if six { sys::libc::AF_INET6 } else { sys::libc::AF_INET };
    let port = FIRST_REGISTER + if six { 4 } else { 1 };
    expression(out, "nat", |out| {
        out.network32(1, kind).network32(2, family as u32);
        out.network32(3, FIRST_REGISTER).network32(5, port);
        out.network32(7, ADDRESS_AND_PORT);
    });
}

fn fixed(out: &mut Message, kind: u32, address: IpAddr, port: u16) {
    let bytes = crate::address::octets(address);
    let behind = FIRST_REGISTER + bytes.len() as u32 / 4;
    for (register, value) in [(FIRST_REGISTER, &bytes[..]), (behind, &port.to_be_bytes()[..])] {
        expression(out, "immediate", |out| {
            out.network32(1, register);
            out.nested(2, |out| {
                out.attribute(DATA_VALUE, value);
            });
        });
    }
    translate(out, kind, address.is_ipv6());
}

//! Transactions.

use super::encode::{DATA_VALUE, LIST_ELEMENT};
use super::rule::Statement;
use super::value::{Value, join, length, packed};
use super::{ChainKind, ChainSpec, DataSpec, Element, ElementData, SUBSYSTEM, SetSpec, TableName};
use crate::message::{APPEND, CREATE, EXCLUSIVE, Message};
use crate::socket::Step;

/// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END`.
const BEGIN: u16 = 0x10;
const END: u16 = 0x11;

const NEW_TABLE: u16 = SUBSYSTEM;
const DELETE_TABLE: u16 = SUBSYSTEM | 2;
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
const DELETE_CHAIN: u16 = SUBSYSTEM | 5;
const NEW_RULE: u16 = SUBSYSTEM | 6;
const DELETE_RULE: u16 = SUBSYSTEM | 8;
const NEW_SET: u16 = SUBSYSTEM | 9;
const DELETE_SET: u16 = SUBSYSTEM | 11;
const NEW_ELEMENT: u16 = SUBSYSTEM | 12;
const DELETE_ELEMENT: u16 = SUBSYSTEM | 14;

/// `NFT_SET_INTERVAL`, `NFT_SET_MAP`, `NFT_SET_CONCAT`.
pub(super) const SET_RANGES: u32 = 4;
pub(super) const SET_MAP: u32 = 8;
const SET_CONCATENATED: u32 = 0x80;
/// `NFT_DATA_VERDICT`.
pub(super) const VERDICT_TYPE: u32 = 0xffff_ff00;
/// `NFT_SET_ELEM_INTERVAL_END`.
pub(super) const RANGE_END: u32 = 1;

/// An attribute is at most 64 KiB long, an element of ours at most 120 bytes.
const ELEMENTS_PER_MESSAGE: usize = 400;

/// Changes that happen all at once: see [`super::Nft::commit`].
#[derive(Debug, Default)]
pub struct Batch {
    steps: Vec<Step>,
    /// Sets get a number within the transaction.
    sets: u32,
}

impl Batch {
    /// Nothing to do.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Makes a table; an existing one is fine.
    pub fn add_table(&mut self, table: TableName<'_>) {
        let mut message = message(NEW_TABLE, CREATE, table);
        message.text(1, table.name);
        self.push(message, format!("add table `{}`", table.name));
    }

    /// Removes a table with everything in it.
    pub fn delete_table(&mut self, table: TableName<'_>) {
        let mut message = message(DELETE_TABLE, 0, table);
        message.text(1, table.name);
        self.push(message, format!("remove table `{}`", table.name));
    }

    /// Makes a chain; an existing one with the same hook is fine.
    pub fn add_chain(&mut self, table: TableName<'_>, chain: &ChainSpec) {
        let mut message = message(NEW_CHAIN, CREATE, table);
        message.text(1, table.name).text(3, &chain.name);
        if let Some(hook) = chain.hook {
            message.nested(4, |message| {
                message.network32(1, hook.point as u32);
                message.network32(2, hook.priority.cast_unsigned());
            });
            message.network32(5, u32::from(hook.accepts));
            let kind = match hook.kind {
                ChainKind::Filter => "filter",
                ChainKind::Nat => "nat",
            };
            message.text(7, kind);
        }
        self.push(message, format!("add chain `{}`", chain.name));
    }

    /// Removes a chain that has no rules.
    pub fn delete_chain(&mut self, table: TableName<'_>, chain: &str) {
        let mut message = message(DELETE_CHAIN, 0, table);
        message.text(1, table.name).text(3, chain);
        self.push(message, format!("remove chain `{chain}`"));
    }

    /// Removes all rules of a chain.
    pub fn flush_chain(&mut self, table: TableName<'_>, chain: &str) {
        let mut message = message(DELETE_RULE, 0, table);
        message.text(1, table.name).text(2, chain);
        self.push(message, format!("empty chain `{chain}`"));
    }

    /// Adds a rule at the end of a chain.
    pub fn add_rule(&mut self, table: TableName<'_>, chain: &str, rule: &[Statement]) {
        let mut message = message(NEW_RULE, CREATE | APPEND, table);
        message.text(1, table.name).text(2, chain);
        message.nested(4, |message| {
            for statement in rule {
                statement.encode(message);
            }
        });
        let rule = super::text::rule(rule);
        self.push(message, format!("add rule `{rule}` to chain `{chain}`"));
    }

    /// Makes a set or map; an existing one of the same kind is fine.
    pub fn add_set(&mut self, table: TableName<'_>, set: &SetSpec) {
        self.sets += 1;
        let mut message = message(NEW_SET, CREATE, table);
        message.text(1, table.name).text(2, &set.name);
        let mut flags = 0;
        flags |= if set.ranges { SET_RANGES } else { 0 };
        flags |= if set.key.len() > 1 { SET_CONCATENATED } else { 0 };
        flags |= if set.data == DataSpec::Nothing { 0 } else { SET_MAP };
        message.network32(3, flags);
        message.network32(4, packed(&set.key)).network32(5, length(&set.key) as u32);
        match &set.data {
            DataSpec::Nothing => {}
            DataSpec::Verdict => {
                message.network32(6, VERDICT_TYPE);
            }
            DataSpec::Values(types) => {
                message.network32(6, packed(types)).network32(7, length(types) as u32);
            }
        }
        if set.key.len() > 1 {
            message.nested(9, |message| {
                message.nested(2, |message| {
                    for of in &set.key {
                        message.nested(LIST_ELEMENT, |message| {
                            message.network32(1, of.bytes() as u32);
                        });
                    }
                });
            });
        }
        message.network32(10, self.sets);
        self.push(message, format!("add set `{}`", set.name));
    }

    /// Removes a set or map that no rule names.
    pub fn delete_set(&mut self, table: TableName<'_>, set: &str) {
        let mut message = message(DELETE_SET, 0, table);
        message.text(1, table.name).text(2, set);
        self.push(message, format!("remove set `{set}`"));
    }

    /// Removes all elements of a set or map.
    pub fn flush_set(&mut self, table: TableName<'_>, set: &str) {
        let mut message = message(DELETE_ELEMENT, 0, table);
        message.text(1, table.name).text(2, set);
        self.push(message, format!("empty set `{set}`"));
    }

    /// Adds elements; the same one again is fine, in a map only with the same data.
    pub fn add_elements(&mut self, table: TableName<'_>, set: &SetSpec, elements: &[Element]) {
        self.elements(NEW_ELEMENT, CREATE, "add", table, set, elements);
    }

    /// Adds elements; the whole transaction fails if one is there.
    pub fn add_new_elements(&mut self, table: TableName<'_>, set: &SetSpec, elements: &[Element]) {
        self.elements(NEW_ELEMENT, CREATE | EXCLUSIVE, "add", table, set, elements);
    }

    /// Removes elements; the whole transaction fails if one is not there.
    pub fn delete_elements(&mut self, table: TableName<'_>, set: &SetSpec, elements: &[Element]) {
        self.elements(DELETE_ELEMENT, 0, "remove", table, set, elements);
    }

    fn elements(
        &mut self,
        kind: u16,
        flags: u16,
        verb: &str,
        table: TableName<'_>,
        set: &SetSpec,
        elements: &[Element],
    ) {
        for some in elements.chunks(ELEMENTS_PER_MESSAGE) {
            let mut message = message(kind, flags, table);
            message.text(1, table.name).text(2, &set.name);
            message.nested(3, |message| {
                for element in some {
                    element.encode(set, message);
                }
            });
            let what = match some {
                [one] => super::text::element(set, one),
                more => format!("{} elements", more.len()),
            };
            let place = if verb == "add" { "to" } else { "from" };
            self.push(message, format!("{verb} {what} {place} set `{}`", set.name));
        }
    }

    fn push(&mut self, message: Message, what: String) {
        self.steps.push((message, what));
    }

    pub(super) fn into_steps(self) -> Vec<Step> {
        let edge = |kind: u16| {
            // Family, version, and the subsystem in network byte order.
            let message = Message::new(kind, 0, &[0, 0, 0, (SUBSYSTEM >> 8) as u8]);
            (message, "change the packet filter".to_owned())
        };
        let mut steps = vec![edge(BEGIN)];
        steps.extend(self.steps);
        steps.push(edge(END));
        steps
    }
}

/// With `struct nfgenmsg`.
pub(super) fn message(kind: u16, flags: u16, table: TableName<'_>) -> Message {
    Message::new(kind, flags, &[table.family as u8, 0, 0, 0])
}

impl Element {
    fn encode(&self, set: &SetSpec, message: &mut Message) {
        let key = join(&self.key);
        let last = self.to.as_deref().map(join);
        let concatenated = set.key.len() > 1;
        message.nested(LIST_ELEMENT, |message| {
            value(message, 1, &key);
            if set.ranges && concatenated {
                value(message, 10, last.as_ref().unwrap_or(&key));
            }
            match &self.data {
                ElementData::Nothing => {}
                ElementData::Verdict(verdict) => {
                    message.nested(2, |message| verdict.encode(message));
                }
                ElementData::Values(values) => value(message, 2, &join(values)),
            }
        });
        // Ranges of a single field have a second element, which is the first one behind.
        if set.ranges
            && !concatenated
            && let Some(behind) = successor(last.unwrap_or(key))
        {
            message.nested(LIST_ELEMENT, |message| {
                value(message, 1, &behind);
                message.network32(3, RANGE_END);
            });
        }
    }

    /// All addresses of a prefix, with other values before it.
    pub fn prefix(mut before: Vec<Value>, address: std::net::IpAddr, bits: u8) -> Element {
        let bytes = crate::address::octets(address);
        let mask = super::encode::mask(bytes.len(), bits);
        let first = bytes.iter().zip(&mask).map(|(byte, mask)| byte & mask).collect::<Vec<_>>();
        let last = bytes.iter().zip(&mask).map(|(byte, mask)| byte | !mask).collect::<Vec<_>>();
        let value = |bytes: &[u8]| match crate::address::read(bytes) {
            Some(std::net::IpAddr::V4(address)) => Value::Ip4(address),
            Some(std::net::IpAddr::V6(address)) => Value::Ip6(address),
            None => unreachable!("an address has 4 or 16 bytes"),
        };
        let mut to = before.clone();
        before.push(value(&first));
        to.push(value(&last));
        Element::range(before, to)
    }
}

fn value(message: &mut Message, kind: u16, bytes: &[u8]) {
    message.nested(kind, |message| {
        message.attribute(DATA_VALUE, bytes);
    });
}

/// The next number in network byte order, if there is one.
fn successor(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    for byte in bytes.iter_mut().rev() {
        let (next, carries) = byte.overflowing_add(1);
        *byte = next;
        if !carries {
            return Some(bytes);
        }
    }
    None
}

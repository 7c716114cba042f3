//! Reading tables back.

use super::batch::{RANGE_END, SET_MAP, SET_RANGES, VERDICT_TYPE, message};
use super::decode;
use super::encode::DATA_VALUE;
use super::rule::Statement;
use super::value::{split, unpacked};
use super::{
    ChainKind, ChainSpec, DataSpec, Element, ElementData, Family, Hook, Nft, Point, SUBSYSTEM,
    SetSpec, TableName,
};
use crate::error::NetlinkError;
use crate::message::{Attributes, Message, attributes};

const GET_TABLE: u16 = SUBSYSTEM | 1;
const GET_CHAIN: u16 = SUBSYSTEM | 4;
const GET_RULE: u16 = SUBSYSTEM | 7;
const GET_SET: u16 = SUBSYSTEM | 10;
const GET_ELEMENT: u16 = SUBSYSTEM | 13;

/// `struct nfgenmsg`, before the attributes.
const FIXED: usize = 4;

/// A table as the kernel has it. Prints as `nft list table` does, with sets sorted and without
/// counts.
#[derive(Clone, Debug)]
pub struct Table {
    /// Which packets it sees.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// Its sets and maps.
    pub sets: Vec<Set>,
    /// Its chains.
    pub chains: Vec<Chain>,
}

/// A set or map.
#[derive(Clone, Debug)]
pub struct Set {
    /// What it is.
    pub spec: SetSpec,
    /// What is in it, sorted.
    pub elements: Vec<Element>,
}

/// A chain.
#[derive(Clone, Debug)]
pub struct Chain {
    /// What it is.
    pub spec: ChainSpec,
    /// Its rules in their order.
    pub rules: Vec<Rule>,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it is made of.
    pub statements: Vec<Statement>,
    /// Packets and bytes that its counter has seen.
    pub count: Option<(u64, u64)>,
}

impl Nft {
    /// Whether the table is there.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn has_table(&mut self, table: TableName<'_>) -> Result<bool, NetlinkError> {
        let mut request = message(GET_TABLE, 0, table);
        request.text(1, table.name);
        match self.socket.get(request, || format!("look for table `{}`", table.name)) {
            Ok(_) => Ok(true),
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A table with all that is in it, if it is there.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn table(&mut self, table: TableName<'_>) -> Result<Option<Table>, NetlinkError> {
        if !self.has_table(table)? {
            return Ok(None);
        }
        let specs = self.all(message(GET_SET, 0, table), table, "sets", set)?;
        let mut sets = Vec::new();
        for spec in specs {
            let elements = self.elements(table, &spec)?;
            sets.push(Set { spec, elements });
        }
        let specs = self.all(message(GET_CHAIN, 0, table), table, "chains", chain)?;
        let rules = self.all(message(GET_RULE, 0, table), table, "rules", rule)?;
        let chain = |spec: ChainSpec| {
            let own = rules.iter().filter(|(chain, _)| *chain == spec.name);
            Chain { rules: own.map(|(_, rule)| rule.clone()).collect(), spec }
        };
        let chains = specs.into_iter().map(chain).collect();
        Ok(Some(Table { family: table.family, name: table.name.to_owned(), sets, chains }))
    }

    /// What is in a set or map, sorted.
    ///
    /// While the kernel makes room in a set that many elements were just added to, which it does
    /// not tell, some of them may be missing in the list or in it twice.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn elements(
        &mut self,
        table: TableName<'_>,
        set: &SetSpec,
    ) -> Result<Vec<Element>, NetlinkError> {
        let mut request = message(GET_ELEMENT, 0, table);
        request.text(1, table.name).text(2, &set.name);
        let mut list = self.socket.list(
            &request,
            || format!("list set `{}`", set.name),
            Vec::new,
            |list: &mut Vec<Listed>, body| {
                let values = attributes(body.get(FIXED..).unwrap_or_default());
                if let Some(elements) = values.nested(3) {
                    list.extend(elements.filter_map(|(_, value)| element(set, value)));
                }
            },
        )?;
        list.sort();
        Ok(joined(set, list))
    }

    /// Asks for all of something, and leaves out what is in other tables.
    fn all<T>(
        &mut self,
        mut request: Message,
        table: TableName<'_>,
        what: &str,
        read: impl Fn(Attributes<'_>) -> Option<T>,
    ) -> Result<Vec<T>, NetlinkError> {
        request.text(1, table.name);
        self.socket.list(
            &request,
            || format!("list the {what} of table `{}`", table.name),
            Vec::new,
            |list, body| {
                let family = body.first().copied();
                let values = attributes(body.get(FIXED..).unwrap_or_default());
                let is_ours = values.text(1).as_deref() == Some(table.name);
                if is_ours && family == Some(table.family as u8) {
                    list.extend(read(values));
                }
            },
        )
    }
}

fn chain(values: Attributes<'_>) -> Option<ChainSpec> {
    let hook = values.nested(4).and_then(|hook| {
        Some(Hook {
            kind: match values.text(7)?.as_str() {
                "nat" => ChainKind::Nat,
                _ => ChainKind::Filter,
            },
            point: match hook.network32(1)? {
                0 => Point::Prerouting,
                1 => Point::Input,
                2 => Point::Forward,
                3 => Point::Output,
                4 => Point::Postrouting,
                _ => return None,
            },
            priority: hook.network32(2)?.cast_signed(),
            accepts: values.network32(5).unwrap_or(1) == 1,
        })
    });
    Some(ChainSpec { name: values.text(3)?, hook })
}

fn rule(values: Attributes<'_>) -> Option<(String, Rule)> {
    let (statements, count) = decode::rule(values.find(4).unwrap_or_default());
    Some((values.text(2)?, Rule { statements, count }))
}

fn set(values: Attributes<'_>) -> Option<SetSpec> {
    let flags = values.network32(3).unwrap_or(0);
    let data = match values.network32(6) {
        _ if flags & SET_MAP == 0 => DataSpec::Nothing,
        Some(VERDICT_TYPE) => DataSpec::Verdict,
        Some(packed) => DataSpec::Values(unpacked(packed)?),
        None => DataSpec::Nothing,
    };
    Some(SetSpec {
        name: values.text(2)?,
        key: unpacked(values.network32(4)?)?,
        data,
        ranges: flags & SET_RANGES != 0,
    })
}

/// An element, or the end of the range before it.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Listed {
    bytes: Vec<u8>,
    /// One range may end where the next one begins; the end comes first.
    begins: bool,
    element: Element,
}

fn element(set: &SetSpec, value: &[u8]) -> Option<Listed> {
    let values = attributes(value);
    let bytes = values.nested(1)?.find(DATA_VALUE)?;
    let key = split(&set.key, bytes)?;
    let last = values.nested(10).and_then(|last| split(&set.key, last.find(DATA_VALUE)?));
    let data = match (&set.data, values.nested(2)) {
        (DataSpec::Verdict, Some(data)) => ElementData::Verdict(decode::verdict(data)?),
        (DataSpec::Values(types), Some(data)) => {
            ElementData::Values(split(types, data.find(DATA_VALUE)?)?)
        }
        _ => ElementData::Nothing,
    };
    Some(Listed {
        bytes: bytes.to_vec(),
        begins: values.network32(3).unwrap_or(0) & RANGE_END == 0,
        element: Element { to: last.filter(|last| *last != key), key, data },
    })
}

/// Puts the ends of ranges to their beginnings.
fn joined(set: &SetSpec, list: Vec<Listed>) -> Vec<Element> {
    let mut elements: Vec<Element> = Vec::new();
    // The kernel does not note the end of a range that ends with the last value of all.
    let last = match &set.key[..] {
        [of] if set.ranges => split(&set.key, &vec![0xff; of.bytes()]),
        _ => None,
    };
    for mut listed in list {
        match elements.last_mut() {
            _ if listed.begins => {
                let to = last.clone().or(listed.element.to);
                elements.push(Element { to, ..listed.element });
            }
            Some(range) => {
                // The end is the first one behind.
                for byte in listed.bytes.iter_mut().rev() {
                    let (before, borrows) = byte.overflowing_sub(1);
                    *byte = before;
                    if !borrows {
                        break;
                    }
                }
                range.to = split(&set.key, &listed.bytes).filter(|to| *to != range.key);
            }
            None => {}
        }
    }
    elements
}

//! Extended headers (`x`, `g`): `length key=value\n` records. Pure.

use std::collections::HashSet;

use super::Time;

/// What extended headers say of the next member.
#[derive(Debug, Default)]
pub(super) struct Pax {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    pub mtime: Option<Time>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub sparse: PaxSparse,
}

/// GNU's sparse files in PAX clothes.
#[derive(Debug, Default)]
pub(super) struct PaxSparse {
    pub major: Option<u64>,
    pub minor: Option<u64>,
    pub name: Option<Vec<u8>>,
    pub size: Option<u64>,
    /// Offsets and lengths in turn (0.0 and 0.1).
    pub map: Option<Vec<u64>>,
}

impl PaxSparse {
    /// Whether the member is said to be sparse.
    pub(super) fn is_used(&self) -> bool {
        self.size.is_some() || self.map.is_some() || self.major.is_some()
    }
}

/// What is wrong with an extended header.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum PaxFault {
    /// This part cannot be read.
    Field(&'static str),
    /// Readers in use differ.
    Ambiguous(&'static str),
}

use PaxFault::{Ambiguous, Field};

/// Reads the records of one `x` header. `numbers_max` limits the sparse map.
pub(super) fn parse(bytes: &[u8], numbers_max: usize) -> Result<Pax, PaxFault> {
    let mut pax = Pax::default();
    let mut seen = HashSet::new();
    for record in records(bytes) {
        let (key, value) = record?;
        let repeats = matches!(key, b"GNU.sparse.offset" | b"GNU.sparse.numbytes");
        if !repeats && !seen.insert(key) {
            return Err(Ambiguous("an extended header has a key twice"));
        }
        // An empty value takes the key away: the header's own field stands.
        if value.is_empty() && !key.starts_with(XATTR) {
            continue;
        }
        set(&mut pax, key, value, numbers_max)?;
    }
    Ok(pax)
}

/// Verifies a `g` header. Go skips them, GNU and Python apply them: only those that change nothing
/// (such as git's `comment`) mean the same to all.
pub(super) fn verify_global(bytes: &[u8]) -> Result<(), PaxFault> {
    for record in records(bytes) {
        let (key, _) = record?;
        let harmless = matches!(
            key,
            b"comment" | b"charset" | b"hdrcharset" | b"atime" | b"ctime" | b"uname" | b"gname"
        );
        if !harmless {
            return Err(Ambiguous("a global header changes members"));
        }
    }
    Ok(())
}

const XATTR: &[u8] = b"SCHILY.xattr.";

fn set(pax: &mut Pax, key: &[u8], value: &[u8], numbers_max: usize) -> Result<(), PaxFault> {
    match key {
        b"path" => pax.path = Some(name(value)?),
        b"linkpath" => pax.link = Some(name(value)?),
        b"size" => pax.size = Some(decimal(value)?),
        b"uid" => pax.uid = Some(decimal(value)?),
        b"gid" => pax.gid = Some(decimal(value)?),
        b"mtime" => pax.mtime = Some(time(value)?),
        b"GNU.sparse.major" => pax.sparse.major = Some(decimal(value)?),
        b"GNU.sparse.minor" => pax.sparse.minor = Some(decimal(value)?),
        b"GNU.sparse.name" => pax.sparse.name = Some(name(value)?),
        b"GNU.sparse.size" | b"GNU.sparse.realsize" => {
            if pax.sparse.size.replace(decimal(value)?).is_some() {
                return Err(Ambiguous("a sparse file has two sizes"));
            }
        }
        b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
            let map = pax.sparse.map.get_or_insert_default();
            let is_offset = key == b"GNU.sparse.offset";
            if map.len().is_multiple_of(2) != is_offset || map.len() >= numbers_max {
                return Err(Field("sparse map"));
            }
            map.push(decimal(value)?);
        }
        b"GNU.sparse.map" => {
            if pax.sparse.map.is_some() {
                return Err(Ambiguous("a sparse file has two maps"));
            }
            let numbers = value.split(|byte| *byte == b',').take(numbers_max + 1);
            let map: Vec<u64> = numbers.map(decimal).collect::<Result<_, _>>()?;
            if map.len() > numbers_max || !map.len().is_multiple_of(2) {
                return Err(Field("sparse map"));
            }
            pax.sparse.map = Some(map);
        }
        _ => {
            if let Some(attribute) = key.strip_prefix(XATTR) {
                pax.xattrs.push((attribute.to_vec(), value.to_vec()));
            }
        }
    }
    Ok(())
}

type Record<'a> = Result<(&'a [u8], &'a [u8]), PaxFault>;

fn records(mut bytes: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        match record(bytes) {
            Some((key, value, rest)) => {
                bytes = rest;
                Some(Ok((key, value)))
            }
            None => {
                bytes = &[];
                Some(Err(Field("extended record")))
            }
        }
    })
}

/// The first record and what follows it. The length counts itself, the blank and the newline.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let digits = bytes.iter().take(10).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(bytes.get(..digits)?).ok()?).ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let (newline, record) = record.get(digits + 1..)?.split_last()?;
    if *newline != b'\n' {
        return None;
    }
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (record.get(..equals)?, record.get(equals + 1..)?);
    (!key.is_empty() && !key.contains(&0)).then_some((key, value, rest))
}

fn name(value: &[u8]) -> Result<Vec<u8>, PaxFault> {
    if value.contains(&0) { Err(Field("extended path")) } else { Ok(value.to_vec()) }
}

/// Plain digits: no sign, no blanks.
pub(super) fn decimal(value: &[u8]) -> Result<u64, PaxFault> {
    let number = value.iter().try_fold(0u64, |number, digit| match digit {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    });
    number.filter(|_| !value.is_empty()).ok_or(Field("extended number"))
}

/// Seconds with an optional sign and fraction; what is finer than a nanosecond is cut off.
fn time(value: &[u8]) -> Result<Time, PaxFault> {
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let mut parts = value.splitn(2, |byte| *byte == b'.');
    let whole = decimal(parts.next().unwrap_or_default())?;
    let whole = i64::try_from(whole).map_err(|_| Field("extended time"))?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(Field("extended time"));
    }
    let digits = fraction.iter().chain(std::iter::repeat(&b'0')).take(9);
    let nanoseconds = digits.fold(0u32, |number, digit| number * 10 + u32::from(digit - b'0'));
    Ok(match (negative, nanoseconds) {
        (false, nanoseconds) => Time { seconds: whole, nanoseconds },
        (true, 0) => Time { seconds: -whole, nanoseconds: 0 },
        (true, nanoseconds) => {
            Time { seconds: -whole - 1, nanoseconds: 1_000_000_000 - nanoseconds }
        }
    })
}

//! One 512-byte header block to its fields. Pure: no input, no state.

use super::BLOCK_BYTES;

/// A block as it is in the stream.
pub(super) type Block = [u8; BLOCK_BYTES];

/// Which dialect a header says it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Dialect {
    /// Before POSIX: no prefix, no device numbers.
    V7,
    /// POSIX ustar, and PAX.
    Ustar,
    /// GNU: the prefix's place holds other things.
    Gnu,
}

/// The fields of a header.
#[derive(Debug)]
pub(super) struct Header {
    pub name: Vec<u8>,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub size: u64,
    pub mtime_seconds: i64,
    pub typeflag: u8,
    pub link: Vec<u8>,
    pub dialect: Dialect,
    pub device: (u32, u32),
}

/// What is wrong with a header.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum HeaderFault {
    /// This field cannot be read.
    Field(&'static str),
    /// Readers in use differ.
    Ambiguous(&'static str),
}

use HeaderFault::{Ambiguous, Field};

/// Reads a block that is not all zeros.
pub(super) fn parse(block: &Block) -> Result<Header, HeaderFault> {
    verify_checksum(block)?;
    let dialect = dialect(block)?;
    let typeflag = block[156];
    let mut name = text(&block[0..100]).to_vec();
    match dialect {
        Dialect::Ustar => {
            let prefix = text(&block[345..500]);
            if !prefix.is_empty() {
                name = [prefix, b"/", &name].concat();
            }
        }
        // GNU tar keeps times here, old Go wrote a prefix, Python reads a prefix: nobody agrees.
        Dialect::Gnu if typeflag != b'S' && block[345..500].iter().any(|b| *b != 0) => {
            return Err(Ambiguous("a GNU header with bytes where ustar has the path's prefix"));
        }
        // Before POSIX there was nothing; Python takes a prefix from here all the same.
        Dialect::V7 if block[345..500].iter().any(|b| *b != 0) => {
            return Err(Ambiguous(
                "a header of no known format with bytes where ustar's prefix is",
            ));
        }
        Dialect::Gnu | Dialect::V7 => {}
    }
    let number = |range: std::ops::Range<usize>, field| number(&block[range]).ok_or(Field(field));
    let positive = |range, field| {
        number(range, field).and_then(|n| u64::try_from(n).map_err(|_| Field(field)))
    };
    let device = match (typeflag, dialect) {
        (b'3' | b'4', Dialect::Ustar | Dialect::Gnu) => {
            (positive(329..337, "device number")?, positive(337..345, "device number")?)
        }
        _ => (0, 0),
    };
    let narrow = |n: u64| u32::try_from(n).map_err(|_| Field("device number"));
    Ok(Header {
        name,
        mode: (number(100..108, "mode")? & 0o7777) as u32,
        uid: positive(108..116, "owner")?,
        gid: positive(116..124, "group")?,
        size: positive(124..136, "size")?,
        mtime_seconds: number(136..148, "time")?,
        typeflag,
        link: text(&block[157..257]).to_vec(),
        dialect,
        device: (narrow(device.0)?, narrow(device.1)?),
    })
}

fn dialect(block: &Block) -> Result<Dialect, HeaderFault> {
    if &block[257..263] == b"ustar\0" {
        // Schily's old star has a shorter prefix and times after it.
        if &block[508..512] == b"tar\0" {
            return Err(Ambiguous("a header of the old star format"));
        }
        return Ok(Dialect::Ustar);
    }
    if &block[257..265] == b"ustar  \0" {
        return Ok(Dialect::Gnu);
    }
    if block[257..262] == *b"ustar" {
        return Err(Field("magic"));
    }
    Ok(Dialect::V7)
}

/// The sum of all bytes, the checksum's own counted as blanks; ancient writers summed signed bytes.
fn verify_checksum(block: &Block) -> Result<(), HeaderFault> {
    let wanted = number(&block[148..156]).ok_or(Field("checksum"))?;
    let (mut unsigned, mut signed) = (0i64, 0i64);
    for (at, byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&at) { b' ' } else { *byte };
        unsigned += i64::from(byte);
        signed += i64::from(byte as i8);
    }
    if wanted == unsigned || wanted == signed { Ok(()) } else { Err(Field("checksum")) }
}

/// The bytes before the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or(field)
}

/// Octal digits between blanks, or base-256 (GNU, star) when the first bit is set. `None` for
/// anything else, and for a digit after the end mark, which readers take differently.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => base256(field),
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<i64> {
    let start = field.iter().position(|byte| *byte != b' ').unwrap_or(field.len());
    let field = field.get(start..)?;
    let end = field.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(field.len());
    let (digits, rest) = field.split_at_checked(end)?;
    if !rest.iter().all(|byte| matches!(byte, 0 | b' ')) {
        return None;
    }
    digits.iter().try_fold(0i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// Two's complement, big endian; the top bit of the first byte is only the mark.
fn base256(field: &[u8]) -> Option<i64> {
    let (first, rest) = field.split_first()?;
    // The bit below the mark is the sign.
    let mut value = i128::from(first & 0x7f);
    if first & 0x40 != 0 {
        value -= 0x80;
    }
    for byte in rest {
        value = value.checked_mul(256)?.checked_add(i128::from(*byte))?;
    }
    i64::try_from(value).ok()
}

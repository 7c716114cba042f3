//! JSON strings as Docker writes them: of the short escapes only `\n`, `\r`, `\"` and `\\`; HTML's
//! special characters and U+2028, U+2029 by number; each byte that is not UTF-8 as `\ufffd`.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Bytes in a block that is tested at once, which the compiler turns into vector instructions.
const BLOCK: usize = 32;

/// Appends `bytes` as the inside of a JSON string.
pub(crate) fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    loop {
        let clean = clean_length(rest);
        out.extend_from_slice(&rest[..clean]);
        rest = &rest[clean..];
        match rest.first() {
            None => return,
            Some(byte) if byte.is_ascii() => {
                escape_ascii(*byte, out);
                rest = &rest[1..];
            }
            Some(_) => {
                let length = rest.iter().position(u8::is_ascii).unwrap_or(rest.len());
                escape_unicode(&rest[..length], out);
                rest = &rest[length..];
            }
        }
    }
}

/// The inside of a JSON string, unescaped in place; the new length. Lone halves of surrogate pairs
/// become U+FFFD. `None` when an escape is wrong; the bytes are then in no useful state.
pub(crate) fn unescape(text: &mut [u8]) -> Option<usize> {
    let mut read = find_special(text);
    let mut write = read;
    while read < text.len() {
        if text[read] == b'\\' {
            let (character, length) = decode_escape(text.get(read + 1..)?)?;
            read += 1 + length;
            // An escape is never shorter than what it stands for.
            write += character.encode_utf8(&mut text[write..]).len();
        } else {
            text[write] = text[read];
            (read, write) = (read + 1, write + 1);
        }
        let run = find_special(&text[read..]);
        text.copy_within(read..read + run, write);
        (read, write) = (read + run, write + run);
    }
    Some(write)
}

/// Where the first `"` or `\` is, or the length.
pub(crate) fn find_special(bytes: &[u8]) -> usize {
    memchr::memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len())
}

fn clean_length(bytes: &[u8]) -> usize {
    find(bytes, |byte| {
        // As signed numbers, control characters and what is not ASCII are below the space.
        ((*byte as i8) < 0x20)
            | (*byte == b'"')
            | (*byte == b'\\')
            | (*byte == b'<')
            | (*byte == b'>')
            | (*byte == b'&')
    })
}

#[inline(always)]
fn find(bytes: &[u8], special: impl Fn(&u8) -> bool) -> usize {
    let blocks = bytes.chunks_exact(BLOCK);
    let clean = |block: &&[u8]| !block.iter().fold(false, |found, byte| found | special(byte));
    let begin = blocks.take_while(clean).count() * BLOCK;
    let rest = &bytes[begin..];
    begin + rest.iter().position(special).unwrap_or(rest.len())
}

fn escape_ascii(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        _ => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    }
}

fn escape_unicode(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        let mut valid = chunk.valid();
        while let Some(at) = valid.find(['\u{2028}', '\u{2029}']) {
            let (before, rest) = valid.split_at(at);
            out.extend_from_slice(before.as_bytes());
            out.extend_from_slice(if rest.starts_with('\u{2028}') {
                b"\\u2028"
            } else {
                b"\\u2029"
            });
            valid = &rest['\u{2028}'.len_utf8()..];
        }
        out.extend_from_slice(valid.as_bytes());
        // Go replaces each byte by itself.
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

/// The character of an escape whose backslash is taken off, and how long the escape is.
fn decode_escape(text: &[u8]) -> Option<(char, usize)> {
    let plain = match text.first()? {
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        byte @ (b'"' | b'\\' | b'/') => char::from(*byte),
        b'u' => return decode_number(text),
        _ => return None,
    };
    Some((plain, 1))
}

/// `u1234`, or two of them for characters beyond 16 bits.
fn decode_number(text: &[u8]) -> Option<(char, usize)> {
    let high = hexadecimal(text.get(1..5)?)?;
    if let Some(character) = char::from_u32(high) {
        return Some((character, 5));
    }
    let low = text.get(5..11).filter(|next| next.starts_with(b"\\u"));
    let low = low.and_then(|next| hexadecimal(&next[2..]));
    match low {
        Some(low) if high < 0xdc00 && (0xdc00..0xe000).contains(&low) => {
            let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            Some((char::from_u32(code)?, 11))
        }
        _ => Some((char::REPLACEMENT_CHARACTER, 5)),
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
pub(crate) mod tests;

//! Numbers, characters and quoted texts of the template's text.

use super::{ParseError, Parser};
use crate::ast::{Number, OperandKind};
use crate::format::quote;

impl Parser<'_> {
    pub(super) fn unquoted(&self, quoted: &str) -> Result<String, ParseError> {
        match unquote(quoted) {
            Some(text) => Ok(text),
            None => self.fail("invalid syntax"),
        }
    }

    pub(super) fn number(&self, text: &str) -> Result<OperandKind, ParseError> {
        let number = match integer(text) {
            Some(number) => number,
            None => match float(text) {
                Some(_) if !text.contains(['.', 'e', 'E', 'p', 'P']) => {
                    return self.fail(format!("integer overflow: {}", quote(text)));
                }
                Some(n) => Number::Float(n),
                None => return self.fail(format!("illegal number syntax: {}", quote(text))),
            },
        };
        Ok(OperandKind::Number { text: text.to_owned(), number })
    }

    pub(super) fn char_constant(&self, text: &str) -> Result<OperandKind, ParseError> {
        let mut rest = text.get(1..).unwrap_or_default();
        let mut bytes = Vec::new();
        let Some(code) = unescape(&mut rest, '\'', &mut bytes) else {
            return self.fail("invalid syntax");
        };
        if rest != "'" {
            return self.fail(format!("malformed character constant: {text}"));
        }
        let number = Number::Int(i64::from(code));
        Ok(OperandKind::Number { text: text.to_owned(), number })
    }
}

/// The text between quotes; `None` if it is written wrongly.
fn unquote(quoted: &str) -> Option<String> {
    if let Some(raw) = quoted.strip_prefix('`') {
        return Some(raw.strip_suffix('`')?.replace('\r', ""));
    }
    let mut rest = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        unescape(&mut rest, '"', &mut bytes)?;
    }
    // Escapes can spell bytes that are no text; they show as replacement characters.
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Takes one character or escape off `rest`, appends its bytes and returns its code.
fn unescape(rest: &mut &str, quote: char, bytes: &mut Vec<u8>) -> Option<u32> {
    let mut chars = rest.chars();
    let first = chars.next()?;
    if first == quote || first == '\n' {
        return None;
    }
    let code = if first == '\\' { escape(&mut chars, quote, bytes)? } else { u32::from(first) };
    if first != '\\' {
        push(bytes, first);
    }
    *rest = chars.as_str();
    Some(code)
}

/// What follows a backslash.
fn escape(chars: &mut std::str::Chars<'_>, quote: char, bytes: &mut Vec<u8>) -> Option<u32> {
    let c = match chars.next()? {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        c if c == quote => c,
        'x' => return byte(digits(chars, 2, 16, 0)?, bytes),
        c @ '0'..='7' => return byte(digits(chars, 2, 8, c.to_digit(8)?)?, bytes),
        'u' => char::from_u32(digits(chars, 4, 16, 0)?)?,
        'U' => char::from_u32(digits(chars, 8, 16, 0)?)?,
        _ => return None,
    };
    push(bytes, c);
    Some(u32::from(c))
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn byte(code: u32, bytes: &mut Vec<u8>) -> Option<u32> {
    bytes.push(u8::try_from(code).ok()?);
    Some(code)
}

/// Exactly `count` more digits after those that make `start`.
fn digits(chars: &mut std::str::Chars<'_>, count: u32, base: u32, start: u32) -> Option<u32> {
    (0..count).try_fold(start, |code, _| {
        code.checked_mul(base)?.checked_add(chars.next()?.to_digit(base)?)
    })
}

/// An integer with any of Go's prefixes, signs and underscores.
fn integer(text: &str) -> Option<Number> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let is_signed = digits.len() < text.len();
    let lower = digits.to_ascii_lowercase();
    let (base, body) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    let has_prefix = body.len() < lower.len();
    let clean = without_underscores(body, has_prefix)?;
    // `from_str_radix` would take a second sign.
    if !clean.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    let magnitude = u64::from_str_radix(&clean, base).ok()?;
    if is_negative {
        0_i64.checked_sub_unsigned(magnitude).map(Number::Int)
    } else if let Ok(n) = i64::try_from(magnitude) {
        Some(Number::Int(n))
    } else {
        (!is_signed).then_some(Number::Overflow)
    }
}

/// Underscores may stand between digits, and between a prefix and a digit.
fn without_underscores(digits: &str, has_prefix: bool) -> Option<String> {
    let is_bad =
        digits.ends_with('_') || digits.contains("__") || (digits.starts_with('_') && !has_prefix);
    (!is_bad).then(|| digits.replace('_', ""))
}

fn float(text: &str) -> Option<f64> {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let magnitude = if let Some(hex) = body.strip_prefix("0x").or(body.strip_prefix("0X")) {
        hex_float(hex)?
    } else {
        // Rust would also read names such as `inf`.
        if !body.starts_with(|c: char| c == '.' || c.is_ascii_digit()) || body.contains('_') {
            return None;
        }
        body.parse().ok().filter(|n: &f64| n.is_finite())?
    };
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// Hexadecimal digits with a binary exponent, such as `1.8p4`.
fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    // More digits than a float holds would need rounding that nobody has asked for.
    if digits.is_empty() || digits.len() > 13 {
        return None;
    }
    let value = u64::from_str_radix(&digits, 16).ok()? as f64;
    let exponent: i32 = exponent.parse().ok()?;
    let scale = exponent.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?;
    Some(value * 2_f64.powi(scale)).filter(|n| n.is_finite())
}

//! Numbers as Go's flag library reads them, with its errors.

pub use docker_api::text::quote;

/// `strconv.ParseBool`.
pub fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", quote(text))),
    }
}

/// `strconv.ParseInt(text, 0, 64)`: decimal, `0x`, `0o`, `0b`, and `0` for octal.
pub fn parse_int(text: &str) -> Result<i64, String> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let fail = |why| format!("strconv.ParseInt: parsing {}: {why}", quote(text));
    let value = magnitude(digits).map_err(fail)?;
    let value = if negative { -i128::from(value) } else { i128::from(value) };
    i64::try_from(value).map_err(|_| fail("value out of range"))
}

/// `strconv.ParseUint(text, 0, bits)`.
pub fn parse_uint(text: &str, max: u64) -> Result<u64, String> {
    let fail = |why| format!("strconv.ParseUint: parsing {}: {why}", quote(text));
    let value = magnitude(text).map_err(fail)?;
    if value > max { Err(fail("value out of range")) } else { Ok(value) }
}

fn magnitude(text: &str) -> Result<u64, &'static str> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (lower.as_str(), 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err("invalid syntax");
    }
    u64::from_str_radix(digits, radix).map_err(|_| "value out of range")
}

/// `64m`, `1.5 GiB`, `1e3`: bytes, units in powers of 1024.
pub fn parse_bytes(text: &str) -> Result<i64, String> {
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ');
    let Some(end) = end else { return Err(format!("invalid size: '{text}'")) };
    let number = text[..=end].strip_suffix(' ').unwrap_or(&text[..=end]);
    let suffix = &text[end + 1..];
    let size: f64 = match number.parse() {
        Ok(size) if size >= 0.0 && !number.starts_with('+') => size,
        _ => return Err(format!("invalid size: '{text}'")),
    };
    let unit = suffix.to_ascii_lowercase();
    if unit.len() > 3 {
        return Err(format!("invalid suffix: '{suffix}'"));
    }
    let letter = unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(&unit);
    let power = match (letter, unit.as_str()) {
        ("", "ib") => return Err(format!("invalid suffix: '{suffix}'")),
        ("", _) => 0,
        ("k", _) => 1,
        ("m", _) => 2,
        ("g", _) => 3,
        ("t", _) => 4,
        ("p", _) => 5,
        _ => return Err(format!("invalid suffix: '{suffix}'")),
    };
    Ok((size * 1024f64.powi(power)) as i64)
}

/// A number of CPUs (`0.5`, `1/2`, `1e1`) as billionths.
pub fn parse_nano(text: &str) -> Result<i64, String> {
    let fail = || format!("failed to parse {text} as a rational number");
    let (over, under) = match text.split_once('/') {
        Some((over, under)) => {
            let under: i128 = under.parse().map_err(|_| fail())?;
            (decimal(over).ok_or_else(fail)?, under)
        }
        None => (decimal(text).ok_or_else(fail)?, 1),
    };
    if under <= 0 {
        return Err(fail());
    }
    let (digits, power) = over;
    let scaled = scale(digits, power + 9).ok_or_else(|| "value is too precise".to_owned())?;
    if scaled % under != 0 {
        return Err("value is too precise".into());
    }
    i64::try_from(scaled / under).map_err(|_| "value is too precise".into())
}

/// `digits * 10^power`, if that is a whole number that fits.
fn scale(digits: i128, power: i32) -> Option<i128> {
    if digits == 0 {
        return Some(0);
    }
    let factor = 10i128.checked_pow(power.unsigned_abs())?;
    match power {
        0.. => digits.checked_mul(factor),
        _ => (digits % factor == 0).then(|| digits / factor),
    }
}

/// `-1.5e3` as digits and a power of ten.
fn decimal(text: &str) -> Option<(i128, i32)> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let plain = fraction.chars().all(|c| c.is_ascii_digit());
    if !plain || exponent.abs() > 30 || fraction.len() > 30 {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    Some((digits, exponent - fraction.len() as i32))
}

/// `time.ParseDuration`, in nanoseconds.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0f64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().map_err(|_| invalid())?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let nanoseconds = match &rest[..end] {
            "" => return Err(format!("time: missing unit in duration {}", quote(text))),
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 6e10,
            "h" => 3.6e12,
            unit => {
                let (unit, text) = (quote(unit), quote(text));
                return Err(format!("time: unknown unit {unit} in duration {text}"));
            }
        };
        total += number * nanoseconds;
        rest = &rest[end..];
    }
    if total >= 9.2e18 {
        return Err(invalid());
    }
    Ok(if negative { -total as i64 } else { total as i64 })
}

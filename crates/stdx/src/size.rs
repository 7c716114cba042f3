//! Byte sizes as people write them, by Docker's rules.

/// Prints `bytes` in powers of 1000 with four significant digits, as in `docker images`: `1.98MB`.
pub fn human(bytes: u64) -> String {
    scaled(bytes as f64, 1000.0, &["B", "kB", "MB", "GB", "TB", "PB", "EB"], 3)
}

/// Like [`human`] with `digits` significant digits.
pub fn human_with(bytes: u64, digits: usize) -> String {
    scaled(bytes as f64, 1000.0, &["B", "kB", "MB", "GB", "TB", "PB", "EB"], digits)
}

/// Prints `bytes` in powers of 1024 with four significant digits, as in `docker stats`: `23.54GiB`.
pub fn binary(bytes: u64) -> String {
    scaled(bytes as f64, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"], 4)
}

fn scaled(mut value: f64, base: f64, units: &[&str], digits: usize) -> String {
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    format!("{}{}", significant(value, digits), units[unit])
}

/// Go's `%.Ng`: at most `digits` significant digits, trailing zeros dropped.
fn significant(value: f64, digits: usize) -> String {
    let whole = if value < 1.0 { 1 } else { value.log10().floor() as usize + 1 };
    let text = format!("{value:.*}", digits.saturating_sub(whole));
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Parses `64m`, `1.5 GiB`, `10kb`, `1024`: a number and an optional unit in powers of 1024.
/// Returns `None` when it is not one.
pub fn parse_binary(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let unit = text[end..].trim().to_ascii_lowercase();
    let power = match unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(&unit) {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let bytes = number * 1024f64.powi(power);
    (bytes.is_finite() && bytes < 9.2e18).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_docker() {
        for (bytes, text) in [(0, "0B"), (3, "3B"), (1_982_312, "1.98MB")] {
            assert_eq!(human(bytes), text);
        }
        assert_eq!(binary(25_276_502_016), "23.54GiB");
        assert_eq!(human_with(1_982_312, 4), "1.982MB");
    }

    #[test]
    fn parses_units() {
        for (text, bytes) in [
            ("64m", Some(64 << 20)),
            ("1.5 GiB", Some(3 << 29)),
            ("10kb", Some(10240)),
            ("1024", Some(1024)),
            ("x", None),
            ("1z", None),
        ] {
            assert_eq!(parse_binary(text), bytes, "{text}");
        }
    }
}

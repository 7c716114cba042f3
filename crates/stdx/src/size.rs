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
/// Returns `None` when it is not one, or more than an `i64` holds.
pub fn parse_binary(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.'));
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let unit = unit.trim_start_matches(' ').to_ascii_lowercase();
    let power = match unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(&unit) {
        "" if unit != "ib" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    match number.parse::<i64>() {
        Ok(whole) => whole.checked_mul(1 << power)?.try_into().ok(),
        // With a fraction: beyond 2^53 it is not exact, and no limit need be.
        Err(_) => {
            let bytes = number.parse::<f64>().ok()? * (1u64 << power) as f64;
            (bytes < i64::MAX as f64).then_some(bytes as u64)
        }
    }
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
        let check = |text, expect: Option<u64>| assert_eq!(parse_binary(text), expect, "{text}");
        check("0", Some(0));
        check("1024", Some(1024));
        for text in ["50M", "50m", "50mb", "50MiB", "50 M"] {
            check(text, Some(50 << 20));
        }
        check("1.5k", Some(1536));
        check("1.5 GiB", Some(3 << 29));
        for text in ["", "M", "ib", "5ib", "-5", "1e3", "1.2.3", "5x", "9000000P", "nan"] {
            check(text, None);
        }
    }
}

//! The digits of floating-point numbers.

/// Rust's formatter takes no larger precision than `u16`; no `f64` has more digits than this.
const DIGITS_MAX: usize = 1100;

/// A number that is not negative in the style of `%b`, `%e`, `%f`, `%g` or `%x` (or a capital). No
/// precision means as few digits as tell the number from its neighbors.
pub(super) fn digits(n: f64, style: char, precision: Option<usize>) -> String {
    if n.is_nan() {
        return "NaN".to_owned();
    }
    if n.is_infinite() {
        return "Inf".to_owned();
    }
    let text = match style.to_ascii_lowercase() {
        'f' => fixed(n, precision),
        'e' => exponential(&Decimal::new(n, precision), precision),
        'b' => binary(n),
        'x' => hexadecimal(n, precision),
        _ => shorter(n, precision),
    };
    if style.is_ascii_uppercase() { text.to_ascii_uppercase() } else { text }
}

/// Significant digits and the power of ten of the first.
struct Decimal {
    digits: String,
    exponent: i32,
}

impl Decimal {
    /// A number rounded to `precision` digits after its first, or as few as identify it.
    fn new(n: f64, precision: Option<usize>) -> Decimal {
        let text = match precision {
            Some(precision) => format!("{n:.*e}", precision.min(DIGITS_MAX)),
            None => format!("{n:e}"),
        };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        Decimal {
            digits: mantissa.chars().filter(char::is_ascii_digit).collect(),
            exponent: exponent.parse().unwrap_or(0),
        }
    }
}

fn fixed(n: f64, precision: Option<usize>) -> String {
    let Some(precision) = precision else { return n.to_string() };
    let shown = precision.min(DIGITS_MAX);
    format!("{n:.shown$}{}", "0".repeat(precision - shown))
}

/// `d.ddde±dd` with `precision` digits after the point, or all there are.
fn exponential(decimal: &Decimal, precision: Option<usize>) -> String {
    let (first, rest) = decimal.digits.split_at(1);
    let zeros = "0".repeat(precision.unwrap_or(0).saturating_sub(rest.len()));
    let point = if rest.is_empty() && zeros.is_empty() { "" } else { "." };
    let sign = if decimal.exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}{zeros}e{sign}{:02}", decimal.exponent.abs())
}

/// `%g`: an exponent for the very large and very small, and no zeros at the end.
fn shorter(n: f64, precision: Option<usize>) -> String {
    /// Go decides by this precision if none is given.
    const PRECISION_DEFAULT: i32 = 6;
    let significant = precision.map(|precision| precision.max(1));
    let mut decimal = Decimal::new(n, significant.map(|count| count - 1));
    let kept = decimal.digits.trim_end_matches('0').len().max(1);
    decimal.digits.truncate(kept);
    let count = i32::try_from(kept).unwrap_or(i32::MAX);
    let limit = match significant {
        None => PRECISION_DEFAULT,
        Some(wanted) => {
            let wanted = i32::try_from(wanted).unwrap_or(i32::MAX);
            if wanted > count && count > decimal.exponent { count } else { wanted }
        }
    };
    if decimal.exponent < -4 || decimal.exponent >= limit {
        return exponential(&decimal, None);
    }
    let places = usize::try_from(count - 1 - decimal.exponent).unwrap_or(0);
    fixed(n, Some(places))
}

/// Bits of the fraction of an `f64`.
const FRACTION_BITS: u32 = 52;

/// The integer that the bits of the digits make, and the power of two of its last bit.
fn parts(n: f64) -> (u64, i32) {
    const EXPONENT_BIAS: i32 = 1075;
    let bits = n.to_bits();
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    match i32::try_from(bits >> FRACTION_BITS & 0x7ff).unwrap_or(0) {
        0 => (fraction, 1 - EXPONENT_BIAS),
        exponent => (fraction | 1 << FRACTION_BITS, exponent - EXPONENT_BIAS),
    }
}

/// `%b`: an integer and a power of two.
fn binary(n: f64) -> String {
    let (mantissa, exponent) = parts(n);
    format!("{mantissa}p{exponent:+}")
}

/// `%x`: one hexadecimal digit, more after a point, and a power of two.
fn hexadecimal(n: f64, precision: Option<usize>) -> String {
    /// One digit before the point and fifteen after it fill a `u64`.
    const PLACES: u32 = 15;
    let (mantissa, exponent) = parts(n);
    let lost = mantissa.leading_zeros().min(63);
    // The first bit goes to the lowest place of the first digit, so that this is always 1.
    let mut bits = (mantissa << lost) >> 3;
    let shifted = i32::try_from(lost).unwrap_or(0);
    let mut top = if n == 0.0 { 0 } else { exponent + 63 - shifted };
    if let Some(precision) = precision.filter(|precision| *precision < PLACES as usize) {
        let shift = 4 * (PLACES - u32::try_from(precision).unwrap_or(PLACES));
        let (kept, cut) = (bits >> shift, bits & ((1 << shift) - 1));
        let half = 1_u64 << (shift - 1);
        let round_up = cut > half || (cut == half && kept & 1 == 1);
        bits = (kept + u64::from(round_up)) << shift;
        if bits >> 61 != 0 {
            bits >>= 1;
            top += 1;
        }
    }
    let digits = format!("{bits:016x}");
    let (first, rest) = digits.split_at(1);
    let mut rest = match precision {
        None => rest.trim_end_matches('0').to_owned(),
        Some(precision) => {
            rest.chars().chain("0".repeat(precision).chars()).take(precision).collect()
        }
    };
    if !rest.is_empty() {
        rest.insert(0, '.');
    }
    let sign = if top < 0 { '-' } else { '+' };
    format!("0x{first}{rest}p{sign}{:02}", top.abs())
}

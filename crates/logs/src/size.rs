//! Sizes as Docker's options have them.

/// A size by the rules of Docker's `go-units`, in powers of `base`, or its words for what is wrong.
pub(crate) fn go_size(text: &str, base: u64) -> Result<u64, String> {
    let invalid_size = || format!("invalid size: '{text}'");
    let split = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ');
    let (number, suffix) = text.split_at(split.ok_or_else(invalid_size)? + 1);
    let number: f64 = number
        .strip_suffix(' ')
        .unwrap_or(number)
        .parse()
        .map_err(|_| format!("strconv.ParseFloat: parsing \"{number}\": invalid syntax"))?;
    if number < 0.0 || !number.is_finite() {
        return Err(invalid_size());
    }
    let suffix = suffix.to_ascii_lowercase();
    let power = match suffix.strip_suffix("ib").or(suffix.strip_suffix('b')).unwrap_or(&suffix) {
        "" if suffix != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(format!("invalid suffix: '{suffix}'")),
    };
    Ok((number * (base as f64).powi(power)) as u64)
}

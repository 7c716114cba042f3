//! The kernel's texts of numbers.

use crate::devices::DeviceNumber;

/// Decimal digits and nothing else.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        match digit {
            0..=9 => number.checked_mul(10)?.checked_add(digit.into()),
            _ => None,
        }
    })
}

/// Lines of a key and a number; others are left out.
pub(super) fn pairs(text: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    lines(text).filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b' ')?;
        let (key, value) = line.split_at(at);
        Some((key, number(value.trim_ascii())?))
    })
}

pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// `254:0 REST`.
pub(super) fn device_line(line: &[u8]) -> Option<(DeviceNumber, &[u8])> {
    let at = line.iter().position(|byte| *byte == b' ')?;
    let (device, rest) = line.split_at(at);
    let colon = device.iter().position(|byte| *byte == b':')?;
    let part = |text| number(text).and_then(|number| u32::try_from(number).ok());
    let (major, minor) = (part(&device[..colon])?, part(&device[colon + 1..])?);
    Some((DeviceNumber { major, minor }, rest.trim_ascii()))
}

//! Random hexadecimal identifiers.

use std::fs::File;
use std::io::Read;

/// `2 * N` lower-case hexadecimal digits of the kernel's randomness.
///
/// # Panics
/// When `/dev/urandom` cannot be read: nothing that needs an identifier can go on without it.
pub fn random_hex<const N: usize>() -> String {
    let mut bytes = [0u8; N];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .expect("the kernel's random device is readable");
    hex(&bytes)
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_pads_and_random_differs() {
        assert_eq!(hex(&[0, 15, 255]), "000fff");
        let (a, b) = (random_hex::<32>(), random_hex::<32>());
        assert_eq!(a.len(), 64);
        assert_ne!(a, b);
    }
}

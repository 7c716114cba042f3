//! Names: `vendor.com/class=device`.

/// Whether `name` is that of a device with its kind.
pub fn is_qualified(name: &str) -> bool {
    name.split_once('=').is_some_and(|(kind, device)| is_kind(kind) && is_device(device))
}

/// Whether `kind` is `vendor/class`.
pub(crate) fn is_kind(kind: &str) -> bool {
    kind.split_once('/').is_some_and(|(vendor, class)| is_part(vendor) && is_part(class))
}

/// A vendor or a class: begins with a letter.
fn is_part(part: &str) -> bool {
    part.starts_with(|first: char| first.is_ascii_alphabetic()) && is_word(part, b"_-.")
}

/// A device's own name.
pub(crate) fn is_device(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric()) && is_word(name, b"_-.:")
}

/// Letters and digits, with `between` in the middle.
fn is_word(word: &str, between: &[u8]) -> bool {
    word.ends_with(|last: char| last.is_ascii_alphanumeric())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || between.contains(&byte))
}

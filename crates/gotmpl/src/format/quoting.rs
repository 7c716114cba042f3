//! Quoted texts and characters, as Go source writes them.

/// A text between double quotes.
pub(crate) fn quote(text: &str) -> String {
    quoted(text, '"', false)
}

/// As [`quote`], with escapes for all that is not ASCII.
pub(super) fn quote_ascii(text: &str) -> String {
    quoted(text, '"', true)
}

/// A character between single quotes.
pub(super) fn quote_char(c: char, ascii_only: bool) -> String {
    quoted(c.encode_utf8(&mut [0; 4]), '\'', ascii_only)
}

/// Whether a text can stand between backquotes as it is.
pub(super) fn can_backquote(text: &str) -> bool {
    text.chars().all(|c| {
        let is_control = (c < ' ' && c != '\t') || c == '\x7f';
        !is_control && c != '`' && c != '\u{feff}'
    })
}

/// Whether a character is shown as it is: letters, marks, numbers, signs and the plain blank.
pub(crate) fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    // The standard library knows the same classes, but escapes marks at the start of a text.
    let shown = format!("{:?}", format!("a{c}"));
    !shown.contains('\\')
}

fn quoted(text: &str, mark: char, ascii_only: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for c in text.chars() {
        match c {
            c if c == mark || c == '\\' => out.extend(['\\', c]),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            c if (c.is_ascii() || !ascii_only) && is_printable(c) => out.push(c),
            c if c < ' ' || c == '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if u32::from(c) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push(mark);
    out
}

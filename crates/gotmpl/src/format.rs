//! Printing values as Go's `fmt` does.

mod float;
mod printf;
mod quoting;

pub use printf::sprintf;
pub(crate) use quoting::{is_printable, quote};

use crate::limits::{OUTPUT_BYTES_MAX, VALUE_DEPTH_MAX};
use crate::value::{NilKind, Value};
use quoting::{quote_ascii, quote_char};

/// The arguments as `print` shows them: blanks between two of which neither is a text.
pub fn sprint(arguments: &[Value]) -> String {
    let mut printer = Printer::default();
    let mut previous_was_text = true;
    for (i, argument) in arguments.iter().enumerate() {
        let is_text = matches!(argument, Value::String(_));
        if i > 0 && !is_text && !previous_was_text {
            printer.push(" ");
        }
        printer.argument(argument, 'v');
        previous_was_text = is_text;
    }
    printer.out
}

/// The arguments as `println` shows them: blanks between all, and a newline.
pub(crate) fn sprintln(arguments: &[Value]) -> String {
    let mut printer = Printer::default();
    for (i, argument) in arguments.iter().enumerate() {
        if i > 0 {
            printer.push(" ");
        }
        printer.argument(argument, 'v');
    }
    printer.push("\n");
    printer.out
}

/// What stands between `%` and the verb.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v`: structs with the names of their fields.
    names: bool,
    /// `%#v`: as Go source.
    source: bool,
}

/// Text being printed. It stops growing soon after [`OUTPUT_BYTES_MAX`]; the caller looks at its
/// length.
#[derive(Debug, Default)]
struct Printer {
    out: String,
    flags: Flags,
}

impl Printer {
    fn push(&mut self, text: &str) {
        if self.out.len() <= OUTPUT_BYTES_MAX {
            self.out.push_str(text);
        }
    }

    /// Writes a text in the width asked for; `zero` pads with zeros on the left.
    fn pad(&mut self, text: &str, zero: bool) {
        let missing = self.flags.width.unwrap_or(0).saturating_sub(text.chars().count());
        if missing == 0 || self.out.len() > OUTPUT_BYTES_MAX {
            self.push(text);
        } else if self.flags.minus {
            self.push(text);
            self.push(&" ".repeat(missing));
        } else {
            let fill = if zero && self.flags.zero { "0" } else { " " };
            self.push(&fill.repeat(missing));
            self.push(text);
        }
    }

    /// A whole argument of a verb.
    fn argument(&mut self, value: &Value, verb: char) {
        if verb == 'T' {
            return self.text(value.type_name(), 's');
        }
        if value.is_invalid() {
            return match verb {
                'v' => self.pad("<nil>", true),
                _ => self.bad_verb(value, verb),
            };
        }
        self.value(value, verb, 0);
    }

    fn value(&mut self, value: &Value, verb: char, depth: usize) {
        // What is too long already, or nested too deep, is not shown any further.
        if self.out.len() > OUTPUT_BYTES_MAX {
            return;
        }
        if depth > VALUE_DEPTH_MAX {
            return self.push("...");
        }
        match value {
            Value::Null | Value::Nil(NilKind::Missing) if self.flags.source => {
                self.push("interface {}(nil)");
            }
            Value::Null | Value::Nil(NilKind::Missing) => self.push("<nil>"),
            Value::Nil(kind) => self.nil(*kind, verb),
            Value::Bool(b) if matches!(verb, 't' | 'v') => self.pad(&b.to_string(), true),
            Value::Int(n) => self.integer(n.unsigned_abs(), *n < 0, value, verb),
            Value::Uint(n) if verb == 'v' && self.flags.source => {
                self.flags.sharp = true;
                self.integer(*n, false, value, 'x');
                self.flags.sharp = false;
            }
            Value::Uint(n) => self.integer(*n, false, value, verb),
            Value::Float(n) if "vgGeEfFbxX".contains(verb) => self.float(*n, verb),
            Value::String(text) if "vsxXq".contains(verb) => self.text(text, verb),
            Value::Bool(_) | Value::Float(_) | Value::String(_) => self.bad_verb(value, verb),
            Value::List(items) => self.list(value, items, verb, depth),
            Value::Map(map) => {
                let entries = map.iter().map(|(key, item)| (Value::from(key), item.clone()));
                self.map(value, entries, verb, depth);
            }
            Value::Struct(object) => match object.display() {
                Some(text) if "vsxXq".contains(verb) && !self.flags.source => {
                    self.text(&text, verb);
                }
                _ => self.fields(object.type_name(), object.fields(), verb, depth),
            },
        }
    }

    fn nil(&mut self, kind: NilKind, verb: char) {
        let value = Value::Nil(kind);
        let name = value.type_name();
        match kind {
            NilKind::Pointer(_) if verb != 'v' => self.bad_verb(&value, verb),
            _ if self.flags.source => self.push(&format!("{name}(nil)")),
            NilKind::Pointer(_) | NilKind::Missing => self.pad("<nil>", true),
            NilKind::List => self.push("[]"),
            NilKind::Map => self.push("map[]"),
        }
    }

    fn list(&mut self, list: &Value, items: &[Value], verb: char, depth: usize) {
        let (open, separator, close) = if self.flags.source {
            self.push(list.type_name());
            ("{", ", ", "}")
        } else {
            ("[", " ", "]")
        };
        self.push(open);
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.push(separator);
            }
            self.value(item, verb, depth + 1);
        }
        self.push(close);
    }

    fn map(
        &mut self,
        map: &Value,
        entries: impl Iterator<Item = (Value, Value)>,
        verb: char,
        depth: usize,
    ) {
        let (open, separator, close) = if self.flags.source {
            self.push(map.type_name());
            ("{", ", ", "}")
        } else {
            ("map[", " ", "]")
        };
        self.push(open);
        for (i, (key, item)) in entries.enumerate() {
            if i > 0 {
                self.push(separator);
            }
            self.value(&key, verb, depth + 1);
            self.push(":");
            self.value(&item, verb, depth + 1);
        }
        self.push(close);
    }

    fn fields(&mut self, name: &str, fields: Vec<(String, Value)>, verb: char, depth: usize) {
        if self.flags.source {
            self.push(name);
        }
        self.push("{");
        for (i, (name, value)) in fields.iter().enumerate() {
            if i > 0 {
                self.push(if self.flags.source { ", " } else { " " });
            }
            if self.flags.source || self.flags.names {
                self.push(name);
                self.push(":");
            }
            self.value(value, verb, depth + 1);
        }
        self.push("}");
    }

    fn bad_verb(&mut self, value: &Value, verb: char) {
        self.push(&format!("%!{verb}("));
        if value.is_invalid() {
            self.push("<nil>");
        } else {
            self.push(value.type_name());
            self.push("=");
            self.value(value, 'v', 0);
        }
        self.push(")");
    }

    fn text(&mut self, text: &str, verb: char) {
        let cut = match self.flags.precision {
            Some(count) if !matches!(verb, 'x' | 'X') => {
                text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
            }
            _ => text,
        };
        match verb {
            'x' | 'X' => self.hex_text(text.as_bytes(), verb),
            'v' if self.flags.source => self.pad(&quote(cut), true),
            'q' if self.flags.sharp && quoting::can_backquote(cut) => {
                self.pad(&format!("`{cut}`"), true);
            }
            'q' if self.flags.plus => self.pad(&quote_ascii(cut), true),
            'q' => self.pad(&quote(cut), true),
            _ => self.pad(cut, true),
        }
    }

    fn hex_text(&mut self, bytes: &[u8], verb: char) {
        let bytes = &bytes[..self.flags.precision.unwrap_or(bytes.len()).min(bytes.len())];
        let prefix = match (self.flags.sharp, verb) {
            (false, _) => "",
            (true, 'x') => "0x",
            (true, _) => "0X",
        };
        let mut text = String::with_capacity(bytes.len() * 2);
        for (i, byte) in bytes.iter().enumerate() {
            if i > 0 && self.flags.space {
                text.push(' ');
            }
            if i == 0 || self.flags.space {
                text.push_str(prefix);
            }
            let digits = if verb == 'x' { format!("{byte:02x}") } else { format!("{byte:02X}") };
            text.push_str(&digits);
        }
        self.pad(&text, true);
    }

    fn integer(&mut self, magnitude: u64, is_negative: bool, value: &Value, verb: char) {
        let flags = self.flags;
        let (digits, prefix) = match verb {
            'v' | 'd' => (magnitude.to_string(), ""),
            'b' => (format!("{magnitude:b}"), if flags.sharp { "0b" } else { "" }),
            'o' => (format!("{magnitude:o}"), if flags.sharp { "0" } else { "" }),
            'O' => (format!("{magnitude:o}"), "0o"),
            'x' => (format!("{magnitude:x}"), if flags.sharp { "0x" } else { "" }),
            'X' => (format!("{magnitude:X}"), if flags.sharp { "0X" } else { "" }),
            'c' | 'q' | 'U' => return self.character(magnitude, is_negative, verb),
            _ => return self.bad_verb(value, verb),
        };
        let sign = match (is_negative, flags.plus, flags.space) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            (false, false, false) => "",
        };
        let fills_with_zeros = flags.zero && !flags.minus;
        let digits_min = match (flags.precision, flags.width) {
            // No digits at all are asked for, and zero has none.
            (Some(0), _) if magnitude == 0 => return self.pad("", false),
            (Some(precision), _) => precision,
            (None, Some(width)) if fills_with_zeros => width.saturating_sub(sign.len()),
            _ => 0,
        };
        let zeros = "0".repeat(digits_min.saturating_sub(digits.len()));
        // The leading zero of `%#o` is one of the digits.
        let prefix = if prefix == "0" && !zeros.is_empty() { "" } else { prefix };
        self.pad(&format!("{sign}{prefix}{zeros}{digits}"), false);
    }

    fn character(&mut self, magnitude: u64, is_negative: bool, verb: char) {
        let code = u32::try_from(magnitude).ok().filter(|_| !is_negative);
        let c = code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
        match verb {
            'c' => self.pad(&c.to_string(), true),
            'q' => self.pad(&quote_char(c, self.flags.plus), true),
            _ => {
                let code = if is_negative { magnitude.wrapping_neg() } else { magnitude };
                let digits_min = self.flags.precision.unwrap_or(4).max(4);
                let digits = format!("{code:X}");
                let zeros = "0".repeat(digits_min.saturating_sub(digits.len()));
                let shown = format!("U+{zeros}{digits}");
                if self.flags.sharp && code <= 0x10_ffff && is_printable(c) {
                    self.pad(&format!("{shown} '{c}'"), false);
                } else {
                    self.pad(&shown, false);
                }
            }
        }
    }

    fn float(&mut self, n: f64, verb: char) {
        let flags = self.flags;
        let precision = match verb {
            'e' | 'E' | 'f' | 'F' => Some(flags.precision.unwrap_or(6)),
            _ => flags.precision,
        };
        let style = if verb == 'v' { 'g' } else { verb };
        let magnitude = float::digits(n.abs(), style, precision);
        let sign = match () {
            () if n.is_sign_negative() && !n.is_nan() => "-",
            () if flags.plus => "+",
            () if flags.space => " ",
            () if n.is_infinite() => "+",
            () => "",
        };
        let text = format!("{sign}{magnitude}");
        if flags.zero && !flags.minus && n.is_finite() {
            // Zeros go between the sign and the digits.
            let zeros = flags.width.unwrap_or(0).saturating_sub(text.len());
            return self.push(&format!("{sign}{}{magnitude}", "0".repeat(zeros)));
        }
        self.pad(&text, false);
    }
}

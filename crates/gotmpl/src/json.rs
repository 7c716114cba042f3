//! Values as JSON text, as Go's `encoding/json` writes them.

use crate::functions::CallError;
use crate::limits::{OUTPUT_BYTES_MAX, VALUE_DEPTH_MAX};
use crate::value::Value;

/// JSON in which `<`, `>` and `&` are escaped, as Go does for types that marshal themselves, such
/// as the rows of Docker's lists.
///
/// # Errors
/// The value is nested too deep, is too large or holds a number that JSON cannot.
pub fn to_string(value: &Value) -> Result<String, CallError> {
    encode(value, true)
}

/// JSON in which only quotes and control characters are escaped, as Docker's `json` function does.
///
/// # Errors
/// As [`to_string`].
pub fn to_string_plain(value: &Value) -> Result<String, CallError> {
    encode(value, false)
}

fn encode(value: &Value, escapes_html: bool) -> Result<String, CallError> {
    let mut encoder = Encoder { out: String::new(), escapes_html };
    encoder.value(value, 0)?;
    Ok(encoder.out)
}

struct Encoder {
    out: String,
    escapes_html: bool,
}

impl Encoder {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), CallError> {
        if depth > VALUE_DEPTH_MAX {
            return Err("json: unsupported value: nested too deep".into());
        }
        if self.out.len() > OUTPUT_BYTES_MAX {
            return Err(format!("json: text is larger than {OUTPUT_BYTES_MAX} bytes").into());
        }
        match value {
            Value::Null | Value::Nil(_) => self.out.push_str("null"),
            Value::Bool(b) => self.out.push_str(if *b { "true" } else { "false" }),
            Value::Int(n) => self.out.push_str(&n.to_string()),
            Value::Uint(n) => self.out.push_str(&n.to_string()),
            Value::Float(n) => self.float(*n)?,
            Value::String(text) => self.string(text),
            Value::List(items) => {
                self.out.push('[');
                for (i, item) in items.iter().enumerate() {
                    self.comma(i);
                    self.value(item, depth + 1)?;
                }
                self.out.push(']');
            }
            Value::Map(map) => self.members(map.iter_in_order(), depth)?,
            Value::Struct(object) => match object.json() {
                Some(text) => self.out.push_str(&text),
                None => {
                    let fields = object.fields();
                    let members = fields.iter().map(|(name, value)| (name.as_str(), value));
                    self.members(members.collect(), depth)?;
                }
            },
        }
        Ok(())
    }

    fn members(&mut self, members: Vec<(&str, &Value)>, depth: usize) -> Result<(), CallError> {
        self.out.push('{');
        for (i, (name, value)) in members.into_iter().enumerate() {
            self.comma(i);
            self.string(name);
            self.out.push(':');
            self.value(value, depth + 1)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.out.push(',');
        }
    }

    /// Plain digits for usual sizes, an exponent for the very large and very small.
    fn float(&mut self, n: f64) -> Result<(), CallError> {
        if !n.is_finite() {
            return Err(format!("json: unsupported value: {n}").into());
        }
        let magnitude = n.abs();
        if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
            let text = format!("{n:e}");
            let positive_exponent = text.replace('e', "e+").replace("e+-", "e-");
            self.out.push_str(&positive_exponent);
        } else {
            self.out.push_str(&n.to_string());
        }
        Ok(())
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\x08' => self.out.push_str("\\b"),
                '\x0c' => self.out.push_str("\\f"),
                '<' | '>' | '&' if self.escapes_html => self.unicode(c),
                // JavaScript takes these for line ends.
                '\0'..'\x20' | '\u{2028}' | '\u{2029}' => self.unicode(c),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn unicode(&mut self, c: char) {
        self.out.push_str(&format!("\\u{:04x}", u32::from(c)));
    }
}

//! As much YAML as specifications have: documents that could be JSON. No anchors, no tags.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// A specification is five deep.
const DEPTH_MAX: usize = 32;

/// What is open while reading.
enum Open {
    Sequence(Vec<Value>),
    /// With the key whose value comes next.
    Mapping(Map<String, Value>, Option<String>),
}

/// The only document of `text`.
pub(crate) fn value(text: &str) -> Result<Value, String> {
    let mut open: Vec<Open> = Vec::new();
    let mut document = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        let done = match event {
            Event::SequenceStart(0, None) => {
                open.push(Open::Sequence(Vec::new()));
                None
            }
            Event::MappingStart(0, None) => {
                open.push(Open::Mapping(Map::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::Sequence(items)) => Some(Value::Array(items)),
                Some(Open::Mapping(fields, _)) => Some(Value::Object(fields)),
                None => None,
            },
            Event::Scalar(text, style, 0, None) => Some(match style {
                ScalarStyle::Plain => plain(&text),
                _ => Value::String(text.into_owned()),
            }),
            Event::Alias(_)
            | Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::MappingStart(..) => {
                let line = span.start.line();
                return Err(format!("line {line}: anchors, aliases and tags are not taken"));
            }
            _ => None,
        };
        if open.len() > DEPTH_MAX {
            return Err(format!("line {}: nested too deep", span.start.line()));
        }
        let Some(done) = done else { continue };
        match open.last_mut() {
            Some(place) => {
                put(place, done).map_err(|why| format!("line {}: {why}", span.start.line()))?
            }
            None if document.is_none() => document = Some(done),
            None => return Err("more than one document".to_owned()),
        }
    }
    document.ok_or_else(|| "no document".to_owned())
}

/// Puts an item where it belongs.
fn put(place: &mut Open, item: Value) -> Result<(), String> {
    match place {
        Open::Sequence(items) => items.push(item),
        Open::Mapping(fields, key) => match (key.take(), item) {
            (Some(key), item) => {
                if fields.contains_key(&key) {
                    return Err(format!("key {key:?} is there twice"));
                }
                fields.insert(key, item);
            }
            (None, Value::String(name)) => *key = Some(name),
            (None, _) => return Err("a key is not a text".to_owned()),
        },
    }
    Ok(())
}

/// What a scalar without quotes is, as the programs that others read specifications with have
/// it (YAML 1.1): octal numbers begin with a zero, `yes` is true.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    let (digits, base) = match text {
        _ if text.starts_with("0x") => (&text[2..], 16),
        _ if text.starts_with("0o") => (&text[2..], 8),
        _ if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        _ => (text, 10),
    };
    let unsigned = digits.bytes().all(|digit| digit.is_ascii_alphanumeric());
    match u32::from_str_radix(digits, base) {
        Ok(number) if unsigned => Value::from(number),
        _ => Value::String(text.to_owned()),
    }
}

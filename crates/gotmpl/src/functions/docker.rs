//! Docker's functions.

use super::{CallError, Functions, Param, Result, Signature, builtin, int, text};
use crate::format;
use crate::json;
use crate::limits::OUTPUT_BYTES_MAX;
use crate::value::{NilKind, Value};

pub(super) fn register(functions: &mut Functions) {
    let one = || Signature::fixed([Param::String]);
    functions.add("json", Signature::fixed([Param::Any]), |a| {
        builtin::printed(json::to_string_plain(&a[0])?)
    });
    functions.add("split", Signature::fixed([Param::String, Param::String]), |a| {
        split(text(a, 0), text(a, 1))
    });
    functions
        .add("join", Signature::fixed([Param::List, Param::String]), |a| join(&a[0], text(a, 1)));
    functions.add("title", one(), |a| Ok(title(text(a, 0)).into()));
    functions.add("lower", one(), |a| Ok(text(a, 0).to_lowercase().into()));
    functions.add("upper", one(), |a| Ok(text(a, 0).to_uppercase().into()));
    functions.add("pad", Signature::fixed([Param::String, Param::Int, Param::Int]), |a| {
        pad(text(a, 0), int(a, 1), int(a, 2))
    });
    functions.add("truncate", Signature::fixed([Param::String, Param::Int]), |a| {
        truncate(text(a, 0), int(a, 1))
    });
}

pub(super) fn register_headings(functions: &mut Functions) {
    for name in ["json", "title", "lower", "upper"] {
        functions.add(name, Signature::fixed([Param::String]), |a| Ok(a[0].clone()));
    }
    for name in ["split", "join"] {
        let signature = Signature::fixed([Param::String, Param::String]);
        functions.add(name, signature, |a| Ok(a[0].clone()));
    }
    let signature = Signature::fixed([Param::String, Param::Int]);
    functions.add("truncate", signature, |a| Ok(a[0].clone()));
}

fn split(text: &str, separator: &str) -> Result {
    // Each item costs far more memory than the text that it came from.
    const ITEMS_MAX: usize = 100_000;
    let items: Vec<Value> = if separator.is_empty() {
        text.chars().take(ITEMS_MAX + 1).map(|c| Value::from(c.to_string())).collect()
    } else {
        text.split(separator).take(ITEMS_MAX + 1).map(Value::from).collect()
    };
    if items.len() > ITEMS_MAX {
        return Err(format!("list has more than {ITEMS_MAX} items").into());
    }
    Ok(items.into())
}

/// The items' texts with a separator between them. Docker takes lists of texts; its later versions
/// also lists of anything, and the values of maps, in order.
fn join(list: &Value, separator: &str) -> Result {
    let shown = |value: &Value| match value {
        Value::String(text) => text.to_string(),
        other => format::sprint(std::slice::from_ref(other)),
    };
    let texts: Vec<String> = match list {
        Value::List(items) => items.iter().map(shown).collect(),
        Value::Map(map) => {
            let mut texts: Vec<String> = map.iter().map(|(_, value)| shown(value)).collect();
            texts.sort_unstable();
            texts
        }
        Value::Null | Value::Nil(NilKind::List | NilKind::Map | NilKind::Pointer(_)) => Vec::new(),
        other => return Err(format!("expected slice, got {}", other.type_name()).into()),
    };
    let bytes: usize = texts.iter().map(|text| text.len() + separator.len()).sum();
    check_length(bytes)?;
    Ok(texts.join(separator).into())
}

/// Makes the first letter of each word a capital.
fn title(text: &str) -> String {
    let mut starts_word = true;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if starts_word {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
        starts_word = is_separator(c);
    }
    out
}

/// Whether words end here: in ASCII everything but letters, digits and the underscore.
fn is_separator(c: char) -> bool {
    if c.is_ascii() { !c.is_ascii_alphanumeric() && c != '_' } else { c.is_whitespace() }
}

fn pad(text: &str, before: i64, after: i64) -> Result {
    if text.is_empty() {
        return Ok(Value::from(""));
    }
    let [Ok(before), Ok(after)] = [before, after].map(usize::try_from) else {
        return Err("strings: negative Repeat count".into());
    };
    check_length(before.saturating_add(after).saturating_add(text.len()))?;
    Ok(format!("{}{text}{}", " ".repeat(before), " ".repeat(after)).into())
}

/// The first bytes of a text; a character that is cut in two shows as a replacement character.
fn truncate(text: &str, length: i64) -> Result {
    let Ok(length) = usize::try_from(length) else {
        return Err(format!("runtime error: slice bounds out of range [:{length}]").into());
    };
    match text.as_bytes().get(..length) {
        Some(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned().into()),
        None => Ok(Value::from(text)),
    }
}

fn check_length(bytes: usize) -> std::result::Result<(), CallError> {
    if bytes > OUTPUT_BYTES_MAX {
        return Err(format!("text is larger than {OUTPUT_BYTES_MAX} bytes").into());
    }
    Ok(())
}

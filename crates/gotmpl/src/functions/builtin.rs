//! Go's functions for texts, lists and maps.

use std::sync::Arc;

use super::{Call, CallError, Functions, Param, Result, Signature, text};
use crate::format;
use crate::limits::OUTPUT_BYTES_MAX;
use crate::value::{NilKind, Value};

pub(super) fn register(functions: &mut Functions) {
    let any_number = || Signature::variadic([Param::Any], Param::Any);
    functions.insert("and", any_number(), Call::And);
    functions.insert("or", any_number(), Call::Or);
    functions.insert("call", any_number(), Call::Indirect);
    functions.add("not", Signature::fixed([Param::Any]), |a| Ok(Value::Bool(!truth(a))));
    functions.add("len", Signature::fixed([Param::Any]), |a| len(&a[0]));
    functions.add("index", any_number(), |a| index(&a[0], &a[1..]));
    functions.add("slice", any_number(), |a| slice(&a[0], &a[1..]));
    functions.add("print", Signature::variadic([], Param::Any), |a| printed(format::sprint(a)));
    functions.add("println", Signature::variadic([], Param::Any), |a| printed(format::sprintln(a)));
    functions.add("printf", Signature::variadic([Param::String], Param::Any), |a| {
        printed(format::sprintf(text(a, 0), &a[1..]))
    });
}

/// The formatter stops a little beyond the limit instead of failing.
pub(super) fn printed(text: String) -> Result {
    if text.len() > OUTPUT_BYTES_MAX {
        return Err(format!("text is larger than {OUTPUT_BYTES_MAX} bytes").into());
    }
    Ok(text.into())
}

fn truth(arguments: &[Value]) -> bool {
    arguments.first().is_some_and(Value::truth)
}

fn len(item: &Value) -> Result {
    let length = match item {
        Value::String(text) => text.len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.len(),
        Value::Nil(NilKind::List | NilKind::Map) => 0,
        Value::Null | Value::Nil(NilKind::Pointer(_)) => return Err("len of nil pointer".into()),
        Value::Nil(NilKind::Missing) => {
            return Err("reflect: call of reflect.Value.Type on zero Value".into());
        }
        other => return Err(format!("len of type {}", other.type_name()).into()),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// `index x 1 "a"` is `x[1]["a"]`.
fn index(item: &Value, indexes: &[Value]) -> Result {
    if item.is_invalid() {
        return Err("index of untyped nil".into());
    }
    let mut item = item.clone();
    for index in indexes {
        item = match &item {
            Value::Null | Value::Nil(NilKind::Missing | NilKind::Pointer(_)) => {
                return Err("index of nil pointer".into());
            }
            Value::String(text) => {
                let i = position(index, text.len())?;
                let byte = text.as_bytes().get(i).ok_or("reflect: string index out of range")?;
                Value::Uint((*byte).into())
            }
            Value::List(items) => {
                let i = position(index, items.len())?;
                items.get(i).cloned().ok_or("reflect: slice index out of range")?
            }
            Value::Nil(NilKind::List) => {
                position(index, 0)?;
                return Err("reflect: slice index out of range".into());
            }
            Value::Map(map) => {
                let key = key(index)?;
                map.lookup(&key).unwrap_or(map.zero()).clone()
            }
            Value::Nil(NilKind::Map) => {
                key(index)?;
                Value::Null
            }
            other => {
                return Err(format!("can't index item of type {}", other.type_name()).into());
            }
        };
    }
    Ok(item)
}

fn key(index: &Value) -> std::result::Result<Arc<str>, CallError> {
    match index {
        Value::String(key) => Ok(Arc::clone(key)),
        Value::Null | Value::Nil(_) => Err("value is nil; should be of type string".into()),
        other => Err(format!("value has type {}; should be string", other.type_name()).into()),
    }
}

/// An index of up to `max`, which itself is past the end: Go finds that out later.
fn position(index: &Value, max: usize) -> std::result::Result<usize, CallError> {
    let n = match index {
        Value::Int(n) => i128::from(*n),
        Value::Uint(n) => i128::from(*n),
        Value::Null | Value::Nil(_) => return Err("cannot index slice/array with nil".into()),
        other => {
            let name = other.type_name();
            return Err(format!("cannot index slice/array with type {name}").into());
        }
    };
    match usize::try_from(n) {
        Ok(i) if i <= max => Ok(i),
        _ => Err(format!("index out of range: {n}").into()),
    }
}

/// `slice x 1 2` is `x[1:2]`.
fn slice(item: &Value, indexes: &[Value]) -> Result {
    if item.is_invalid() {
        return Err("slice of untyped nil".into());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()).into());
    }
    let length = match item {
        Value::String(_) if indexes.len() == 3 => {
            return Err("cannot 3-index slice a string".into());
        }
        Value::String(text) => text.len(),
        Value::List(items) => items.len(),
        Value::Nil(NilKind::List) => 0,
        other => return Err(format!("can't slice item of type {}", other.type_name()).into()),
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = position(index, length)?;
    }
    let [from, to, capacity] = bounds;
    for (low, high) in [(from, to), (to, capacity)] {
        if low > high {
            return Err(format!("invalid slice index: {low} > {high}").into());
        }
    }
    Ok(match item {
        Value::String(text) => {
            let bytes = text.as_bytes().get(from..to).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned().into()
        }
        Value::List(items) => items.get(from..to).unwrap_or_default().to_vec().into(),
        other => other.clone(),
    })
}

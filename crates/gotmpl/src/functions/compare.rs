//! `eq ne lt le gt ge`.

use std::cmp::Ordering;

use super::{CallError, Functions, Param, Signature};
use crate::format;
use crate::value::{NilKind, Value};

pub(super) fn register(functions: &mut Functions) {
    let two = || Signature::fixed([Param::Any, Param::Any]);
    functions.add("eq", Signature::variadic([Param::Any], Param::Any), |a| {
        Ok(Value::Bool(equals_any(&a[0], &a[1..])?))
    });
    functions.add("ne", two(), |a| Ok(Value::Bool(!equals(&a[0], &a[1])?)));
    functions.add("lt", two(), |a| Ok(Value::Bool(less(&a[0], &a[1])?)));
    functions.add("le", two(), |a| Ok(Value::Bool(less_or_equal(&a[0], &a[1])?)));
    functions.add("gt", two(), |a| Ok(Value::Bool(!less_or_equal(&a[0], &a[1])?)));
    functions.add("ge", two(), |a| Ok(Value::Bool(!less(&a[0], &a[1])?)));
}

type Answer = Result<bool, CallError>;

/// True if `first` equals any of `others`.
fn equals_any(first: &Value, others: &[Value]) -> Answer {
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        if equals(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equals(a: &Value, b: &Value) -> Answer {
    if let Some(answer) = basic_order(a, b) {
        return Ok(answer == Some(Ordering::Equal));
    }
    if a.is_invalid() || b.is_invalid() {
        return Ok(is_nil(a) && is_nil(b));
    }
    if is_basic(a) || is_basic(b) {
        return Err("incompatible types for comparison".into());
    }
    if is_nil(a) || is_nil(b) {
        return Ok(is_nil(a) && is_nil(b));
    }
    if let (Value::Struct(a), Value::Struct(b)) = (a, b) {
        let (a, b) = (a.fields(), b.fields());
        if a.len() != b.len() {
            return Ok(false);
        }
        for ((name_a, a), (name_b, b)) in a.iter().zip(&b) {
            // Fields are compared once deep: what they hold must be basic.
            let same = basic_order(a, b) == Some(Some(Ordering::Equal));
            if name_a != name_b || !same {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    Err(non_comparable(a, b).into())
}

fn non_comparable(a: &Value, b: &Value) -> String {
    let (type_a, type_b) = (a.type_name(), b.type_name());
    let values = [a.clone(), b.clone()];
    if type_a == type_b {
        return format::sprintf("non-comparable type %[2]s: ", &values) + type_b;
    }
    let [a, b] = [("%[1]s", &values), ("%[2]v", &values)].map(|(f, v)| format::sprintf(f, v));
    format!("non-comparable types {a}: {type_a}, {type_b}: {b}")
}

fn is_nil(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Nil(NilKind::Missing | NilKind::Pointer(_)))
        || matches!(value, Value::Nil(NilKind::List | NilKind::Map))
}

fn is_basic(value: &Value) -> bool {
    matches!(
        value,
        Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Float(_) | Value::String(_)
    )
}

/// The order of two values of the same basic sort; the inner `None` is that of a NaN.
fn basic_order(a: &Value, b: &Value) -> Option<Option<Ordering>> {
    Some(match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Uint(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => return None,
    })
}

fn less(a: &Value, b: &Value) -> Answer {
    Ok(ordered(a, b)? == Some(Ordering::Less))
}

fn less_or_equal(a: &Value, b: &Value) -> Answer {
    Ok(matches!(ordered(a, b)?, Some(Ordering::Less | Ordering::Equal)))
}

fn ordered(a: &Value, b: &Value) -> Result<Option<Ordering>, CallError> {
    if !is_basic(a) || !is_basic(b) {
        return Err("invalid type for comparison".into());
    }
    match basic_order(a, b) {
        Some(_) if matches!(a, Value::Bool(_)) => Err("invalid type for comparison".into()),
        Some(order) => Ok(order),
        None => Err("incompatible types for comparison".into()),
    }
}

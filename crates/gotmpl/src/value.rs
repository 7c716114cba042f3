//! The values that templates work on.

mod deserialize;
mod serialize;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::functions::CallError;

/// A value of a template. Cloning is cheap: all that is large is shared.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// An untyped nil, such as JSON's null. Prints as `<no value>` by itself, `<nil>` inside
    /// others.
    #[default]
    Null,
    /// A nil of which the type is known, or nothing at all.
    Nil(NilKind),
    /// A boolean.
    Bool(bool),
    /// A signed integer; Go's `int`.
    Int(i64),
    /// An unsigned integer; Go's `uint64`.
    Uint(u64),
    /// A floating-point number; Go's `float64`.
    Float(f64),
    /// A text.
    String(Arc<str>),
    /// A list; Go's slice.
    List(Arc<Vec<Value>>),
    /// Keys with values. A missing key is no error unless the template says so.
    Map(Arc<Map>),
    /// Named fields in an order, and perhaps methods. An unknown field is an error.
    Struct(Arc<dyn Object>),
}

/// Which sort of nothing a [`Value::Nil`] is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NilKind {
    /// No value at all: what a missing key yields. Prints as `<no value>`.
    Missing,
    /// A nil pointer to the named type. Prints as `<nil>`.
    Pointer(&'static str),
    /// A nil slice. Prints as `[]`, has length 0, and is `null` in JSON.
    List,
    /// A nil map. Prints as `map[]`, has length 0, and is `null` in JSON.
    Map,
}

/// A value with fields and methods. [`Record`] is the plain one; others compute fields on demand.
pub trait Object: fmt::Debug + Send + Sync {
    /// The Go type that errors name, such as `*formatter.ContainerContext`.
    fn type_name(&self) -> &str;

    /// A field, or the result of a method without arguments; `None` if there is no such field.
    fn field(&self, name: &str) -> Option<Value>;

    /// All fields in their order, as printing and JSON show them.
    fn fields(&self) -> Vec<(String, Value)>;

    /// Calls a method; `None` if there is no method of this name. The first attempt at a name
    /// without arguments is [`Object::field`].
    fn call(&self, _name: &str, _args: &[Value]) -> Option<Result<Value, CallError>> {
        None
    }

    /// What printing shows instead of the fields, if the type has a text of its own.
    fn display(&self) -> Option<String> {
        None
    }

    /// What JSON shows instead of the fields: a whole JSON text, written as it is.
    fn json(&self) -> Option<String> {
        None
    }
}

/// A struct of which all fields are there already.
#[derive(Clone, Debug, Default)]
pub struct Record {
    type_name: String,
    fields: Vec<(String, Value)>,
}

/// A map from texts to values, ordered by key wherever it is walked or printed.
#[derive(Clone, Debug, Default)]
pub struct Map {
    entries: BTreeMap<String, Value>,
    /// The keys in the order of their source, where `json` keeps that; else by key.
    order: Option<Vec<String>>,
    zero: Value,
}

impl Value {
    /// A list of texts.
    pub fn strings<S: Into<Value>>(items: impl IntoIterator<Item = S>) -> Value {
        items.into_iter().map(Into::into).collect()
    }

    /// A map of texts: a missing key reads as the empty text under `index`.
    pub fn string_map<K: Into<String>, V: Into<Value>>(
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Value {
        let entries = entries.into_iter().map(|(k, v)| (k.into(), v.into()));
        Map::new(entries).with_zero(Value::from("")).into()
    }

    /// The value as a template's `if` sees it: zeros, nils and empty things are false.
    pub fn truth(&self) -> bool {
        match self {
            Value::Null | Value::Nil(_) => false,
            Value::Bool(b) => *b,
            Value::Int(n) => *n != 0,
            Value::Uint(n) => *n != 0,
            Value::Float(n) => *n != 0.0,
            Value::String(s) => !s.is_empty(),
            Value::List(l) => !l.is_empty(),
            Value::Map(m) => !m.is_empty(),
            Value::Struct(_) => true,
        }
    }

    /// The Go type of the value, as errors and `%T` name it.
    pub fn type_name(&self) -> &str {
        match self {
            Value::Null | Value::Nil(NilKind::Missing) => "<nil>",
            Value::Nil(NilKind::Pointer(name)) => name,
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint64",
            Value::Float(_) => "float64",
            Value::String(_) => "string",
            Value::List(_) | Value::Nil(NilKind::List) => "[]interface {}",
            Value::Map(m) => m.type_name(),
            Value::Nil(NilKind::Map) => "map[string]interface {}",
            Value::Struct(object) => object.type_name(),
        }
    }

    /// An integer if the number is one, else a float.
    pub(crate) fn from_float(n: f64) -> Value {
        /// Up to here every integer has a `f64` of its own.
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        if n.fract() == 0.0 && n.abs() <= EXACT_MAX {
            Value::Int(n as i64)
        } else {
            Value::Float(n)
        }
    }

    /// Whether there is nothing here that has a type.
    pub(crate) fn is_invalid(&self) -> bool {
        matches!(self, Value::Null | Value::Nil(NilKind::Missing))
    }

    /// The same value with the nulls replaced that stand under a key of which `nil_kind` knows the
    /// type. JSON does not say of a null whether it was a list, a map or a pointer.
    pub fn with_nils(self, nil_kind: &dyn Fn(&str) -> Option<NilKind>) -> Value {
        match self {
            Value::List(items) => {
                items.iter().map(|item| item.clone().with_nils(nil_kind)).collect()
            }
            Value::Map(map) => {
                let mut map = Arc::unwrap_or_clone(map);
                for (key, value) in &mut map.entries {
                    *value = match std::mem::take(value) {
                        Value::Null => nil_kind(key).map_or(Value::Null, Value::Nil),
                        other => other.with_nils(nil_kind),
                    };
                }
                map.into()
            }
            other => other,
        }
    }
}

impl Map {
    /// A map of these entries of which a missing key reads as nil. A later key replaces an earlier.
    pub fn new<K: Into<String>>(entries: impl IntoIterator<Item = (K, Value)>) -> Map {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value)).collect();
        Map { entries, order: None, zero: Value::Null }
    }

    /// As [`Map::new`], and `json` shows the entries in the order given.
    pub fn in_order(entries: impl IntoIterator<Item = (String, Value)>) -> Map {
        let mut map = Map::default();
        let mut order = Vec::new();
        for (key, value) in entries {
            if map.entries.insert(key.clone(), value).is_none() {
                order.push(key);
            }
        }
        map.order = Some(order);
        map
    }

    /// The same map, of which `index` yields `zero` for a missing key.
    pub fn with_zero(mut self, zero: Value) -> Map {
        self.zero = zero;
        self
    }

    /// The same map with the zero value of its entries if they are all of one simple kind. An empty
    /// map is taken for one of texts: of all maps that are asked for missing keys, labels are the
    /// usual ones.
    pub(crate) fn with_inferred_zero(self) -> Map {
        let mut kinds = self.entries.values().map(std::mem::discriminant);
        let first = kinds.next();
        if first.is_some_and(|first| !kinds.all(|kind| kind == first)) {
            return self;
        }
        let zero = match self.entries.values().next() {
            None | Some(Value::String(_)) => Value::from(""),
            Some(Value::Bool(_)) => Value::Bool(false),
            Some(Value::Int(_)) => Value::Int(0),
            Some(Value::List(_)) => Value::Nil(NilKind::List),
            Some(_) => Value::Null,
        };
        self.with_zero(zero)
    }

    /// The value of a key.
    pub fn lookup(&self, key: &str) -> Option<&Value> {
        self.entries.get(key)
    }

    /// What a missing key reads as under `index`.
    pub fn zero(&self) -> &Value {
        &self.zero
    }

    /// All entries, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// All entries, in the order of their source where it is known, else by key.
    pub fn iter_in_order(&self) -> Vec<(&str, &Value)> {
        match &self.order {
            None => self.iter().collect(),
            Some(order) => {
                let find = |key: &'_ String| self.entries.get_key_value(key.as_str());
                order.iter().filter_map(find).map(|(key, value)| (key.as_str(), value)).collect()
            }
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the entries have no common type, so that Go would hold them as `interface {}`.
    pub(crate) fn is_untyped(&self) -> bool {
        self.zero.is_invalid()
    }

    fn type_name(&self) -> &'static str {
        match self.zero {
            Value::String(_) => "map[string]string",
            Value::Int(_) => "map[string]int",
            Value::Bool(_) => "map[string]bool",
            _ => "map[string]interface {}",
        }
    }
}

impl Record {
    /// A struct without fields; `type_name` is the Go type that errors name.
    pub fn new(type_name: impl Into<String>) -> Record {
        Record { type_name: type_name.into(), fields: Vec::new() }
    }

    /// The same struct with one field more.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Record {
        self.fields.push((name.into(), value.into()));
        self
    }
}

impl Object for Record {
    fn type_name(&self) -> &str {
        &self.type_name
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone())
    }

    fn fields(&self) -> Vec<(String, Value)> {
        self.fields.clone()
    }
}

impl FromIterator<Value> for Value {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Value {
        Value::List(Arc::new(items.into_iter().collect()))
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Value {
        Value::Map(Arc::new(map))
    }
}

impl From<Record> for Value {
    fn from(record: Record) -> Value {
        Value::Struct(Arc::new(record))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text.into())
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Value {
        Value::Bool(b)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Value {
        Value::Int(n)
    }
}

impl From<u64> for Value {
    fn from(n: u64) -> Value {
        Value::Uint(n)
    }
}

impl From<f64> for Value {
    fn from(n: f64) -> Value {
        Value::Float(n)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Value {
        Value::List(Arc::new(items))
    }
}

/// The raw view of JSON: maps sort their keys, and a missing key is nil.
impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Value {
        match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(b) => Value::Bool(b),
            serde_json::Value::Number(n) => {
                number(n.as_i64(), n.as_u64(), n.as_f64().unwrap_or(0.0))
            }
            serde_json::Value::String(s) => s.into(),
            serde_json::Value::Array(items) => items.into_iter().map(Value::from).collect(),
            serde_json::Value::Object(members) => {
                Map::new(members.into_iter().map(|(key, value)| (key, Value::from(value)))).into()
            }
        }
    }
}

/// A JSON number: an integer wherever it is one, however it was written.
fn number(int: Option<i64>, uint: Option<u64>, float: f64) -> Value {
    match (int, uint) {
        (Some(n), _) => Value::Int(n),
        (None, Some(n)) => Value::Uint(n),
        (None, None) => Value::from_float(float),
    }
}

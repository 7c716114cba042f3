//! The `filters` parameter: by key, a set of values.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use stdx::Kind;

mod pattern;

use pattern::Pattern;

/// No honest client sends more.
const BYTES_MAX: usize = 64 << 10;

/// Filters by key. No values for a key filter nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filters {
    fields: BTreeMap<String, BTreeSet<String>>,
}

/// A `filters` parameter is wrong. The texts are what Docker's users know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FilterError {
    /// It is not JSON, or not of one of the two forms.
    #[error("invalid filter")]
    Malformed,
    /// The request does not know this key.
    #[error("invalid filter '{key}'")]
    Key {
        /// The key.
        key: String,
    },
    /// The key does not take this value.
    #[error("invalid filter '{key}=[{}]'", values.join(" "))]
    Value {
        /// The key.
        key: String,
        /// All its values.
        values: Vec<String>,
    },
}

impl FilterError {
    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl Filters {
    /// Reads `{"label":{"a=b":true}}` or `{"label":["a=b"]}`; empty text is no filter.
    pub fn parse(text: &str) -> Result<Filters, FilterError> {
        if text.is_empty() {
            return Ok(Filters::default());
        }
        if text.len() > BYTES_MAX {
            return Err(FilterError::Malformed);
        }
        let parsed: BTreeMap<String, Value> = serde_json::from_str::<Option<_>>(text)
            .map_err(|_| FilterError::Malformed)?
            .unwrap_or_default();
        let mut fields = BTreeMap::new();
        for (key, value) in parsed {
            fields.insert(key, values_of(value).ok_or(FilterError::Malformed)?);
        }
        Ok(Filters { fields })
    }

    /// Prints the first form, which every engine knows.
    pub fn to_json(&self) -> String {
        let values = |set: &BTreeSet<String>| -> Value {
            set.iter().map(|value| (value.clone(), Value::Bool(true))).collect()
        };
        let object: Value =
            self.fields.iter().map(|(key, set)| (key.clone(), values(set))).collect();
        object.to_string()
    }

    /// Adds a value.
    pub fn add(&mut self, key: &str, value: &str) {
        self.fields.entry(key.to_owned()).or_default().insert(value.to_owned());
    }

    /// Refuses keys that are not among `known`.
    pub fn validate(&self, known: &[&str]) -> Result<(), FilterError> {
        match self.fields.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(FilterError::Key { key: key.clone() }),
            None => Ok(()),
        }
    }

    /// Refuses values of `key` that are not among `known`.
    pub fn validate_values(&self, key: &str, known: &[&str]) -> Result<(), FilterError> {
        match self.values(key).all(|value| known.contains(&value)) {
            true => Ok(()),
            false => Err(self.bad_values(key)),
        }
    }

    /// The error for values of `key` that the caller does not understand.
    pub fn bad_values(&self, key: &str) -> FilterError {
        let values = self.values(key).map(str::to_owned).collect();
        FilterError::Value { key: key.to_owned(), values }
    }

    /// Whether nothing is filtered.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Whether anything is filtered by `key`.
    pub fn contains(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    /// Values of `key`.
    pub fn values<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.fields.get(key).into_iter().flatten().map(String::as_str)
    }

    /// The one boolean of `key`: `None` when it is not filtered by.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>, FilterError> {
        let values: Vec<&str> = self.values(key).collect();
        match values.as_slice() {
            [] => Ok(None),
            ["1" | "true"] => Ok(Some(true)),
            ["0" | "false"] => Ok(Some(false)),
            _ => Err(self.bad_values(key)),
        }
    }

    /// Whether `source` is one of the values.
    pub fn exact(&self, key: &str, source: &str) -> bool {
        match self.fields.get(key) {
            Some(values) if !values.is_empty() => values.contains(source),
            _ => true,
        }
    }

    /// Whether `source` starts with one of the values, as ids do.
    pub fn prefix(&self, key: &str, source: &str) -> bool {
        let mut values = self.values(key).peekable();
        values.peek().is_none() || values.any(|value| source.starts_with(value))
    }

    /// Whether `source` is one of the values or one of them, as a regular expression, is found in
    /// it. Malformed expressions match nothing else.
    pub fn fuzzy(&self, key: &str, source: &str) -> bool {
        self.fuzzy_any(key, &[source])
    }

    /// [`Filters::fuzzy`] for an object with several names: one must match.
    pub fn fuzzy_any(&self, key: &str, sources: &[&str]) -> bool {
        let mut values = self.values(key).peekable();
        values.peek().is_none()
            || values.any(|value| {
                let pattern = Pattern::new(value);
                let found = |source: &str| pattern.as_ref().is_some_and(|p| p.is_found(source));
                sources.iter().any(|source| *source == value || found(source))
            })
    }

    /// Whether all values of `key`, each `name` or `name=value`, are among `labels`.
    pub fn labels(&self, key: &str, labels: Option<&BTreeMap<String, String>>) -> bool {
        self.values(key).all(|wish| has_label(wish, labels))
    }

    /// Whether none of the values of `key!` (`label!`), each `name` or `name=value`, are among
    /// `labels`.
    pub fn labels_absent(&self, key: &str, labels: Option<&BTreeMap<String, String>>) -> bool {
        self.values(key).all(|wish| !has_label(wish, labels))
    }
}

fn has_label(wish: &str, labels: Option<&BTreeMap<String, String>>) -> bool {
    let (name, value) = match wish.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (wish, None),
    };
    let found = labels.and_then(|labels| labels.get(name));
    found.is_some_and(|found| value.is_none_or(|value| value == found))
}

fn values_of(value: Value) -> Option<BTreeSet<String>> {
    match value {
        Value::Null => Some(BTreeSet::new()),
        Value::Array(items) => items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Some(text),
                _ => None,
            })
            .collect(),
        // Clients disagree on `true` and `"true"`; Docker's own reader takes neither `"true"` nor
        // numbers, but values set to `false` still count.
        Value::Object(items) => items
            .into_iter()
            .map(|(text, flag)| match flag {
                Value::Bool(_) | Value::String(_) | Value::Null => Some(text),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

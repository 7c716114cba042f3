//! How Go reads and writes JSON, as far as Docker's clients can tell: an absent key and `null` are
//! the zero value, unknown keys are ignored, some zero values are left out of answers.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Declares structs that read and write JSON as Go does.
///
/// Every key is optional, `null` is the zero value, every key is written unless the field says
/// `#[serde(skip_serializing_if = "is_zero")]`. Fields in the `with` block state their own reader.
macro_rules! objects {
    ($case:literal; $(
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* pub $field:ident: $type:ty, )*
        } $( with {
            $( $(#[$own_meta:meta])* pub $own:ident: $own_type:ty, )*
        } )?
    )*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, rename_all = $case)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(deserialize_with = "crate::wire::null_is_zero")]
                pub $field: $type,
            )*
            $( $( $(#[$own_meta])* pub $own: $own_type, )* )?
        }
    )* };
}
pub(crate) use objects;

/// Go's `map[string]string`; `None` is Go's nil map, printed as `null`.
pub type StringMap = Option<BTreeMap<String, String>>;

/// Go's `[]string`; `None` is Go's nil slice, printed as `null`.
pub type Strings = Option<Vec<String>>;

/// Go's `struct{}`: written as `{}`; any value is accepted and ignored.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Empty;

impl Serialize for Empty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        serializer.serialize_map(Some(0))?.end()
    }
}

impl<'de> Deserialize<'de> for Empty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Empty, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Empty)
    }
}

/// A request's body cannot be read; displays as the client reads it. Status 400.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct BodyError {
    /// For the client.
    pub text: String,
}

/// Reads a request's body as Docker does: no body at all is the zero value.
pub fn read_body<T: Default + DeserializeOwned>(bytes: &[u8]) -> Result<T, BodyError> {
    let fail = |text: String| Err(BodyError { text });
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None if bytes.is_empty() => return Ok(T::default()),
        None => return fail(crate::messages::EMPTY_BODY.to_owned()),
        // A struct would also be read from a list.
        Some(b'[') => {
            return fail(crate::messages::invalid_json("cannot unmarshal array into an object"));
        }
        Some(_) => {}
    }
    match serde_json::from_slice::<Option<T>>(bytes) {
        Ok(value) => Ok(value.unwrap_or_default()),
        Err(cause) => fail(crate::messages::invalid_json(&cause.to_string())),
    }
}

/// Reads a value; `null` is its zero value.
pub(crate) fn null_is_zero<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Whether Go's `omitempty` leaves the value out.
pub(crate) fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Whether Go's `omitempty` leaves a slice or map out: nil and empty alike.
pub(crate) fn is_empty<T: Emptiness>(value: &T) -> bool {
    value.has_no_element()
}

/// What `omitempty` asks of slices and maps.
pub(crate) trait Emptiness {
    fn has_no_element(&self) -> bool;
}

impl<T> Emptiness for Option<Vec<T>> {
    fn has_no_element(&self) -> bool {
        self.as_ref().is_none_or(Vec::is_empty)
    }
}

impl<K, V> Emptiness for Option<BTreeMap<K, V>> {
    fn has_no_element(&self) -> bool {
        self.as_ref().is_none_or(BTreeMap::is_empty)
    }
}

/// Reads Docker's `StrSlice`: a list of strings, one string (a list of one), or `null`.
pub(crate) fn one_or_many<'de, D>(deserializer: D) -> Result<Strings, D::Error>
where
    D: Deserializer<'de>,
{
    struct Words;
    impl<'de> Visitor<'de> for Words {
        type Value = Strings;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string or a list of strings")
        }
        fn visit_unit<E>(self) -> Result<Strings, E> {
            Ok(None)
        }
        fn visit_none<E>(self) -> Result<Strings, E> {
            Ok(None)
        }
        fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Strings, D::Error> {
            inner.deserialize_any(Words)
        }
        fn visit_str<E>(self, word: &str) -> Result<Strings, E> {
            Ok(Some(vec![word.to_owned()]))
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strings, A::Error> {
            let mut words = Vec::new();
            while let Some(word) = items.next_element::<Option<String>>()? {
                words.push(word.unwrap_or_default());
            }
            Ok(Some(words))
        }
    }
    deserializer.deserialize_any(Words)
}

/// Reads Go's `[2]uint`: missing elements are zero, surplus ones are dropped.
pub(crate) fn console_size<'de, D>(deserializer: D) -> Result<[u32; 2], D::Error>
where
    D: Deserializer<'de>,
{
    let given = Option::<Vec<u32>>::deserialize(deserializer)?.unwrap_or_default();
    let mut size = [0; 2];
    for (slot, value) in size.iter_mut().zip(given) {
        *slot = value;
    }
    Ok(size)
}

#[cfg(test)]
mod tests;

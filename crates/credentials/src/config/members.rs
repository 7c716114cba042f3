//! The members of a JSON object in the order of its file.

use std::fmt;

use serde_json::ser::PrettyFormatter;
use serde_json::{Map, Value};

/// The members. Their `Debug` form has the names only: the values are secrets.
#[derive(Default)]
pub(super) struct Members(Vec<(String, Value)>);

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Members {
    /// Reads an object. What is wrong is told without its content: secrets are in it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Members, String> {
        let object: Object =
            serde_json::from_slice(bytes).map_err(|error| match error.is_eof() {
                true => "unexpected EOF".to_owned(),
                false => format!("no JSON object, line {} column {}", error.line(), error.column()),
            })?;
        Ok(Members(object.0))
    }

    pub(super) fn find(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// The member that is an object; one that is not there, or is none, becomes an empty one, and
    /// the first of all.
    pub(super) fn object(&mut self, name: &str) -> &mut Map<String, Value> {
        let at = self.0.iter().position(|(member, value)| member == name && value.is_object());
        let at = at.unwrap_or_else(|| {
            self.0.retain(|(member, _)| member != name);
            self.0.insert(0, (name.to_owned(), Value::Object(Map::new())));
            0
        });
        self.0[at].1.as_object_mut().expect("it is an object: so it was found, or made")
    }

    /// As Docker prints it: with tabs, and without an end of line.
    pub(super) fn print(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let formatter = PrettyFormatter::with_indent(b"\t");
        let mut printer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
        let members = self.0.iter().map(|(name, value)| (name, value));
        serde::Serializer::collect_map(&mut printer, members)
            .expect("texts and JSON values are printed into memory");
        bytes
    }
}

struct Object(Vec<(String, Value)>);

impl<'de> serde::Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

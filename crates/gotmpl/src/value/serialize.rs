//! From Rust's own types to values: structs stay structs, maps stay maps.

use std::fmt;

use serde::ser::{self, Serialize};

use super::{Map, NilKind, Record, Value};

/// How a value that cannot be represented is reported.
#[derive(Debug, thiserror::Error)]
#[error("failed to make a template value: {0}")]
pub struct SerializeError(String);

impl ser::Error for SerializeError {
    fn custom<T: fmt::Display>(text: T) -> SerializeError {
        SerializeError(text.to_string())
    }
}

/// How `serde_json` announces a `RawValue`, of which the text is JSON already.
const RAW_JSON: &str = "$serde_json::private::RawValue";

impl Value {
    /// The typed view of anything that can be serialized. A Rust struct becomes a struct with
    /// fields in their order, a map becomes a map, `None` a nil pointer.
    ///
    /// # Errors
    /// A map key that is no text, or an error of the type's own `Serialize`.
    pub fn from_serialize<T: Serialize + ?Sized>(source: &T) -> Result<Value, SerializeError> {
        Value::from_serialize_with(source, &|_| None)
    }

    /// As [`Value::from_serialize`]; `nil_kind` says of an absent value what it would be if it were
    /// there, by the name of the field or key that it is under.
    ///
    /// # Errors
    /// As [`Value::from_serialize`].
    pub fn from_serialize_with<T: Serialize + ?Sized>(
        source: &T,
        nil_kind: &dyn Fn(&str) -> Option<NilKind>,
    ) -> Result<Value, SerializeError> {
        source.serialize(Builder { nil_kind, name: "" })
    }
}

/// Makes one value.
struct Builder<'a> {
    nil_kind: &'a dyn Fn(&str) -> Option<NilKind>,
    /// The field or key that the value is under.
    name: &'a str,
}

impl<'a> Builder<'a> {
    fn members(self, type_name: &'static str, variant: Option<&'static str>) -> Members<'a> {
        Members {
            nil_kind: self.nil_kind,
            type_name,
            variant,
            items: Vec::new(),
            fields: Vec::new(),
            key: None,
        }
    }
}

/// Members collected so far, under the name of their type.
struct Members<'a> {
    nil_kind: &'a dyn Fn(&str) -> Option<NilKind>,
    type_name: &'static str,
    variant: Option<&'static str>,
    items: Vec<Value>,
    fields: Vec<(String, Value)>,
    key: Option<String>,
}

impl Members<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), SerializeError> {
        self.items.push(item.serialize(Builder { nil_kind: self.nil_kind, name: "" })?);
        Ok(())
    }

    fn field<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
    ) -> Result<(), SerializeError> {
        let value = value.serialize(Builder { nil_kind: self.nil_kind, name })?;
        self.fields.push((name.to_owned(), value));
        Ok(())
    }

    fn wrap(variant: Option<&'static str>, value: Value) -> Value {
        match variant {
            Some(variant) => Map::in_order([(variant.to_owned(), value)]).into(),
            None => value,
        }
    }

    fn list(self) -> Value {
        Members::wrap(self.variant, self.items.into())
    }

    fn map(self) -> Value {
        let map = Map::in_order(self.fields).with_inferred_zero();
        Members::wrap(self.variant, map.into())
    }

    fn record(mut self) -> Value {
        if self.type_name == RAW_JSON {
            let text = self.fields.pop().map(|(_, value)| value);
            let Some(Value::String(text)) = text else { return Value::Null };
            return serde_json::from_str(&text).unwrap_or_default();
        }
        let record = Record { type_name: self.type_name.to_owned(), fields: self.fields };
        Members::wrap(self.variant, record.into())
    }
}

type Built = Result<Value, SerializeError>;

impl<'a> ser::Serializer for Builder<'a> {
    type Ok = Value;
    type Error = SerializeError;
    type SerializeSeq = Members<'a>;
    type SerializeTuple = Members<'a>;
    type SerializeTupleStruct = Members<'a>;
    type SerializeTupleVariant = Members<'a>;
    type SerializeMap = Members<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeStructVariant = Members<'a>;

    fn serialize_bool(self, b: bool) -> Built {
        Ok(Value::Bool(b))
    }
    fn serialize_i8(self, n: i8) -> Built {
        Ok(Value::Int(n.into()))
    }
    fn serialize_i16(self, n: i16) -> Built {
        Ok(Value::Int(n.into()))
    }
    fn serialize_i32(self, n: i32) -> Built {
        Ok(Value::Int(n.into()))
    }
    fn serialize_i64(self, n: i64) -> Built {
        Ok(Value::Int(n))
    }
    fn serialize_u8(self, n: u8) -> Built {
        Ok(Value::Int(n.into()))
    }
    fn serialize_u16(self, n: u16) -> Built {
        Ok(Value::Int(n.into()))
    }
    fn serialize_u32(self, n: u32) -> Built {
        Ok(Value::Int(n.into()))
    }
    fn serialize_u64(self, n: u64) -> Built {
        Ok(i64::try_from(n).map_or(Value::Uint(n), Value::Int))
    }
    fn serialize_f32(self, n: f32) -> Built {
        Ok(Value::Float(n.into()))
    }
    fn serialize_f64(self, n: f64) -> Built {
        Ok(Value::Float(n))
    }
    fn serialize_char(self, c: char) -> Built {
        Ok(Value::from(c.to_string()))
    }
    fn serialize_str(self, text: &str) -> Built {
        Ok(Value::from(text))
    }
    fn serialize_bytes(self, bytes: &[u8]) -> Built {
        Ok(bytes.iter().map(|byte| Value::Int((*byte).into())).collect())
    }
    fn serialize_none(self) -> Built {
        let nil_kind = (self.nil_kind)(self.name);
        Ok(Value::Nil(nil_kind.unwrap_or(NilKind::Pointer("interface {}"))))
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Built {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Built {
        Ok((self.nil_kind)(self.name).map_or(Value::Null, Value::Nil))
    }
    fn serialize_unit_struct(self, name: &'static str) -> Built {
        Ok(Record::new(name).into())
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Built {
        Ok(Value::from(variant))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Built {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Built {
        Ok(Members::wrap(Some(variant), value.serialize(self)?))
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Members<'a>, SerializeError> {
        Ok(self.members("", None))
    }
    fn serialize_tuple(self, _: usize) -> Result<Members<'a>, SerializeError> {
        Ok(self.members("", None))
    }
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        _: usize,
    ) -> Result<Members<'a>, SerializeError> {
        Ok(self.members(name, None))
    }
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'a>, SerializeError> {
        Ok(self.members(name, Some(variant)))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Members<'a>, SerializeError> {
        Ok(self.members("", None))
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Members<'a>, SerializeError> {
        Ok(self.members(name, None))
    }
    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'a>, SerializeError> {
        Ok(self.members(name, Some(variant)))
    }
}

impl ser::SerializeSeq for Members<'_> {
    type Ok = Value;
    type Error = SerializeError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), SerializeError> {
        self.item(item)
    }
    fn end(self) -> Built {
        Ok(self.list())
    }
}

impl ser::SerializeTuple for Members<'_> {
    type Ok = Value;
    type Error = SerializeError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), SerializeError> {
        self.item(item)
    }
    fn end(self) -> Built {
        Ok(self.list())
    }
}

impl ser::SerializeTupleStruct for Members<'_> {
    type Ok = Value;
    type Error = SerializeError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), SerializeError> {
        self.item(item)
    }
    fn end(self) -> Built {
        Ok(self.list())
    }
}

impl ser::SerializeTupleVariant for Members<'_> {
    type Ok = Value;
    type Error = SerializeError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), SerializeError> {
        self.item(item)
    }
    fn end(self) -> Built {
        Ok(self.list())
    }
}

impl ser::SerializeMap for Members<'_> {
    type Ok = Value;
    type Error = SerializeError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), SerializeError> {
        let key = match Value::from_serialize(key)? {
            Value::String(text) => text.to_string(),
            Value::Int(n) => n.to_string(),
            Value::Uint(n) => n.to_string(),
            other => return Err(SerializeError(format!("a key is a `{}`", other.type_name()))),
        };
        self.key = Some(key);
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerializeError> {
        let key = self.key.take().unwrap_or_default();
        self.field(&key, value)
    }
    fn end(self) -> Built {
        Ok(self.map())
    }
}

impl ser::SerializeStruct for Members<'_> {
    type Ok = Value;
    type Error = SerializeError;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), SerializeError> {
        self.field(name, value)
    }
    fn end(self) -> Built {
        Ok(self.record())
    }
}

impl ser::SerializeStructVariant for Members<'_> {
    type Ok = Value;
    type Error = SerializeError;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), SerializeError> {
        self.field(name, value)
    }
    fn end(self) -> Built {
        Ok(self.record())
    }
}

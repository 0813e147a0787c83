//! Serializes Rust values for scripts.

use super::Unfit;
use super::key::KeyWriter;
use rhai::{Array, Dynamic, INT, Map};
use serde::ser::{self, Serialize, Serializer};

/// Serializes to a script's value.
pub struct Writer;

/// A string of digits if the number does not fit a script integer.
fn whole<N: TryInto<INT> + ToString + Copy>(number: N) -> Dynamic {
    number.try_into().map_or_else(|_| number.to_string().into(), Dynamic::from)
}

/// An enum variant with its content.
fn variant(name: &str, content: Dynamic) -> Dynamic {
    Map::from([(name.into(), content)]).into()
}

macro_rules! whole_numbers {
    ($($method:ident: $kind:ty),*) => {
        $(fn $method(self, number: $kind) -> Result<Dynamic, Unfit> { Ok(whole(number)) })*
    };
}

impl Serializer for Writer {
    type Ok = Dynamic;
    type Error = Unfit;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = List;
    type SerializeMap = Fields;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    whole_numbers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128
    );

    fn serialize_bool(self, value: bool) -> Result<Dynamic, Unfit> {
        Ok(value.into())
    }

    fn serialize_f32(self, number: f32) -> Result<Dynamic, Unfit> {
        Ok(f64::from(number).into())
    }

    fn serialize_f64(self, number: f64) -> Result<Dynamic, Unfit> {
        Ok(number.into())
    }

    fn serialize_char(self, sign: char) -> Result<Dynamic, Unfit> {
        Ok(sign.into())
    }

    fn serialize_str(self, text: &str) -> Result<Dynamic, Unfit> {
        Ok(text.into())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Dynamic, Unfit> {
        Ok(Dynamic::from_blob(bytes.to_vec()))
    }

    fn serialize_none(self) -> Result<Dynamic, Unfit> {
        Ok(Dynamic::UNIT)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Dynamic, Unfit> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Dynamic, Unfit> {
        Ok(Dynamic::UNIT)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Dynamic, Unfit> {
        Ok(Dynamic::UNIT)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<Dynamic, Unfit> {
        Ok(name.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Dynamic, Unfit> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<Dynamic, Unfit> {
        value.serialize(Writer).map(|content| variant(name, content)).map_err(|error| error.inside(name))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<List, Unfit> {
        // a declared length comes from the type's author: don't allocate by it
        Ok(List { values: Array::with_capacity(length.unwrap_or(0).min(1024)), variant: None })
    }

    fn serialize_tuple(self, length: usize) -> Result<List, Unfit> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<List, Unfit> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, name: &'static str, _: usize) -> Result<List, Unfit> {
        Ok(List { values: Array::new(), variant: Some(name) })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Fields, Unfit> {
        Ok(Fields { fields: Map::new(), key: String::new(), variant: None })
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Fields, Unfit> {
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, name: &'static str, _: usize) -> Result<Fields, Unfit> {
        Ok(Fields { fields: Map::new(), key: String::new(), variant: Some(name) })
    }
}

/// A list under construction.
pub struct List {
    values: Array,
    variant: Option<&'static str>,
}

impl List {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        let place = self.values.len();
        self.values.push(value.serialize(Writer).map_err(|error| error.inside(place))?);
        Ok(())
    }

    fn done(self) -> Result<Dynamic, Unfit> {
        let values = Dynamic::from_array(self.values);
        Ok(match self.variant {
            Some(name) => variant(name, values),
            None => values,
        })
    }
}

/// A map under construction.
pub struct Fields {
    fields: Map,
    key: String,
    variant: Option<&'static str>,
}

impl Fields {
    fn put<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Unfit> {
        let value = value.serialize(Writer).map_err(|error| error.inside(key))?;
        match self.fields.insert(key.into(), value) {
            // two Rust keys that become the same string
            Some(_) => Err(Unfit::new(format!("the key `{key}` is there twice"))),
            None => Ok(()),
        }
    }

    fn done(self) -> Result<Dynamic, Unfit> {
        let fields = Dynamic::from_map(self.fields);
        Ok(match self.variant {
            Some(name) => variant(name, fields),
            None => fields,
        })
    }
}

macro_rules! lists {
    ($($what:ident $method:ident),*) => {
        $(impl ser::$what for List {
            type Ok = Dynamic;
            type Error = Unfit;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
                self.push(value)
            }

            fn end(self) -> Result<Dynamic, Unfit> {
                self.done()
            }
        })*
    };
}

lists!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

macro_rules! structs {
    ($($what:ident),*) => {
        $(impl ser::$what for Fields {
            type Ok = Dynamic;
            type Error = Unfit;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Unfit> {
                self.put(key, value)
            }

            fn end(self) -> Result<Dynamic, Unfit> {
                self.done()
            }
        })*
    };
}

structs!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Fields {
    type Ok = Dynamic;
    type Error = Unfit;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unfit> {
        self.key = key.serialize(KeyWriter)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        let key = std::mem::take(&mut self.key);
        self.put(&key, value)
    }

    fn end(self) -> Result<Dynamic, Unfit> {
        self.done()
    }
}

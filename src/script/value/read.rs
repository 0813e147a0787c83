//! Deserializes script values to Rust.

use super::Unfit;
use super::key::{KeyReader, bare, digits};
use rhai::{Array, Blob, Dynamic, FLOAT, INT, ImmutableString, Map};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

/// Deserializes a script's value.
pub struct Reader<'a>(pub &'a Dynamic);

/// Number types that a host function may have returned, and that a script does not make.
macro_rules! of_a_host {
    ($value:expr, $visitor:expr, $($kind:ty => $visit:ident),*) => {
        $(if let Some(number) = $value.read_lock::<$kind>() {
            return $visitor.$visit(*number);
        })*
    };
}

/// Integers: those too large for a script are strings of digits.
macro_rules! whole_numbers {
    ($($method:ident $visit:ident $kind:ty),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
            let large = self.0.read_lock::<ImmutableString>().and_then(|text| digits::<$kind>(&text));
            match large {
                Some(number) => visitor.$visit(number),
                None => self.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        let value = self.0;
        if value.is_unit() {
            return visitor.visit_unit();
        }
        if let Some(list) = value.read_lock::<Array>() {
            return visitor.visit_seq(Items { list: &list, next: 0 });
        }
        if let Some(map) = value.read_lock::<Map>() {
            return visitor.visit_map(Fields { fields: map.iter(), value: None });
        }
        if let Some(text) = value.read_lock::<ImmutableString>() {
            return visitor.visit_str(&text);
        }
        if let Some(bytes) = value.read_lock::<Blob>() {
            let numbers: Array = bytes.iter().map(|byte| Dynamic::from(INT::from(*byte))).collect();
            return visitor.visit_seq(Items { list: &numbers, next: 0 });
        }
        of_a_host!(value, visitor,
            INT => visit_i64, FLOAT => visit_f64, bool => visit_bool, char => visit_char,
            f32 => visit_f32, i8 => visit_i8, i16 => visit_i16, i32 => visit_i32, i128 => visit_i128,
            u8 => visit_u8, u16 => visit_u16, u32 => visit_u32, u64 => visit_u64, u128 => visit_u128
        );
        if let Some(size) = value.read_lock::<usize>() {
            return visitor.visit_u64(*size as u64);
        }
        Err(Unfit::custom(format_args!("a {} can't be read so", value.type_name())))
    }

    whole_numbers!(
        deserialize_u64 visit_u64 u64, deserialize_i128 visit_i128 i128, deserialize_u128 visit_u128 u128
    );

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0.read_lock::<Blob>() {
            Some(bytes) => visitor.visit_bytes(&bytes),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        if self.0.is_unit() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        if let Some(text) = self.0.read_lock::<ImmutableString>() {
            return bare(&text, visitor);
        }
        if let Some(sign) = self.0.read_lock::<char>() {
            return bare(&sign.to_string(), visitor);
        }
        if let Some(map) = self.0.read_lock::<Map>()
            && let (1, Some((variant, content))) = (map.len(), map.iter().next())
        {
            return visitor.visit_enum(Variant { name: variant, content });
        }
        let (kind, names) = (self.0.type_name(), variants.join(", "));
        Err(Unfit::custom(format_args!(
            "a variant of {name} ({names}) is a text, or a map with its name as the only key, not {kind}"
        )))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 f32 f64 char str string unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

struct Items<'a> {
    list: &'a [Dynamic],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Unfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unfit> {
        let Some(value) = self.list.get(self.next) else { return Ok(None) };
        let place = self.next;
        self.next += 1;
        seed.deserialize(Reader(value)).map(Some).map_err(|error| error.inside(place))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.list.len() - self.next)
    }
}

struct Fields<'a, I> {
    fields: I,
    /// The value that belongs to the key just read.
    value: Option<(&'a str, &'a Dynamic)>,
}

impl<'a, 'de, K: AsRef<str> + 'a, I: Iterator<Item = (&'a K, &'a Dynamic)>> MapAccess<'de> for Fields<'a, I> {
    type Error = Unfit;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unfit> {
        let Some((key, value)) = self.fields.next() else { return Ok(None) };
        self.value = Some((key.as_ref(), value));
        seed.deserialize(KeyReader(key.as_ref())).map(Some).map_err(|error| error.inside(key.as_ref()))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Unfit> {
        let (key, value) = self.value.take().ok_or_else(|| Unfit::new("a value without a key"))?;
        seed.deserialize(Reader(value)).map_err(|error| error.inside(key))
    }
}

/// An enum variant with its content.
struct Variant<'a> {
    name: &'a str,
    content: &'a Dynamic,
}

impl<'a, 'de> EnumAccess<'de> for Variant<'a> {
    type Error = Unfit;
    type Variant = Content<'a>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Content<'a>), Unfit> {
        let name = seed.deserialize(KeyReader(self.name))?;
        Ok((name, Content { name: self.name, value: self.content }))
    }
}

struct Content<'a> {
    name: &'a str,
    value: &'a Dynamic,
}

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = Unfit;

    fn unit_variant(self) -> Result<(), Unfit> {
        match self.value.is_unit() {
            true => Ok(()),
            false => Err(Unfit::new("this variant holds nothing").inside(self.name)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Unfit> {
        seed.deserialize(Reader(self.value)).map_err(|error| error.inside(self.name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Unfit> {
        Reader(self.value).deserialize_any(visitor).map_err(|error| error.inside(self.name))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Unfit> {
        Reader(self.value).deserialize_any(visitor).map_err(|error| error.inside(self.name))
    }
}

//! The values of an arrow array as integers, numbers or text. Written by hand: arrow's own casts support every pair of its types,
//! and take minutes to compile.

use arrow_array::cast::AsArray;
use arrow_array::temporal_conversions::{as_datetime, as_datetime_with_timezone, as_time, date32_to_datetime};
use arrow_array::timezone::Tz;
use arrow_array::types::*;
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};
use std::borrow::Cow;

/// The value of a row that has one, or `None` if it can't be represented.
pub type Read<'a, T> = Box<dyn Fn(usize) -> Option<T> + 'a>;

/// A reader of the values of a primitive array, each converted by `read`.
fn each<'a, P: ArrowPrimitiveType, T>(array: &'a dyn Array, read: fn(P::Native) -> Option<T>) -> Read<'a, T>
where
    T: 'a,
{
    let values = array.as_primitive::<P>().values();
    Box::new(move |at| read(values[at]))
}

/// Integers; `None` if they do not fit signed 64 bits (see [`wide`]).
pub fn ints(array: &dyn Array) -> Option<Read<'_, i64>> {
    Some(match array.data_type() {
        DataType::Int8 => each::<Int8Type, _>(array, |value| Some(value.into())),
        DataType::Int16 => each::<Int16Type, _>(array, |value| Some(value.into())),
        DataType::Int32 => each::<Int32Type, _>(array, |value| Some(value.into())),
        DataType::Int64 => each::<Int64Type, _>(array, Some),
        DataType::UInt8 => each::<UInt8Type, _>(array, |value| Some(value.into())),
        DataType::UInt16 => each::<UInt16Type, _>(array, |value| Some(value.into())),
        DataType::UInt32 => each::<UInt32Type, _>(array, |value| Some(value.into())),
        DataType::UInt64 => each::<UInt64Type, _>(array, |value| value.try_into().ok()),
        _ => return None,
    })
}

/// Integers of types wider than signed 64 bits, as digits.
pub fn wide(array: &dyn Array) -> Option<Read<'_, String>> {
    fn decimals<P: DecimalType>(array: &PrimitiveArray<P>) -> Read<'_, String> {
        Box::new(|at| Some(array.value_as_string(at)))
    }
    Some(match array.data_type() {
        DataType::UInt64 => each::<UInt64Type, _>(array, |value| Some(value.to_string())),
        DataType::Decimal32(_, ..=0) => decimals(array.as_primitive::<Decimal32Type>()),
        DataType::Decimal64(_, ..=0) => decimals(array.as_primitive::<Decimal64Type>()),
        DataType::Decimal128(_, ..=0) => decimals(array.as_primitive::<Decimal128Type>()),
        DataType::Decimal256(_, ..=0) => decimals(array.as_primitive::<Decimal256Type>()),
        _ => return None,
    })
}

/// Numbers with a fraction; a decimal becomes the nearest float.
pub fn floats(array: &dyn Array) -> Option<Read<'_, f64>> {
    fn decimals<P: DecimalType>(array: &PrimitiveArray<P>) -> Read<'_, f64> {
        Box::new(|at| array.value_as_string(at).parse().ok())
    }
    Some(match array.data_type() {
        DataType::Float16 => each::<Float16Type, _>(array, |value| Some(value.into())),
        DataType::Float32 => each::<Float32Type, _>(array, |value| Some(value.into())),
        DataType::Float64 => each::<Float64Type, _>(array, Some),
        DataType::Decimal32(..) => decimals(array.as_primitive::<Decimal32Type>()),
        DataType::Decimal64(..) => decimals(array.as_primitive::<Decimal64Type>()),
        DataType::Decimal128(..) => decimals(array.as_primitive::<Decimal128Type>()),
        DataType::Decimal256(..) => decimals(array.as_primitive::<Decimal256Type>()),
        _ => return None,
    })
}

/// Text of any width, bytes that are valid text, and dates and times in ISO 8601.
pub fn texts(array: &dyn Array) -> Option<Read<'_, Cow<'_, str>>> {
    fn text(bytes: &[u8]) -> Option<Cow<'_, str>> {
        std::str::from_utf8(bytes).ok().map(Cow::Borrowed)
    }
    Some(match array.data_type() {
        DataType::Utf8 => Box::new(|at| Some(array.as_string::<i32>().value(at).into())),
        DataType::LargeUtf8 => Box::new(|at| Some(array.as_string::<i64>().value(at).into())),
        DataType::Utf8View => Box::new(|at| Some(array.as_string_view().value(at).into())),
        DataType::Binary => Box::new(|at| text(array.as_binary::<i32>().value(at))),
        DataType::LargeBinary => Box::new(|at| text(array.as_binary::<i64>().value(at))),
        DataType::BinaryView => Box::new(|at| text(array.as_binary_view().value(at))),
        _ => {
            let times = times(array)?;
            Box::new(move |at| times(at).map(Cow::Owned))
        }
    })
}

fn times(array: &dyn Array) -> Option<Read<'_, String>> {
    fn shown(value: Option<impl std::fmt::Debug>) -> Option<String> {
        Some(format!("{:?}", value?))
    }
    Some(match array.data_type() {
        DataType::Date32 => each::<Date32Type, _>(array, |day| shown(date32_to_datetime(day).map(|time| time.date()))),
        DataType::Date64 => each::<Date64Type, _>(array, |time| shown(as_datetime::<Date64Type>(time))),
        DataType::Time32(TimeUnit::Second) => {
            each::<Time32SecondType, _>(array, |time| shown(as_time::<Time32SecondType>(time.into())))
        }
        DataType::Time32(_) => {
            each::<Time32MillisecondType, _>(array, |time| shown(as_time::<Time32MillisecondType>(time.into())))
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            each::<Time64MicrosecondType, _>(array, |time| shown(as_time::<Time64MicrosecondType>(time)))
        }
        DataType::Time64(_) => {
            each::<Time64NanosecondType, _>(array, |time| shown(as_time::<Time64NanosecondType>(time)))
        }
        DataType::Timestamp(unit, zone) => match unit {
            TimeUnit::Second => stamps::<TimestampSecondType>(array, zone.as_deref()),
            TimeUnit::Millisecond => stamps::<TimestampMillisecondType>(array, zone.as_deref()),
            TimeUnit::Microsecond => stamps::<TimestampMicrosecondType>(array, zone.as_deref()),
            TimeUnit::Nanosecond => stamps::<TimestampNanosecondType>(array, zone.as_deref()),
        },
        _ => return None,
    })
}

/// Instants with a time zone end with its offset. Those of a zone that only has a name are in UTC.
fn stamps<'a, P: ArrowPrimitiveType<Native = i64>>(array: &'a dyn Array, zone: Option<&str>) -> Read<'a, String> {
    let values = array.as_primitive::<P>().values();
    let Some(zone) = zone else {
        return Box::new(move |at| Some(format!("{:?}", as_datetime::<P>(values[at])?)));
    };
    let offset: Option<Tz> = zone.parse().ok().filter(|_| !zone.ends_with("00:00"));
    Box::new(move |at| match offset {
        None => Some(format!("{:?}Z", as_datetime::<P>(values[at])?)),
        Some(offset) => {
            let time = as_datetime_with_timezone::<P>(values[at], offset)?;
            Some(format!("{:?}{}", time.naive_local(), time.offset()))
        }
    })
}

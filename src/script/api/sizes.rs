//! Verbs whose result has a length that the script chooses: its memory is checked first.

use crate::limits;
use crate::script::prelude::*;
use rhai::{Blob, EvalAltResult, Position};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

/// Checks that a text may have this many bytes.
pub fn text(who: &str, context: &NativeCallContext, bytes: usize) -> Res<()> {
    within("string", context.engine().max_string_size(), bytes)?;
    Ok(limits::room(who, bytes as u64, format_args!("a text of {bytes} bytes"))?)
}

/// Checks that a list may have this many values.
fn list(who: &str, context: &NativeCallContext, length: usize) -> Res<()> {
    within("list", context.engine().max_array_size(), length)?;
    let bytes = (length as u64).saturating_mul(size_of::<Dynamic>() as u64);
    Ok(limits::room(who, bytes, format_args!("a list of {length} values"))?)
}

/// Checks that a blob may have this many bytes.
fn blob(who: &str, context: &NativeCallContext, length: usize) -> Res<()> {
    within("list", context.engine().max_array_size(), length)?;
    Ok(limits::room(who, length as u64, format_args!("a blob of {length} bytes"))?)
}

fn within(kind: &str, most: usize, length: usize) -> Res<()> {
    match most > 0 && length > most {
        true => Err(EvalAltResult::ErrorDataTooLarge(kind.to_string(), Position::NONE).into()),
        false => Ok(()),
    }
}

fn length(length: INT) -> usize {
    usize::try_from(length).unwrap_or(0)
}

#[export_module]
mod verbs {
    /// Pads the list to `length` values with `value`, in place.
    ///
    /// also: ljust, zfill, full, [0] * n
    ///
    /// ```rhai
    /// let xs = [1, 2];
    /// xs.pad(4, 0);
    /// xs                      //=> [1, 2, 0, 0]
    /// ```
    #[rhai_fn(name = "pad", return_raw)]
    pub fn padded_list(context: NativeCallContext, list: &mut List, length: INT, value: Dynamic) -> Res<()> {
        let length = super::length(length);
        if length > list.len() {
            super::list("pad", &context, length)?;
            list.resize(length, value);
        }
        Ok(())
    }

    /// Pads the blob to `length` bytes with the low 8 bits of `value`, in place.
    ///
    /// ```rhai
    /// let bytes = blob(2, 255);
    /// bytes.pad(3, 16);
    /// bytes                   //=> [ffff10]
    /// ```
    #[rhai_fn(name = "pad", return_raw)]
    pub fn padded_blob(context: NativeCallContext, blob: &mut Blob, length: INT, value: INT) -> Res<()> {
        let length = super::length(length);
        if length > blob.len() {
            super::blob("pad", &context, length)?;
            blob.resize(length, (value & 0xff) as u8);
        }
        Ok(())
    }

    /// Makes a blob of `length` zero bytes.
    ///
    /// also: bytes, bytearray
    ///
    /// ```rhai
    /// blob(3)                 //=> [000000]
    /// ```
    #[rhai_fn(name = "blob", return_raw)]
    pub fn blob_of(context: NativeCallContext, length: INT) -> Res<Blob> {
        filled_blob(context, length, 0)
    }

    /// Makes a blob of `length` bytes, each the low 8 bits of `value`.
    ///
    /// ```rhai
    /// blob(3, 66)             //=> [424242]
    /// ```
    #[rhai_fn(name = "blob", return_raw)]
    pub fn filled_blob(context: NativeCallContext, length: INT, value: INT) -> Res<Blob> {
        let length = super::length(length);
        super::blob("blob", &context, length)?;
        Ok(vec![(value & 0xff) as u8; length])
    }
}

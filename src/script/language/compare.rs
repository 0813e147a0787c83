//! Comparisons. Rhai treats floats that differ in their last bits as equal, and silently returns false for an order between
//! values of different kinds. Here numbers compare as numbers, exactly and as IEEE 754 specifies, and an order between
//! values without one is an error.
//!
//! Rhai evaluates comparisons of plain values itself, before any registered function. Therefore the comparison signs of a
//! script are parsed as levain's operators (see `compile`), and Rhai's own comparisons, in lists, use the functions of
//! `api/compare.rs`.

use super::signs::{SIGNS, Sign};
use super::unequal;
use crate::script::Res;
use crate::script::explain::{article, type_name};
use crate::sync::unpoisoned;
use crate::{Error, number};
use rhai::{
    Array, Dynamic, Engine, EvalAltResult, FLOAT, FuncRegistration, INT, Map, Module, NativeCallContext, RhaiFunc,
    Shared,
};
use std::any::TypeId;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::{Arc, RwLock};

/// Pairs of different types that a noun compares, such as a tensor and a number.
#[derive(Clone, Default)]
pub struct Pairs(Arc<RwLock<HashSet<(TypeId, TypeId)>>>);

impl Pairs {
    /// Records a noun's function if it is a comparison.
    pub fn note(&self, name: &str, types: &[TypeId]) {
        if let [left, right] = types
            && SIGNS.iter().any(|(_, sign, _)| sign[1..] == *name)
        {
            unpoisoned(self.0.write()).insert((*left, *right));
        }
    }

    fn has(&self, left: &Dynamic, right: &Dynamic) -> bool {
        let any = TypeId::of::<Dynamic>();
        let pairs = unpoisoned(self.0.read());
        let (left, right) = (left.type_id(), right.type_id());
        [(left, right), (left, any), (any, right)].iter().any(|pair| pairs.contains(pair))
    }
}

pub fn install(engine: &mut Engine, pairs: &Pairs) {
    let mut module = Module::new();
    for (sign, name, precedence) in SIGNS.iter().copied() {
        let (known, pairs) = (pairs.clone(), pairs.clone());
        let call = move |context: Option<NativeCallContext>, args: &mut [&mut Dynamic]| -> Res<Dynamic> {
            let [left, right] = args else { return Ok(Dynamic::FALSE) };
            if let Some(order) = order(left, right) {
                return Ok(sign.holds(order).into());
            }
            let Some(context) = context else { return Ok(Dynamic::FALSE) };
            others(sign, &name[1..], &context, left, right, &known)
        };
        let func = RhaiFunc::Pure { func: Shared::new(call), has_context: true, is_pure: true, is_volatile: false };
        FuncRegistration::new(name).set_into_module_raw(&mut module, [TypeId::of::<Dynamic>(); 2], func);
        let _ = engine.register_custom_operator(name, precedence);
        beside(&mut module, sign, &name[1..], &pairs);
    }
    engine.register_global_module(module.into());
}

/// Comparisons that Rhai makes itself, without a sign in the script: values in lists, keys of a `switch`.
fn beside(module: &mut Module, sign: Sign, name: &str, pairs: &Pairs) {
    let (int, float) = (("int", TypeId::of::<INT>()), ("float", TypeId::of::<FLOAT>()));
    let (list, map) = (("Array", TypeId::of::<Array>()), ("Map", TypeId::of::<Map>()));
    let numbers = [(float, float), (int, float), (float, int)];
    let others = [(list, list), (map, map)];
    let others = if sign.asks_for_order() { &others[..0] } else { &others[..] };
    for ((left, left_type), (right, right_type)) in numbers.iter().chain(others).copied() {
        let pairs = pairs.clone();
        let call = move |context: Option<NativeCallContext>, args: &mut [&mut Dynamic]| -> Res<Dynamic> {
            let [left, right] = args else { return Ok(Dynamic::FALSE) };
            match (order(left, right), context) {
                (Some(order), _) => Ok(sign.holds(order).into()),
                (None, Some(context)) => Ok((same(&context, left, right, &pairs)? == (sign == Sign::Equal)).into()),
                (None, None) => Ok(Dynamic::FALSE),
            }
        };
        let func = RhaiFunc::Pure { func: Shared::new(call), has_context: true, is_pure: true, is_volatile: false };
        FuncRegistration::new(name)
            .with_comments(sign.doc().lines().map(|line| format!("/// {line}")).collect::<Vec<_>>())
            .with_params_info([format!("left: {left}"), format!("right: {right}"), "bool".to_string()])
            .set_into_module_raw(module, [left_type, right_type], func);
    }
}

/// The order of two plain values of one kind (all numbers are one kind): `None` without an order, `Some(None)` with NaN.
pub fn order(left: &Dynamic, right: &Dynamic) -> Option<Option<Ordering>> {
    if let Ok(left) = left.as_int() {
        if let Ok(right) = right.as_int() {
            return Some(Some(left.cmp(&right)));
        }
        return right.as_float().ok().map(|right| number::order(left.into(), right));
    }
    if let Ok(left) = left.as_float() {
        if let Ok(right) = right.as_float() {
            return Some(left.partial_cmp(&right));
        }
        return right.as_int().ok().map(|right| number::order(right.into(), left).map(Ordering::reverse));
    }
    if let Ok(left) = left.as_immutable_string_ref() {
        if let Ok(right) = right.as_immutable_string_ref() {
            return Some(Some(left.as_str().cmp(right.as_str())));
        }
        let mut letter = [0; 4];
        return right.as_char().ok().map(|right| Some(left.as_str().cmp(right.encode_utf8(&mut letter))));
    }
    if let Ok(left) = left.as_char() {
        if let Ok(right) = right.as_char() {
            return Some(Some(left.cmp(&right)));
        }
        let mut letter = [0; 4];
        let right = right.as_immutable_string_ref().ok()?;
        return Some(Some((*left.encode_utf8(&mut letter)).cmp(right.as_str())));
    }
    if let (Ok(left), Ok(right)) = (left.as_bool(), right.as_bool()) {
        return Some(Some(left.cmp(&right)));
    }
    None
}

/// Compares values that are not plain, or not of one kind.
fn others(
    sign: Sign,
    name: &str,
    context: &NativeCallContext,
    left: &mut Dynamic,
    right: &mut Dynamic,
    pairs: &Pairs,
) -> Res<Dynamic> {
    if !sign.asks_for_order() {
        return match equal(name, context, left, right, pairs)? {
            Verdict::Plain(equal) => Ok((equal == (sign == Sign::Equal)).into()),
            Verdict::Own(value) => Ok(value),
        };
    }
    if left.type_id() == right.type_id() || pairs.has(left, right) {
        match native(name, context, left, right)? {
            Some(value) => return Ok(value),
            None => return Err(no_order(name, context, left, right).into()),
        }
    }
    Err(no_order(name, context, left, right).into())
}

/// The result of a comparison for equality.
enum Verdict {
    Plain(bool),
    /// A noun's result: a tensor of ones and zeros.
    Own(Dynamic),
}

/// Whether two values are equal; lists and maps element by element.
fn equal(name: &str, context: &NativeCallContext, left: &Dynamic, right: &Dynamic, pairs: &Pairs) -> Res<Verdict> {
    if let Some(order) = order(left, right) {
        return Ok(Verdict::Plain(order == Some(Ordering::Equal)));
    }
    if left.is_unit() || right.is_unit() {
        return Ok(Verdict::Plain(left.is_unit() && right.is_unit()));
    }
    if let (Ok(left), Ok(right)) = (left.as_array_ref(), right.as_array_ref()) {
        return Ok(Verdict::Plain(
            left.len() == right.len() && all(left.iter().zip(right.iter()), |a, b| same(context, a, b, pairs))?,
        ));
    }
    if let (Ok(left), Ok(right)) = (left.as_map_ref(), right.as_map_ref()) {
        let keys = left.len() == right.len() && left.keys().eq(right.keys());
        let values = left.values().zip(right.values());
        return Ok(Verdict::Plain(keys && all(values, |a, b| same(context, a, b, pairs))?));
    }
    if left.type_id() != right.type_id() && !pairs.has(left, right) {
        unequal::note(left, right);
        return Ok(Verdict::Plain(false));
    }
    let (mut left, mut right) = (left.clone(), right.clone());
    match native(name, context, &mut left, &mut right)? {
        Some(value) => Ok(Verdict::Own(value)),
        None => Err(no_order(name, context, &left, &right).into()),
    }
}

fn all<'a>(
    mut pairs: impl Iterator<Item = (&'a Dynamic, &'a Dynamic)>,
    same: impl Fn(&Dynamic, &Dynamic) -> Res<bool>,
) -> Res<bool> {
    pairs.try_fold(true, |all, (left, right)| Ok(all && same(left, right)?))
}

/// Whether two values inside of others are equal.
pub fn same(context: &NativeCallContext, left: &Dynamic, right: &Dynamic, pairs: &Pairs) -> Res<bool> {
    Ok(match equal("==", context, left, right, pairs)? {
        Verdict::Plain(equal) => equal,
        Verdict::Own(value) => value.as_bool().unwrap_or(false),
    })
}

/// Whether two values are equal, for the verbs of lists.
pub fn equal_values(context: &NativeCallContext, left: &Dynamic, right: &Dynamic) -> Res<bool> {
    if let Some(order) = order(left, right) {
        return Ok(order == Some(Ordering::Equal));
    }
    let equal = native("==", context, &mut left.clone(), &mut right.clone())?;
    Ok(equal.is_some_and(|value| value.as_bool().unwrap_or(false)))
}

/// Calls the function registered for these types, if any.
fn native(name: &str, context: &NativeCallContext, left: &mut Dynamic, right: &mut Dynamic) -> Res<Option<Dynamic>> {
    match context.call_native_fn_raw(name, true, &mut [left, right]) {
        Ok(value) => Ok(Some(value)),
        Err(error) => match *error {
            EvalAltResult::ErrorFunctionNotFound(ref call, _) if call.starts_with(name) => Ok(None),
            _ => Err(error),
        },
    }
}

fn no_order(name: &str, context: &NativeCallContext, left: &Dynamic, right: &Dynamic) -> Error {
    let kind = |value: &Dynamic| type_name(value.type_name(), context.engine());
    let (left, right) = (kind(left), kind(right));
    let error = Error::new(name, format!("not for {} and {}", article(&left), article(&right)));
    match advice(&left, &right) {
        Some(help) => error.help(help),
        None => error,
    }
}

/// The replacement for an order between values of these types.
pub fn advice(left: &str, right: &str) -> Option<&'static str> {
    let has = |kind: &str| left == kind || right == kind;
    let number = has("int") || has("float");
    match () {
        () if has("bool") && number => Some("write `a < x && x < b`"),
        () if has("nothing") => Some("a value is missing here: `x ?? 0` takes another in its place"),
        () if has("string") && number => Some("a text is read as a number by `parse_int(text)`, `parse_float(text)`"),
        () => None,
    }
}

//! Rust side of `stdlib/assert.rhai`: comparison of any two values, and finite differences.

use crate::script::diff;
use crate::script::prelude::*;
use crate::tensor::{Array, DType, Tensor};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Describes the difference between two values; empty if there is none.
    #[rhai_fn(name = "_difference", return_raw)]
    pub fn difference(ctx: NativeCallContext, actual: Dynamic, expected: Dynamic, tolerance: Dynamic) -> Res<String> {
        let tolerance = as_number(&tolerance).unwrap_or(0.0);
        Ok(super::compare(&ctx, &actual, &expected, tolerance, "")?.unwrap_or_default())
    }

    /// Formats a value as inside a list: strings in quotes.
    #[rhai_fn(name = "_shown")]
    pub fn shown(ctx: NativeCallContext, value: Dynamic) -> String {
        super::show(&ctx, &value)
    }

    /// Makes the value to `throw` for an error that reads like those of native verbs.
    #[rhai_fn(name = "_failure", return_raw)]
    pub fn failure(who: &str, what: &str) -> Res<Map> {
        let mut fields = Map::new();
        fields.insert("who".into(), who.into());
        fields.insert("what".into(), what.into());
        fields.insert("help".into(), Dynamic::UNIT);
        Ok(fields)
    }

    /// Describes where the gradient of `f` at `x` differs from finite differences; empty if nowhere.
    #[rhai_fn(name = "_gradient", return_raw)]
    pub fn gradient(ctx: NativeCallContext, f: FnPtr, x: Tensor, step: f64, tolerance: f64) -> Res<String> {
        let (exact, measured) = super::gradients(&ctx, &f, &x, step)?;
        let scale = measured.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
        let far = (0..exact.len()).find(|&index| !super::near(exact[index], measured[index], tolerance * scale));
        Ok(far.map_or_else(String::new, |index| {
            let place = super::place_of(index, &x.shape());
            format!("at {place:?}: backward gives {:?}, finite differences {:?}", exact[index], measured[index])
        }))
    }

    /// Returns the text of a caught error.
    #[rhai_fn(name = "_message")]
    pub fn message(ctx: NativeCallContext, error: Dynamic) -> String {
        let Some(fields) = error.read_lock::<Map>() else { return error.to_string() };
        let field = |name: &str| fields.get(name).filter(|value| !value.is_unit()).map(|value| value.to_string());
        match (field("who"), field("what"), field("help"), field("message")) {
            (Some(who), Some(what), Some(help), _) => format!("{who}: {what} ({help})"),
            (Some(who), Some(what), None, _) => format!("{who}: {what}"),
            (_, _, _, Some(message)) => message,
            _ => super::show(&ctx, &error),
        }
    }
}

/// Formats a value as `print` does inside a list.
fn show(ctx: &NativeCallContext, value: &Dynamic) -> String {
    let shown = ctx.call_native_fn::<ImmutableString>("to_debug", (value.clone(),));
    shown.map_or_else(|_| value.to_string(), |text| text.to_string())
}

/// Describes the difference between two values, with its place inside them.
fn compare(
    ctx: &NativeCallContext,
    actual: &Dynamic,
    expected: &Dynamic,
    tolerance: f64,
    place: &str,
) -> Res<Option<String>> {
    let at = if place.is_empty() { String::new() } else { format!("at {place}: ") };
    let unlike = || Some(format!("{at}{} is not {}", show(ctx, actual), show(ctx, expected)));
    if let (Ok(a), Ok(b)) = (actual.as_int(), expected.as_int())
        && a == b
    {
        return Ok(None);
    }
    if let (Some(a), Some(b)) = (as_number(actual), as_number(expected)) {
        return Ok(if near(a, b, tolerance) {
            None
        } else {
            unlike().map(|text| text + distance(a, b, tolerance).as_str())
        });
    }
    if let (Some(a), Some(b)) = (actual.read_lock::<ImmutableString>(), expected.read_lock::<ImmutableString>()) {
        return Ok(if *a == *b { None } else { texts(&a, &b).map(|text| format!("{at}{text}")).or_else(unlike) });
    }
    if let (Some(a), Some(b)) = (actual.read_lock::<List>(), expected.read_lock::<List>()) {
        if a.len() != b.len() {
            if a.len().max(b.len()) > LONG {
                let mut unlike = a.iter().zip(b.iter()).enumerate();
                let first = unlike.find_map(|(index, (a, b))| {
                    compare(ctx, a, b, tolerance, &format!("{place}[{index}]")).transpose()
                });
                let from = first.transpose()?.map(|text| format!("; {text}")).unwrap_or_default();
                return Ok(Some(format!("{at}a list of {} elements is not one of {}{from}", a.len(), b.len())));
            }
            let text = format!(
                "{at}{} of {} elements is not {} of {}",
                show(ctx, actual),
                a.len(),
                show(ctx, expected),
                b.len()
            );
            return Ok(Some(text));
        }
        for (index, (a, b)) in a.iter().zip(b.iter()).enumerate() {
            if let Some(text) = compare(ctx, a, b, tolerance, &format!("{place}[{index}]"))? {
                return Ok(Some(text));
            }
        }
        return Ok(None);
    }
    if let (Some(a), Some(b)) = (actual.read_lock::<Map>(), expected.read_lock::<Map>()) {
        if let Some(key) = a.keys().find(|key| !b.contains_key(*key)) {
            return Ok(Some(format!("{at}key `{key}` is not expected ({})", show(ctx, actual))));
        }
        for (key, b) in b.iter() {
            let Some(a) = a.get(key) else {
                return Ok(Some(format!("{at}key `{key}` is missing ({})", show(ctx, actual))));
            };
            if let Some(text) = compare(ctx, a, b, tolerance, &format!("{place}.{key}"))? {
                return Ok(Some(text));
            }
        }
        return Ok(None);
    }
    if let (Some(a), Some(b)) = (actual.read_lock::<Tensor>(), expected.read_lock::<Tensor>()) {
        return Ok(compare_tensors(&a, &b, tolerance)?.map(|text| format!("{at}{text}")));
    }
    if actual.type_id() != expected.type_id() {
        return Ok(unlike());
    }
    let equal = ctx.call_native_fn::<bool>("==", (actual.clone(), expected.clone()));
    let equal = equal.unwrap_or_else(|_| show(ctx, actual) == show(ctx, expected));
    Ok(if equal { None } else { unlike() })
}

/// Lists with more elements, and texts of more than eight times as many characters, are abbreviated.
const LONG: usize = 12;

/// Describes where two long texts differ.
fn texts(actual: &str, expected: &str) -> Option<String> {
    if actual.contains('\n') || expected.contains('\n') {
        let different = diff::lines(expected, actual);
        return Some(format!("the texts differ (- expected, + actual)\n{different}"));
    }
    if actual.chars().count().max(expected.chars().count()) <= 8 * LONG {
        return None;
    }
    let same = actual.chars().zip(expected.chars()).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(LONG);
    let around = |text: &str| {
        let part: String = text.chars().skip(from).take(3 * LONG).collect();
        let more = text.chars().count() > from + 3 * LONG;
        format!("{}{part}{}", if from > 0 { "…" } else { "" }, if more { "…" } else { "" })
    };
    Some(format!("{:?} is not {:?} (the texts differ from character {same} on)", around(actual), around(expected)))
}

fn near(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance
}

fn distance(a: f64, b: f64, tolerance: f64) -> String {
    if tolerance == 0.0 {
        return String::new();
    }
    format!(" (they differ by {}, allowed is {tolerance:?})", digits((a - b).abs()))
}

/// Formats a difference to three significant digits.
fn digits(x: f64) -> String {
    let rounded = format!("{x:.2e}").parse::<f64>().unwrap_or(x);
    format!("{rounded:?}")
}

fn numbers(tensor: &Tensor) -> crate::Result<Vec<f64>> {
    Ok(tensor.value().to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?)
}

fn compare_tensors(a: &Tensor, b: &Tensor, tolerance: f64) -> Res<Option<String>> {
    if a.shape() != b.shape() {
        return Ok(Some(format!("a tensor of shape {:?} is not one of shape {:?}", a.shape(), b.shape())));
    }
    if tolerance == 0.0 && a.dtype() != b.dtype() {
        return Ok(Some(format!("a tensor of {:?} is not one of {:?}", a.dtype(), b.dtype()).to_lowercase()));
    }
    let (x, y) = (numbers(a)?, numbers(b)?);
    let unlike: Vec<usize> = (0..x.len()).filter(|&index| !near(x[index], y[index], tolerance)).collect();
    let gap = |index: usize| (x[index] - y[index]).abs();
    let Some(worst) = unlike.iter().copied().reduce(|most, index| if gap(index) > gap(most) { index } else { most })
    else {
        return Ok(None);
    };
    let (p, q) = (x[worst], y[worst]);
    Ok(Some(format!(
        "{} of {} elements differ, most at {:?}: {p:?} is not {q:?}{}",
        unlike.len(),
        x.len(),
        place_of(worst, &a.shape()),
        distance(p, q, tolerance)
    )))
}

/// The index, by dimension, of the element at `flat`.
fn place_of(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut place = vec![0; shape.len()];
    for (index, size) in place.iter_mut().zip(shape).rev() {
        *index = flat % size;
        flat /= size;
    }
    place
}

/// The gradient of `f` at `x` by backward, and by central differences in steps of `step`.
fn gradients(ctx: &NativeCallContext, f: &FnPtr, x: &Tensor, step: f64) -> Res<(Vec<f64>, Vec<f64>)> {
    let at = |values: Vec<f64>| -> crate::Result<Tensor> {
        let array = Array::from_vec(values, x.shape(), x.value().device())?;
        Ok(Tensor::param(array.to_dtype(x.dtype())?, Some("x")))
    };
    let loss = |param: &Tensor| -> Res<Tensor> {
        let loss = f.call_within_context::<Dynamic>(ctx, (param.clone(),))?;
        let kind = type_in_words(&loss);
        Ok(loss
            .try_cast::<Tensor>()
            .ok_or_else(|| Error::new("assert::gradient", format!("the closure gives {kind}, not a tensor")))?)
    };
    let start = numbers(x)?;
    let param = at(start.clone())?;
    let exact = numbers(&Tensor::from(loss(&param)?.backward()?.of(&param)?.clone()))?;
    let value = |index: usize, shift: f64| -> Res<f64> {
        let mut moved = start.clone();
        moved[index] += shift;
        Ok(numbers(&loss(&at(moved)?)?)?.iter().sum())
    };
    let mut measured = Vec::with_capacity(start.len());
    for index in 0..start.len() {
        crate::cancel::check()?;
        measured.push((value(index, step)? - value(index, -step)?) / (2.0 * step));
    }
    Ok((exact, measured))
}

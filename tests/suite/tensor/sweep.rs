//! Every verb over edge values compared with PyTorch: values and gradients of `tests/data/tensor/sweep.jsonl`, written by
//! `sweep.py` beside it. A difference is in the list of reasons, or a fault.

use super::reasons::REASONS;
use levain::tensor::{Array, DType, Device, Tensor};
use levain::{Runtime, Value};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::fmt::Write;

/// Numbers of an input or of an answer.
#[derive(Clone)]
struct Numbers {
    dtype: DType,
    shape: Vec<usize>,
    floats: Vec<f64>,
    wholes: Vec<i64>,
}

impl Numbers {
    fn read(dtype: DType, shape: &Json, numbers: &str) -> Numbers {
        let shape = shape.as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize).collect();
        let mut read = Numbers { dtype, shape, floats: Vec::new(), wholes: Vec::new() };
        let words = numbers.split_whitespace();
        match dtype.is_float() {
            true => read.floats = words.map(|word| word.parse().unwrap()).collect(),
            false => read.wholes = words.map(|word| word.parse().unwrap()).collect(),
        }
        read
    }

    fn of(tensor: &Tensor) -> Numbers {
        let value = tensor.value();
        let flat = |dtype| value.to_dtype(dtype).unwrap().flatten_all().unwrap();
        let mut read =
            Numbers { dtype: value.dtype(), shape: value.dims().to_vec(), floats: Vec::new(), wholes: Vec::new() };
        match value.dtype().is_float() {
            true => read.floats = flat(DType::F64).to_vec1().unwrap(),
            false => read.wholes = flat(DType::I64).to_vec1().unwrap(),
        }
        read
    }

    fn array(&self) -> Array {
        let made = match self.dtype.is_float() {
            true => Array::from_vec(self.floats.clone(), self.shape.as_slice(), &Device::Cpu),
            false => Array::from_vec(self.wholes.clone(), self.shape.as_slice(), &Device::Cpu),
        };
        made.unwrap().to_dtype(self.dtype).unwrap()
    }

    /// Positions of unexpected numbers, computed in a dtype that may be narrower than theirs.
    fn differs(&self, expected: &Numbers, computed: DType) -> Option<String> {
        if self.dtype != expected.dtype || self.shape != expected.shape {
            return Some(format!("{} not {}", self.line(), expected.line()));
        }
        let size = expected.size();
        let far = |at: &usize| !near(self.floats[*at], expected.floats[*at], computed, size);
        let far: Vec<usize> = (0..self.floats.len()).filter(far).collect();
        if !far.is_empty() {
            let shown = |of: &Numbers| far.iter().map(|at| format!("[{at}]{:?} ", of.floats[*at])).collect::<String>();
            return Some(format!("{} not {}", shown(self), shown(expected)));
        }
        (self.wholes != expected.wholes).then(|| format!("{:?} not {:?}", self.wholes, expected.wholes))
    }

    /// The largest finite number; rounding errors of a sum are proportional to it.
    fn size(&self) -> f64 {
        self.floats.iter().filter(|x| x.is_finite()).fold(0.0, |most, x| x.abs().max(most))
    }

    fn line(&self) -> String {
        format!("{} {:?}", self.dtype.as_str(), self.shape)
    }
}

/// Within two units in the last place of half precision, and some of others; a sum's terms may be as large as `size`.
fn near(a: f64, b: f64, dtype: DType, size: f64) -> bool {
    let (relative, absolute, least) = match dtype {
        DType::F16 => (2e-3, 5e-4, 1.2e-7),
        DType::BF16 => (1.6e-2, 4e-3, 2e-40),
        DType::F32 => (2e-6, 1e-6, 3e-45),
        _ => (1e-12, 1e-13, 1e-322),
    };
    let signs = a != 0.0 || b != 0.0 || a.is_sign_negative() == b.is_sign_negative() || size.is_nan();
    let close = || (a - b).abs() <= (relative * b.abs()).max(absolute * size.min(16.0)).max(least);
    signs && (a == b || a.is_nan() && b.is_nan() || a.is_finite() && b.is_finite() && close())
}

/// One question and PyTorch's answer.
struct Case {
    inputs: String,
    answer: Option<Numbers>,
    /// By input, where the result carries gradients.
    grads: Option<Vec<Option<Numbers>>>,
}

impl Case {
    /// The narrowest float among inputs and result, the scale of rounding errors.
    fn computed(&self, inputs: &Inputs) -> DType {
        let dtypes = self.inputs.split(' ').map(|name| inputs[name].dtype);
        let all = dtypes.chain(self.answer.iter().map(|answer| answer.dtype));
        let order = [DType::BF16, DType::F16, DType::F32, DType::F64];
        let place = |dtype: DType| order.iter().position(|known| *known == dtype);
        all.filter_map(place).min().map_or(DType::F64, |place| order[place])
    }
}

fn dtype(name: &str) -> DType {
    name.parse().unwrap_or_else(|_| panic!("dtype `{name}`"))
}

fn dtype_of(input: &str) -> DType {
    dtype(input.rsplit('.').next().unwrap())
}

type Inputs = HashMap<String, Numbers>;

fn case(json: &Json, inputs: &Inputs) -> Case {
    let names = json[0].as_str().unwrap().to_string();
    let text = json[3].as_str().unwrap();
    let answer = (text != "error").then(|| Numbers::read(dtype(json[1].as_str().unwrap()), &json[2], text));
    let grad = |(name, grad): (&str, &Json)| {
        let input = &inputs[name];
        let shape = Json::from(input.shape.clone());
        grad.as_str().map(|text| Numbers::read(input.dtype, &shape, text))
    };
    let grads = json.get(4).map(|grads| names.split(' ').zip(grads.as_array().unwrap()).map(grad).collect());
    Case { inputs: names, answer, grads }
}

fn read() -> (Inputs, Vec<(String, Vec<Case>)>) {
    let text = std::fs::read_to_string("tests/data/tensor/sweep.jsonl").unwrap();
    let (mut inputs, mut calls) = (Inputs::new(), Vec::new());
    for line in text.lines() {
        let json: Json = serde_json::from_str(line).unwrap();
        if let Some(name) = json["input"].as_str() {
            inputs
                .insert(name.into(), Numbers::read(dtype_of(name), &json["shape"], json["numbers"].as_str().unwrap()));
        } else {
            let cases = json["cases"].as_array().unwrap().iter().map(|json| case(json, &inputs)).collect();
            calls.push((json["call"].as_str().unwrap().to_string(), cases));
        }
    }
    (inputs, calls)
}

/// A difference, and its kind: `error`, `value` or `gradient`.
fn ask(
    case: &Case,
    inputs: &Inputs,
    call: impl FnOnce(Vec<Value>) -> Result<Value, String>,
) -> Result<(), (&'static str, String)> {
    let made: Vec<Tensor> = case
        .inputs
        .split(' ')
        .map(|name| match inputs[name].dtype.is_float() {
            true => Tensor::param(inputs[name].array(), None),
            false => inputs[name].array().into(),
        })
        .collect();
    let found = call(made.iter().cloned().map(Value::from).collect());
    let (result, answer) = match (found, &case.answer) {
        (Err(_), None) => return Ok(()),
        (Err(error), Some(_)) => return Err(("error", error)),
        (Ok(value), None) => {
            return Err(("error", format!("PyTorch refuses it; {:?}", value.tensor().map(|x| Numbers::of(&x).floats))));
        }
        (Ok(value), Some(answer)) => (value.tensor().ok_or(("value", "is no tensor".to_string()))?, answer),
    };
    let computed = case.computed(inputs);
    if let Some(text) = Numbers::of(&result).differs(answer, computed) {
        return Err(("value", text));
    }
    let Some(grads) = &case.grads else {
        return if result.learns() { Err(("gradient", "PyTorch has none".into())) } else { Ok(()) };
    };
    let pattern = [1.0, 2.0, -0.5, 3.0, 0.25];
    let weights: Vec<f64> = (0..result.value().elem_count()).map(|at| pattern[at % 5]).collect();
    let weights = Array::from_vec(weights, result.shape(), &Device::Cpu).unwrap().to_dtype(result.dtype()).unwrap();
    let flow = result.backward_with(weights).map_err(|error| ("gradient", error.to_string()))?;
    for (at, (tensor, grad)) in made.iter().zip(grads).enumerate() {
        let found = match tensor.as_param() {
            Some(param) => flow.get(param).map_err(|error| ("gradient", error.to_string()))?,
            None => None,
        };
        match (found, grad) {
            (None, None) => {}
            (Some(found), Some(grad)) => {
                // the sign of a zero is meaningless in a gradient
                let plain = |mut numbers: Numbers| {
                    numbers.floats.iter_mut().for_each(|x| *x += 0.0);
                    numbers
                };
                if let Some(text) = plain(Numbers::of(&found.into())).differs(&plain(grad.clone()), computed) {
                    return Err(("gradient", format!("of input {at}: {text}")));
                }
            }
            (found, _) => {
                return Err((
                    "gradient",
                    format!("of input {at}: {}", if found.is_some() { "there" } else { "missing" }),
                ));
            }
        }
    }
    Ok(())
}

/// Whether a text matches a pattern with `*`.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            rest.is_empty() || text.char_indices().any(|(at, _)| fits(rest, &text[at..])) || fits(rest, "")
        }),
    }
}

#[test]
fn every_verb_is_pytorchs() {
    let (inputs, calls) = read();
    let mut text = String::new();
    for (at, (call, cases)) in calls.iter().enumerate() {
        let names = &["x", "y", "z"][..cases[0].inputs.split(' ').count()];
        let _ = writeln!(text, "fn c{at}({}) {{ {call} }}", names.join(", "));
    }
    let runtime = Runtime::default();
    let mut script = runtime.load("sweep", &text).unwrap();
    let (mut count, mut listed, mut used) = (0, 0, vec![0; REASONS.len()]);
    let mut wrong = Vec::new();
    for (at, (call, cases)) in calls.iter().enumerate() {
        for case in cases {
            count += 1;
            let run = |given| script.call_values(&format!("c{at}"), given).map_err(|fault| fault.message);
            let Err((part, what)) = ask(case, &inputs, run) else { continue };
            let reason = REASONS.iter().position(|(calls, names, parts, _)| {
                fits(calls, call) && fits(names, &case.inputs) && (*parts == "*" || *parts == part)
            });
            match reason {
                Some(reason) => {
                    used[reason] += 1;
                    listed += 1;
                }
                None => wrong.push(format!("{call} of {}: {part}: {what}", case.inputs)),
            }
        }
    }
    if let Ok(path) = std::env::var("LEVAIN_TEST_SWEEP") {
        std::fs::write(path, wrong.join("\n") + "\n").unwrap();
    }
    println!("{count} cases, {listed} listed");
    assert!(count >= 4000, "{count} cases");
    let shown: Vec<String> = wrong.iter().take(40).cloned().collect();
    assert!(wrong.is_empty(), "{} of {count} cases are not PyTorch's:\n{}", wrong.len(), shown.join("\n"));
    let unused: Vec<_> = REASONS.iter().zip(used).filter(|(_, used)| *used == 0).map(|(reason, _)| reason).collect();
    assert!(unused.is_empty(), "these differ no longer: {unused:?}");
    assert!(listed * 20 < count, "{listed} of {count} cases are listed");
}

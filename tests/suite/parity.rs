//! Every case of tiny random models compared with PyTorch: logits, gradients, four AdamW steps. Reads the cases from their files
//! alone; `LEVAIN_TEST_PARITY` names another folder of them.

use levain::Result;
use levain::format::Safetensors;
use levain::model::{Model, NewHead, Reduce, TokenRows, arch};
use levain::tensor::{Array, DType, Grads, Param, no_grad};
use levain::train::{Group, Optimizer, Rule};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LOGITS: f64 = 2e-5;
const GRADS: f64 = 1e-4;
const LOSSES: f64 = 1e-4;
const AFTER: f64 = 2e-4;
/// Below this a gradient is mathematically zero and numerically noise (softmax is invariant to a key bias).
const NOISE: f64 = 1e-6;

#[test]
fn parity() {
    let folder = std::env::var_os("LEVAIN_TEST_PARITY")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/parity")), PathBuf::from);
    let mut cases: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|case| case.join("expect.safetensors").exists())
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "{} holds no case", folder.display());
    let mut faults = Vec::new();
    for case in &cases {
        let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let expect = Safetensors::open(case.join("expect.safetensors")).unwrap();
        if let Some(class) = unsupported(case) {
            println!("{name}: skipped ({class})");
            continue;
        }
        let mut check = Check { name, expect, faults: Vec::new() };
        if let Err(error) = check.run(case) {
            check.fault(error.to_string());
        }
        faults.extend(check.faults);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The class of a case whose architecture or head is not supported.
fn unsupported(case: &Path) -> Option<String> {
    let text = std::fs::read_to_string(case.join("config.json")).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let class = json["architectures"][0].as_str().unwrap_or_default().to_string();
    (!arch::ALL.iter().any(|arch| arch.heads.iter().any(|(own, _)| *own == class))).then_some(class)
}

struct Check {
    name: String,
    expect: Safetensors,
    faults: Vec<String>,
}

/// The inputs of a case.
struct Batch {
    rows: usize,
    length: usize,
    ids: Vec<u32>,
    labels: Option<Vec<i64>>,
    targets: Option<Vec<f64>>,
    mask: Vec<u32>,
    token_types: Option<Vec<u32>>,
}

impl Batch {
    fn rows(&self) -> TokenRows<'_> {
        TokenRows {
            rows: self.rows,
            length: self.length,
            ids: &self.ids,
            labels: self.labels.as_deref(),
            targets: self.targets.as_deref(),
            segments: Some(&self.mask),
            token_types: self.token_types.as_deref(),
            ..TokenRows::default()
        }
    }
}

impl Check {
    fn run(&mut self, case: &Path) -> Result<()> {
        let batch = self.batch()?;
        let net = Model::open(case, DType::F32)?;
        self.outputs(&net, &batch)?;
        if self.expect.contains("logits_nsp") {
            let pairs = Model::open_with(case, DType::F32, Some(&NewHead::named("next_sentence", 0)))?;
            let logits = no_grad(|| pairs.forward(&batch.rows()))?.value();
            self.near("logits_nsp", &flat(&logits)?, &[])?;
        }
        let pairs = self.pairs(&batch)?;
        let batch = pairs.unwrap_or(batch);
        let loss = net.loss(&batch.rows(), Reduce::Mean, 0.0)?;
        let first = f64::from(loss.value().to_scalar::<f32>()?);
        self.close("loss", first, self.numbers("loss")?[0], LOSSES);
        let grads = loss.backward()?;
        let noisy = self.gradients(&grads, &net)?;
        if self.expect.contains("losses") {
            self.steps(&net, &batch, grads, &noisy)?;
        }
        println!("{}: {}", self.name, if self.faults.is_empty() { "fine" } else { "WRONG" });
        Ok(())
    }

    /// Compares the head's outputs for the inputs; for embeddings, the hidden states too.
    fn outputs(&mut self, net: &Model, batch: &Batch) -> Result<()> {
        let got = flat(&no_grad(|| net.forward(&batch.rows()))?.value())?;
        if self.expect.contains("logits") {
            return self.near("logits", &got, &batch.mask);
        }
        let width = net.config().hidden;
        let unit = |row: &[f64]| row.iter().map(|x| x / norm(row.iter().copied())).collect::<Vec<f64>>();
        let got: Vec<f64> = got.chunks(width).flat_map(unit).collect();
        self.near("embedding", &got, &[])?;
        let hidden = no_grad(|| net.hidden_states(&batch.rows()))?.value();
        self.near("hidden", &flat(&hidden)?, &batch.mask)
    }

    /// Compares outputs where the mask is 1, or outputs of whole rows.
    fn near(&mut self, name: &str, got: &[f64], mask: &[u32]) -> Result<()> {
        let want = self.numbers(name)?;
        let shape = self.expect.shape(name)?;
        let tokens = if shape.len() > 1 && shape[0] * shape[1] == mask.len() { mask.len() } else { 0 };
        if got.len() != want.len() {
            self.fault(format!("{name}: {} numbers instead of {}", got.len(), want.len()));
            return Ok(());
        }
        let seen = |at: usize| tokens == 0 || mask[at / (got.len() / tokens)] == 1;
        let worst = (0..got.len()).filter(|at| seen(*at)).map(|at| (got[at] - want[at]).abs()).fold(0.0, f64::max);
        println!("{}: {name} within {worst:.1e}", self.name);
        self.close(name, worst, 0.0, LOGITS);
        Ok(())
    }

    /// Anchors and positives in turn, if a case has them.
    fn pairs(&self, anchors: &Batch) -> Result<Option<Batch>> {
        if !self.expect.contains("positives") {
            return Ok(None);
        }
        let unsigned = |name: &str| -> Result<Vec<u32>> {
            Ok(self.expect.read(name)?.to_dtype(DType::U32)?.flatten_all()?.to_vec1()?)
        };
        let length = anchors.length;
        let (ids, mask) = (unsigned("positives")?, unsigned("positives_mask")?);
        // the first row is complete, and defines the types of all
        let whole = &anchors.token_types.as_deref().unwrap_or_default()[..length];
        let types: Vec<u32> =
            mask.chunks(length).flat_map(|row| row.iter().zip(whole).map(|(seen, kind)| seen * kind)).collect();
        let both = |a: &[u32], b: &[u32]| -> Vec<u32> {
            a.chunks(length).zip(b.chunks(length)).flat_map(|(a, b)| [a, b].concat()).collect()
        };
        Ok(Some(Batch {
            rows: 2 * anchors.rows,
            length,
            ids: both(&anchors.ids, &ids),
            labels: None,
            targets: None,
            mask: both(&anchors.mask, &mask),
            token_types: anchors.token_types.as_ref().map(|own| both(own, &types)),
        }))
    }

    /// The name of the weight in a file: a base has no prefix.
    fn name_of(&self, label: &str) -> String {
        let is_there =
            |name: &str| ["grad", "after"].iter().any(|kind| self.expect.contains(&format!("{kind}.{name}")));
        match label.split_once('.') {
            Some((_, bare)) if !is_there(label) && is_there(bare) => bare.into(),
            _ => label.into(),
        }
    }

    /// Compares every gradient, and reports the elements that are noise.
    fn gradients(&mut self, grads: &Grads, net: &Model) -> Result<Vec<(Arc<Param>, Vec<bool>)>> {
        let wanted: Vec<String> =
            self.expect.names().iter().filter_map(|name| name.strip_prefix("grad.").map(String::from)).collect();
        let params: Vec<Arc<Param>> = net.parameters().iter().filter_map(|param| param.as_param().cloned()).collect();
        let names: Vec<String> = params.iter().map(|param| self.name_of(&param.label())).collect();
        if names.iter().any(|name| !wanted.contains(name)) || names.len() != wanted.len() {
            self.fault(format!("learns {names:?} instead of {wanted:?}"));
        }
        let (mut worst, mut noisy) = (0.0_f64, Vec::new());
        for param in params {
            let name = self.name_of(&param.label());
            if !self.expect.contains(&format!("grad.{name}")) {
                continue;
            }
            let want = self.numbers(&format!("grad.{name}"))?;
            let Some(got) = grads.get(&param)? else {
                self.fault(format!("no gradient of {}", param.label()));
                continue;
            };
            let got = flat(&got)?;
            let difference = norm(got.iter().zip(&want).map(|(got, want)| got - want));
            let size = norm(want.iter().copied());
            let (error, limit) = if size < NOISE { (difference, NOISE) } else { (difference / size, GRADS) };
            if size >= NOISE {
                worst = worst.max(error);
            }
            self.close(&format!("gradient of {}", param.label()), error, 0.0, limit);
            // an exact 0 is an embedding row that was not looked up, but in a bias it may be noise that cancelled to 0
            let bias = param.value().rank() == 1;
            noisy.push((param, want.iter().map(|want| want.abs() < NOISE && (bias || *want != 0.0)).collect()));
        }
        println!("{}: gradients within {worst:.1e}", self.name);
        Ok(noisy)
    }

    fn steps(&mut self, net: &Model, batch: &Batch, first: Grads, noisy: &[(Arc<Param>, Vec<bool>)]) -> Result<()> {
        let params = noisy.iter().map(|(param, _)| param.clone()).collect();
        let rule = Rule::AdamW { betas: (0.9, 0.95), eps: 1e-8 };
        let group = Group { params, lr: 1e-2, weight_decay: 0.1 };
        let optimizer = Optimizer::new(rule, 1e-2, vec![group], false)?;
        optimizer.step(first.clip(1.0)?)?;
        let mut worst = 0.0_f64;
        let losses = self.numbers("losses")?;
        for (step, want) in losses.into_iter().enumerate().skip(1) {
            let loss = net.loss(&batch.rows(), Reduce::Mean, 0.0)?;
            let got = f64::from(loss.value().to_scalar::<f32>()?);
            worst = worst.max((got - want).abs());
            self.close(&format!("loss of step {}", step + 1), got, want, LOSSES);
            optimizer.step(loss.backward()?.clip(1.0)?)?;
        }
        let mut after = 0.0_f64;
        for (param, noise) in noisy {
            let want = self.numbers(&format!("after.{}", self.name_of(&param.label())))?;
            let got = flat(&param.value())?;
            let far = |at: usize| if noise[at] { 0.0 } else { (got[at] - want[at]).abs() };
            let error = (0..got.len()).map(far).fold(0.0, f64::max);
            after = after.max(error);
            self.close(&format!("{} after the steps", param.label()), error, 0.0, AFTER);
        }
        println!("{}: losses within {worst:.1e}, weights within {after:.1e}", self.name);
        Ok(())
    }

    fn batch(&self) -> Result<Batch> {
        let shape = self.expect.shape("input_ids")?.to_vec();
        let whole = |name: &str| -> Result<Vec<i64>> { Ok(self.expect.read(name)?.flatten_all()?.to_vec1()?) };
        let unsigned = |name: &str| -> Result<Vec<u32>> { Ok(whole(name)?.into_iter().map(|id| id as u32).collect()) };
        let of_tokens = self.expect.contains("labels") && self.expect.shape("labels")? == shape;
        let numbers = |name: &str| self.expect.contains(name).then(|| self.numbers(name)).transpose();
        let pair = numbers("next_sentence_label")?;
        Ok(Batch {
            rows: shape[0],
            length: shape[1],
            ids: unsigned("input_ids")?,
            labels: if of_tokens { Some(whole("labels")?) } else { None },
            targets: if of_tokens { pair } else { numbers("labels")? },
            mask: unsigned("attention_mask")?,
            token_types: match self.expect.contains("token_type_ids") {
                true => Some(unsigned("token_type_ids")?),
                false => None,
            },
        })
    }

    fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        flat(&self.expect.read(name)?)
    }

    fn close(&mut self, what: &str, got: f64, want: f64, limit: f64) {
        if (got - want).abs().partial_cmp(&limit).is_none_or(|order| order.is_gt()) {
            self.fault(format!("{what}: {got:e} instead of {want:e}, more than {limit:e} off"));
        }
    }

    fn fault(&mut self, what: String) {
        self.faults.push(format!("{}: {what}", self.name));
    }
}

fn flat(array: &Array) -> Result<Vec<f64>> {
    Ok(array.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

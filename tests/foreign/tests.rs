//! What computes on another device than the CPU, tried on a foreign one (`run` beside this file says what that is): the same numbers
//! as on the CPU, and what crosses between the two.

use candle_core::cuda::{Crossed, crossed};
use levain::model::{Lora, Model, Reduce, TokenRows};
use levain::tensor::{Array, DType, Device, Param, Tensor, no_grad, ops, rng};
use levain::train::{Checkpoint, Group, Optimizer, Rule};
use levain::{Result, kernel};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

// every architecture beside PyTorch: outputs, gradients and steps, there by LEVAIN_DEVICE
#[path = "../suite/parity.rs"]
mod parity;

/// One test at a time: the run's random numbers are for all threads.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn there() -> Device {
    kernel::device("test", "cuda").unwrap().unwrap()
}

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parity").join(name)
}

fn open(name: &str, device: &Device) -> Model {
    let net = Model::open(&case(name), DType::F32).unwrap();
    net.move_to(device).unwrap();
    net
}

fn numbers(x: &Array) -> Vec<f32> {
    x.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn near(what: &str, got: &[f32], want: &[f32], limit: f32) {
    assert_eq!(got.len(), want.len(), "{what}");
    let worst = got.iter().zip(want).map(|(got, want)| (got - want).abs()).fold(0.0, f32::max);
    assert!(worst <= limit, "{what}: {worst:e} off, more than {limit:e}");
}

/// Two rows of tokens, the second of two segments and with padding.
struct Rows {
    ids: Vec<u32>,
    labels: Vec<i64>,
    segments: Vec<u32>,
}

const LENGTH: usize = 24;

impl Rows {
    fn new(masked: bool) -> Rows {
        let ids: Vec<u32> = (0..2 * LENGTH as u32).map(|at| 5 + at * 7 % 90).collect();
        let is_masked = |at: usize| !masked || at.is_multiple_of(3);
        let labels = ids.iter().enumerate().map(|(at, id)| if is_masked(at) { i64::from(*id) } else { -100 }).collect();
        let segments = (0..2 * LENGTH).map(|at| match at {
            at if at < LENGTH => 1,
            at if at < LENGTH + 10 => 1,
            at if at < 2 * LENGTH - 3 => 2,
            _ => 0,
        });
        Rows { ids, labels, segments: segments.collect() }
    }

    fn rows(&self) -> TokenRows<'_> {
        TokenRows {
            rows: 2,
            length: LENGTH,
            ids: &self.ids,
            labels: Some(&self.labels),
            segments: Some(&self.segments),
            ..TokenRows::default()
        }
    }
}

fn params(net: &Model) -> Vec<Arc<Param>> {
    net.parameters().iter().filter_map(|tensor| tensor.as_param().cloned()).collect()
}

fn adamw(net: &Model) -> Optimizer {
    let rule = Rule::AdamW { betas: (0.9, 0.95), eps: 1e-8 };
    Optimizer::new(rule, 1e-2, vec![Group { params: params(net), lr: 1e-2, weight_decay: 0.1 }], false).unwrap()
}

/// A step of training, and its loss.
fn step(net: &Model, optimizer: &Optimizer, rows: &Rows) -> f64 {
    let loss = net.loss(&rows.rows(), Reduce::Mean, 0.1).unwrap();
    optimizer.step(loss.backward().unwrap().clip(1.0).unwrap()).unwrap();
    kernel::scalar(&loss.value()).unwrap()
}

/// Trains a model here and there: losses and weights have to be alike, and a step moves ids in and two numbers out.
fn trains(name: &str, masked: bool, change: impl Fn(&Model)) -> Crossed {
    let (here, other) = (open(name, &Device::Cpu), open(name, &there()));
    change(&here);
    change(&other);
    let rows = Rows::new(masked);
    let (own, its) = (adamw(&here), adamw(&other));
    let mut last = Crossed::default();
    for at in 0..4 {
        rng::seed(at);
        let want = step(&here, &own, &rows);
        rng::seed(at);
        crossed();
        let got = step(&other, &its, &rows);
        last = crossed();
        assert!((got - want).abs() < 2e-5, "{name}: loss {got} instead of {want} in step {at}");
    }
    for (here, other) in params(&here).iter().zip(params(&other)) {
        assert!(other.value().device().is_cuda(), "{} came back", other.label());
        // softmax does not see it: its gradient is noise, which AdamW makes as large as any
        if other.label().ends_with("key.bias") {
            continue;
        }
        let (got, want) = (numbers(&other.value()), numbers(&here.value()));
        let squares = got.iter().zip(&want).map(|(got, want)| f64::from(got - want).powi(2)).sum::<f64>();
        let off = (squares / got.len() as f64).sqrt();
        assert!(off < 1e-4, "{}: {off:e} off on average, after steps of 1e-2", other.label());
    }
    println!("{name}: {last:?}");
    // the loss and the norm of the gradients
    assert!(last.off <= 16 && last.largest_off <= 8, "{name}: {last:?}");
    // ids, labels, positions, segments, bounds of attention: never more than one word for each token
    assert!(last.largest_onto <= 8 * 2 * LENGTH, "{name}: {last:?}");
    last
}

#[test]
fn llama_trains_there() {
    let _alone = alone();
    trains("llama", false, |_| {});
    trains("llama-tied", false, |_| {});
}

#[test]
fn lora_trains_there() {
    let _alone = alone();
    let lora = Lora { rank: 4, layers: vec!["all-linear".into()], seed: 3, ..Lora::default() };
    for lora in [lora.clone(), Lora { dora: true, ..lora }] {
        trains("llama", false, |net| {
            net.attach_lora(&lora).unwrap();
        });
    }
}

#[test]
fn new_rows_train_there() {
    let _alone = alone();
    trains("llama", false, |net| {
        net.resize_embeddings(170, false).unwrap();
        net.train_only(&levain::model::parts("test", &["new_embeddings"]).unwrap(), Some(60)).unwrap();
    });
}

#[test]
fn encoders_train_there() {
    let _alone = alone();
    trains("bert-mlm", true, |_| {});
    trains("modernbert-mlm", true, |_| {});
}

#[test]
fn recomputed_layers_train_there() {
    let _alone = alone();
    trains("qwen3", false, |net| net.set_recompute(true));
}

#[test]
fn likelihoods_are_those_of_the_cpu() {
    let _alone = alone();
    let rows = Rows::new(false);
    for name in ["llama", "gpt2", "gemma2", "mistral"] {
        let (here, other) = (open(name, &Device::Cpu), open(name, &there()));
        let (want, got) = (here.nats(&rows.rows()).unwrap(), other.nats(&rows.rows()).unwrap());
        assert!((want - got).abs() < 1e-5 * want, "{name}: {got} instead of {want}");
        let logits = |net: &Model| numbers(&no_grad(|| net.forward(&rows.rows())).unwrap().value());
        near(name, &logits(&other), &logits(&here), 5e-5);
    }
}

/// Writes greedily: what was read stays there, and logits of one token come back at a time.
#[test]
fn generation_keeps_its_cache_there() {
    use levain::model::{Session, SessionPlan};
    let _alone = alone();
    let write = |net: &Model| -> (Vec<u32>, Vec<usize>) {
        let mut session = Session::new(net, SessionPlan { read_at_once: 64, prefix_bytes: 1 << 20 }).unwrap();
        let (mut all, mut sizes) = (Vec::new(), Vec::new());
        // the second begins as the first: what is known of it is not read again
        for prompt in [(5..40).collect::<Vec<u32>>(), (5..45).collect()] {
            let line = session.join(&prompt).unwrap();
            for _ in 0..12 {
                crossed();
                session.step().unwrap();
                let (logits, _) = session.logits(line).unwrap();
                let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap();
                sizes.push(crossed().largest_onto);
                session.push(line, best as u32).unwrap();
            }
            all.extend(session.leave(line));
        }
        (all, sizes)
    };
    for name in ["llama", "gemma2"] {
        let (want, _) = write(&open(name, &Device::Cpu));
        let (got, sizes) = write(&open(name, &there()));
        assert_eq!(got, want, "{name}");
        println!("{name}: {sizes:?}");
        assert!(sizes[1..12].iter().all(|size| *size <= 64 * 4), "{name}: {sizes:?}");
    }
}

#[test]
fn checkpoints_open_onto_any_device() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let rows = Rows::new(false);
    let run = |device: &Device, from: Option<&Checkpoint>, steps: usize, to: Option<&Checkpoint>| {
        let net = open("llama", device);
        let optimizer = adamw(&net);
        if let Some(from) = from {
            from.load(&optimizer.params(), &optimizer).unwrap();
        }
        let losses: Vec<f64> = (0..steps).map(|_| step(&net, &optimizer, &rows)).collect();
        if let Some(to) = to {
            to.save(optimizer.steps(), &optimizer.params(), &optimizer, serde_json::json!({})).unwrap();
        }
        (losses, params(&net).iter().map(|param| numbers(&param.value())).collect::<Vec<_>>())
    };
    let unbroken = run(&there(), None, 6, None);
    let on_cpu = run(&Device::Cpu, None, 6, None);
    for (first, second) in [(there(), there()), (Device::Cpu, there()), (there(), Device::Cpu)] {
        for to in [Checkpoint::at(folder.path().join(format!("{first:?}{second:?}"))), Checkpoint::in_memory()] {
            run(&first, None, 3, Some(&to));
            let (losses, weights) = run(&second, Some(&to), 3, None);
            if first.is_cuda() && second.is_cuda() {
                assert_eq!((&losses[..], &weights), (&unbroken.0[3..], &unbroken.1), "not the same bits");
            }
            for (loss, want) in losses.iter().zip(&on_cpu.0[3..]) {
                assert!((loss - want).abs() < 5e-5, "{first:?} to {second:?}: {loss} instead of {want}");
            }
        }
    }
}

#[test]
fn models_move_with_their_optimizer() {
    let _alone = alone();
    let (net, rows) = (open("llama", &Device::Cpu), Rows::new(false));
    let want = open("llama", &Device::Cpu);
    let (optimizer, its) = (adamw(&net), adamw(&want));
    for device in [Device::Cpu, there(), Device::Cpu] {
        net.move_to(&device).unwrap();
        for _ in 0..2 {
            let (got, want) = (step(&net, &optimizer, &rows), step(&want, &its, &rows));
            assert!((got - want).abs() < 2e-5, "{got} instead of {want}");
        }
    }
    let sgd = |net: &Model| {
        let rule = Rule::Sgd { momentum: 0.9, nesterov: true };
        let group = Group { params: params(net), lr: 0.1, weight_decay: 0.01 };
        Optimizer::new(rule, 0.1, vec![group], false).unwrap()
    };
    net.move_to(&there()).unwrap();
    let (optimizer, its) = (sgd(&net), sgd(&want));
    for _ in 0..3 {
        let (got, want) = (step(&net, &optimizer, &rows), step(&want, &its, &rows));
        assert!((got - want).abs() < 5e-5, "{got} instead of {want}");
    }
}

#[test]
fn saved_models_are_those_of_the_cpu() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let lora = Lora { rank: 2, layers: vec!["q_proj".into(), "down_proj".into()], seed: 1, ..Lora::default() };
    let written = |device: &Device| {
        let net = open("llama", device);
        net.attach_lora(&lora).unwrap();
        net.resize_embeddings(165, false).unwrap();
        net.set_embedding_rows(
            levain::model::Embeddings::Input,
            &[3, 7],
            &Array::ones((2, 48), DType::F32, device).unwrap(),
        )
        .unwrap();
        let path = folder.path().join(kernel::device_name(device));
        net.save(&path, levain::model::Saving::default()).unwrap();
        std::fs::read(path.join("model.safetensors")).unwrap()
    };
    assert!(written(&there()) == written(&Device::Cpu));
}

fn told<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => format!("{error}"),
    }
}

#[test]
fn what_cannot_be_there_is_told() {
    let _alone = alone();
    let here = Tensor::from(Array::ones(3, DType::F32, &Device::Cpu).unwrap());
    let other = ops::to_device(&here, &there()).unwrap();
    let both = told(ops::add(&here, &other));
    assert!(both.contains("one tensor is on another device than the other"), "{both}");
    // nobody reads in place: the only way to the numbers is a copy
    let read = told(kernel::add_to(&mut [0.0; 3], &other.value()));
    assert!(read.contains("the numbers are not in this computer's memory"), "{read}");
    let config =
        serde_json::json!({ "model_type": "llama", "vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 1 });
    let net = Model::new(config.as_object().unwrap().clone(), None, 1, DType::F32).unwrap();
    assert!(net.device().is_cuda(), "LEVAIN_DEVICE");
    net.move_to(&Device::Cpu).unwrap();
    net.quantize("test", "q8_0", None).unwrap();
    let moved = told(net.move_to(&there()));
    assert!(moved.contains("quantized weights stay on the CPU"), "{moved}");
    let net = open("llama", &there());
    let optimizer = adamw(&net);
    optimizer.keep_half().unwrap();
    let loss = net.loss(&Rows::new(false).rows(), Reduce::Mean, 0.0).unwrap();
    let half = told(optimizer.step(loss.backward().unwrap()));
    assert!(half.contains("kept in f32, not bf16"), "{half}");
    let missing: Option<Result<Device>> = kernel::device("model", "cuda:1");
    assert!(told(missing.unwrap()).contains("`cuda:1` can't be opened"), "another device");
}

/// The script that a user writes.
#[test]
fn a_script_trains_there() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
let tok = tokenizer(["to be or not to be"], #{ vocab_size: 270 });
let rows = [];
for n in 0..40 { rows.push(`row ${n} of some text that is learned, with ${n * n} words in it`); }
let data = dataset(rows).split(0.8);
let losses = [];
for device in ["cpu", "cuda"] {
    let net = model(#{ model_type: "llama", vocab_size: tok.len(), hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4 }, #{ seed: 1, device: device });
    assert::eq(net.device, device);
    let log = train::run(net, data.train.encode(tok), data.test.encode(tok), #{
        steps: 12, batch_size: 4, grad_accum: 2, lr: 1e-3, seed: 3, eval_every: 6, save_every: 5, out: `out-${device}`, quiet: true
    });
    losses.push(log.best);
    net.save(`saved-${device}`);
    assert::eq(model(`saved-${device}`, #{ device: "cuda" }).device, "cuda");
    let text = net.generate(tok, "row 1", #{ max_new_tokens: 4 });
    losses.push(text);
    let x = param(tensor([1.0, 2.0]).to(device));
    losses.push((x * x + 1.0).sum().backward()[x].to("cpu").to_list());
}
print(losses);
assert::close(losses[0], losses[3], 1e-3);
assert::eq(losses[1], losses[4]);
assert::eq(losses[2], losses[5]);
"#;
    std::fs::write(folder.path().join("a.rhai"), script).unwrap();
    let told = std::process::Command::new(env!("CARGO_BIN_EXE_levain"))
        .args(["run", "a.rhai"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(
        told.status.success(),
        "{}{}",
        String::from_utf8_lossy(&told.stdout),
        String::from_utf8_lossy(&told.stderr)
    );
}

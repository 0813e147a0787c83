//! Properties of optimizers, records and checkpoints that scripts can't observe.

use levain::tensor::{Array, Device, Param, Rng, Tensor, rng};
use levain::train::{Checkpoint, Group, Optimizer, Record, Rule};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

const ADAMW: Rule = Rule::AdamW { betas: (0.9, 0.999), eps: 1e-8 };

fn weight(numbers: &[f32], name: &str) -> Tensor {
    Tensor::param(Array::from_slice(numbers, numbers.len(), &Device::Cpu).unwrap(), Some(name))
}

fn param(tensor: &Tensor) -> Arc<Param> {
    tensor.as_param().unwrap().clone()
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.value().to_vec1().unwrap()
}

fn optimizer(rule: Rule, lr: f64, weight_decay: f64, weights: &[&Tensor]) -> Optimizer {
    let params = weights.iter().map(|weight| param(weight)).collect();
    Optimizer::new(rule, lr, vec![Group { params, lr, weight_decay }], false).unwrap()
}

/// One step on the loss sum(grad * weight).
fn step(optimizer: &Optimizer, weights: &[(&Tensor, &[f32])]) -> levain::Result<()> {
    let mut grads = levain::tensor::Grads::default();
    for (weight, grad) in weights {
        let grad = Array::from_slice(grad, grad.len(), &Device::Cpu).unwrap();
        grads = grads.plus(&weight.backward_with(grad).unwrap()).unwrap();
    }
    optimizer.step(grads)
}

#[test]
fn adamw_is_pytorchs() {
    let w = weight(&[1.0, -2.0], "w");
    let opt = optimizer(ADAMW, 0.1, 0.01, &[&w]);
    let (mut p, mut m, mut v) = ([1.0f64, -2.0], [0.0; 2], [0.0; 2]);
    for (t, grad) in [[0.5f32, -1.0], [0.25, 2.0], [-1.5, 0.0], [1.0, 1.0]].iter().enumerate() {
        step(&opt, &[(&w, grad)]).unwrap();
        for i in 0..2 {
            let g = f64::from(grad[i]);
            p[i] *= 1.0 - 0.1 * 0.01;
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.999 * v[i] + 0.001 * g * g;
            let correct = |beta: f64| 1.0 - beta.powi(t as i32 + 1);
            p[i] -= 0.1 / correct(0.9) * m[i] / (v[i].sqrt() / correct(0.999).sqrt() + 1e-8);
        }
    }
    for (ours, theirs) in numbers(&w).iter().zip(p) {
        assert!((f64::from(*ours) - theirs).abs() < 1e-6, "{ours} {theirs}");
    }
}

#[test]
fn sgd_keeps_its_momentum() {
    let w = weight(&[1.0], "w");
    let opt = optimizer(Rule::Sgd { momentum: 0.5, nesterov: false }, 0.1, 0.0, &[&w]);
    for _ in 0..2 {
        step(&opt, &[(&w, &[1.0])]).unwrap();
    }
    assert!((numbers(&w)[0] - (1.0 - 0.1 - 0.15)).abs() < 1e-7);
}

#[test]
fn nothing_moves_when_a_gradient_is_wrong() {
    let (a, b) = (weight(&[1.0], "a"), weight(&[1.0], "b"));
    let opt = optimizer(ADAMW, 0.1, 0.0, &[&a, &b]);
    let told = |result: levain::Result<()>| result.unwrap_err().what().to_string();
    assert_eq!(told(step(&opt, &[(&a, &[1.0]), (&b, &[f32::NAN])])), "step 1: the gradient of b is not finite");
    assert_eq!(told(step(&opt, &[(&a, &[1.0])])), "step 1: the loss does not depend on b");
    assert_eq!((numbers(&a), opt.steps()), (vec![1.0], 0));
    let again = vec![Group { params: vec![param(&a), param(&a)], lr: 0.1, weight_decay: 0.0 }];
    assert!(Optimizer::new(ADAMW, 0.1, again, false).is_err_and(|error| error.what() == "a is given twice"));
}

#[test]
fn groups_keep_their_ratio() {
    let (a, b) = (weight(&[1.0], "a"), weight(&[1.0], "b"));
    let group = |weight, lr| Group { params: vec![param(weight)], lr, weight_decay: 0.0 };
    let rule = Rule::Sgd { momentum: 0.0, nesterov: false };
    let opt = Optimizer::new(rule, 0.1, vec![group(&a, 0.1), group(&b, 0.01)], false).unwrap();
    opt.set_lr(0.5).unwrap();
    step(&opt, &[(&a, &[1.0]), (&b, &[1.0])]).unwrap();
    assert_eq!((numbers(&a), numbers(&b)), (vec![0.5], vec![0.95]));
}

/// A run of the given number of noisy steps, with the run's random numbers.
fn run(opt: &Optimizer, w: &Tensor, steps: usize) {
    for _ in 0..steps {
        let grad: Vec<f32> = rng::with_run(|rng| (0..2).map(|_| rng.normal() as f32).collect());
        step(opt, &[(w, &grad)]).unwrap();
    }
}

#[test]
fn a_checkpoint_goes_on_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    for point in [Checkpoint::at(folder.path().join("deep/point")), Checkpoint::in_memory()] {
        rng::seed(7);
        let w = weight(&[1.0, 2.0], "w");
        let opt = optimizer(ADAMW, 0.1, 0.01, &[&w]);
        run(&opt, &w, 3);
        point.save(3, &opt.params(), &opt, json!({ "best": 0.5 })).unwrap();
        run(&opt, &w, 3);
        let unbroken = numbers(&w);

        rng::seed(99);
        let w = weight(&[0.0, 0.0], "w");
        let opt = optimizer(ADAMW, 0.7, 0.01, &[&w]);
        assert_eq!(point.load(&opt.params(), &opt).unwrap(), (3, json!({ "best": 0.5 })));
        assert_eq!((opt.lr(), opt.steps()), (0.1, 3));
        run(&opt, &w, 3);
        assert_eq!(numbers(&w), unbroken);
    }
}

#[test]
fn a_kill_leaves_the_last_whole_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("point");
    let at = |ending: &str| folder.path().join(format!("point.{ending}"));
    let w = weight(&[1.0], "w");
    let opt = optimizer(ADAMW, 0.1, 0.0, &[&w]);
    let point = Checkpoint::at(&path);
    let save = |step| point.save(step, &opt.params(), &opt, json!({})).unwrap();
    let steps = || point.load(&opt.params(), &opt).unwrap().0;
    save(1);

    // while the next one was written
    std::fs::create_dir(at("new")).unwrap();
    std::fs::write(at("new").join("weights.safetensors"), b"half").unwrap();
    assert_eq!(steps(), 1);
    save(2);
    assert_eq!(steps(), 2);
    // between the two renames
    std::fs::rename(&path, at("old")).unwrap();
    assert!(point.exists().unwrap());
    assert_eq!(steps(), 2);
    save(3);
    assert_eq!(steps(), 3);
    assert!(!at("old").exists() && !at("new").exists());
    point.remove().unwrap();
    assert!(!point.exists().unwrap());
}

#[test]
fn a_checkpoint_that_does_not_fit_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("point");
    let point = Checkpoint::at(&path);
    let saved = weight(&[1.0, 2.0], "w");
    let opt = optimizer(ADAMW, 0.1, 0.0, &[&saved]);
    step(&opt, &[(&saved, &[1.0, 1.0])]).unwrap();
    point.save(1, &opt.params(), &opt, json!({})).unwrap();

    let load = |weight: &Tensor, rule| {
        let opt = optimizer(rule, 0.1, 0.0, &[weight]);
        point.load(&opt.params(), &opt).unwrap_err().what().to_string()
    };
    assert!(load(&weight(&[0.0], "w"), ADAMW).contains("`w` has shape [2], the model [1]"));
    assert!(load(&weight(&[0.0, 0.0], "v"), ADAMW).contains("no weight `v`"));
    let w = weight(&[0.0, 0.0], "w");
    assert!(load(&w, Rule::Sgd { momentum: 0.0, nesterov: false }).contains("is of `adamw`, this optimizer is `sgd`"));
    let weights = path.join("weights.safetensors");
    let whole = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &whole[..whole.len() - 3]).unwrap();
    assert!(load(&w, ADAMW).contains("cut off"));
    std::fs::write(path.join("state.json"), b"{").unwrap();
    assert!(load(&w, ADAMW).contains("state.json is damaged"));
    assert_eq!(numbers(&w), [0.0, 0.0]);
}

#[test]
fn a_save_that_fails_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let w = weight(&[1.0], "w");
    let opt = optimizer(ADAMW, 0.1, 0.0, &[&w]);
    // a folder that is not a checkpoint is not replaced
    std::fs::write(folder.path().join("thesis.txt"), b"years of work").unwrap();
    let save = |path: &Path| Checkpoint::at(path).save(1, &opt.params(), &opt, json!({})).unwrap_err();
    assert!(save(folder.path()).what().contains("is not a checkpoint"));
    assert!(folder.path().join("thesis.txt").exists());
    assert!(save(Path::new("/dev/null/point")).what().starts_with("/dev/null/point"));
}

#[test]
fn a_record_drops_what_came_after_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/log.jsonl");
    let row = |step: u64| json!({ "step": step, "loss": 1.0 / step as f64 }).as_object().unwrap().clone();
    let log = Record::create(&path);
    assert!(!path.exists());
    (1..=4).for_each(|step| log.add(row(step)).unwrap());
    let whole = std::fs::read_to_string(&path).unwrap();
    // a kill truncated the last line
    std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
    assert_eq!(Record::reopen(&path, 9).unwrap().len(), 3);
    let log = Record::reopen(&path, 2).unwrap();
    (3..=4).for_each(|step| log.add(row(step)).unwrap());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);

    std::fs::write(&path, "{\"step\": 1}\nnonsense\n{\"step\": 2}\n").unwrap();
    let told = Record::reopen(&path, 9).err().unwrap();
    assert!(told.what().contains("log.jsonl:2: not a JSON object"), "{told}");
}

#[test]
fn a_full_disk_is_told() {
    if Path::new("/dev/full").exists() {
        let told = Record::create("/dev/full").add(serde_json::Map::new()).unwrap_err();
        assert_eq!(told.what(), "/dev/full: No space left on device");
    }
}

#[test]
fn the_bootstrap_holds_the_mean() {
    let mut rng = Rng::new(1);
    let mut held = 0;
    for trial in 0..200 {
        let values: Vec<f64> = (0..40).map(|_| rng.normal()).collect();
        let found = levain::measure::bootstrap(&values, 400, 0.9, trial, levain::measure::Method::Percentile).unwrap();
        held += i32::from(found.low <= 0.0 && 0.0 <= found.high);
    }
    assert!((165..=192).contains(&held), "{held} of 200");
}

/// The payloads of an event file, whose framing is checked against its lengths.
fn events(path: &std::path::Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    let (mut at, mut found) = (0, Vec::new());
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        found.push(bytes[at + 12..at + 12 + length].to_vec());
        at += length + 16;
    }
    assert_eq!(at, bytes.len());
    found
}

#[test]
fn an_event_file_for_tensorboard_grows_with_the_record_and_is_cut_with_it() {
    use levain::train::Record;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let row =
        |step: u64| serde_json::from_value(serde_json::json!({ "step": step, "loss": 0.5, "note": "x" })).unwrap();
    let log = Record::create(&path).with_events().unwrap();
    (1..=3).for_each(|step| log.add(row(step)).unwrap());
    let file = folder.path().join("events.out.tfevents.0.log");
    // the start of every such file: 24 bytes, and the masked sum of that length
    assert_eq!(std::fs::read(&file).unwrap()[..12], [0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22]);
    let all = events(&file);
    assert!(all.len() == 4 && all[0].ends_with(b"brain.Event:2"));
    // wall_time, then step 3, and a summary with one value: the text is none
    assert_eq!(all[3][9..], [&[0x10, 3, 0x2a, 13, 0x0a, 11, 0x0a, 4][..], b"loss", &[0x15, 0, 0, 0, 0x3f]].concat());
    drop(log);
    let log = Record::reopen(&path, 2).unwrap().with_events().unwrap();
    assert_eq!(events(&file), all[..3]);
    log.add(row(7)).unwrap();
    assert_eq!(events(&file).len(), 4);
}

//! Layers of networks written in scripts: kernels compared with the same operations, and every case of `nn/` with PyTorch.

use super::kernel::{EXACT, agree, differences, numbers, random};
use super::scores::folder;
use levain::Result;
use levain::format::Safetensors;
use levain::tensor::layers::{self, Cell, ConvWindow, Direction, Padding, Recurrent, States};
use levain::tensor::nn::Precision;
use levain::tensor::{Rng, Tensor, nn, ops};
use std::process::Command;

/// A layer with weights, biases and initial states, 0 where missing, in one direction.
pub fn recurrent(cell: Cell, x: &[Tensor], segments: Option<&[u32]>, precision: Precision) -> Result<States> {
    let direction = Direction {
        weight_ih: x[1].clone(),
        weight_hh: x[2].clone(),
        bias_ih: x.get(3).cloned(),
        bias_hh: x.get(4).cloned(),
    };
    let layer = Recurrent {
        who: "test",
        cell,
        layers: vec![vec![direction]],
        h_0: x.get(5).cloned(),
        c_0: x.get(6).cloned(),
        dropout: 0.0,
        precision,
    };
    layer.run(&x[0], segments, &mut Rng::new(0))
}

/// All outputs of a layer, in one row.
fn all(states: States) -> Tensor {
    let flat = |x: &Tensor| ops::reshape(x, &[-1]).unwrap();
    let mut parts = vec![flat(&states.output), flat(&states.h_n)];
    parts.extend(states.c_n.iter().map(flat));
    ops::cat(&parts, 0).unwrap()
}

const CELLS: [(Cell, usize); 4] = [(Cell::Gru, 3), (Cell::Lstm, 4), (Cell::Tanh, 1), (Cell::Relu, 1)];

/// Segments of three kinds: full rows, rows that end early, and several sequences in a row.
fn rows(rows: usize, length: usize) -> [Option<Vec<u32>>; 3] {
    let ends = |at: usize| u32::from(at % length < 1 + (at / length * 7 + 3) % length);
    let packed = |at: usize| 1 + (at % length * 3 / length) as u32;
    let place = 0..rows * length;
    [None, Some(place.clone().map(ends).collect()), Some(place.map(packed).collect())]
}

#[test]
fn recurrent_layers() {
    for [batch, length, input, width] in [[1, 1, 3, 2], [3, 7, 5, 6], [30, 9, 20, 40], [13, 5, 8, 300]] {
        for (cell, gates) in CELLS {
            for segments in rows(batch, length) {
                let sequences = segments.as_ref().map_or(batch, |ids| {
                    let starts = |at: &usize| ids[*at] != 0 && (at.is_multiple_of(length) || ids[at - 1] != ids[*at]);
                    (0..batch * length).filter(starts).count()
                });
                let wide = gates * width;
                let (x, state) = ([batch, length, input], [1, sequences, width]);
                let shapes: [&[usize]; 7] = [&x, &[wide, input], &[wide, width], &[wide], &[wide], &state, &state];
                let count = if cell == Cell::Lstm { 7 } else { 6 };
                agree(&shapes[..count], 2e-5, &|p| {
                    // weights for which the state persists
                    let scale = 1.0 / (width as f64).sqrt();
                    let mut p = p.to_vec();
                    p[2] = ops::multiply(&p[2], scale).unwrap();
                    all(recurrent(cell, &p, segments.as_deref(), Precision::F32).unwrap())
                });
            }
        }
    }
}

/// Kernels by finite differences; recorded for the test that all operations are checked.
pub fn by_differences() {
    for (cell, gates) in CELLS.into_iter().take(3) {
        let wide = gates * 2;
        let shapes: [&[usize]; 7] = [&[2, 3, 2], &[wide, 2], &[wide, 2], &[wide], &[wide], &[1, 3, 2], &[1, 3, 2]];
        differences(&shapes[..if cell == Cell::Lstm { 7 } else { 6 }], &|p| {
            all(recurrent(cell, p, Some(&[1, 1, 2, 1, 1, 0]), Precision::F32).unwrap())
        });
    }
    differences(&[&[2, 2, 5], &[3, 2, 3], &[3]], &|p| {
        layers::conv1d(&p[0], &p[1], Some(&p[2]), window(2, Padding::Zeros([0, 1]), 1, 1)).unwrap()
    });
    differences(&[&[3, 2, 4], &[2], &[2]], &|p| layers::batch_norm(&p[0], &p[1], &p[2], 1e-5).unwrap().0);
    differences(&[&[2, 4, 3], &[4], &[4]], &|p| layers::group_norm(&p[0], 2, &p[1], &p[2], 1e-5).unwrap());
}

#[test]
fn kernels_by_differences() {
    by_differences();
}

fn window(stride: usize, padding: Padding, dilation: usize, groups: usize) -> ConvWindow {
    ConvWindow { stride: [stride; 2], padding, dilation: [dilation; 2], groups }
}

#[test]
fn convolutions() {
    let cases = [
        ([3, 4, 6, 7], [6, 3, 2], window(1, Padding::Zeros([0, 0]), 1, 1)),
        ([2, 4, 9, 8], [6, 3, 3], window(2, Padding::Zeros([1, 2]), 2, 2)),
        ([1, 4, 5, 5], [4, 4, 3], window(1, Padding::Same, 1, 4)),
        ([20, 6, 1, 40], [8, 1, 5], window(3, Padding::Zeros([0, 4]), 1, 1)),
        ([2, 2, 3, 30], [4, 3, 1], window(1, Padding::Zeros([2, 0]), 1, 1)),
    ];
    for ([batch, channels, height, width], [out, rows, columns], how) in cases {
        let shapes: [&[usize]; 3] =
            [&[batch, channels, height, width], &[out, channels / how.groups, rows, columns], &[out]];
        agree(&shapes, EXACT, &|p| layers::conv2d(&p[0], &p[1], Some(&p[2]), how).unwrap());
        agree(&shapes[..2], EXACT, &|p| layers::conv2d(&p[0], &p[1], None, how).unwrap());
    }
}

#[test]
fn norms_of_channels() {
    for dims in [[3, 4, 1], [2, 6, 5], [40, 12, 70]] {
        let channels = dims[1];
        let shapes: [&[usize]; 3] = [&dims, &[channels], &[channels]];
        agree(&shapes, 2e-5, &|p| layers::batch_norm(&p[0], &p[1], &p[2], 1e-5).unwrap().0);
        agree(&shapes, 2e-5, &|p| {
            let by = [random(&[channels], 8), ops::square(&random(&[channels], 9).into()).unwrap().value()];
            layers::batch_norm_by(&p[0], &p[1], &p[2], &by[0].clone().into(), &by[1].clone().into(), 1e-3).unwrap()
        });
        for groups in [1, 2, channels] {
            if dims[2] * channels / groups > 1 {
                agree(&shapes, 2e-5, &|p| layers::group_norm(&p[0], groups, &p[1], &p[2], 1e-5).unwrap());
            }
        }
        // far from zero: the numbers keep their digits after the mean is subtracted
        agree(&shapes, 2e-3, &|p| {
            let far = ops::add(&p[0], 300.0).unwrap();
            layers::batch_norm(&far, &p[1], &p[2], 1e-5).unwrap().0
        });
    }
}

#[test]
fn attention_over_another_sequence() {
    for [batch, queries, keys] in [[1, 5, 3], [2, 40, 70], [2, 300, 20]] {
        let of_queries: Vec<u32> = (0..batch * queries).map(|at| (at % 4) as u32).collect();
        let of_keys: Vec<u32> = (0..batch * keys).map(|at| (at * 3 / keys % 4) as u32).collect();
        for segments in [None, Some((&of_queries[..], &of_keys[..]))] {
            agree(&[&[batch, queries, 4, 12], &[batch, keys, 2, 12], &[batch, keys, 2, 12]], 1e-5, &|p| {
                nn::cross_attention(&p[0], &p[1], &p[2], 0.3, segments, None, Precision::F32).unwrap()
            });
        }
    }
}

/// Sequences in one row, and as separate rows with padding, have the same bits.
#[test]
fn packed_is_padded() {
    let (lengths, width) = ([5, 1, 3], 24);
    for (cell, gates) in CELLS {
        let weights = [[gates * width, 7], [gates * width, width]].map(|dims| Tensor::from(random(&dims, 1)));
        let tokens = Tensor::from(random(&[9, 7], 2));
        let run = |x: Tensor, segments: &[u32]| {
            let found =
                recurrent(cell, &[x, weights[0].clone(), weights[1].clone()], Some(segments), Precision::F32).unwrap();
            (numbers(&found.output.value()), numbers(&found.h_n.value()))
        };
        let (packed, last) = run(ops::reshape(&tokens, &[1, 9, 7]).unwrap(), &[1, 1, 1, 1, 1, 2, 3, 3, 3]);
        let mut padded = vec![0f32; 3 * 5 * 7];
        let (mut start, mut segments) = (0, [0u32; 15]);
        for (row, length) in lengths.into_iter().enumerate() {
            let from = &numbers(&tokens.value())[start * 7..][..length * 7];
            padded[row * 35..][..length * 7].copy_from_slice(from);
            segments[row * 5..][..length].fill(1);
            start += length;
        }
        let x = levain::tensor::Array::from_vec(padded, (3, 5, 7), &levain::tensor::Device::Cpu).unwrap();
        let (wide, same_last) = run(x.into(), &segments);
        assert_eq!(last, same_last, "{cell:?}");
        let mut start = 0;
        for (row, length) in lengths.into_iter().enumerate() {
            let (own, other) = (&packed[start * width..][..length * width], &wide[row * 5 * width..][..5 * width]);
            assert_eq!(own, &other[..length * width], "{cell:?}, row {row}");
            assert!(other[length * width..].iter().all(|number| *number == 0.0), "{cell:?}, row {row}");
            start += length;
        }
    }
}

/// Every case of a folder compared with PyTorch: values, gradients and, for networks, four steps. `tests/data/parity/layers.rhai`
/// maps a case to its verbs, and knows nothing else of it.
#[test]
fn layers_are_pytorch_s() {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder("nn")).unwrap() {
        let path = entry.unwrap().path();
        let options = Safetensors::open(&path).unwrap().metadata("options").unwrap_or("{}").to_string();
        let options: serde_json::Value = serde_json::from_str(&options).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        cases.push(serde_json::json!({ "name": name, "path": path.to_string_lossy(), "options": options.to_string() }));
    }
    assert!(cases.len() >= 40, "{} cases", cases.len());
    cases.sort_by_key(|case| case["name"].to_string());
    let out = tempfile::tempdir().unwrap();
    let list = out.path().join("cases.json");
    std::fs::write(&list, serde_json::Value::from(cases.clone()).to_string()).unwrap();
    for threads in ["1", "2"] {
        let done = Command::new(env!("CARGO_BIN_EXE_levain"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["run", "tests/data/parity/layers.rhai", &format!("cases={}", list.display())])
            .env("RAYON_NUM_THREADS", threads)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&done.stdout).into_owned() + &*String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && told.contains(&format!("{} cases", cases.len())), "{told}");
    }
}

//! Blocks of ggml's kinds: the bytes of llama.cpp's own quantizer, and what is read back.

use levain::kernel::quant::Blocks;
use levain::kernel::quantize::{WORDS, fitting, quantized, word};
use levain::tensor::{Array, Device};

/// The row that tests/data/quantized/llamacpp.txt was made of.
fn row() -> Array {
    let number = |i: u32| ((i * 7919 + 13 * (i / 16) * (i / 16)) % 1001) as f32 - 500.0;
    Array::from_vec((0..256).map(|i| number(i) / 256.0).collect::<Vec<f32>>(), (1, 256), &Device::Cpu).unwrap()
}

#[test]
fn blocks_have_the_bytes_of_llamacpp() {
    let lines = std::fs::read_to_string("tests/data/quantized/llamacpp.txt").unwrap();
    let known: Vec<(&str, &str)> =
        lines.lines().filter_map(|line| line.split_once(' ')).filter(|(kind, _)| *kind != "#").collect();
    assert_eq!(known.len(), WORDS.len());
    for (kind, hex) in known {
        let blocks = Blocks::quantize(quantized(kind).unwrap(), &row()).unwrap();
        let bytes: String = blocks.bytes(0..1).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(bytes, hex, "{kind}");
    }
}

/// The more bits, the nearer.
#[test]
fn more_bits_are_nearer() {
    let own: Vec<f32> = row().flatten_all().unwrap().to_vec1().unwrap();
    let error = |kind: &str| -> f32 {
        let back = Blocks::quantize(quantized(kind).unwrap(), &row()).unwrap().array().unwrap();
        let back: Vec<f32> = back.flatten_all().unwrap().to_vec1().unwrap();
        own.iter().zip(back).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
    };
    let errors: Vec<f32> = ["q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "q8_0"].map(error).to_vec();
    assert!(errors.is_sorted_by(|a, b| a > b), "{errors:?}");
}

/// A group of zeros, one number alone and the largest there are stay numbers.
#[test]
fn extremes_are_numbers() {
    let rows: [Vec<f32>; 4] = [vec![0.0; 256], [vec![3.0], vec![0.0; 255]].concat(), vec![6e4; 256], vec![-1e-30; 256]];
    for (kind, numbers) in WORDS.iter().flat_map(|kind| rows.iter().map(move |row| (kind, row))) {
        let array = Array::from_vec(numbers.clone(), (1, 256), &Device::Cpu).unwrap();
        let back = Blocks::quantize(quantized(kind).unwrap(), &array).unwrap().array().unwrap();
        let back: Vec<f32> = back.flatten_all().unwrap().to_vec1().unwrap();
        assert!(back.iter().all(|x| x.is_finite()), "{kind} of {}", numbers[0]);
        let largest = numbers[0].abs().max(1e-6);
        assert!((back[0] - numbers[0]).abs() <= 0.1 * largest, "{kind}: {} of {}", back[0], numbers[0]);
    }
}

#[test]
fn rows_that_do_not_divide_get_another_kind() {
    let fits = |kind: &str, columns| fitting(quantized(kind).unwrap(), columns).map(word);
    assert_eq!(fits("q4_k", 512).as_deref(), Some("q4_k"));
    assert_eq!(fits("q4_k", 576).as_deref(), Some("q5_0"));
    assert_eq!(fits("q6_k", 192).as_deref(), Some("q8_0"));
    assert_eq!(fits("q6_k", 48), None);
    assert_eq!(fits("q8_0", 48), None);
}

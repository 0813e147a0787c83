//! Block quantization of ggml: the bytes of llama.cpp's own quantizer, and the dequantized values.

use levain::kernel::quant::Blocks;
use levain::kernel::quantize::{WORDS, fitting, quantized, word};
use levain::kernel::{Precision, on_reference};
use levain::tensor::{Array, Device};

/// Blocks of random levels, whose scales are numbers.
fn random(kind: &str, [rows, columns]: [usize; 2]) -> Blocks {
    let number = |i: usize| ((i * 7919 + (i / 16) * (i / 7)) % 1001) as f32 / 400.0 - 1.25;
    let array = matrix((0..rows * columns).map(number).collect(), columns);
    Blocks::quantize(quantized(kind).unwrap(), &array, None).unwrap()
}

fn matrix(numbers: Vec<f32>, columns: usize) -> Array {
    let rows = numbers.len() / columns;
    Array::from_vec(numbers, (rows, columns), &Device::Cpu).unwrap()
}

fn flat(array: &Array) -> Vec<f32> {
    array.flatten_all().unwrap().to_vec1().unwrap()
}

/// The source row of tests/data/quantized/llamacpp.txt.
fn row() -> Array {
    let number = |i: u32| ((i * 7919 + 13 * (i / 16) * (i / 16)) % 1001) as f32 - 500.0;
    Array::from_vec((0..256).map(|i| number(i) / 256.0).collect::<Vec<f32>>(), (1, 256), &Device::Cpu).unwrap()
}

/// The column weights of tests/data/quantized/llamacpp-weighted.txt.
fn importance() -> Vec<f32> {
    (0..256).map(|i| ((37 * i) % 101 + 1) as f32 / 32.0).collect()
}

#[test]
fn blocks_have_the_bytes_of_llamacpp() {
    let weighted = importance();
    for (file, importance) in [("llamacpp", None), ("llamacpp-weighted", Some(&weighted[..]))] {
        let lines = std::fs::read_to_string(format!("tests/data/quantized/{file}.txt")).unwrap();
        let known: Vec<(&str, &str)> =
            lines.lines().filter_map(|line| line.split_once(' ')).filter(|(kind, _)| *kind != "#").collect();
        assert_eq!(known.len(), WORDS.len());
        for (kind, hex) in known {
            let blocks = Blocks::quantize(quantized(kind).unwrap(), &row(), importance).unwrap();
            let bytes: String = blocks.bytes(0..1).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(bytes, hex, "{file}, {kind}");
        }
    }
}

/// The weighted error decreases for every kind that uses column weights; columns of weight zero do no harm.
#[test]
fn what_weighs_much_is_nearer() {
    let own = flat(&row());
    let steep: Vec<f32> = (0..256).map(|i| if i % 8 == 0 { 100.0 } else { 0.01 }).collect();
    let error = |kind: &str, importance: Option<&[f32]>| -> f32 {
        let back = flat(&Blocks::quantize(quantized(kind).unwrap(), &row(), importance).unwrap().array().unwrap());
        own.iter().zip(back).zip(&steep).map(|((a, b), weight)| weight * (a - b).powi(2)).sum()
    };
    for kind in WORDS.iter().filter(|kind| **kind != "q8_0") {
        let (plain, weighted) = (error(kind, None), error(kind, Some(&steep)));
        assert!(weighted < plain, "{kind}: {weighted} of {plain}");
        assert!(error(kind, Some(&[0.0; 256])).is_finite(), "{kind}");
    }
    assert_eq!(error("q8_0", None), error("q8_0", Some(&steep)));
    assert!(Blocks::quantize(quantized("q4_0").unwrap(), &row(), Some(&[1.0; 32])).is_err());
}

/// More bits, smaller error.
#[test]
fn more_bits_are_nearer() {
    let own: Vec<f32> = row().flatten_all().unwrap().to_vec1().unwrap();
    let error = |kind: &str| -> f32 {
        let back = Blocks::quantize(quantized(kind).unwrap(), &row(), None).unwrap().array().unwrap();
        let back: Vec<f32> = back.flatten_all().unwrap().to_vec1().unwrap();
        own.iter().zip(back).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
    };
    let errors: Vec<f32> = ["q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "q8_0"].map(error).to_vec();
    assert!(errors.is_sorted_by(|a, b| a > b), "{errors:?}");
}

/// Zeros, a single nonzero number and very large numbers stay finite.
#[test]
fn extremes_are_numbers() {
    let rows: [Vec<f32>; 4] = [vec![0.0; 256], [vec![3.0], vec![0.0; 255]].concat(), vec![6e4; 256], vec![-1e-30; 256]];
    for (kind, numbers) in WORDS.iter().flat_map(|kind| rows.iter().map(move |row| (kind, row))) {
        let array = Array::from_vec(numbers.clone(), (1, 256), &Device::Cpu).unwrap();
        let back = Blocks::quantize(quantized(kind).unwrap(), &array, None).unwrap().array().unwrap();
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

/// For any bytes, and for numbers of rows not divisible by sixteen.
#[test]
fn bytes_come_back_as_they_were() {
    for word in WORDS {
        let kind = quantized(word).unwrap();
        for rows in [1, 16, 21] {
            let size = rows * 512 / kind.block_size() * kind.type_size();
            let bytes: Vec<u8> = (0..size).map(|i| (i * i % 251 + i / 7) as u8).collect();
            let blocks = Blocks::new(kind, [rows, 512], &bytes).unwrap();
            assert!(blocks.bytes(0..rows) == bytes, "{word}, {rows} rows");
        }
    }
}

/// The reference rounds x to the same levels, and multiplies numbers in place of levels.
#[test]
fn whole_numbers_are_the_rounded_product() {
    let x = matrix((0..19 * 512).map(|i| ((i * 31 + i / 5) % 997) as f32 / 250.0 - 2.0).collect(), 512);
    for word in WORDS {
        let blocks = random(word, [21, 512]);
        let own = flat(&blocks.linear(&x, Precision::Int8).unwrap());
        let reference = flat(&on_reference(|| blocks.linear(&x, Precision::Int8)).unwrap());
        let exact = flat(&blocks.linear(&x, Precision::F32).unwrap());
        let size = exact.iter().map(|y| y * y).sum::<f32>().sqrt();
        let off = |other: &[f32]| own.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt() / size;
        assert!(off(&reference) < 2e-6, "{word}: {} from the reference", off(&reference));
        assert!((1e-4..1e-2).contains(&off(&exact)), "{word}: {} from f32", off(&exact));
    }
}

/// A row's results do not depend on the rows beside it: 45 are two tiles of AMX, eight, four and one.
#[test]
fn rows_are_products_of_their_own() {
    let numbers: Vec<f32> = (0..45 * 256).map(|i| ((i * 17) % 301) as f32 / 100.0 - 1.5).collect();
    for word in WORDS {
        let blocks = random(word, [40, 256]);
        let together = flat(&blocks.linear(&matrix(numbers.clone(), 256), Precision::Int8).unwrap());
        let alone = numbers
            .chunks(256)
            .flat_map(|row| flat(&blocks.linear(&matrix(row.to_vec(), 256), Precision::Int8).unwrap()));
        assert!(together == alone.collect::<Vec<f32>>(), "{word}");
    }
}

/// NaN stays NaN, in its row alone; zeros and the smallest numbers become zeros.
#[test]
fn what_is_no_number_is_not_rounded_away() {
    let row = |value: f32| (0..256).map(|i| if i == 77 { value } else { 0.5 }).collect::<Vec<f32>>();
    let x = [row(f32::NAN), row(f32::INFINITY), row(f32::NEG_INFINITY), row(1.0), vec![0.0; 256], vec![1e-42; 256]];
    let blocks = random("q4_k", [16, 256]);
    let y = flat(&blocks.linear(&matrix(x.concat(), 256), Precision::Int8).unwrap());
    for (row, y) in y.chunks(16).enumerate() {
        match row {
            0..3 => assert!(y.iter().all(|y| y.is_nan()), "row {row}: {y:?}"),
            3 => assert!(y.iter().all(|y| y.is_finite() && *y != 0.0), "{y:?}"),
            _ => assert!(y.iter().all(|y| y.abs() < 1e-38), "row {row}: {y:?}"),
        }
    }
}

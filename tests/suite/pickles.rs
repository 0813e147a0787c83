//! `pytorch_model.bin`: the same numbers as safetensors, nothing executed, and no harmful file.

use super::chance::next;
use levain::format::{Pytorch, Safetensors, Shard};
use levain::model::Model;
use levain::tensor::{Array, DType};
use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pytorch").join(name)
}

fn parity(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parity").join(name)
}

fn numbers(array: &Array) -> Vec<f64> {
    array.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn same(name: &str, a: &Array, b: &Array) {
    assert_eq!((a.dims(), a.dtype()), (b.dims(), b.dtype()), "{name}");
    assert_eq!(numbers(a), numbers(b), "{name}");
}

#[test]
fn views_are_what_torch_saves_of_them() {
    let (pickled, plain) = (Pytorch::open(file("nested-views.bin")).unwrap(), file("nested-views.safetensors"));
    let plain = Safetensors::open(plain).unwrap();
    assert_eq!(pickled.names(), plain.names());
    for name in plain.names() {
        same(&name, &pickled.read(&name).unwrap(), &plain.read(&name).unwrap());
        assert_eq!(pickled.shape(&name).unwrap(), plain.shape(&name).unwrap());
        assert_eq!(pickled.dtype(&name).unwrap(), plain.dtype(&name).unwrap());
    }
}

#[test]
fn both_containers_hold_a_model() {
    let plain = Safetensors::open(parity("bert-pretrain/model.safetensors")).unwrap();
    let [zip, legacy, half] =
        ["zip.bin", "legacy-gamma.bin", "half.bin"].map(|name| Pytorch::open(file(name)).unwrap());
    for name in zip.names().iter().filter(|name| plain.contains(name)) {
        same(name, &zip.read(name).unwrap(), &plain.read(name).unwrap());
        let old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        same(name, &legacy.read(&old).unwrap(), &plain.read(name).unwrap());
        assert_eq!(half.dtype(name).unwrap(), DType::F16);
        let (close, exact) = (numbers(&half.read_f32(name).unwrap()), numbers(&plain.read(name).unwrap()));
        assert!(close.iter().zip(&exact).all(|(a, b)| (a - b).abs() < 1e-2), "{name}");
    }
    for file in [&zip, &legacy] {
        assert!(file.is_tie("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"));
        assert!(!file.is_tie("cls.predictions.decoder.weight", "cls.predictions.bias"));
    }
    assert_eq!(legacy.dtype("bert.embeddings.position_ids").unwrap(), DType::I64);
}

/// A folder as of 2019: its config names the masked head, and its file is one of these.
#[test]
fn a_folder_with_a_pickle_is_the_model_with_safetensors() {
    let config = std::fs::read_to_string(parity("bert-pretrain/config.json")).unwrap();
    let config = config.replace("BertForPreTraining", "BertForMaskedLM");
    let open = |files: &[(&str, Vec<u8>)]| -> levain::Result<Model> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), &config).unwrap();
        files.iter().for_each(|(name, bytes)| std::fs::write(folder.path().join(name), bytes).unwrap());
        Model::open(folder.path(), DType::F32)
    };
    let plain =
        open(&[("model.safetensors", std::fs::read(parity("bert-pretrain/model.safetensors")).unwrap())]).unwrap();
    for name in ["zip.bin", "legacy-gamma.bin"] {
        let net = open(&[("pytorch_model.bin", std::fs::read(file(name)).unwrap())]).unwrap();
        for (weight, value) in plain.weights().iter() {
            same(weight, &net.weight(weight).unwrap().value(), &value.param.value());
        }
    }
    // in shards: tensors missing in one are in the other
    let index = r#"{"weight_map": {"a": "pytorch_model-00001-of-00001.bin"}}"#;
    let shards = [
        ("pytorch_model.bin.index.json", index.as_bytes().to_vec()),
        ("pytorch_model-00001-of-00001.bin", std::fs::read(file("zip.bin")).unwrap()),
    ];
    assert_eq!(open(&shards).unwrap().parameter_count(), plain.parameter_count());
    let error = open(&[("pytorch_model.bin", std::fs::read(file("evil.bin")).unwrap())]).err().unwrap();
    assert!(error.to_string().contains("posix.system"), "{error}");
}

#[test]
fn what_a_pickle_asks_for_is_named_and_not_run() {
    let _ = std::fs::remove_file("/tmp/levain-was-here");
    let error = Pytorch::open(file("evil.bin")).err().unwrap().to_string();
    assert!(error.contains("it asks for posix.system, which weights have no need of; nothing was run"), "{error}");
    assert!(!Path::new("/tmp/levain-was-here").exists());
}

/// A pickle in the form before torch 1.6 with the given bytes in place of the weights.
fn legacy(body: &[u8]) -> Vec<u8> {
    let magic = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
    let keys = [0x80, 2, b']', b'.'];
    [&magic[..], &[0x80, 2, b'M', 0xe9, 3, b'.'], &[0x80, 2, b'}', b'.'], body, &keys].concat()
}

fn fault(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bin");
    std::fs::write(&path, bytes).unwrap();
    match Pytorch::open(&path) {
        Ok(file) => panic!("opened {:?}", file.names()),
        Err(error) => error.to_string().split(": ").last().unwrap_or_default().into(),
    }
}

#[test]
fn bombs_and_lies_are_errors() {
    // a tuple of itself twice, sixty times over: each value is there once
    let mut bomb = vec![0x80, 2, b')', b'q', 0];
    for level in 0..60 {
        bomb.extend([b'h', level, b'h', level, 0x86, b'q', level + 1, b'0']);
    }
    bomb.extend([b'h', 60, b'.']);
    assert_eq!(fault(&legacy(&bomb)), "the pickle is not a dict of tensors");
    // a list that contains itself
    assert_eq!(fault(&legacy(&[0x80, 2, b']', b'q', 0, b'h', 0, b'a', b'.'])), "the pickle is not a dict of tensors");
    let many = [&[0x80, 2][..], &vec![b'N'; 4 << 20], b"."].concat();
    assert!(fault(&legacy(&many)).contains("describes more than a file of"), "{}", fault(&legacy(&many)));
    for (body, wanted) in [
        (&[0x80, 2, b'h', 9, b'.'][..], "the pickle recalls 9, which it did not remember"),
        (&[0x80, 2, b't', b'.'], "the pickle has no mark"),
        (&[0x80, 2, 0x86, b'.'], "the pickle takes what is not on its stack"),
        (&[0x80, 2, b'K', 1, b')', b'R', b'.'], "the pickle calls what is not callable"),
        (&[0x80, 2, b'K', 1, b'K', 2, b'a', b'.'], "the pickle fills what is not a list or a dict"),
        (&[0x80, 2, 0x8d, 255, 255, 255, 255, 255, 255, 255, 127], "the pickle is cut off"),
        (&[0x80, 2, 0xff, b'.'], "the pickle has the instruction 0xff, which weights have no need of"),
        (
            b"\x80\x02cnumpy.core.multiarray\nscalar\n.",
            "it asks for numpy.core.multiarray.scalar, which weights have no need of; nothing was run",
        ),
    ] {
        assert_eq!(fault(&legacy(body)), wanted);
    }
    assert!(fault(b"PK\x03\x04").contains("cut off"));
    assert!(fault(b"GGUF").contains("neither an archive nor a pickle"));
}

/// More numbers than a file can hold: a view that strides over one storage repeatedly.
#[test]
fn a_tensor_that_is_larger_than_its_file_is_an_error() {
    let seed = std::fs::read(file("nested-views.bin")).unwrap();
    // the expanded view is [4, 10] with strides [0, 1]
    let shape = [b'K', 4, b'K', 10, 0x86];
    let at = seed.windows(5).position(|five| five == shape).unwrap();
    let mut large = seed;
    large[at + 1] = 255;
    large[at + 3] = 20;
    let error = fault(&large);
    assert!(error.contains("does not fit a storage") || error.contains("more than twice"), "{error}");
}

/// Damage in critical places: in the pickle and the tables of the archive, and anywhere.
fn damaged(seed: &[u8], state: &mut u64) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=next(state) % 4 {
        if bytes.is_empty() {
            break;
        }
        let near = [bytes.len(), bytes.len().min(4000)][next(state) % 2];
        let at = if next(state).is_multiple_of(3) { bytes.len() - 1 - next(state) % near } else { next(state) % near };
        match next(state) % 6 {
            0 => bytes[at] ^= 1 << (next(state) % 8),
            1 => bytes[at] = next(state) as u8,
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'(', b'h', b'q'][next(state) % 8],
            3 => bytes.truncate(at),
            4 => bytes.extend_from_within(at..(at + 64).min(seed.len()).max(at).min(bytes.len())),
            _ => drop(bytes.drain(at..(at + 1 + next(state) % 8).min(bytes.len()))),
        }
    }
    bytes
}

/// `LEVAIN_TEST_DAMAGED` sets the number of files, a few thousand by default. Each opens, or is a readable error.
#[test]
fn damaged_files_are_errors_and_never_more() {
    let count = std::env::var("LEVAIN_TEST_DAMAGED").ok().and_then(|count| count.parse().ok()).unwrap_or(4000);
    let names = ["nested-views.bin", "evil.bin", "legacy-gamma.bin", "zip.bin"];
    let seeds = names.map(|name| std::fs::read(file(name)).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bin");
    let (mut state, mut opened) = (20, 0);
    for at in 0..count {
        let bytes = damaged(&seeds[at % seeds.len()], &mut state);
        std::fs::write(&path, &bytes).unwrap();
        let Ok(file) = Shard::open(&path) else { continue };
        opened += 1;
        for name in file.names() {
            let count = file.read(&name).unwrap().elem_count();
            assert!(count <= 2 * bytes.len(), "{count} numbers of a file of {} bytes", bytes.len());
        }
    }
    println!("{opened} of {count} opened");
}

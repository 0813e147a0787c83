//! Files of numbers: round trips, and truncated or malicious files.

use levain::format::{Safetensors, npy, safetensors};
use levain::tensor::{Array, DType, Device};
use std::path::PathBuf;

fn sample(dtype: DType) -> Array {
    Array::from_vec(vec![0.0f32, 1.0, 2.0, 3.0, 250.0, 7.0], (2, 3), &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
}

fn same(a: &Array, b: &Array) {
    assert_eq!((a.dims(), a.dtype()), (b.dims(), b.dtype()));
    let list = |x: &Array| x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    assert_eq!(list(a), list(b));
}

const DTYPES: [DType; 7] = [DType::F64, DType::F32, DType::F16, DType::BF16, DType::I64, DType::U32, DType::U8];

#[test]
fn safetensors_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/all.safetensors");
    let arrays: Vec<(String, Array)> = DTYPES.iter().map(|d| (d.as_str().to_string(), sample(*d))).collect();
    safetensors::save(&path, arrays.iter().map(|(name, array)| (name.as_str(), array)), &[("made_by", "levain")])
        .unwrap();
    let file = Safetensors::open(&path).unwrap();
    assert_eq!(file.names(), ["bf16", "f16", "f32", "f64", "i64", "u32", "u8"]);
    assert_eq!((file.metadata("format"), file.metadata("made_by")), (Some("pt"), Some("levain")));
    for (name, array) in &arrays {
        same(&file.read(name).unwrap(), array);
        same(&file.read_f32(name).unwrap(), &sample(DType::F32));
        assert_eq!(file.dtype(name).unwrap(), array.dtype());
    }
    let error = file.read("f23").unwrap_err();
    assert!(error.advice().unwrap().contains("did you mean"), "{error}");
    // the crate that defines the format agrees
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(::safetensors::SafeTensors::deserialize(&bytes).unwrap().len(), 7);
    // no other file is left beside it
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

/// As in a checkpoint with adapters on every layer: the list of tensors alone takes more than 64 KiB.
#[test]
fn safetensors_of_thousands_of_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.safetensors");
    let one = sample(DType::F32);
    let names: Vec<String> = (0..2000).map(|n| format!("model.layers.{n}.self_attn.q_proj.lora_a.moment")).collect();
    safetensors::save(&path, names.iter().map(|name| (name.as_str(), &one)), &[]).unwrap();
    let file = Safetensors::open(&path).unwrap();
    assert_eq!(file.names().len(), 2000);
    same(&file.read(&names[1999]).unwrap(), &one);
}

#[test]
fn npy_round_trip_and_foreign_layouts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    for dtype in DTYPES.into_iter().filter(|dtype| *dtype != DType::BF16) {
        npy::save(&path, &sample(dtype)).unwrap();
        same(&npy::open(&path).unwrap(), &sample(dtype));
    }
    assert!(npy::save(&path, &sample(DType::BF16)).unwrap_err().to_string().contains("npy has no bf16"));
    let scalar = sample(DType::F32).sum_all().unwrap();
    npy::save(&path, &scalar).unwrap();
    same(&npy::open(&path).unwrap(), &scalar);
    // big-endian 32-bit integers in Fortran order, as numpy may write them
    let header = "{'descr': '>i4', 'fortran_order': True, 'shape': (2, 3), }";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(118u16.to_le_bytes());
    bytes.extend(format!("{header:117}\n").bytes());
    for number in [0i32, 3, 1, 250, 2, 7] {
        bytes.extend(number.to_be_bytes());
    }
    std::fs::write(&path, bytes).unwrap();
    same(&npy::open(&path).unwrap(), &sample(DType::I64));
}

/// An npy file with this header.
fn npy_file(version: u8, header: &str, numbers: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((header.len() as u16).to_le_bytes()),
        _ => bytes.extend((header.len() as u32).to_le_bytes()),
    }
    bytes.extend(header.bytes());
    bytes.extend(numbers);
    bytes
}

#[test]
fn npy_of_every_kind_of_number_order_and_version() {
    let one = |kind: &str, number: &[u8]| -> (DType, f64) {
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (1,), }}\n");
        let array = npy::parse(&npy_file(1, &header, number)).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(array.dims(), [1]);
        (array.dtype(), array.to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap()[0])
    };
    // 258 is 1 · 256 + 2: swapped bytes would be visible
    assert_eq!(one("<f8", &258f64.to_le_bytes()), (DType::F64, 258.0));
    assert_eq!(one(">f8", &258f64.to_be_bytes()), (DType::F64, 258.0));
    assert_eq!(one("<f4", &258f32.to_le_bytes()), (DType::F32, 258.0));
    assert_eq!(one(">f4", &258f32.to_be_bytes()), (DType::F32, 258.0));
    assert_eq!(one("<f2", &half::f16::from_f32(258.0).to_le_bytes()), (DType::F16, 258.0));
    assert_eq!(one(">f2", &half::f16::from_f32(258.0).to_be_bytes()), (DType::F16, 258.0));
    assert_eq!(one("<i8", &(-258i64).to_le_bytes()), (DType::I64, -258.0));
    assert_eq!(one(">i8", &(-258i64).to_be_bytes()), (DType::I64, -258.0));
    assert_eq!(one("<i4", &(-258i32).to_le_bytes()), (DType::I64, -258.0));
    assert_eq!(one(">i2", &(-258i16).to_be_bytes()), (DType::I64, -258.0));
    assert_eq!(one("|i1", &[0xfe]), (DType::I64, -2.0));
    assert_eq!(one("<u8", &258u64.to_le_bytes()), (DType::I64, 258.0));
    assert_eq!(one(">u4", &258u32.to_be_bytes()), (DType::U32, 258.0));
    assert_eq!(one("<u2", &258u16.to_le_bytes()), (DType::U32, 258.0));
    assert_eq!(one("|u1", &[7]), (DType::U8, 7.0));
    assert_eq!(one("|b1", &[1]), (DType::U8, 1.0));
    let kinds = ["<c8", "<U4", "<M8[ns]", "|O", "f4", "", "<f16"];
    for kind in kinds {
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (), }}");
        let error = npy::parse(&npy_file(1, &header, &[0; 8])).unwrap_err().to_string();
        assert!(error.contains(&format!("descr {kind}: only numbers")), "{error}");
    }
    let fields = "{'descr': [('a', '<f4'), ('b', '<i4', (2,))], 'fortran_order': False, 'shape': (2,), }";
    let error = npy::parse(&npy_file(1, fields, &[0; 24])).unwrap_err().to_string();
    assert!(error.contains("descr [('a', '<f4'), ('b', '<i4', (2,))]: only numbers"), "{error}");

    let numbers: Vec<u8> = (0..6u8).collect();
    let list = |bytes: &[u8]| {
        let array = npy::parse(bytes).unwrap();
        (array.dims().to_vec(), array.flatten_all().unwrap().to_vec1::<u8>().unwrap())
    };
    for version in 1..=3 {
        // keys in any order, quotes of both kinds, Python 2's long integers, no trailing comma, spaces
        for header in [
            "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }   \n",
            "{\"shape\":(2L,3L),\"fortran_order\":False,\"descr\":\"|u1\"}",
            " { 'fortran_order' : False , 'shape' : ( 2 , 3 , ) , 'descr' : '|u1' , } ",
        ] {
            assert_eq!(list(&npy_file(version, header, &numbers)), (vec![2, 3], vec![0, 1, 2, 3, 4, 5]));
        }
        let header = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }";
        assert_eq!(list(&npy_file(version, header, &numbers)), (vec![2, 3], vec![0, 2, 4, 1, 3, 5]));
    }
    let header = "{'descr': '|u1', 'fortran_order': True, 'shape': (1, 2, 3), }";
    assert_eq!(list(&npy_file(1, header, &numbers)), (vec![1, 2, 3], vec![0, 2, 4, 1, 3, 5]));
    for (shape, dims) in [("()", vec![]), ("(1,)", vec![1]), ("(1, 1)", vec![1, 1])] {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
        assert_eq!(list(&npy_file(2, &header, &[9])), (dims, vec![9]));
    }
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }";
    assert_eq!(npy::parse(&npy_file(1, header, &[])).unwrap().dims(), [0, 3]);
}

#[test]
fn damaged_npy_files_are_errors() {
    let whole = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
    let good = npy_file(1, whole, &[0; 24]);
    assert!(npy::parse(&good).is_ok());
    for cut in 0..good.len() {
        let error = npy::parse(&good[..cut]).unwrap_err().to_string();
        assert!(error.contains("npy file") || error.contains("does not take"), "{cut}: {error}");
    }
    // any byte of the header changed: an error or another result, and no panic
    for at in 0..good.len() - 24 {
        for byte in [0, b'(', b'9', b'\'', 0x80, 0xff] {
            let mut changed = good.clone();
            changed[at] = byte;
            let _ = npy::parse(&changed);
        }
    }
    for (header, part) in [
        ("", "no `{`"),
        ("{'descr': '<f4', 'shape': (2, 3), }", "no fortran_order"),
        ("{'descr': '<f4', 'fortran_order': False, }", "no shape"),
        ("{'fortran_order': False, 'shape': (2, 3), }", "no descr"),
        ("{'descr': '<f4', 'fortran_order': false, 'shape': (2, 3), }", "neither True nor False"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3), }", "no size"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': [2, 3], }", "no `(`"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 99999999999999999999), }", "no size"),
        ("{'descr': '<f4, 'fortran_order': False, 'shape': (2, 3), }", "broken"),
        ("{'descr': [('a', '<f4'", "without an end"),
        ("{'other': 1}", "unknown key `other`"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } x", "after its end"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", "does not take the 24 bytes"),
    ] {
        let error = npy::parse(&npy_file(1, header, &[0; 24])).unwrap_err().to_string();
        assert!(error.contains(part), "{header}: {error}");
    }
    let error = npy::parse(&npy_file(4, whole, &[0; 24])).unwrap_err().to_string();
    assert!(error.contains("version 4 is not one of 1, 2, 3"), "{error}");
}

/// Writes bytes into a file, opens it, and returns the error.
fn complaint(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let error = if name.ends_with(".npy") { npy::open(&path).err() } else { Safetensors::open(&path).err() };
    let text = error.unwrap_or_else(|| panic!("{name} was taken")).to_string();
    assert!(text.contains(name), "{text} does not name the file");
    text
}

fn header(json: &str, numbers: usize) -> Vec<u8> {
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend(json.bytes());
    bytes.extend(vec![0; numbers]);
    bytes
}

#[test]
fn files_that_lie_are_named() {
    let good = r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    for (bytes, part) in [
        (vec![], "too few"),
        (b"hello".to_vec(), "too few"),
        (u64::MAX.to_le_bytes().to_vec(), "cut off, or not safetensors"),
        (header(good, 8)[..40].to_vec(), "cut off, or not safetensors"),
        (header(good, 5), "end at byte 70, but the file has 67 bytes: it is cut off"),
        (header(good, 9), "end at byte 70, but the file has 71 bytes"),
        (header("{\"w\":", 8), "the header is not JSON"),
        (header(&good.replace("[2]", "[3]"), 8), "tensor `w`: shape [3] in F32"),
        (header(&good.replace("[0,8]", "[4,12]"), 12), "tensor `w`: data_offsets [4, 12]"),
        (header(&good.replace("[2]", "[18446744073709551615,4]"), 8), "tensor `w`: shape"),
        (header(&good.replace("F32", "F99"), 8), "tensor `w`: unknown variant `F99`"),
        (header(&good.replace("[2]", "\"two\""), 8), "tensor `w`: invalid type"),
    ] {
        let text = complaint("w.safetensors", &bytes);
        assert!(text.contains(part), "{text} does not say `{part}`");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    npy::save(&path, &sample(DType::F32)).unwrap();
    let npy = std::fs::read(&path).unwrap();
    for (bytes, part) in [
        (npy[..npy.len() - 1].to_vec(), "shape [2, 3] of <f4 does not take the 23 bytes"),
        (npy[..30].to_vec(), "not an npy file, or its header is broken"),
        (vec![], "not an npy file"),
        (b"plain text".to_vec(), "not an npy file"),
    ] {
        let text = complaint("y.npy", &bytes);
        assert!(text.contains(part), "{text} does not say `{part}`");
    }
}

#[test]
fn what_was_there_stays_when_saving_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    safetensors::save(&path, [("w", &sample(DType::F32))], &[]).unwrap();
    let before = std::fs::read(&path).unwrap();
    let twice = [("w", &sample(DType::F32)), ("w", &sample(DType::F64))];
    assert!(safetensors::save(&path, twice, &[]).unwrap_err().to_string().contains("two tensors"));
    let odd = sample(DType::F32).to_dtype(DType::I32).unwrap();
    assert!(safetensors::save(&path, [("odd", &odd)], &[]).unwrap_err().to_string().contains("tensor `odd`"));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(
        safetensors::save(folder.path(), [("w", &sample(DType::F32))], &[]).unwrap_err().to_string().contains("folder")
    );
}

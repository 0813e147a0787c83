//! Devices: their names, and transfers between them.
//!
//! Nothing outside this folder reads numbers in place: see docs/devices.md.

use super::{Array, DType};
use crate::{Error, Result};
use candle_core::Device;
use std::sync::OnceLock;

/// Device names.
pub const DEVICES: [&str; 3] = ["cpu", "cuda", "metal"];

/// A device: its kind, and its index among devices of that kind.
#[derive(Clone, Copy)]
enum Place {
    Cpu,
    Cuda(usize),
    Metal(usize),
}

/// Parses `cpu`, `cuda` or `metal`, optionally with an index, `cuda:1`. None for any other word, an error for a device that this
/// build lacks.
fn place(who: &str, word: &str) -> Option<Result<Place>> {
    let (kind, number) = word.split_once(':').unwrap_or((word, "0"));
    if !DEVICES.contains(&kind) {
        return None;
    }
    let unknown = || Err(Error::unknown(who, "device", word, DEVICES));
    let missing = || {
        Err(Error::new(who, format!("this levain was built without {kind}"))
            .help(format!("build it with `cargo build --release --features {kind}`")))
    };
    Some(match (kind, number.parse()) {
        (_, Err(_)) => unknown(),
        ("cpu", Ok(0)) => Ok(Place::Cpu),
        ("cpu", _) => unknown(),
        ("cuda", Ok(number)) if candle_core::utils::cuda_is_available() => Ok(Place::Cuda(number)),
        ("metal", Ok(number)) if candle_core::utils::metal_is_available() => Ok(Place::Metal(number)),
        _ => missing(),
    })
}

/// The device of this name: `cpu`, `cuda` or `metal`, or with its index among several, `cuda:1`. None for any other word.
pub fn device(who: &str, word: &str) -> Option<Result<Device>> {
    Some(place(who, word)?.and_then(|place| match place {
        Place::Cpu => Ok(Device::Cpu),
        Place::Cuda(number) => opened(who, word, || Device::new_cuda(number)),
        Place::Metal(number) => opened(who, word, || Device::new_metal(number)),
    }))
}

/// The value of `LEVAIN_DEVICE`; an error if this build has no such device. Opens no device.
pub fn asked() -> Result<Option<String>> {
    const WHO: &str = "LEVAIN_DEVICE";
    let Some(word) = std::env::var_os(WHO).filter(|word| !word.is_empty()) else { return Ok(None) };
    let word = word.to_string_lossy().into_owned();
    match place(WHO, &word) {
        Some(place) => place.map(|_| Some(word)),
        None => Err(Error::unknown(WHO, "device", &word, DEVICES)),
    }
}

/// The default device of models and tensors: `LEVAIN_DEVICE`, read once, or the CPU.
pub fn default_device() -> Result<Device> {
    static DEFAULT: OnceLock<Device> = OnceLock::new();
    if let Some(device) = DEFAULT.get() {
        return Ok(device.clone());
    }
    let made = match asked()? {
        Some(word) => device("LEVAIN_DEVICE", &word).unwrap_or(Ok(Device::Cpu))?,
        None => Device::Cpu,
    };
    Ok(DEFAULT.get_or_init(|| made).clone())
}

/// Opens a device that the build supports; an error if the machine has none.
fn opened(who: &str, word: &str, open: impl FnOnce() -> candle_core::Result<Device>) -> Result<Device> {
    open().map_err(|error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default().to_string();
        Error::new(who, format!("`{word}` can't be opened: {first}"))
            .help("is there such a device, and its driver? `device: \"cpu\"` works everywhere")
    })
}

/// The name of a device.
pub fn device_name(device: &Device) -> &'static str {
    match device {
        Device::Cpu => "cpu",
        Device::Cuda(_) => "cuda",
        Device::Metal(_) => "metal",
    }
}

/// The number of a one-element array on any device.
pub fn scalar(x: &Array) -> Result<f64> {
    Ok(x.reshape(())?.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_scalar::<f64>()?)
}

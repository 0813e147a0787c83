//! Devices: their names, and what crosses between them.
//!
//! Nothing outside this folder reads numbers in place: docs/devices.md.

use super::{Array, DType};
use crate::{Error, Result};
use candle_core::Device;
use std::sync::OnceLock;

/// The words for devices.
pub const DEVICES: [&str; 3] = ["cpu", "cuda", "metal"];

/// A device by its kind and its number among those of its kind.
#[derive(Clone, Copy)]
enum Place {
    Cpu,
    Cuda(usize),
    Metal(usize),
}

/// What a word is for: `cpu`, `cuda` or `metal`, or with a number, `cuda:1`. None for any other word, an error for what this build has not.
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

/// The device that a word is for: `cpu`, `cuda` or `metal`, or with its number among several, `cuda:1`. None for any other word.
pub fn device(who: &str, word: &str) -> Option<Result<Device>> {
    Some(place(who, word)?.and_then(|place| match place {
        Place::Cpu => Ok(Device::Cpu),
        Place::Cuda(number) => opened(who, word, || Device::new_cuda(number)),
        Place::Metal(number) => opened(who, word, || Device::new_metal(number)),
    }))
}

/// The word of `LEVAIN_DEVICE`; an error where it is for no device of this build. None is opened.
pub fn asked() -> Result<Option<String>> {
    const WHO: &str = "LEVAIN_DEVICE";
    let Some(word) = std::env::var_os(WHO).filter(|word| !word.is_empty()) else { return Ok(None) };
    let word = word.to_string_lossy().into_owned();
    match place(WHO, &word) {
        Some(place) => place.map(|_| Some(word)),
        None => Err(Error::unknown(WHO, "device", &word, DEVICES)),
    }
}

/// Where models and tensors are made that name no device: that of `LEVAIN_DEVICE`, read once, or the CPU.
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

/// A device that the build knows: an error where the machine has none.
fn opened(who: &str, word: &str, open: impl FnOnce() -> candle_core::Result<Device>) -> Result<Device> {
    open().map_err(|error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default().to_string();
        Error::new(who, format!("`{word}` can't be opened: {first}"))
            .help("is there such a device, and its driver? `device: \"cpu\"` works everywhere")
    })
}

/// The word for a device.
pub fn device_name(device: &Device) -> &'static str {
    match device {
        Device::Cpu => "cpu",
        Device::Cuda(_) => "cuda",
        Device::Metal(_) => "metal",
    }
}

/// The one number of an array on any device.
pub fn scalar(x: &Array) -> Result<f64> {
    Ok(x.reshape(())?.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_scalar::<f64>()?)
}

//! PEFT adapter folders: `adapter_config.json` and `adapter_model.safetensors`.

mod base;
mod config;
mod file;
mod open;
mod pattern;
mod save;

pub use config::{base_of, is_adapter};

const CONFIG: &str = "adapter_config.json";
const TENSORS: &str = "adapter_model.safetensors";
/// The header key of the tensors for the base's path, used if the config has the base's hub name.
const BASE_PATH: &str = "base_model_path";

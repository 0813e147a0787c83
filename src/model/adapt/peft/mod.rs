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
/// The path of the base in the header of the tensors, where the config names the base by its name on the hub.
const BASE_PATH: &str = "base_model_path";

//! Additions to a model's weights: LoRA and bottleneck adapters, and the folders that hold them.

pub mod adapter_file;
pub mod attach;
pub mod bottleneck;
pub mod lora;
pub mod peft;
mod principal;
pub mod replaced;
pub mod tables;

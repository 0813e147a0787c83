//! The architectures, one file each: the file's name is the `model_type` of `config.json`.
//!
//! To add one is to add a file and its line in [`ALL`].

mod gpt2;
mod llama;
mod mistral;
mod qwen2;
mod qwen3;

use super::Weights;
use super::config::{Config, Fields};
use super::pass::Pass;
use crate::Result;
use crate::kernel::decoder::Decoder;
use crate::tensor::Tensor;

/// Every architecture that levain can build.
pub const ALL: &[&Arch] = &[&gpt2::ARCH, &llama::ARCH, &mistral::ARCH, &qwen2::ARCH, &qwen3::ARCH];

/// The architecture with this `model_type`.
pub fn find(kind: &str) -> Option<&'static Arch> {
    ALL.iter().copied().find(|arch| arch.kind == kind)
}

/// What makes an architecture: how it reads its config, which tensors it has, and what a block computes.
pub struct Arch {
    /// `model_type` in `config.json`.
    pub kind: &'static str,
    /// What transformers calls it.
    pub class: &'static str,
    pub config: fn(&'static Arch, &Fields) -> Result<Config>,
    /// Every tensor of the checkpoint, under its Hugging Face name. An untied output table is added to it.
    pub tensors: fn(&Config) -> Vec<Spec>,
    /// Input ids to the first block's input `[rows, length, hidden]`.
    pub embed: fn(&Pass) -> Result<Tensor>,
    pub block: fn(&Pass, usize, &Tensor) -> Result<Tensor>,
    /// The norm after the last block.
    pub finish: fn(&Pass, &Tensor) -> Result<Tensor>,
    /// All of it as the one operation that decoding has for its like.
    pub decoder: Option<fn(&Config, &Weights) -> Result<Decoder>>,
    /// The input table's name.
    pub table: &'static str,
    /// What the names of the decoder's tensors start with; a file may lack it.
    pub prefix: &'static str,
    /// Weights stored `[in, out]` (GPT-2's Conv1D).
    pub transposed: bool,
    /// Where the blocks are, before their number.
    pub blocks: &'static str,
}

/// The output table's name in every architecture.
pub const HEAD: &str = "lm_head";

/// A tensor of a checkpoint.
pub struct Spec {
    pub name: String,
    pub shape: Vec<usize>,
    pub start: Start,
}

/// What a new weight starts as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// Normal with this standard deviation.
    Normal(f64),
    Ones,
    Zeros,
}

impl Spec {
    pub fn new(name: impl Into<String>, shape: &[usize], start: Start) -> Spec {
        Spec { name: name.into(), shape: shape.to_vec(), start }
    }
}

/// Every tensor of a model of this config, the output table included where it is not the input table.
pub fn tensors(config: &Config) -> Vec<Spec> {
    let mut specs = (config.arch.tensors)(config);
    if !config.tied {
        let start = Start::Normal(config.init_range);
        specs.push(Spec::new(format!("{HEAD}.weight"), &[config.vocab, config.hidden], start));
    }
    specs
}

//! GPT-2: learned positions, layer norms with biases, one product for queries, keys and values, weights
//! stored `[in, out]`.

use super::{Arch, Spec, Start};
use crate::model::config::{Config, Fields};
use crate::model::pass::Pass;
use crate::model::wire::{add, columns};
use crate::tensor::{Tensor, nn};
use crate::{Error, Result};

pub const ARCH: Arch = Arch {
    kind: "gpt2",
    class: "GPT2LMHeadModel",
    config,
    tensors,
    embed,
    block,
    finish,
    decoder: None,
    table: "transformer.wte.weight",
    prefix: "transformer.",
    transposed: true,
    blocks: "transformer.h.",
};

const POSITIONS: &str = "transformer.wpe.weight";

fn config(arch: &'static Arch, fields: &Fields) -> Result<Config> {
    let hidden = fields.count(&["n_embd", "hidden_size"])?;
    let layers = fields.count(&["n_layer", "num_hidden_layers"])?;
    let heads = fields.count(&["n_head", "num_attention_heads"])?;
    let activation = fields.text_or(&["activation_function"], "gelu_new");
    let gelu_tanh = match activation {
        "gelu_new" | "gelu_pytorch_tanh" => true,
        "gelu" => false,
        other => {
            return Err(Error::new("model", format!("activation `{other}` in a gpt2 is not supported"))
                .help("it knows gelu_new, gelu_pytorch_tanh and gelu"));
        }
    };
    for (name, wanted) in [("scale_attn_weights", true), ("scale_attn_by_inverse_layer_idx", false)] {
        if fields.bool_or(name, wanted)? != wanted {
            return Err(Error::new("model", format!("`{name}: {}` is not supported", !wanted)));
        }
    }
    Ok(Config {
        arch,
        vocab: fields.count(&["vocab_size"])?,
        hidden,
        ff: fields.count_or(&["n_inner"], 4 * hidden)?,
        layers,
        heads,
        kv_heads: heads,
        head_dim: hidden / heads.max(1),
        max_positions: fields.count(&["n_positions", "n_ctx"])?,
        norm_eps: fields.float_or(&["layer_norm_epsilon"], 1e-5)?,
        rope: None,
        windows: vec![None; layers],
        qkv_bias: true,
        out_bias: true,
        mlp_bias: true,
        qk_norm: false,
        gelu_tanh,
        tied: fields.bool_or("tie_word_embeddings", true)?,
        init_range: fields.float_or(&["initializer_range"], 0.02)?,
        eos: fields.ids("eos_token_id"),
        json: Default::default(),
    })
}

fn tensors(config: &Config) -> Vec<Spec> {
    let normal = Start::Normal(config.init_range);
    // what is added to the residual stream starts smaller, as transformers does
    let residual = Start::Normal(config.init_range / (2.0 * config.layers as f64).sqrt());
    let (hidden, ff) = (config.hidden, config.ff);
    let mut specs = vec![
        Spec::new(ARCH.table, &[config.vocab, hidden], normal),
        Spec::new(POSITIONS, &[config.max_positions, hidden], normal),
    ];
    for layer in 0..config.layers {
        let mut pair = |name: &str, weight: &[usize], bias: usize, start: Start| {
            let name = format!("{}{layer}.{name}", ARCH.blocks);
            specs.push(Spec::new(format!("{name}.weight"), weight, start));
            specs.push(Spec::new(format!("{name}.bias"), &[bias], Start::Zeros));
        };
        pair("ln_1", &[hidden], hidden, Start::Ones);
        pair("attn.c_attn", &[hidden, 3 * hidden], 3 * hidden, normal);
        pair("attn.c_proj", &[hidden, hidden], hidden, residual);
        pair("ln_2", &[hidden], hidden, Start::Ones);
        pair("mlp.c_fc", &[hidden, ff], ff, normal);
        pair("mlp.c_proj", &[ff, hidden], hidden, residual);
    }
    specs.push(Spec::new("transformer.ln_f.weight", &[hidden], Start::Ones));
    specs.push(Spec::new("transformer.ln_f.bias", &[hidden], Start::Zeros));
    specs
}

fn embed(pass: &Pass) -> Result<Tensor> {
    add(&pass.embedding(ARCH.table, pass.ids())?, &pass.embedding(POSITIONS, pass.positions())?)
}

fn block(pass: &Pass, layer: usize, x: &Tensor) -> Result<Tensor> {
    let at = pass.at(format!("{}{layer}", ARCH.blocks));
    let config = pass.config();
    let qkv = at.linear("attn.c_attn", &at.layer_norm("ln_1", x)?)?;
    let part = |index: usize| at.heads(&columns(&qkv, index * config.hidden, config.hidden)?, config.heads);
    let h = pass.attend(layer, &part(0)?, &part(1)?, &part(2)?)?;
    let x = add(x, &at.linear("attn.c_proj", &h)?)?;
    let h = at.linear("mlp.c_fc", &at.layer_norm("ln_2", &x)?)?;
    add(&x, &at.linear("mlp.c_proj", &nn::gelu(&h, config.gelu_tanh)?)?)
}

fn finish(pass: &Pass, x: &Tensor) -> Result<Tensor> {
    pass.at("transformer").layer_norm("ln_f", x)
}

//! Llama 1, 2, 3, SmolLM: RMS norms, rotary positions, grouped heads, SwiGLU. The others of its family are
//! this with a few flags.

use super::{Arch, Spec, Start};
use crate::kernel::decoder::{Decoder, Layer};
use crate::model::Weights;
use crate::model::config::{Config, Fields};
use crate::model::pass::Pass;
use crate::model::wire::add;
use crate::tensor::{Tensor, nn};
use crate::{Result, bail};

pub const ARCH: Arch = Arch {
    kind: "llama",
    class: "LlamaForCausalLM",
    config,
    tensors,
    embed,
    block,
    finish,
    decoder: Some(decoder),
    table: "model.embed_tokens.weight",
    prefix: "model.",
    transposed: false,
    blocks: "model.layers.",
};

pub fn config(arch: &'static Arch, fields: &Fields) -> Result<Config> {
    let hidden = fields.count(&["hidden_size"])?;
    let layers = fields.count(&["num_hidden_layers"])?;
    let heads = fields.count(&["num_attention_heads"])?;
    let activation = fields.text_or(&["hidden_act"], "silu");
    if activation != "silu" {
        bail!("model", "activation `{activation}` in a {} is not supported, only silu", arch.kind);
    }
    let bias = fields.bool_or("attention_bias", false)?;
    Ok(Config {
        arch,
        vocab: fields.count(&["vocab_size"])?,
        hidden,
        ff: fields.count(&["intermediate_size"])?,
        layers,
        heads,
        kv_heads: fields.count_or(&["num_key_value_heads"], heads)?,
        head_dim: fields.count_or(&["head_dim"], hidden / heads.max(1))?,
        max_positions: fields.count_or(&["max_position_embeddings"], 2048)?,
        norm_eps: fields.float_or(&["rms_norm_eps"], 1e-6)?,
        rope: Some(fields.rope()?),
        windows: vec![None; layers],
        qkv_bias: bias,
        out_bias: bias,
        mlp_bias: fields.bool_or("mlp_bias", false)?,
        qk_norm: false,
        gelu_tanh: false,
        tied: fields.bool_or("tie_word_embeddings", false)?,
        init_range: fields.float_or(&["initializer_range"], 0.02)?,
        eos: fields.ids("eos_token_id"),
        json: Default::default(),
    })
}

pub fn tensors(config: &Config) -> Vec<Spec> {
    let normal = Start::Normal(config.init_range);
    let (hidden, ff) = (config.hidden, config.ff);
    let (wide, narrow) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
    let mut specs = vec![Spec::new(ARCH.table, &[config.vocab, hidden], normal)];
    for layer in 0..config.layers {
        let mut add = |name: &str, shape: &[usize], start: Start| {
            specs.push(Spec::new(format!("{}{layer}.{name}", ARCH.blocks), shape, start));
        };
        let mut linear = |name: &str, rows: usize, columns: usize, bias: bool| {
            add(&format!("{name}.weight"), &[rows, columns], normal);
            if bias {
                add(&format!("{name}.bias"), &[rows], Start::Zeros);
            }
        };
        linear("self_attn.q_proj", wide, hidden, config.qkv_bias);
        linear("self_attn.k_proj", narrow, hidden, config.qkv_bias);
        linear("self_attn.v_proj", narrow, hidden, config.qkv_bias);
        linear("self_attn.o_proj", hidden, wide, config.out_bias);
        linear("mlp.gate_proj", ff, hidden, config.mlp_bias);
        linear("mlp.up_proj", ff, hidden, config.mlp_bias);
        linear("mlp.down_proj", hidden, ff, config.mlp_bias);
        add("input_layernorm.weight", &[hidden], Start::Ones);
        add("post_attention_layernorm.weight", &[hidden], Start::Ones);
        if config.qk_norm {
            add("self_attn.q_norm.weight", &[config.head_dim], Start::Ones);
            add("self_attn.k_norm.weight", &[config.head_dim], Start::Ones);
        }
    }
    specs.push(Spec::new("model.norm.weight", &[hidden], Start::Ones));
    specs
}

fn embed(pass: &Pass) -> Result<Tensor> {
    pass.embedding(ARCH.table, pass.ids())
}

fn block(pass: &Pass, layer: usize, x: &Tensor) -> Result<Tensor> {
    let at = pass.at(format!("{}{layer}", ARCH.blocks));
    let config = pass.config();
    let h = at.rms_norm("input_layernorm", x)?;
    let mut q = at.heads(&at.linear("self_attn.q_proj", &h)?, config.heads)?;
    let mut k = at.heads(&at.linear("self_attn.k_proj", &h)?, config.kv_heads)?;
    let v = at.heads(&at.linear("self_attn.v_proj", &h)?, config.kv_heads)?;
    if config.qk_norm {
        q = at.rms_norm("self_attn.q_norm", &q)?;
        k = at.rms_norm("self_attn.k_norm", &k)?;
    }
    let h = pass.attend(layer, &pass.rotate(&q)?, &pass.rotate(&k)?, &v)?;
    let x = add(x, &at.linear("self_attn.o_proj", &h)?)?;
    let h = at.rms_norm("post_attention_layernorm", &x)?;
    let h = nn::swiglu(&at.linear("mlp.gate_proj", &h)?, &at.linear("mlp.up_proj", &h)?)?;
    add(&x, &at.linear("mlp.down_proj", &h)?)
}

fn finish(pass: &Pass, x: &Tensor) -> Result<Tensor> {
    pass.at("model").rms_norm("norm", x)
}

/// The same again, for [`Decoder::step`].
fn decoder(config: &Config, weights: &Weights) -> Result<Decoder> {
    let layer = |index: usize| -> Result<Layer> {
        let linear = |name: &str| weights.linear(&format!("{}{index}.{name}", ARCH.blocks));
        let norm = |name: &str| weights.plain(&format!("{}{index}.{name}.weight", ARCH.blocks));
        Ok(Layer {
            attention_norm: norm("input_layernorm")?,
            qkv: [linear("self_attn.q_proj")?, linear("self_attn.k_proj")?, linear("self_attn.v_proj")?],
            head_norms: match config.qk_norm {
                true => Some([norm("self_attn.q_norm")?, norm("self_attn.k_norm")?]),
                false => None,
            },
            out: linear("self_attn.o_proj")?,
            mlp_norm: norm("post_attention_layernorm")?,
            gate_up: [linear("mlp.gate_proj")?, linear("mlp.up_proj")?],
            down: linear("mlp.down_proj")?,
            window: config.windows[index],
        })
    };
    let head = config.head();
    Ok(Decoder {
        table: weights.get(ARCH.table)?.as_frozen(),
        layers: (0..config.layers).map(layer).collect::<Result<_>>()?,
        norm: weights.plain("model.norm.weight")?,
        head: weights.linear(head.strip_suffix(".weight").unwrap_or(&head))?,
        heads: config.heads,
        kv_heads: config.kv_heads,
        head_dim: config.head_dim,
        eps: config.norm_eps,
    })
}

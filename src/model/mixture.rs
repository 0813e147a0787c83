//! llama.cpp's quantization mixtures: parts of a model that lose most by rounding get more bits (`llama_tensor_get_type` of
//! `llama-quant.cpp`).

use crate::kernel::quantize::{self, GgmlDType};
use crate::model::config::Config;
use crate::model::gguf::names::GgufNames;

/// The kind of a part in a mixture, by its module's llama.cpp name, its layer, and the number of layers.
type Part = fn(module: &str, layer: usize, layers: usize) -> &'static str;

const MIXTURES: [(&str, Part); 4] = [("q3_k_m", q3_k_m), ("q4_k_s", q4_k_s), ("q4_k_m", q4_k_m), ("q5_k_m", q5_k_m)];

/// The names of all mixtures.
pub const WORDS: [&str; MIXTURES.len()] = {
    let mut words = [""; MIXTURES.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = MIXTURES[at].0;
        at += 1;
    }
    words
};

/// Where queries, keys and values are one matrix, llama.cpp counts it as values.
fn is_values(module: &str) -> bool {
    matches!(module, "attn_v" | "attn_qkv")
}

/// The first and the last eighth of the layers, and every third between.
fn gets_more(layer: usize, layers: usize) -> bool {
    layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2
}

fn q3_k_m(module: &str, layer: usize, layers: usize) -> &'static str {
    match module {
        _ if is_values(module) && layer < 2 => "q5_k",
        "ffn_down" if layer < layers / 16 => "q5_k",
        "attn_v" | "attn_qkv" | "attn_output" | "ffn_down" => "q4_k",
        _ => "q3_k",
    }
}

fn q4_k_s(module: &str, layer: usize, layers: usize) -> &'static str {
    match module {
        _ if is_values(module) && layer < 4 => "q5_k",
        "ffn_down" if layer < layers / 8 => "q5_k",
        _ => "q4_k",
    }
}

fn q4_k_m(module: &str, layer: usize, layers: usize) -> &'static str {
    let more = (is_values(module) || module == "ffn_down") && gets_more(layer, layers);
    if more { "q6_k" } else { "q4_k" }
}

fn q5_k_m(module: &str, layer: usize, layers: usize) -> &'static str {
    let more = (is_values(module) || module == "ffn_down") && gets_more(layer, layers);
    if more { "q6_k" } else { "q5_k" }
}

/// The kind in which the mixture `word` stores the weight `name`; `None` if `word` is not a mixture. Parts outside the layers get
/// its main kind.
pub fn kind_of(word: &str, names: Option<&GgufNames>, config: &Config, name: &str) -> Option<GgmlDType> {
    let (_, part) = MIXTURES.iter().find(|(known, _)| *known == word)?;
    let theirs = names.map_or_else(String::new, |names| names.name(config, name));
    let place = theirs.strip_prefix("blk.").and_then(|rest| {
        let (layer, module) = rest.split_once('.')?;
        Some((module.split('.').next()?, layer.parse::<usize>().ok()?))
    });
    let (module, layer) = place.unwrap_or(("", 0));
    quantize::quantized(part(module, layer, config.layers))
}

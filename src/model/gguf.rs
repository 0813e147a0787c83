//! GGUF, the files of llama.cpp: read as a Hugging Face model would be, quantised weights widened.

use super::arch::{self, Spec};
use super::{Config, Weights, folder};
use crate::format::gguf::{Gguf, TensorEntry, Value as Fact};
use crate::kernel::quant::Blocks;
use crate::tensor::{Array, DType};
use crate::{Error, Result, bail, cancel, files};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Opens a `.gguf` file: its config from the metadata, its weights under their Hugging Face names; with `keep`, those
/// that are quantised stay so.
pub fn open(path: &Path, dtype: DType, keep: bool) -> Result<(Config, Weights)> {
    let header = Gguf::open(path).map_err(|error| error.told_by("model"))?;
    let place = path.display().to_string();
    let tell = |error: Error| error.told_by("model").at(&place);
    let kind = kind(&header).map_err(tell)?;
    let entries: BTreeMap<&str, &TensorEntry> =
        header.tensors.iter().map(|entry| (entry.name.as_str(), entry)).collect();
    let mut file = files::open("model", path)?;
    let mut raw = |entry: &TensorEntry| -> Result<Vec<u8>> {
        cancel::check()?;
        let mut bytes = vec![0; entry.byte_size()?];
        let read = file.seek(SeekFrom::Start(header.data + entry.offset)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|error| Error::new("model", format!("`{}` can't be read: {error}", entry.name)))?;
        Ok(bytes)
    };
    let factors = match entries.get("rope_freqs.weight") {
        Some(entry) => {
            Some(entry.decode(&raw(entry).map_err(tell)?).and_then(|array| Ok(array.to_vec1::<f32>()?)).map_err(tell)?)
        }
        None => None,
    };
    let config = config(&header, kind, &entries, factors.as_deref()).and_then(Config::read).map_err(tell)?;
    if keep && config.arch.transposed {
        bail!("model", "{place}: the weights of a {kind} lie the other way round in GGUF, and can't stay quantised");
    }

    let specs = arch::tensors(&config);
    let mut names = BTreeMap::new();
    for spec in &specs {
        names.insert(gguf_name(&config, &spec.name), spec);
    }
    let missing: Vec<&str> = names.keys().map(String::as_str).filter(|name| !entries.contains_key(name)).collect();
    let computed = |name: &str| name == "rope_freqs.weight" || (config.tied && name == "output.weight");
    let unknown: Vec<&str> =
        entries.keys().copied().filter(|name| !names.contains_key(*name) && !computed(name)).collect();
    folder::complain(&place, &config, &missing, &unknown)?;

    // the file is read in order, and widened on all cores
    let mut parts = Vec::new();
    for (name, spec) in &names {
        let entry = entries[name.as_str()];
        let stored: Vec<usize> = entry.dims.iter().rev().map(|&size| size as usize).collect();
        let wanted =
            if is_turned(&config, spec) { spec.shape.iter().rev().copied().collect() } else { spec.shape.clone() };
        folder::check_shape(&place, name, &stored, &Spec::new(name, &wanted, spec.start))?;
        parts.push((*spec, entry, raw(entry).map_err(tell)?));
    }
    let arrays = parts
        .into_par_iter()
        .map(|(spec, entry, bytes)| {
            let kind = entry.ggml_type()?;
            if keep && spec.shape.len() == 2 && Blocks::keeps(kind) {
                let blocks = Blocks::new(kind, [spec.shape[0], spec.shape[1]], &bytes)?;
                return Ok((spec, Held::Blocks(turned_rows(&config, spec, blocks)?)));
            }
            let array = arrange(&config, spec, entry.decode(&bytes)?)?;
            Ok((spec, Held::Array(array.to_dtype(dtype)?.contiguous()?)))
        })
        .collect::<Result<Vec<_>>>()
        .map_err(tell)?;
    let mut weights = Weights::default();
    for (spec, held) in arrays {
        match held {
            Held::Array(array) => weights.insert(&spec.name, array),
            Held::Blocks(blocks) => weights.insert_blocks(&spec.name, blocks)?,
        }
    }
    Ok((config, weights))
}

/// A weight as it was read.
enum Held {
    Array(Array),
    Blocks(Blocks),
}

/// The `model_type` of the file's architecture.
fn kind(header: &Gguf) -> Result<&'static str> {
    let named = header.text("general.architecture").unwrap_or("");
    match named {
        // what has a window is a Mistral: the file tells no other difference
        "llama" if header.int("llama.attention.sliding_window").is_some_and(|window| window > 0) => Ok("mistral"),
        "llama" => Ok("llama"),
        "qwen2" => Ok("qwen2"),
        "qwen3" => Ok("qwen3"),
        "gpt2" => Ok("gpt2"),
        "" => bail!("model", "`general.architecture` is missing"),
        other => Err(Error::new("model", format!("architecture `{other}` is not supported in GGUF"))
            .choose(other, ["llama", "qwen2", "qwen3", "gpt2"])),
    }
}

/// What `config.json` would say.
fn config(
    header: &Gguf,
    kind: &str,
    entries: &BTreeMap<&str, &TensorEntry>,
    factors: Option<&[f32]>,
) -> Result<Map<String, Value>> {
    let own = header.text("general.architecture").unwrap_or_default();
    let find = |key: &str| header.get(&format!("{own}.{key}"));
    let whole = |key: &str| match find(key).and_then(Fact::as_int) {
        Some(value) => Ok(value),
        None => Err(Error::new("model", format!("the metadata `{own}.{key}` is missing"))),
    };
    let float = |key: &str, otherwise: f64| find(key).and_then(Fact::as_float).unwrap_or(otherwise);
    let Some(table) = entries.get("token_embd.weight").filter(|entry| entry.dims.len() == 2) else {
        bail!("model", "the weight `token_embd.weight` is missing");
    };
    let class = arch::find(kind).map(|arch| arch.class);
    let tied = kind == "gpt2" || !entries.contains_key("output.weight");
    let heads = whole("attention.head_count")?;
    let mut json = json!({
        "architectures": [class],
        "model_type": kind,
        "vocab_size": table.dims[1],
        "tie_word_embeddings": tied,
    });
    let special = |name: &str| header.int(&format!("tokenizer.ggml.{name}_token_id"));
    for (field, name) in [("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding")] {
        json[field] = json!(special(name));
    }
    if kind == "gpt2" {
        json["n_embd"] = json!(whole("embedding_length")?);
        json["n_layer"] = json!(whole("block_count")?);
        json["n_head"] = json!(heads);
        json["n_positions"] = json!(whole("context_length")?);
        json["n_inner"] = json!(whole("feed_forward_length")?);
        json["layer_norm_epsilon"] = json!(float("attention.layer_norm_epsilon", 1e-5));
        json["activation_function"] = json!("gelu_new");
    } else {
        let theta = float("rope.freq_base", 10000.0);
        let hidden = whole("embedding_length")?;
        let head_dim = find("attention.key_length").and_then(Fact::as_int).unwrap_or(hidden / heads.max(1));
        json["hidden_size"] = json!(hidden);
        json["intermediate_size"] = json!(whole("feed_forward_length")?);
        json["num_hidden_layers"] = json!(whole("block_count")?);
        json["num_attention_heads"] = json!(heads);
        json["num_key_value_heads"] = json!(find("attention.head_count_kv").and_then(Fact::as_int).unwrap_or(heads));
        json["head_dim"] = json!(head_dim);
        json["max_position_embeddings"] = json!(whole("context_length")?);
        // the file holds f32: 1e-5 came as 0.00000999…
        json["rms_norm_eps"] = json!(short(float("attention.layer_norm_rms_epsilon", 1e-5)));
        json["hidden_act"] = json!("silu");
        json["rope_theta"] = json!(short(theta));
        json["rope_scaling"] = scaling(header, own, theta, head_dim, factors)?;
        json["attention_bias"] = json!(kind == "llama" && entries.contains_key("blk.0.attn_q.bias"));
        if kind == "mistral" {
            json["sliding_window"] = json!(whole("attention.sliding_window")?);
        }
    }
    match json {
        Value::Object(json) => Ok(json),
        _ => unreachable!("it was written as an object"),
    }
}

/// A number that was f32, in the fewest digits that say it.
fn short(value: f64) -> f64 {
    (value as f32).to_string().parse().unwrap_or(value)
}

/// How positions are scaled: told by name, or (Llama 3) only by the factors that result.
fn scaling(header: &Gguf, own: &str, theta: f64, head_dim: i64, factors: Option<&[f32]>) -> Result<Value> {
    if let Some(factors) = factors {
        let factor = factors.iter().copied().fold(1.0, f32::max);
        let original = header.int(&format!("{own}.rope.scaling.original_context_length")).unwrap_or(8192);
        let expected = llama3_factors(theta, head_dim as usize, f64::from(factor), original as f64);
        let close = |(got, want): (&f32, f64)| (f64::from(*got) - want).abs() <= 1e-3 * want;
        if factors.len() != expected.len() || !factors.iter().zip(expected).all(close) {
            bail!("model", "its scaling of rotary positions (rope_freqs.weight) is not Llama 3's");
        }
        return Ok(json!({
            "rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": original,
        }));
    }
    match header.text(&format!("{own}.rope.scaling.type")) {
        None | Some("none") => Ok(Value::Null),
        Some("linear") => {
            let factor = header.float(&format!("{own}.rope.scaling.factor")).unwrap_or(1.0);
            Ok(json!({ "rope_type": "linear", "factor": factor }))
        }
        Some(other) => bail!("model", "rotary scaling `{other}` is not supported"),
    }
}

/// What llama.cpp divides Llama 3's frequencies by.
fn llama3_factors(theta: f64, head_dim: usize, factor: f64, original: f64) -> Vec<f64> {
    let (low, high) = (1.0, 4.0);
    let one = |index: usize| {
        let wavelength = std::f64::consts::TAU * theta.powf(2.0 * index as f64 / head_dim as f64);
        if wavelength < original / high {
            1.0
        } else if wavelength > original / low {
            factor
        } else {
            let smooth = (original / wavelength - low) / (high - low);
            1.0 / ((1.0 - smooth) / factor + smooth)
        }
    };
    (0..head_dim / 2).map(one).collect()
}

/// What GGUF calls the weight with this Hugging Face name.
fn gguf_name(config: &Config, name: &str) -> String {
    let known = [
        (config.arch.table, "token_embd.weight"),
        ("transformer.wpe.weight", "position_embd.weight"),
        ("lm_head.weight", "output.weight"),
        ("model.norm.weight", "output_norm.weight"),
        ("transformer.ln_f.weight", "output_norm.weight"),
        ("transformer.ln_f.bias", "output_norm.bias"),
    ];
    if let Some((_, gguf)) = known.iter().find(|(own, _)| *own == name) {
        return (*gguf).into();
    }
    let inner = [
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("ln_1", "attn_norm"),
        ("attn.c_attn", "attn_qkv"),
        ("attn.c_proj", "attn_output"),
        ("ln_2", "ffn_norm"),
        ("mlp.c_fc", "ffn_up"),
        ("mlp.c_proj", "ffn_down"),
    ];
    let place = name.strip_prefix(config.arch.blocks).and_then(|rest| rest.split_once('.'));
    let found = place.and_then(|(layer, rest)| {
        let (module, part) = rest.rsplit_once('.')?;
        let (_, gguf) = inner.iter().find(|(own, _)| *own == module)?;
        Some(format!("blk.{layer}.{gguf}.{part}"))
    });
    found.unwrap_or_else(|| name.into())
}

/// GGUF stores every matrix `[out, in]`.
fn is_turned(config: &Config, spec: &Spec) -> bool {
    config.arch.transposed && spec.shape.len() == 2 && spec.name.starts_with(config.arch.blocks)
}

/// From the order of llama.cpp to that of Hugging Face.
fn arrange(config: &Config, spec: &Spec, array: Array) -> Result<Array> {
    if is_turned(config, spec) {
        return Ok(array.t()?.contiguous()?);
    }
    let Some(heads) = interleaved(config, spec) else { return Ok(array) };
    let columns = array.elem_count() / (heads * config.head_dim);
    let turned = array.reshape((heads, config.head_dim / 2, 2, columns))?.transpose(1, 2)?.contiguous()?;
    Ok(turned.reshape(spec.shape.as_slice())?)
}

/// How many heads lie in the order of llama.cpp, which turns neighbours of Llama's queries and keys, where Hugging Face
/// turns the two halves of a head.
fn interleaved(config: &Config, spec: &Spec) -> Option<usize> {
    if !matches!(config.arch.kind, "llama" | "mistral") {
        return None;
    }
    match &spec.name {
        name if name.contains("self_attn.q_proj.") => Some(config.heads),
        name if name.contains("self_attn.k_proj.") => Some(config.kv_heads),
        _ => None,
    }
}

/// As [`arrange`], for rows that stay in their blocks.
fn turned_rows(config: &Config, spec: &Spec, blocks: Blocks) -> Result<Blocks> {
    let Some(heads) = interleaved(config, spec) else { return Ok(blocks) };
    let half = config.head_dim / 2;
    let row = |head: usize, part: usize, at: usize| head * config.head_dim + 2 * at + part;
    let order: Vec<usize> =
        (0..heads).flat_map(|head| (0..2).flat_map(move |part| (0..half).map(move |at| row(head, part, at)))).collect();
    blocks.reordered(&order)
}

//! Opening models, and making new ones.

use super::read;
use crate::hub::{self, Want};
use crate::kernel;
use crate::model::{Model, NewHead, Pooling, Problem};
use crate::script::prelude::*;
use crate::tensor::{Device, Rng};

const MODEL: &[Opt] = &[
    opt("dtype", Kind::OneOf(&read::DTYPES), "\"f32\"", "dtype of the stored weights").also(&["torch_dtype"]),
    opt(
        "device",
        Kind::Text,
        "",
        "device of the weights and computations: cpu, cuda, metal, or cuda:1; default: LEVAIN_DEVICE, or cpu",
    )
    .also(&["device_map", "gpu"]),
    opt("quantized", Kind::Bool, "false", "keep the blocks of a quantized .gguf file, as frozen weights")
        .also(&["load_in_8bit"]),
    opt(
        "engine",
        Kind::OneOf(&["levain", "candle"]),
        "\"levain\"",
        "`candle` has more architectures, but only generates and measures",
    )
    .also(&["backend", "gemma", "phi3", "starcoder2"]),
    opt("head", Kind::OneOf(&HEADS), "", "new head of the model").also(&[
        "AutoModelForMaskedLM",
        "AutoModelForSequenceClassification",
        "AutoModelForTokenClassification",
        "AutoModelForNextSentencePrediction",
        "AutoModelForPreTraining",
        "SentenceTransformer",
    ]),
    opt("labels", Kind::Any, "", "names of the classes of a new head, or their number")
        .also(&["num_labels", "id2label"]),
    opt(
        "problem_type",
        Kind::OneOf(&PROBLEMS),
        "",
        "task of a head of whole sequences; default: single-label classification",
    )
    .also(&["multi-label", "regression"]),
    opt(
        "crf",
        Kind::Bool,
        "false",
        "a conditional random field over the labels of a `token` head, saved with the model",
    )
    .also(&["BiLSTM-CRF", "CRF head", "torchcrf"]),
    opt("pooling", Kind::OneOf(&Pooling::NAMES), "\"mean\"", "pooling of token states into an embedding")
        .also(&["pooling_mode"]),
    opt("normalize", Kind::Bool, "false", "scale embeddings to length 1").also(&["normalize_embeddings"]),
    opt("seed", Kind::Int, "", "seed of new weights; default: the run's stream"),
    // the keys of config.json
    opt(
        "model_type",
        Kind::Text,
        "",
        "architecture of a new model: llama, mistral, phi3, qwen2, qwen3, gemma2, gemma3_text, gpt2, bert, roberta, …",
    ),
    opt("vocab_size", Kind::Int, "", "number of embedding rows"),
    opt("hidden_size", Kind::Int, "", "width of the hidden states").also(&["d_model", "n_embd"]),
    opt("num_hidden_layers", Kind::Int, "", "number of layers").also(&["n_layer"]),
    opt("num_attention_heads", Kind::Int, "", "attention heads; default: hidden_size / 64").also(&["n_head"]),
    opt("num_key_value_heads", Kind::Int, "", "key/value heads; default: num_attention_heads")
        .also(&["GQA", "n_kv_head"]),
    opt("head_dim", Kind::Int, "", "width of a head; default: hidden_size / num_attention_heads"),
    opt(
        "intermediate_size",
        Kind::Int,
        "",
        "width of the feed-forward layer; default: 8/3 of hidden_size, in gpt2 4 times",
    )
    .also(&["n_inner", "d_ff"]),
    opt("max_position_embeddings", Kind::Int, "2048", "longest sequence").also(&["n_positions", "context length"]),
    opt("rope_theta", Kind::Float, "10000.0", "base of the rotary position embeddings"),
    opt("rope_scaling", Kind::Map, "", "scaling of rotary position embeddings").also(&["rope_parameters"]),
    opt("rms_norm_eps", Kind::Float, "1e-5", "epsilon of RMS norms"),
    opt("layer_norm_eps", Kind::Float, "1e-5", "epsilon of layer norms (gpt2, bert)").also(&["layer_norm_epsilon"]),
    opt("hidden_act", Kind::Text, "", "activation of the feed-forward layer").also(&["activation_function"]),
    opt("attention_bias", Kind::Bool, "false", "biases in attention (llama)"),
    opt(
        "sliding_window",
        Kind::Int,
        "",
        "attention window of all layers (mistral, phi3, qwen2, qwen3) or of the local layers (gemma); default: none, in gemma 4096",
    ),
    opt("sliding_window_pattern", Kind::Int, "6", "distance from one global layer to the next (gemma3_text)"),
    opt("rope_local_base_freq", Kind::Float, "10000.0", "`rope_theta` of the local layers (gemma3_text)"),
    opt(
        "query_pre_attn_scalar",
        Kind::Float,
        "",
        "attention scores are divided by its square root (gemma); default: the width of a head",
    ),
    opt("attn_logit_softcapping", Kind::Float, "50.0", "soft limit of attention scores (gemma2)").also(&["softcap"]),
    opt("final_logit_softcapping", Kind::Float, "30.0", "soft limit of logits (gemma2); in gemma3_text none"),
    opt("tie_word_embeddings", Kind::Bool, "true", "share input and output embeddings").also(&["tied", "weight tying"]),
    opt(
        "embedding_size",
        Kind::Int,
        "",
        "width of the embeddings (electra, albert); default: hidden_size, in albert 128",
    ),
    opt("num_hidden_groups", Kind::Int, "1", "groups of layers that share their weights (albert)"),
    opt("local_attention", Kind::Int, "128", "window of the local layers, both sides together (modernbert)"),
    opt("global_attn_every_n_layers", Kind::Int, "3", "distance from one global layer to the next (modernbert)"),
    opt("position_buckets", Kind::Int, "256", "buckets of distances (deberta-v2)"),
    opt(
        "classifier_pooling",
        Kind::OneOf(&["cls", "mean"]),
        "\"cls\"",
        "input of a sequence head (modernbert): the first token, or the mean of all",
    ),
    opt("initializer_range", Kind::Float, "0.02", "standard deviation of new weights"),
    opt("type_vocab_size", Kind::Int, "2", "number of token types in a pair (bert)").also(&["token_type_ids"]),
    opt(
        "hidden_dropout_prob",
        Kind::Float,
        "0.0",
        "dropout of sublayers and embeddings in training (BERT-like models)",
    )
    .also(&["dropout"]),
    opt(
        "attention_probs_dropout_prob",
        Kind::Float,
        "0.0",
        "dropout of attention weights in training (BERT-like models)",
    ),
    opt(
        "classifier_dropout",
        Kind::Float,
        "",
        "dropout of a classifier's input; default: hidden_dropout_prob (BERT-like models)",
    ),
    opt(
        "attention_dropout",
        Kind::Float,
        "0.0",
        "dropout of attention weights, in modernbert of attention's output too, in training (modernbert, distilbert)",
    ),
    opt("embedding_dropout", Kind::Float, "0.0", "dropout of the embeddings in training (modernbert)"),
    opt("mlp_dropout", Kind::Float, "0.0", "dropout inside feed-forward layers in training (modernbert)"),
    opt("pad_token_id", Kind::Int, "", "id of the padding token (bert)"),
    opt("bos_token_id", Kind::Int, "", "id of the beginning-of-sequence token"),
    opt("eos_token_id", Kind::Any, "", "id of the end-of-sequence token, or a list of ids"),
];

/// The options that are not config keys.
const OWN: [&str; 11] =
    ["dtype", "device", "quantized", "engine", "head", "labels", "problem_type", "crf", "pooling", "normalize", "seed"];

const HEADS: [&str; 8] =
    ["causal", "masked", "next_sentence", "pretraining", "sequence", "token", "replaced_token", "embed"];

const PROBLEMS: [&str; 3] = ["single_label_classification", "multi_label_classification", "regression"];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("model", MODEL);
}

/// The config of a new model as JSON, without the other options. A map with `architectures` is a whole `config.json`, and may
/// hold any key.
fn config(given: &Map) -> Res<serde_json::Map<String, serde_json::Value>> {
    let mut json = serde_json::Map::new();
    for (key, value) in given.iter().filter(|(key, _)| !OWN.contains(&key.as_str())) {
        match rhai::serde::from_dynamic(value) {
            Ok(value) => json.insert(key.to_string(), value),
            Err(_) => bail!("model", "`{key}` is {}, which a config.json cannot hold", type_in_words(value)),
        };
    }
    Ok(json)
}

/// The device of the weights, checked before they are read.
fn device(options: &Options) -> Res<Option<Device>> {
    let Some(word) = options.maybe("device", Options::text)? else { return Ok(None) };
    match kernel::device("model", &word) {
        Some(device) => Ok(Some(device?)),
        None => Err(Error::unknown("model", "device", &word, kernel::DEVICES).into()),
    }
}

fn placed(net: Model, device: &Option<Device>) -> Res<Model> {
    if let Some(device) = device {
        net.move_to(device).map_err(|error| error.attributed_to("model"))?;
    }
    Ok(net)
}

/// The seed of new weights.
fn seed(options: &Options) -> Res<u64> {
    Ok(match options.maybe("seed", Options::int)? {
        Some(seed) => seed as u64,
        None => Rng::or_run(None).next_u64(),
    })
}

/// The requested head, with its classes.
fn new_head(options: &Options) -> Res<Option<NewHead>> {
    let Some(name) = options.maybe("head", Options::text)? else {
        return match ["labels", "problem_type", "crf", "pooling", "normalize"].iter().find(|name| options.has(name)) {
            Some(name) => bail!("model", "option `{name}` is of a new head, and no `head` is given"),
            None => Ok(None),
        };
    };
    let labels = if options.has("labels") { Some(labels(options.get("labels"))?) } else { None };
    let problem = options.maybe("problem_type", Options::text)?;
    let crf = options.bool("crf")?;
    if crf && name != "token" {
        bail!("model", "`crf` is of a `token` head, and this one is `{name}`");
    }
    let pooling = options.has("pooling").then(|| options.text("pooling")).transpose()?;
    Ok(Some(NewHead {
        name: name.to_string(),
        seed: seed(options)?,
        labels,
        crf,
        problem: problem.map(|name| Problem::named("model", &name)).transpose()?,
        pooling: pooling.map(|name| Pooling::named("model", &name)).transpose()?,
        normalize: if options.has("normalize") { Some(options.bool("normalize")?) } else { None },
    }))
}

/// Names of classes, given or numbered.
fn labels(given: Dynamic) -> Res<Vec<String>> {
    if let Ok(count) = given.as_int() {
        return match usize::try_from(count) {
            Ok(count @ 1..=1_000_000) => Ok((0..count).map(|id| format!("LABEL_{id}")).collect()),
            _ => bail!("model", "{count} labels: give their names, or a number above 0"),
        };
    }
    let kind = type_in_words(&given);
    let Some(list) = given.try_cast::<List>() else {
        bail!("model", "`labels` is {kind}, not a list of names or a number");
    };
    let names: Vec<String> = list.iter().map(|name| name.to_string()).collect();
    if names.is_empty() {
        bail!("model", "`labels` is empty");
    }
    if let Some(at) = (1..names.len()).find(|&at| names[..at].contains(&names[at])) {
        bail!("model", "the label `{}` is given twice", names[at]);
    }
    Ok(names)
}

#[export_module]
mod verbs {
    use super::{device, new_head, placed, seed};

    pub type Model = crate::model::Model;

    /// Opens the model in a Hugging Face folder, a PEFT adapter folder (with its base), or a `.gguf` file.
    ///
    /// A folder has `config.json` and safetensors, single or sharded, in f32, f16 or bf16. Decoders: Llama (2, 3, SmolLM),
    /// Mistral, Phi 3, Qwen2, Qwen3, Gemma 2, Gemma 3 (text) and GPT-2. Encoders: BERT, RoBERTa, XLM-R, CamemBERT, DistilBERT,
    /// ELECTRA, ALBERT, DeBERTa v2 and v3, ModernBERT and Nomic BERT. Every weight must be present with the shape that the config
    /// defines, and no other. GGUF weights are dequantized.
    ///
    /// Weights are stored as `dtype`, by default f32. `head` puts a new head on the model if the folder has another: `causal`,
    /// `masked`, `next_sentence`, `pretraining` (both of BERT's), `sequence` and `token` (with `labels`), `replaced_token`
    /// (ELECTRA) or `embed`. New, unused and left-out weights are reported in a line each.
    ///
    /// `crf: true` adds a conditional random field over the labels of a `token` head: its transitions are trained, saved and
    /// opened with the model (transformers reads the rest as a plain token head).
    ///
    /// `labels` are the names of the classes of `sequence` and `token`, or their number. `problem_type` is the task of
    /// `sequence`: single-label classification, multi-label (`multi_label_classification`), or numbers (`regression`).
    ///
    /// With `quantized: true` the weights of a quantized `.gguf` file stay in the file's own blocks (Q4_0 to Q8_0, Q2_K to Q8_K),
    /// a fifth to a third of the memory. They are frozen; products dequantize them on the fly, and an adapter trains beside them
    /// (QLoRA: Dettmers et al. 2023). Only the output embeddings are dequantized as a whole, while a loss is computed.
    ///
    /// also: AutoModelForCausalLM, AutoModelForCausalLM.from_pretrained, AutoModel, AutoConfig, LlamaForCausalLM, from_pretrained, from_config, torch_dtype
    ///
    /// effect
    ///
    /// ```rhai
    /// model("tests/data/parity/qwen3")     //=> qwen3, 2 layers, 72.5 k parameters, f32
    /// model("tests/data/parity/qwen4")     //=> error: model: tests/data/parity/qwen4 is not there
    /// model("tests/data/parity/llama", #{ dtype: "bf16" })    //=> llama, 2 layers, 60.1 k parameters, bf16
    /// model("tests/data/parity/llama", #{ device: "cuba" })   //=> error: model: there is no device `cuba`
    /// model("tests/data/parity/llama", #{ quantized: true })
    /// //=> error: model: tests/data/parity/llama is not a .gguf file, and not quantized
    /// model("tests/data/parity/bert-mlm", #{ head: "token", labels: ["O", "B-PER", "I-PER"], seed: 1 })
    /// //=> bert, 2 layers, 49.0 k parameters, f32, a new token head
    /// ```
    ///
    /// `hf:ORG/NAME` is a model on the Hugging Face hub, or on the mirror in HF_ENDPOINT; `hf:ORG/NAME@REVISION` is one of its
    /// commits, branches or tags, and `hf:ORG/NAME/FILE.gguf` one of its files. It is downloaded once, checked against its
    /// sha256, and kept in the cache of Python's library (HF_HUB_CACHE, HF_HOME); HF_TOKEN opens gated models, and HF_HUB_OFFLINE
    /// uses the cache alone.
    ///
    /// `engine: "candle"` opens architectures of candle-transformers that levain does not train: Gemma (1, 2, 3), Phi (2, 3),
    /// StarCoder 2, OLMo (1, 2), Granite, Helium, SmolLM3, and the mixtures of Qwen 2 and 3. Such a model generates, and serves
    /// as a baseline for `likelihood` and bits per byte; training it or changing its weights is an error. It has to be built in:
    /// `cargo build --release --features candle-models`.
    #[rhai_fn(name = "model", return_raw)]
    pub fn open(path: &str, options: Map) -> Res<Model> {
        let options = Options::read("model", MODEL, options)?;
        if let Some(other) = MODEL.iter().find(|opt| !OWN.contains(&opt.name) && options.has(opt.name)) {
            bail!("model", "option `{}` is for new models, and {path} has its own", other.name);
        }
        let dtype = read::dtype("model", &options.text("dtype")?)?;
        let device = device(&options)?;
        let path = &*hub::local("model", path, Want::Model)?;
        if options.text("engine")? == "candle" {
            if options.has("head") || options.bool("quantized")? {
                bail!("model", "engine \"candle\" has neither `head` nor `quantized`");
            }
            return placed(Model::open_candle(path, dtype)?, &device);
        }
        if options.bool("quantized")? {
            return placed(Model::open_quantized(path, dtype)?, &device);
        }
        placed(Model::open_with(path, dtype, new_head(&options)?.as_ref())?, &device)
    }

    /// Makes a new model with random weights from a config. The config is a `config.json` as a map; missing keys have defaults.
    /// `net.config` returns the complete config.
    ///
    /// Weights are initialized as in transformers: normal with standard deviation 0.02, norms 1, biases 0.
    ///
    /// The same config and seed give the same weights.
    ///
    /// effect
    ///
    /// ```rhai
    /// model(#{ model_type: "llama", vocab_size: 1000, hidden_size: 128, num_hidden_layers: 4, num_key_value_heads: 1 })
    /// //=> llama, 4 layers, 866.4 k parameters, f32
    /// model(dataset("tests/data/parity/qwen3/config.json")[0])
    /// //=> qwen3, 2 layers, 72.5 k parameters, f32
    /// model(#{ model_type: "lama", vocab_size: 1000, hidden_size: 128, num_hidden_layers: 4 })
    /// //=> error: model: model_type `lama` is not supported
    /// let config = #{ model_type: "gpt2", vocab_size: 100, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2 };
    /// let net    = model(config + #{ max_position_embeddings: 64 }, #{ seed: 7 });
    /// net                                  //=> gpt2, 2 layers, 30.7 k parameters, f32
    /// let same = model(net.config, #{ seed: 7 });
    /// same["transformer.wte.weight"].sum().item() == net["transformer.wte.weight"].sum().item()    //=> true
    /// ```
    ///
    /// also: AutoModelForCausalLM.from_config, AutoConfig, LlamaConfig
    #[rhai_fn(name = "model", return_raw)]
    pub fn new(config: Map, options: Map) -> Res<Model> {
        let mut given = config;
        given.extend(options);
        let json = super::config(&given)?;
        if given.contains_key("architectures") {
            given.retain(|key, _| OWN.contains(&key.as_str()));
        }
        let options = Options::read("model", MODEL, given)?;
        if options.bool("quantized")? {
            bail!("model", "option `quantized` is for .gguf files, and this is a new model");
        }
        let head = new_head(&options)?;
        let dtype = read::dtype("model", &options.text("dtype")?)?;
        let seed = head.as_ref().map_or_else(|| seed(&options), |head| Ok(head.seed))?;
        let device = device(&options)?;
        placed(Model::new(json, head.as_ref(), seed, dtype)?, &device)
    }
}

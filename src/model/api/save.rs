//! Saving to a folder or a .gguf.

use super::read;
use super::weights::importance;
use crate::kernel::quantize::WORDS as BLOCKS;
use crate::model::mixture::WORDS as MIXTURES;
use crate::model::{GgufSaving, Model, Saving};
use crate::script::prelude::*;
use crate::token::Tokenizer;
use std::path::Path;

const SAVE: &[Opt] = &[
    opt("dtype", Kind::OneOf(&read::DTYPES), "", "folder: dtype of the files; default: the dtype of the weights")
        .also(&["torch_dtype"]),
    opt("tok", Kind::Any, "", "the tokenizer, saved in the .gguf or as files in the folder").also(&["tokenizer"]),
    opt("kind", Kind::OneOf(&KINDS), "", ".gguf: storage kind of the matrices; default: unchanged")
        .also(&["quantize", "outtype", "ftype"]),
    opt(
        "output",
        Kind::OneOf(&KINDS),
        "",
        ".gguf: storage kind of the output embeddings; default: q6_k where the others are quantized to less",
    )
    .also(&["output-tensor-type", "token-embedding-type"]),
    opt("texts", Kind::List, "[]", ".gguf: texts that its tokenizer must encode to the same ids"),
    opt("importance", Kind::Any, "", ".gguf with a `kind` of blocks: as in `quantize`").also(&["imatrix"]),
    opt("modelfile", Kind::Bool, "false", ".gguf: also write a Modelfile for Ollama").also(&["ollama"]),
];

const PLAIN: [&str; 3] = ["f32", "f16", "bf16"];

/// Storage kinds of matrices in a `.gguf`: plain numbers, blocks, and mixtures of blocks.
const KINDS: [&str; PLAIN.len() + BLOCKS.len() + MIXTURES.len()] = {
    let mut all = [""; PLAIN.len() + BLOCKS.len() + MIXTURES.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = match at.checked_sub(PLAIN.len()) {
            None => PLAIN[at],
            Some(at) if at < BLOCKS.len() => BLOCKS[at],
            Some(at) => MIXTURES[at - BLOCKS.len()],
        };
        at += 1;
    }
    all
};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("save", SAVE);
}

#[export_module]
mod verbs {
    pub type Model = crate::model::Model;

    /// Saves the model to a folder that `model` and transformers open: `config.json`, `generation_config.json`, safetensors.
    ///
    /// Weights beyond 5 GB are split into several files. Attached LoRA is merged into the saved weights (`save_lora` saves it
    /// alone). All files are replaced together: after an error or a kill the folder holds the old ones, or all the new.
    /// `levain_checksums.json` records their checksums, so that `model` detects damage; to change a file by hand, remove it.
    ///
    /// effect
    ///
    /// ```rhai
    /// let net = model(#{ model_type: "llama", vocab_size: 32, hidden_size: 16, num_hidden_layers: 1 }, #{ seed: 1 });
    /// net.save("out/examples/model");
    /// model("out/examples/model")              //=> llama, 1 layer, 4.7 k parameters, f32
    /// net.save("out/examples/half", #{ dtype: "bf16" });
    /// ```
    ///
    /// A path that ends in `.gguf` writes a file for llama.cpp, Ollama and LM Studio, with the tokenizer `tok` in it: for llama,
    /// mistral, qwen2, qwen3 and gpt2 with byte-level BPE or BPE with byte fallback, and for bert with an `embed` head and
    /// WordPiece. Its `kind` is `f32`, `f16`, `bf16`, or one of ggml's blocks:
    ///
    /// | kind | bits per number | |
    /// |---|---|---|
    /// | `q8_0` | 8.5 | almost the same as f16 |
    /// | `q6_k` | 6.6 | |
    /// | `q5_k`, `q5_0`, `q5_1` | 5.5, 5.5, 6 | |
    /// | `q4_k`, `q4_0`, `q4_1` | 4.5, 4.5, 5 | the most common choice |
    /// | `q3_k`, `q2_k` | 3.4, 2.6 | |
    /// | `q3_k_m`, `q4_k_s`, `q4_k_m`, `q5_k_m` | | llama.cpp's mixtures: values and the second matrix of the MLP get more bits in some layers |
    ///
    /// Kinds with `_k` need rows of a multiple of 256 numbers; other matrices are stored in llama.cpp's fallback kind, with a
    /// warning. Output embeddings are `q6_k` if the other matrices are quantized to less than `q8_0`. Rounding is llama.cpp's;
    /// `importance` is as in `quantize`. The file is read back before it gets its name: its weights must equal the model's, and
    /// its tokenizer must return the same ids by GGUF's rules, for each of its tokens and for `texts`. GGUF has no key for words
    /// looked up whole (`method: "whole_words"` of an extension), so such a tokenizer is an error.
    ///
    /// `modelfile: true` writes `NAME.Modelfile` beside `NAME.gguf`, for `ollama create NAME -f NAME.Modelfile`: the chat
    /// template in Ollama's form, if it only writes each message between two texts, the ends of turns, and the defaults of
    /// `generation_config.json`.
    ///
    /// ```rhai
    /// let net = model("scripts/models/tiny");
    /// let tok = tokenizer("scripts/models/tiny");
    /// net.save("out/examples/tiny.gguf", #{ tok: tok, kind: "q8_0" });
    /// model("out/examples/tiny.gguf").generate(tok, "The", #{ max_new_tokens: 1 }) == net.generate(tok, "The", #{ max_new_tokens: 1 })  //=> true
    /// net.save("out/examples/no.gguf")         //=> error: save: a .gguf holds the tokenizer of its model: give it as `tok`
    /// ```
    ///
    /// also: save_pretrained, save_model, gguf, llama.cpp, ollama, convert_hf_to_gguf, llama-quantize, export
    #[rhai_fn(name = "save", pure, return_raw)]
    pub fn save(net: &mut Model, folder: &str, options: Map) -> Res<()> {
        let options = Options::read("save", SAVE, options)?;
        let path = Path::new(folder);
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf")) && !crate::files::is_folder(path)
        {
            return super::save_gguf(net, path, &options);
        }
        if let Some(of_file) =
            ["kind", "output", "texts", "importance", "modelfile"].into_iter().find(|name| options.has(name))
        {
            let error = Error::new("save", format!("`{of_file}` is of a .gguf file, and {folder} is a folder"));
            return Err(error.help("a path that ends in .gguf makes one; `dtype` is what a folder stores").into());
        }
        let dtype = match options.maybe("dtype", Options::text)? {
            Some(name) => Some(read::dtype("save", &name)?),
            None => None,
        };
        net.save(path, Saving { dtype, ..Saving::default() })?;
        match super::tokenizer(&options)? {
            Some(tok) => Ok(tok.save(path)?),
            None => Ok(()),
        }
    }
}

fn tokenizer(options: &Options) -> Res<Option<Tokenizer>> {
    let given = options.get("tok");
    if given.is_unit() {
        return Ok(None);
    }
    match given.clone().try_cast::<Tokenizer>() {
        Some(tok) => Ok(Some(tok)),
        None => bail!("save", "option `tok` takes a tokenizer, not {}", type_in_words(&given)),
    }
}

fn save_gguf(net: &Model, path: &Path, options: &Options) -> Res<()> {
    let Some(tok) = tokenizer(options)? else {
        bail!("save", "a .gguf holds the tokenizer of its model: give it as `tok`");
    };
    if options.has("dtype") {
        let error = Error::new("save", "`dtype` is of a folder, and this is a .gguf file");
        return Err(error.help("`kind` is what its matrices are stored as").into());
    }
    let word = |name: &str| options.maybe(name, Options::text).map(|word| word.map(|word| word.to_string()));
    let texts = options.get("texts").into_typed_array::<String>();
    let Ok(texts) = texts else { bail!("save", "option `texts` takes a list of texts") };
    let kind = word("kind")?;
    let importance = importance("save", net, options.get("importance"))?;
    if importance.is_some() && kind.as_ref().is_none_or(|kind| PLAIN.contains(&kind.as_str())) {
        return Err(Error::new("save", "`importance` is for a `kind` of blocks, and nothing is quantized here")
            .help("name one: `kind: \"q4_k\"`")
            .into());
    }
    let saving = GgufSaving { tokenizer: &tok, kind, output: word("output")?, texts, importance };
    net.save_gguf(path, &saving)?;
    match options.bool("modelfile")? {
        true => Ok(net.save_modelfile(path, &tok)?),
        false => Ok(()),
    }
}

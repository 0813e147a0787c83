//! Text generation.

use super::read::Ids;
use crate::data::Dataset;
use crate::data::api::listed;
use crate::model::{Detokenizer, Model, Sampling};
use crate::ranks;
use crate::script::prelude::*;
use crate::tensor::Rng;
use crate::token::Tokenizer;
use crate::token::api::start_token;
use std::collections::BTreeMap;

const GENERATE: &[Opt] = &[
    opt("max_new_tokens", Kind::Int, "100", "maximum number of new tokens").also(&["max_length", "max_tokens"]),
    opt("min_new_tokens", Kind::Int, "0", "minimum number of new tokens, before which EOS is not chosen")
        .also(&["min_length", "min_tokens"]),
    opt("temperature", Kind::Float, "0.0", "0 is greedy decoding; 1 samples from the model's own distribution")
        .also(&["do_sample"]),
    opt("top_k", Kind::Int, "", "sample from the k most likely tokens only"),
    opt("top_p", Kind::Float, "", "sample from the most likely tokens of this total probability only")
        .also(&["nucleus sampling"]),
    opt("min_p", Kind::Float, "", "sample only from tokens of at least this share of the highest probability")
        .also(&["min-p sampling"]),
    opt("repetition_penalty", Kind::Float, "1.0", "above 1 makes tokens already in the text less likely (CTRL)"),
    opt(
        "frequency_penalty",
        Kind::Float,
        "0.0",
        "subtracted from a token's logit for each time it was generated (OpenAI)",
    ),
    opt("presence_penalty", Kind::Float, "0.0", "subtracted once from the logit of each generated token (OpenAI)"),
    opt("stop", Kind::List, "[]", "strings that end generation; the text excludes them")
        .also(&["stop_strings", "stopping_criteria"]),
    opt("seed", Kind::Int, "", "seed of the sampling; default: the run's stream"),
    opt("skip_special_tokens", Kind::Bool, "true", "leave special tokens out of the text"),
    opt(
        "bos",
        Kind::Any,
        "false",
        "true: prepend BOS to each prompt (EOS where there is no BOS); or a token to prepend",
    )
    .also(&["add_bos_token", "prefix_token_id"]),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("generate", GENERATE);
}

/// The sampling settings, and the stop strings.
fn sampling(net: &Model, tok: &Tokenizer, options: &Options) -> Res<(Sampling, Vec<String>)> {
    let mut stops = Vec::new();
    for stop in options.get("stop").into_array().unwrap_or_default() {
        match stop.clone().into_immutable_string() {
            Ok(stop) if stop.is_empty() => bail!("generate", "option `stop` holds an empty string, which ends nothing"),
            Ok(stop) => stops.push(stop.to_string()),
            Err(_) => bail!("generate", "option `stop` holds {}, not strings", type_in_words(&stop)),
        }
    }
    let sampling = Sampling {
        max_new_tokens: options.count("max_new_tokens")?,
        min_new_tokens: options.count("min_new_tokens")?,
        temperature: options.float("temperature")?,
        top_k: options.maybe("top_k", Options::count)?,
        top_p: options.maybe("top_p", Options::float)?,
        min_p: options.maybe("min_p", Options::float)?,
        repetition_penalty: options.float("repetition_penalty")?,
        frequency_penalty: options.float("frequency_penalty")?,
        presence_penalty: options.float("presence_penalty")?,
        logit_bias: BTreeMap::new(),
        ends: net.ends().into_iter().chain(tok.eos()).collect(),
    };
    let drawn =
        [("top_k", sampling.top_k.is_some()), ("top_p", sampling.top_p.is_some()), ("min_p", sampling.min_p.is_some())];
    if let Some((name, _)) = drawn.iter().find(|(_, is_given)| sampling.temperature == 0.0 && *is_given) {
        let what =
            format!("`{name}` changes nothing at temperature 0, which takes the most likely token; set `temperature`");
        crate::progress::warn("generate", what);
    }
    Ok((sampling, stops))
}

/// Prompts as ids, and whether there was a single one.
fn prompts(tok: &Tokenizer, given: Dynamic) -> Res<(Vec<Vec<u32>>, bool)> {
    if given.is_string() {
        return Ok((vec![tok.ids(&given.to_string(), true)?], true));
    }
    let given = if given.is::<Dataset>() { listed("generate", "prompts", &given)?.into() } else { given };
    let list = given.clone().try_cast::<List>().unwrap_or_default();
    if !list.is_empty() && list.iter().all(Dynamic::is_string) {
        let texts: Vec<String> = list.into_iter().map(|text| text.to_string()).collect();
        return Ok((tok.encode_batch(&texts, true)?, false));
    }
    if list.iter().any(Dynamic::is_array) {
        let read = |row: Dynamic| Ids::read("generate", "ids", row)?.unsigned("generate");
        return Ok((list.into_iter().map(read).collect::<Res<_>>()?, false));
    }
    Ok((vec![Ids::read("generate", "ids", given)?.unsigned("generate")?], true))
}

/// Generates; `show` receives the text of each row as it becomes final, and returns whether to continue. Without a listener,
/// several texts are divided among ranks.
fn write(
    net: &Model,
    tok: &Tokenizer,
    prompt: Dynamic,
    options: Map,
    is_divided: bool,
    mut show: impl FnMut(&str) -> Res<bool>,
) -> Res<Dynamic> {
    let options = Options::read("generate", GENERATE, options)?;
    let start = start_token("generate", tok, options.get("bos"))?;
    net.check_causal("generate")?;
    fits(net, tok)?;
    let (mut prompts, single) = prompts(tok, prompt)?;
    if let Some(start) = start {
        let special = tok.is_special(start);
        for ids in prompts.iter_mut().filter(|ids| !special || ids.first() != Some(&start)) {
            ids.insert(0, start);
        }
    }
    let (sampling, stops) = sampling(net, tok, &options)?;
    let rng = Rng::or_run(options.maybe("seed", Options::int)?.map(|seed| seed as u64));
    let skip_special = options.bool("skip_special_tokens")?;
    // ranks take texts in turn; each of several texts has its own random numbers
    let (rank, count) = if is_divided && !single { ranks::turn() } else { (0, 1) };
    let rngs = (rank as u64..prompts.len() as u64).step_by(count).map(|row| rng.split(row)).collect();
    let prompts: Vec<Vec<u32>> = prompts.into_iter().skip(rank).step_by(count).collect();
    let mut writers: Vec<Detokenizer> = prompts.iter().map(|_| Detokenizer::new(tok, &stops, skip_special)).collect();
    // an error thrown by the script's closure has to pass through the loop
    let mut thrown = None;
    let written = net.generate_with(&prompts, &sampling, rngs, |row, id| {
        // embedding rows beyond the vocabulary have no text
        if (id as usize) >= tok.len() {
            return Ok(true);
        }
        let piece = writers[row].push(id)?;
        let more = match show(&piece) {
            Ok(more) => more,
            Err(fault) => {
                thrown = Some(fault);
                false
            }
        };
        Ok(more && !writers[row].stopped && thrown.is_none())
    });
    if let Some(fault) = thrown {
        return Err(fault);
    }
    let finished = || {
        written?;
        writers.iter_mut().map(Detokenizer::finish).collect::<crate::Result<Vec<String>>>()
    };
    let rests = finished();
    if !is_divided {
        for rest in rests.as_ref().into_iter().flatten() {
            show(rest)?;
        }
    }
    let texts = rests.map(|_| writers.into_iter().map(|writer| writer.text).collect::<Vec<String>>());
    let texts = if count > 1 { ranks::texts_in_order("generation", texts)? } else { texts? };
    let mut texts: List = texts.into_iter().map(Dynamic::from).collect();
    Ok(if single { texts.pop().unwrap_or_default() } else { texts.into() })
}

/// Checks that the tokenizer has no more tokens than the model has embedding rows. Otherwise it is another model's, or was
/// extended without the model.
fn fits(net: &Model, tok: &Tokenizer) -> Res<()> {
    let (tokens, rows) = (tok.len(), net.config().vocab);
    if tokens > rows {
        return Err(Error::new(
            "generate",
            format!("the tokenizer has {tokens} tokens, the model {rows} embedding rows"),
        )
        .help("open the tokenizer of this model, or grow the model with `net.resize_embeddings(tok.len())`")
        .into());
    }
    Ok(())
}

#[export_module]
mod verbs {
    pub type Model = crate::model::Model;
    pub type Tokenizer = crate::token::Tokenizer;

    /// Generates text from a prompt, and returns the new text: by default greedy decoding of at most 100 tokens.
    ///
    /// `prompt` is a text, a list or a column of texts (the result is then a list), or ids.
    ///
    /// The same seed gives the same text. Generation ends at the EOS token of the model or the tokenizer (not before
    /// `min_new_tokens` tokens), at a stop string, or after `max_new_tokens` tokens.
    ///
    /// `temperature`, `top_k`, `top_p` and `min_p` (Nguyen et al. 2024, arXiv 2407.01082) are applied in this order, as in
    /// transformers. `repetition_penalty` also counts the tokens of the prompt, `frequency_penalty` and `presence_penalty` only
    /// generated tokens.
    ///
    /// also: sampling, greedy decoding, KV cache, text generation, pipeline, nucleus sampling, beam search
    ///
    /// ```rhai
    /// let tok = tokenizer("tests/data/model/tokenizer.json");
    /// let net = model(#{ model_type: "llama", vocab_size: tok.len(), hidden_size: 16, num_hidden_layers: 1 }, #{ seed: 1 });
    /// net.generate(tok, "the cat sat");
    /// let how = #{ max_new_tokens: 20, temperature: 0.8, top_p: 0.9, seed: 1, stop: ["\n"] };
    /// net.generate(tok, "the cat", how) == net.generate(tok, "the cat", how)     //=> true
    /// net.generate(tok, ["the cat", "The"], #{ max_new_tokens: 2 }).len()                  //=> 2
    /// net.generate(tok, dataset(["the cat", "The"]).column("text")).len()                  //=> 2
    /// net.generate(tok, dataset(["the cat"]))       //=> error: generate: prompts are a list or a column of a dataset, not rows of `text`
    /// net.generate(tok, "the cat", #{ temperature: 1.0, min_p: 0.1, min_new_tokens: 5, seed: 1 });
    /// net.generate(tok, "the cat", #{ min_p: 1.5 })             //=> error: generate: option `min_p` is 1.5, and it has to be from 0 to 1
    /// net.generate(tok, "the cat", how + #{ bos: true });         // for a model trained with `bos`
    /// net.generate(tok, "the cat", #{ temprature: 0.8 })        //=> error: generate: there is no option `temprature`
    /// ```
    #[rhai_fn(name = "generate", pure, return_raw)]
    pub fn generate(net: &mut Model, tok: Tokenizer, prompt: Dynamic, options: Map) -> Res<Dynamic> {
        write(net, &tok, prompt, options, true, |_| Ok(true))
    }

    /// Generates text from a prompt and streams it to `show`. `show` is called with each new part, and ends generation by
    /// returning `false`.
    ///
    /// A function rather than a method, so that the closure may use `net` too.
    ///
    /// ```rhai
    /// let tok = tokenizer("tests/data/model/tokenizer.json");
    /// let net = model(#{ model_type: "llama", vocab_size: tok.len(), hidden_size: 16, num_hidden_layers: 1 }, #{ seed: 1 });
    /// let parts = [];
    /// let text  = generate(net, tok, "the cat", #{ max_new_tokens: 8 }, |part| parts.push(part));
    /// parts.join("") == text                                   //=> true
    /// generate(net, tok, "the cat", #{ max_new_tokens: 8 }, |part| write(part));
    /// ```
    #[rhai_fn(name = "generate", return_raw)]
    pub fn generate_shown(
        context: NativeCallContext,
        net: Model,
        tok: Tokenizer,
        prompt: Dynamic,
        options: Map,
        show: FnPtr,
    ) -> Res<Dynamic> {
        write(&net, &tok, prompt, options, false, |part| {
            if part.is_empty() {
                return Ok(true);
            }
            let answer: Dynamic = show.call_within_context(&context, (part.to_string(),))?;
            Ok(answer.as_bool() != Ok(false))
        })
    }
}

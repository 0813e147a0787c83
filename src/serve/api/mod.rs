//! Script verb for the server.

use super::options::ServeOptions;
use super::served::Served;
use super::{read_keys, server, warning};
use crate::progress;
use crate::script::prelude::*;
use std::path::Path;

const SERVE: &[Opt] = &[
    opt("name", Kind::Text, "\"levain\"", "model name in requests").also(&["served_model_name", "alias"]),
    opt("host", Kind::Text, "\"127.0.0.1\"", "address to listen on; 0.0.0.0 accepts other machines too")
        .also(&["address"]),
    opt("port", Kind::Int, "8080", "port to listen on; 0 for any free port"),
    opt("key_file", Kind::Text, "", "file of API keys, one per line; a client must send one of them")
        .also(&["api_key"]),
    opt("cors", Kind::Text, "", "origin whose web pages may send requests, or `*` for any").also(&["allowed_origins"]),
    opt(
        "adapters",
        Kind::Text,
        "",
        "folder of adapters of the model, each a subfolder; adapters added later are found",
    )
    .also(&["lora_modules", "hot adapters"]),
    opt("max_batch", Kind::Int, "16", "answers generated in parallel").also(&["max_num_seqs", "parallel", "slots"]),
    opt("max_queue", Kind::Int, "256", "maximum number of waiting requests"),
    opt("prefix_cache", Kind::Int, "256", "memory for cached prompt prefixes, in MiB; 0 for none")
        .also(&["enable_prefix_caching", "cache_prompt"]),
    opt("seed", Kind::Int, "0", "seed of requests without one"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("serve", SERVE);
}

fn read(options: &Options) -> Res<ServeOptions> {
    let text = |name: &str| options.maybe(name, Options::text).map(|text| text.map(|text| text.to_string()));
    let host = options.text("host")?;
    let Ok(host) = host.parse() else { bail!("serve", "option `host` is `{host}`, which is no address") };
    let port = options.count("port")?;
    let Ok(port) = u16::try_from(port) else { bail!("serve", "option `port` is {port}, and the highest is 65535") };
    let keys = match text("key_file")? {
        Some(path) => read_keys(Path::new(&path))?,
        None => Vec::new(),
    };
    Ok(ServeOptions {
        host,
        port,
        keys,
        cors: text("cors")?,
        adapters: text("adapters")?.map(Into::into),
        max_batch: options.count("max_batch")?,
        max_queue: options.count("max_queue")?,
        prefix_bytes: options.count("prefix_cache")? << 20,
        seed: options.int("seed")? as u64,
        ..ServeOptions::default()
    })
}

#[export_module]
mod verbs {
    pub type Model = crate::model::Model;
    pub type Tokenizer = crate::token::Tokenizer;

    /// Serves a model over HTTP until the script is interrupted: OpenAI's endpoints under `/v1`, and a chat page at `/`.
    ///
    /// `/v1/chat/completions`, `/v1/completions` and `/v1/embeddings` accept OpenAI's requests (streams, `n`, `seed`, `logprobs`,
    /// `stop`, `response_format` with a JSON schema, tools if the chat template has them), and `top_k`, `min_p` and
    /// `repetition_penalty`. Other endpoints are `/v1/rerank` (a `sequence` head with one output), `/tokenize`, `/detokenize`,
    /// `/health`, `/metrics` and `/openapi.json`. Requests are batched, and none changes another's answer. Message content is
    /// text: a typed `<|im_end|>` does not end a turn. The server listens on this machine alone, unless `host` says otherwise.
    /// `levain serve FOLDER` does the same from a shell, with adapters and several models.
    ///
    /// also: llama-server, vllm serve, ollama, OpenAI API, endpoint, deploy, chat page, web UI, REST
    ///
    /// effect
    ///
    /// ```rhai
    /// let tok = tokenizer("tests/data/model/tokenizer.json");
    /// let net = model(#{ model_type: "llama", vocab_size: tok.len(), hidden_size: 16, num_hidden_layers: 1 }, #{ seed: 1 });
    /// serve(net, tok, #{ port: 80800 })       //=> error: serve: option `port` is 80800, and the highest is 65535
    /// serve(net, tok, #{ host: "here" })      //=> error: serve: option `host` is `here`, which is no address
    /// ```
    #[rhai_fn(name = "serve", return_raw)]
    pub fn serve(net: Model, tok: Tokenizer, options: Map) -> Res<()> {
        if crate::limits::current().is_confined() {
            bail!("serve", "this script may not listen for connections");
        }
        if crate::ranks::count() > 1 {
            bail!("serve", "a launcher started {} processes, and a server is one", crate::ranks::count());
        }
        let options = Options::read("serve", SERVE, options)?;
        let plan = super::read(&options)?;
        let served = Served::new(&options.text("name")?, &net, &tok)?;
        if let Some(warning) = warning(&plan) {
            progress::warn("serve", warning);
        }
        server::serve(vec![served], &plan, |address| progress::to_stderr(&format!("serving http://{address}")))?;
        Ok(())
    }
}

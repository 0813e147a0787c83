//! Script verbs for retrieval.

use crate::data::api::texts;
use crate::model::Model;
use crate::retrieve::{Hit, PassageEncoder, SearchMethod};
use crate::script::prelude::*;
use crate::text;
use crate::token::Tokenizer;

const INDEX: &[Opt] = &[
    opt("field", Kind::Text, "", "field of a dataset to search; default: `text`, or the only field")
        .also(&["text_column"]),
    opt("k1", Kind::Float, "1.2", "BM25: weight of repeated terms"),
    opt("b", Kind::Float, "0.75", "BM25: penalty on long passages, from 0 to 1"),
    opt("model", Kind::Any, "", "model for dense search over its hidden states; needs `tokenizer`"),
    opt("tokenizer", Kind::Any, "", "the model's tokenizer"),
    opt("max_length", Kind::Int, "256", "tokens per passage for the model; the rest is truncated")
        .also(&["seq", "max_seq_length"]),
    opt("batch_size", Kind::Int, "8", "passages per batch").also(&["size"]),
];

const SEARCH: &[Opt] = &[
    opt("top_k", Kind::Int, "5", "maximum number of passages").also(&["count", "k", "n_results"]),
    opt(
        "method",
        Kind::OneOf(&["bm25", "dense", "hybrid"]),
        "",
        "default: `hybrid` if the index has a model, otherwise `bm25`",
    )
    .also(&["how", "search_type"]),
];

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<super::Index>("Index");
    host.module(exported_module!(verbs));
    host.options("index", INDEX);
    host.options("search", SEARCH);
}

fn reader(options: &Options) -> Res<Option<PassageEncoder>> {
    let (net, tok) = (options.get("model"), options.get("tokenizer"));
    if net.is_unit() && tok.is_unit() {
        return Ok(None);
    }
    let (Some(net), Some(tok)) = (net.try_cast::<Model>(), tok.try_cast::<Tokenizer>()) else {
        let error = Error::new("index", "`model` comes with `tokenizer`");
        return Err(error.help("give both, as `#{ model: net, tokenizer: tok }`").into());
    };
    Ok(Some(PassageEncoder {
        net,
        tok,
        max_length: options.count("max_length")?,
        batch_size: options.count("batch_size")?,
    }))
}

#[export_module]
mod verbs {
    use std::path::Path;

    /// A searchable index of passages. Immutable.
    pub type Index = crate::retrieve::Index;

    /// Indexes passages for BM25 search: the field `text` of a dataset, or a list of texts. A path opens a saved index.
    ///
    /// Terms are lowercase words and, in Chinese and Japanese, character bigrams: see `terms`.
    ///
    /// With `model` and `tokenizer`, each passage also gets a vector: the mean of the model's last hidden states over its first
    /// `max_length` tokens, minus the mean over all passages. A model trained for search does better.
    ///
    /// also: BM25Okapi, retriever, vector store, FAISS, RAG, SentenceTransformer, embeddings, mean pooling
    ///
    /// ```rhai
    /// let ix = index(["The cat sat on the mat.", "专利法保护发明创造。", "A dog barked."]);
    /// ix                                       //=> index of 3 passages, 16 terms
    /// ix.search("发明")[0].row                 //=> 1
    /// index([])                                //=> error: index: there are no passages
    /// index("out/doc/none")                    //=> error: index: out/doc/none/index.json is not there
    /// let tok = tokenizer(["to be"], #{ vocab_size: 260 });
    /// let net = model(#{ model_type: "llama", vocab_size: tok.len(), hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2 }, #{ seed: 1 });
    /// let ix  = index(dataset(["the cat", "a dog", "some birds"]), #{ model: net, tokenizer: tok });
    /// ix                                       //=> index of 3 passages, 6 terms, vectors of 8
    /// ix.search("a dog", #{ method: "dense", top_k: 1 })[0].row       //=> 1
    /// index(["a"], #{ model: net })            //=> error: index: `model` comes with `tokenizer`
    /// ```
    #[rhai_fn(return_raw)]
    pub fn index(passages: Dynamic, options: Map) -> Res<Index> {
        let options = Options::read("index", INDEX, options)?;
        if let Some(path) = passages.read_lock::<ImmutableString>().map(|path| path.clone()) {
            if let Some(name) = ["field", "k1", "b", "max_length"].into_iter().find(|name| options.has(name)) {
                bail!("index", "option `{name}` is of a new index; {path} has its own");
            }
            return Ok(Index::open(Path::new(path.as_str()), reader(&options)?)?);
        }
        let field = options.maybe("field", Options::text)?;
        let passages = texts("index", passages, field.as_deref())?;
        Ok(Index::new(passages, options.float("k1")?, options.float("b")?, reader(&options)?)?)
    }

    /// Saves the index to a folder that `index(folder)` opens. It holds passages.parquet, index.json and, for dense search,
    /// vectors.safetensors. The model is not saved: pass it again, `index(folder, #{ model: net, tokenizer: tok })`, which checks
    /// that it is the same. Without it, the index is searched by BM25 alone.
    ///
    /// effect
    ///
    /// ```rhai
    /// let ix = index(["The cat sat on the mat.", "A dog barked."]);
    /// ix.save("out/doc/index");
    /// index("out/doc/index").search("cat")[0].row              //=> 0
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn save(ix: &mut Index, folder: &str) -> Res<()> {
        Ok((*ix).save(Path::new(folder))?)
    }

    /// Finds the best passages for a query: a list of `#{ row, score, text }`, best first.
    ///
    /// `row` is the row of the indexed dataset, from 0. A list of queries returns a list of such lists, faster than one query at
    /// a time.
    ///
    /// The methods are `bm25` (words), `dense` (a model's hidden states) and `hybrid` (both). The score is BM25's (Robertson and
    /// Zaragoza 2009), the cosine similarity, or for `hybrid` reciprocal rank fusion (Cormack, Clarke and Büttcher 2009: the sum
    /// of 1 / (60 + rank) over the first 100 of both rankings).
    ///
    /// also: retrieve, semantic_search, get_top_n, similarity_search
    ///
    /// ```rhai
    /// let ix = index(["The cat sat on the mat.", "A dog barked."]);
    /// ix.search("dogs and a dog")[0].text      //=> A dog barked.
    /// ix.search(["cat", "bird"]).map(|hits| hits.len())        //=> [1, 0]
    /// let ix = index(["one cat", "two cats and a cat", "three dogs"], #{ k1: 1.2, b: 0.0 });
    /// ix.search("cat", #{ top_k: 1 })[0].row   //=> 0
    /// ix.search("cat", #{ method: "dense" })      //=> error: search: this index has no vectors
    /// ix.search("cat", #{ method: "bm52" })       //=> error: search: option `method` takes bm25, dense, hybrid, not `bm52`
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn search(ix: &mut Index, query: Dynamic, options: Map) -> Res<List> {
        let options = Options::read("search", SEARCH, options)?;
        let method = match options.maybe("method", Options::text)?.as_deref() {
            Some("dense") => SearchMethod::Dense,
            Some("hybrid") => SearchMethod::Hybrid,
            None if ix.hidden().is_some() => SearchMethod::Hybrid,
            None => SearchMethod::Bm25,
            Some(_) => SearchMethod::Bm25,
        };
        let single = query.is_string();
        let queries = texts("search", query, None)?;
        let found = ix.search(&queries, options.count("top_k")?, method)?;
        let as_map = |hit: &Hit| {
            let mut map = Map::new();
            map.insert("row".into(), (hit.row as INT).into());
            map.insert("score".into(), hit.score.into());
            map.insert("text".into(), ix.text(hit.row).into());
            Dynamic::from(map)
        };
        let mut lists = found.iter().map(|hits| hits.iter().map(as_map).collect::<List>());
        Ok(if single { lists.next().unwrap_or_default() } else { lists.map(Dynamic::from).collect() })
    }

    /// Returns the search terms of a text: lowercase words, and in Chinese, Japanese and Korean character bigrams.
    ///
    /// ```rhai
    /// terms("The Patents Act, Ａ１")           //=> ["the", "patents", "act", "a1"]
    /// terms("专利法 (2020)")                   //=> ["专利", "利法", "2020"]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn terms(text: &str) -> Res<List> {
        Ok(crate::cancel::stoppable(|| crate::retrieve::terms(text).into_iter().map(Dynamic::from).collect())?)
    }

    /// Returns the number of passages.
    ///
    /// ```rhai
    /// index(["a cat", "a dog"]).len()          //=> 2
    /// ```
    #[rhai_fn(pure)]
    pub fn len(ix: &mut Index) -> INT {
        (*ix).len() as INT
    }

    /// Returns facts of the index: `passages`, distinct `terms`, and `hidden_size`, the length of a vector, if there are vectors.
    ///
    /// ```rhai
    /// index(["a cat", "a dog"]).info()         //=> #{"hidden_size": (), "passages": 2, "terms": 3}
    /// ```
    #[rhai_fn(pure)]
    pub fn info(ix: &mut Index) -> Map {
        let mut map = Map::new();
        map.insert("passages".into(), ((*ix).len() as INT).into());
        map.insert("terms".into(), (ix.terms() as INT).into());
        map.insert("hidden_size".into(), ix.hidden().map_or(Dynamic::UNIT, |hidden| (hidden as INT).into()));
        map
    }

    /// Formats the number of passages and terms, and the length of vectors.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_string(ix: &mut Index) -> String {
        let vectors = ix.hidden().map(|hidden| format!(", vectors of {hidden}")).unwrap_or_default();
        format!("index of {}, {}{vectors}", text::counted((*ix).len(), "passage"), text::counted(ix.terms(), "term"))
    }
}

//! TF-IDF vectors of texts.

use crate::data::api::texts;
use crate::linear::{Analyzer, NgramRange, TfIdf, TfIdfOptions};
use crate::script::prelude::*;

const TFIDF: &[Opt] = &[
    opt("field", Kind::Text, "", "field of a dataset; by default `text`, or the only field"),
    opt(
        "analyzer",
        Kind::OneOf(&Analyzer::NAMES),
        "\"word\"",
        "n-grams of words of two letters or more, of characters, or of characters within words",
    ),
    opt("ngram_range", Kind::List, "[1, 1]", "shortest and longest n-gram"),
    opt("lowercase", Kind::Bool, "true", "lowercase texts first"),
    opt("min_df", Kind::Int, "1", "minimum number of texts with an n-gram").also(&["min_frequency"]),
    opt("max_df", Kind::Float, "1.0", "maximum share of texts with an n-gram").also(&["stop words"]),
    opt("max_features", Kind::Int, "", "maximum number of n-grams, the most frequent ones"),
    opt("sublinear_tf", Kind::Bool, "false", "use 1 + log(count) instead of the count"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.engine.register_type_with_name::<TfIdf>("TfIdf");
    host.engine.register_type_with_name::<crate::linear::Sparse>("Sparse");
    host.options("tfidf", TFIDF);
}

fn range(given: &Dynamic) -> Res<NgramRange> {
    let list = given.read_lock::<List>().map(|list| list.clone()).unwrap_or_default();
    let ends: Vec<usize> =
        list.iter().filter_map(|end| end.as_int().ok().and_then(|end| usize::try_from(end).ok())).collect();
    match ends[..] {
        [least, most] if list.len() == 2 => Ok(NgramRange::new("tfidf", least, most)?),
        _ => bail!("tfidf", "option `ngram_range` takes a list of two lengths, such as [1, 3]"),
    }
}

#[export_module]
mod verbs {
    pub type TfIdf = crate::linear::TfIdf;
    pub type Sparse = crate::linear::Sparse;

    /// Fits TF-IDF weights to texts (Spärck Jones 1972), with the defaults of scikit-learn. A path that ends in `.safetensors`
    /// opens saved weights.
    ///
    /// `transform` returns vectors: counts times ln((1 + texts) / (1 + texts with the n-gram)) + 1, scaled to length 1.
    ///
    /// also: TfidfVectorizer, CountVectorizer, bag of words, TF-IDF, character n-grams, sklearn.feature_extraction
    ///
    /// ```rhai
    /// let t = tfidf(["the cat", "the dog", "a bird"]);
    /// t                                        //=> tfidf of 4 n-grams
    /// t.terms                                  //=> ["bird", "cat", "dog", "the"]
    /// t.transform(["the cat sat"]).to_tensor()[0]      //=> tensor([0.0000, 0.7960, 0.0000, 0.6053], dtype=f64)
    /// tfidf(["专利法"], #{ analyzer: "char", ngram_range: [1, 2] }).len()      //=> 5
    /// tfidf(["a", "b"])                        //=> error: tfidf: no n-gram is left of 2 texts
    /// ```
    #[rhai_fn(name = "tfidf", return_raw)]
    pub fn tfidf(given: Dynamic, options: Map) -> Res<TfIdf> {
        const WHO: &str = "tfidf";
        let options = Options::read(WHO, TFIDF, options)?;
        if let Some(path) = given.read_lock::<ImmutableString>().filter(|path| path.ends_with(".safetensors")) {
            if let Some(opt) = TFIDF.iter().find(|opt| options.has(opt.name)) {
                bail!(WHO, "option `{}` is of new vectors; {} has its own", opt.name, path.as_str());
            }
            return Ok(TfIdf::open(&path)?);
        }
        let field = options.maybe("field", Options::text)?;
        let texts = texts(WHO, given, field.as_deref())?;
        let how = TfIdfOptions {
            analyzer: Analyzer::named(&options.text("analyzer")?),
            range: range(&options.get("ngram_range"))?,
            lowercase: options.bool("lowercase")?,
            min_df: options.count("min_df")?,
            max_df: options.float("max_df")?,
            max_features: options.maybe("max_features", Options::count)?,
            sublinear_tf: options.bool("sublinear_tf")?,
        };
        Ok(TfIdf::fit(&texts, how)?)
    }

    /// Transforms texts, a dataset (its field `text`) or a list, into a sparse matrix with a row per text. Unknown n-grams are
    /// ignored.
    ///
    /// ```rhai
    /// let t = tfidf(["the cat", "the dog"]);
    /// t.transform(["cat", "bird"])             //=> sparse [2, 3], 1 number
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn transform(t: &mut TfIdf, given: Dynamic) -> Res<Sparse> {
        Ok((*t).transform(&texts("transform", given, None)?)?)
    }

    /// N-grams, in the order of columns.
    ///
    /// also: get_feature_names_out, vocabulary_
    ///
    /// ```rhai
    /// tfidf(["b c", "bb cc"]).terms            //=> ["bb", "cc"]
    /// ```
    #[rhai_fn(get = "terms", pure)]
    pub fn terms_of(t: &mut TfIdf) -> List {
        t.terms().iter().map(|term| term.clone().into()).collect()
    }

    /// Number of n-grams.
    ///
    /// ```rhai
    /// tfidf(["the cat", "the dog"]).len()      //=> 3
    /// ```
    #[rhai_fn(pure)]
    pub fn len(t: &mut TfIdf) -> INT {
        t.terms().len() as INT
    }

    /// Saves the n-grams and their weights as `.safetensors`.
    ///
    /// effect
    ///
    /// ```rhai
    /// tfidf(["the cat", "the dog"]).save("out/doc/tfidf.safetensors");
    /// tfidf("out/doc/tfidf.safetensors").terms      //=> ["cat", "dog", "the"]
    /// ```
    #[rhai_fn(name = "save", pure, return_raw)]
    pub fn save_tfidf(t: &mut TfIdf, path: &str) -> Res<()> {
        Ok((*t).save(path)?)
    }

    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn tfidf_to_string(t: &mut TfIdf) -> String {
        format!("tfidf of {}", crate::text::counted(t.terms().len(), "n-gram"))
    }

    /// Sizes: rows and columns.
    ///
    /// ```rhai
    /// tfidf(["the cat"]).transform(["cat", "cat", "dog"]).shape      //=> [3, 2]
    /// ```
    #[rhai_fn(get = "shape", pure)]
    pub fn shape(x: &mut Sparse) -> List {
        vec![(x.rows() as INT).into(), (x.columns as INT).into()]
    }

    /// Converts it to a dense tensor, in f64.
    ///
    /// also: toarray, todense
    ///
    /// ```rhai
    /// tfidf(["the cat"]).transform(["cat"]).to_tensor()      //=> tensor([[1., 0.]], dtype=f64)
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn to_tensor(x: &mut Sparse) -> Res<crate::tensor::Tensor> {
        let dims = [x.rows(), x.columns];
        crate::tensor::ops::volume("to_tensor", &dims)?;
        let mut numbers = vec![0f64; dims[0] * dims[1]];
        for row in 0..dims[0] {
            x.row(row).for_each(|(place, number)| numbers[row * dims[1] + place] = number);
        }
        let array = crate::tensor::Array::from_vec(numbers, (dims[0], dims[1]), &crate::tensor::Device::Cpu);
        Ok(array.map_err(Error::from)?.into())
    }

    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn sparse_to_string(x: &mut Sparse) -> String {
        format!("sparse [{}, {}], {}", x.rows(), x.columns, crate::text::counted(x.kept(), "number"))
    }
}

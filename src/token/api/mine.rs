//! Script verb for mining terms.

use super::value;
use crate::script::prelude::*;
use crate::token::mine::segment::{SEGMENTERS, Units};
use crate::token::mine::{ContextFinder, Counting, Mined, MinedTerm, Mining, ORDERS, Order};
use crate::token::words::Counter;
use crate::token::{Tokenizer, TokenizerKind};

const MINE: &[Opt] = &[
    opt(
        "segmenter",
        Kind::OneOf(&SEGMENTERS),
        "\"words\"",
        "units of terms: the tokenizer's words, Unicode words (UAX #29), or Chinese words by jieba",
    )
    .also(&["units", "tokenize", "analyzer"]),
    opt("pattern", Kind::Text, "", "units are the matches of this regular expression, in place of `segmenter`"),
    opt("list", Kind::Any, "", "units are these terms, in place of `segmenter`: a list of strings or a dataset"),
    opt("max_ngram", Kind::Int, "1", "maximum number of neighboring units in a term, up to 5").also(&[
        "join",
        "ngram_range",
        "n",
    ]),
    opt("min_frequency", Kind::Int, "2", "minimum count of a term").also(&["least", "min_df", "min_count"]),
    opt("max_token_length", Kind::Int, "16", "maximum length of a term, in characters, up to 60").also(&["longest"]),
    opt("limit", Kind::Int, "1000", "maximum number of terms").also(&["count", "max_features", "top_n"]),
    opt("order", Kind::OneOf(&ORDERS), "\"savings\"", "sort key of terms, the best first")
        .also(&["by", "sort", "score"]),
    opt("general", Kind::Any, "", "general texts, for `weirdness`: a list of strings, a dataset or a stream"),
    opt("examples", Kind::Int, "1", "examples per term"),
    opt("context", Kind::Int, "20", "characters on each side of an example").also(&["around", "window"]),
    opt("capacity", Kind::Int, "8000000", "distinct terms kept while counting; beyond it the rarest are dropped")
        .also(&["held", "memory"]),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("mine", MINE);
}

#[export_module]
mod verbs {
    /// Finds terms in texts that this tokenizer encodes as several tokens, and measures each. Returns
    /// `#{ terms, texts, bytes, units, skipped, missed }`.
    ///
    /// A term is a map: `term`, its `count`, the number of `texts` with it, of its `tokens`, and of the tokenizer's `words` that
    /// it spans; `savings` (count × (tokens − 1)), `marginal` (savings after the terms before it), `weirdness` (its frequency
    /// here over that in `general`, add-one smoothed there), `pmi` at its weakest cut, the entropy of its neighbors in bits
    /// (`left_entropy`, `right_entropy`), and `examples` in context. `skipped` counts excluded terms. Terms are sorted by
    /// `order`, then `savings`, then alphabetically; the same on any number of threads. The texts are read twice (three times for
    /// `marginal`), and a stream may be larger than memory.
    ///
    /// also: terminology extraction, keyword extraction, n-grams, collocations, CountVectorizer
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ vocab_size: 262 });
    /// tok.mine(["the dog saw a dog"]).terms.map(|term| term.term)      //=> ["dog"]
    /// let tok  = tokenizer(["the cat sat on the mat"], #{ vocab_size: 262 });
    /// let found = tok.mine(["the dog saw a dog", "a dog and the catalogue"], #{ min_frequency: 1 });
    /// let dog = found.terms[0];
    /// [dog.term, dog.count, dog.texts, dog.tokens, dog.savings]      //=> ["dog", 3, 2, 4, 9]
    /// dog.examples                                                 //=> ["the dog saw a dog"]
    /// tok.mine([], #{})                                            //=> error: mine: there are no terms in the 0 texts
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn mine(tokenizer: &mut Tokenizer, texts: Dynamic, options: Map) -> Res<Map> {
        let options = Options::read("mine", MINE, options)?;
        let units = units(tokenizer, &options)?;
        let mining = mining(&options)?;
        let found = found(tokenizer, &texts, &options, &units, &mining)?;
        Ok(shown(&found))
    }
}

fn units<'t>(tokenizer: &'t Tokenizer, options: &Options) -> Res<Units<'t>> {
    let given = ["segmenter", "pattern", "list"].into_iter().filter(|name| options.has(name)).collect::<Vec<_>>();
    if let [one, other, ..] = given.as_slice() {
        bail!("mine", "`{one}` and `{other}` were given: units are of one kind");
    }
    if options.has("list") {
        return Ok(Units::list(&value::owned_texts("mine", &options.get("list"))?)?);
    }
    if options.has("pattern") {
        return Ok(Units::pattern(&options.text("pattern")?)?);
    }
    Ok(Units::named(&options.text("segmenter")?, tokenizer)?)
}

fn mining(options: &Options) -> Res<Mining> {
    let mining = Mining {
        max_ngram: options.count("max_ngram")?,
        max_token_length: options.count("max_token_length")?,
        min_frequency: options.count("min_frequency")? as u64,
        limit: options.count("limit")?,
        order: Order::named(&options.text("order")?)?,
        examples: options.count("examples")?,
        context: options.count("context")?,
        capacity: options.count("capacity")?.max(1000),
    };
    if mining.order == Order::Weirdness && !options.has("general") {
        let error = Error::new("mine", "order `weirdness` has nothing to compare with");
        return Err(error.help("give `general`: texts of another kind").into());
    }
    if mining.order == Order::Pmi && mining.max_ngram < 2 {
        let error = Error::new("mine", "order `pmi`: a term of one unit has no value");
        return Err(error.help("let neighbors join, with `max_ngram: 3`").into());
    }
    Ok(mining)
}

fn found(tokenizer: &Tokenizer, texts: &Dynamic, options: &Options, units: &Units, mining: &Mining) -> Res<Mined> {
    let mut counting = Counting::new(units, mining)?;
    value::each_part("mine", texts, |texts| counting.add(texts))?;
    let general = match options.has("general") {
        true => {
            let mut general = counting.general();
            value::each_part("mine", &options.get("general"), |texts| general.add(texts))?;
            Some(general)
        }
        false => None,
    };
    let mut found = counting.choose(tokenizer, general)?;
    if mining.order == Order::Marginal {
        if tokenizer.kind() == TokenizerKind::WordLevel {
            bail!("mine", "order `marginal` needs subword tokens; this tokenizer has whole words only");
        }
        found.cut(Order::Savings, (20 * mining.limit).max(20_000));
        let mut counter = Counter::new(tokenizer);
        value::each_part("mine", texts, |texts| counter.add(texts))?;
        found.choose_marginal(tokenizer, counter, mining.limit)?;
    } else {
        found.cut(mining.order, mining.limit);
    }
    let mut looking = ContextFinder::new(units, mining, found);
    value::each_part("mine", texts, |texts| looking.add(texts))?;
    Ok(looking.finish())
}

fn shown(found: &Mined) -> Map {
    let number = |count: u64| Dynamic::from(count as INT);
    let skipped = value::map([
        ("rare", value::int(found.rare)),
        ("single_token", value::int(found.whole)),
        ("control_characters", value::int(found.control)),
        ("duplicates", value::int(found.duplicates)),
        ("redundant", value::int(found.redundant)),
        ("over_limit", value::int(found.over_limit)),
        ("absent", value::int(found.absent)),
        ("too_long", number(found.long)),
    ]);
    value::map([
        ("terms", value::list(found.terms.iter().map(|one| Dynamic::from_map(term(one))))),
        ("texts", number(found.texts)),
        ("bytes", number(found.bytes)),
        ("units", number(found.units)),
        ("skipped", skipped.into()),
        ("missed", number(found.missed)),
    ])
}

fn term(term: &MinedTerm) -> Map {
    let number = |count: u64| Dynamic::from(count as INT);
    let maybe = |value: Option<f64>| value.map_or(Dynamic::UNIT, Dynamic::from_float);
    value::map([
        ("term", term.text.clone().into()),
        ("count", number(term.count)),
        ("texts", number(term.texts)),
        ("tokens", value::int(term.tokens)),
        ("words", value::int(term.words)),
        ("savings", number(term.savings)),
        ("marginal", number(term.marginal)),
        ("weirdness", maybe(term.weirdness)),
        ("pmi", maybe(term.pmi)),
        ("left_entropy", term.left.into()),
        ("right_entropy", term.right.into()),
        ("examples", value::list(term.examples.iter().map(|(before, after)| format!("{before}{}{after}", term.text)))),
    ])
}

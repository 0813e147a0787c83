//! What scripts see of mining.

use super::value;
use crate::script::prelude::*;
use crate::token::mine::{By, Counting, Looking, Mined, Mining, Term};
use crate::token::units::Units;
use crate::token::words::Counter;
use crate::token::{Kind as TokenizerKind, Tokenizer};

const MINE: &[Opt] = &[
    opt(
        "units",
        Kind::Text,
        "\"words\"",
        "what terms are made of: `words` (as the tokenizer cuts text), `unicode` (UAX #29) or `jieba` (Chinese)",
    ),
    opt("pattern", Kind::Text, "", "units are what this expression matches, in place of `units`"),
    opt("list", Kind::Any, "", "units are these terms, in place of `units`: a list of strings or a dataset"),
    opt("join", Kind::Int, "1", "how many neighbouring units a term may have, up to 5"),
    opt("least", Kind::Int, "2", "how often a term has to occur"),
    opt("longest", Kind::Int, "16", "how many characters a term may have, up to 60"),
    opt("count", Kind::Int, "1000", "how many terms"),
    opt("by", Kind::Text, "\"saves\"", "their order: `saves`, `count`, `pieces`, `marginal`, `pmi`, `weird`"),
    opt("general", Kind::Any, "", "general texts, for `weird`: a list of strings, a dataset or a stream"),
    opt("examples", Kind::Int, "1", "how many examples of each"),
    opt("around", Kind::Int, "20", "how many characters an example shows on each side"),
    opt(
        "held",
        Kind::Int,
        "8000000",
        "how many distinct terms are held while counting; beyond, the rarest are forgotten",
    ),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("mine", MINE);
}

#[export_module]
mod verbs {
    /// Finds the terms of texts that this tokenizer writes with several pieces, with what was measured of each:
    /// `#{ terms, texts, bytes, units, skipped, missed }`.
    ///
    /// A term is a map: `term`, its `count`, how many `texts` it is in, the `pieces` it is written with, how many `words`
    /// of the tokenizer it spans, `saves` (count × (pieces − 1)), `marginal` (what it saves after the terms before it),
    /// `weird` (how much likelier it is here than in `general`, one added there), `pmi` of its weakest cut and the entropy
    /// `left` and `right` of it in bits, and `examples` in context. What is left out is counted in `skipped`. The order is
    /// by `by`, then by what is saved, then by the letters; the same on any number of threads. The texts are walked twice
    /// (three times by `marginal`) and a stream may be larger than memory.
    ///
    /// ```rhai
    /// let tok  = tokenizer(["the cat sat on the mat"], #{ size: 262 });
    /// let found = tok.mine(["the dog saw a dog", "a dog and the catalogue"], #{ least: 1 });
    /// let dog = found.terms[0];
    /// [dog.term, dog.count, dog.texts, dog.pieces, dog.saves]      //=> ["dog", 3, 2, 4, 9]
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

    /// Finds the terms of texts that this tokenizer writes with several pieces, up to 1,000 by what they save.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ size: 262 });
    /// tok.mine(["the dog saw a dog"]).terms.map(|term| term.term)      //=> ["dog"]
    /// ```
    #[rhai_fn(name = "mine", pure, return_raw)]
    pub fn mine_plain(tokenizer: &mut Tokenizer, texts: Dynamic) -> Res<Map> {
        mine(tokenizer, texts, Map::new())
    }
}

fn units<'t>(tokenizer: &'t Tokenizer, options: &Options) -> Res<Units<'t>> {
    let given = ["units", "pattern", "list"].into_iter().filter(|name| options.has(name)).collect::<Vec<_>>();
    if let [one, other, ..] = given.as_slice() {
        bail!("mine", "`{one}` and `{other}` were given: units are of one kind");
    }
    if options.has("list") {
        return Ok(Units::list(&value::owned_texts("mine", &options.get("list"))?)?);
    }
    if options.has("pattern") {
        return Ok(Units::pattern(&options.text("pattern")?)?);
    }
    Ok(Units::named(&options.text("units")?, tokenizer)?)
}

fn mining(options: &Options) -> Res<Mining> {
    let mining = Mining {
        join: options.count("join")?,
        longest: options.count("longest")?,
        least: options.count("least")? as u64,
        count: options.count("count")?,
        by: By::named(&options.text("by")?)?,
        examples: options.count("examples")?,
        around: options.count("around")?,
        held: options.count("held")?.max(1000),
    };
    if mining.by == By::Weird && !options.has("general") {
        let error = Error::new("mine", "by `weird` there is nothing to compare with");
        return Err(error.help("give `general`: texts of another kind").into());
    }
    if mining.by == By::Pmi && mining.join < 2 {
        let error = Error::new("mine", "by `pmi` a term of one unit has no value");
        return Err(error.help("let units join, with `join: 3`").into());
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
    if mining.by == By::Marginal {
        if tokenizer.kind() == TokenizerKind::WordLevel {
            bail!("mine", "by `marginal` words are cut into pieces; this tokenizer has whole words only");
        }
        found.cut(By::Saves, (20 * mining.count).max(20_000));
        let mut counter = Counter::new(tokenizer);
        value::each_part("mine", texts, |texts| counter.add(texts))?;
        found.choose_marginal(tokenizer, counter, mining.count)?;
    } else {
        found.cut(mining.by, mining.count);
    }
    let mut looking = Looking::new(units, mining, found);
    value::each_part("mine", texts, |texts| looking.add(texts))?;
    Ok(looking.finish())
}

fn shown(found: &Mined) -> Map {
    let number = |count: u64| Dynamic::from(count as INT);
    let skipped = value::map([
        ("rare", value::int(found.rare)),
        ("whole", value::int(found.whole)),
        ("control", value::int(found.control)),
        ("twins", value::int(found.twins)),
        ("needless", value::int(found.needless)),
        ("beyond", value::int(found.beyond)),
        ("absent", value::int(found.absent)),
        ("long", number(found.long)),
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

fn term(term: &Term) -> Map {
    let number = |count: u64| Dynamic::from(count as INT);
    let maybe = |value: Option<f64>| value.map_or(Dynamic::UNIT, Dynamic::from_float);
    value::map([
        ("term", term.text.clone().into()),
        ("count", number(term.count)),
        ("texts", number(term.texts)),
        ("pieces", value::int(term.pieces)),
        ("words", value::int(term.words)),
        ("saves", number(term.saves)),
        ("marginal", number(term.marginal)),
        ("weird", maybe(term.weird)),
        ("pmi", maybe(term.pmi)),
        ("left", term.left.into()),
        ("right", term.right.into()),
        ("examples", value::list(term.examples.iter().map(|(before, after)| format!("{before}{}{after}", term.text)))),
    ])
}

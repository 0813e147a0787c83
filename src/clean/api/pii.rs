//! Detection and masking of personal data.

use super::{INTO, of_dataset, of_stream, rewrite};
use crate::clean::pii::{self, NAMES, PiiKind};
use crate::clean::{Rewrite, texts};
use crate::data::{Cell, TableBuilder};
use crate::script::prelude::*;

const KINDS_OPT: Opt = opt(
    "kinds",
    Kind::List,
    "[\"email\", \"iban\", \"chinese_id\", \"card\", \"ip\", \"phone\"]",
    "kinds to look for; iban, chinese_id and card are verified by checksum, and only public IP addresses count",
)
.also(&["entities", "presidio"]);
const MASK: Opt = opt("mask", Kind::Text, "", "replacement text; by default the kind: <EMAIL>").also(&[
    "replacement",
    "redact",
    "anonymize",
]);

const FIND: &[Opt] = &[KINDS_OPT];
const MASKED: &[Opt] = &[KINDS_OPT, MASK, INTO];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("find_pii", FIND);
    host.options("mask_pii", MASKED);
}

fn kinds(who: &'static str, options: &Options) -> Res<Vec<PiiKind>> {
    let mut kinds = Vec::new();
    for name in options.get("kinds").cast::<List>() {
        let name = name.to_string();
        match PiiKind::named(&name) {
            Some(kind) => kinds.push(kind),
            None => return Err(Error::unknown(who, "kind of personal data", &name, NAMES).into()),
        }
    }
    kinds.sort_unstable();
    Ok(kinds)
}

/// The kinds of a script's `kinds` option.
pub fn kinds_of(given: Option<Dynamic>) -> Res<Vec<PiiKind>> {
    let given = given.map(|kinds| Map::from([("kinds".into(), kinds)])).unwrap_or_default();
    kinds("mask_pii", &Options::read("mask_pii", MASKED, given)?)
}

pub fn masking(field: &str, options: Map) -> Res<Rewrite> {
    let options = Options::read("mask_pii", MASKED, options)?;
    let kinds = kinds("mask_pii", &options)?;
    let mask = options.maybe("mask", Options::text)?.map(|mask| mask.to_string());
    let how = format!("{kinds:?} {mask:?}");
    rewrite("mask_pii", field, &options, how, Box::new(move |text| pii::mask(text, &kinds, mask.as_deref())))
}

#[export_module]
mod verbs {
    pub type Dataset = crate::data::Dataset;
    pub type Stream = crate::data::Stream;

    /// Finds personal data in a text: a list of maps with `kind`, `text` and `start`, the index of its first character. Cards are
    /// verified by Luhn checksum, bank accounts (IBAN) by country and remainder, Chinese identity numbers by date and checksum.
    ///
    /// also: presidio analyzer, scrubadub, PIIFormatter, personal data, GDPR
    ///
    /// ```rhai
    /// "Mail a.b@example.org, card 4111 1111 1111 1111".find_pii()[1]    //=> #{"kind": "card", "start": 27, "text": "4111 1111 1111 1111"}
    /// "身份证号11010519491231002X，电话13800138000".find_pii().map(|hit| hit.kind)    //=> ["chinese_id", "phone"]
    /// "4111 1111 1111 1112, version 1.2.3.4".find_pii()                 //=> []
    /// "x".find_pii(#{ kinds: ["mail"] })    //=> error: find_pii: there is no kind of personal data `mail`
    /// ```
    #[rhai_fn(return_raw)]
    pub fn find_pii(text: &str, options: Map) -> Res<List> {
        let options = Options::read("find_pii", FIND, options)?;
        let found = pii::find(text, &super::kinds("find_pii", &options)?);
        let told = found.into_iter().map(|hit| {
            let mut map = Map::new();
            map.insert("kind".into(), hit.kind.name().into());
            map.insert("start".into(), (text[..hit.place.start].chars().count() as i64).into());
            map.insert("text".into(), text[hit.place].to_string().into());
            map.into()
        });
        Ok(told.collect())
    }

    /// Finds personal data in a field: a dataset of `row`, `kind` and `text`.
    ///
    /// ```rhai
    /// let found = dataset(["nothing", "write to a@b.cn or call +49 30 1234567"]).find_pii("text");
    /// found.len()    //=> 2
    /// found[1]       //=> #{"kind": "phone", "row": 1, "text": "+49 30 1234567"}
    /// ```
    #[rhai_fn(name = "find_pii", pure, return_raw)]
    pub fn find_pii_data(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        let options = Options::read("find_pii", FIND, options)?;
        let kinds = super::kinds("find_pii", &options)?;
        data.field("find_pii", field)?;
        let mut rows = TableBuilder::with_names(["row", "kind", "text"].map(Into::into));
        for (at, text) in texts("find_pii", data, field, 0)?.into_iter().enumerate() {
            crate::cancel::check()?;
            let text = text.unwrap_or_default();
            for hit in pii::find(&text, &kinds) {
                rows.column("row").push(Cell::Int(at as i64));
                rows.column("kind").push(Cell::Text(hit.kind.name()));
                rows.column("text").push(Cell::Text(&text[hit.place]));
                rows.end_row().map_err(|what| Error::new("find_pii", what))?;
            }
        }
        Ok(rows.finish().into())
    }

    /// Replaces personal data in a text by its kind.
    ///
    /// ```rhai
    /// "ask bob@example.com (DE89 3704 0044 0532 0130 00)".mask_pii()        //=> ask <EMAIL> (<IBAN>)
    /// "from 93.184.216.34".mask_pii(#{ mask: "***", kinds: ["ip"] })        //=> from ***
    /// ```
    #[rhai_fn(return_raw)]
    pub fn mask_pii(text: &str, options: Map) -> Res<String> {
        Ok((masking("text", options)?.change)(text).into_owned())
    }

    /// Replaces personal data in the texts of a field, on all threads.
    ///
    /// ```rhai
    /// dataset(["a@b.org"]).mask_pii("text")[0].text    //=> <EMAIL>
    /// ```
    #[rhai_fn(name = "mask_pii", pure, return_raw)]
    pub fn mask_pii_data(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        of_dataset(data, masking(field, options)?)
    }

    /// Replaces personal data in the texts of a field as they are read.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").mask_pii("answer")    //=> stream scripts/data/definitions.jsonl, mask_pii answer
    /// ```
    #[rhai_fn(name = "mask_pii", pure, return_raw)]
    pub fn mask_pii_stream(stream: &mut Stream, field: &str, options: Map) -> Res<Stream> {
        of_stream(stream, masking(field, options)?)
    }
}

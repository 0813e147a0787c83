//! Script API of tags.

use crate::data::tags::{Missed, Scheme, Span, Tag, covered, spans, words};
use crate::kernel::default_device;
use crate::script::prelude::*;
use crate::tensor::{Array, Tensor};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

fn text_list(who: &str, row: &Dynamic, what: &str) -> Res<Vec<String>> {
    match row.read_lock::<List>() {
        Some(row) => Ok(row.iter().map(Dynamic::to_string).collect()),
        None => bail!(who, "{what} is {}, not a list of tags", type_in_words(row)),
    }
}

fn rows_of(who: &str, rows: &List) -> Res<Vec<Vec<String>>> {
    rows.iter().enumerate().map(|(at, row)| text_list(who, row, &format!("row {at}"))).collect()
}

fn read_tags<'a>(who: &str, scheme: Scheme, tags: &'a [String], row: usize) -> Res<Vec<Tag<'a>>> {
    let read = |(at, tag): (usize, &'a String)| {
        scheme.read(who, tag).map_err(|error| error.at(format!("row {row}, tag {at}")))
    };
    Ok(tags.iter().enumerate().map(read).collect::<Result<_, _>>()?)
}

/// A span of characters: a map of `start`, `end` and `label`, or a list of these.
fn span(who: &str, given: &Dynamic) -> Res<Span> {
    let fields: Vec<Dynamic> = match (given.read_lock::<Map>(), given.read_lock::<List>()) {
        (Some(map), _) => {
            ["start", "end", "label"].iter().map(|key| map.get(*key).cloned().unwrap_or_default()).collect()
        }
        (_, Some(list)) => list.clone(),
        _ => Vec::new(),
    };
    let place =
        |at: usize| fields.get(at).and_then(|value| value.as_int().ok()).and_then(|at| usize::try_from(at).ok());
    match (place(0), place(1), fields.get(2)) {
        (Some(start), Some(end), Some(label)) if fields.len() == 3 && start <= end && !label.is_unit() => {
            Ok(Span { label: label.to_string(), start, end })
        }
        _ => Err(Error::new(who, format!("{given} is not a span"))
            .help("a span is `#{ start, end, label }` or `[start, end, label]`: characters from `start` up to `end`")
            .into()),
    }
}

#[export_module]
mod verbs {
    /// Scheme of rows of tags.
    #[rhai_fn(name = "_scheme_of", return_raw)]
    pub fn scheme_of(who: &str, rows: List) -> Res<String> {
        Ok(Scheme::of(who, &rows_of(who, &rows)?)?.name().into())
    }

    /// Positions of each row whose tags cannot follow the one before, as in `Scheme::misplaced`.
    #[rhai_fn(name = "_misplaced", return_raw)]
    pub fn misplaced(who: &str, rows: List, scheme: &str) -> Res<List> {
        let scheme = Scheme::named(who, scheme)?;
        let mut found = List::new();
        for (at, row) in rows_of(who, &rows)?.iter().enumerate() {
            let places = scheme.misplaced(&read_tags(who, scheme, row, at)?);
            found.push(places.into_iter().map(|place| Dynamic::from(place as INT)).collect::<List>().into());
        }
        Ok(found)
    }

    /// Rows of tags in another scheme.
    #[rhai_fn(name = "_convert_tags", return_raw)]
    pub fn convert_tags(who: &str, rows: List, from: &str, to: &str, strict: bool) -> Res<List> {
        let (from, to) = (Scheme::named(who, from)?, Scheme::named(who, to)?);
        let mut found = List::new();
        for (at, row) in rows_of(who, &rows)?.iter().enumerate() {
            let tags = read_tags(who, from, row, at)?;
            let tags = to.tags(&spans(&tags, from, strict), tags.len());
            found.push(tags.into_iter().map(Dynamic::from).collect::<List>().into());
        }
        Ok(found)
    }

    /// Words of a text, with the start and end of each, in characters.
    #[rhai_fn(name = "_words")]
    pub fn words_of(text: &str) -> Map {
        let signs: Vec<char> = text.chars().collect();
        let found = words(text);
        let texts = found.iter().map(|word| signs[word.clone()].iter().collect::<String>().into());
        let list = |of: fn(&std::ops::Range<usize>) -> usize| {
            found.iter().map(|word| Dynamic::from(of(word) as INT)).collect::<List>()
        };
        let fields =
            [("words", texts.collect::<List>()), ("starts", list(|word| word.start)), ("ends", list(|word| word.end))];
        fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    /// Tags of a text's words from character spans; `missed` are the numbers of spans that do not match words, with the reason.
    #[rhai_fn(name = "_tags_of_spans", return_raw)]
    pub fn tags_of_spans(who: &str, text: &str, given: List, scheme: &str, widen: bool) -> Res<Map> {
        let scheme = Scheme::named(who, scheme)?;
        let length = text.chars().count();
        let given = given.iter().map(|one| span(who, one)).collect::<Res<Vec<Span>>>()?;
        if let Some(beyond) = given.iter().find(|span| span.end > length) {
            bail!(who, "the span {} to {} is beyond the text's {length} characters", beyond.start, beyond.end);
        }
        let words = words(text);
        let (found, missed) = covered(&words, &given, widen);
        let missed = missed.into_iter().map(|(number, why)| {
            let why = match why {
                Missed::Border => "it begins or ends inside a word",
                Missed::Empty => "it holds no word",
                Missed::Overlap => "it overlaps another",
            };
            let fields: [(&str, Dynamic); 2] = [("span", (number as INT).into()), ("why", why.into())];
            fields.into_iter().map(|(name, value)| (name.into(), value)).collect::<Map>().into()
        });
        let tags = scheme.tags(&found, words.len()).into_iter().map(Dynamic::from);
        let fields = [("tags", tags.collect::<List>()), ("missed", missed.collect::<List>())];
        Ok(fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// Returns the allowed transitions between tags of a scheme, for `crf` and `crf_decode`: `transitions` `[labels, labels]` (1
    /// where a row's label may precede a column's), `start_transitions` and `end_transitions` `[labels]`, with `labels` in this
    /// order.
    ///
    /// The schemes are IOB1, IOB2 (BIO), IOE1, IOE2, IOBES, BILOU and BMES.
    ///
    /// also: allowed_transitions, constrained decoding, BIO constraints
    ///
    /// ```rhai
    /// let c = crf_constraints(["O", "B-PER", "I-PER"], "IOB2");
    /// c.transitions                            //=> tensor([[1, 1, 0],
    /// //                                                    [1, 1, 1],
    /// //                                                    [1, 1, 1]], dtype=u8)
    /// c.start_transitions                      //=> tensor([1, 1, 0], dtype=u8)
    /// crf_constraints(["O", "S-PER"], "IOB2")  //=> error: crf_constraints: `S-PER` is not a tag of IOB2, whose letters are I O B
    /// ```
    #[rhai_fn(return_raw)]
    pub fn crf_constraints(labels: List, scheme: &str) -> Res<Map> {
        const WHO: &str = "crf_constraints";
        let scheme = Scheme::named(WHO, scheme)?;
        if labels.is_empty() {
            bail!(WHO, "there are no labels");
        }
        let labels: Vec<String> = labels.iter().map(Dynamic::to_string).collect();
        let tags = labels.iter().map(|label| scheme.read(WHO, label)).collect::<Result<Vec<Tag>, _>>()?;
        let allows = |tag: &Tag, next: &Tag| u8::from(scheme.allows(*tag, *next));
        let between: Vec<u8> = tags.iter().flat_map(|tag| tags.iter().map(move |next| allows(tag, next))).collect();
        let start = tags.iter().map(|next| allows(&Tag::OUTSIDE, next)).collect();
        let end = tags.iter().map(|tag| allows(tag, &Tag::OUTSIDE)).collect();
        let count = tags.len();
        let sides: [(&str, Vec<u8>, Vec<usize>); 3] = [
            ("transitions", between, vec![count, count]),
            ("start_transitions", start, vec![count]),
            ("end_transitions", end, vec![count]),
        ];
        let mut found = Map::new();
        for (name, allowed, dims) in sides {
            let array = Array::from_vec(allowed, dims, &default_device()?).map_err(Error::from)?;
            found.insert(name.into(), Dynamic::from(Tensor::from(array)));
        }
        Ok(found)
    }
}

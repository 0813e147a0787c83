//! Script API of forest plots.

use crate::plot::{Decision, Effect};
use crate::script::prelude::*;

/// Options of [`verbs::forest`], and the keys of an effect.
const FOREST: &[Opt] = &[
    opt("title", Kind::Text, "\"\"", "line above the plot"),
    opt("yes", Kind::Text, "\"above the margin\"", "word for a whole interval above the margin"),
    opt("no", Kind::Text, "\"below the margin\"", "word for a whole interval below the margin"),
    opt("same", Kind::Text, "\"within the margin\"", "word for a whole interval within the margin on both sides"),
    opt("open", Kind::Text, "\"undecided\"", "word for an interval that contains the margin"),
    opt("shown", Kind::Text, "\"interval alone\"", "word for an effect without a decision"),
];

const EFFECT: &[Opt] = &[
    opt("row", Kind::Text, "", "row label: the compared quantity"),
    opt("column", Kind::Text, "", "column label: its subject"),
    opt("group", Kind::Text, "\"\"", "name among several effects in one cell"),
    opt("value", Kind::Float, "", "effect; positive is better"),
    opt("low", Kind::Float, "", "lower end of its interval"),
    opt("high", Kind::Float, "", "upper end of its interval"),
    opt("margin", Kind::Float, "0.0", "smallest effect of interest"),
    opt(
        "decision",
        Kind::OneOf(&["yes", "no", "same", "open", "shown"]),
        "",
        "by default yes, no or open, from the interval and the margin",
    ),
    opt("label", Kind::Text, "\"\"", "word for its decision, if not that of the plot"),
    opt("digits", Kind::Int, "3", "digits after the point"),
];

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<crate::plot::Forest>("Forest");
    host.module(exported_module!(verbs));
    host.options("forest", FOREST);
}

fn effect(row: Dynamic) -> Res<Effect> {
    const WHO: &str = "forest";
    let kind = type_in_words(&row);
    let Some(row) = row.try_cast::<Map>() else { bail!(WHO, "an effect is a map, not {kind}") };
    let row = Options::read(WHO, EFFECT, row)?;
    let (low, high, margin) = (row.float("low")?, row.float("high")?, row.float("margin")?);
    let decision = match row.maybe("decision", Options::text)?.as_deref() {
        Some("yes") => Decision::Yes,
        Some("no") => Decision::No,
        Some("same") => Decision::Same,
        Some("shown") => Decision::Shown,
        Some(_) => Decision::Open,
        None if low > margin => Decision::Yes,
        None if high < margin => Decision::No,
        None => Decision::Open,
    };
    Ok(Effect {
        row: row.text("row")?.to_string(),
        column: row.text("column")?.to_string(),
        group: row.text("group")?.to_string(),
        value: row.float("value")?,
        low,
        high,
        margin,
        decision,
        label: row.text("label")?.to_string(),
        digits: row.count("digits")?.min(17),
    })
}

#[export_module]
mod verbs {
    /// Effects with their intervals, by row and column. A value that prints as text.
    pub type Forest = crate::plot::Forest;

    /// Makes a forest plot of effects: each a map of `row`, `column`, `value`, `low`, `high`, and `margin` (0), `group`,
    /// `decision` and `digits`. On a page, each cell is a bar about zero; in a terminal, a table.
    ///
    /// ```rhai
    /// let effects = [#{ row: "loss", column: "lora", value: 0.2, low: 0.1, high: 0.3 }, #{ row: "loss", column: "full", value: 0.1, low: -0.1, high: 0.3 }];
    /// print(forest(effects, #{ yes: "worth it", no: "not worth it" }));
    /// forest([#{ row: "loss", column: "lora", value: 0.2, low: 0.1 }])    //=> error: forest: option `high` must be given
    /// ```
    ///
    /// also: effect size plot, confidence intervals, meta-analysis, error bars
    #[rhai_fn(return_raw)]
    pub fn forest(effects: List, options: Map) -> Res<Forest> {
        let options = Options::read("forest", FOREST, options)?;
        let word = |name: &str| options.text(name).map(|word| word.to_string());
        let words = [word("yes")?, word("no")?, word("same")?, word("open")?, word("shown")?];
        let effects = effects.into_iter().map(super::effect).collect::<Res<Vec<_>>>()?;
        Ok(Forest { title: word("title")?, effects, words })
    }

    /// Formats the plot as text.
    #[rhai_fn(name = "to_string", pure)]
    pub fn forest_to_string(forest: &mut Forest) -> String {
        forest.to_string()
    }

    /// Formats the size in one line.
    #[rhai_fn(name = "to_debug", pure)]
    pub fn forest_to_debug(forest: &mut Forest) -> String {
        format!("forest of {}", crate::text::counted(forest.effects.len(), "effect"))
    }
}

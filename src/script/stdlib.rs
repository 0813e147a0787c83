//! The standard library: written in Rhai, embedded in the binary, always available as `NAME::function`.

use super::doc::Doc;

/// Embeds `stdlib/NAME.rhai`, followed by its listed parts `stdlib/NAME/PART.rhai`; and the internal modules of another,
/// `stdlib/MODULE/NAME.rhai`.
macro_rules! embedded {
    ($($name:literal $([$($part:literal)*])?)*; $($of:literal / $inner:literal)*) => {
        &[
            $(($name, concat!(
                include_str!(concat!("../../stdlib/", $name, ".rhai"))
                $($(, "\n", include_str!(concat!("../../stdlib/", $name, "/", $part, ".rhai")))*)?
            )),)*
            $(($inner, include_str!(concat!("../../stdlib/", $of, "/", $inner, ".rhai"))),)*
        ]
    };
}

/// Every module of the standard library: its name and its text.
pub const MODULES: &[(&str, &str)] = embedded! {
    "assert" "baseline" "bench" "classify" ["predict" "report"] "clean" "embed" "lora" "mlm" "measure" ["classes" "calibration" "compare" "quantization" "retrieval"] "nn" "nsp" "plot" "pretrain" "runs" "schedule" "search" ["pictures"] "sft" "stages" "tag" ["predict" "report"] "train" ["diverged"] "verdict"
    "vocab" ["terms" "embeddings" "distill"];
    "verdict" / "judge" "verdict" / "looks" "verdict" / "report" "verdict" / "trial"
    "classify" / "answers" "search" / "trials" "tag" / "tagged"
    "train" / "encoded" "train" / "gradient" "train" / "labeled" "train" / "ranges" "train" / "resumed"
};

/// The name that positions in a module refer to.
pub fn source_name(module: &str) -> String {
    match module {
        "judge" | "looks" | "report" | "trial" => format!("stdlib/verdict/{module}.rhai"),
        "encoded" | "gradient" | "labeled" | "ranges" | "resumed" => format!("stdlib/train/{module}.rhai"),
        "answers" => "stdlib/classify/answers.rhai".into(),
        "trials" => "stdlib/search/trials.rhai".into(),
        "tagged" => "stdlib/tag/tagged.rhai".into(),
        _ => format!("stdlib/{module}.rhai"),
    }
}

pub fn is_source_name(source: &str) -> bool {
    source.starts_with("stdlib/") && MODULES.iter().any(|(module, _)| source_name(module) == source)
}

pub fn is_module(name: &str) -> bool {
    MODULES.iter().any(|(module, _)| *module == name)
}

/// Whether a module is an internal part of others, which help leaves out.
pub fn is_inner(name: &str) -> bool {
    MODULES.iter().any(|(module, text)| *module == name && Doc::of_module(text).is_inner)
}

/// The text of a module.
pub fn text(module: &str) -> &'static str {
    MODULES.iter().find(|(name, _)| *name == module).map_or("", |(_, text)| text)
}

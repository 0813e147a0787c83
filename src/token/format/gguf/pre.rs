//! llama.cpp's named pre-tokenizers (`tokenizer.ggml.pre`; its table is in `src/llama-vocab.cpp`): how text is split before
//! byte-level BPE, and the defaults for missing keys. An unknown name would silently split wrongly, so it is an error.
//!
//! If llama.cpp rewrites a model's expression for its engine, the model's own is used here.

use crate::token::engine::WHO;
use crate::token::format::pipeline::{bytes, split};
use crate::token::words::split::{LLAMA3, QWEN, QWEN35};
use crate::{Error, Result};
use serde_json::{Value, json};

/// How a file with this pre-tokenizer is read.
#[derive(Default)]
pub struct PreTokenizer {
    pub normalizer: Value,
    pub steps: Vec<Value>,
    /// Default for adding BOS before a text.
    pub add_bos: bool,
    /// Default for a separator after it, and a class token before.
    pub add_sep: bool,
    /// A word that is a token is used whole.
    pub ignore_merges: bool,
    /// The tokens are text with `▁` for spaces, not bytes.
    pub spaces: bool,
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// Chinese characters and kana.
const HAN: &str = r"[\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+";
/// Letters of scripts with capitals, in Unicode 12.
const CASED: &str = concat!(
    r"\s?[A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF}\x{370}-\x{373}",
    r"\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}",
    r"\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}",
    r"\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}",
    r"\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}",
    r"\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}",
    r"\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}",
    r"\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}",
    r"\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}",
    r"\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}",
    r"\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}]+",
);
/// For DeepSeek-V3 and others: words with a preceding symbol, symbols, white space.
const DEEPSEEK3: &str = concat!(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"##,
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
);
const ENDS: &str = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// GPT-4o's expression and its relatives: words by case, followed by `after`, then numbers.
fn by_case(after: &str, numbers: &str) -> String {
    const UPPER: &str = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}";
    const LOWER: &str = r"\p{Ll}\p{Lm}\p{Lo}\p{M}";
    const LEAD: &str = r"[^\r\n\p{L}\p{N}]?";
    format!("{LEAD}[{UPPER}]*[{LOWER}]+{after}|{LEAD}[{UPPER}]+[{LOWER}]*{after}|{numbers}{ENDS}")
}

const CONTRACTIONS: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";

/// Llama 3's expression with other numbers, or other parts.
fn llama_like(letters: &str, numbers: &str, rest: &str) -> String {
    format!(r"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?{letters}|{numbers}|{rest}")
}

/// Steps that each split by an expression, then the byte alphabet.
fn cut<const N: usize>(patterns: [&str; N]) -> PreTokenizer {
    let steps = patterns.into_iter().map(split).chain([bytes(false, false)]).collect();
    PreTokenizer { steps, ..PreTokenizer::default() }
}

fn gpt2() -> PreTokenizer {
    PreTokenizer { steps: vec![bytes(false, true)], ..PreTokenizer::default() }
}

fn digits() -> PreTokenizer {
    let steps = vec![json!({"type": "Digits", "individual_digits": true}), bytes(false, true)];
    PreTokenizer { steps, ..PreTokenizer::default() }
}

fn nfc(pre: PreTokenizer) -> PreTokenizer {
    PreTokenizer { normalizer: json!({"type": "NFC"}), ..pre }
}

/// Text with `▁` for spaces, split only at line ends.
fn spaces(ignore_merges: bool, add_bos: bool) -> PreTokenizer {
    PreTokenizer {
        normalizer: json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"}),
        steps: vec![split(r"[^\n]+|[\n]+")],
        spaces: true,
        ignore_merges,
        add_bos,
        add_sep: false,
    }
}

/// One name for each way of splitting, used when a file is written: the best known of several with the same meaning.
pub const NAMES: &[&str] = &[
    "gpt-2",
    "smollm",
    "llama-bpe",
    "dbrx",
    "qwen2",
    "qwen35",
    "stablelm2",
    "tekken",
    "gpt-4o",
    "deepseek-llm",
    "deepseek-coder",
    "deepseek-v3",
    "falcon",
    "bloom",
    "viking",
    "bailingmoe",
    "seed-coder",
    "kimi-k2",
    "default",
];

impl PreTokenizer {
    pub fn named(name: &str) -> Result<PreTokenizer> {
        Ok(match name {
            "gpt-2" | "gpt2" | "phi-2" | "jina-es" | "jina-de" | "jina-v2-es" | "jina-v2-de" | "gigachat"
            | "a.x-4.0" | "mellum" | "modern-bert" | "mpt" | "olmo" | "jais" | "trillion" | "granite-docling"
            | "exaone4" => gpt2(),
            "jina-v1-en" | "jina-v2-code" | "roberta-bpe" => PreTokenizer { add_sep: true, ..gpt2() },
            "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b" | "mellum2" => {
                digits()
            }
            "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0" | "lfm2"
            | "jina-v5-nano" => PreTokenizer { ignore_merges: true, add_bos: true, ..cut([LLAMA3]) },
            "dbrx" | "smaug-bpe" | "glm4" | "chatglm-bpe" => cut([LLAMA3]),
            "qwen2" | "deepseek-r1-qwen" | "kormo" | "f2llmv2" | "megrez" => nfc(cut([QWEN])),
            "qwen35" => nfc(cut([QWEN35])),
            "stablelm2" | "hunyuan" | "solar-open" | "grok-2" => cut([QWEN]),
            "tekken" => PreTokenizer { ignore_merges: true, add_bos: true, ..cut([&by_case("", r"\p{N}")]) },
            "gpt-4o" | "llama4" | "kanana2" | "talkie" | "minimax-m2" => {
                cut([&by_case(&format!("{CONTRACTIONS}?"), r"\p{N}{1,3}")])
            }
            "granite-embed-multi-97m" => {
                PreTokenizer { ignore_merges: true, ..cut([&by_case(&format!("{CONTRACTIONS}?"), r"\p{N}{1,3}")]) }
            }
            "tiny_aya" | "cohere2moe" => {
                cut([r"\d{1,3}(?=(?:\d{3})*\b)", &by_case(&format!("{CONTRACTIONS}?"), r"\p{N}{1,3}")])
            }
            other => return more(other),
        })
    }
}

fn more(name: &str) -> Result<PreTokenizer> {
    const LINE_ENDS: &str = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    const SENTENCE: &str = r" ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{964}\x{6D4}\x{60C})]+";
    Ok(match name {
        "default" => cut([r"[\p{P}$+<=>\^~|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"]),
        "falcon" => cut([r"[\p{P}$+<=>\^~|`]+", GPT2, "[0-9][0-9][0-9]"]),
        "deepseek-llm" => cut([
            r"[\r\n]",
            CASED,
            r"\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+",
            r"\s+$",
            r"[\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+",
            r"\p{N}+",
        ]),
        "deepseek-coder" => cut([
            r"[\r\n]",
            r"\s?\p{L}+",
            r"\s?\p{P}+",
            r"[\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+",
            r"\p{N}",
        ]),
        "deepseek-v3" | "hunyuan-dense" | "joyai-llm" | "hy_v4" => cut([r"\p{N}{1,3}", HAN, DEEPSEEK3]),
        "spark2_5" => cut([r"\p{N}{1,3}", HAN, &DEEPSEEK3.replace(r"[\r\n]*|\s*[\r\n]+", r"|[\r\n]"), r"\p{N}"]),
        "youtu" => PreTokenizer {
            ignore_merges: true,
            ..cut([
                concat!(
                    r"[\x{AC00}-\x{D7A3}\x{3131}-\x{318E}]+|[\x{FF01}\x{2026}\x{201C}\x{201D}\x{2018}\x{2019}\x{2014}\x{FF1A}\x{FF1B}\x{FF0C}",
                    r"\x{3001}-\x{303F}\x{FE30}-\x{FE4F}]+|[\x{3105}-\x{312F}]+|[\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+",
                ),
                &by_case(&format!("{CONTRACTIONS}?"), r"\p{N}"),
            ])
        },
        "afmoe" => cut([
            // groups of three from the right
            r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))",
            concat!(
                r"[\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{F900}-\x{FAFF}\x{3040}-\x{309F}\x{30A0}-\x{30FF}\x{FF65}-\x{FF9F}",
                r"\x{2F00}-\x{2FDF}\x{E40}-\x{E7F}\x{E80}-\x{EFF}\x{1780}-\x{17FF}\x{1000}-\x{109F}\x{AA60}-\x{AA7F}",
                r"\x{A9E0}-\x{A9FF}\x{AC00}-\x{D7AF}\x{1100}-\x{11FF}]+",
            ),
            DEEPSEEK3,
        ]),
        "poro-chat" | "bloom" | "gpt3-finnish" => cut([SENTENCE]),
        "viking" => cut([SENTENCE, r"\p{N}"]),
        "jais-2" => {
            let runs = [512, 256, 128, 64, 32, 16, 8, 4].map(|count| format!(r"\s{{{count}}}(?!\S)|")).concat();
            let rest = format!(r" ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|{runs}\s{{1,2}}(?!\S)|\s{{1}}");
            cut([&llama_like(r"\p{L}+", r"\p{N}{1,3}", &rest)])
        }
        "superbpe" => cut([r"\p{N}+", r"(?=(\d{3})+(?!\d))"]),
        "bailingmoe" | "bailingmoe2" | "llada-moe" => {
            cut([&llama_like(r"\p{L}+", r"\p{N}", r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")])
        }
        "seed-coder" => cut([&llama_like(r"\p{L}+", r"\p{N}{1}", r" ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+")]),
        "ufakzeka" => cut([&format!(r"[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{LINE_ENDS}")]),
        "laguna" => cut([r"[^\n]+|[\n]+", QWEN]),
        "exaone-moe" => cut([&llama_like(
            r"(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+",
            r"\p{N}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+",
        )]),
        "minicpm5" => {
            PreTokenizer { ignore_merges: true, ..cut([r"\p{N}{1,3}", &llama_like(r"\p{L}+", r"\p{N}+", LINE_ENDS)]) }
        }
        "chameleon" => PreTokenizer {
            add_bos: true,
            ..cut([
                "<sentinel:[0-9]+>",
                "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
                r"([\t\n]|    |  )",
                r"\p{N}",
                r"[\p{P}!-/:-@\[-`{-~]",
                GPT2,
            ])
        },
        "kimi-k2" => {
            // letters except Chinese characters, which are words of their own
            let latin = by_case(&format!("{CONTRACTIONS}?"), r"\p{N}{1,3}").replace(r"\p{M}]", r"\p{M}&&[^\p{Han}]]");
            cut([&format!(r"[\p{{Han}}]+|{}", latin.replace(r"[\r\n/]*", r"[\r\n]*"))])
        }
        "gemma4" | "granite-embed-multi-311m" => spaces(true, true),
        "sarvam-moe" => spaces(false, false),
        other => {
            return Err(Error::new(WHO, format!("the pre-tokenizer `{other}` in a .gguf is not known here"))
                .help("open the tokenizer.json of the same model"));
        }
    })
}

//! The tokenizer classes of transformers: the one that a folder names, and the defaults of each.

use serde_json::{Map, Value};

/// How a transformers class builds its pipeline around a vocabulary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// No class is named.
    #[default]
    Unnamed,
    /// As in the files themselves (`PreTrainedTokenizerFast`).
    AsItIs,
    Gpt2,
    Roberta,
    Qwen2,
    Qwen35,
    Clip,
    NeoX,
    Cohere,
    Bert,
    Llama,
    CodeLlama,
    Gemma,
    T5,
    XlmRoberta,
    Camembert,
    Albert,
    DebertaV2,
    /// An unknown class, by name.
    Other(String),
}

/// Names of classes, without `Fast`.
const NAMES: &[(Class, &[&str])] = &[
    (
        Class::AsItIs,
        &["PreTrainedTokenizer", "TokenizersBackend", "PythonBackend", "BloomTokenizer", "MistralCommonBackend"],
    ),
    (Class::Gpt2, &["GPT2Tokenizer", "CodeGenTokenizer"]),
    (Class::Roberta, &["RobertaTokenizer", "BartTokenizer", "LongformerTokenizer", "LEDTokenizer", "MvpTokenizer"]),
    (Class::Qwen2, &["Qwen2Tokenizer"]),
    (Class::Qwen35, &["Qwen3_5Tokenizer"]),
    (Class::Clip, &["CLIPTokenizer"]),
    (Class::NeoX, &["GPTNeoXTokenizer"]),
    (Class::Cohere, &["CohereTokenizer"]),
    (
        Class::Bert,
        &[
            "BertTokenizer",
            "DistilBertTokenizer",
            "ElectraTokenizer",
            "MobileBertTokenizer",
            "SqueezeBertTokenizer",
            "ConvBertTokenizer",
            "LxmertTokenizer",
            "LayoutLMTokenizer",
            "RetriBertTokenizer",
            "DPRQuestionEncoderTokenizer",
            "DPRContextEncoderTokenizer",
            "DPRReaderTokenizer",
        ],
    ),
    (Class::Llama, &["LlamaTokenizer"]),
    (Class::CodeLlama, &["CodeLlamaTokenizer"]),
    (Class::Gemma, &["GemmaTokenizer"]),
    (Class::T5, &["T5Tokenizer"]),
    (Class::XlmRoberta, &["XLMRobertaTokenizer"]),
    (Class::Camembert, &["CamembertTokenizer"]),
    (Class::Albert, &["AlbertTokenizer"]),
    (Class::DebertaV2, &["DebertaV2Tokenizer"]),
];

/// The class of each `model_type`, if no class is named.
const MODELS: &[(Class, &[&str])] = &[
    (Class::Gpt2, &["gpt2", "gpt_neo", "gptj", "codegen", "opt", "phi", "starcoder2", "dbrx", "blip-2"]),
    (
        Class::Roberta,
        &[
            "roberta",
            "bart",
            "longformer",
            "led",
            "mvp",
            "xlm-roberta-prelayernorm",
            "ibert",
            "data2vec-text",
            "mega",
            "mra",
        ],
    ),
    (
        Class::Qwen2,
        &["qwen2", "qwen2_moe", "qwen2_vl", "qwen2_5_vl", "qwen3", "qwen3_moe", "qwen3_next", "qwen3_vl", "internvl"],
    ),
    (Class::Qwen35, &["qwen3_5", "qwen3_5_moe", "qwen3_5_text", "qwen3_5_moe_text"]),
    (Class::Clip, &["clip", "clipseg", "owlvit", "owlv2", "groupvit"]),
    (Class::NeoX, &["gpt_neox", "mamba", "mamba2", "mpt", "olmo", "olmoe", "rwkv", "falcon_mamba"]),
    (Class::Cohere, &["cohere", "cohere2"]),
    (
        Class::Bert,
        &[
            "bert",
            "distilbert",
            "electra",
            "mobilebert",
            "squeezebert",
            "convbert",
            "lxmert",
            "layoutlm",
            "nomic_bert",
            "megatron-bert",
        ],
    ),
    (Class::Gemma, &["gemma", "gemma2", "gemma3", "gemma3_text", "gemma3n", "recurrent_gemma", "t5gemma"]),
    (Class::T5, &["t5", "mt5", "switch_transformers"]),
    (Class::XlmRoberta, &["xlm-roberta", "xmod"]),
    (Class::Camembert, &["camembert"]),
    (Class::Albert, &["albert", "yoso"]),
    (Class::DebertaV2, &["deberta-v2"]),
];

/// Models whose tokenizers are used as in their files, whatever class is named: the names are known to be wrong.
const AS_THEY_ARE: &[&str] = &[
    "mistral",
    "mistral3",
    "ministral",
    "ministral3",
    "mixtral",
    "pixtral",
    "voxtral",
    "phi3",
    "phi3_v",
    "phimoe",
    "granite",
    "granitemoe",
    "glm",
    "glm4",
    "olmo2",
    "olmo3",
    "stablelm",
    "persimmon",
    "modernbert",
    "internlm2",
    "internlm3",
    "jamba",
    "nemotron",
    "minicpm3",
    "smolvlm",
    "llava",
    "llava_next",
    "arctic",
    "ernie4_5",
    "umt5",
    "xlm-roberta-xl",
    "gpt_bigcode",
];

impl Class {
    /// The class named by `tokenizer_config.json`, then by `config.json`, directly or by its `model_type`.
    pub fn of(config: &Map<String, Value>, model: &Map<String, Value>) -> Class {
        let text = |map: &Map<String, Value>, key: &str| map.get(key).and_then(Value::as_str).map(str::to_string);
        let model_type = text(model, "model_type").unwrap_or_default();
        if AS_THEY_ARE.contains(&model_type.as_str()) {
            return Class::AsItIs;
        }
        if let Some(name) = text(config, "tokenizer_class").or_else(|| text(model, "tokenizer_class")) {
            return Class::named(&name);
        }
        MODELS
            .iter()
            .find(|(_, types)| types.contains(&model_type.as_str()))
            .map_or(Class::Unnamed, |(class, _)| class.clone())
    }

    fn named(name: &str) -> Class {
        let plain = name.strip_suffix("Fast").unwrap_or(name);
        let known = NAMES.iter().find(|(_, names)| names.contains(&plain));
        known.map_or_else(|| Class::Other(name.to_string()), |(class, _)| class.clone())
    }

    /// Whether transformers rebuilds a tokenizer of this class from the vocabulary in a `tokenizer.json`.
    pub fn is_rebuilt(&self) -> bool {
        !matches!(self, Class::Unnamed | Class::AsItIs | Class::Other(_))
    }

    /// The default special tokens of a class.
    pub fn tokens(&self) -> &'static [(&'static str, &'static str)] {
        const END: &str = "<|endoftext|>";
        match self {
            Class::Gpt2 | Class::Unnamed => &[("unk_token", END), ("bos_token", END), ("eos_token", END)],
            Class::NeoX => &[("unk_token", END), ("bos_token", END), ("eos_token", END), ("pad_token", "<|padding|>")],
            Class::Qwen2 | Class::Qwen35 => &[("unk_token", END), ("eos_token", END), ("pad_token", END)],
            Class::Clip => {
                &[("unk_token", END), ("bos_token", "<|startoftext|>"), ("eos_token", END), ("pad_token", END)]
            }
            Class::Roberta | Class::XlmRoberta | Class::Camembert => &[
                ("bos_token", "<s>"),
                ("eos_token", "</s>"),
                ("sep_token", "</s>"),
                ("cls_token", "<s>"),
                ("unk_token", "<unk>"),
                ("pad_token", "<pad>"),
                ("mask_token", "<mask>"),
            ],
            Class::Bert => &[
                ("unk_token", "[UNK]"),
                ("sep_token", "[SEP]"),
                ("pad_token", "[PAD]"),
                ("cls_token", "[CLS]"),
                ("mask_token", "[MASK]"),
            ],
            Class::Cohere => &[
                ("unk_token", "<UNK>"),
                ("bos_token", "<BOS_TOKEN>"),
                ("eos_token", "<|END_OF_TURN_TOKEN|>"),
                ("pad_token", "<PAD>"),
                ("cls_token", "<CLS>"),
                ("sep_token", "<SEP>"),
                ("mask_token", "<MASK_TOKEN>"),
            ],
            Class::Llama | Class::CodeLlama => &[("unk_token", "<unk>"), ("bos_token", "<s>"), ("eos_token", "</s>")],
            Class::Gemma => &[
                ("unk_token", "<unk>"),
                ("bos_token", "<bos>"),
                ("eos_token", "<eos>"),
                ("pad_token", "<pad>"),
                ("mask_token", "<mask>"),
            ],
            Class::T5 => &[("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")],
            Class::Albert => &[
                ("bos_token", "[CLS]"),
                ("eos_token", "[SEP]"),
                ("unk_token", "<unk>"),
                ("sep_token", "[SEP]"),
                ("pad_token", "<pad>"),
                ("cls_token", "[CLS]"),
                ("mask_token", "[MASK]"),
            ],
            Class::DebertaV2 => &[
                ("bos_token", "[CLS]"),
                ("eos_token", "[SEP]"),
                ("unk_token", "[UNK]"),
                ("sep_token", "[SEP]"),
                ("pad_token", "[PAD]"),
                ("cls_token", "[CLS]"),
                ("mask_token", "[MASK]"),
            ],
            Class::AsItIs | Class::Other(_) => &[],
        }
    }
}

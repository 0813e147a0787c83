//! An architecture's names for the weights of its heads.

#[derive(Clone, Copy)]
pub struct HeadNames {
    pub masked: Option<MaskedNames>,
    /// The layer between a pooled state and its classifier.
    pub dense: Option<DenseNames>,
    /// The classifier of whole sequences.
    pub classifier: &'static str,
    /// Whether it has a bias.
    pub classifier_bias: bool,
    pub token_classifier: &'static str,
    /// The input of the layer before a classifier has the classifier's dropout (RoBERTa, ELECTRA).
    pub drops_input: bool,
    /// The classifier of pairs: whether the second sentence follows the first.
    pub pair: &'static str,
}

/// The weights of a masked head: a layer, its norm, and the output embeddings.
#[derive(Clone, Copy)]
pub struct MaskedNames {
    /// The prefixes of all of them.
    pub prefixes: &'static [&'static str],
    pub dense: &'static str,
    pub norm: &'static str,
    /// The output embeddings, if they are separate weights.
    pub decoder: &'static str,
    /// The bias of tied output embeddings. Untied ones may use another name: `DECODER.bias`.
    pub bias: &'static str,
}

#[derive(Clone, Copy)]
pub struct DenseNames {
    pub name: &'static str,
    /// The norm that follows its activation.
    pub norm: Option<&'static str>,
    /// Token classification uses it too.
    pub of_tokens: bool,
}

impl HeadNames {
    /// Most decoders: a product without a bias, applied to the last token.
    pub const DECODER: HeadNames = HeadNames {
        masked: None,
        dense: None,
        classifier: "score",
        classifier_bias: false,
        token_classifier: "score",
        drops_input: false,
        pair: "",
    };

    /// BERT and related encoders.
    pub const ENCODER: HeadNames = HeadNames {
        masked: None,
        dense: None,
        classifier: "classifier",
        classifier_bias: true,
        token_classifier: "classifier",
        drops_input: false,
        pair: "",
    };
}

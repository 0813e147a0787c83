//! XLM-R (Conneau et al. 2020): RoBERTa over a hundred languages.

use super::roberta;
use crate::model::config::Layout;
use crate::model::head::{embed, masked, sequence, token};
use crate::model::spec::Arch;

const LAYOUT: Layout = Layout { model_type: "xlm-roberta", ..roberta::LAYOUT };

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("XLMRobertaForMaskedLM", &masked::HEAD),
        ("XLMRobertaForSequenceClassification", &sequence::HEAD),
        ("XLMRobertaForTokenClassification", &token::HEAD),
        ("XLMRobertaModel", &embed::HEAD),
    ],
    config: |fields| roberta::config(fields, &LAYOUT),
    ..roberta::ARCH
};

//! CamemBERT (Martin et al. 2020): RoBERTa for French.

use super::roberta;
use crate::model::config::Layout;
use crate::model::head::{embed, masked, sequence, token};
use crate::model::spec::Arch;

const LAYOUT: Layout = Layout { model_type: "camembert", ..roberta::LAYOUT };

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("CamembertForMaskedLM", &masked::HEAD),
        ("CamembertForSequenceClassification", &sequence::HEAD),
        ("CamembertForTokenClassification", &token::HEAD),
        ("CamembertModel", &embed::HEAD),
    ],
    config: |fields| roberta::config(fields, &LAYOUT),
    ..roberta::ARCH
};

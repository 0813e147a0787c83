//! Quantization: the block kind of each matrix.

use super::Model;
use super::config::Config;
use super::importance::Importance;
use super::mixture;
use super::spec::Arch;
use crate::kernel::Precision;
use crate::kernel::quant::Blocks;
use crate::kernel::quantize::{self, GgmlDType};
use crate::progress;
use crate::{Error, Result, bail};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The kind named by `word`, for errors of the verb `who`.
fn kind_of(who: &str, word: &str) -> Result<GgmlDType> {
    let words = quantize::WORDS.into_iter().chain(mixture::WORDS);
    quantize::quantized(word)
        .ok_or_else(|| Error::new(who, format!("`{word}` is no kind of blocks")).choose(word, words))
}

/// The requested kinds of the matrices and of the output embeddings: a kind, or a mixture.
pub struct Wanted<'a> {
    pub kind: &'a str,
    pub output: Option<&'a str>,
}

impl Wanted<'_> {
    /// Returns an error for an unknown word, even if no matrix would use it.
    fn check(&self, who: &str) -> Result<()> {
        for word in [Some(self.kind), self.output].into_iter().flatten() {
            if !mixture::WORDS.contains(&word) {
                kind_of(who, word)?;
            }
        }
        Ok(())
    }

    /// The kind for the weight `name`.
    pub fn of(&self, who: &str, arch: &Arch, config: &Config, name: &str, is_output: bool) -> Result<GgmlDType> {
        let mixed = mixture::kind_of(self.kind, arch.gguf, config, name);
        match self.output.filter(|_| is_output) {
            Some(word) => kind_of(who, word),
            None => {
                let kind = mixed.map_or_else(|| kind_of(who, self.kind), Ok)?;
                Ok(if is_output { kind_of_output(kind) } else { kind })
            }
        }
    }
}

/// The default kind of the output embeddings: more precise than the rest, as in llama.cpp, since logits come from them.
fn kind_of_output(kind: GgmlDType) -> GgmlDType {
    if kind.block_size() == 1 || kind == GgmlDType::Q8_0 { kind } else { GgmlDType::Q6K }
}

/// Matrices stored as another kind than requested because of their row width: counted, and reported together.
#[derive(Default)]
pub struct Instead(BTreeMap<(String, String, usize), usize>);

impl Instead {
    /// The kind itself or its fallback. `None` if no block size divides the rows.
    pub fn fitting(&mut self, wanted: GgmlDType, columns: usize) -> Option<GgmlDType> {
        if wanted.block_size() == 1 {
            return Some(wanted);
        }
        let found = quantize::fitting(wanted, columns);
        if found != Some(wanted) {
            let to = found.map_or_else(|| "f16".into(), quantize::word);
            *self.0.entry((quantize::word(wanted), to, columns)).or_default() += 1;
        }
        found
    }

    pub fn tell(self, who: &str) {
        for ((from, to, columns), count) in self.0 {
            let which = if count == 1 { "a matrix".into() } else { format!("{count} matrices") };
            progress::warn(
                who,
                format!("{which} with rows of {columns} numbers, which {from} does not divide: stored as {to}"),
            );
        }
    }
}

impl Model {
    /// Quantizes every matrix to this kind, and the output embeddings to `output`, and freezes them. Matrices that are already
    /// quantized are left unchanged. `importance` is used for the weights it covers.
    pub fn quantize(&self, who: &str, kind: &str, output: Option<&str>, importance: Option<&Importance>) -> Result<()> {
        self.check_trainable(who)?;
        let wanted = Wanted { kind, output };
        wanted.check(who)?;
        let mut inner = self.write();
        let config = inner.config.clone();
        if !inner.weights.device().is_cpu() {
            return Err(Error::new(who, "quantized weights stay on the CPU, and this model is elsewhere")
                .help("`net.to(\"cpu\")` brings it back first"));
        }
        if config.layout.transposed {
            bail!(who, "the matrices of a {} are stored transposed and cannot be quantized", config.model_type());
        }
        if let Some(importance) = importance {
            importance.check(who, &inner.weights)?;
        }
        let table = config.output.as_ref().map(|output| output.weight.clone());
        let mut instead = Instead::default();
        let mut planned = Vec::new();
        // all are checked first, so that a failure changes nothing; then converted one by one, never all of them in memory twice
        for (name, weight) in inner.weights.iter() {
            let dims = weight.dims();
            if weight.blocks.is_some() || dims.len() != 2 {
                continue;
            }
            let kind = wanted.of(who, inner.arch, &config, name, table.as_deref() == Some(&**name))?;
            let Some(fits) = instead.fitting(kind, dims[1]) else {
                bail!(who, "`{name}`: rows of {} numbers don't divide into blocks of 32", dims[1]);
            };
            let columns = importance.map(|importance| importance.of(who, name, dims[1])).transpose()?.flatten();
            planned.push((name.clone(), fits, columns));
        }
        instead.tell(who);
        for (name, kind, importance) in planned {
            let value = inner.weights.get(&name)?.value()?;
            let blocks = Blocks::quantize(kind, &value, importance.as_deref())?;
            Arc::make_mut(&mut inner.weights).insert_blocks(&name, blocks)?;
        }
        if inner.precision == Precision::F32 {
            inner.precision = Precision::Int8;
        }
        Ok(())
    }

    /// Bytes of the weights in memory, without adapters.
    pub fn memory_footprint(&self) -> usize {
        let bytes = |weight: &super::Weight| match &weight.blocks {
            Some(blocks) => blocks.size(),
            None => weight.param.value().elem_count() * weight.param.dtype().size_in_bytes(),
        };
        self.weights().iter().map(|(_, weight)| bytes(weight)).sum()
    }
}

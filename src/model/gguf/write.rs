//! Writes a GGUF file that llama.cpp opens: the metadata from the config and the tokenizer, and the weights under llama.cpp's
//! names, in its row order, in the requested block kind.

use super::blocks::{interleave, interleave_blocks};
use super::check;
use super::names::{EMBEDDINGS, GgufNames, OUTPUT, TOKEN_TYPES};
use super::rope;
use crate::format::gguf::{self, TensorEntry, Value as Meta};
use crate::format::numbers;
use crate::kernel::quant::Blocks;
use crate::kernel::quantize::GgmlDType;
use crate::model::config::Config;
use crate::model::quantize::{Instead, Wanted};
use crate::model::spec::{Arch, Start, TensorSpec};
use crate::model::{Importance, Model, Weights};
use crate::tensor::nn::RotaryScaling;
use crate::tensor::{DType, Device};
use crate::token::Tokenizer;
use crate::{Error, Result, bail, files, ranks};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::Arc;

const WHO: &str = "save";

/// The contents of a `.gguf` besides the model.
pub struct GgufSaving<'a> {
    pub tokenizer: &'a Tokenizer,
    /// The kind of the matrices; unchanged if not given.
    pub kind: Option<String>,
    /// The same for the output embeddings.
    pub output: Option<String>,
    /// Texts for which the tokenizer in the file must return the same ids, in addition to each of its tokens.
    pub texts: Vec<String>,
    /// Column importance of matrices for quantization.
    pub importance: Option<Importance>,
}

/// A weight to be written.
struct Planned {
    name: String,
    dtype: GgmlDType,
    shape: Vec<usize>,
    transposed: bool,
    heads: Option<usize>,
}

/// The parts of the model needed while its file is written.
struct Source {
    arch: &'static Arch,
    names: &'static GgufNames,
    config: Arc<Config>,
    weights: Weights,
    name: String,
}

impl Model {
    /// Writes a `.gguf` file that includes the tokenizer. The result is opened again to verify it: the tokenizer must return the
    /// same ids, and the weights the same logits up to rounding.
    pub fn save_gguf(&self, path: &Path, saving: &GgufSaving) -> Result<()> {
        ranks::first(&format!("{WHO} {}", path.display()), || self.write_gguf(path, saving))
    }

    fn write_gguf(&self, path: &Path, saving: &GgufSaving) -> Result<()> {
        self.check_trainable(WHO)?;
        let source = self.source(path)?;
        if let Some(importance) = &saving.importance {
            importance.check(WHO, &source.weights)?;
        }
        let metadata = source.metadata(saving)?;
        let mut planned = source.plan(saving)?;
        planned.sort_by(|a, b| a.name.cmp(&b.name));
        let rope = source.config.rope.as_ref();
        let factors = rope.map(|rope| rope::factors(rope, source.config.head_dim)).unwrap_or_default();
        let mut entries: Vec<TensorEntry> = planned.iter().map(|planned| source.entry(planned)).collect();
        entries.extend(factors.iter().map(|(name, of)| TensorEntry::new(*name, &[of.len()], GgmlDType::F32)));
        let fill = |index: usize| match planned.get(index) {
            Some(planned) => source.bytes(planned, saving.importance.as_ref()),
            None => Ok(factors[index - planned.len()].1.iter().flat_map(|factor| factor.to_le_bytes()).collect()),
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        files::make_folder(WHO, folder)?;
        // verified in a temporary folder, so that a file that does not reproduce the model is never in place
        let beside = files::temporary_folder(WHO, folder)?;
        let written = beside.path().join("model.gguf");
        files::write(WHO, &written, |out| gguf::write(out, &metadata, entries, fill))?;
        check::tokenizer(&written, saving.tokenizer, &saving.texts)?;
        let names = planned.iter().map(|planned| (planned.name.as_str(), planned.transposed));
        let rounded = planned.iter().any(|planned| planned.dtype.block_size() > 1);
        check::model(&written, self, names, rounded, saving.tokenizer.len())?;
        files::rename(WHO, &written, path)?;
        files::sync_names(WHO, path)
    }

    fn source(&self, path: &Path) -> Result<Source> {
        let inner = self.read();
        let model_type = inner.config.model_type();
        let Some(names) = inner.arch.gguf else {
            return Err(Error::new(WHO, format!("a {model_type} can't be written as GGUF"))
                .help("a folder is written for every architecture: name one"));
        };
        if names.head != inner.head.name {
            let error = format!("a {model_type} with a {} head can't be written as GGUF", inner.head.name);
            return Err(Error::new(WHO, error).help(format!("llama.cpp knows it with a {} head", names.head)));
        }
        let scaling = inner.config.rope.as_ref().map(|rope| &rope.scaling);
        if matches!(scaling, Some(RotaryScaling::LongRope { .. })) && !names.longrope {
            let error = format!("rotary positions by longrope scaling, which llama.cpp has not got for a {model_type}");
            return Err(Error::new(WHO, error).help("a folder keeps them: name one"));
        }
        if !inner.weights.bottlenecks.is_empty() {
            return Err(Error::new(WHO, "bottleneck adapters are attached, which can't be merged into weights")
                .help("`net.detach_bottleneck()` takes them off"));
        }
        inner.weights.merge_targets(WHO)?;
        let stem = path.file_stem().map_or_else(|| model_type.into(), |stem| stem.to_string_lossy().into_owned());
        let (arch, config) = (inner.arch, inner.config.clone());
        Ok(Source { arch, names, config, weights: Weights::clone(&inner.weights), name: stem })
    }
}

impl Source {
    fn metadata(&self, saving: &GgufSaving) -> Result<Vec<(String, Meta)>> {
        let text = |text: &str| Meta::Text(text.into());
        let architecture = self.names.architecture;
        let mut metadata = vec![
            ("general.architecture".to_string(), text(architecture)),
            ("general.type".into(), text("model")),
            ("general.name".into(), text(&self.name)),
            ("general.quantization_version".into(), Meta::Int(2)),
            ("levain.version".into(), text(env!("CARGO_PKG_VERSION"))),
        ];
        let json = self.resolved();
        for fact in self.names.facts {
            let value = match json.get(fact.key).filter(|value| !value.is_null()) {
                Some(value) => value.clone(),
                None => fact.or.map(|or| or(&Value::Object(json.clone()))).unwrap_or_default(),
            };
            let value = match (value.as_i64(), value.as_f64()) {
                (_, Some(float)) if fact.is_float() => Meta::Float(float),
                (Some(whole), _) => Meta::Int(whole),
                _ => bail!(WHO, "`{}` is {value} in the config, and GGUF takes a number", fact.key),
            };
            metadata.push((format!("{architecture}.{}", fact.gguf), value));
        }
        let rest = (self.names.rest)(&self.config).map_err(|error| {
            error.help(format!("a folder keeps all of it: name one for this {}", self.arch.model_type()))
        })?;
        metadata.extend(rest.into_iter().map(|(key, value)| (format!("{architecture}.{key}"), value)));
        metadata.extend(saving.tokenizer.gguf_metadata(self.config.vocab)?);
        if self.config.token_types > 0 {
            metadata.push((TOKEN_TYPES.into(), Meta::Int(self.config.token_types as i64)));
        }
        Ok(metadata)
    }

    /// `config.json` with its defaults filled in.
    fn resolved(&self) -> Map<String, Value> {
        let config = &self.config;
        let mut json = config.json.clone();
        let known = [
            ("hidden_size", json!(config.hidden)),
            ("intermediate_size", json!(config.ff)),
            ("num_hidden_layers", json!(config.layers)),
            ("num_attention_heads", json!(config.heads)),
            ("num_key_value_heads", json!(config.kv_heads)),
            ("head_dim", json!(config.head_dim)),
            ("max_position_embeddings", json!(config.max_positions)),
            ("rope_theta", json!(config.rope.as_ref().map(|rope| rope.theta))),
            ("rms_norm_eps", json!(config.norm_eps)),
            ("layer_norm_eps", json!(config.norm_eps)),
        ];
        json.extend(known.map(|(key, value)| (self.arch.own_key(key).to_string(), value)));
        json
    }

    fn entry(&self, planned: &Planned) -> TensorEntry {
        TensorEntry::new(self.names.name(&self.config, &planned.name), &planned.shape, planned.dtype)
    }

    /// Every weight with its kind. Kinds ruled out by the row width are reported.
    fn plan(&self, saving: &GgufSaving) -> Result<Vec<Planned>> {
        let tables = (self.arch.tensors)(&self.config).into_iter();
        let own = |weight: &str| !self.config.tied && self.weights.has(weight);
        let head = self.config.output.as_ref().filter(|output| own(&output.weight));
        let output =
            head.map(|output| TensorSpec::new(&output.weight, &[self.config.vocab, self.config.hidden], Start::Zeros));
        let mut instead = Instead::default();
        let mut planned = Vec::new();
        for spec in tables.chain(output) {
            let mut shape = spec.shape.clone();
            let transposed = shape.len() == 2 && self.config.is_transposed(&spec.name);
            if transposed {
                shape.reverse();
            }
            let wanted = self.wanted(&spec, saving)?;
            let columns = shape.last().copied().unwrap_or(1);
            let dtype = instead.fitting(wanted, columns).unwrap_or(GgmlDType::F16);
            let heads = self.names.interleaved_heads(&self.config, &spec.name);
            planned.push(Planned { name: spec.name, dtype, shape, transposed, heads });
        }
        instead.tell(WHO);
        Ok(planned)
    }

    /// The requested kind of a weight, before its width is checked. Only matrices of layers and the embeddings are quantized.
    fn wanted(&self, spec: &TensorSpec, saving: &GgufSaving) -> Result<GgmlDType> {
        let theirs = self.names.name(&self.config, &spec.name);
        let table = [EMBEDDINGS, OUTPUT].contains(&theirs.as_str());
        if spec.shape.len() != 2 || !(table || spec.name.starts_with(self.config.layout.blocks)) {
            return Ok(GgmlDType::F32);
        }
        let weight = self.weights.get(&spec.name)?;
        let Some(word) = &saving.kind else {
            return Ok(match weight.blocks.as_deref() {
                Some(blocks) => blocks.ggml_type(),
                None => plain(weight.param.dtype()),
            });
        };
        let is_output = theirs == OUTPUT || (theirs == EMBEDDINGS && self.config.tied);
        let output = saving.output.as_deref();
        if let Some(plain) = plain_kind(output.filter(|_| is_output).unwrap_or(word)) {
            return Ok(plain);
        }
        Wanted { kind: word, output }.of(WHO, self.arch, &self.config, &spec.name, is_output)
    }

    fn bytes(&self, planned: &Planned, importance: Option<&Importance>) -> Result<Vec<u8>> {
        let weight = self.weights.get(&planned.name)?;
        let layer = planned.name.strip_suffix(".weight").unwrap_or(&planned.name);
        let kept = weight.blocks.as_deref().filter(|blocks| blocks.ggml_type() == planned.dtype);
        if let Some(blocks) = kept.filter(|_| !self.weights.lora.contains_key(layer)) {
            let all = 0..blocks.dims()[0];
            return Ok(match planned.heads {
                Some(heads) => interleave_blocks(&self.config, heads, blocks)?.bytes(all),
                None => blocks.bytes(all),
            });
        }
        let array = self.weights.merged(&planned.name, planned.transposed)?.to_device(&Device::Cpu)?;
        let array = if planned.transposed { array.t()?.contiguous()? } else { array };
        let array = match planned.heads {
            Some(heads) => interleave(&self.config, heads, array)?,
            None => array,
        };
        let array = match self.names.offset(&planned.name) {
            0.0 => array,
            offset => (array.to_dtype(DType::F32)? + offset)?,
        };
        match planned.dtype {
            GgmlDType::F32 => numbers::encode(&array.to_dtype(DType::F32)?),
            GgmlDType::F16 => numbers::encode(&array.to_dtype(DType::F16)?),
            GgmlDType::BF16 => numbers::encode(&array.to_dtype(DType::BF16)?),
            kind => {
                let columns = array.dims().last().copied().unwrap_or(0);
                let importance = importance.map(|known| known.of(WHO, &planned.name, columns)).transpose()?.flatten();
                let blocks = Blocks::quantize(kind, &array, importance.as_deref())?;
                Ok(blocks.bytes(0..blocks.dims()[0]))
            }
        }
    }
}

fn plain(dtype: DType) -> GgmlDType {
    match dtype {
        DType::BF16 => GgmlDType::BF16,
        DType::F16 => GgmlDType::F16,
        _ => GgmlDType::F32,
    }
}

/// An unquantized kind.
fn plain_kind(word: &str) -> Option<GgmlDType> {
    [("f32", GgmlDType::F32), ("f16", GgmlDType::F16), ("bf16", GgmlDType::BF16)]
        .into_iter()
        .find(|(known, _)| *known == word)
        .map(|(_, kind)| kind)
}

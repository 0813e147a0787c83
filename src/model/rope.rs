//! Rotary positions in a `config.json`, in the forms of transformers 4 and 5.

use super::config::Rope;
use super::fields::Fields;
use crate::tensor::nn::RotaryScaling;
use crate::{Error, Result, bail};
use serde_json::Value;

impl Fields<'_> {
    /// `rope_parameters` of transformers 5, or the earlier `rope_theta` and `rope_scaling`. `width` is the head size.
    pub fn rope(&self, width: usize, max_positions: usize) -> Result<Rope> {
        let scaled = self.under("rope_parameters").or_else(|| self.under("rope_scaling"));
        self.rope_of(scaled.as_ref(), width, max_positions)
    }

    /// The rotary positions of one kind of layer, in the format of transformers 5 or 4: 4 has only a base, under `old`.
    pub fn rope_in(&self, kind: &str, old: &str, otherwise: f64, width: usize, max_positions: usize) -> Result<Rope> {
        let theta = self.float_or(&[old], otherwise)?;
        let plain = Rope { theta, scaling: RotaryScaling::None, partial: 1.0 };
        let Some(all) = self.under("rope_parameters") else { return Ok(plain) };
        let Some(own) = all.under(kind) else {
            if all.get(&["rope_type", "rope_theta"]).is_some() {
                bail!("model", "`rope_parameters` has no `{kind}`: this architecture's kinds of layers have their own");
            }
            return Ok(plain);
        };
        let rope = self.rope_of(Some(&own), width, max_positions)?;
        Ok(if own.get(&["rope_theta"]).is_some() { rope } else { Rope { theta, ..rope } })
    }

    /// The same from the given scaling fields.
    pub fn rope_of(&self, scaled: Option<&Fields>, width: usize, max_positions: usize) -> Result<Rope> {
        let either = |name: &str, otherwise: f64| match scaled {
            Some(scaled) => scaled.float_or(&[name], self.float_or(&[name], otherwise)?),
            None => self.float_or(&[name], otherwise),
        };
        let (theta, partial) = (either("rope_theta", 10000.0)?, either("partial_rotary_factor", 1.0)?);
        let rotated = (width as f64 * partial) as usize;
        if rotated == 0 || !(partial > 0.0 && partial <= 1.0 && rotated.is_multiple_of(2)) {
            bail!("model", "`partial_rotary_factor` is {partial}, of heads of {width} numbers");
        }
        let scaling = match scaled {
            Some(scaled) => self.scaling(scaled, rotated / 2, max_positions)?,
            None => RotaryScaling::None,
        };
        Ok(Rope { theta, scaling, partial })
    }

    fn scaling(&self, scaled: &Fields, half: usize, max_positions: usize) -> Result<RotaryScaling> {
        // the config's own value takes precedence over the scaling's, as some models require
        let original = || {
            let names = ["original_max_position_embeddings"];
            self.count_or(&names, scaled.count_or(&names, max_positions)?)
        };
        let implied = || -> Result<f64> { Ok(max_positions as f64 / original()? as f64) };
        let factor = || match scaled.get(&["factor"]) {
            Some(_) => scaled.number("factor"),
            None => implied(),
        };
        let attention = |otherwise: f64| scaled.float_or(&["attention_factor"], otherwise);
        let some = |name: &str, otherwise: f64| -> Result<f64> {
            let given = scaled.float_or(&[name], otherwise)?;
            Ok(if given == 0.0 { otherwise } else { given })
        };
        Ok(match scaled.text_or(&["rope_type", "type"], "default") {
            "default" => RotaryScaling::None,
            "linear" => RotaryScaling::Linear { factor: scaled.number("factor")? },
            "llama3" => RotaryScaling::Llama3 {
                factor: scaled.number("factor")?,
                low_freq_factor: scaled.number("low_freq_factor")?,
                high_freq_factor: scaled.number("high_freq_factor")?,
                original_max_position_embeddings: original()?,
            },
            "yarn" => {
                let factor = factor()?;
                let scale = |by: f64| if factor <= 1.0 { 1.0 } else { 0.1 * by * factor.ln() + 1.0 };
                let (mscale, all) = (scaled.float_or(&["mscale"], 0.0)?, scaled.float_or(&["mscale_all_dim"], 0.0)?);
                let inferred = if mscale != 0.0 && all != 0.0 { scale(mscale) / scale(all) } else { scale(1.0) };
                RotaryScaling::Yarn {
                    factor,
                    attention_factor: attention(inferred)?,
                    beta_fast: some("beta_fast", 32.0)?,
                    beta_slow: some("beta_slow", 1.0)?,
                    truncate: scaled.bool_or("truncate", true)?,
                    original_max_position_embeddings: original()?,
                }
            }
            "dynamic" => {
                RotaryScaling::Dynamic { factor: scaled.number("factor")?, max_position_embeddings: max_positions }
            }
            "longrope" | "su" => {
                let factor = factor()?;
                let original = original()?;
                let inferred = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / (original as f64).ln()).sqrt() };
                RotaryScaling::LongRope {
                    short: scaled.numbers("short_factor", half)?,
                    long: scaled.numbers("long_factor", half)?,
                    attention_factor: attention(inferred)?,
                    original_max_position_embeddings: original,
                }
            }
            other => {
                return Err(Error::new("model", format!("rotary scaling `{other}` is not supported"))
                    .help("it knows default, linear, llama3, yarn, dynamic and longrope"));
            }
        })
    }

    fn number(&self, name: &str) -> Result<f64> {
        match self.get(&[name]) {
            Some(_) => self.float_or(&[name], 0.0),
            None => bail!("model", "`{name}` of the rotary scaling is missing"),
        }
    }

    /// A list of exactly `count` numbers above 0.
    fn numbers(&self, name: &str, count: usize) -> Result<Vec<f64>> {
        let list = self.get(&[name]).and_then(Value::as_array);
        let numbers: Vec<f64> = list.into_iter().flatten().filter_map(Value::as_f64).filter(|x| *x > 0.0).collect();
        if numbers.len() != count || list.is_some_and(|list| list.len() != count) {
            bail!("model", "`{name}` of the rotary scaling is not a list of {count} numbers above 0");
        }
        Ok(numbers)
    }
}

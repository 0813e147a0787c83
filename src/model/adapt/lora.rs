//! LoRA (Hu et al. 2021): a low-rank product added to a frozen layer. With a magnitude for each output it is DoRA (Liu et al.
//! 2024).

use crate::Result;
use crate::tensor::nn::{self, Precision};
use crate::tensor::{Array, DType, Rng, Tensor, ops};

/// The adapter of one layer: `x → scale · B(A(x))`.
#[derive(Clone)]
pub struct LoraLayer {
    /// `[rank, in]`
    pub a: Tensor,
    /// `[out, rank]`
    pub b: Tensor,
    /// The bias of B, `[out]` (PEFT's `lora_bias`).
    pub bias: Option<Tensor>,
    /// DoRA: the norm of each row of the merged weight, `[out]`.
    pub magnitude: Option<Tensor>,
    /// Whether it is attached to embeddings: its inputs are the rows of a table `[in, out]`.
    pub embedding: bool,
    /// alpha / rank, or alpha / √rank
    pub scale: f64,
    pub alpha: f64,
    pub dropout: f64,
    pub frozen: bool,
}

/// PEFT's prefix of layer names.
pub const PREFIX: &str = "base_model.model.";

/// The layer under an adapter, which DoRA needs.
pub struct Beneath<'a> {
    /// Its weight `[out, in]`, in f32.
    pub weight: &'a dyn Fn() -> Result<Array>,
    /// Its product with an input, without its bias.
    pub product: &'a dyn Fn(&Tensor) -> Result<Tensor>,
    pub bias: Option<&'a Tensor>,
}

impl LoraLayer {
    /// An adapter for the layer `name` with these numbers, with PEFT's parameter names.
    pub fn new(name: &str, [a, b]: [Array; 2], alpha: f64, scale: f64, dropout: f64) -> LoraLayer {
        LoraLayer {
            a: param(name, A, a),
            b: param(name, B, b),
            bias: None,
            magnitude: None,
            embedding: false,
            scale,
            alpha,
            dropout,
            frozen: false,
        }
    }

    /// The same for embeddings.
    pub fn of_embedding(name: &str, [a, b]: [Array; 2], alpha: f64, scale: f64) -> LoraLayer {
        let of_linear = LoraLayer::new(name, [a.clone(), b.clone()], alpha, scale, 0.0);
        LoraLayer { a: param(name, EMBEDDING_A, a), b: param(name, EMBEDDING_B, b), embedding: true, ..of_linear }
    }

    pub fn with_bias(self, name: &str, bias: Option<Array>) -> LoraLayer {
        LoraLayer { bias: bias.map(|bias| param(name, BIAS, bias)), ..self }
    }

    pub fn with_magnitude(self, name: &str, magnitude: Option<Array>) -> LoraLayer {
        LoraLayer { magnitude: magnitude.map(|magnitude| param(name, MAGNITUDE, magnitude)), ..self }
    }

    /// The parameters, with the suffixes of their names in PEFT's files.
    pub fn parts(&self) -> Vec<(&'static str, Tensor)> {
        let [a, b] = if self.embedding { [EMBEDDING_A, EMBEDDING_B] } else { [A, B] };
        let pairs = [(a, Some(&self.a)), (b, Some(&self.b)), (BIAS, self.bias.as_ref())];
        let pairs = pairs.into_iter().chain([(MAGNITUDE, self.magnitude.as_ref())]);
        pairs.filter_map(|(part, tensor)| Some((part, tensor?.clone()))).collect()
    }

    pub fn params(&self) -> Vec<Tensor> {
        self.parts().into_iter().map(|(_, param)| param).collect()
    }

    pub fn rank(&self) -> usize {
        self.a.value().dims()[0]
    }

    /// Whether it only adds a low-rank product.
    pub fn is_plain(&self) -> bool {
        self.bias.is_none() && self.magnitude.is_none()
    }

    fn own(&self, part: &Tensor) -> Tensor {
        if self.frozen { part.detach() } else { part.clone() }
    }

    /// The adapted output of a layer for `x`; `y` is its output without the adapter.
    pub fn apply(
        &self,
        y: &Tensor,
        x: &Tensor,
        beneath: &Beneath,
        rng: Option<&mut Rng>,
        precision: Precision,
    ) -> Result<Tensor> {
        let dropped = match rng {
            Some(rng) if self.dropout > 0.0 => Some(nn::dropout(x, self.dropout, rng)?),
            _ => None,
        };
        let x = dropped.as_ref().unwrap_or(x);
        let added = self.widened(&nn::linear(x, &self.own(&self.a), None, precision)?, precision)?;
        let Some(ratio) = self.ratio(beneath.weight)? else { return ops::add(y, &added) };
        // the layer's own product that DoRA scales uses the same dropout
        let product = match (&dropped, beneath.bias) {
            (Some(x), _) => (beneath.product)(x)?,
            (None, Some(bias)) => ops::subtract(y, bias)?,
            (None, None) => y.clone(),
        };
        let scaled = ops::multiply(&product, &ops::subtract(&ratio, 1.0)?)?;
        ops::add(y, &ops::add(&scaled, &ops::multiply(&added, &ratio)?)?)
    }

    /// Adapted embedding rows `ids`; `y` are the rows without the adapter, and `weight` is the table as `[out, in]`.
    pub fn apply_rows(
        &self,
        y: &Tensor,
        ids: &[u32],
        weight: &dyn Fn() -> Result<Array>,
        precision: Precision,
    ) -> Result<Tensor> {
        let dims = y.shape();
        let narrow = nn::embedding(&ops::t(&self.own(&self.a))?, ids, &dims[..dims.len() - 1])?;
        let added = self.widened(&narrow, precision)?;
        match self.ratio(weight)? {
            Some(ratio) => ops::multiply(&ops::add(y, &added)?, &ratio),
            None => ops::add(y, &added),
        }
    }

    /// From rank to output; the scale is applied where it is cheap.
    fn widened(&self, narrow: &Tensor, precision: Precision) -> Result<Tensor> {
        let y = nn::linear(&ops::multiply(narrow, self.scale)?, &self.own(&self.b), None, precision)?;
        match &self.bias {
            Some(bias) => ops::add(&y, &ops::multiply(self.own(bias), self.scale)?),
            None => Ok(y),
        }
    }

    /// DoRA's factor for each output: its magnitude divided by its row's norm, which is a constant in training (section 4.3 of
    /// the paper).
    fn ratio(&self, weight: &dyn Fn() -> Result<Array>) -> Result<Option<Tensor>> {
        let Some(magnitude) = &self.magnitude else { return Ok(None) };
        let norms = Tensor::from(norms(&(weight()? + self.delta()?)?)?);
        Ok(Some(ops::divide(self.own(magnitude), &norms)?))
    }

    /// The weight `[out, in]`, in f32, with the adapter merged in.
    pub fn merged(&self, weight: &Array) -> Result<Array> {
        let sum = (weight + self.delta()?)?;
        let Some(magnitude) = &self.magnitude else { return Ok(sum) };
        let ratio = (magnitude.value() / norms(&sum)?)?;
        Ok(sum.broadcast_mul(&ratio.unsqueeze(1)?)?)
    }

    /// Its addition to the layer's bias.
    pub fn added_bias(&self) -> Result<Option<Array>> {
        self.bias.as_ref().map(|bias| Ok((bias.value() * self.scale)?)).transpose()
    }

    /// Its addition to the weight: scale · B A, `[out, in]`.
    fn delta(&self) -> Result<Array> {
        Ok((self.b.value().matmul(&self.a.value())? * self.scale)?)
    }
}

/// The norm of each row, `[out]`.
pub fn norms(weight: &Array) -> Result<Array> {
    Ok(weight.to_dtype(DType::F32)?.sqr()?.sum(1)?.sqrt()?)
}

/// Suffixes of the names in PEFT's files.
pub const A: &str = "lora_A.weight";
pub const B: &str = "lora_B.weight";
pub const EMBEDDING_A: &str = "lora_embedding_A";
pub const EMBEDDING_B: &str = "lora_embedding_B";
pub const BIAS: &str = "lora_B.bias";
pub const MAGNITUDE: &str = "lora_magnitude_vector";

fn param(layer: &str, part: &str, value: Array) -> Tensor {
    Tensor::param(value, Some(&format!("{PREFIX}{layer}.{part}")))
}

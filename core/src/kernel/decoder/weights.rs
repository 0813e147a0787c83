//! The weights of a decoder, and views of them.

use crate::Result;
use crate::kernel::matrix::{MatrixView, Precision};
use crate::kernel::quant::{self, Blocks};
use crate::kernel::view::{View, view};
use crate::kernel::{Array, DType, fused, math, matvec, profile};
use std::ops::Range;
use std::sync::Arc;

/// A weight without a gradient: f32, bf16, or quantized.
#[derive(Clone)]
pub enum FrozenWeight {
    Plain(Array),
    Blocks(Arc<Blocks>),
}

/// x · weightᵀ + bias, plus the product of two low-rank matrices.
pub struct Linear {
    /// `[out, in]`
    pub weight: FrozenWeight,
    pub bias: Option<Array>,
    /// A `[rank, in]`, B `[out, rank]`, and the scale of their product.
    pub adapter: Option<(Array, Array, f32)>,
}

pub struct Layer {
    pub attention_norm: Array,
    /// Queries, keys and values.
    pub qkv: [Linear; 3],
    /// Norms of the heads of queries and keys.
    pub head_norms: Option<[Array; 2]>,
    pub out: Linear,
    pub mlp_norm: Array,
    /// Gate and up.
    pub gate_up: [Linear; 2],
    pub down: Linear,
    /// Sliding window, including the query's own position.
    pub window: Option<usize>,
}

pub struct Decoder {
    pub table: FrozenWeight,
    pub layers: Vec<Layer>,
    pub norm: Array,
    pub head: Linear,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub eps: f64,
    /// Precision of products with quantized weights; other products are exact.
    pub precision: Precision,
}

/// A borrowed [`FrozenWeight`].
pub enum WeightView<'a> {
    Plain(MatrixView<'a>),
    Blocks(&'a Blocks),
}

impl FrozenWeight {
    pub fn view(&self) -> Result<WeightView<'_>> {
        Ok(match self {
            FrozenWeight::Plain(array) => WeightView::Plain(MatrixView::of(array)?),
            FrozenWeight::Blocks(blocks) => WeightView::Blocks(blocks),
        })
    }

    pub fn dims(&self) -> Result<(usize, usize)> {
        match self {
            FrozenWeight::Plain(array) => Ok(array.dims2()?),
            FrozenWeight::Blocks(blocks) => Ok((blocks.dims()[0], blocks.dims()[1])),
        }
    }

    /// Whether it is contiguous on the CPU, in f32, bf16 or quantized.
    pub fn is_supported(&self) -> bool {
        match self {
            FrozenWeight::Plain(array) => {
                array.is_contiguous() && array.device().is_cpu() && matches!(array.dtype(), DType::F32 | DType::BF16)
            }
            FrozenWeight::Blocks(_) => true,
        }
    }
}

/// A borrowed [`Linear`].
pub struct LinearView<'a> {
    pub weight: WeightView<'a>,
    pub bias: Option<View<'a, f32>>,
    pub adapter: Option<(View<'a, f32>, View<'a, f32>, f32)>,
    pub output: usize,
    pub input: usize,
}

impl Linear {
    pub fn view(&self) -> Result<LinearView<'_>> {
        let (output, input) = self.weight.dims()?;
        let adapter = match &self.adapter {
            Some((a, b, scale)) => Some((view::<f32>(a)?, view::<f32>(b)?, *scale)),
            None => None,
        };
        let bias = self.bias.as_ref().map(view::<f32>).transpose()?;
        Ok(LinearView { weight: self.weight.view()?, bias, adapter, output, input })
    }

    pub fn arrays(&self) -> impl Iterator<Item = &Array> {
        let adapter = self.adapter.iter().flat_map(|(a, b, _)| [a, b]);
        self.bias.iter().chain(adapter)
    }
}

impl LinearView<'_> {
    /// Approximate bytes of one row.
    pub fn row_bytes(&self) -> usize {
        match &self.weight {
            WeightView::Plain(MatrixView::F32(_)) => 4 * self.input,
            WeightView::Plain(MatrixView::Bf16(_)) => 2 * self.input,
            WeightView::Blocks(blocks) => blocks.row_bytes(),
        }
    }

    /// Rows that a product computes together: a part that begins or ends between them wastes their computation.
    pub fn rows_together(&self) -> usize {
        match &self.weight {
            WeightView::Plain(_) => 1,
            WeightView::Blocks(_) => quant::ROWS,
        }
    }

    /// The columns `range` of the product for every row of `x`, row by row.
    pub fn columns(&self, x: &[f32], range: Range<usize>, precision: Precision, y: &mut Vec<f32>) {
        let rows = x.len() / self.input;
        profile::count_matmul([rows, range.len(), self.input]);
        y.clear();
        y.resize(rows * range.len(), 0.0);
        match &self.weight {
            WeightView::Plain(weight) => {
                matvec::rows(x, self.input, weight.rows(self.input).values, self.input, range.clone(), y);
            }
            WeightView::Blocks(blocks) => blocks.rows(x, range.clone(), precision, y),
        }
        if let Some(bias) = &self.bias {
            y.chunks_exact_mut(range.len()).for_each(|y| math::add_scaled(y, 1.0, &bias[range.clone()]));
        }
        if let Some((a, b, scale)) = &self.adapter {
            let rank = a.len() / self.input;
            let mut narrow = vec![0.0; rows * rank];
            matvec::rows(x, self.input, (&a[..]).into(), self.input, 0..rank, &mut narrow);
            math::scale(&mut narrow, *scale);
            let mut beside = vec![0.0; y.len()];
            matvec::rows(&narrow, rank, (&b[..]).into(), rank, range, &mut beside);
            math::add_scaled(y, 1.0, &beside);
        }
    }
}

/// A borrowed [`Layer`].
pub struct LayerView<'a> {
    pub attention_norm: View<'a, f32>,
    pub qkv: [LinearView<'a>; 3],
    pub head_norms: Option<[View<'a, f32>; 2]>,
    pub out: LinearView<'a>,
    pub mlp_norm: View<'a, f32>,
    pub gate_up: [LinearView<'a>; 2],
    pub down: LinearView<'a>,
    pub window: Option<usize>,
}

impl Layer {
    pub fn view(&self) -> Result<LayerView<'_>> {
        let [q, k, v] = &self.qkv;
        let [gate, up] = &self.gate_up;
        Ok(LayerView {
            attention_norm: view(&self.attention_norm)?,
            qkv: [q.view()?, k.view()?, v.view()?],
            head_norms: match &self.head_norms {
                Some([q, k]) => Some([view(q)?, view(k)?]),
                None => None,
            },
            out: self.out.view()?,
            mlp_norm: view(&self.mlp_norm)?,
            gate_up: [gate.view()?, up.view()?],
            down: self.down.view()?,
            window: self.window,
        })
    }

    pub fn linears(&self) -> impl Iterator<Item = &Linear> {
        self.qkv.iter().chain(&self.gate_up).chain([&self.out, &self.down])
    }
}

impl Decoder {
    /// Whether the kernel supports these weights: contiguous on the CPU, the matrices in f32, bf16 or quantized, the rest in f32.
    pub fn is_supported(&self) -> bool {
        let linears = || self.layers.iter().flat_map(Layer::linears).chain([&self.head]);
        let norms = self.layers.iter().flat_map(|layer| {
            [&layer.attention_norm, &layer.mlp_norm].into_iter().chain(layer.head_norms.iter().flatten())
        });
        let plain: Vec<&Array> = norms.chain([&self.norm]).chain(linears().flat_map(Linear::arrays)).collect();
        fused(&plain)
            && plain.iter().all(|array| array.is_contiguous())
            && linears().map(|linear| &linear.weight).chain([&self.table]).all(FrozenWeight::is_supported)
    }
}

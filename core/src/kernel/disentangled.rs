//! Disentangled attention (He et al. 2021, DeBERTa): a score is the sum of content with content, content with the distance of the
//! two tokens, and distance with content.

use super::mask::{AttentionMask, Sizes};
use super::reference::dropped;
use super::{Array, DType};
use crate::Result;
use candle_core::{D, Device};

/// Inputs of one call: `q`, `k`, `v` are `[B, T, H, D]`; the relative embeddings `keys` and `queries` are `[P, H, D]`.
pub struct Disentangled<'a> {
    pub q: &'a Array,
    pub k: &'a Array,
    pub v: &'a Array,
    /// Content to position: multiplied with the queries.
    pub keys: Option<&'a Array>,
    /// Position to content.
    pub queries: Option<&'a Array>,
    /// The row of the relative embedding for query i and key j, `[T, T]`.
    pub rows: &'a [u32],
    pub scale: f64,
    pub mask: &'a AttentionMask,
}

/// The gradients of `q`, `k`, `v`, `keys` and `queries`.
pub struct DisentangledGrads {
    pub content: [Array; 3],
    pub keys: Option<Array>,
    pub queries: Option<Array>,
}

/// `[B, T, H, D]` as `[B, H, T, D]`, and back.
fn turned(x: &Array) -> Result<Array> {
    Ok(x.transpose(1, 2)?.contiguous()?)
}

/// `[P, H, D]` as `[B, H, P, D]`.
fn spread(x: &Array, rows: usize) -> Result<Array> {
    let (count, heads, width) = x.dims3()?;
    Ok(x.transpose(0, 1)?.unsqueeze(0)?.broadcast_as((rows, heads, count, width))?.contiguous()?)
}

fn t(x: &Array) -> Result<Array> {
    Ok(x.transpose(2, 3)?.contiguous()?)
}

impl Disentangled<'_> {
    fn sizes(&self) -> Result<Sizes> {
        Sizes::new(self.q, self.k, self.v)
    }

    /// The row of each distance, `[B, H, T, T]`.
    fn index(&self, sizes: Sizes) -> Result<Array> {
        let length = sizes.keys;
        let index = Array::from_vec(self.rows.to_vec(), (1, 1, length, length), &Device::Cpu)?;
        let index = index.to_device(self.q.device())?;
        Ok(index.broadcast_as((sizes.rows, sizes.heads, length, length))?.contiguous()?)
    }

    /// The probabilities `[B, H, T, T]`; a row that attends to nothing is zero.
    fn probabilities(&self, sizes: Sizes, q: &Array, k: &Array) -> Result<Array> {
        let mut scores = q.matmul(&t(k)?)?;
        if let Some(keys) = self.keys {
            scores = (scores + q.matmul(&t(&spread(keys, sizes.rows)?)?)?.gather(&self.index(sizes)?, D::Minus1)?)?;
        }
        if let Some(queries) = self.queries {
            // indexed by key j and the distance from query i: gathered by rows of keys, then transposed
            let of_keys = k.matmul(&t(&spread(queries, sizes.rows)?)?)?;
            scores = (scores + t(&of_keys.gather(&t(&self.index(sizes)?)?, D::Minus1)?)?)?;
        }
        let seen = self.mask.seen(sizes, &scores)?;
        let scores = (scores * self.scale)?.broadcast_add(&((&seen - 1.0)? * 1e30)?)?;
        let e = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?.broadcast_mul(&seen)?;
        let total = e.sum_keepdim(D::Minus1)?;
        Ok(e.broadcast_div(&total.maximum(1e-30)?)?)
    }

    /// `[B, T, H, D]`.
    pub fn attention(&self) -> Result<Array> {
        let sizes = self.sizes()?;
        let p = self.probabilities(sizes, &turned(self.q)?, &turned(self.k)?)?;
        let p = dropped(p, self.mask.factors(sizes, self.q)?.as_ref())?;
        turned(&p.matmul(&turned(self.v)?)?)
    }

    pub fn backward(&self, grad: &Array) -> Result<DisentangledGrads> {
        let sizes = self.sizes()?;
        let (q, k, v) = (turned(self.q)?, turned(self.k)?, turned(self.v)?);
        let g = turned(&grad.to_dtype(DType::F32)?)?;
        let p = self.probabilities(sizes, &q, &k)?;
        let factors = self.mask.factors(sizes, &p)?;
        let dp = dropped(g.matmul(&t(&v)?)?, factors.as_ref())?;
        let delta = (&dp * &p)?.sum_keepdim(D::Minus1)?;
        let ds = ((dp.broadcast_sub(&delta)? * &p)? * self.scale)?;
        let (mut dq, mut dk) = (ds.matmul(&k)?, t(&ds)?.matmul(&q)?);
        let dv = t(&dropped(p, factors.as_ref())?)?.matmul(&g)?;
        let mut of_keys = None;
        if let Some(keys) = self.keys {
            let by_row = self.by_row(&ds, &self.index(sizes)?, keys)?;
            dq = (dq + by_row.matmul(&spread(keys, sizes.rows)?)?)?;
            of_keys = Some(t(&by_row)?.matmul(&q)?.sum(0)?.transpose(0, 1)?.contiguous()?);
        }
        let mut of_queries = None;
        if let Some(queries) = self.queries {
            let by_row = self.by_row(&t(&ds)?, &t(&self.index(sizes)?)?, queries)?;
            dk = (dk + by_row.matmul(&spread(queries, sizes.rows)?)?)?;
            of_queries = Some(t(&by_row)?.matmul(&k)?.sum(0)?.transpose(0, 1)?.contiguous()?);
        }
        Ok(DisentangledGrads {
            content: [turned(&dq)?, turned(&dk)?, turned(&dv)?],
            keys: of_keys,
            queries: of_queries,
        })
    }

    /// Gradients of scores `[B, H, T, T]` added up by the row of their distance, `[B, H, T, P]`.
    fn by_row(&self, ds: &Array, index: &Array, rows: &Array) -> Result<Array> {
        let (batch, heads, length, _) = ds.dims4()?;
        let zeros = Array::zeros((batch, heads, length, rows.dims()[0]), ds.dtype(), ds.device())?;
        Ok(zeros.scatter_add(index, ds, D::Minus1)?)
    }
}

//! Attention of one query to a KV cache.

use crate::kernel::buffer::unwritten;
use crate::kernel::math::{self, exp_sum, fma, fold, max, simd};
use crate::kernel::score_scale::ScoreScale;
use crate::kernel::view::{array, view};
use crate::kernel::{Array, Device};
use crate::{Result, bail};
use rayon::prelude::*;

/// Keys and values of one layer and sequence: `kv_heads × head_dim` numbers per token.
#[derive(Clone, Default)]
pub struct KvCache {
    pub keys: Vec<f32>,
    pub values: Vec<f32>,
    /// The same `[1, S, K, D]` on a device other than the CPU, in which case the vectors are empty.
    there: Option<[Array; 2]>,
}

simd! {
    /// Dot products of `q` with keys `stride` apart.
    fn scores(q: &[f32], keys: &[f32], stride: usize, scores: &mut [f32]) {
        for (score, key) in scores.iter_mut().zip(keys.chunks(stride)) {
            let mut sums = [0f32; 16];
            let (mut qs, mut ks) = (q.chunks_exact(16), key[..q.len()].chunks_exact(16));
            for (q, k) in (&mut qs).zip(&mut ks) {
                for i in 0..16 {
                    sums[i] = fma::<FMA>(q[i], k[i], sums[i]);
                }
            }
            for ((q, k), sum) in qs.remainder().iter().zip(ks.remainder()).zip(&mut sums) {
                *sum = fma::<FMA>(*q, *k, *sum);
            }
            *score = fold(&sums);
        }
    }
}

simd! {
    /// out += Σ weight · value
    fn weigh(weights: &[f32], values: &[f32], stride: usize, out: &mut [f32]) {
        for (weight, value) in weights.iter().zip(values.chunks(stride)) {
            for (out, value) in out.iter_mut().zip(value) {
                *out = fma::<FMA>(*weight, *value, *out);
            }
        }
    }
}

/// Keys and values of one group of heads: token `t`'s are the `head` numbers from `t * stride + offset` on.
#[derive(Clone, Copy)]
pub struct Read<'a> {
    pub keys: &'a [f32],
    pub values: &'a [f32],
    pub stride: usize,
    pub offset: usize,
}

/// softmax(scaled q·kᵀ)·v over the cached tokens `from..count`, and one more key and value.
pub fn attend(
    q: &[f32],
    read: Read,
    (from, count): (usize, usize),
    (key, value): (&[f32], &[f32]),
    scale: ScoreScale,
    held: &mut Vec<f32>,
    out: &mut [f32],
) {
    let at = from * read.stride + read.offset;
    let old = count - from;
    held.clear();
    held.resize(old + 1, 0.0);
    if old > 0 {
        scores(q, &read.keys[at..], read.stride, &mut held[..old]);
    }
    scores(q, key, key.len(), &mut held[old..]);
    let by = scale.limit(held);
    let top = max(held) * by;
    let sum = exp_sum(held, by, top);
    out.fill(0.0);
    if old > 0 {
        weigh(&held[..old], &read.values[at..], read.stride, out);
    }
    weigh(&held[old..], value, value.len(), out);
    math::scale(out, 1.0 / sum);
}

/// Attention of one token, `q [1, 1, H, D]`, to the cache and to its own key and value `[1, 1, K, D]`, which are appended to the
/// cache.
pub fn attend_heads(
    cache: &mut KvCache,
    q: &Array,
    k: &Array,
    v: &Array,
    scale: ScoreScale,
    window: Option<usize>,
) -> Result<Array> {
    let (&[1, 1, heads, head], &[1, 1, kv_heads, _]) = (q.dims(), k.dims()) else {
        bail!("attention", "queries {:?} and keys {:?} are not those of one token", q.dims(), k.dims());
    };
    let (stride, mut out) = (kv_heads * head, unwritten(heads * head));
    {
        let (qs, ks, vs) = (view::<f32>(q)?, view::<f32>(k)?, view::<f32>(v)?);
        let (qs, ks, vs): (&[f32], &[f32], &[f32]) = (&qs, &ks, &vs);
        let count = cache.keys.len() / stride;
        let from = window.map_or(0, |window| (count + 1).saturating_sub(window.max(1)));
        out.par_chunks_mut(head).enumerate().for_each(|(h, out)| {
            let offset = h / (heads / kv_heads) * head;
            let new = (&ks[offset..offset + head], &vs[offset..offset + head]);
            let read = Read { keys: &cache.keys, values: &cache.values, stride, offset };
            attend(&qs[h * head..(h + 1) * head], read, (from, count), new, scale, &mut Vec::new(), out);
        });
    }
    cache.push(k, v)?;
    array(out, q.dims())
}

impl KvCache {
    /// Appends the keys and values `[1, T, K, D]` of T tokens.
    pub fn push(&mut self, k: &Array, v: &Array) -> Result<()> {
        self.keys.extend(k.flatten_all()?.to_vec1::<f32>()?);
        self.values.extend(v.flatten_all()?.to_vec1::<f32>()?);
        Ok(())
    }

    /// Appends the keys and values `[1, T, K, D]` of T tokens, and returns all of them, `[1, S, K, D]`.
    pub fn with(&mut self, k: &Array, v: &Array) -> Result<[Array; 2]> {
        let &[1, _, heads, size] = k.dims() else { bail!("generate", "keys of shape {:?}", k.dims()) };
        if !k.device().is_cpu() {
            let all = match &self.there {
                Some([keys, values]) => [Array::cat(&[keys, k], 1)?, Array::cat(&[values, v], 1)?],
                None => [k.clone(), v.clone()],
            };
            self.there = Some(all.clone());
            return Ok(all);
        }
        let is_first = self.keys.is_empty();
        self.push(k, v)?;
        if is_first {
            return Ok([k.clone(), v.clone()]);
        }
        let dims = (1, self.keys.len() / (heads * size), heads, size);
        let all = |numbers: &Vec<f32>| Array::from_slice(numbers, dims, &Device::Cpu);
        Ok([all(&self.keys)?, all(&self.values)?])
    }

    /// The keys and values of the first `take` of `count` tokens.
    pub fn first(&self, take: usize, count: usize) -> Result<KvCache> {
        let part = |numbers: &Vec<f32>| numbers[..numbers.len() / count.max(1) * take].to_vec();
        let there = match &self.there {
            Some([keys, values]) => Some([keys.narrow(1, 0, take)?, values.narrow(1, 0, take)?]),
            None => None,
        };
        Ok(KvCache { keys: part(&self.keys), values: part(&self.values), there })
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let there = self.there.iter().flatten().map(Array::elem_count).sum::<usize>();
        4 * (self.keys.len() + self.values.len() + there)
    }
}

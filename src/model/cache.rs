//! The keys and values of what was read so far, so that writing a token costs one token.

use crate::tensor::nn::{self, Mask, Precision};
use crate::tensor::{Array, Tensor};
use crate::{Result, bail};

/// One sequence a row, each of its own length.
pub struct Cache {
    rows: Vec<Vec<Layer>>,
}

#[derive(Default)]
struct Layer {
    /// `[1, room, heads, head_dim]`, of which `length` are filled.
    keys: Option<Array>,
    values: Option<Array>,
    length: usize,
}

impl Cache {
    pub fn new(rows: usize, layers: usize) -> Cache {
        let row = || std::iter::repeat_with(Layer::default).take(layers).collect();
        Cache { rows: std::iter::repeat_with(row).take(rows).collect() }
    }

    /// Puts the caches of single sequences together, to write them on as one batch.
    pub fn join(caches: impl IntoIterator<Item = Cache>) -> Cache {
        Cache { rows: caches.into_iter().flat_map(|cache| cache.rows).collect() }
    }

    /// Drops the rows that are done.
    pub fn retain(&mut self, keep: &[bool]) {
        let mut keep = keep.iter();
        self.rows.retain(|_| keep.next().copied().unwrap_or(false));
    }

    /// Attention of the new queries to everything that was read, the new keys and values included.
    pub fn attend(
        &mut self,
        layer: usize,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        scale: f64,
        mask: &Mask,
    ) -> Result<Tensor> {
        let (q, k, v) = (q.value(), k.value(), v.value());
        if q.dims()[0] != self.rows.len() {
            bail!("generate", "{} rows for a cache of {}", q.dims()[0], self.rows.len());
        }
        let mut out = Vec::with_capacity(self.rows.len());
        for (row, layers) in self.rows.iter_mut().enumerate() {
            let own = |x: &Array| -> Result<Array> { Ok(x.narrow(0, row, 1)?) };
            let (keys, values) = layers[layer].push(&own(&k)?, &own(&v)?)?;
            let mask = Mask { causal: true, window: mask.window, segments: None };
            out.push(
                nn::attention(&own(&q)?.into(), &keys.into(), &values.into(), scale, &mask, Precision::F32)?.value(),
            );
        }
        match &out[..] {
            [one] => Ok(one.clone().into()),
            many => Ok(Array::cat(many, 0)?.into()),
        }
    }
}

impl Layer {
    /// Appends, and gives all keys and values so far.
    fn push(&mut self, k: &Array, v: &Array) -> Result<(Array, Array)> {
        let more = k.dims()[1];
        let keys = append(&mut self.keys, self.length, k)?;
        let values = append(&mut self.values, self.length, v)?;
        self.length += more;
        Ok((keys, values))
    }
}

/// Writes `more` behind the first `length` places of `store`, which doubles when it is full.
fn append(store: &mut Option<Array>, length: usize, more: &Array) -> Result<Array> {
    let [_, added, heads, size] = more.dims()[..] else {
        bail!("generate", "keys of shape {:?}", more.dims());
    };
    let needed = length + added;
    let room = store.as_ref().map_or(0, |store| store.dims()[1]);
    if needed > room {
        let bigger = Array::zeros((1, needed.max(2 * room).max(64), heads, size), more.dtype(), more.device())?;
        if let Some(old) = store.as_ref().filter(|_| length > 0) {
            bigger.slice_set(&old.narrow(1, 0, length)?.contiguous()?, 1, 0)?;
        }
        *store = Some(bigger);
    }
    let Some(store) = store.as_ref() else { unreachable!("it was made above") };
    store.slice_set(&more.contiguous()?, 1, length)?;
    Ok(store.narrow(1, 0, needed)?)
}

//! One step of one sequence, forward and backward: the elementwise part after the products.

use crate::kernel::math::{sigmoid, simd, tanh};

simd! {
    /// GRU: r, z = σ(x + h), n = tanh(x + r·h), h' = n + z·(h − n), where x and h are the contributions of input and state to
    /// each gate. `saved` receives r, z, n, and the state's contribution to n.
    pub fn gru(x: &[f32], own: &[f32], bias: &[f32], h: &mut [f32], saved: &mut [f32]) {
        let width = h.len();
        let [xr, xz, xn] = thirds(x, width);
        let [hr, hz, hn] = thirds(own, width);
        let [br, bz, bn] = thirds(bias, width);
        let (sr, rest) = saved.split_at_mut(width);
        let (sz, rest) = rest.split_at_mut(width);
        let (sn, sh) = rest.split_at_mut(width);
        let sh = &mut sh[..width];
        for i in 0..width {
            let r = sigmoid::<FMA>(xr[i] + (hr[i] + br[i]));
            let z = sigmoid::<FMA>(xz[i] + (hz[i] + bz[i]));
            let of_state = hn[i] + bn[i];
            let n = tanh::<FMA>(xn[i] + r * of_state);
            h[i] = n + z * (h[i] - n);
            sr[i] = r;
            sz[i] = z;
            sn[i] = n;
            sh[i] = of_state;
        }
    }
}

simd! {
    /// The gradients of the contributions of input and state to the gates, `dx` and `own`, which differ in n. `dh` is the
    /// gradient of the next state, and becomes the part of the previous state's gradient that bypasses the products.
    pub fn gru_back(saved: &[f32], h: &[f32], dh: &mut [f32], dx: &mut [f32], own: &mut [f32]) {
        let width = dh.len();
        let [r, z, n] = thirds(saved, width);
        let of_state = &saved[3 * width..4 * width];
        let h = &h[..width];
        let (xr, rest) = dx.split_at_mut(width);
        let (xz, xn) = rest.split_at_mut(width);
        let (or, rest) = own.split_at_mut(width);
        let (oz, on) = rest.split_at_mut(width);
        let (xn, on) = (&mut xn[..width], &mut on[..width]);
        for i in 0..width {
            let dn = dh[i] * (1.0 - z[i]) * (1.0 - n[i] * n[i]);
            let dr = dn * of_state[i] * r[i] * (1.0 - r[i]);
            let dz = dh[i] * (h[i] - n[i]) * z[i] * (1.0 - z[i]);
            xr[i] = dr;
            xz[i] = dz;
            xn[i] = dn;
            or[i] = dr;
            oz[i] = dz;
            on[i] = dn * r[i];
            dh[i] *= z[i];
        }
    }
}

simd! {
    /// LSTM: i, f, o = σ, g = tanh of x + h, c' = f·c + i·g, h' = o·tanh(c'). `saved` receives i, f, g, o and c'.
    pub fn lstm(x: &[f32], own: &[f32], bias: &[f32], h: &mut [f32], c: &mut [f32], saved: &mut [f32]) {
        let width = h.len();
        let ([xi, xf, xg], xo) = (thirds(x, width), &x[3 * width..4 * width]);
        let ([hi, hf, hg], ho) = (thirds(own, width), &own[3 * width..4 * width]);
        let ([bi, bf, bg], bo) = (thirds(bias, width), &bias[3 * width..4 * width]);
        let (si, rest) = saved.split_at_mut(width);
        let (sf, rest) = rest.split_at_mut(width);
        let (sg, rest) = rest.split_at_mut(width);
        let (so, sc) = rest.split_at_mut(width);
        let (c, sc) = (&mut c[..width], &mut sc[..width]);
        for k in 0..width {
            let i = sigmoid::<FMA>(xi[k] + (hi[k] + bi[k]));
            let f = sigmoid::<FMA>(xf[k] + (hf[k] + bf[k]));
            let g = tanh::<FMA>(xg[k] + (hg[k] + bg[k]));
            let o = sigmoid::<FMA>(xo[k] + (ho[k] + bo[k]));
            let next = f * c[k] + i * g;
            h[k] = o * tanh::<FMA>(next);
            c[k] = next;
            si[k] = i;
            sf[k] = f;
            sg[k] = g;
            so[k] = o;
            sc[k] = next;
        }
    }
}

simd! {
    /// The gradients of the gates' inputs. `dc` is the gradient of the next cell, and becomes the gradient of the previous cell,
    /// `c`.
    pub fn lstm_back(saved: &[f32], c: &[f32], dh: &[f32], dc: &mut [f32], dx: &mut [f32]) {
        let width = dh.len();
        let [i, f, g] = thirds(saved, width);
        let (o, next) = (&saved[3 * width..4 * width], &saved[4 * width..5 * width]);
        let (c, dc) = (&c[..width], &mut dc[..width]);
        let (xi, rest) = dx.split_at_mut(width);
        let (xf, rest) = rest.split_at_mut(width);
        let (xg, xo) = rest.split_at_mut(width);
        let xo = &mut xo[..width];
        for k in 0..width {
            let t = tanh::<FMA>(next[k]);
            let dnext = dc[k] + dh[k] * o[k] * (1.0 - t * t);
            xi[k] = dnext * g[k] * i[k] * (1.0 - i[k]);
            xf[k] = dnext * c[k] * f[k] * (1.0 - f[k]);
            xg[k] = dnext * i[k] * (1.0 - g[k] * g[k]);
            xo[k] = dh[k] * t * o[k] * (1.0 - o[k]);
            dc[k] = dnext * f[k];
        }
    }
}

simd! {
    /// Elman RNN: h' = tanh(x + h).
    pub fn rnn_tanh(x: &[f32], own: &[f32], bias: &[f32], h: &mut [f32]) {
        for (((h, x), own), bias) in h.iter_mut().zip(x).zip(own).zip(bias) {
            *h = tanh::<FMA>(*x + (*own + *bias));
        }
    }
}

simd! {
    pub fn rnn_tanh_back(y: &[f32], dh: &[f32], dx: &mut [f32]) {
        for ((dx, y), dh) in dx.iter_mut().zip(y).zip(dh) {
            *dx = *dh * (1.0 - *y * *y);
        }
    }
}

simd! {
    /// The same with max(0, x + h), which preserves NaN.
    pub fn rnn_relu(x: &[f32], own: &[f32], bias: &[f32], h: &mut [f32]) {
        for (((h, x), own), bias) in h.iter_mut().zip(x).zip(own).zip(bias) {
            let sum = *x + (*own + *bias);
            *h = if sum < 0.0 { 0.0 } else { sum };
        }
    }
}

simd! {
    pub fn rnn_relu_back(y: &[f32], dh: &[f32], dx: &mut [f32]) {
        for ((dx, y), dh) in dx.iter_mut().zip(y).zip(dh) {
            *dx = if *y > 0.0 { *dh } else { 0.0 };
        }
    }
}

#[inline(always)]
fn thirds(x: &[f32], width: usize) -> [&[f32]; 3] {
    [&x[..width], &x[width..2 * width], &x[2 * width..3 * width]]
}

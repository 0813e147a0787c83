//! Arithmetic that the compiler vectorizes, and functions compiled once per instruction set.

/// Defines a function whose body is compiled for AVX-512, for AVX2 and portably, and picks one at run time. In the body
/// `fma::<FMA>(a, b, c)` is `a * b + c`, in one instruction if available.
macro_rules! simd {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $kind:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name($($arg: $kind),*) $(-> $out)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body<const FMA: bool>($($arg: $kind),*) $(-> $out)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[allow(clippy::too_many_arguments)]
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
                fn avx512($($arg: $kind),*) $(-> $out)? {
                    body::<true>($($arg),*)
                }
                #[allow(clippy::too_many_arguments)]
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $kind),*) $(-> $out)? {
                    body::<true>($($arg),*)
                }
                use $crate::kernel::cpu::{Level, level};
                // SAFETY: `level` says that this processor has the features that the callee was compiled for
                match level() {
                    Level::Avx512 | Level::Bf16 | Level::Amx => return unsafe { avx512($($arg),*) },
                    Level::Avx2 => return unsafe { avx2($($arg),*) },
                    Level::Plain => {}
                }
            }
            body::<false>($($arg),*)
        }
    };
}
pub(crate) use simd;

/// `a * b + c`: in one instruction under `FMA`, since the library's function would be slow elsewhere.
#[inline(always)]
pub fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// e^x within 2 units in the last place; 0 below -87.3, and infinite above 88.7.
#[inline(always)]
pub fn exp<const FMA: bool>(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // adding 1.5 · 2^23 leaves the nearest integer in the low bits
    // 2^n · e^r then exceeds all numbers, and n is at most 128
    let clamped = if x > 89.0 { 89.0 } else { x };
    let shifted = fma::<FMA>(clamped, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fma::<FMA>(n, -0.693_359_4, clamped);
    let r = fma::<FMA>(n, 2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = fma::<FMA>(p, r, c);
    }
    let p = fma::<FMA>(p, r * r, r) + 1.0;
    // 2^n in two factors, since n may be 128
    let bits = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let half = bits >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    let y = p * power(half) * power(bits.wrapping_sub(half));
    if x < -87.3 { 0.0 } else { y }
}

#[inline(always)]
pub fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FMA>(-x))
}

/// tanh x within 2 units in the last place: a polynomial where x is small (Cephes), otherwise e^(-2|x|).
#[inline(always)]
pub fn tanh<const FMA: bool>(x: f32) -> f32 {
    let s = x * x;
    let mut p = -5.704_988_7e-3;
    for c in [2.063_908_8e-2, -5.373_971_6e-2, 0.133_314_42, -0.333_332_8] {
        p = fma::<FMA>(p, s, c);
    }
    let small = fma::<FMA>(p * s, x, x);
    let q = exp::<FMA>(-2.0 * x.abs());
    let large = ((1.0 - q) / (1.0 + q)).copysign(x);
    if x.abs() < 0.625 { small } else { large }
}

/// The error function: Eigen's rational approximation, within a few units in the last place; ±1 where that is the nearest number.
#[inline(always)]
pub fn erf<const FMA: bool>(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let s = x * x;
    let mut p = -2.726_142_3e-10;
    for c in [2.770_681_4e-8, -2.101_024e-6, -5.692_506_4e-5, -7.349_906e-4, -2.954_6e-3, -1.609_603_3e-2] {
        p = fma::<FMA>(p, s, c);
    }
    let mut q = -1.456_607_2e-5;
    for c in [-2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2] {
        q = fma::<FMA>(q, s, c);
    }
    let y = x * p / q;
    if s >= 15.4 { 1f32.copysign(x) } else { y }
}

simd! {
    /// x becomes e^(x·scale − shift); returns the sum. Sixteen partial sums, so that the order is the same everywhere.
    pub fn exp_sum(x: &mut [f32], scale: f32, shift: f32) -> f32 {
        let mut sums = [0f32; 16];
        let mut chunks = x.chunks_exact_mut(16);
        for chunk in &mut chunks {
            for (x, sum) in chunk.iter_mut().zip(&mut sums) {
                *x = exp::<FMA>(fma::<FMA>(*x, scale, -shift));
                *sum += *x;
            }
        }
        for (x, sum) in chunks.into_remainder().iter_mut().zip(&mut sums) {
            *x = exp::<FMA>(fma::<FMA>(*x, scale, -shift));
            *sum += *x;
        }
        fold(&sums)
    }
}

simd! {
    /// Turns scores into probabilities e^(p·scale − log), and `dp` into the gradient of the scores.
    pub fn score_gradient(p: &mut [f32], dp: &mut [f32], scale: f32, log: f32, delta: f32) {
        for (p, dp) in p.iter_mut().zip(dp) {
            *p = exp::<FMA>(fma::<FMA>(*p, scale, -log));
            *dp = *p * (*dp - delta) * scale;
        }
    }
}

simd! {
    pub fn max(x: &[f32]) -> f32 {
        let mut tops = [f32::NEG_INFINITY; 16];
        let mut chunks = x.chunks_exact(16);
        for chunk in &mut chunks {
            for (x, top) in chunk.iter().zip(&mut tops) {
                *top = if *x > *top { *x } else { *top };
            }
        }
        for (x, top) in chunks.remainder().iter().zip(&mut tops) {
            *top = if *x > *top { *x } else { *top };
        }
        tops.iter().copied().fold(f32::NEG_INFINITY, |a, b| if b > a { b } else { a })
    }
}

simd! {
    pub fn sum(x: &[f32]) -> f32 {
        let mut sums = [0f32; 16];
        let mut chunks = x.chunks_exact(16);
        for chunk in &mut chunks {
            for (x, sum) in chunk.iter().zip(&mut sums) {
                *sum += x;
            }
        }
        for (x, sum) in chunks.remainder().iter().zip(&mut sums) {
            *sum += x;
        }
        fold(&sums)
    }
}

simd! {
    pub fn dot(x: &[f32], y: &[f32]) -> f32 {
        let mut sums = [0f32; 16];
        let (mut xs, mut ys) = (x.chunks_exact(16), y.chunks_exact(16));
        for (x, y) in (&mut xs).zip(&mut ys) {
            for i in 0..16 {
                sums[i] = fma::<FMA>(x[i], y[i], sums[i]);
            }
        }
        for ((x, y), sum) in xs.remainder().iter().zip(ys.remainder()).zip(&mut sums) {
            *sum = fma::<FMA>(*x, *y, *sum);
        }
        fold(&sums)
    }
}

simd! {
    /// y += a·x
    pub fn add_scaled(y: &mut [f32], a: f32, x: &[f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = fma::<FMA>(a, *x, *y);
        }
    }
}

simd! {
    /// x *= a
    pub fn scale(x: &mut [f32], a: f32) {
        for x in x {
            *x *= a;
        }
    }
}

#[inline(always)]
pub fn fold(sums: &[f32; 16]) -> f32 {
    let mut sums = *sums;
    for width in [8, 4, 2, 1] {
        for i in 0..width {
            sums[i] += sums[i + width];
        }
    }
    sums[0]
}

//! MinHash: for each of many hash functions, its smallest value over a set (Broder 1997).

use super::math::simd;

/// Hash functions that are computed together.
pub const LANES: usize = 16;

/// The hash functions `x * factor + shift`, modulo 2^32, of numbers that are already hashes.
pub struct HashFamily {
    factors: Vec<[u32; LANES]>,
    shifts: Vec<[u32; LANES]>,
}

impl HashFamily {
    /// `count` functions, rounded up to whole lanes; always the same.
    pub fn new(count: usize) -> HashFamily {
        let rng = crate::rng::Rng::new(0x6d69_6e68_6173_6801);
        let drawn = |label: &str| {
            let mut rng = rng.split(label);
            (0..count.div_ceil(LANES)).map(|_| std::array::from_fn(|_| (rng.next_u64() >> 32) as u32)).collect()
        };
        let mut factors: Vec<[u32; LANES]> = drawn("factors");
        // odd: no two numbers collide
        factors.iter_mut().flatten().for_each(|factor| *factor |= 1);
        HashFamily { factors, shifts: drawn("shifts") }
    }

    /// The smallest value of each function over `set`, [`u32::MAX`] for an empty one.
    pub fn minima(&self, set: &[u32]) -> Vec<u32> {
        let mut minima = vec![u32::MAX; self.factors.len() * LANES];
        for ((factors, shifts), out) in self.factors.iter().zip(&self.shifts).zip(minima.chunks_exact_mut(LANES)) {
            lanes(set, factors, shifts, out);
        }
        minima
    }
}

simd! {
    fn lanes(set: &[u32], factors: &[u32; LANES], shifts: &[u32; LANES], out: &mut [u32]) {
        let mut least = [u32::MAX; LANES];
        for &item in set {
            for lane in 0..LANES {
                let hash = item.wrapping_mul(factors[lane]).wrapping_add(shifts[lane]);
                least[lane] = least[lane].min(hash);
            }
        }
        out.copy_from_slice(&least);
    }
}

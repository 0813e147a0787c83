//! Random numbers that are the same on every machine, for every number of threads, and after a resume.
//!
//! Counter-based: the n-th number of a stream is a pure function of the stream's key and of n (Philox4x32-10,
//! Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). A state is two integers, a stream can be
//! split by a label without drawing from it, and every draw takes exactly one 64-bit word. Only integer
//! arithmetic and IEEE + − × ÷ √ is used, so no mathematical library can make a difference.

use crate::cancel;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

/// Numbers that one thread draws at a time.
const PIECE: usize = 1 << 16;

/// A stream of random numbers. Its state is the value itself: clone or serialize it to continue from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rng {
    key: u64,
    /// Number of 64-bit words drawn.
    position: u64,
}

/// The label of a split stream: a text or a number.
pub struct Label(u64, u32);

impl From<&str> for Label {
    /// FNV-1a, 64 bits.
    fn from(text: &str) -> Label {
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Label(hash, 1)
    }
}

impl From<u64> for Label {
    fn from(number: u64) -> Label {
        Label(number, 2)
    }
}

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng { key: seed, position: 0 }
    }

    /// An independent stream for `label` (a text or a `u64`): the same label of the same stream always returns the same stream,
    /// at any position. Nothing is drawn.
    pub fn split(&self, label: impl Into<Label>) -> Rng {
        let Label(name, kind) = label.into();
        Rng::new(philox(self.key, name, kind)[0])
    }

    /// A new stream, different at every call: draws one word from this one.
    pub fn fork(&mut self) -> Rng {
        let word = self.next_u64();
        self.split(word)
    }

    /// The generator of a verb with an optional `seed:`: from the seed, or a fork of the run's stream.
    pub fn or_run(seed: Option<u64>) -> Rng {
        seed.map_or_else(|| with_run(Rng::fork), Rng::new)
    }

    pub fn next_u64(&mut self) -> u64 {
        let word = self.word(self.position);
        self.position = self.position.wrapping_add(1);
        word
    }

    /// Uniform in [0, 1), with 53 bits.
    pub fn uniform(&mut self) -> f64 {
        unit(self.next_u64())
    }

    /// From the normal distribution with mean 0 and variance 1.
    pub fn normal(&mut self) -> f64 {
        gauss(self.next_u64())
    }

    /// A uniform integer in `0..n`. `n` must be above 0.
    pub fn below(&mut self, n: u64) -> u64 {
        // the product's high word; its bias is below n / 2^64
        ((u128::from(self.next_u64()) * u128::from(n)) >> 64) as u64
    }

    /// Shuffles by Fisher and Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// The permutation of `0..n` by [`Rng::shuffle`].
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }

    /// The next numbers of [`Rng::uniform`], as f32 below 1.
    pub fn fill_uniform(&mut self, out: &mut [f32]) {
        // 24 bits are what f32 can hold: rounding 53 could give 1
        self.fill(out, |word| (word >> 40) as f32 * (1.0 / (1u32 << 24) as f32));
    }

    /// The next numbers of [`Rng::normal`], as f32.
    pub fn fill_normal(&mut self, out: &mut [f32]) {
        self.fill(out, |word| gauss(word) as f32);
    }

    /// Draws one word for each element of `out`. If interrupted it leaves some elements unset; callers detect this by
    /// [`cancel::check`].
    pub fn fill<T: Send>(&mut self, out: &mut [T], make: impl Fn(u64) -> T + Sync) {
        let start = self.position;
        self.position = start.wrapping_add(out.len() as u64);
        if out.len() <= PIECE {
            return Rng { key: self.key, position: start }.fill_piece(out, &make);
        }
        let cancel = cancel::current();
        out.par_chunks_mut(PIECE).enumerate().filter(|_| !cancel.is_requested()).for_each(|(index, piece)| {
            let position = start.wrapping_add((index * PIECE) as u64);
            Rng { key: self.key, position }.fill_piece(piece, &make);
        });
    }

    /// Both words of every block are used.
    fn fill_piece<T>(&self, out: &mut [T], make: &impl Fn(u64) -> T) {
        let mut place = out.iter_mut();
        let mut at = self.position;
        if at % 2 == 1
            && let Some(slot) = place.next()
        {
            *slot = make(self.word(at));
            at += 1;
        }
        while let Some(slot) = place.next() {
            let block = philox(self.key, at / 2, 0);
            *slot = make(block[0]);
            if let Some(slot) = place.next() {
                *slot = make(block[1]);
            }
            at += 2;
        }
    }

    fn word(&self, position: u64) -> u64 {
        philox(self.key, position / 2, 0)[(position % 2) as usize]
    }
}

/// The random state of a run. Clone it to restore it later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    /// The stream for verbs without a `seed:`.
    numbers: Rng,
    /// The stream for dropout. Separate, so that training can seed it without changing the script's numbers.
    dropout: Rng,
}

impl RunState {
    pub fn new(seed: u64) -> RunState {
        RunState { numbers: Rng::new(seed), dropout: Rng::new(seed).split("dropout") }
    }

    /// The state for a part of a step, independent of where and in which order parts are computed. `word` is the step's, from
    /// [`dropout_word`].
    pub fn part(&self, word: u64, number: u64) -> RunState {
        RunState {
            numbers: self.numbers.split(word).split(number),
            dropout: Rng::new(word).split("dropout").split(number),
        }
    }
}

thread_local! {
    static RUN: RefCell<RunState> = RefCell::new(RunState::new(0));
}

/// Reseeds the random state of this thread's run. It starts at seed 0, never from the clock.
pub fn seed(seed: u64) {
    restore(RunState::new(seed));
}

/// Reseeds the dropout stream only.
pub fn seed_dropout(seed: u64) {
    RUN.with_borrow_mut(|run| run.dropout = RunState::new(seed).dropout);
}

pub fn state() -> RunState {
    RUN.with_borrow(RunState::clone)
}

pub fn restore(state: RunState) {
    RUN.set(state);
}

/// Draws from this run's stream, used by verbs without a `seed:`.
pub fn with_run<T>(draw: impl FnOnce(&mut Rng) -> T) -> T {
    RUN.with_borrow_mut(|run| draw(&mut run.numbers))
}

/// Draws a word from the dropout stream.
pub fn dropout_word() -> u64 {
    RUN.with_borrow_mut(|run| run.dropout.next_u64())
}

/// A stream for the masks of one pass, different at every call.
pub fn dropout() -> Rng {
    RUN.with_borrow_mut(|run| run.dropout.fork())
}

/// A step of splitmix64 (Steele et al. 2014): counter-based numbers, for cases that don't need an [`Rng`].
pub fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Ten rounds of Philox4x32 on one counter. `domain` 0 is for numbers, other values for the keys of split streams.
fn philox(key: u64, counter: u64, domain: u32) -> [u64; 2] {
    let mut block = [counter as u32, (counter >> 32) as u32, domain, 0];
    let mut key = [key as u32, (key >> 32) as u32];
    for _ in 0..10 {
        let (a, b) = (0xD251_1F53u64 * u64::from(block[0]), 0xCD9E_8D57u64 * u64::from(block[2]));
        block = [(b >> 32) as u32 ^ block[1] ^ key[0], b as u32, (a >> 32) as u32 ^ block[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    [join(block[0], block[1]), join(block[2], block[3])]
}

fn unit(word: u64) -> f64 {
    (word >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// The quantile function of the normal distribution at the middle of the word's cell
/// (Wichura 1988, algorithm AS 241, PPND16).
fn gauss(word: u64) -> f64 {
    let probability = unit(word) + 0.5 / (1u64 << 53) as f64;
    let q = probability - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(0.180625 - q * q, &CENTER);
    }
    let r = (-ln(if q < 0.0 { probability } else { 1.0 - probability })).sqrt();
    let tail = if r <= 5.0 { ratio(r - 1.6, &TAIL) } else { ratio(r - 5.0, &FAR) };
    if q < 0.0 { -tail } else { tail }
}

fn ratio(x: f64, [above, below]: &[[f64; 8]; 2]) -> f64 {
    let horner = |terms: &[f64; 8]| terms.iter().rev().fold(0.0, |sum, term| sum * x + term);
    horner(above) / horner(below)
}

/// The natural logarithm of a positive normal number, by our own series: the library's result differs by machine.
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let (mut exponent, mut mantissa) =
        ((bits >> 52) as i64 - 1023, f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52)));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let series = (0..13).rev().fold(0.0, |sum, k| sum * s * s + 1.0 / (2 * k + 1) as f64);
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * s * series
}

#[rustfmt::skip]
const CENTER: [[f64; 8]; 2] = [
    [3.387_132_872_796_366_6, 1.331_416_678_917_843_8e2, 1.971_590_950_306_551_3e3, 1.373_169_376_550_946e4,
     4.592_195_393_154_987e4, 6.726_577_092_700_87e4, 3.343_057_558_358_813e4, 2.509_080_928_730_122_7e3],
    [1.0, 4.231_333_070_160_091e1, 6.871_870_074_920_579e2, 5.394_196_021_424_751e3,
     2.121_379_430_158_659_7e4, 3.930_789_580_009_271e4, 2.872_908_573_572_194_3e4, 5.226_495_278_852_854e3],
];
#[rustfmt::skip]
const TAIL: [[f64; 8]; 2] = [
    [1.423_437_110_749_683_5, 4.630_337_846_156_546, 5.769_497_221_460_691, 3.647_848_324_763_204_5,
     1.270_458_252_452_368_4, 2.417_807_251_774_506e-1, 2.272_384_498_926_918_4e-2, 7.745_450_142_783_414e-4],
    [1.0, 2.053_191_626_637_759, 1.676_384_830_183_803_8, 6.897_673_349_851e-1,
     1.481_039_764_274_800_8e-1, 1.519_866_656_361_645_7e-2, 5.475_938_084_995_345e-4, 1.050_750_071_644_416_9e-9],
];
#[rustfmt::skip]
const FAR: [[f64; 8]; 2] = [
    [6.657_904_643_501_103, 5.463_784_911_164_114, 1.784_826_539_917_291_3, 2.965_605_718_285_048_7e-1,
     2.653_218_952_657_612_4e-2, 1.242_660_947_388_078_4e-3, 2.711_555_568_743_487_6e-5, 2.010_334_399_292_288_1e-7],
    [1.0, 5.998_322_065_558_88e-1, 1.369_298_809_227_358e-1, 1.487_536_129_085_061_5e-2,
     7.868_691_311_456_133e-4, 1.846_318_317_510_054_8e-5, 1.421_511_758_316_446e-7, 2.044_263_103_389_939_8e-15],
];

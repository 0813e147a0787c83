//! Distributions behind intervals and tests: normal, Student's t (central and not), chi-squared and beta.
//!
//! Tails are computed as tails, so that a small probability keeps its digits. Inverses use bisection or Newton's method on the
//! logarithm of the tail, accurate to about 1e-12.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI};

/// Maximum steps of a continued fraction or a series, more than any convergent one needs.
const STEPS: usize = 20_000;
const TINY: f64 = 1e-300;

/// ln Γ(x), for x above 0 (Lanczos 1964, with Godfrey's nine coefficients for g = 7).
pub fn ln_gamma(x: f64) -> f64 {
    const G: f64 = 7.0;
    const FIRST: f64 = 0.999_999_999_999_809_9;
    const REST: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let sum = REST.iter().enumerate().fold(FIRST, |sum, (at, part)| sum + part / (x + at as f64 + 1.0));
    let base = x + G + 0.5;
    0.5 * (2.0 * PI).ln() + (x + 0.5) * base.ln() - base + sum.ln()
}

/// The regularized incomplete beta function I_x(a, b), with `y` = 1 − x (continued fraction by Lentz's method:
/// Press et al., Numerical Recipes, 6.4).
pub fn beta_ratio(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 || y <= 0.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * y.ln()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, y) / b
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let term = |at: usize| {
        let m = (at / 2) as f64;
        if at.is_multiple_of(2) {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        }
    };
    let (mut c, mut d) = (1.0, 1.0 / away_from_zero(1.0 + term(1)));
    let mut value = d;
    for at in 2..STEPS {
        let term = term(at);
        d = 1.0 / away_from_zero(1.0 + term * d);
        c = away_from_zero(1.0 + term / c);
        value *= c * d;
        if (c * d - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

fn away_from_zero(x: f64) -> f64 {
    if x.abs() < TINY { TINY } else { x }
}

/// The upper regularized incomplete gamma function Q(a, x) (series and continued fraction: Numerical Recipes, 6.2).
fn gamma_upper(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for at in 1..STEPS {
            term *= x / (a + at as f64);
            sum += term;
            if term < sum * 1e-17 {
                break;
            }
        }
        return 1.0 - front * sum;
    }
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1.0 / TINY, 1.0 / b);
    let mut value = d;
    for at in 1..STEPS {
        let term = -(at as f64) * (at as f64 - a);
        b += 2.0;
        d = 1.0 / away_from_zero(term * d + b);
        c = away_from_zero(b + term / c);
        value *= c * d;
        if (c * d - 1.0).abs() < 1e-16 {
            break;
        }
    }
    front * value
}

/// P(Z > x) of a standard normal Z.
pub fn normal_tail(x: f64) -> f64 {
    let tail = 0.5 * gamma_upper(0.5, x * x / 2.0);
    if x >= 0.0 { tail } else { 1.0 - tail }
}

/// P(Z ≤ x) of a standard normal Z.
pub fn normal_cdf(x: f64) -> f64 {
    normal_tail(-x)
}

/// The x with P(Z > x) = `tail` (Abramowitz and Stegun 26.2.23, then Halley's method).
pub fn normal_upper(tail: f64) -> f64 {
    if tail > 0.5 {
        return -normal_upper(1.0 - tail);
    }
    let t = (-2.0 * tail.ln()).sqrt();
    let mut x = t
        - (2.515_517 + 0.802_853 * t + 0.010_328 * t * t)
            / (1.0 + 1.432_788 * t + 0.189_269 * t * t + 0.001_308 * t * t * t);
    for _ in 0..4 {
        let density = (-0.5 * x * x).exp() * FRAC_1_SQRT_2 / PI.sqrt();
        let step = (normal_tail(x) - tail) / density;
        x += step / (1.0 - 0.5 * x * step);
    }
    x
}

/// P(T > x) of Student's t with `df` degrees of freedom.
pub fn t_tail(x: f64, df: f64) -> f64 {
    let square = x * x;
    let tail = 0.5 * beta_ratio(df / 2.0, 0.5, df / (df + square), square / (df + square));
    if x >= 0.0 { tail } else { 1.0 - tail }
}

/// The x with P(T > x) = `tail`: Newton's method on the logarithms of both.
pub fn t_upper(tail: f64, df: f64) -> f64 {
    if tail > 0.5 {
        return -t_upper(1.0 - tail, df);
    }
    if tail == 0.5 {
        return 0.0;
    }
    if df == 1.0 {
        return 1.0 / (PI * tail).tan();
    }
    if df == 2.0 {
        return (1.0 - 2.0 * tail) / (2.0 * tail * (1.0 - tail)).sqrt();
    }
    let scale = ln_gamma((df + 1.0) / 2.0) - ln_gamma(df / 2.0) - 0.5 * (df * PI).ln();
    let ln_density = |x: f64| scale - (df + 1.0) / 2.0 * (x * x / df).ln_1p();
    // start from an estimate of the tail's own size, so that the logarithms are nearly linear: a power of x far out, the normal's
    // near the center
    let normal = normal_upper(tail);
    let far = ((scale + (df - 1.0) / 2.0 * df.ln() - tail.ln()) / df).exp();
    let mut x = if far * far > 4.0 * df { far } else { normal * (1.0 + (normal * normal + 1.0) / (4.0 * df)) };
    for _ in 0..60 {
        let now = t_tail(x, df);
        // d ln(tail) / d ln(x) = − density · x / tail
        let step = (now.ln() - tail.ln()) * now / (ln_density(x).exp() * x);
        let next = x * step.clamp(-1.0, 1.0).exp();
        let done = (next - x).abs() <= 4.0 * f64::EPSILON * x;
        x = next;
        if done {
            break;
        }
    }
    x
}

/// The x with P(X > x) = `tail` of a chi-squared X with `df` degrees of freedom.
pub fn chi_squared_upper(tail: f64, df: f64) -> f64 {
    let beyond = |x: f64| gamma_upper(df / 2.0, x / 2.0) <= tail;
    bisect(beyond, 0.0, 2.0 * df + 400.0)
}

/// The x with P(X ≤ x) = `below` for a beta variable X with parameters `a`, `b`.
pub fn beta_quantile(below: f64, a: f64, b: f64) -> f64 {
    bisect(|x| beta_ratio(a, b, x, 1.0 - x) >= below, 0.0, 1.0)
}

/// The point between `low` and `high` where a predicate becomes true.
pub fn bisect(is_beyond: impl Fn(f64) -> bool, mut low: f64, mut high: f64) -> f64 {
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if is_beyond(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    (low + high) / 2.0
}

/// P(T ≤ x) of the noncentral t with `df` degrees of freedom and noncentrality `shift`: the normal's probability, averaged over
/// the distribution of √(χ²/df) by Simpson's rule.
pub fn noncentral_t_cdf(x: f64, df: f64, shift: f64) -> f64 {
    const PANELS: usize = 4_000;
    let spread = 12.0 / (2.0 * df).sqrt();
    let (low, high) = ((1.0 - spread).max(0.0), 1.0 + spread);
    let width = (high - low) / PANELS as f64;
    let scale = LN_2 + df / 2.0 * (df / 2.0).ln() - ln_gamma(df / 2.0);
    let density = |u: f64| {
        if u == 0.0 {
            if df == 1.0 { scale.exp() } else { 0.0 }
        } else {
            (scale + (df - 1.0) * u.ln() - df * u * u / 2.0).exp()
        }
    };
    let part = |at: usize| {
        let u = low + at as f64 * width;
        let weight = match at {
            0 | PANELS => 1.0,
            at if at % 2 == 1 => 4.0,
            _ => 2.0,
        };
        weight * density(u) * normal_cdf(x * u - shift)
    };
    (0..=PANELS).map(part).sum::<f64>() * width / 3.0
}

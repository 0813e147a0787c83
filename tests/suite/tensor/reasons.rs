//! Differences of the sweep from PyTorch, and why: (call, inputs, `error`, `value` or `gradient`, the reason). `*` in a pattern
//! is any text. A reason that no case needs fails the test.

const EXACT_REST: &str = "a number is a multiple of the least denormal: the rest is 0; PyTorch's vectors give NaN";
const WIDE: &str = "halves are computed in f32 and rounded once; PyTorch rounds, or overflows, between its steps";
const OWN_I64: &str = "a result that u8 cannot hold is i64, as documented; PyTorch wraps around";
const TOO_FEW: &str = "the variance of too few numbers is an error, not NaN with a warning";
const OTHERS: &str =
    "the product of the other numbers, exact; PyTorch divides the product by the number: inf / inf, or 0 · inf";
const IN_F64: &str = "running and whole products are f64 inside: they do not overflow on the way";
const BEYOND: &str = "beyond the range the nearest number, on every processor; PyTorch leaves it to the processor";
const UNSTABLE: &str = "equals: levain's order is stable, PyTorch's quantile takes another of them";
const BESIDE_INF: &str = "at a rank that is a number of the data it is that number; PyTorch adds 0 · inf, which is NaN";
const ZERO_NORM: &str = "how many numbers are not 0 has the gradient 0; PyTorch has none, or none of one number";
const DUPLICATES: &str =
    "of two numbers put in one place the later stays, and it alone has a gradient; in PyTorch both";
const ANY_SOURCE: &str = "a gradient flows to a source of any shape; PyTorch's backward wants that of the indices";

pub const REASONS: &[(&str, &str, &str, &str)] = &[
    ("* % x", "edge.*", "value", EXACT_REST),
    ("x % y", "left.*", "value", EXACT_REST),
    ("x.fmod(y)", "left.*", "value", EXACT_REST),
    ("-x", "*.u8", "value", OWN_I64),
    ("x @ y*", "*.u8", "value", OWN_I64),
    ("attention(*", "*holes.*", "value", "NaN in a key spreads; PyTorch's kernel gives 0 in all dtypes but f32"),
    ("attention(*", "same.f32*", "gradient", "a sum that cancels to 0: 1e-6 of rounding is left"),
    ("attention(*", "*holes.*", "gradient", "NaN in a key spreads to its row alone, as in f64"),
    ("bce(x, y, #{ logits*", "plain.*16*", "gradient", WIDE),
    (
        "bce(x, y, #{ reduction*",
        "share.*",
        "gradient",
        "of the loss as it is, whose logarithms are held above -100; PyTorch's target has inf, and in f16 1e-12 is 0",
    ),
    ("cross_entropy(*label_smoothing*", "plain.bf16*", "gradient", WIDE),
    ("layer_norm(*", "plain.*16*", "gradient", WIDE),
    ("x.log_softmax(-1)", "zeros.*16", "gradient", "a difference that cancels in halves: neither is exact"),
    ("x ** (0.5)", "edge.f16", "value", "the square root, as in PyTorch's other dtypes: of -0 and -inf it is no power"),
    (
        "x ** (-0.5)",
        "edge.f16",
        "value",
        "the square root, as in PyTorch's other dtypes: of -0 and -inf it is no power",
    ),
    (
        "x ** (1.5)",
        "edge.f16",
        "gradient",
        "the square root, as in PyTorch's other dtypes: of -0 and -inf it is no power",
    ),
    ("x ** y", "left.f16*", "gradient", WIDE),
    ("x ** y", "left.i64*", "error", "a whole number to a negative power is an error; PyTorch gives 0"),
    ("x @ y", "big.*", "value", "the order of a sum whose parts overflow"),
    ("x.clamp(2.0, 1.0)", "*", "error", "bounds that are exchanged are an error; PyTorch gives the most"),
    ("x.cumprod(*", "big.*", "*", IN_F64),
    ("x.cumprod(*", "ends.*", "gradient", OTHERS),
    ("x.cumprod(*", "holes.*", "gradient", OTHERS),
    ("x.cumprod(*", "low.*", "gradient", OTHERS),
    ("x.cumprod(*", "edge.*", "gradient", OTHERS),
    ("x.prod(*", "ends.*", "gradient", OTHERS),
    ("x.prod(*", "holes.*", "gradient", OTHERS),
    ("x.prod(*", "big.*", "gradient", IN_F64),
    ("x.elu(*", "edge.f64", "gradient", "as in PyTorch's other dtypes: NaN has the gradient of a number above 0"),
    ("x.gelu()", "edge.*", "value", "of inf it is inf; PyTorch 2.15 gives NaN, and inf for the largest number"),
    ("x.logsumexp(*", "*.f16", "gradient", WIDE),
    ("x.median()", "*", "error", "the median of nothing is an error, not NaN"),
    ("x.norm(*", "big.f16", "gradient", WIDE),
    ("x.norm(*p: 0*", "*", "gradient", ZERO_NORM),
    ("x.quantile(*", "big.*", "gradient", UNSTABLE),
    ("x.quantile(*", "ties.*", "gradient", UNSTABLE),
    ("x.quantile(*", "same.*", "gradient", UNSTABLE),
    ("x.quantile(*", "low.*", "gradient", UNSTABLE),
    ("x.quantile(*", "zeros.*", "*", UNSTABLE),
    ("x.quantile(*", "ties.f32", "value", "1e-7 of rounding is left of 1 - 1"),
    ("x.quantile(*", "ends.*", "*", BESIDE_INF),
    ("x.quantile(*", "low.*", "value", BESIDE_INF),
    ("x.quantile(*", "holes.*", "value", BESIDE_INF),
    ("x.quantile([*", "empty.*", "error", "no rows of no columns have no quantiles, which is no error"),
    ("x.scatter*(1, y, z)", "plain.*", "error", ANY_SOURCE),
    ("x.scatter(1, y, z)", "square.*", "gradient", DUPLICATES),
    ("x.sign()", "edge.*", "value", "of NaN it is NaN, as in numpy; PyTorch gives 0"),
    ("x.square()", "edge.f16", "gradient", WIDE),
    ("x.std(*", "*", "error", TOO_FEW),
    ("x.variance(*", "*", "error", TOO_FEW),
    ("x.to(\"u8\")", "*", "value", BEYOND),
    ("x.to(\"u32\")", "*", "value", BEYOND),
    ("x.unique()", "*", "gradient", "the gradient goes to the first of equals; PyTorch has none"),
];

//! Tensors from lists, constants and random numbers.

use super::lists::NestedList;
use super::{DTYPES, count, dtype, number, sizes};
use crate::kernel::default_device;
use crate::script::prelude::*;
use crate::tensor::ops::{self, Scalar};
use crate::tensor::{DType, Rng, Tensor, rng, values};

const MAKE: &[Opt] = &[opt("dtype", Kind::OneOf(&DTYPES), "\"f32\"", "data type")];
const TENSOR: &[Opt] =
    &[opt("dtype", Kind::OneOf(&DTYPES), "", "data type; by default i64 for integers, f32 for others")];
const RANDOM: &[Opt] = &[
    opt("seed", Kind::Int, "", "seed of its own random stream; by default the run's"),
    opt("dtype", Kind::OneOf(&["f32", "f64", "f16", "bf16"]), "\"f32\"", "data type"),
];
const RANDINT: &[Opt] = &[opt("seed", Kind::Int, "", "seed of its own random stream; by default the run's")];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    for verb in ["zeros", "ones", "full", "eye"] {
        host.options(verb, MAKE);
    }
    host.options("tensor", TENSOR);
    host.options("rand", RANDOM);
    host.options("randn", RANDOM);
    host.options("randint", RANDINT);
}

/// Makes a tensor without dimensions from a number.
fn single(value: &Dynamic) -> crate::Result<Tensor> {
    if let Ok(on) = value.as_bool() {
        return Scalar::Int(on.into()).on(DType::U8, &default_device()?);
    }
    match number("tensor", value)? {
        whole @ Scalar::Int(_) => whole.on(DType::I64, &default_device()?),
        number => number.on(DType::F32, &default_device()?),
    }
}

fn made(who: &'static str, shape: &Dynamic, number: Scalar, options: Map) -> Res<Tensor> {
    let options = Options::read(who, MAKE, options)?;
    let dtype = dtype(who, &options.text("dtype")?)?;
    Ok(ops::full(who, &sizes(who, shape)?, number, dtype)?)
}

/// The random stream of a verb, and its dtype.
fn chance(who: &'static str, table: &'static [Opt], options: Map) -> Res<(Rng, DType)> {
    let options = Options::read(who, table, options)?;
    let seed = options.maybe("seed", Options::int)?;
    let kind = match table.iter().any(|opt| opt.name == "dtype") {
        true => dtype(who, &options.text("dtype")?)?,
        false => DType::I64,
    };
    Ok((Rng::or_run(seed.map(|seed| seed as u64)), kind))
}

#[export_module]
mod verbs {
    /// Seeds the run's random stream, which every verb without a `seed:` option draws from.
    ///
    /// A run starts at seed 0, never from the clock: a script without `seed` is reproducible too. The generator is
    /// Philox4x32-10 (Salmon et al. 2011), with the same numbers on every machine.
    ///
    /// also: manual_seed, set_seed, random seed, random_state
    ///
    /// effect
    ///
    /// ```rhai
    /// seed(7);
    /// let a = rand([3]);
    /// seed(7);
    /// equal(a, rand([3]))      //=> true
    /// ```
    pub fn seed(n: INT) {
        rng::seed(n as u64);
    }

    /// Returns the random word of a step, from which its parts draw.
    #[rhai_fn(name = "_step_word")]
    pub fn step_word() -> INT {
        rng::dropout_word() as INT
    }

    /// Runs `work`, a part of a step, with its own random numbers.
    #[rhai_fn(name = "_drawing", return_raw)]
    pub fn drawing(ctx: NativeCallContext, word: INT, number: INT, work: FnPtr) -> Res<Dynamic> {
        let before = rng::state();
        rng::restore(before.part(word as u64, number as u64));
        let done = work.call_within_context(&ctx, ());
        rng::restore(before);
        done
    }

    /// Seeds the random stream of dropout alone.
    ///
    /// effect
    #[rhai_fn(name = "_seed_dropout")]
    pub fn seed_dropout(n: INT) {
        rng::seed_dropout(n as u64);
    }

    /// Makes a tensor from nested lists: integers give i64, other numbers f32, `true` and `false` a u8 mask.
    ///
    /// A path opens a file instead: `tensor("x.npy")`.
    ///
    /// ```rhai
    /// tensor([[1, 2], [3, 4]])       //=> tensor([[1, 2],
    /// //                                          [3, 4]])
    /// tensor([1, 2.5])               //=> tensor([1.0000, 2.5000])
    /// tensor([[1, 2], [3]])          //=> error: tensor: rows differ: element [1] has 1 elements, those before it 2
    /// tensor([1, 2], #{ dtype: "f64" })      //=> tensor([1., 2.], dtype=f64)
    /// ```
    #[rhai_fn(name = "tensor", return_raw)]
    pub fn tensor(rows: List, options: Map) -> Res<Tensor> {
        let options = Options::read("tensor", TENSOR, options)?;
        let kind = options.maybe("dtype", Options::text)?;
        let kind = kind.map(|name| dtype("tensor", &name)).transpose()?;
        Ok(NestedList::of(&rows)?.tensor(kind)?)
    }

    /// Makes a tensor without dimensions from an integer.
    ///
    /// ```rhai
    /// tensor(3)      //=> tensor(3)
    /// ```
    #[rhai_fn(name = "tensor", return_raw)]
    pub fn tensor_int(number: INT) -> Res<Tensor> {
        Ok(single(&number.into())?)
    }

    /// Makes a tensor without dimensions from a number.
    ///
    /// ```rhai
    /// tensor(2.5).shape      //=> []
    /// ```
    #[rhai_fn(name = "tensor", return_raw)]
    pub fn tensor_float(number: f64) -> Res<Tensor> {
        Ok(single(&number.into())?)
    }

    /// Makes a tensor of zeros.
    ///
    /// also: torch.zeros, np.zeros, zeros_like
    ///
    /// ```rhai
    /// zeros([2, 3])      //=> tensor([[0., 0., 0.],
    /// //                              [0., 0., 0.]])
    /// zeros([2], #{ dtype: "i64" })      //=> tensor([0, 0])
    /// ```
    #[rhai_fn(name = "zeros", return_raw)]
    pub fn zeros(shape: Dynamic, options: Map) -> Res<Tensor> {
        made("zeros", &shape, Scalar::Int(0), options)
    }

    /// Makes a tensor of ones.
    ///
    /// also: torch.ones, np.ones, ones_like
    ///
    /// ```rhai
    /// ones(3)      //=> tensor([1., 1., 1.])
    /// ones([2], #{ dtype: "u8" })      //=> tensor([1, 1], dtype=u8)
    /// ```
    #[rhai_fn(name = "ones", return_raw)]
    pub fn ones(shape: Dynamic, options: Map) -> Res<Tensor> {
        made("ones", &shape, Scalar::Int(1), options)
    }

    /// Makes a tensor filled with one number.
    ///
    /// also: torch.full, np.full, full_like
    ///
    /// ```rhai
    /// full([2], 0.5)      //=> tensor([0.5000, 0.5000])
    /// full([2], 7, #{ dtype: "i64" })      //=> tensor([7, 7])
    /// ```
    #[rhai_fn(name = "full", return_raw)]
    pub fn full(shape: Dynamic, value: Dynamic, options: Map) -> Res<Tensor> {
        made("full", &shape, number("full", &value)?, options)
    }

    /// Makes an identity matrix.
    ///
    /// also: identity matrix
    ///
    /// ```rhai
    /// eye(2)      //=> tensor([[1., 0.],
    /// //                       [0., 1.]])
    /// eye(2, #{ dtype: "i64" })      //=> tensor([[1, 0],
    /// //                                          [0, 1]])
    /// ```
    #[rhai_fn(name = "eye", return_raw)]
    pub fn eye(n: INT, options: Map) -> Res<Tensor> {
        let options = Options::read("eye", MAKE, options)?;
        Ok(ops::eye(count("eye", n)?, dtype("eye", &options.text("dtype")?)?)?)
    }

    /// Makes a tensor of the integers from 0 to `end`, excluded.
    ///
    /// also: torch.arange, np.arange
    ///
    /// ```rhai
    /// arange(4)      //=> tensor([0, 1, 2, 3])
    /// ```
    #[rhai_fn(name = "arange", return_raw)]
    pub fn arange(end: INT) -> Res<Tensor> {
        Ok(ops::arange(0, end, 1)?)
    }

    /// Makes a tensor of the integers from `start` to `end`, excluded.
    ///
    /// ```rhai
    /// arange(2, 5)      //=> tensor([2, 3, 4])
    /// ```
    #[rhai_fn(name = "arange", return_raw)]
    pub fn arange_from(start: INT, end: INT) -> Res<Tensor> {
        Ok(ops::arange(start, end, 1)?)
    }

    /// Makes a tensor of the integers from `start` to `end`, excluded, in steps.
    ///
    /// ```rhai
    /// arange(5, 0, -2)      //=> tensor([5, 3, 1])
    /// ```
    #[rhai_fn(name = "arange", return_raw)]
    pub fn arange_step(start: INT, end: INT, step: INT) -> Res<Tensor> {
        Ok(ops::arange(start, end, step)?)
    }

    /// Makes an f32 tensor of the numbers from `start` to `end`, excluded, in steps.
    ///
    /// ```rhai
    /// arange(0.0, 1.0, 0.25)      //=> tensor([0.0000, 0.2500, 0.5000, 0.7500])
    /// ```
    #[rhai_fn(name = "arange", return_raw)]
    pub fn arange_float(start: f64, end: f64, step: f64) -> Res<Tensor> {
        Ok(ops::arange_float(start, end, step)?)
    }

    /// Makes an f32 tensor of `count` equally spaced numbers from `start` to `end`, both included.
    ///
    /// ```rhai
    /// linspace(0, 1, 5)      //=> tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    /// ```
    #[rhai_fn(name = "linspace", return_raw)]
    pub fn linspace(start: Dynamic, end: Dynamic, count: INT) -> Res<Tensor> {
        let end_of = |value: &Dynamic| number("linspace", value).map(Scalar::to_f64);
        Ok(ops::linspace(end_of(&start)?, end_of(&end)?, super::count("linspace", count)?)?)
    }

    /// Draws numbers uniformly from [0, 1), in f32 by default.
    ///
    /// also: torch.rand, uniform distribution
    ///
    /// effect
    ///
    /// ```rhai
    /// seed(1);
    /// rand([2, 3]).shape      //=> [2, 3]
    /// equal(rand([3], #{ seed: 1 }), rand([3], #{ seed: 1 }))      //=> true
    /// ```
    #[rhai_fn(name = "rand", return_raw)]
    pub fn rand(shape: Dynamic, options: Map) -> Res<Tensor> {
        let (mut rng, dtype) = chance("rand", RANDOM, options)?;
        let drawn = ops::rand(&sizes("rand", &shape)?, &mut rng)?;
        // half precision would round the highest up to 1
        let steps = match dtype {
            DType::F16 => Some(2048.0),
            DType::BF16 => Some(256.0),
            _ => None,
        };
        let drawn = match steps {
            Some(steps) => ops::divide(&ops::floor(&ops::multiply(&drawn, steps)?)?, steps)?,
            None => drawn,
        };
        Ok(ops::cast(&drawn, dtype)?)
    }

    /// Draws numbers from the standard normal distribution, in f32 by default.
    ///
    /// also: torch.randn, normal distribution, standard normal, Gaussian noise
    ///
    /// effect
    ///
    /// ```rhai
    /// seed(1);
    /// let x = randn([1000]);
    /// close(x.mean(), tensor(0.0), 0.1)      //=> true
    /// equal(randn([3], #{ seed: 1 }), randn([3], #{ seed: 2 }))      //=> false
    /// ```
    #[rhai_fn(name = "randn", return_raw)]
    pub fn randn(shape: Dynamic, options: Map) -> Res<Tensor> {
        let (mut rng, dtype) = chance("randn", RANDOM, options)?;
        Ok(ops::cast(&ops::randn(&sizes("randn", &shape)?, &mut rng)?, dtype)?)
    }

    /// Draws i64 integers from [low, high).
    ///
    /// also: random integers
    ///
    /// effect
    ///
    /// ```rhai
    /// seed(1);
    /// let dice = randint(1, 7, [100]);
    /// [dice.min().item(), dice.max().item()]      //=> [1, 6]
    /// randint(5, 6, [2], #{ seed: 1 })      //=> tensor([5, 5])
    /// ```
    #[rhai_fn(name = "randint", return_raw)]
    pub fn randint(low: INT, high: INT, shape: Dynamic, options: Map) -> Res<Tensor> {
        let (mut rng, _) = chance("randint", RANDINT, options)?;
        Ok(ops::randint(low, high, &sizes("randint", &shape)?, &mut rng)?)
    }

    /// One-hot encodes ids: an f32 row of `classes` numbers per id, 1 at the id, 0 elsewhere.
    ///
    /// also: F.one_hot, OneHotEncoder
    ///
    /// ```rhai
    /// one_hot(tensor([2, 0]), 3)      //=> tensor([[0., 0., 1.],
    /// //                                           [1., 0., 0.]])
    /// ```
    #[rhai_fn(name = "one_hot", return_raw)]
    pub fn one_hot(ids: Tensor, classes: INT) -> Res<Tensor> {
        Ok(ops::one_hot(&ids, count("one_hot", classes)?)?)
    }

    /// One-hot encodes ids, with as many classes as the largest id needs.
    ///
    /// ```rhai
    /// one_hot(tensor([2, 0]))         //=> tensor([[0., 0., 1.],
    /// //                                           [1., 0., 0.]])
    /// ```
    #[rhai_fn(name = "one_hot", return_raw)]
    pub fn one_hot_all(ids: Tensor) -> Res<Tensor> {
        let most = values::values_i64("one_hot", &ids.value())?.into_iter().max();
        let Some(most) = most else { bail!("one_hot", "there are no ids: say how many classes there are") };
        Ok(ops::one_hot(&ids, count("one_hot", most.saturating_add(1))?)?)
    }
}

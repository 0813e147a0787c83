//! Operators: each for two tensors, and for a tensor and a number on either side.

use crate::script::prelude::*;
use crate::tensor::Tensor;
use crate::tensor::ops::{self, Compare, Operand};

pub fn register(host: &mut Host) {
    host.module(exported_module!(plus));
    host.module(exported_module!(minus));
    host.module(exported_module!(times));
    host.module(exported_module!(over));
    host.module(exported_module!(rest));
    host.module(exported_module!(floor_divide));
    host.module(exported_module!(fmod));
    host.module(exported_module!(power));
    host.module(exported_module!(equal));
    host.module(exported_module!(not_equal));
    host.module(exported_module!(less));
    host.module(exported_module!(less_or_equal));
    host.module(exported_module!(greater));
    host.module(exported_module!(greater_or_equal));
    host.module(exported_module!(maximum));
    host.module(exported_module!(minimum));
    host.module(exported_module!(others));
}

/// A binary verb in all its overloads.
macro_rules! operator {
    ($($(#[doc = $doc:tt])* $module:ident $name:tt $run:expr;)*) => {$(
        #[export_module]
        mod $module {
            $(#[doc = $doc])*
            #[rhai_fn(name = $name, pure, return_raw)]
            pub fn tensors(left: &mut Tensor, right: Tensor) -> Res<Tensor> {
                run($run, &*left, &right)
            }

            $(#[doc = $doc])*
            #[rhai_fn(name = $name, pure, return_raw)]
            pub fn by_float(left: &mut Tensor, right: f64) -> Res<Tensor> {
                run($run, &*left, right)
            }

            $(#[doc = $doc])*
            #[rhai_fn(name = $name, pure, return_raw)]
            pub fn by_int(left: &mut Tensor, right: INT) -> Res<Tensor> {
                run($run, &*left, right)
            }

            $(#[doc = $doc])*
            #[rhai_fn(name = $name, return_raw)]
            pub fn float_by(left: f64, right: Tensor) -> Res<Tensor> {
                run($run, left, &right)
            }

            $(#[doc = $doc])*
            #[rhai_fn(name = $name, return_raw)]
            pub fn int_by(left: INT, right: Tensor) -> Res<Tensor> {
                run($run, left, &right)
            }
        }
    )*};
}

fn run(
    operation: impl Fn(Operand, Operand) -> crate::Result<Tensor>,
    left: impl Into<Operand>,
    right: impl Into<Operand>,
) -> Res<Tensor> {
    Ok(operation(left.into(), right.into())?)
}

operator! {
    /// Adds elementwise, with broadcasting.
    ///
    /// Dtypes are promoted as in PyTorch: floats over integers, the wider over the narrower. Integers wrap around where a
    /// result does not fit their dtype.
    ///
    /// ```rhai
    /// tensor([1, 2]) + tensor([10, 20])        //=> tensor([11, 22])
    /// tensor([[1.0], [2.0]]) + tensor([1, 2])  //=> tensor([[2., 3.],
    /// //                                                    [3., 4.]])
    /// 1 + tensor([0.5])                        //=> tensor([1.5000])
    /// tensor([1, 2]) + tensor([1, 2, 3])       //=> error: add: cannot broadcast [2] with [3]: 2 is not 3
    /// ```
    plus "+" ops::add;

    /// Subtracts elementwise, with broadcasting.
    ///
    /// ```rhai
    /// 1.0 - tensor([0.25, 0.5])       //=> tensor([0.7500, 0.5000])
    /// ```
    minus "-" ops::subtract;

    /// Multiplies elementwise, with broadcasting. `a @ b` is the matrix product.
    ///
    /// ```rhai
    /// 2 * tensor([1.5, 2.0])          //=> tensor([3., 4.])
    /// ```
    times "*" ops::multiply;

    /// Divides elementwise, with broadcasting. Integers give f32.
    ///
    /// ```rhai
    /// tensor([1, 2, 3]) / 2           //=> tensor([0.5000, 1.0000, 1.5000])
    /// ```
    over "/" ops::divide;

    /// Computes the remainder of floor division, with the sign of the divisor as in PyTorch. `fmod` has the sign of the dividend.
    ///
    /// ```rhai
    /// tensor([-1, 5, 7]) % 3          //=> tensor([2, 2, 1])
    /// tensor([1, 2]) % 0              //=> error: remainder: division by 0
    /// ```
    rest "%" ops::remainder;

    /// Divides elementwise and rounds down, with broadcasting. Integers stay integers. Its gradient is 0.
    ///
    /// ```rhai
    /// floor_divide(tensor([-7, 7]), 2)           //=> tensor([-4,  3])
    /// tensor([-7.0, 7.0]).floor_divide(2.0)      //=> tensor([-4.,  3.])
    /// ```
    floor_divide "floor_divide" ops::floor_divide;

    /// Computes the remainder of division towards 0, with the sign of the dividend as in C.
    ///
    /// ```rhai
    /// fmod(tensor([-7, 7]), 3)           //=> tensor([-1,  1])
    /// ```
    fmod "fmod" ops::fmod;

    /// Raises to a power elementwise, with broadcasting.
    ///
    /// ```rhai
    /// tensor([1, 2, 3]) ** 2          //=> tensor([1, 4, 9])
    /// tensor([4.0, 9.0]) ** 0.5       //=> tensor([2., 3.])
    /// ```
    power "**" ops::power;

    /// Compares elementwise: a u8 mask of where both sides are equal.
    ///
    /// ```rhai
    /// tensor([1, 2]) == tensor([1, 3])     //=> tensor([1, 0], dtype=u8)
    /// ```
    equal "==" |a, b| ops::compare(Compare::Equal, a, b);

    /// Compares elementwise: a u8 mask of where both sides differ.
    ///
    /// ```rhai
    /// tensor([1, 2]) != 1                  //=> tensor([0, 1], dtype=u8)
    /// ```
    not_equal "!=" |a, b| ops::compare(Compare::NotEqual, a, b);

    /// Compares elementwise: a u8 mask of where the left side is less.
    ///
    /// ```rhai
    /// tensor([1, 2]) < 1.5                 //=> tensor([1, 0], dtype=u8)
    /// ```
    less "<" |a, b| ops::compare(Compare::Less, a, b);

    /// Compares elementwise: a u8 mask of where the left side is less or equal.
    ///
    /// ```rhai
    /// tensor([1, 2]) <= 2                  //=> tensor([1, 1], dtype=u8)
    /// ```
    less_or_equal "<=" |a, b| ops::compare(Compare::LessOrEqual, a, b);

    /// Compares elementwise: a u8 mask of where the left side is greater.
    ///
    /// ```rhai
    /// (tensor([0.2, 0.7]) > 0.5).sum()     //=> tensor(1)
    /// ```
    greater ">" |a, b| ops::compare(Compare::Greater, a, b);

    /// Compares elementwise: a u8 mask of where the left side is greater or equal.
    ///
    /// ```rhai
    /// 2 >= tensor([1, 2, 3])               //=> tensor([1, 1, 0], dtype=u8)
    /// ```
    greater_or_equal ">=" |a, b| ops::compare(Compare::GreaterOrEqual, a, b);

    /// Returns the elementwise maximum, with broadcasting. NaN on either side gives NaN; equal numbers share the gradient.
    ///
    /// ```rhai
    /// maximum(tensor([1, 5]), 3)           //=> tensor([3, 5])
    /// ```
    maximum "maximum" ops::maximum;

    /// Returns the elementwise minimum, with broadcasting. NaN on either side gives NaN; equal numbers share the gradient.
    ///
    /// ```rhai
    /// minimum(tensor([1, 5]), 3)           //=> tensor([1, 3])
    /// ```
    minimum "minimum" ops::minimum;
}

#[export_module]
mod others {
    /// Negates each number.
    ///
    /// ```rhai
    /// -tensor([1, -2])           //=> tensor([-1,  2])
    /// ```
    #[rhai_fn(name = "-", pure, return_raw)]
    pub fn negate(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::negate(x)?)
    }

    /// Combines two masks: 1 where both are not 0.
    ///
    /// ```rhai
    /// let x = arange(5);
    /// (x > 0) & (x < 3)          //=> tensor([0, 1, 1, 0, 0], dtype=u8)
    /// ```
    #[rhai_fn(name = "&", pure, return_raw)]
    pub fn both(left: &mut Tensor, right: Tensor) -> Res<Tensor> {
        Ok(ops::both(left, &right)?)
    }

    /// Combines two masks: 1 where at least one is not 0.
    ///
    /// ```rhai
    /// let x = arange(5);
    /// (x < 1) | (x > 3)          //=> tensor([1, 0, 0, 0, 1], dtype=u8)
    /// ```
    #[rhai_fn(name = "|", pure, return_raw)]
    pub fn either(left: &mut Tensor, right: Tensor) -> Res<Tensor> {
        Ok(ops::either(left, &right)?)
    }

    /// Inverts a mask: 1 where it is 0.
    ///
    /// ```rhai
    /// !(arange(3) > 1)           //=> tensor([1, 1, 0], dtype=u8)
    /// ```
    #[rhai_fn(name = "!", pure, return_raw)]
    pub fn not(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::not(x)?)
    }

    /// Multiplies matrices, as in PyTorch: a vector is a row on the left and a column on the right, and dimensions before
    /// the last two are batches, which broadcast. Products of integers are i64, and exact as far as it reaches.
    ///
    /// also: mm, bmm, dot, matrix product
    ///
    /// ```rhai
    /// tensor([[1, 2], [3, 4]]) @ tensor([1, 1])     //=> tensor([3, 7])
    /// zeros([2, 3]) @ zeros([4, 3])                 //=> error: matmul: cannot multiply [2, 3] by [4, 3]: 3 is not 4
    /// ```
    #[rhai_fn(name = "@", name = "matmul", pure, return_raw)]
    pub fn matmul(left: &mut Tensor, right: Tensor) -> Res<Tensor> {
        Ok(ops::matmul(left, &right)?)
    }
}

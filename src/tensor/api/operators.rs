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

/// A verb of two sides in all its overloads.
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
    /// The sum, number by number, with broadcasting.
    ///
    /// Two dtypes meet as in PyTorch: a float wins over whole numbers, the wider over the narrower.
    ///
    /// ```rhai
    /// tensor([1, 2]) + tensor([10, 20])        //=> tensor([11, 22])
    /// tensor([[1.0], [2.0]]) + tensor([1, 2])  //=> tensor([[2., 3.],
    /// //                                                    [3., 4.]])
    /// 1 + tensor([0.5])                        //=> tensor([1.5000])
    /// tensor([1, 2]) + tensor([1, 2, 3])       //=> error: add: shapes [2] and [3] do not meet (2 is not 3)
    /// ```
    plus "+" ops::add;

    /// The difference, number by number, with broadcasting.
    ///
    /// ```rhai
    /// 1.0 - tensor([0.25, 0.5])       //=> tensor([0.7500, 0.5000])
    /// ```
    minus "-" ops::subtract;

    /// The product, number by number, with broadcasting. `a @ b` is the matrix product.
    ///
    /// ```rhai
    /// 2 * tensor([1.5, 2.0])          //=> tensor([3., 4.])
    /// ```
    times "*" ops::multiply;

    /// The quotient, number by number, with broadcasting. Whole numbers give f32.
    ///
    /// ```rhai
    /// tensor([1, 2, 3]) / 2           //=> tensor([0.5000, 1.0000, 1.5000])
    /// ```
    over "/" ops::divide;

    /// What is left of a division rounded down; it has the sign of the right side, as in PyTorch. It has no gradient.
    ///
    /// ```rhai
    /// tensor([-1, 5, 7]) % 3          //=> tensor([2, 2, 1])
    /// ```
    rest "%" ops::remainder;

    /// The power, number by number, with broadcasting.
    ///
    /// ```rhai
    /// tensor([1, 2, 3]) ** 2          //=> tensor([1, 4, 9])
    /// tensor([4.0, 9.0]) ** 0.5       //=> tensor([2., 3.])
    /// ```
    power "**" ops::power;

    /// A mask in u8 of where both are equal.
    ///
    /// ```rhai
    /// tensor([1, 2]) == tensor([1, 3])     //=> tensor([1, 0], dtype=u8)
    /// ```
    equal "==" |a, b| ops::compare(Compare::Equal, a, b);

    /// A mask in u8 of where both differ.
    ///
    /// ```rhai
    /// tensor([1, 2]) != 1                  //=> tensor([0, 1], dtype=u8)
    /// ```
    not_equal "!=" |a, b| ops::compare(Compare::NotEqual, a, b);

    /// A mask in u8 of where the left is below the right.
    ///
    /// ```rhai
    /// tensor([1, 2]) < 1.5                 //=> tensor([1, 0], dtype=u8)
    /// ```
    less "<" |a, b| ops::compare(Compare::Less, a, b);

    /// A mask in u8 of where the left is at most the right.
    ///
    /// ```rhai
    /// tensor([1, 2]) <= 2                  //=> tensor([1, 1], dtype=u8)
    /// ```
    less_or_equal "<=" |a, b| ops::compare(Compare::LessOrEqual, a, b);

    /// A mask in u8 of where the left is above the right.
    ///
    /// ```rhai
    /// (tensor([0.2, 0.7]) > 0.5).sum()     //=> tensor(1)
    /// ```
    greater ">" |a, b| ops::compare(Compare::Greater, a, b);

    /// A mask in u8 of where the left is at least the right.
    ///
    /// ```rhai
    /// 2 >= tensor([1, 2, 3])               //=> tensor([1, 1, 0], dtype=u8)
    /// ```
    greater_or_equal ">=" |a, b| ops::compare(Compare::GreaterOrEqual, a, b);

    /// The larger of both, number by number, with broadcasting.
    ///
    /// ```rhai
    /// maximum(tensor([1, 5]), 3)           //=> tensor([3, 5])
    /// ```
    maximum "maximum" ops::maximum;

    /// The smaller of both, number by number, with broadcasting.
    ///
    /// ```rhai
    /// minimum(tensor([1, 5]), 3)           //=> tensor([1, 3])
    /// ```
    minimum "minimum" ops::minimum;
}

#[export_module]
mod others {
    /// The other sign.
    ///
    /// ```rhai
    /// -tensor([1, -2])           //=> tensor([-1,  2])
    /// ```
    #[rhai_fn(name = "-", pure, return_raw)]
    pub fn negate(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::negate(x)?)
    }

    /// Where both masks are not 0.
    ///
    /// ```rhai
    /// let x = arange(5);
    /// (x > 0) & (x < 3)          //=> tensor([0, 1, 1, 0, 0], dtype=u8)
    /// ```
    #[rhai_fn(name = "&", pure, return_raw)]
    pub fn both(left: &mut Tensor, right: Tensor) -> Res<Tensor> {
        Ok(ops::both(left, &right)?)
    }

    /// Where one mask at least is not 0.
    ///
    /// ```rhai
    /// let x = arange(5);
    /// (x < 1) | (x > 3)          //=> tensor([1, 0, 0, 0, 1], dtype=u8)
    /// ```
    #[rhai_fn(name = "|", pure, return_raw)]
    pub fn either(left: &mut Tensor, right: Tensor) -> Res<Tensor> {
        Ok(ops::either(left, &right)?)
    }

    /// Where a mask is 0.
    ///
    /// ```rhai
    /// !(arange(3) > 1)           //=> tensor([1, 1, 0], dtype=u8)
    /// ```
    #[rhai_fn(name = "!", pure, return_raw)]
    pub fn not(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::not(x)?)
    }

    /// The matrix product: vectors are rows on the left and columns on the right, further dimensions in front are
    /// batches and broadcast, as in PyTorch.
    ///
    /// ```rhai
    /// tensor([[1, 2], [3, 4]]) @ tensor([1, 1])     //=> tensor([3, 7])
    /// zeros([2, 3]) @ zeros([4, 3])                 //=> error: matmul: shapes [2, 3] and [4, 3] do not meet (3 is not 4)
    /// ```
    #[rhai_fn(name = "@", name = "matmul", pure, return_raw)]
    pub fn matmul(left: &mut Tensor, right: Tensor) -> Res<Tensor> {
        Ok(ops::matmul(left, &right)?)
    }
}

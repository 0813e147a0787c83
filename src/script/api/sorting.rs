//! Sorting of lists. An error of the closure, or an unusable answer, is an error of the verb.

use crate::cancel::{self, Pace};
use crate::script::explain::{article, type_name};
use crate::script::language::order;
use crate::script::prelude::*;
use std::cmp::Ordering;

pub fn register(host: &mut Host) {
    host.module(exported_module!(sorting));
}

/// Names the type of a value, for an error.
pub fn kind(context: &NativeCallContext, value: &Dynamic) -> String {
    article(&type_name(value.type_name(), context.engine()))
}

/// Compares two values by themselves; NaN comes last.
fn natural(who: &str, context: &NativeCallContext, left: &Dynamic, right: &Dynamic) -> Res<Ordering> {
    if let Some(order) = order(left, right) {
        let is_nan = |value: &Dynamic| value.as_float().is_ok_and(f64::is_nan);
        return Ok(order.unwrap_or_else(|| is_nan(left).cmp(&is_nan(right))));
    }
    if let (Ok(left), Ok(right)) = (left.as_array_ref(), right.as_array_ref()) {
        for (left, right) in left.iter().zip(right.iter()) {
            let order = natural(who, context, left, right)?;
            if order.is_ne() {
                return Ok(order);
            }
        }
        return Ok(left.len().cmp(&right.len()));
    }
    let (left, right) = (kind(context, left), kind(context, right));
    let what = match left == right {
        true => format!("values such as {left} have no order"),
        false => format!("{left} and {right} have no order"),
    };
    Err(Error::new(who, what)
        .help("say what it goes by: `xs.sort(|x| x.n)`, or with two: `xs.sort(|a, b| a.n - b.n)`")
        .into())
}

/// Sorts by the values themselves.
fn by_value(who: &str, context: &NativeCallContext, list: &mut List, down: bool) -> Res<()> {
    let is_nan = |value: &Dynamic| value.as_float().is_ok_and(f64::is_nan);
    let turned = |left: &Dynamic, right: &Dynamic, order: Ordering| {
        if down && !is_nan(left) && !is_nan(right) { order.reverse() } else { order }
    };
    let are_numbers = list.iter().all(|value| value.is_int() || value.is_float());
    if are_numbers || list.iter().all(Dynamic::is_string) {
        let pace = Pace::default();
        let compare = |left: &Dynamic, right: &Dynamic| {
            pace.step();
            let order = order(left, right).flatten().unwrap_or_else(|| is_nan(left).cmp(&is_nan(right)));
            turned(left, right, order)
        };
        cancel::stoppable(|| list.sort_by(compare))?;
        return Ok(());
    }
    // a single value is compared with nothing else: check that it has an order
    if let [only] = list.as_slice() {
        natural(who, context, only, only)?;
    }
    let places =
        merge_sort(list, &mut |left, right| Ok(turned(left, right, natural(who, context, left, right)?).is_le()))?;
    rearrange(list, &places);
    Ok(())
}

/// Sorts by a closure: of one argument the key, of two the comparison.
fn by_closure(who: &str, context: &NativeCallContext, list: &mut List, closure: &FnPtr) -> Res<()> {
    if takes_one(context, closure) {
        let keys: List =
            list.iter().map(|value| closure.call_raw(context, None, [value.clone()])).collect::<Res<_>>()?;
        let places = merge_sort(&keys, &mut |left, right| Ok(natural(who, context, left, right)?.is_le()))?;
        rearrange(list, &places);
        return Ok(());
    }
    let mut stays = |left: &Dynamic, right: &Dynamic| -> Res<bool> {
        let ask = |left: &Dynamic, right: &Dynamic| {
            let said = closure.call_raw(context, None, [left.clone(), right.clone()])?;
            said_of(who, context, &said, left, right)
        };
        Ok(match ask(left, right)? {
            Said::Order(order) => order.is_le(),
            Said::First(true) => true,
            // neither is before the other: they are equal
            Said::First(false) => !matches!(ask(right, left)?, Said::First(true)),
        })
    };
    let places = merge_sort(list, &mut stays)?;
    for pair in places.windows(2) {
        let (left, right) = (&list[pair[0]], &list[pair[1]]);
        if !stays(left, right)? {
            let what = format!("the closure contradicts itself about {left} and {right}");
            let help = "asked twice about the same two values, it has to answer the same";
            return Err(Error::new(who, what).help(help).into());
        }
    }
    rearrange(list, &places);
    Ok(())
}

/// The answer of a closure about two values.
enum Said {
    Order(Ordering),
    /// Whether the first value comes first.
    First(bool),
}

fn said_of(who: &str, context: &NativeCallContext, said: &Dynamic, left: &Dynamic, right: &Dynamic) -> Res<Said> {
    if let Ok(number) = said.as_int() {
        return Ok(Said::Order(number.cmp(&0)));
    }
    if let Ok(number) = said.as_float() {
        let Some(order) = number.partial_cmp(&0.0) else {
            let error = Error::new(who, format!("the closure gives NaN for {left} and {right}"));
            return Err(error.help("without a closure, and by a key, NaN comes last").into());
        };
        return Ok(Said::Order(order));
    }
    if let Ok(is_first) = said.as_bool() {
        return Ok(Said::First(is_first));
    }
    let error = Error::new(who, format!("the closure gives {} for {left} and {right}", kind(context, said)));
    let help =
        "of two values it gives a number below, at or above 0, or whether the first comes first; of one, its key";
    Err(error.help(help).into())
}

/// Whether a closure has one parameter, besides its captures.
fn takes_one(context: &NativeCallContext, closure: &FnPtr) -> bool {
    let captured = closure.curry().len();
    let has = |count: usize| {
        context.iter_namespaces().any(|module| module.get_script_fn(closure.fn_name(), captured + count).is_some())
    };
    has(1) && !has(2)
}

/// Returns the indices of the values in sorted order; `stays` is whether the first of two may stay before the second. The sort is
/// stable, and a closure that contradicts itself or throws does no harm.
fn merge_sort(list: &[Dynamic], stays: &mut dyn FnMut(&Dynamic, &Dynamic) -> Res<bool>) -> Res<Vec<usize>> {
    let mut places: Vec<usize> = (0..list.len()).collect();
    let mut width = 1;
    while width < places.len() {
        let mut merged = Vec::with_capacity(places.len());
        for run in places.chunks(2 * width) {
            let (mut left, mut right) = run.split_at(width.min(run.len()));
            while let ([a, others @ ..], [b, rest @ ..]) = (left, right) {
                if stays(&list[*a], &list[*b])? {
                    merged.push(*a);
                    left = others;
                } else {
                    merged.push(*b);
                    right = rest;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        places = merged;
        width *= 2;
    }
    Ok(places)
}

fn rearrange(list: &mut List, places: &[usize]) {
    *list = places.iter().map(|place| std::mem::take(&mut list[*place])).collect();
}

#[export_module]
mod sorting {
    /// Sorts the list in place, and returns it.
    ///
    /// Numbers are ordered by value, ints and floats together, and NaN comes last; texts by their characters, lists by their
    /// first value that differs. Values of different types have no order.
    ///
    /// also: sorted, list.sort
    ///
    /// ```rhai
    /// let xs = [3, 1.5, 2];
    /// xs.sort();
    /// xs                          //=> [1.5, 2, 3]
    /// [2.0, 0.0 / 0.0, 1.0].sort()    //=> [1.0, 2.0, NaN]
    /// [1, "a"].sort()             //=> error: sort: an int and a string have no order
    /// ```
    #[rhai_fn(name = "sort", return_raw)]
    pub fn sort(context: NativeCallContext, list: &mut List) -> Res<List> {
        super::by_value("sort", &context, list, false)?;
        Ok(list.clone())
    }

    /// Sorts the list in place by a closure, and returns it.
    ///
    /// A closure of one argument returns the sort key. A closure of two returns a number below, at or above 0 (`a - b`), or
    /// whether the first comes first (`a < b`). The sort is stable.
    ///
    /// also: sorted key, cmp_to_key, comparator, sort_by
    ///
    /// ```rhai
    /// [0.3, 0.1, 0.2].sort(|a, b| a - b)              //=> [0.1, 0.2, 0.3]
    /// ["ccc", "a", "bb"].sort(|word| word.len())      //=> ["a", "bb", "ccc"]
    /// [1, 3, 2].sort(|a, b| a > b)                    //=> [3, 2, 1]
    /// [1, 2].sort(|a, b| "less")                      //=> error: sort: the closure gives a string for 1 and 2
    /// ```
    #[rhai_fn(name = "sort", name = "sort_by", return_raw)]
    pub fn sort_by(context: NativeCallContext, list: &mut List, closure: FnPtr) -> Res<List> {
        super::by_closure("sort", &context, list, &closure)?;
        Ok(list.clone())
    }

    /// Sorts the list in place in descending order, NaN last, and returns it.
    ///
    /// also: reverse=True, descending
    ///
    /// ```rhai
    /// [3, 1, 2].sort_desc()       //=> [3, 2, 1]
    /// ```
    #[rhai_fn(name = "sort_desc", return_raw)]
    pub fn sort_desc(context: NativeCallContext, list: &mut List) -> Res<List> {
        super::by_value("sort_desc", &context, list, true)?;
        Ok(list.clone())
    }

    /// Returns a sorted copy, in the order of `sort`.
    ///
    /// also: sorted
    ///
    /// ```rhai
    /// let xs = [3, 1, 2];
    /// xs.order()                  //=> [1, 2, 3]
    /// xs                          //=> [3, 1, 2]
    /// ```
    #[rhai_fn(name = "order", pure, return_raw)]
    pub fn order(context: NativeCallContext, list: &mut List) -> Res<List> {
        let mut list = list.clone();
        super::by_value("order", &context, &mut list, false)?;
        Ok(list)
    }

    /// Returns a copy sorted by a closure: of one argument the key, of two the comparison.
    ///
    /// also: sorted key, argsort
    ///
    /// ```rhai
    /// [-3, 1, -2].order(|x| x.abs())      //=> [1, -2, -3]
    /// [1, 3, 2].order_by(|a, b| b - a)    //=> [3, 2, 1]
    /// ```
    #[rhai_fn(name = "order", name = "order_by", pure, return_raw)]
    pub fn order_by(context: NativeCallContext, list: &mut List, closure: FnPtr) -> Res<List> {
        let mut list = list.clone();
        super::by_closure("order", &context, &mut list, &closure)?;
        Ok(list)
    }

    /// Returns a copy in descending order, NaN last.
    ///
    /// ```rhai
    /// [3, 1, 2].order_desc()      //=> [3, 2, 1]
    /// ```
    #[rhai_fn(name = "order_desc", pure, return_raw)]
    pub fn order_desc(context: NativeCallContext, list: &mut List) -> Res<List> {
        let mut list = list.clone();
        super::by_value("order_desc", &context, &mut list, true)?;
        Ok(list)
    }

    /// Reverses the list in place, and returns it.
    ///
    /// also: reversed, flip
    ///
    /// ```rhai
    /// [1, 2, 3].reverse()         //=> [3, 2, 1]
    /// ```
    pub fn reverse(list: &mut List) -> List {
        list.reverse();
        list.clone()
    }
}

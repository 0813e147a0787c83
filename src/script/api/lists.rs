//! List verbs that call a closure for each value. An answer that is neither true nor false is an error.

use super::sorting::kind;
use crate::progress;
use crate::script::language::{Unequal, equal_values};
use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    host.module(exported_module!(asking));
}

/// Calls the closure for each value in turn, until `see` returns false.
fn ask(
    who: &str,
    context: &NativeCallContext,
    list: &mut [Dynamic],
    from: usize,
    closure: &FnPtr,
    mut see: impl FnMut(usize, bool) -> bool,
) -> Res<()> {
    for (index, value) in list.iter_mut().enumerate().skip(from) {
        if !see(index, holds(who, context, value, index, closure)?) {
            break;
        }
    }
    Ok(())
}

fn holds(who: &str, context: &NativeCallContext, value: &mut Dynamic, index: usize, closure: &FnPtr) -> Res<bool> {
    let place = Dynamic::from(INT::try_from(index).unwrap_or(INT::MAX));
    let said = closure.call_raw_with_extra_args(who, context, Some(value), [], [place], Some(0))?;
    truth(who, context, &said)
}

pub fn truth(who: &str, context: &NativeCallContext, said: &Dynamic) -> Res<bool> {
    said.as_bool().map_err(|_| {
        let error = Error::new(who, format!("the closure gives {}, not true or false", kind(context, said)));
        error.help("compare: `x != 0`, `!xs.is_empty()`, `x != ()`").into()
    })
}

/// Start index of a search; a negative index counts from the end.
fn start(list: &List, from: INT) -> usize {
    let place = if from < 0 { (list.len() as INT).saturating_add(from).max(0) } else { from };
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// Splits off the values for which the closure returns `wanted`.
fn part(who: &str, context: &NativeCallContext, list: &mut List, closure: &FnPtr, wanted: bool) -> Res<List> {
    let mut out = Vec::with_capacity(list.len());
    ask(who, context, list, 0, closure, |_, said| {
        out.push(said == wanted);
        true
    })?;
    let mut out = out.into_iter();
    Ok(list.extract_if(.., |_| out.next().unwrap_or(false)).collect())
}

#[export_module]
mod asking {
    /// Returns the values for which the closure returns `true`.
    ///
    /// The closure takes a value, or a value and its index.
    ///
    /// also: list comprehension if
    ///
    /// ```rhai
    /// [1, 2, 3, 4].filter(|x| x % 2 == 0)     //=> [2, 4]
    /// [1, 2].filter(|x| x)                    //=> error: filter: the closure gives an int, not true or false
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn filter(context: NativeCallContext, list: &mut List, closure: FnPtr) -> Res<List> {
        let (mut kept, mut unequal) = (Vec::with_capacity(list.len()), Unequal::default());
        unequal.begin();
        super::ask("filter", &context, list, 0, &closure, |_, said| {
            kept.push(said);
            unequal.end(said);
            unequal.begin();
            true
        })?;
        if let Some(message) = unequal.message(context.engine()) {
            progress::warn("filter", message);
        }
        Ok(list.iter().zip(kept).filter(|(_, kept)| *kept).map(|(value, _)| value.clone()).collect())
    }

    /// Returns whether the closure returns `true` for any value.
    ///
    /// also: any
    ///
    /// ```rhai
    /// [1, 2, 3].some(|x| x > 2)       //=> true
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn some(context: NativeCallContext, list: &mut List, closure: FnPtr) -> Res<bool> {
        let mut found = false;
        super::ask("some", &context, list, 0, &closure, |_, said| {
            found = said;
            !said
        })?;
        Ok(found)
    }

    /// Returns whether the closure returns `true` for every value.
    ///
    /// ```rhai
    /// [1, 2, 3].all(|x| x > 2)        //=> false
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn all(context: NativeCallContext, list: &mut List, closure: FnPtr) -> Res<bool> {
        let mut whole = true;
        super::ask("all", &context, list, 0, &closure, |_, said| {
            whole = said;
            said
        })?;
        Ok(whole)
    }

    /// Returns the first value for which the closure returns `true`; `()` if there is none.
    ///
    /// also: next
    ///
    /// ```rhai
    /// [1, 5, 7].find(|x| x > 2)       //=> 5
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn find(context: NativeCallContext, list: &mut List, closure: FnPtr) -> Res<Dynamic> {
        find_from(context, list, closure, 0)
    }

    /// Returns the first value from index `start` on for which the closure returns `true`; `()` if there is none.
    ///
    /// ```rhai
    /// [1, 5, 7].find(|x| x > 2, 2)    //=> 7
    /// ```
    #[rhai_fn(name = "find", pure, return_raw)]
    pub fn find_from(context: NativeCallContext, list: &mut List, closure: FnPtr, start: INT) -> Res<Dynamic> {
        let mut found = None;
        let from = super::start(list, start);
        super::ask("find", &context, list, from, &closure, |index, said| {
            found = said.then_some(index);
            !said
        })?;
        Ok(found.map_or(Dynamic::UNIT, |index| list[index].clone()))
    }

    /// Returns the index of the first value for which the closure returns `true`; -1 if there is none.
    ///
    /// ```rhai
    /// [1, 5, 7].index_of(|x| x > 2)   //=> 1
    /// ```
    #[rhai_fn(name = "index_of", pure, return_raw)]
    pub fn index_of(context: NativeCallContext, list: &mut List, closure: FnPtr) -> Res<INT> {
        index_of_from(context, list, closure, 0)
    }

    /// Returns the index of the first value from `start` on for which the closure returns `true`; -1 if there is none.
    ///
    /// ```rhai
    /// [1, 5, 7].index_of(|x| x > 2, 2)    //=> 2
    /// ```
    #[rhai_fn(name = "index_of", pure, return_raw)]
    pub fn index_of_from(context: NativeCallContext, list: &mut List, closure: FnPtr, start: INT) -> Res<INT> {
        let mut found = -1;
        let from = super::start(list, start);
        super::ask("index_of", &context, list, from, &closure, |index, said| {
            found = if said { index as INT } else { -1 };
            !said
        })?;
        Ok(found)
    }

    /// Calls the closure with each value in turn.
    ///
    /// The closure takes a value, or a value and its index. Without parameters it has the value in `this`, and may change it
    /// there.
    ///
    /// also: forEach, for in, enumerate
    ///
    /// ```rhai
    /// let sum = 0;
    /// [5, 6, 7].for_each(|x| sum += x);
    /// sum                             //=> 18
    /// let xs = [5, 6, 7];
    /// xs.for_each(|| this *= 2);
    /// xs                              //=> [10, 12, 14]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn for_each(context: NativeCallContext, list: &mut List, closure: FnPtr) -> Res<()> {
        for (index, value) in list.iter_mut().enumerate() {
            let place = Dynamic::from(INT::try_from(index).unwrap_or(INT::MAX));
            drop(closure.call_raw_with_extra_args("for_each", &context, Some(value), [], [place], Some(0))?);
        }
        Ok(())
    }

    /// Calls the closure with each key and its value, in the order of the keys.
    ///
    /// ```rhai
    /// let total = 0;
    /// #{ a: 1, b: 2 }.for_each(|key, value| total += value);
    /// total                           //=> 3
    /// ```
    #[rhai_fn(name = "for_each", return_raw)]
    pub fn for_each_entry(context: NativeCallContext, map: &mut Map, closure: FnPtr) -> Res<()> {
        for (key, value) in map.iter_mut() {
            drop(closure.call_raw_with_extra_args("for_each", &context, Some(value), [key.into()], [], Some(1))?);
        }
        Ok(())
    }

    /// Removes the values for which the closure returns `true`, and returns them.
    ///
    /// ```rhai
    /// let xs = [1, 2, 3, 4];
    /// xs.drain(|x| x < 3)             //=> [1, 2]
    /// xs                              //=> [3, 4]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn drain(context: NativeCallContext, list: &mut List, closure: FnPtr) -> Res<List> {
        super::part("drain", &context, list, &closure, true)
    }

    /// Keeps the values for which the closure returns `true`, and returns the others.
    ///
    /// ```rhai
    /// let xs = [1, 2, 3, 4];
    /// xs.retain(|x| x < 3)            //=> [3, 4]
    /// xs                              //=> [1, 2]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn retain(context: NativeCallContext, list: &mut List, closure: FnPtr) -> Res<List> {
        super::part("retain", &context, list, &closure, false)
    }

    /// Removes the value at an index, and returns it. A negative index counts from the end.
    ///
    /// also: pop, del, list.remove
    ///
    /// ```rhai
    /// let xs = [5, 6, 7];
    /// xs.remove(1)                    //=> 6
    /// xs                              //=> [5, 7]
    /// xs.remove(7)                    //=> error: remove: index 7 of a list of 2
    /// ```
    #[rhai_fn(name = "remove", return_raw)]
    pub fn remove_at(list: &mut List, place: INT) -> Res<Dynamic> {
        let at = if place < 0 { place.saturating_add(list.len() as INT) } else { place };
        match usize::try_from(at).ok().filter(|at| *at < list.len()) {
            Some(at) => Ok(list.remove(at)),
            None => Err(Error::new("remove", format!("index {place} of a list of {}", list.len()))
                .help("it takes a place; values that are equal: `xs.retain(|x| x != value)`")
                .into()),
        }
    }

    /// Removes values equal to the one before them, in place, and returns the list.
    ///
    /// also: unique, groupby
    ///
    /// ```rhai
    /// [1, 1, 2, 1].dedup()            //=> [1, 2, 1]
    /// [2, 1, 2].sort().dedup()        //=> [1, 2]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn dedup(context: NativeCallContext, list: &mut List) -> Res<List> {
        without_repeats(list, |first, next| equal_values(&context, first, next))
    }

    /// Removes values that the closure calls equal to the one before them, in place, and returns the list.
    ///
    /// ```rhai
    /// ["a", "A", "b"].dedup(|first, next| first.to_lower() == next.to_lower())    //=> ["a", "b"]
    /// ```
    #[rhai_fn(name = "dedup", return_raw)]
    pub fn dedup_by(context: NativeCallContext, list: &mut List, closure: FnPtr) -> Res<List> {
        without_repeats(list, |first, next| {
            super::truth("dedup", &context, &closure.call_raw(&context, None, [first.clone(), next.clone()])?)
        })
    }

    fn without_repeats(list: &mut List, same: impl Fn(&Dynamic, &Dynamic) -> Res<bool>) -> Res<List> {
        let mut kept = List::new();
        for value in list.iter() {
            let repeats = match kept.last() {
                Some(last) => same(last, value)?,
                None => false,
            };
            if !repeats {
                kept.push(value.clone());
            }
        }
        *list = kept;
        Ok(list.clone())
    }
}

//! Closures over rows: on all threads where they are pure, in row order.

use super::value::{RowCollector, row};
use crate::data::step::Step;
use crate::data::stream::{InOrder, Walk};
use crate::data::{Dataset, Stream, TableBuilder};
use crate::script::prelude::*;
use crate::script::{Purity, Unequal, carried, current, purity};
use crate::token::Tokenizer;
use crate::{progress, tasks};
use rhai::{Engine, GlobalRuntimeState, Position};
use std::sync::Arc;

/// Rows of a dataset that a thread takes at a time.
const ROWS: usize = 1024;
/// From this many rows on, a message reports that a closure runs on one thread.
const MANY: usize = 10_000;

/// A closure of a script, with the state to call it later.
pub struct Closure {
    who: &'static str,
    call: FnPtr,
    global: GlobalRuntimeState,
    position: Position,
    /// Why it runs on one thread, if it does.
    purity: Purity,
}

impl Closure {
    pub fn new(who: &'static str, context: &NativeCallContext, call: FnPtr) -> Closure {
        let global = context.global_runtime_state().clone();
        let purity = purity(&call, &global.lib, &|value| value.is::<Dataset>() || value.is::<Tokenizer>());
        Closure { who, call, global, position: context.call_position(), purity }
    }

    /// Its identity: its source and the values it captures.
    fn identity(&self) -> String {
        let name = self.call.fn_name();
        let functions = self.global.lib.iter().flat_map(|module| module.iter_script_fn_info());
        let mut named = functions.filter(|(_, _, known, ..)| *known == name);
        let body = named.next().map(|(.., function)| format!("{:?}", function.body));
        format!("{body:?} {:?}", self.call.curry())
    }

    /// The closure for one thread, with its own copies of the captured values: a method of a list or a map locks it, and a
    /// concurrent access by another thread would fail. An impure closure keeps the script's values.
    fn own(&self) -> FnPtr {
        if self.purity.is_some() { self.call.clone() } else { separate(&self.call) }
    }

    fn one(&self, call: &FnPtr, engine: &Engine, data: &Dataset, at: usize) -> Res<Dynamic> {
        let context = NativeCallContext::new_with_all_fields(engine, self.who, None, &self.global, self.position);
        call.call_within_context(&context, (row(self.who, data, at)?,))
    }

    /// Maps rows of `data`; `first` is the number of its first row in errors.
    fn map(&self, engine: &Engine, data: &Dataset, first: usize) -> Res<Mapped> {
        let name = if data.is_bare() { &data.fields()[0] } else { "value" };
        let mut made = RowCollector::new(name).from(first);
        let call = self.own();
        for at in 0..data.len() {
            crate::cancel::check()?;
            made.push(self.who, &self.one(&call, engine, data, at)?)?;
        }
        Ok(Mapped { is_bare: made.is_bare(), rows: made.finish() })
    }

    /// Rows of `data` for which the closure returns true.
    fn kept(&self, engine: &Engine, data: &Dataset, first: usize) -> Res<Vec<usize>> {
        let (mut kept, mut unequal, call) = (Vec::new(), Unequal::default(), self.own());
        for at in 0..data.len() {
            crate::cancel::check()?;
            unequal.begin();
            let answer = self.one(&call, engine, data, at)?;
            let Ok(keeps) = answer.as_bool() else {
                let what = type_in_words(&answer);
                bail!(self.who, "row {}: the closure gave {what}, not true or false", first + at)
            };
            unequal.end(keeps);
            kept.extend(keeps.then_some(at));
        }
        if let Some(message) = unequal.message(engine).filter(|_| first == 0) {
            progress::warn(self.who, message);
        }
        Ok(kept)
    }

    /// Applies `work` to parts of the rows, in order.
    fn parts<R: Send>(&self, data: &Dataset, work: &(dyn Fn(&Dataset, usize) -> Res<R> + Sync)) -> Res<Vec<R>> {
        let length = match &self.purity {
            None => ROWS,
            Some(why) => {
                self.tell(why, data.len());
                data.len()
            }
        };
        tasks::try_map(tasks::ranges(data.len(), length), &|_, rows| {
            work(&data.slice(rows.start, rows.end), rows.start)
        })
    }

    fn tell(&self, why: &str, rows: usize) {
        if rows >= MANY {
            progress::warn(self.who, format!("the closure runs on one thread, since {why}"));
        }
    }
}

/// Copies a closure and the values it captures, deeply. Lists and maps are shared among its calls, which would copy them each
/// time otherwise.
fn separate(call: &FnPtr) -> FnPtr {
    fn copy(value: &Dynamic) -> Dynamic {
        let value = value.flatten_clone();
        if let Ok(items) = value.as_array_ref() {
            return items.iter().map(copy).collect::<List>().into();
        }
        if let Ok(items) = value.as_map_ref() {
            return items.iter().map(|(name, item)| (name.clone(), copy(item))).collect::<Map>().into();
        }
        if let Some(closure) = value.read_lock::<FnPtr>() {
            return Dynamic::from(separate(&closure));
        }
        value
    }
    let mut own = call.clone();
    let copies = call.curry().iter().map(|value| {
        let copy = copy(value);
        if copy.is_array() || copy.is_map() { copy.into_shared() } else { copy }
    });
    own.set_curry(copies.collect::<Vec<_>>());
    own
}

/// Rows that a closure returned.
struct Mapped {
    rows: Dataset,
    is_bare: bool,
}

/// Joins the results of parts, which must be all maps or all plain values.
fn whole(who: &str, parts: Vec<Mapped>) -> Res<Dataset> {
    let mut all = TableBuilder::default();
    let mut bare = None;
    for part in parts {
        if *bare.get_or_insert(part.is_bare) != part.is_bare {
            let is = if part.is_bare { "not a map" } else { "a map" };
            bail!(who, "row {} is {is}, unlike those before it", all.rows());
        }
        all.append(&part.rows.gathered()).map_err(|error| error.attributed_to(who))?;
    }
    let made = Dataset::from(all.finish());
    Ok(if bare == Some(true) { made.into_bare() } else { made })
}

/// `data.map(closure)`.
pub fn map(context: &NativeCallContext, data: &Dataset, change: FnPtr) -> Res<Dataset> {
    let closure = Closure::new("map", context, change);
    let engine = context.engine();
    whole("map", closure.parts(data, &|rows, first| closure.map(engine, rows, first))?)
}

/// `data.filter(closure)`.
pub fn filter(context: &NativeCallContext, data: &Dataset, keep: FnPtr) -> Res<Dataset> {
    let closure = Closure::new("filter", context, keep);
    let engine = context.engine();
    let kept = closure.parts(data, &|rows, first| {
        Ok(closure.kept(engine, rows, first)?.into_iter().map(|at| first + at).collect::<Vec<_>>())
    })?;
    Ok(data.pick(kept.into_iter().flatten()))
}

/// What a closure of a stream does with rows.
#[derive(Clone, Copy, PartialEq)]
pub enum Does {
    Map,
    Filter,
}

struct ClosureStep {
    closure: Closure,
    does: Does,
    identity: String,
}

impl ClosureStep {
    fn run(&self, engine: &Engine, rows: &Dataset, first: usize) -> crate::Result<Dataset> {
        let who = self.closure.who;
        let done = match self.does {
            Does::Map => self.closure.map(engine, rows, first).map(|made| match made.is_bare {
                true => made.rows.into_bare(),
                false => made.rows,
            }),
            Does::Filter => self.closure.kept(engine, rows, first).map(|kept| rows.pick(kept)),
        };
        done.map_err(|fault| carried(who, fault))
    }

    fn outside(&self) -> Error {
        Error::new(self.closure.who, "a stream with a closure is read outside of its script")
    }
}

impl Step for ClosureStep {
    fn label(&self) -> String {
        self.closure.who.to_string()
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn apply(&self, rows: Dataset, first: usize) -> crate::Result<Dataset> {
        current::engine(|engine| self.run(engine.ok_or_else(|| self.outside())?, &rows, first))
    }

    fn apply_all(&self, parts: Vec<(usize, Dataset)>) -> Vec<crate::Result<Dataset>> {
        current::engine(|engine| match engine {
            Some(engine) => tasks::map(parts, &|_, (first, rows)| self.run(engine, &rows, first)),
            None => vec![Err(self.outside())],
        })
    }
}

impl InOrder for ClosureStep {
    fn label(&self) -> String {
        Step::label(self)
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn begin(self: Arc<Self>, _: &Stream) -> crate::Result<Walk> {
        let (step, mut seen, mut told) = (self, 0, false);
        Ok(Box::new(move |rows| {
            let first = seen;
            seen += rows.len();
            if let Some(why) = step.closure.purity.as_ref().filter(|_| seen >= MANY && !told) {
                told = true;
                step.closure.tell(why, seen);
            }
            step.apply(rows, first)
        }))
    }
}

/// Wraps a filter closure as a step; rejects one that accesses more than its row, since that state is lost when work is
/// interrupted.
pub fn keeping(who: &'static str, context: &NativeCallContext, keep: FnPtr) -> Res<Arc<dyn Step>> {
    let closure = Closure::new(who, context, keep);
    if let Some(why) = &closure.purity {
        bail!(who, "the closure of a rule looks at its row alone, and {why}");
    }
    let identity = closure.identity();
    Ok(Arc::new(ClosureStep { closure, does: Does::Filter, identity }))
}

/// `stream.map(closure)`, `stream.filter(closure)`.
pub fn of_stream(context: &NativeCallContext, stream: &Stream, call: FnPtr, does: Does) -> Stream {
    let closure = Closure::new(if does == Does::Map { "map" } else { "filter" }, context, call);
    let identity = closure.identity();
    let is_pure = closure.purity.is_none();
    let step = Arc::new(ClosureStep { closure, does, identity });
    if is_pure { stream.through(step) } else { stream.in_order(step) }
}

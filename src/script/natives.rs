//! Functions registered by a host application, whose panics are attributed to it.

use super::abroad::Abroad;
use super::fault::{Res, panicked};
use rhai::{
    Dynamic, Engine, FuncInfo, FuncRegistration, Identifier, NativeCallContext, RhaiFunc, RhaiNativeFunc, Shared,
    Variant,
};
use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The engine of a runtime, for registering types and functions as described in the Rhai book. A panic in a function registered
/// here is a fault at the script's line, with the cause [`Cause::Host`](super::Cause::Host).
pub struct Natives<'a>(&'a mut Engine);

impl Deref for Natives<'_> {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        self.0
    }
}

impl DerefMut for Natives<'_> {
    fn deref_mut(&mut self) -> &mut Engine {
        self.0
    }
}

impl<'a> Natives<'a> {
    pub(super) fn new(engine: &'a mut Engine) -> Natives<'a> {
        Natives(engine)
    }

    /// Registers a function, a method (its first parameter is `&mut`) or an operator.
    pub fn register_fn<A: 'static, const N: usize, const X: bool, R: Variant + Clone, const F: bool>(
        &mut self,
        name: impl Into<Identifier>,
        func: impl RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
    ) -> &mut Self {
        let name = name.into();
        self.register(FuncRegistration::new(name.clone()), &name, func)
    }

    /// Registers a type under its Rust name.
    pub fn register_type<T: Variant + Clone>(&mut self) -> &mut Self {
        self.0.register_type::<T>();
        self
    }

    /// Registers a type under a display name for messages.
    pub fn register_type_with_name<T: Variant + Clone>(&mut self, name: &str) -> &mut Self {
        self.0.register_type_with_name::<T>(name);
        self
    }

    /// Registers a property getter.
    pub fn register_get<A: 'static, const X: bool, R: Variant + Clone, const F: bool>(
        &mut self,
        name: &str,
        get: impl RhaiNativeFunc<A, 1, X, R, F> + Send + Sync + 'static,
    ) -> &mut Self {
        self.register(FuncRegistration::new_getter(name), name, get)
    }

    /// Registers a property setter.
    pub fn register_set<A: 'static, const X: bool, R: Variant + Clone, const F: bool>(
        &mut self,
        name: &str,
        set: impl RhaiNativeFunc<A, 2, X, R, F> + Send + Sync + 'static,
    ) -> &mut Self {
        self.register(FuncRegistration::new_setter(name), name, set)
    }

    /// Registers a property getter and setter.
    #[rustfmt::skip]
    pub fn register_get_set<
        A: 'static, const X: bool, R: Variant + Clone, const F: bool,
        B: 'static, const Y: bool, S: Variant + Clone, const G: bool,
    >(
        &mut self,
        name: &str,
        get: impl RhaiNativeFunc<A, 1, X, R, F> + Send + Sync + 'static,
        set: impl RhaiNativeFunc<B, 2, Y, S, G> + Send + Sync + 'static,
    ) -> &mut Self {
        self.register_get(name, get).register_set(name, set)
    }

    /// Registers a getter for `value[index]`.
    pub fn register_indexer_get<A: 'static, const X: bool, R: Variant + Clone, const F: bool>(
        &mut self,
        get: impl RhaiNativeFunc<A, 2, X, R, F> + Send + Sync + 'static,
    ) -> &mut Self {
        self.register(FuncRegistration::new_index_getter(), "[]", get)
    }

    /// Registers a setter for `value[index]`.
    pub fn register_indexer_set<A: 'static, const X: bool, R: Variant + Clone, const F: bool>(
        &mut self,
        set: impl RhaiNativeFunc<A, 3, X, R, F> + Send + Sync + 'static,
    ) -> &mut Self {
        self.register(FuncRegistration::new_index_setter(), "[]", set)
    }

    /// Registers a getter and setter for `value[index]`.
    #[rustfmt::skip]
    pub fn register_indexer_get_set<
        A: 'static, const X: bool, R: Variant + Clone, const F: bool,
        B: 'static, const Y: bool, S: Variant + Clone, const G: bool,
    >(
        &mut self,
        get: impl RhaiNativeFunc<A, 2, X, R, F> + Send + Sync + 'static,
        set: impl RhaiNativeFunc<B, 3, Y, S, G> + Send + Sync + 'static,
    ) -> &mut Self {
        self.register_indexer_get(get).register_indexer_set(set)
    }

    fn register<A: 'static, const N: usize, const X: bool, R: Variant + Clone, const F: bool>(
        &mut self,
        registration: FuncRegistration,
        name: &str,
        func: impl RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
    ) -> &mut Self {
        registration.register_into_engine(self.0, Guarded { func, name: name.to_string() });
        self
    }
}

/// A function whose panic becomes a script error.
struct Guarded<T> {
    func: T,
    name: String,
}

/// A function as the engine stores it.
type Native = dyn Fn(Option<NativeCallContext>, &mut [&mut Dynamic]) -> Res<Dynamic> + Send + Sync;

impl<T> Guarded<T> {
    fn guard(name: String, func: Shared<Native>) -> Shared<Native> {
        Shared::new(move |context: Option<NativeCallContext>, args: &mut [&mut Dynamic]| {
            let _call = Abroad::enter(&name);
            match catch_unwind(AssertUnwindSafe(|| func(context, args))) {
                Ok(result) => result,
                Err(panic) => Err(panicked(&name, &text(&*panic))),
            }
        })
    }
}

impl<A: 'static, const N: usize, const X: bool, R: 'static, const F: bool, T: RhaiNativeFunc<A, N, X, R, F>>
    RhaiNativeFunc<A, N, X, R, F> for Guarded<T>
{
    fn into_rhai_function(self, is_pure: bool, is_volatile: bool) -> RhaiFunc {
        let name = self.name;
        match self.func.into_rhai_function(is_pure, is_volatile) {
            RhaiFunc::Pure { func, has_context, is_pure, is_volatile } => {
                RhaiFunc::Pure { func: Self::guard(name, func), has_context, is_pure, is_volatile }
            }
            RhaiFunc::Method { func, has_context, is_pure, is_volatile } => {
                RhaiFunc::Method { func: Self::guard(name, func), has_context, is_pure, is_volatile }
            }
            other => other,
        }
    }

    fn param_types() -> [TypeId; N] {
        T::param_types()
    }

    fn param_names() -> [&'static str; N] {
        T::param_names()
    }
}

/// The text of a panic.
pub fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no message").to_string()
}

thread_local! {
    /// The host application's closure that panicked, and its message, until the script's starter reads them.
    static BLAMED: RefCell<Option<(&'static str, String)>> = const { RefCell::new(None) };
}

/// Calls a closure of the application that receives a script's output or supplies its input. Its panic ends the script.
pub fn call<T>(what: &'static str, closure: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(closure)).unwrap_or_else(|panic| {
        BLAMED.with(|blamed| blamed.replace(Some((what, text(&*panic)))));
        resume_unwind(panic)
    })
}

/// The closure of the application that caused a panic.
pub fn blamed() -> Option<(&'static str, String)> {
    BLAMED.with(|blamed| blamed.take())
}

/// A function by name and parameter types.
type Signature = (String, Vec<TypeId>);

/// Number of registrations of each function that scripts can call without a module.
pub fn known(engine: &Engine) -> HashMap<Signature, usize> {
    let function = |info: FuncInfo| {
        let facts = info.metadata;
        let is_open = info.script.is_none() && info.namespace.is_empty();
        is_open.then(|| (facts.name.to_string(), facts.param_types.to_vec()))
    };
    let mut counts = HashMap::new();
    for signature in engine.collect_fn_metadata(None, function, false) {
        *counts.entry(signature).or_insert(0) += 1;
    }
    counts
}

/// The name of a function that existed `before` and that another now shadows for some parameter types. An application may define
/// for its own type a function that levain has for all types.
pub fn hidden(before: &HashMap<Signature, usize>, engine: &Engine) -> Option<String> {
    let any = TypeId::of::<Dynamic>();
    let kinds: HashSet<&TypeId> = before.keys().flat_map(|(_, types)| types).collect();
    let takes = |(known, wide): &Signature, (name, types): &Signature| {
        let meets = |(wide, own): (&TypeId, &TypeId)| wide == own || *wide == any && kinds.contains(own);
        known == name && wide.len() == types.len() && wide.iter().zip(types).all(meets)
    };
    let is_new = |(signature, count): &(Signature, usize)| before.get(signature).is_none_or(|before| count > before);
    let new = known(engine).into_iter().filter(is_new).map(|(signature, _)| signature);
    new.filter(|new| before.keys().any(|known| takes(known, new))).map(|(name, _)| name).min()
}

//! Forms without options: for a native verb whose last parameter is `options`, the host adds the form without it.

use super::Res;
use super::language::{ASSIGNED, Pairs};
use rhai::{
    Dynamic, Engine, FnAccess, FuncInfo, FuncRegistration, ImmutableString, Map, Module, NativeCallContext, RhaiFunc,
    Shared,
};
use std::any::TypeId;
use std::collections::HashMap;

/// A native function as in the engine's metadata.
struct Form {
    name: String,
    types: Vec<TypeId>,
    /// `x: &mut Tensor`, …, with the return type last.
    infos: Vec<String>,
    comments: Vec<String>,
    takes_options: bool,
    is_setter: bool,
}

/// The engine's prefix of property setters.
const SETTER: &str = "set$";

impl Form {
    fn of(info: FuncInfo) -> Option<Form> {
        let facts = info.metadata;
        let is_verb = facts.name.starts_with(|c: char| c.is_alphabetic() || c == '_') && !facts.name.contains('$');
        let is_setter = facts.name.starts_with(SETTER);
        if !(is_verb || is_setter) || facts.access != FnAccess::Public || info.script.is_some() {
            return None;
        }
        let last = facts.params_info.get(facts.param_types.len().wrapping_sub(1));
        let is_called = last.and_then(|info| info.split(':').next()).is_some_and(|name| name.trim() == "options");
        let takes_options = is_called && facts.param_types.last() == Some(&TypeId::of::<Map>());
        // strings that are only needed when a form is made; the prompt waits for this
        let infos = facts.params_info.iter().map(ToString::to_string).chain([facts.return_type.to_string()]);
        Some(Form {
            name: facts.name.to_string(),
            types: facts.param_types.to_vec(),
            infos: infos.take(if takes_options { usize::MAX } else { 0 }).collect(),
            comments: facts.comments.iter().filter(|_| takes_options).map(ToString::to_string).collect(),
            takes_options,
            is_setter,
        })
    }

    /// Whether it already accepts the calls of `other` without its options.
    fn stands_for(&self, other: &Form) -> bool {
        let any = TypeId::of::<Dynamic>();
        let meets = |(own, wanted): (&TypeId, &TypeId)| own == wanted || *own == any;
        self.name == other.name
            && self.types.len() + 1 == other.types.len()
            && self.types.iter().zip(&other.types).all(meets)
    }

    /// Registers the form without options.
    fn make(&self, module: &mut Module) {
        let count = self.types.len() - 1;
        let is_method = count > 0 && self.infos[0].replace("& mut", "&mut").contains("&mut ");
        let name = self.name.clone();
        let call = move |context: Option<NativeCallContext>, given: &mut [&mut Dynamic]| -> Res<Dynamic> {
            let Some(context) = context else { return Ok(Dynamic::UNIT) };
            let mut options = Dynamic::from(Map::new());
            let mut all: Vec<&mut Dynamic> = given.iter_mut().map(|argument| &mut **argument).collect();
            all.push(&mut options);
            context.call_native_fn_raw(&name, is_method, &mut all)
        };
        let (func, has_context, is_pure, is_volatile) = (Shared::new(call), true, true, true);
        let func = match is_method {
            // the verb itself decides whether it may be called on a constant
            true => RhaiFunc::Method { func, has_context, is_pure, is_volatile },
            false => RhaiFunc::Pure { func, has_context, is_pure, is_volatile },
        };
        let mut infos = self.infos.clone();
        infos.remove(count);
        FuncRegistration::new(self.name.as_str())
            .with_comments(&self.comments)
            .with_params_info(&infos)
            .set_into_module_raw(module, &self.types[..count], func);
    }
}

/// Registers a setter under the marked name of an assigned property (see `language::keys`).
pub fn assigned(module: &mut Module, setter: &str, types: &[TypeId]) {
    let name = setter.to_string();
    let call = move |context: Option<NativeCallContext>, given: &mut [&mut Dynamic]| -> Res<Dynamic> {
        let Some(context) = context else { return Ok(Dynamic::UNIT) };
        context.call_native_fn_raw(&name, true, given)
    };
    // the setter itself decides whether it may be called on a constant
    let func = RhaiFunc::Method { func: Shared::new(call), has_context: true, is_pure: true, is_volatile: true };
    FuncRegistration::new(format!("{setter}{ASSIGNED}")).set_into_module_raw(module, types, func);
}

/// Registers a host program's functions, and the setters that assigned properties of its types need.
pub fn of_host(engine: &mut Engine, register: impl FnOnce(&mut Engine)) {
    let text = [TypeId::of::<ImmutableString>(), TypeId::of::<&str>(), TypeId::of::<String>()];
    let is_by_key = |info: FuncInfo| {
        let types = &info.metadata.param_types;
        let by_key = info.metadata.name == "index$set$" && types.get(1).is_some_and(|key| text.contains(key));
        by_key.then_some(())
    };
    let own = engine.collect_fn_metadata(None, is_by_key, false).len();
    register(engine);
    let setter = |info: FuncInfo| {
        let name = info.metadata.name.as_str();
        (name.starts_with(SETTER) && !name.ends_with(ASSIGNED)).then(|| name.to_string())
    };
    let mut names = engine.collect_fn_metadata(None, setter, false);
    names.sort_unstable();
    names.dedup();
    let mut module = Module::new();
    for name in names {
        assigned(&mut module, &name, &[TypeId::of::<Dynamic>(); 2]);
    }
    engine.register_global_module(module.into());
    // properties that are keys of such a type have no mark, and neither do those of maps: a new key is `m[key] = value`
    if engine.collect_fn_metadata(None, is_by_key, false).len() > own {
        engine.set_default_tag(true);
    }
}

/// Verbs by name and parameter count, and whether the last parameter is options in every form.
pub type Verbs = HashMap<(String, usize), bool>;

/// Adds the missing forms without options to a noun's module, and records its verbs.
pub fn without_options(module: Module, verbs: &mut Verbs, pairs: &Pairs) -> Module {
    let shared = Shared::new(module);
    let mut engine = Engine::new_raw();
    engine.register_global_module(shared.clone());
    let read = |info: FuncInfo| {
        pairs.note(&info.metadata.name, &info.metadata.param_types);
        Form::of(info)
    };
    let forms: Vec<Form> = engine.collect_fn_metadata(None, read, false);
    drop(engine);
    let mut module = Shared::unwrap_or_clone(shared);
    for form in &forms {
        if form.is_setter {
            assigned(&mut module, &form.name, &form.types);
            continue;
        }
        let all = verbs.entry((form.name.clone(), form.types.len())).or_insert(true);
        *all &= form.takes_options;
    }
    for form in forms.iter().filter(|form| form.takes_options) {
        if !forms.iter().any(|other| other.stands_for(form)) {
            form.make(&mut module);
        }
    }
    module
}

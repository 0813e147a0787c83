//! Keys of maps. Reading a missing key is an error; assigning creates it: `m.key = value`, `m[key] = value`.
//!
//! Rhai calls one function for a missing key, whether it is read or written. Therefore assigned properties have a mark
//! after their name, which no script can write (see `compile`): their keys are created. A key in brackets is created by
//! the setter that Rhai calls next; a read is the error.

use super::missing::{ASSIGNED, missing};
use crate::script::Res;
use crate::script::explain::explain;
use crate::script::sources::Names;
use rhai::{
    Dynamic, Engine, EvalAltResult, FuncRegistration, ImmutableString, Map, Module, NativeCallContext, Position,
    RhaiFunc, Shared, Target,
};
use std::any::TypeId;
use std::cell::Cell;

const GET: &str = "index$get$";
const SET: &str = "index$set$";

thread_local! {
    /// `m[key] += 1` has read a missing key.
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

pub fn install(engine: &mut Engine) {
    engine.set_fail_on_invalid_map_property(true);
    engine.on_map_missing_property(|map, name, context| {
        if let Some(name) = name.strip_suffix(ASSIGNED) {
            return map.entry(name.into()).or_insert(Dynamic::UNIT).try_into();
        }
        match caught(map, name, context.engine()) {
            Some(value) => Ok(Target::TempValue(value)),
            None => Err(EvalAltResult::ErrorIndexingType(missing(map, name), Position::NONE).into()),
        }
    });
    let mut module = Module::new();
    let any = TypeId::of::<Dynamic>();
    let text = TypeId::of::<ImmutableString>();
    let method = |call: fn(&NativeCallContext, &mut [&mut Dynamic]) -> Res<Dynamic>, is_pure: bool| {
        let call = move |context: Option<NativeCallContext>, args: &mut [&mut Dynamic]| match context {
            Some(context) => call(&context, args),
            None => Ok(Dynamic::UNIT),
        };
        RhaiFunc::Method { func: Shared::new(call), has_context: true, is_pure, is_volatile: true }
    };
    // before a change in place: only for non-maps and missing keys
    FuncRegistration::new(GET).set_into_module_raw(&mut module, [any, text], method(get, true));
    FuncRegistration::new(SET).set_into_module_raw(&mut module, [any, text, any], method(set, false));
    // `for key in map`
    module.set_iter(TypeId::of::<Map>(), |map: Dynamic| {
        let keys = map.try_cast::<Map>().unwrap_or_default().into_keys();
        Box::new(keys.map(|key| Dynamic::from(ImmutableString::from(key))))
    });
    engine.register_global_module(module.into());
}

fn get(context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Res<Dynamic> {
    ASKED.set(args[0].is_map());
    Err(not_indexed(context, args))
}

fn set(context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Res<Dynamic> {
    let asked = ASKED.replace(false);
    let name = args[1].to_string();
    let value = std::mem::take(args[2]);
    if let Some(mut map) = args[0].write_lock::<Map>() {
        if asked {
            return Err(EvalAltResult::ErrorIndexingType(missing(&map, &name), Position::NONE).into());
        }
        map.insert(name.into(), value);
        return Ok(Dynamic::UNIT);
    }
    Err(not_indexed(context, args))
}

/// The engine's own error.
fn not_indexed(context: &NativeCallContext, args: &[&mut Dynamic]) -> Box<EvalAltResult> {
    let kind = |at: usize| context.engine().map_type_name(args[at].type_name());
    EvalAltResult::ErrorIndexingType(format!("{} [{}]", kind(0), kind(1)), Position::NONE).into()
}

/// `e.who`, `e.what` and `e.help` of an error of the language itself, which `catch` receives as a map of other keys.
fn caught(map: &Map, name: &str, engine: &Engine) -> Option<Dynamic> {
    if !["who", "what", "help"].contains(&name) || !map.contains_key("error") || !map.contains_key("message") {
        return None;
    }
    let (message, help) = match error(map) {
        Some(error) => explain(&error, "", &Names::default(), engine),
        None => (first_line(&map.get("message")?.to_string()), None),
    };
    let (who, what) = message.split_once(": ").unwrap_or(("", &message));
    Some(match name {
        "who" => who.to_string().into(),
        "what" => what.to_string().into(),
        _ => help.map_or(Dynamic::UNIT, Into::into),
    })
}

/// The engine's message without the position.
fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.split(" @ '").next().unwrap_or_default().to_string()
}

/// Rebuilds the error from `catch`'s map; an error from inside a call is recognized by its message alone.
fn error(map: &Map) -> Option<EvalAltResult> {
    use EvalAltResult as E;
    let text = |key: &str| map.get(key).map(ToString::to_string);
    let count = |key: &str| map.get(key).and_then(|value| value.as_int().ok()).unwrap_or(0);
    let at = Position::NONE;
    let line = first_line(&text("message")?);
    let behind = |words: &str| line.strip_prefix(words).map(str::to_string);
    if let Some(call) = behind("Function not found: ") {
        return Some(E::ErrorFunctionNotFound(call, at));
    }
    if let Some(what) = behind("Indexer unavailable: ") {
        return Some(E::ErrorIndexingType(what, at));
    }
    if line.starts_with("Unknown property ") || line.starts_with("No writable property ") {
        return Some(E::ErrorDotExpr(line, at));
    }
    let length = || usize::try_from(count("length")).unwrap_or(0);
    Some(match text("error")?.as_str() {
        "ErrorArrayBounds" => E::ErrorArrayBounds(length(), count("index"), at),
        "ErrorStringBounds" => E::ErrorStringBounds(length(), count("index"), at),
        "ErrorMismatchDataType" => E::ErrorMismatchDataType(text("requested")?, text("actual")?, at),
        "ErrorMismatchOutputType" => E::ErrorMismatchOutputType(text("requested")?, text("actual")?, at),
        "ErrorFor" => E::ErrorFor(at),
        "ErrorDataRace" => E::ErrorDataRace(text("variable")?, at),
        _ => return None,
    })
}

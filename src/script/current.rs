//! The engine that runs this thread's script: for closures that are called later, such as those of a stream.

use rhai::Engine;

scoped_tls::scoped_thread_local!(static ENGINE: Engine);

/// Runs `work` with `engine` as the engine of this thread's script.
pub fn within<T>(engine: &Engine, work: impl FnOnce() -> T) -> T {
    ENGINE.set(engine, work)
}

/// The engine of this thread's script, if one runs.
pub fn engine<T>(work: impl FnOnce(Option<&Engine>) -> T) -> T {
    if ENGINE.is_set() { ENGINE.with(|engine| work(Some(engine))) } else { work(None) }
}

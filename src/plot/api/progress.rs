//! What scripts see of progress.

use crate::plot::progress::Tick;
use crate::script::prelude::*;

const PROGRESS: &[Opt] = &[
    opt("from", Kind::Int, "0", "steps that are done already, when work goes on"),
    opt("quiet", Kind::Bool, "false", "show nothing"),
];

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<crate::plot::Progress>("progress");
    host.module(exported_module!(verbs));
    host.options("progress", PROGRESS);
}

/// What a step tells: `tokens` and `bytes` become speeds, everything else is shown as it is.
fn read(facts: &Map) -> Res<Tick> {
    let mut tick = Tick::default();
    for (name, value) in facts {
        let count = || -> Res<u64> {
            match value.as_int() {
                Ok(count) if count >= 0 => Ok(count as u64),
                _ => bail!("tick", "`{name}` is a count, not {value}"),
            }
        };
        match name.as_str() {
            "tokens" => tick.tokens = count()?,
            "bytes" => tick.bytes = count()?,
            _ => {
                let shown = match value.as_float() {
                    Ok(number) => format!("{number:.3}"),
                    Err(_) => value.to_string(),
                };
                tick.notes.push((name.to_string(), shown));
            }
        }
    }
    Ok(tick)
}

#[export_module]
mod verbs {
    /// A handle to the progress of long work: a bar on a terminal, a plain line now and then where there is none.
    pub type Progress = crate::plot::Progress;

    /// Shows the progress of `total` steps on standard error.
    ///
    /// ```rhai
    /// let bar = progress(3, "training");
    /// for step in 0..3 { bar.tick(#{ loss: 2.5 - step, tokens: 512, bytes: 2048 }); }
    /// bar.done();
    /// bar          //=> progress, 3 of 3
    /// ```
    #[rhai_fn(name = "progress", return_raw)]
    pub fn make(total: i64, label: &str) -> Res<Progress> {
        make_with(total, label, Map::new())
    }

    /// Shows the progress of `total` steps, with options.
    ///
    /// ```rhai
    /// progress(10, "training", #{ from: 4, quiet: true })    //=> progress, 4 of 10
    /// ```
    #[rhai_fn(name = "progress", return_raw)]
    pub fn make_with(total: i64, label: &str, options: Map) -> Res<Progress> {
        let options = Options::read("progress", PROGRESS, options)?;
        let Ok(total) = u64::try_from(total) else { bail!("progress", "{total} steps is below 0") };
        Ok(Progress::new(label, total, options.count("from")? as u64, options.bool("quiet")?))
    }

    /// One step more.
    ///
    /// ```rhai
    /// let bar = progress(2, "counting");
    /// bar.tick();
    /// bar          //=> progress, 1 of 2
    /// ```
    #[rhai_fn(pure)]
    pub fn tick(progress: &mut Progress) {
        (*progress).tick(Tick::default());
    }

    /// One step more, and what it did: `tokens` and `bytes` are shown as speeds, `loss` and others as they are.
    ///
    /// ```rhai
    /// progress(2, "counting").tick(#{ loss: 0.5, tokens: 64 });
    /// progress(2, "counting").tick(#{ tokens: "many" })    //=> error: tick: `tokens` is a count, not many
    /// ```
    #[rhai_fn(name = "tick", pure, return_raw)]
    pub fn tick_with(progress: &mut Progress, facts: Map) -> Res<()> {
        (*progress).tick(read(&facts)?);
        Ok(())
    }

    /// Puts a line of its own above the bar: what whoever watches should know before the end.
    ///
    /// ```rhai
    /// progress(2, "counting").say("half of it is done");
    /// ```
    #[rhai_fn(pure)]
    pub fn say(progress: &mut Progress, text: &str) {
        (*progress).say(text);
    }

    /// Ends it: one line stays, with the time that it took and the speed of the whole.
    ///
    /// ```rhai
    /// progress(2, "counting").done();
    /// ```
    #[rhai_fn(pure)]
    pub fn done(progress: &mut Progress) {
        (*progress).done();
    }

    /// Seconds since it began.
    ///
    /// ```rhai
    /// progress(2, "counting").seconds >= 0.0    //=> true
    /// ```
    #[rhai_fn(get = "seconds", pure)]
    pub fn seconds(progress: &mut Progress) -> f64 {
        (*progress).seconds()
    }

    /// How far it is.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn progress_text(progress: &mut Progress) -> String {
        let (at, total) = progress.at();
        format!("progress, {at} of {total}")
    }
}

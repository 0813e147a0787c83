//! Progress bars in scripts.

use crate::plot::progress::Tick;
use crate::script::prelude::*;

const PROGRESS: &[Opt] = &[
    opt("start_step", Kind::Int, "0", "steps already done, in a resumed run"),
    opt("quiet", Kind::Bool, "false", "show nothing"),
];

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<crate::plot::Progress>("Progress");
    host.module(exported_module!(verbs));
    host.options("progress", PROGRESS);
}

/// Facts of a step: `tokens` and `bytes` become speeds, the others are shown as they are.
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
    /// A handle to the progress of long work: a bar on a terminal, otherwise an occasional line.
    pub type Progress = crate::plot::Progress;

    /// Shows a progress bar of `total` steps on standard error.
    ///
    /// also: tqdm
    ///
    /// effect
    ///
    /// ```rhai
    /// let bar = progress(3, "training");
    /// for step in 0..3 { bar.tick(#{ loss: 2.5 - step, tokens: 512, bytes: 2048 }); }
    /// bar.done();
    /// bar          //=> progress, 3 of 3
    /// progress(10, "training", #{ start_step: 4, quiet: true })    //=> progress, 4 of 10
    /// ```
    #[rhai_fn(name = "progress", return_raw)]
    pub fn make(total: i64, label: &str, options: Map) -> Res<Progress> {
        let options = Options::read("progress", PROGRESS, options)?;
        let Ok(total) = u64::try_from(total) else { bail!("progress", "{total} steps is below 0") };
        Ok(Progress::new(label, total, options.count("start_step")? as u64, options.bool("quiet")?))
    }

    /// Advances the bar by one step.
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

    /// Advances the bar by one step: `tokens` and `bytes` are shown as speeds, `loss` and others as they are.
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

    /// Prints a line above the bar.
    ///
    /// also: tqdm.write
    ///
    /// ```rhai
    /// progress(2, "counting").say("half of it is done");
    /// ```
    #[rhai_fn(pure)]
    pub fn say(progress: &mut Progress, text: &str) {
        (*progress).say(text);
    }

    /// Ends the bar: one line stays, with the elapsed time and the overall speed.
    ///
    /// ```rhai
    /// progress(2, "counting").done();
    /// ```
    #[rhai_fn(pure)]
    pub fn done(progress: &mut Progress) {
        (*progress).done();
    }

    /// Returns the seconds since the start of the bar.
    ///
    /// ```rhai
    /// progress(2, "counting").seconds >= 0.0    //=> true
    /// ```
    #[rhai_fn(get = "seconds", pure)]
    pub fn seconds(progress: &mut Progress) -> f64 {
        (*progress).seconds()
    }

    /// Formats the position in one line.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn progress_text(progress: &mut Progress) -> String {
        let (at, total) = progress.at();
        format!("progress, {at} of {total}")
    }
}

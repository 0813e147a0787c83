//! Reading standard input, and the existence of files.

use crate::files;
use crate::script::prelude::*;
use crate::script::{Input, Output};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    for (params, prompted) in [(vec![], false), (vec!["prompt: &str"], true)] {
        let (input, output) = (host.input.clone(), host.output.clone());
        let registration = FuncRegistration::new("input")
            .with_comments(INPUT.lines().map(|line| format!("/// {line}")).collect::<Vec<_>>())
            .with_params_info(params.into_iter().chain(["Res<ImmutableString>"]));
        match prompted {
            false => drop(registration.register_into_engine(&mut host.engine, move || read(&input, &output, ""))),
            true => drop(
                registration.register_into_engine(&mut host.engine, move |prompt: &str| read(&input, &output, prompt)),
            ),
        }
    }
}

const INPUT: &str = "\\
Reads one line from standard input, without its line end; `prompt` is shown first.

An error at the end of input, and in a notebook or a host program without input. Experiments take their
settings as `key=value` words, so that they can be repeated: `options(#{ steps: 300 }, args())`.

also: readline, raw_input

```rhai
if 1 > 2 { let name = input(\"your name? \"); print(name); }
```";

fn read(input: &Input, output: &Output, prompt: &str) -> Res<ImmutableString> {
    output.part(prompt);
    let before = if input.is_edited() { output.take_begun() } else { String::new() };
    Ok(input.line(&before)?.into())
}

#[export_module]
mod verbs {
    /// Returns whether a file or folder exists.
    ///
    /// also: os.path.exists, isfile, isdir, Path.exists
    ///
    /// ```rhai
    /// exists("README.md")         //=> true
    /// exists("no-such-file")      //=> false
    /// ```
    #[rhai_fn(return_raw, volatile)]
    pub fn exists(path: &str) -> Res<bool> {
        let path = std::path::Path::new(path);
        files::readable("exists", path)?;
        Ok(files::exists(path))
    }
}

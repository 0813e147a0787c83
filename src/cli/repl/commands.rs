//! Prompt input that is not a script: `?`, `who`, and the commands that begin with a colon.

use super::{inputs, show, tell};
use crate::cli::help;
use crate::script::notebook::{Answer, Candidate, complete_path};
use crate::script::{Fault, Notebook, read_script, registry};
use crate::text;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

/// The next step of the prompt.
pub enum Next {
    Go,
    /// The command failed.
    Failed,
    /// Ctrl-C stopped it.
    Stopped,
    End(u8),
}

/// The kind of a command's argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Nothing,
    Command,
    Topic,
    Path,
    Variable,
    Script,
}

struct Command {
    name: &'static str,
    wants: Wanted,
    usage: &'static str,
    what: &'static str,
}

const fn command(name: &'static str, wants: Wanted, usage: &'static str, what: &'static str) -> Command {
    Command { name, wants, usage, what }
}

const COMMANDS: &[Command] = &[
    command(
        "?",
        Wanted::Topic,
        "? NAME",
        "what a verb, a noun, a module or a variable is; alone: all there is, by noun",
    ),
    command("??", Wanted::Topic, "?? NAME", "the text of a function of the standard library or of this session"),
    command(":who", Wanted::Nothing, "who", "the variables: type, shape, memory"),
    command(":time", Wanted::Script, ":time EXPR", "run it, and tell how long it took"),
    command(":load", Wanted::Path, ":load FILE", "run a script here: what it makes stays"),
    command(":save", Wanted::Path, ":save FILE", "write the inputs that ran as a script"),
    command(
        ":edit",
        Wanted::Path,
        ":edit [FILE]",
        "write in $VISUAL or $EDITOR, then run it; without a file: the last input",
    ),
    command(":resume", Wanted::Nothing, ":resume", "go on with the training that Ctrl-C interrupted"),
    command(":forget", Wanted::Variable, ":forget NAME…", "remove variables, and free what they hold"),
    command(":reset", Wanted::Nothing, ":reset", "forget all variables, functions and imports"),
    command(":help", Wanted::Nothing, ":help", "this list"),
    command(":quit", Wanted::Nothing, ":quit", "end, as Ctrl-D does"),
];

/// Start and kind of the argument at the cursor.
pub fn argument(line: &str) -> Option<(usize, Wanted)> {
    let text = line.trim_start();
    let lead = line.len() - text.len();
    if text.starts_with('?') {
        let name = text.trim_start_matches('?').trim_start();
        return Some((line.len() - name.len(), Wanted::Topic));
    }
    if !text.starts_with(':') {
        return None;
    }
    let Some((name, rest)) = text.split_once(char::is_whitespace) else { return Some((lead, Wanted::Command)) };
    let wants = COMMANDS.iter().find(|command| command.name == name)?.wants;
    match wants {
        Wanted::Script => None,
        Wanted::Variable => Some((line.len() - rest.rsplit(' ').next().map_or(0, str::len), wants)),
        _ => Some((line.len() - rest.trim_start().len(), wants)),
    }
}

impl Wanted {
    pub fn candidates(self, notebook: &mut Notebook, typed: &str) -> Vec<Candidate> {
        match self {
            Wanted::Command => COMMANDS
                .iter()
                .filter(|command| command.name.starts_with(':'))
                .map(|command| Candidate {
                    text: command.name.into(),
                    note: format!("{:<14} {}", command.usage, command.what),
                })
                .collect(),
            Wanted::Topic => notebook.topics(),
            Wanted::Path => complete_path(typed),
            Wanted::Variable => notebook.variable_names(),
            Wanted::Nothing | Wanted::Script => Vec::new(),
        }
    }
}

/// Runs a text, which may be several inputs pasted together.
pub fn all(notebook: &mut Notebook, text: &str) -> Next {
    let inputs = inputs::of(text);
    for (index, input) in inputs.iter().enumerate() {
        let next = obey(notebook, input);
        if !matches!(next, Next::Go) {
            let left = inputs.len() - index - 1;
            if left > 0 && !matches!(next, Next::End(_)) {
                println!(
                    "{} after it {} not run",
                    text::counted(left, "input"),
                    if left == 1 { "was" } else { "were" }
                );
            }
            return next;
        }
    }
    Next::Go
}

/// Runs one input.
fn obey(notebook: &mut Notebook, line: &str) -> Next {
    let text = line.trim();
    let done = match text {
        "" => Ok(Next::Go),
        "who" if !notebook.is_variable("who") => who(notebook),
        "exit" | "quit" if !notebook.is_variable(text) => Ok(Next::End(0)),
        _ if text.starts_with("??") => source(notebook, text.trim_start_matches('?').trim()),
        _ if text.starts_with('?') => about(notebook, text[1..].trim()),
        _ if text.starts_with(':') => colon(notebook, text),
        _ => {
            let answer = run(notebook, line);
            return tell(notebook, &answer, line);
        }
    };
    done.unwrap_or_else(|fault| {
        show::fault(&fault);
        Next::Failed
    })
}

type Done = Result<Next, Box<Fault>>;

fn colon(notebook: &mut Notebook, text: &str) -> Done {
    let (name, rest) = text.split_once(char::is_whitespace).map_or((text, ""), |(name, rest)| (name, rest.trim()));
    let needs = |what: &str| if rest.is_empty() { Err(Box::new(wrong(name, what))) } else { Ok(()) };
    match name {
        ":who" => who(notebook),
        ":time" => needs("an expression").map(|()| time(notebook, rest)),
        ":load" => needs("a file").and_then(|()| load(notebook, Path::new(rest))),
        ":save" => needs("a file").and_then(|()| save(notebook, Path::new(rest))),
        ":edit" => edit(notebook, rest),
        ":resume" => {
            let answer = notebook.resume()?;
            Ok(tell(notebook, &answer, ""))
        }
        ":forget" => needs("the name of a variable").and_then(|()| forget(notebook, rest)),
        ":reset" => {
            notebook.reset();
            Ok(Next::Go)
        }
        ":help" => {
            commands();
            Ok(Next::Go)
        }
        ":quit" | ":q" => Ok(Next::End(0)),
        _ => {
            let mut fault = Fault::plain(format!("{name}: there is no such command"));
            let near = crate::nearest(name, COMMANDS.iter().map(|command| command.name));
            fault.help = Some(near.map_or(":help lists the commands".into(), |near| format!("did you mean `{near}`?")));
            Err(Box::new(fault))
        }
    }
}

/// `:load: it takes a file`
fn wrong(name: &str, what: &str) -> Fault {
    let usage = COMMANDS.iter().find(|command| command.name == name).map_or(name, |command| command.usage);
    let mut fault = Fault::plain(format!("{name}: it takes {what}"));
    fault.help = Some(format!("as in `{usage}`"));
    fault
}

fn commands() {
    let (_, columns) = show::screen();
    for command in COMMANDS {
        println!("{}", crate::text::cut(&format!("  {:<14} {}", command.usage, command.what), columns));
    }
    println!();
    let keys = [
        "Tab completes",
        "Ctrl-R searches the history",
        "Alt-Enter begins a new line",
        "Ctrl-C clears the line, or stops what runs",
        "`it` is the last value",
    ];
    keys.iter().for_each(|key| println!("  {}", crate::text::cut(key, columns.saturating_sub(2))));
}

fn who(notebook: &Notebook) -> Done {
    show::page(&notebook.who(show::screen().1));
    Ok(Next::Go)
}

/// Help for a name: this session's first, then the registry's.
fn about(notebook: &mut Notebook, name: &str) -> Done {
    notebook.functions();
    let page = match name {
        "" => help::overview(&notebook.host),
        name => {
            let own = notebook.about(name);
            // a variable may have the name of a verb
            match (own, help::about(&notebook.host, name)) {
                (Some(own), Ok(page)) => format!("{own}\n{page}"),
                (Some(own), Err(_)) => own,
                (None, page) => page?,
            }
        }
    };
    show::page(&page);
    Ok(Next::Go)
}

/// The source of a function written in Rhai.
fn source(notebook: &mut Notebook, name: &str) -> Done {
    if name.is_empty() {
        return Err(Box::new(wrong("??", "the name of a function")));
    }
    if let Some(text) = notebook.source(name.trim_end_matches("()")) {
        show::page(&text);
        return Ok(Next::Go);
    }
    let functions: &[registry::Function] = notebook.functions();
    if let Some(function) = functions.iter().find(|function| function.name == name) {
        let (noun, signature) = (function.noun.clone(), function.signature());
        show::page(&format!("{signature}\n    native: written in Rust, in src/{noun}"));
        return Ok(Next::Go);
    }
    // suggests the nearest name
    about(notebook, name)
}

fn run(notebook: &mut Notebook, text: &str) -> Answer {
    crate::cli::start_workers(&notebook.needs(text));
    notebook.run(text)
}

fn time(notebook: &mut Notebook, text: &str) -> Next {
    let answer = run(notebook, text);
    let next = tell(notebook, &answer, text);
    // the time of a slow one is already shown
    if matches!(next, Next::Go) && answer.time.as_secs() < 1 {
        show::took(answer.time);
    }
    next
}

fn load(notebook: &mut Notebook, file: &Path) -> Done {
    let text = read_script(file).map_err(|error| Box::new(error.into()))?;
    let answer = notebook.run_as(&file.display().to_string(), &text);
    // a script prints its own output
    Ok(tell(notebook, &answer, ";"))
}

fn save(notebook: &mut Notebook, file: &Path) -> Done {
    let file = if file.extension().is_none() { file.with_extension("rhai") } else { file.to_path_buf() };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let text = notebook.script(folder);
    crate::files::write_all("save", &file, text.as_bytes()).map_err(|error| Box::new(error.into()))?;
    println!("{}", file.display());
    Ok(Next::Go)
}

fn forget(notebook: &mut Notebook, names: &str) -> Done {
    let mut held: Vec<String> = Vec::new();
    for name in names.split([' ', ',']).filter(|name| !name.is_empty()) {
        held.retain(|holder| holder != name);
        held.extend(notebook.forget(name)?);
    }
    held.sort();
    held.dedup();
    if !held.is_empty() {
        println!("its memory is still held by {}", held.join(", "));
    }
    Ok(Next::Go)
}

/// Opens an editor on a file or on the last input, and runs the result.
fn edit(notebook: &mut Notebook, file: &str) -> Done {
    let fault = |what: String| Box::new(Fault::plain(format!(":edit: {what}")));
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|set| !set.is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".to_string());
    let draft = tempfile::Builder::new()
        .prefix("levain-")
        .suffix(".rhai")
        .tempfile()
        .map_err(|error| fault(error.to_string()))?;
    let path = match file {
        "" => {
            let text = notebook.last_text().unwrap_or_default();
            std::fs::write(draft.path(), text).map_err(|error| fault(error.to_string()))?;
            draft.path().to_path_buf()
        }
        file => PathBuf::from(file),
    };
    let mut words = editor.split_whitespace();
    let status = Process::new(words.next().unwrap_or("vi")).args(words).arg(&path).status();
    match status {
        Ok(status) if status.success() => {}
        Ok(_) => return Err(fault(format!("{editor} ended with an error; nothing was run"))),
        Err(error) => {
            let mut fault = fault(format!("{editor} can't be started: {error}"));
            fault.help = Some("name another in $EDITOR".to_string());
            return Err(fault);
        }
    }
    if !file.is_empty() {
        return load(notebook, &path);
    }
    let text = read_script(&path).map_err(|error| Box::new(error.into()))?;
    if text.trim().is_empty() {
        return Ok(Next::Go);
    }
    println!("{}", text.trim_end());
    let answer = run(notebook, &text);
    Ok(tell(notebook, &answer, &text))
}

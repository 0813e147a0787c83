//! Replacements for words of other languages and their libraries that no verb lists in `also:`.

/// Characters that look like the language's own.
pub const SIGNS: &[(char, &str)] = &[
    ('；', ";"),
    ('（', "("),
    ('）', ")"),
    ('，', ","),
    ('：', ":"),
    ('【', "["),
    ('】', "]"),
    ('｛', "{"),
    ('｝', "}"),
    ('“', "\""),
    ('”', "\""),
    ('‘', "\""),
    ('’', "\""),
    ('＝', "="),
    ('＋', "+"),
    ('－', "-"),
    ('！', "!"),
    ('。', "."),
    ('、', ","),
    ('＜', "<"),
    ('＞', ">"),
    ('《', "<"),
    ('》', ">"),
    ('｜', "|"),
    ('＃', "#"),
    ('\u{3000}', " "),
    ('\u{a0}', " "),
    ('×', "*"),
    ('÷', "/"),
    ('−', "-"),
    ('≤', "<="),
    ('≥', ">="),
    ('≠', "!="),
];

/// A word and its replacement.
type Entry = (&'static str, &'static str);

/// Words and signs of other languages' grammar.
const GRAMMAR: &[Entry] = &[
    ("and", "write `a && b`"),
    ("or", "write `a || b`"),
    ("not", "write `!x`; `!(x in xs)`"),
    ("is", "write `x == y`; `x == ()` asks whether there is no value"),
    ("elif", "write `else if`"),
    ("elseif", "write `else if`"),
    ("def", "a function is `fn name(a, b) { … }`"),
    ("func", "a function is `fn name(a, b) { … }`"),
    ("function", "a function is `fn name(a, b) { … }`"),
    ("class", "there are no classes: a map holds values and closures, `#{ n: 1, add: |x| x + 1 }`"),
    ("struct", "there are no types of your own: a map holds values, `#{ n: 1 }`"),
    ("lambda", "a closure is `|x| x + 1`"),
    ("assert", "write `assert::that(x > 0)`, `assert::eq(a, b)`"),
    ("raise", "write `throw \"what is wrong\"`"),
    ("pass", "an empty block is `{}`"),
    ("del", "write `xs.remove(0)` for a list, `m.remove(\"key\")` for a map; variables end with their block"),
    ("with", "a verb takes a closure in its place: `no_grad(|| …)`; files are closed by themselves"),
    ("except", "write `try { … } catch (e) { … }`"),
    ("finally", "there is no `finally`: write `try { … } catch (e) { … }` and what follows below it"),
    ("nonlocal", "a closure changes the variables around it as they are"),
    ("yield", "there are no generators: fill a list, or take a closure that is called with each value"),
    ("async", "there is no `async`: calls return when they are done"),
    ("await", "there is no `await`: calls return when they are done"),
    ("match", "write `switch x { 1 => …, _ => … }`"),
    ("case", "write `switch x { 1 => …, _ => … }`"),
    ("default", "in a `switch` write `_ => …`"),
    ("var", "write `let x = …`"),
    ("val", "write `let x = …`"),
    ("null", "no value is `()`"),
    ("nil", "no value is `()`"),
    ("new", "write the call alone: `tensor([…])`"),
    ("++", "write `x += 1`"),
    ("--", "write `x -= 1`"),
    ("===", "write `==`"),
    ("!==", "write `!=`"),
    ("<>", "write `!=`"),
    ("->", "a closure is `|x| …`"),
    ("\\", "a statement ends with `;`, and may go over several lines as it is"),
];

/// Names of other languages and libraries: values, functions, modules.
const NAMES: &[Entry] = &[
    ("None", "no value is `()`"),
    ("undefined", "no value is `()`"),
    ("True", "write `true`"),
    ("False", "write `false`"),
    ("NaN", "write `0.0 / 0.0`"),
    ("self", "a method is a function of its value: `fn add(m, x) { … }`; in `fn Tensor.name()` the value is `this`"),
    ("range", "write `0..10`: `for i in 0..10 { … }`; with a step, `range(0, 10, 2)`"),
    ("xrange", "write `0..10`"),
    ("enumerate", "write `for (x, i) in xs { … }`: the value first, then its place"),
    ("zip", "write `xs.zip(ys, |x, y| [x, y])`"),
    ("int", "a text is read by `parse_int(text)`, a float is cut by `x.to_int()`"),
    ("float", "a text is read by `parse_float(text)`, an int is widened by `x.to_float()`"),
    ("str", "write `x.to_string()`, or `` `${x}` ``"),
    ("repr", "write `x.to_debug()`"),
    ("bool", "compare: `x != 0`, `!xs.is_empty()`"),
    ("list", "a list is `[1, 2]`; a tensor gives one by `x.list()`"),
    ("dict", "a map is `#{ a: 1 }`"),
    ("set", "a list without repeats: `xs.sort(); xs.dedup();`; of texts, the keys of a map"),
    ("tuple", "a list is `[1, 2]`"),
    ("isinstance", "write `type_of(x) == \"list\"`"),
    ("type", "write `type_of(x)`"),
    ("typeof", "write `type_of(x)`"),
    ("open", "rows of a file are `dataset(path)`, numbers `tensor(path)`, a table of json `json(path)`"),
    ("input", "a script takes `key=value` words: `options(#{ n: 1 }, args())`"),
    ("sorted", "`xs.order()` returns a sorted list, `xs.sort()` sorts in place"),
    ("reversed", "`xs.reverse()` reverses in place"),
    ("isnan", "write `x.is_nan()`"),
    ("hasattr", "write `\"key\" in m`"),
    ("getattr", "write `m.get(\"key\")`, or `m[name]`"),
    ("setattr", "write `m[name] = value`"),
    ("super", "there are no classes"),
    ("assert", "write `assert::that(x > 0)`, `assert::eq(a, b)`"),
    ("exec", "a script runs no text as code"),
    ("console", "write `print(x)`"),
    ("printf", "write `` print(`${x}`) ``; `x.digits(3)` gives three digits after the point"),
    ("println", "write `print(x)`"),
    ("echo", "write `print(x)`"),
    ("fmt", "write `` `${x}` ``"),
    ("exit", "write `exit(1)`"),
    ("__name__", "a script runs from its first line: there is no main"),
    ("main", "a script runs from its first line: there is no main"),
];

/// Libraries whose functions are verbs here.
const LIBRARIES: &[Entry] = &[
    ("torch", "`tensor([…])`, `x.matmul(y)`, `loss.backward()`: see `levain help tensor`"),
    ("nn", "layers are verbs of tensors: see `levain help tensor`"),
    ("F", "`x.relu()`, `cross_entropy(logits, targets)`: see `levain help tensor`"),
    ("optim", "`adamw(weights, #{ lr: 1e-3 })`: see `levain help train`"),
    ("np", "`tensor([…])`: see `levain help tensor`"),
    ("numpy", "`tensor([…])`: see `levain help tensor`"),
    ("jax", "`tensor([…])`: see `levain help tensor`"),
    ("jnp", "`tensor([…])`: see `levain help tensor`"),
    ("tf", "`tensor([…])`: see `levain help tensor`"),
    ("tensorflow", "`tensor([…])`: see `levain help tensor`"),
    ("pd", "`dataset(path)`: see `levain help data`"),
    ("pandas", "`dataset(path)`: see `levain help data`"),
    ("pl", "`dataset(path)`: see `levain help data`"),
    ("datasets", "`dataset(path)`: see `levain help data`"),
    ("plt", "`chart(title)`: see `levain help plot`"),
    ("matplotlib", "`chart(title)`: see `levain help plot`"),
    ("seaborn", "`chart(title)`: see `levain help plot`"),
    ("transformers", "`model(path)`, `tokenizer(path)`: see `levain help model`"),
    ("tokenizers", "`tokenizer(path)`: see `levain help token`"),
    ("peft", "`net.attach_lora(#{ rank: 8 })`: see `levain help lora`"),
    ("trl", "`sft::run(net, tok, data, #{ … })`: see `levain help sft`"),
    ("sklearn", "`data.split(0.9)`, `measure::`: see `levain help measure`"),
    ("scipy", "statistics are in `measure::`: see `levain help measure`"),
    ("evaluate", "scores are in `measure::`: see `levain help measure`"),
    ("accelerate", "a run uses all cores as it is"),
    ("wandb", "a run with `out: \"folder\"` writes `log.jsonl`: see `levain help record`"),
    ("math", "`x.sqrt()`, `x.exp()`, `PI()`: verbs of numbers"),
    ("random", "`seed(7)`, `rand([2, 3])`, `randint(0, 10, [5])`"),
    ("os", "files are opened by their verbs: `dataset(path)`, `model(path)`"),
    ("sys", "`args()` gives `key=value` words, `exit(1)` ends the script"),
    ("json", "`dataset(\"x.json\")` opens rows; `x.to_json()` writes a value as text"),
    ("re", "see `levain help --search pattern`"),
    ("time", "`timestamp()` begins, `.elapsed` is in seconds; `sleep(1.0)`"),
    ("tqdm", "`progress(total, label)`: see `levain help progress`"),
    ("collections", "maps and lists: `#{ a: 1 }`, `[1, 2]`"),
    ("itertools", "`xs.map(|x| …)`, `xs.filter(|x| …)`, `xs.reduce(|sum, x| …, 0)`"),
    ("functools", "`xs.reduce(|sum, x| …, 0)`"),
    ("pathlib", "paths are texts: `folder + \"/log.jsonl\"`"),
    ("argparse", "`options(#{ steps: 300 }, args())`: run with `steps=20`"),
    ("logging", "`print(x)`; a run's log is a `record(path)`"),
    ("copy", "an assignment copies lists, maps and tensors"),
];

/// Verbs after a dot, or functions: the type, `""` for any, and the replacement.
const VERBS: &[(&str, &str, &str)] = &[
    ("append", "list", "`xs.push(x)` adds a value, `xs.append(ys)` another list"),
    ("extend", "list", "write `xs.append(ys)`, or `xs + ys`"),
    ("len", "int", "a number has no length"),
    ("sum", "list", "write `xs.reduce(|sum, x| sum + x, 0)`, or `tensor(xs).sum()`"),
    ("max", "list", "write `xs.reduce(|most, x| max(most, x), xs[0])`, or `tensor(xs).max()`"),
    ("min", "list", "write `xs.reduce(|least, x| min(least, x), xs[0])`, or `tensor(xs).min()`"),
    ("mean", "list", "write `tensor(xs).mean()`"),
    ("shape", "list", "write `tensor(xs).shape`, or `xs.len()`"),
    ("count", "list", "write `xs.filter(|x| x == y).len()`"),
    ("index", "list", "write `xs.index_of(x)`"),
    ("index", "string", "write `text.index_of(part)`"),
    ("find", "string", "write `text.index_of(part)`"),
    ("copy", "list", "an assignment copies: `let ys = xs`"),
    ("copy", "map", "an assignment copies: `let n = m`"),
    ("strip", "string", "write `text.trim()`"),
    ("lstrip", "string", "`text.trim()` removes white space at both ends"),
    ("rstrip", "string", "`text.trim()` removes white space at both ends"),
    ("join", "string", "write `parts.join(\", \")`"),
    ("pow", "int", "write `x ** 2`"),
    ("pow", "float", "write `x ** 2`"),
    ("to_int", "string", "write `parse_int(text)`"),
    ("to_float", "string", "write `parse_float(text)`"),
    ("length", "string", "write `text.len()`"),
    ("length", "list", "write `xs.len()`"),
    ("size", "list", "write `xs.len()`"),
    ("size", "string", "write `text.len()`"),
    ("lower", "string", "write `text.to_lower()`"),
    ("upper", "string", "write `text.to_upper()`"),
    ("startswith", "string", "write `text.starts_with(part)`"),
    ("endswith", "string", "write `text.ends_with(part)`"),
    ("format", "string", "a text in backticks takes values: `` `x is ${x}` ``"),
    ("splitlines", "string", "write `text.split(\"\\n\")`"),
    ("isdigit", "string", "write `parse_int(text)`, which throws where it is not a number"),
    ("items", "map", "write `for key in m.keys() { m[key] }`"),
    ("iteritems", "map", "write `for key in m.keys() { m[key] }`"),
    ("update", "map", "write `m += #{ … }`"),
    ("has_key", "map", "write `\"key\" in m`"),
    ("pop", "map", "write `m.remove(\"key\")`"),
    ("zero_grad", "", "gradients are values, nothing adds up: `opt.step(loss.backward())`"),
    ("cuda", "", "write `x.to(\"cuda\")`"),
    ("item", "float", "it is a number already"),
    ("cpu", "", "write `x.to(\"cpu\")`"),
    ("grad", "tensor", "gradients are values: `let grads = loss.backward(); grads[w]`"),
    ("train", "model", "there is no mode to set: dropout is in the loss, `net.generate` and `net.forward` have none"),
    ("eval", "model", "there is no mode to set: `net.generate` and `net.forward` have no dropout"),
    ("parameters", "tensor", "the tensor itself is the parameter: `adamw([w])`"),
    ("push_to_hub", "", "nothing is uploaded: `net.save(folder)` writes a folder that other libraries open"),
    ("to_pandas", "", "`data.save(\"rows.parquet\")` writes what pandas opens"),
    ("get_vocab", "", "`tok[\"word\"]` is the id of a token, `tok[7]` the token of an id"),
    ("print", "", "one value: `` print(`${a} ${b}`) ``"),
];

/// Operators on types that do not support them.
const OPERATORS: &[(&str, &[&str], &str)] = &[
    ("%", &["string", "any"], "a text in backticks takes values: `` `${x.digits(3)}` ``"),
    ("*", &["string", "int"], "write `let line = \"\"; line.pad(40, '=');`"),
    ("*", &["list", "int"], "a list of equal values: `let xs = []; xs.pad(10, 0);`"),
    ("+", &["string", "any"], "write `` `${x}` ``"),
    ("**", &["any", "any"], "powers are of numbers and tensors"),
    ("-", &["list", "list"], "write `xs.filter(|x| !(x in ys))`"),
];

/// The replacement for an operator between values of these types.
pub fn operator(sign: &str, kinds: &[&str]) -> Option<&'static str> {
    let fits =
        |of: &&[&str]| of.len() == kinds.len() && of.iter().zip(kinds).all(|(of, kind)| *of == "any" || of == kind);
    OPERATORS.iter().find(|(known, of, _)| *known == sign && fits(of)).map(|(.., help)| *help)
}

fn find(table: &[Entry], word: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == word).map(|(_, help)| *help)
}

/// The replacement for a word of another language's grammar.
pub fn grammar(word: &str) -> Option<&'static str> {
    find(GRAMMAR, word)
}

/// The replacement for a library.
pub fn library(name: &str) -> Option<&'static str> {
    find(LIBRARIES, name)
}

/// The replacement for a name of a value, a function or a library.
pub fn name(word: &str) -> Option<&'static str> {
    find(NAMES, word).or_else(|| library(word))
}

/// The replacement for a word of any kind.
pub fn any(word: &str) -> Option<&'static str> {
    let verb = || VERBS.iter().find(|(known, ..)| *known == word).map(|(.., help)| *help);
    grammar(word).or_else(|| name(word)).or_else(verb)
}

/// The replacement for a verb on a type; for an unknown type, only replacements valid for all types.
pub fn verb(word: &str, kind: &str) -> Option<&'static str> {
    let of = |of: &str| of.is_empty() || of.eq_ignore_ascii_case(kind);
    VERBS.iter().find(|(known, kind, _)| *known == word && of(kind)).map(|(.., help)| *help)
}

//! Help, the reference, completions, and new experiments.

use std::path::Path;
use std::process::{Command, Output};

fn levain(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_levain")).args(words).current_dir(folder).output().unwrap()
}

fn told(words: &[&str]) -> String {
    let output = levain(Path::new("."), words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_verb_a_noun_and_words() {
    let clip = told(&["help", "clip"]);
    assert!(clip.starts_with("grads.clip(limit: float) -> Grads\n"), "{clip}");
    assert!(clip.contains("//=>") && clip.contains("\nrelated: "), "{clip}");
    let noun = told(&["help", "train"]);
    assert!(noun.contains("adamw(") && noun.contains("methods\n"), "{noun}");
    assert!(told(&["help", "--search", "norm gradients"]).contains("clip"));
}

/// Terms of the field, in the words of papers and of Python's libraries.
const TERMS: &[&str] = &[
    "trainable",
    "requires_grad",
    "no_grad",
    "fertility",
    "byte fallback",
    "max_new_tokens",
    "truncation",
    "assert",
    "divergence",
    "loss spike",
    "early stopping",
    "KV cache",
    "effect size",
    "generation prompt",
    "min frequency",
    "initialize embeddings",
    "batch_size",
    "batch size",
    "number of new tokens",
    "BOS",
    "trainable parameters",
    "hidden states",
    "learning-rate schedule",
    "gradient clipping",
    "max length",
    "chat template",
    "gradient accumulation",
    "gradient checkpointing",
    "weight decay",
    "dropout",
    "LoRA",
    "perplexity",
    "packing",
    "tied embeddings",
    "softmax",
    "cross entropy",
    "confusion matrix",
    "confidence interval",
    "attention",
    "rotary",
    "warmup",
    "mixed precision",
    "label smoothing",
    "deduplicate",
    "top_k",
    "nucleus sampling",
    "knowledge distillation",
    "BPE dropout",
    "significance",
    "checkpoint",
    "random seed",
    "fine-tuning",
    "instruction tuning",
    "continued pretraining",
    "adapters",
    "BM25",
    "train_test_split",
    "DataLoader",
    "AutoTokenizer",
    "from_pretrained",
    "save_pretrained",
    "resize_token_embeddings",
    "get_peft_model",
    "gradient_accumulation_steps",
    "max_seq_length",
    "lr_scheduler",
    "target_modules",
];

#[test]
fn every_term_of_the_field_is_found() {
    use levain::script::{Host, lookup::Catalog};
    let catalog = Catalog::of(&Host::new());
    let lost: Vec<&&str> = TERMS.iter().filter(|term| levain::cli::help::found(&catalog, term).is_err()).collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert!(levain(Path::new("."), &["help", "--search", TERMS[0]]).status.success());
    assert!(!levain(Path::new("."), &["help", "--search", "xyzzy"]).status.success());
}

/// Every verb is found by each word of its name and by each of its other names.
#[test]
fn every_verb_is_found_by_each_of_its_words() {
    use levain::script::{Host, lookup::Catalog};
    let catalog = Catalog::of(&Host::new());
    let mut lost = Vec::new();
    let is_named = |name: &str| name.starts_with(|c: char| c.is_alphabetic());
    for function in catalog.functions.iter().filter(|function| !function.is_inner && is_named(&function.name)) {
        let words = function.name.split([':', '_']).filter(|word| !word.is_empty()).map(str::to_string);
        for word in words.chain(function.also.iter().cloned()) {
            let found = levain::cli::help::found(&catalog, &word).unwrap_or_default();
            if !found.contains(&function.name) {
                lost.push(format!("{}: {word}", function.name));
            }
        }
    }
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn the_reference_in_markdown_has_every_verb() {
    let text = told(&["help", "--format", "markdown"]);
    for function in levain::script::registry::functions(&levain::script::Host::new(), false) {
        // internal functions of a module are not listed
        if function.is_inner {
            assert!(!text.contains(&format!("\n#### `{}`\n", function.name)), "{}", function.name);
            continue;
        }
        assert!(text.contains(&format!("\n#### `{}`\n", function.name)), "{}", function.name);
        assert!(text.contains(&function.signature()), "{}", function.signature());
    }
    assert_eq!(text.matches("```").count() % 2, 0);
}

#[test]
fn the_reference_in_html_is_whole() {
    let html = told(&["help", "--format", "html"]);
    assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
    // nothing is downloaded
    for fetched in ["http:", "https:", "src=", "@import", "url("] {
        let fetched = html.match_indices(fetched).filter(|(at, _)| html[..*at].ends_with('"')).count();
        assert_eq!(fetched, 0);
    }
    let ids: Vec<&str> = html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let mut once = ids.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), ids.len(), "an id is there twice");
    let links: Vec<&str> = html.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let lost: Vec<&&str> = links.iter().filter(|link| !ids.contains(link)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    for tag in ["article", "section", "pre", "p", "ul", "li", "table", "h4", "code", "a"] {
        let opened = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

/// In a browser, if available: the page finds `clip` by words of its doc, and shows it alone.
#[test]
fn the_search_of_the_reference_finds() {
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    let Some(browser) = browsers.iter().find(|name| Command::new(name).arg("--version").output().is_ok()) else {
        eprintln!("no browser: the page was not tried, only its structure");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("reference.html");
    std::fs::write(&page, told(&["help", "--format", "html"])).unwrap();
    let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
    let seen = |query: &str| {
        let url = format!("file://{}?q={query}", page.display());
        let options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom", profile.as_str(), url.as_str()];
        let output = Command::new(browser).args(options).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let dom = seen("global%20norm");
    let found = dom.split("<ul id=\"found\">").nth(1).and_then(|rest| rest.split("</ul>").next()).unwrap_or_default();
    assert!(found.contains(">clip</a>"), "{found}");
    let article = dom.split("<article ").find(|article| article.contains("data-name=\"exp\"")).unwrap();
    assert!(article.split('>').next().unwrap().contains("hidden"));
    assert!(seen("nosuchword").contains("0 verbs"));
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = told(&["completions", shell]);
        for word in ["run", "check", "completions", "sandbox"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(levain(Path::new("."), &["completions", "csh"]).status.code(), Some(2));
}

#[test]
fn a_new_experiment_runs() {
    let folder = tempfile::tempdir().unwrap();
    let run_in = |inside: &str, words: &[&str]| {
        let output = levain(&folder.path().join(inside), words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let told = run_in("", &["new", "sums"]);
    assert!(told.starts_with("sums is there:\n  experiment.rhai\n"), "{told}");
    assert!(told.ends_with("run it with\n  cd sums && levain run experiment.rhai\n"), "{told}");
    assert!(run_in("", &["new", "one.rhai"]).ends_with("run it with\n  levain run one.rhai\n"));
    for (inside, script, out) in [("sums", "experiment.rhai", "out/sums"), ("", "one.rhai", "out/one")] {
        let told = run_in(inside, &["run", script, "steps=10"]);
        assert!(told.contains("held_out_loss") && told.ends_with(&format!("saved in {out}\n")), "{told}");
        let out = folder.path().join(inside).join(out);
        assert!(out.join("model/model.safetensors").is_file() && out.join("curve.svg").is_file());
    }
    // an answer is a text, and not the unit value that `trim` once returned
    assert_eq!(run_in("sums", &["test", "tests"]), "1 passed, 0 failed\n");
    assert_eq!(run_in("sums", &["test"]), "1 passed, 0 failed\n");
    let again = levain(folder.path(), &["new", "sums"]);
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&again.stderr),
        "error: new: sums/experiment.rhai is there already\nhelp: choose another name\n"
    );
    // in an existing folder, its contents stay
    std::fs::create_dir(folder.path().join("here")).unwrap();
    std::fs::write(folder.path().join("here/.gitignore"), "mine\n").unwrap();
    assert!(run_in("here", &["new", "."]).ends_with("run it with\n  levain run experiment.rhai\n"));
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!((read("here/.gitignore").as_str(), read("sums/.gitignore").as_str()), ("mine\n", "out/\n"));
    assert!(read("here/experiment.rhai").contains("out: \"out/here\""));
}

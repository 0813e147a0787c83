//! Properties of datasets that scripts cannot observe.

use super::chance::next;
use super::cli::Folder;
use levain::data::encode::{ChatPlan, EncodePlan, Overflow, RowForm, encode};
use levain::data::{Cell, Column, ColumnTable, Dataset, Encoded, TableBuilder};
use levain::token::{Dropout, Tokenizer};

fn texts(count: usize) -> Dataset {
    let mut rows = TableBuilder::default();
    for at in 0..count {
        let text = "the answer 第二条 ".repeat(1 + at * 7 % 23);
        assert!(rows.set("text", Cell::Text(&text)));
        rows.end_row().unwrap();
    }
    rows.finish().into()
}

fn encoded(data: &Dataset) -> Encoded {
    let tokenizer = Tokenizer::open("tests/data/tokenizer-bytes").expect("the tokenizer of the tests");
    let form = RowForm::Text { field: "text".into() };
    let plan = EncodePlan {
        form,
        chat: ChatPlan::default(),
        start: None,
        eos: true,
        max_length: None,
        overflow: Overflow::Split,
        skip_empty: false,
        bpe_dropout: Dropout { rate: 0.0, seed: 0 },
    };
    encode(data, &tokenizer, &plan).expect("texts encode")
}

#[test]
fn one_thread_encodes_as_many_do() {
    let data = texts(3000);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| encoded(&data).pack(128, true).expect("blocks").batch(&[0, 5, 40], 0))
    };
    assert_eq!(with(1), with(4));
}

#[test]
fn bytes_of_tokens_add_up_to_the_text() {
    let data = texts(50);
    let rows = encoded(&data);
    for at in 0..50 {
        let text = data.cell(0, at).text().expect("text").len();
        // the first token is not predicted; `t` is one byte, or `the` three
        let first = text - rows.batch(&[at], 0).bytes();
        assert!(first == 3, "row {at}: {first} bytes in the first token");
    }
}

#[test]
fn whole_sequences_waste_little() {
    let rows = encoded(&texts(2000));
    let blocks = rows.pack(2048, false).expect("blocks");
    assert!(blocks.padding().expect("a fixed length") < 0.02, "{:?}", blocks.padding());
    assert_eq!(blocks.loss_tokens(), rows.loss_tokens());
}

#[test]
fn a_million_rows_cost_little_over_their_text() {
    let mut rows = TableBuilder::default();
    let mut bytes = 0;
    for at in 0..1_000_000 {
        let text = format!("row number {at} of a million rows that are not long");
        bytes += text.len();
        assert!(rows.set("text", Cell::Text(&text)));
        rows.end_row().unwrap();
    }
    let data = Dataset::from(rows.finish());
    assert!(data.size() < bytes + 9 * data.len(), "{} bytes for {bytes}", data.size());
    assert_eq!(data.shuffle(1).size(), data.size());
}

/// Text beyond some megabytes is in a file: it reads like any other, and changes to a copy do not affect the original.
#[test]
fn long_text_lies_in_a_file() {
    let text = |at: usize| format!("{at}: ").repeat(1000 + at % 7);
    let column = |rows: std::ops::Range<usize>| {
        let mut column = Column::default();
        rows.for_each(|at| column.push(Cell::Text(&text(at))));
        column
    };
    let mut whole = column(0..5000);
    whole.shrink();
    let bytes: usize = (0..5000).map(|at| text(at).len()).sum();
    assert!(bytes > 25 << 20 && whole.size() < bytes / 2, "{} of {bytes} bytes in memory", whole.size());
    let holds = |column: &Column, rows: &[usize]| {
        assert_eq!(column.len(), rows.len());
        for (row, at) in rows.iter().enumerate() {
            assert_eq!(column.get(row), Cell::Text(&text(*at)), "row {row}");
        }
    };
    let all: Vec<usize> = (0..5000).collect();
    holds(&whole, &all);
    whole.unload();
    let (mut one, mut other) = (whole.clone(), whole.clone());
    one.append(&column(5000..9000));
    other.append(&column(100..4100));
    one.append(&other);
    let (tail, copy): (Vec<usize>, Vec<usize>) = ((5000..9000).collect(), (100..4100).collect());
    holds(&whole, &all);
    holds(&other, &[all.clone(), copy.clone()].concat());
    holds(&one, &[all.clone(), tail, all, copy].concat());
    drop(whole);
    drop(one);
    holds(&other.take((0..9000).rev()), &(100..4100).rev().chain((0..5000).rev()).collect::<Vec<_>>());
    let rows = other.len();
    let data = Dataset::from(ColumnTable { names: vec!["text".into()], columns: vec![other.into()], rows });
    assert_eq!(data.shuffle(3).sort("text", false).unwrap().len(), rows);
}

/// A column of ints and floats is a float column, and a column without a common kind is JSON.
fn is_same(held: Cell, put: Cell) -> bool {
    match (held, put) {
        (Cell::Float(x), Cell::Int(y)) => x == y as f64,
        (Cell::Json(x), Cell::Text(y)) => x == format!("\"{y}\""),
        (x, y) => x == y,
    }
}

#[test]
fn columns_hold_what_was_put_into_them() {
    let cells = [Cell::Null, Cell::Int(7), Cell::Int(-1), Cell::Float(0.5), Cell::Text("ab"), Cell::Bool(true)];
    for round in 0..300u64 {
        let state = &mut { round };
        // some columns are of one kind, and some are nearly empty
        let (kinds, gaps) = (1 + next(state) % cells.len(), [0, 1, 9, 200][next(state) % 4]);
        let mut cell = || match next(state) % (gaps + 1) {
            0 => cells[next(state) % kinds + usize::from(kinds < cells.len())],
            _ => Cell::Null,
        };
        let (mut whole, mut put) = (Column::default(), Vec::new());
        for _ in 0..1 + round % 5 {
            let mut part = Column::missing(round as usize % 3 * 70);
            put.extend(vec![Cell::Null; part.len()]);
            for _ in 0..round * 3 % 200 {
                put.push(cell());
                part.push(put[put.len() - 1]);
            }
            whole.append(&part);
        }
        assert_eq!(whole.len(), put.len());
        let wrong = (0..put.len()).find(|row| !is_same(whole.get(*row), put[*row]));
        assert_eq!(wrong.map(|row| (row, whole.get(row), put[row])), None, "round {round}: {whole:?}");
        let every_third: Vec<usize> = (0..put.len()).rev().step_by(3).collect();
        let taken = whole.take(every_third.iter().copied());
        assert!(every_third.iter().enumerate().all(|(at, row)| is_same(taken.get(at), put[*row])), "round {round}");
    }
}

#[test]
fn a_field_that_few_rows_have_costs_little() {
    let mut rows = TableBuilder::default();
    for at in 0..100_000 {
        assert!(rows.set(&format!("field {}", at % 300), Cell::Int(at)));
        rows.end_row().unwrap();
    }
    let table = rows.finish();
    assert_eq!((table.rows, table.columns.len()), (100_000, 300));
    assert_eq!(table.columns[7].get(307), Cell::Int(307));
    assert_eq!(table.columns[7].get(308), Cell::Null);
    // 30 million places, 100,000 values
    assert!(table.size() < 8 << 20, "{}", table.size());
}

#[test]
fn fields_without_an_end_are_an_error() {
    let mut rows = TableBuilder::default();
    let full = (0..100_000).find_map(|at| {
        assert!(rows.set(&format!("field {at}"), Cell::Int(at)));
        rows.end_row().err().map(|what| (at, what))
    });
    let (at, what) = full.expect("an error");
    assert!((4000..6000).contains(&at), "{at}");
    assert!(what.contains("different fields, of which a row has 1.0"), "{what}");
}

/// A row of very many fields, where a linear search per field would take quadratic time.
#[test]
fn a_wide_row_is_read_in_one_go() {
    let folder = tempfile::tempdir().unwrap();
    let fields: Vec<String> = (0..100_000).map(|at| format!("\"f{at}\":1")).collect();
    let row = format!("{{{}}}\n", fields.join(","));
    std::fs::write(folder.path().join("a.jsonl"), row.repeat(2)).unwrap();
    let names: Vec<String> = (0..100_000).map(|at| format!("f{at}")).collect();
    std::fs::write(folder.path().join("a.csv"), format!("{0}\n{0}\n", names.join(","))).unwrap();
    let begun = std::time::Instant::now();
    for name in ["a.jsonl", "a.csv"] {
        let table = levain::data::read("dataset", &folder.path().join(name), Default::default()).unwrap();
        assert_eq!(table.columns.len(), 100_000);
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn what_would_spoil_scores_is_told_unasked() {
    let script = r#"
let rows = [];
for at in 0..20 { rows.push(#{ text: `text ${at % 10}`, label: if at == 13 { "b" } else { "a" } }); }
let parts = dataset(rows).split(0.5);
dataset(rows).unique("text").split(0.5);
let tok = tokenizer(["text 0123456789"], #{ model_type: "wordpiece", vocab_size: 60 });
let net = model(#{ model_type: "bert", vocab_size: tok.len(), hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 1 }, #{ head: "sequence", labels: ["a", "b"], seed: 1 });
classify::run(net, tok, parts, #{ steps: 1, quiet: true });
for how in [#{ on_shared: "error" }, #{ on_conflict: "error" }] {
    try { classify::run(net, tok, #{ train: rows, validation: rows }, #{ steps: 1, quiet: true } + how); } catch (e) { print(e.what); }
}
"#;
    let told = Folder::new(&[("a.rhai", script)]).levain(&["run", "a.rhai"]);
    let line = "10 of 10 rows of `test` (100.0 %) have a text that is in `train` too, the first \"text 0\" (row 0): scores on them are memory";
    assert_eq!(told.err.matches(&format!("split: {line}")).count(), 1, "{}", told.err);
    assert!(told.err.contains(&format!("classify::run: {line}")), "{}", told.err);
    assert!(told.err.contains("there is no `validation`: the best weights are chosen on `test`"), "{}", told.err);
    let errors = [
        "20 of 20 rows of `validation`",
        "train has 1 text with several labels: the first is \"text 3\", rows 3 and 13",
    ];
    assert!(errors.iter().all(|error| told.out.contains(error)), "{}{}", told.out, told.err);
}

/// The captured values of a closure are read by several threads, each with copies of its own: the result is the same, and
/// there is no warning about one thread.
#[test]
fn closures_that_capture_lists_and_maps_run_on_two_threads() {
    let script = r#"
let words = ["a", "b"];
let known = #{ list: [1, 2], deep: [#{ n: 2 }] };
let inner = |word| words.contains(word) && known.deep[0].n == 2;
let rows  = []; for n in 0..24000 { rows.push(#{ n: n, w: if n % 3 == 0 { "a" } else { "c" } }); }
let data  = dataset(rows);
let kept  = data.filter(|row| words.contains(row.w) && known.keys().len() == 2 && known.list.len() == 2 && inner.call(row.w));
data.save("rows.jsonl");
let read = 0; for row in stream("rows.jsonl").filter(|row| words.contains(row.w) && known.list.contains(2)) { read += 1; }
print(`${kept.len()} ${read} ${kept[7999].n}`);
"#;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.rhai"), script).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_levain"));
    let done = command.args(["run", "a.rhai", "--threads", "2"]).current_dir(folder.path()).output().unwrap();
    let (told, warned) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && told.trim() == "8000 8000 23997", "{told}{warned}");
    assert!(!warned.contains("one thread"), "{warned}");
}

//! What a script cannot see of datasets.

use levain::data::encode::{ChatPlan, EncodePlan, Overflow, RowForm, encode};
use levain::data::{Cell, Column, ColumnTable, Dataset, Encoded, TableBuilder};
use levain::token::{Dropout, Tokenizer};

fn texts(count: usize) -> Dataset {
    let mut rows = TableBuilder::default();
    for at in 0..count {
        let text = "the answer 第二条 ".repeat(1 + at * 7 % 23);
        assert!(rows.set("text", Cell::Text(&text)));
        rows.end_row();
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
        pool.install(|| encoded(&data).pack(128, true).expect("blocks").batch(&[0, 5, 40]))
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
        let first = text - rows.batch(&[at]).bytes();
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
        rows.end_row();
    }
    let data = Dataset::from(rows.finish());
    assert!(data.size() < bytes + 9 * data.len(), "{} bytes for {bytes}", data.size());
    assert_eq!(data.shuffle(1).size(), data.size());
}

/// Text beyond some megabytes lies in a file: it reads as any other, and what is changed of a copy is the copy's alone.
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

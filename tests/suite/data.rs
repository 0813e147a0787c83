//! What a script cannot see of datasets.

use levain::data::encode::{Form, Long, Plan, encode};
use levain::data::{Builder, Cell, Dataset, Encoded};
use levain::token::Tokenizer;

fn texts(count: usize) -> Dataset {
    let mut rows = Builder::default();
    for at in 0..count {
        let text = "the answer 第二条 ".repeat(1 + at * 7 % 23);
        assert!(rows.set("text", Cell::Text(&text)));
        rows.end_row();
    }
    rows.finish().into()
}

fn encoded(data: &Dataset) -> Encoded {
    let tokenizer = Tokenizer::open("tests/data/tokenizer-bytes").expect("the tokenizer of the tests");
    let form = Form::Text { field: "text".into() };
    let plan = Plan { form, eos: true, size: None, long: Long::Split, skip_empty: false };
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
        let first = text - rows.batch(&[at]).bytes;
        assert!(first == 3, "row {at}: {first} bytes in the first token");
    }
}

#[test]
fn whole_sequences_waste_little() {
    let rows = encoded(&texts(2000));
    let blocks = rows.pack(2048, false).expect("blocks");
    assert!(blocks.waste().expect("a fixed length") < 0.02, "{:?}", blocks.waste());
    assert_eq!(blocks.learned(), rows.learned());
}

#[test]
fn a_million_rows_cost_little_over_their_text() {
    let mut rows = Builder::default();
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

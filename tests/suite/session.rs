//! Continuous batching: a row generates the same bits alone, beside others, at any time of joining, and from a cached prefix.

use levain::kernel::on_reference;
use levain::model::{LineId, Model, Sampling, Session, SessionPlan};
use levain::tensor::{DType, Rng};
use serde_json::json;
use std::collections::BTreeMap;

const PLAN: SessionPlan = SessionPlan { read_at_once: 1, prefix_bytes: 64 << 20 };

fn net(model_type: &str, dtype: DType) -> Model {
    let mut config = json!({
        "model_type": model_type, "vocab_size": 64, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 64, "max_position_embeddings": 2048,
    });
    if model_type != "gpt2" {
        config["num_key_value_heads"] = json!(2);
    }
    let net = Model::new(config.as_object().cloned().unwrap(), None, 5, dtype).unwrap();
    for (name, weight) in net.weights().iter().filter(|(_, weight)| weight.dims().len() == 2) {
        net.set_weight(name, &(weight.value().unwrap() * 5.0).unwrap()).unwrap();
    }
    net
}

fn prompt(length: u32, salt: u32) -> Vec<u32> {
    (0..length).map(|at| (at * at + at * salt + salt * 7) % 64).collect()
}

fn sampling(count: usize) -> Sampling {
    Sampling { max_new_tokens: count, temperature: 0.9, ..Sampling::default() }
}

/// Generation state of each row.
struct Writer {
    rng: Rng,
    new: Vec<u32>,
    bits: Vec<u32>,
    left: usize,
}

impl Writer {
    fn new(count: usize) -> Writer {
        Writer { rng: Rng::new(3).split(0), new: Vec::new(), bits: Vec::new(), left: count }
    }
}

/// One step of a session and of all its rows; finished rows leave.
fn step(session: &mut Session, writers: &mut BTreeMap<LineId, Writer>) {
    for line in session.step().unwrap() {
        let writer = writers.get_mut(&line).unwrap();
        let (logits, ids) = session.logits(line).unwrap();
        writer.bits.extend(logits.iter().map(|logit| logit.to_bits()));
        let id = sampling(100).next(logits, ids, writer.new.len(), &mut writer.rng).unwrap().unwrap();
        session.push(line, id).unwrap();
        writer.new.push(id);
        writer.left -= 1;
        if writer.left == 0 {
            session.leave(line);
        }
    }
}

/// The logits and tokens of one prompt in a session by itself.
fn alone(net: &Model, prompt: &[u32], count: usize) -> (Vec<u32>, Vec<u32>) {
    let mut session = Session::new(net, PLAN).unwrap();
    let line = session.join(prompt).unwrap();
    let mut writers = BTreeMap::from([(line, Writer::new(count))]);
    while !session.is_empty() {
        step(&mut session, &mut writers);
    }
    let writer = writers.remove(&line).unwrap();
    (writer.new, writer.bits)
}

#[test]
fn a_line_of_a_session_is_the_line_alone_bit_for_bit() {
    for (model_type, dtype, blocks) in [
        ("llama", DType::F32, None),
        ("llama", DType::BF16, None),
        ("gpt2", DType::F32, None),
        ("llama", DType::F32, Some("q8_0")),
        ("llama", DType::F32, Some("q4_0")),
    ] {
        let net = net(model_type, dtype);
        blocks.map_or(Ok(()), |kind| net.quantize("test", kind, None, None)).unwrap();
        let mut session = Session::new(&net, PLAN).unwrap();
        let mut writers = BTreeMap::new();
        let mut asked = Vec::new();
        // short and long prompts join while others generate; the long one is read in two chunks
        for (at, length) in [5, 700, 40, 1, 33].into_iter().enumerate() {
            let (prompt, count) = (prompt(length, at as u32), 4 + at);
            let line = session.join(&prompt).unwrap();
            writers.insert(line, Writer::new(count));
            asked.push((line, prompt, count));
            step(&mut session, &mut writers);
            // a row dropped in the middle of its prompt or text
            let dropped = session.join(&[1, 2, 3]).unwrap();
            session.leave(dropped);
        }
        while !session.is_empty() {
            step(&mut session, &mut writers);
        }
        for (line, prompt, count) in asked {
            let (new, bits) = alone(&net, &prompt, count);
            assert_eq!(writers[&line].new, new, "{model_type} {dtype:?} {blocks:?}: prompt of {}", prompt.len());
            assert!(
                writers[&line].bits == bits,
                "{model_type} {dtype:?} {blocks:?}: prompt of {}: logits differ",
                prompt.len()
            );
        }
    }
}

#[test]
fn generate_writes_what_a_session_writes() {
    let net = net("llama", DType::F32);
    let prompts: Vec<Vec<u32>> = [3, 600, 50].into_iter().map(|length| prompt(length, length)).collect();
    for prompt in &prompts {
        let one = net.generate(std::slice::from_ref(prompt), &sampling(6), &Rng::new(3), |_, _| Ok(true)).unwrap();
        assert_eq!(one[0], alone(&net, prompt, 6).0);
    }
    let together = net.generate(&prompts, &sampling(6), &Rng::new(3), |_, _| Ok(true)).unwrap();
    assert_eq!(together[0], alone(&net, &prompts[0], 6).0);
}

#[test]
fn a_known_prefix_is_not_read_again_and_changes_no_bit() {
    let net = net("llama", DType::F32);
    let first = prompt(600, 1);
    let mut longer = first[..580].to_vec();
    longer.extend(prompt(90, 9));
    let (mut session, mut writers) = (Session::new(&net, PLAN).unwrap(), BTreeMap::new());
    for (prompt, known) in [(&first, 0), (&longer, 580), (&first, 567), (&longer, 637)] {
        let line = session.join(prompt).unwrap();
        assert_eq!(session.prompt(line).unwrap(), (prompt.len(), known));
        writers.insert(line, Writer::new(5));
        while !session.is_empty() {
            step(&mut session, &mut writers);
        }
        let (new, bits) = alone(&net, prompt, 5);
        assert!(writers[&line].new == new && writers[&line].bits == bits, "{known} tokens known");
    }
    // without memory for prefixes none is cached
    let mut session = Session::new(&net, SessionPlan { prefix_bytes: 0, ..PLAN }).unwrap();
    let line = session.join(&first).unwrap();
    session.step().unwrap();
    session.leave(line);
    let line = session.join(&first).unwrap();
    assert_eq!(session.prompt(line).unwrap().1, 0);
}

#[test]
fn a_fork_continues_as_its_line_and_a_long_prompt_stalls_no_one() {
    let net = net("llama", DType::F32);
    let (mut session, mut writers) = (Session::new(&net, PLAN).unwrap(), BTreeMap::new());
    let short = session.join(&prompt(10, 2)).unwrap();
    session.step().unwrap();
    let fork = session.fork(short).unwrap();
    let (mine, its) = (session.logits(short).unwrap().0.to_vec(), session.logits(fork).unwrap().0.to_vec());
    assert!(mine == its);
    session.leave(fork);
    session.push(short, 7).unwrap();
    let long = session.join(&prompt(1500, 3)).unwrap();
    let fresh = session.step().unwrap();
    assert_eq!(fresh, [short], "a token of the short line comes with the first chunk of the long one");
    assert_eq!(session.prompt(long).unwrap(), (1500, 512));
    writers.insert(long, Writer::new(1));
    session.leave(short);
    assert!(session.leave(short).is_empty(), "a line leaves once");
    session.step().unwrap();
    assert_eq!(session.prompt(long).unwrap(), (1500, 1024));
    assert!(session.push(long, 1).unwrap_err().to_string().contains("once the one before is read"));
    assert!(session.join(&[]).unwrap_err().to_string().contains("there are no ids"));
}

#[test]
fn the_reference_continues_sessions_too() {
    let net = net("llama", DType::F32);
    let greedy = |net: &Model| {
        let sampling = Sampling { max_new_tokens: 6, ..Sampling::default() };
        net.generate(&[prompt(700, 4), prompt(9, 4)], &sampling, &Rng::new(0), |_, _| Ok(true)).unwrap()
    };
    assert_eq!(on_reference(|| greedy(&net)), greedy(&net));
}

#[test]
fn penalties_and_biases_count_generated_tokens_alone() {
    let sampling = Sampling { frequency_penalty: 0.5, presence_penalty: 0.25, ..Sampling::default() };
    let next = |sampling: &Sampling, ids: &[u32], new: usize| {
        sampling.next(&mut [0.0, 1.0, 0.9, 0.2], ids, new, &mut Rng::new(0)).unwrap()
    };
    assert_eq!(next(&sampling, &[1, 1, 1], 0), Some(1), "a prompt is no repetition");
    assert_eq!(next(&sampling, &[2, 1], 1), Some(2));
    assert_eq!(next(&sampling, &[1, 1, 2, 2], 4), Some(3), "1.0 - 2 * 0.5 - 0.25 and 0.9 - 1.25 are less than 0.2");
    let biased = Sampling { logit_bias: BTreeMap::from([(0, 5.0), (99, 1.0)]), ..Sampling::default() };
    assert_eq!(next(&biased, &[1], 0), Some(0));
    let ending = Sampling { ends: [1].into(), min_new_tokens: 1, ..Sampling::default() };
    assert_eq!((next(&ending, &[3], 0), next(&ending, &[3, 3], 1)), (Some(2), None));
    let broken = Sampling { frequency_penalty: f64::NAN, ..Sampling::default() };
    assert!(broken.check().unwrap_err().to_string().contains("frequency_penalty"));
}

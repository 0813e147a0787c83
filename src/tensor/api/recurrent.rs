//! Recurrent layers.

use super::{PRECISION, places, precision, tensor_of};
use crate::script::prelude::*;
use crate::tensor::layers::{Cell, Direction, Recurrent, States};
use crate::tensor::{Rng, Tensor, is_recording, rng};

const SEGMENTS: Opt = opt(
    "segments",
    Kind::Any,
    "",
    "segment ids, a tensor `[batch, length]`: each segment is a sequence of its own; 0 is padding",
)
.also(&["lengths", "pack_padded_sequence", "enforce_sorted"]);
const H_0: Opt = opt("h_0", Kind::Any, "", "initial states, `[layers · directions, sequences, hidden]`; by default 0")
    .also(&["hx", "h0"]);
const DROPOUT: Opt = opt("dropout", Kind::Float, "0.0", "dropout between layers, while gradients are recorded");
const SEED: Opt = opt("seed", Kind::Int, "", "seed of dropout's own random stream; by default the run's");
const GRU: &[Opt] = &[SEGMENTS, H_0, DROPOUT, SEED, PRECISION];
const LSTM: &[Opt] = &[
    SEGMENTS,
    H_0,
    opt("c_0", Kind::Any, "", "initial cells, `[layers · directions, sequences, hidden]`; by default 0").also(&["c0"]),
    DROPOUT,
    SEED,
    PRECISION,
];
const RNN: &[Opt] = &[
    opt("nonlinearity", Kind::OneOf(&["tanh", "relu"]), "\"tanh\"", "activation of the sum"),
    SEGMENTS,
    H_0,
    DROPOUT,
    SEED,
    PRECISION,
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("gru", GRU);
    host.options("lstm", LSTM);
    host.options("rnn", RNN);
}

/// The name of a weight in PyTorch's modules.
fn key(part: &str, layer: usize, side: usize) -> String {
    format!("{part}_l{layer}{}", if side == 1 { "_reverse" } else { "" })
}

/// The layers whose weights a map holds, under PyTorch's names, in one direction or two.
fn layers(who: &str, cell: Cell, weights: &Map, input: usize) -> Res<Vec<Vec<Direction>>> {
    let sides = if weights.contains_key("weight_ih_l0_reverse") { 2 } else { 1 };
    let count = (0..).take_while(|layer| weights.contains_key(key("weight_ih", *layer, 0).as_str())).count();
    let known: Vec<String> = (0..count.max(1))
        .flat_map(|layer| (0..sides).map(move |side| (layer, side)))
        .flat_map(|(layer, side)| ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map(|part| key(part, layer, side)))
        .collect();
    if let Some(name) = weights.keys().find(|name| !known.iter().any(|known| known == name.as_str())) {
        return Err(Error::unknown(who, "weight", name, known.iter().map(String::as_str)).into());
    }
    let find = |part: &str, layer: usize, side: usize| -> Res<Option<Tensor>> {
        let name = key(part, layer, side);
        match weights.get(name.as_str()) {
            None => Ok(None),
            Some(value) if value.is::<Tensor>() => Ok(value.clone().try_cast()),
            Some(value) => bail!(who, "weight `{name}` is {}, not a tensor", type_in_words(value)),
        }
    };
    let needed = |part: &str, layer: usize, side: usize| -> Res<Tensor> {
        match find(part, layer, side)? {
            Some(weight) => Ok(weight),
            None => bail!(who, "the weights have no `{}`", key(part, layer, side)),
        }
    };
    let mut layers: Vec<Vec<Direction>> = Vec::new();
    for layer in 0..count.max(1) {
        let mut both = Vec::new();
        for side in 0..sides {
            let direction = Direction {
                weight_ih: needed("weight_ih", layer, side)?,
                weight_hh: needed("weight_hh", layer, side)?,
                bias_ih: find("bias_ih", layer, side)?,
                bias_hh: find("bias_hh", layer, side)?,
            };
            both.push(direction);
        }
        layers.push(both);
    }
    check(who, cell, &layers, input)?;
    Ok(layers)
}

/// Checks the shapes of all weights.
fn check(who: &str, cell: Cell, layers: &[Vec<Direction>], input: usize) -> Res<()> {
    let first = layers[0][0].weight_hh.shape();
    let width = first.get(1).copied().unwrap_or(0);
    let wide = cell.gates() * width;
    if first != [wide, width] || width == 0 {
        bail!(who, "weight `weight_hh_l0` of shape {first:?} is not [{} · hidden, hidden]", cell.gates());
    }
    let mut inputs = input;
    for (layer, both) in layers.iter().enumerate() {
        for (side, one) in both.iter().enumerate() {
            let sizes: [(&str, Option<&Tensor>, Vec<usize>); 4] = [
                ("weight_ih", Some(&one.weight_ih), vec![wide, inputs]),
                ("weight_hh", Some(&one.weight_hh), vec![wide, width]),
                ("bias_ih", one.bias_ih.as_ref(), vec![wide]),
                ("bias_hh", one.bias_hh.as_ref(), vec![wide]),
            ];
            for (part, weight, dims) in sizes {
                if let Some(weight) = weight.filter(|weight| weight.shape() != dims) {
                    bail!(who, "weight `{}` has shape {:?}, not {dims:?}", key(part, layer, side), weight.shape());
                }
            }
        }
        inputs = width * both.len();
    }
    Ok(())
}

fn run(who: &str, cell: Cell, x: &Tensor, weights: &Map, options: &Options) -> Res<Map> {
    let dims = x.shape();
    let &[batch, length, input] = dims.as_slice() else {
        bail!(who, "x has shape {dims:?}, not [batch, length, input]");
    };
    let segments = places(options, "segments", &[batch, length])?;
    let dropout = options.float("dropout")?;
    if !(0.0..1.0).contains(&dropout) {
        bail!(who, "option `dropout` is {dropout}, not in 0..1");
    }
    let layer = Recurrent {
        who,
        cell,
        layers: layers(who, cell, weights, input)?,
        h_0: tensor_of(options, "h_0")?,
        c_0: if cell == Cell::Lstm { tensor_of(options, "c_0")? } else { None },
        dropout: if is_recording() { dropout } else { 0.0 },
        precision: precision(options)?,
    };
    let draws = layer.dropout > 0.0 && layer.layers.len() > 1;
    let mut rng = match options.maybe("seed", Options::int)? {
        Some(seed) => Rng::new(seed as u64),
        None if draws => rng::dropout(),
        None => Rng::new(0),
    };
    let States { output, h_n, c_n } = layer.run(x, segments.as_deref(), &mut rng)?;
    let mut found = Map::new();
    found.insert("output".into(), Dynamic::from(output));
    found.insert("h_n".into(), Dynamic::from(h_n));
    if let Some(c_n) = c_n {
        found.insert("c_n".into(), Dynamic::from(c_n));
    }
    Ok(found)
}

#[export_module]
mod verbs {
    /// Runs a gated recurrent unit (GRU) over x `[batch, length, input]`. The form is cuDNN's, as in PyTorch (Cho et al. 2014).
    ///
    /// `weights` is a map with PyTorch's names and shapes: `weight_ih_l0` `[3 · hidden, input]`, `weight_hh_l0`
    /// `[3 · hidden, hidden]`, and optionally the biases `bias_ih_l0` and `bias_hh_l0` `[3 · hidden]`; `weight_ih_l0_reverse` and
    /// so on add the other direction, `weight_ih_l1` and so on more layers. `nn::gru` makes them. `segments` packs rows of
    /// different length, and several sequences in one row: each begins with `h_0`, in row order.
    ///
    /// Returns `output` `[batch, length, directions · hidden]`, 0 at padding, and `h_n`, the last state of each layer, direction
    /// and sequence `[layers · directions, sequences, hidden]`.
    ///
    /// also: torch.nn.GRU, recurrent network, bidirectional, pack_padded_sequence, BiGRU
    ///
    /// ```rhai
    /// let w = #{ weight_ih_l0: ones([6, 3]) * 0.1, weight_hh_l0: ones([6, 2]) * 0.1 };
    /// let y = gru(ones([1, 2, 3]), w);
    /// y.output                                 //=> tensor([[[0.1240, 0.1240],
    /// //                                                     [0.1997, 0.1997]]])
    /// y.h_n.shape                              //=> [1, 1, 2]
    /// gru(ones([2, 2, 3]), w, #{ segments: tensor([[1, 1], [1, 0]]) }).output[1][1]      //=> tensor([0., 0.])
    /// gru(ones([1, 2, 4]), w)                  //=> error: gru: weight `weight_ih_l0` has shape [6, 3], not [6, 4]
    /// ```
    #[rhai_fn(name = "gru", return_raw)]
    pub fn gru(x: Tensor, weights: Map, options: Map) -> Res<Map> {
        run("gru", Cell::Gru, &x, &weights, &Options::read("gru", GRU, options)?)
    }

    /// Runs a long short-term memory (LSTM) over x `[batch, length, input]`. See Hochreiter and Schmidhuber 1997, and for the
    /// forget gate Gers et al. 2000.
    ///
    /// Weights, `segments` and results are as in `gru`, with `4 · hidden` rows of gates (input, forget, cell, output); `c_n` are
    /// the last cells, and `c_0` the initial ones.
    ///
    /// also: torch.nn.LSTM, recurrent network, bidirectional, pack_padded_sequence, BiLSTM
    ///
    /// ```rhai
    /// let w = #{ weight_ih_l0: ones([8, 3]) * 0.1, weight_hh_l0: ones([8, 2]) * 0.1 };
    /// let y = lstm(ones([1, 2, 3]), w);
    /// y.output[0]                              //=> tensor([[0.0952, 0.0952],
    /// //                                                    [0.1557, 0.1557]])
    /// y.c_n                                    //=> tensor([[[0.2756, 0.2756]]])
    /// ```
    #[rhai_fn(name = "lstm", return_raw)]
    pub fn lstm(x: Tensor, weights: Map, options: Map) -> Res<Map> {
        run("lstm", Cell::Lstm, &x, &weights, &Options::read("lstm", LSTM, options)?)
    }

    /// Runs Elman's recurrent network (1990) over x `[batch, length, input]`: tanh, or relu, of the sum of input and state.
    ///
    /// Weights, `segments` and results are as in `gru`, with `hidden` rows.
    ///
    /// also: torch.nn.RNN, recurrent network, bidirectional
    ///
    /// ```rhai
    /// let w = #{ weight_ih_l0: ones([2, 3]) * 0.1, weight_hh_l0: ones([2, 2]) * 0.1 };
    /// rnn(ones([1, 2, 3]), w).output[0]        //=> tensor([[0.2913, 0.2913],
    /// //                                                    [0.3437, 0.3437]])
    /// rnn(ones([1, 2, 3]), w, #{ nonlinearity: "relu" }).h_n       //=> tensor([[[0.3600, 0.3600]]])
    /// ```
    #[rhai_fn(name = "rnn", return_raw)]
    pub fn rnn(x: Tensor, weights: Map, options: Map) -> Res<Map> {
        let options = Options::read("rnn", RNN, options)?;
        let cell = if options.text("nonlinearity")? == "relu" { Cell::Relu } else { Cell::Tanh };
        run("rnn", cell, &x, &weights, &options)
    }
}

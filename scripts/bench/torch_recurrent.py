"""PyTorch reference for scripts/bench/recurrent.rhai: a step of one torch.nn recurrent layer, forward and backward.

    VENV/bin/python scripts/bench/torch_recurrent.py --cell lstm --threads 2

Computes gradients of the weights and the input. Prints one JSON line with the keys of recurrent.rhai: step_s is the median step without the first.
"""

import argparse
import json
import resource
import statistics
import time

import torch


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--cell", choices=["gru", "lstm", "rnn"], default="gru")
    p.add_argument("--input", type=int, default=256)
    p.add_argument("--hidden", type=int, default=256)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--length", type=int, default=128)
    p.add_argument("--bidirectional", action="store_true")
    p.add_argument("--ragged", action="store_true", help="row i has as many steps as its share of the batch; packed, as torch does it best")
    p.add_argument("--precision", choices=["f32", "bf16"], default="f32", help="bf16: CPU autocast")
    p.add_argument("--steps", type=int, default=12)
    p.add_argument("--threads", type=int, default=0)
    a = p.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.manual_seed(7)
    kind = dict(gru=torch.nn.GRU, lstm=torch.nn.LSTM, rnn=torch.nn.RNN)[a.cell]
    net = kind(a.input, a.hidden, batch_first=True, bidirectional=a.bidirectional)
    x = torch.randn(a.batch, a.length, a.input, requires_grad=True)
    g = torch.randn(a.batch, a.length, a.hidden * (2 if a.bidirectional else 1))
    lengths = (torch.arange(1, a.batch + 1) * a.length // a.batch).clamp(1, a.length)
    times = []
    for _ in range(a.steps):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.precision == "bf16"):
            if a.ragged:
                packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
                y, _ = torch.nn.utils.rnn.pad_packed_sequence(net(packed)[0], batch_first=True, total_length=a.length)
            else:
                y, _ = net(x)
        y.backward(g.to(y.dtype))
        times.append(time.perf_counter() - start)
        net.zero_grad(set_to_none=True)
        x.grad = None
    step = statistics.median(times[1:] or times)
    print(json.dumps(dict(
        peer=f"torch {torch.__version__}", cell=a.cell, hidden=a.hidden, batch=a.batch, length=a.length, ragged=a.ragged,
        precision=a.precision, threads=torch.get_num_threads(), step_s=round(step, 4), steps_per_s=round(a.batch * a.length / step, 1),
        peak_gib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3))))


if __name__ == "__main__":
    main()

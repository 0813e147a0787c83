"""PyTorch reference for encoder benchmarks: one training step, or embedding, on this machine.

    VENV/bin/python torch_encoder.py --shape base --task classify --dtype f32 --batch 8 --seq 128
    MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=268435456 \
        VENV/bin/python torch_encoder.py ... --compile          # torch at its best

Shapes: micro (4 layers, 256), mini (MiniLM-like: 6 layers, 384, 12 heads, 1536) and base (BERT-base: 12, 768, 12, 3072).
Tasks: mlm (15 % of the tokens predicted), classify (5 classes), ner (9 labels per token), embed (mean pooling, L2, no gradient).
A step is forward, loss, backward, clip to norm 1, AdamW. Random weights, random ids: same work. Dropout is off by default
(--dropout 0.1 measures it). --mlm-gather: the head sees only the predicted positions (an optimization; transformers'
BertForMaskedLM computes logits of every position). --ragged: lengths from seq/8 to seq, padded (--unpad has no meaning in transformers' BERT);
with --bucketed the lengths of fifty batches are drawn together and sorted, so that a batch has little padding. encoder.rhai is the twin.
Prints one JSON line with the keys of torch_step.py: tokens_per_s (median step without the first), peak_gib (whole process), step_s,
and rows_per_s; cpu_s is the CPU time of the median step (all threads), best_s the fastest step: the number to use on a busy machine.
"""

import argparse
import json
import resource
import statistics
import time

import torch
import transformers as tf

SHAPES = {
    "micro": dict(hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024),
    "mini": dict(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536),
    "base": dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072),
}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--shape", choices=SHAPES, default="mini")
    p.add_argument("--task", choices=["mlm", "classify", "ner", "embed"], default="classify")
    p.add_argument("--dtype", choices=["f32", "bf16"], default="f32", help="bf16: CPU autocast over f32 weights in training, bf16 weights in embed")
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--seq", type=int, default=128)
    p.add_argument("--steps", type=int, default=8)
    p.add_argument("--vocab", type=int, default=30522)
    p.add_argument("--dropout", type=float, default=0.0)
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--compile", action="store_true")
    p.add_argument("--mlm-gather", action="store_true")
    p.add_argument("--ragged", action="store_true")
    p.add_argument("--bucketed", action="store_true")
    a = p.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    labels_n = {"classify": 5, "ner": 9}.get(a.task, 2)
    config = tf.BertConfig(vocab_size=a.vocab, max_position_embeddings=512, hidden_dropout_prob=a.dropout,
                           attention_probs_dropout_prob=a.dropout, num_labels=labels_n,
                           attn_implementation="sdpa", **SHAPES[a.shape])
    kind = {"mlm": tf.BertForMaskedLM, "classify": tf.BertForSequenceClassification,
            "ner": tf.BertForTokenClassification, "embed": tf.BertModel}[a.task]
    model = kind(config) if a.task != "embed" else tf.BertModel(config, add_pooling_layer=False)
    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.dtype == "bf16")

    pool = []

    def drawn():
        if not a.bucketed:
            lengths = torch.randint(a.seq // 8, a.seq + 1, (a.batch,))
            lengths[0] = a.seq
            return lengths
        if not pool:
            every = torch.randint(a.seq // 8, a.seq + 1, (50 * a.batch,)).sort().values.split(a.batch)
            pool.extend(every[at] for at in torch.randperm(50))
        return pool.pop()

    def batch():
        ids = torch.randint(5, a.vocab, (a.batch, a.seq))
        mask = torch.ones_like(ids)
        if a.ragged:
            lengths = drawn()
            ids = ids[:, : int(lengths.max())]
            mask = (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()
            ids = ids * mask
        return ids, mask

    times, seen, cpu = [], [], []
    if a.task == "embed":
        model.eval()
        if a.dtype == "bf16":
            model.to(torch.bfloat16)
        run = torch.compile(model) if a.compile else model
        for _ in range(a.steps):
            ids, mask = batch()
            start, busy = time.perf_counter(), time.process_time()
            with torch.inference_mode():
                h = run(input_ids=ids, attention_mask=mask).last_hidden_state
                m = mask[..., None].to(h.dtype)
                e = torch.nn.functional.normalize((h * m).sum(1) / m.sum(1), dim=-1)
                e.sum().item()
            times.append(time.perf_counter() - start)
            cpu.append(time.process_time() - busy)
            seen.append(int(mask.sum()))
    else:
        model.train()
        learn = list(model.parameters())
        optimizer = torch.optim.AdamW(learn, lr=1e-4)
        if a.task == "mlm" and a.mlm_gather:
            body, head = model.bert, model.cls
            def loss_of(ids, mask, labels):
                h = body(input_ids=ids, attention_mask=mask).last_hidden_state
                at = labels.view(-1).ne(-100).nonzero().squeeze(1)
                logits = head(h.view(-1, h.shape[-1])[at])
                return torch.nn.functional.cross_entropy(logits.float(), labels.view(-1)[at])
        else:
            def loss_of(ids, mask, labels):
                return model(input_ids=ids, attention_mask=mask, labels=labels).loss
        run = torch.compile(loss_of) if a.compile else loss_of
        for _ in range(a.steps):
            ids, mask = batch()
            if a.task == "classify":
                labels = torch.randint(0, labels_n, (a.batch,))
            elif a.task == "ner":
                labels = torch.where(mask == 1, torch.randint(0, labels_n, ids.shape), -100)
            else:
                # the same number in every row, so that compiled shapes do not change
                k = max(1, int(0.15 * a.seq))
                labels = torch.full_like(ids, -100)
                for row in range(a.batch):
                    n = int(mask[row].sum())
                    at = torch.randperm(n)[: min(k, n)]
                    labels[row, at] = ids[row, at]
            start, busy = time.perf_counter(), time.process_time()
            with autocast:
                loss = run(ids, mask, labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learn, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            loss.item()
            times.append(time.perf_counter() - start)
            cpu.append(time.process_time() - busy)
            seen.append(int(mask.sum()))
    step = statistics.median(times[1:] or times)
    tokens = statistics.median(seen)
    print(json.dumps(dict(
        peer=f"torch {torch.__version__}", shape=a.shape, mode=a.task, dtype=a.dtype, batch=a.batch, seq=a.seq,
        threads=torch.get_num_threads(), step_s=round(step, 4), best_s=round(min(times[1:] or times), 4),
        cpu_s=round(statistics.median(cpu[1:] or cpu), 4), tokens_per_s=round(tokens / step, 1),
        rows_per_s=round(a.batch / step, 2), parameters=sum(w.numel() for w in model.parameters()),
        compile=a.compile, ragged=a.ragged, bucketed=a.bucketed, gather=a.mlm_gather, dropout=a.dropout,
        peak_gib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3), first_s=round(times[0], 2))))


if __name__ == "__main__":
    main()

"""The peers of floors.rhai on the same rows: scikit-learn's TF-IDF and logistic regression, sklearn-crfsuite, and a GRU in PyTorch.

  levain run scripts/bench/floors.rhai reviews=… arm=regression rows=out/reviews     # writes out/reviews/{train,validation,test}.jsonl
  time python scripts/bench/floors_peers.py out/reviews regression
  levain run scripts/bench/floors.rhai ner=… arm=field rows=out/ner
  time python scripts/bench/floors_peers.py out/ner field          # or gru

pip install scikit-learn sklearn-crfsuite seqeval torch
"""

import json
import random
import sys
from collections import Counter

folder, arm = sys.argv[1:3]
parts = {name: [json.loads(line) for line in open(f"{folder}/{name}.jsonl")] for name in ("train", "validation", "test")}
train, validation, test = parts["train"], parts["validation"], parts["test"]


def told(found):
    from seqeval.metrics import f1_score, precision_score, recall_score
    from seqeval.scheme import IOBES

    def iobes(rows):
        return [[{"M": "I"}.get(tag[0], tag[0]) + tag[1:] for tag in row] for row in rows]

    found, right = iobes(found), iobes([row["tags"] for row in test])
    how = dict(mode="strict", scheme=IOBES)
    print(f"{arm}: precision {precision_score(right, found, **how):.3f} recall {recall_score(right, found, **how):.3f} F1 {f1_score(right, found, **how):.3f}")


if arm == "regression":
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, f1_score

    vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 3))
    x = vectors.fit_transform(row["text"] for row in train)
    y = [row["label"] for row in train]
    held = vectors.transform(row["text"] for row in validation)
    best = max(
        (LogisticRegression(C=c, max_iter=1000).fit(x, y) for c in (1, 4, 16, 64)),
        key=lambda fit: fit.score(held, [row["label"] for row in validation]),
    )
    found = best.predict(vectors.transform(row["text"] for row in test))
    right = [row["label"] for row in test]
    print(f"C {best.C}: accuracy {accuracy_score(right, found):.3f} macro F1 {f1_score(right, found, average='macro'):.3f}")

if arm == "field":
    import sklearn_crfsuite

    def features(tokens):
        at = lambda i: tokens[i] if 0 <= i < len(tokens) else "<>"
        rows = []
        for i in range(len(tokens)):
            row = {f"c{d}": at(i + d) for d in (-2, -1, 0, 1, 2)}
            row |= {f"p{d}": at(i + d) + at(i + d + 1) for d in (-2, -1, 0, 1)}
            row |= {"skip": at(i - 1) + at(i + 1), "digit": tokens[i].isdigit(), "ascii": tokens[i].isascii(), "bias": 1.0}
            rows.append(row)
        return rows

    field = sklearn_crfsuite.CRF(algorithm="lbfgs", c1=0.0, c2=0.1, max_iterations=80, all_possible_transitions=True)
    field.fit([features(row["tokens"]) for row in train], [row["tags"] for row in train])
    told(field.predict([features(row["tokens"]) for row in test]))

if arm == "gru":
    import torch
    from torch import nn

    torch.manual_seed(7)
    counts = Counter(token for row in train for token in row["tokens"])
    signs = {token: at + 2 for at, token in enumerate(token for token, count in counts.items() if count > 1)}
    labels = sorted({tag for row in train for tag in row["tags"]})
    table, rnn = nn.Embedding(len(signs) + 2, 128, padding_idx=0), nn.GRU(128, 160, batch_first=True, bidirectional=True)
    out, drop = nn.Linear(320, len(labels)), nn.Dropout(0.5)
    net = nn.ModuleList([table, rnn, out, drop])
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)

    def scores(rows):
        ids = nn.utils.rnn.pad_sequence([torch.tensor([signs.get(token, 1) for token in row["tokens"]]) for row in rows], True)
        return out(drop(rnn(drop(table(ids)))[0]))

    for epoch in range(4):
        random.Random(epoch).shuffle(train)
        rows = sorted(train, key=lambda row: len(row["tokens"]))
        batches = [rows[at : at + 16] for at in range(0, len(rows), 16)]
        random.Random(epoch).shuffle(batches)
        for batch in batches:
            wanted = nn.utils.rnn.pad_sequence([torch.tensor([labels.index(tag) for tag in row["tags"]]) for row in batch], True, -100)
            loss = nn.functional.cross_entropy(scores(batch).flatten(0, 1), wanted.flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    net.eval()
    with torch.no_grad():
        told([[labels[at] for at in scores([row])[0].argmax(1)] for row in test])

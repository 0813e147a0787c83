"""Opens what labels.rhai saved in transformers' pipelines, and compares labels, probabilities and entities.

    levain run tests/reference/transformers/labels.rhai && python tests/reference/transformers/labels.py
"""
import json
import sys

from transformers import pipeline

out = sys.argv[1] if len(sys.argv) > 1 else "out/reference/labels"
rows = lambda name: [json.loads(line) for line in open(f"{out}/{name}.jsonl")]
texts = ["tax duty", "prison crime law", "income and murder"]
far = 0.0
for name in ["classify", "several"]:
    ask = pipeline("text-classification", f"{out}/{name}", top_k=None)
    for text, own in zip(texts, rows(name)):
        found = ask(text)
        theirs = {one["label"]: one["score"] for one in (found[0] if isinstance(found[0], list) else found)}
        assert theirs.keys() == own["probabilities"].keys(), (theirs, own)
        far = max([far] + [abs(theirs[label] - p) for label, p in own["probabilities"].items()])
        if name == "classify":
            assert max(theirs, key=theirs.get) == own["label"], (text, theirs, own)
        else:
            assert sorted(label for label, p in theirs.items() if p >= 0.5) == sorted(own["labels"]), (text, theirs, own)
ask = pipeline("token-classification", f"{out}/tag", aggregation_strategy="simple")
for row in rows("tag"):
    theirs = [(one["entity_group"], one["start"], one["end"]) for one in ask(row["text"])]
    own = [(one["label"], one["start"], one["end"]) for one in row["entities"]]
    assert theirs == own, (row["text"], theirs, own)
assert far < 1e-5, far
print(f"the same labels and entities; probabilities within {far:.1e}")

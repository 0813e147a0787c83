"""Counts of what transformers' DataCollatorForLanguageModeling does to the tokens of some texts, over many passes.

python tests/data/mask/make.py > tests/data/mask/counts.json        (torch, transformers)
"""

import json

import torch
from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast

TEXTS = ["the worker believed in new york", "paul smith flew to the unbelievable works", "我在北京工作", "a mulberry son of the smiths, able to work"]
PASSES = 5000

tok = PreTrainedTokenizerFast(
    tokenizer_file="tests/data/align/wordpiece.json",
    pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]",
)
collate = DataCollatorForLanguageModeling(tok, mlm_probability=0.15)
torch.manual_seed(7)
rows = [tok(text) for text in TEXTS]
counts = {"passes": PASSES, "texts": TEXTS, "tokens": 0, "special": 0, "selected": 0, "masked": 0, "changed": 0, "kept": 0}
special = set(tok.all_special_ids)
for row in rows:
    counts["tokens"] += sum(id not in special for id in row["input_ids"])
    counts["special"] += sum(id in special for id in row["input_ids"])
plain = torch.nn.utils.rnn.pad_sequence([torch.tensor(row["input_ids"]) for row in rows], batch_first=True)
for _ in range(PASSES):
    batch = collate([{"input_ids": row["input_ids"]} for row in rows])
    ids, labels = batch["input_ids"], batch["labels"]
    chosen = labels != -100
    counts["selected"] += int(chosen.sum())
    counts["masked"] += int((chosen & (ids == tok.mask_token_id)).sum())
    counts["changed"] += int((chosen & (ids != tok.mask_token_id) & (ids != plain)).sum())
    counts["kept"] += int((chosen & (ids == plain)).sum())
    assert (ids == plain)[~chosen].all()
print(json.dumps(counts, ensure_ascii=False, indent=1))

"""Writes completions.json: what TRL learns of prompts and completions that are lists of messages.

    python completions.py        # with transformers 5.24 and trl 1.16

The conversations are those of conversations.json, cut before the first and before the last turn of the assistant, in each of TRL's
templates. A value is [tokens before the completion, all tokens], as `SFTTrainer` masks them, or what is wrong.
"""

import glob
import json
import os

import transformers.utils.chat_template_utils as utils
import trl
from transformers import PreTrainedTokenizerFast
from trl.data_utils import _tokenize, common_prefix_length

from make import Day, HERE

utils.datetime = Day


def masked(tok, template, messages, at, options):
    prompt, completion = messages[:at], messages[at:]
    given = {"chat_template": template, **options}
    # as `tokenize_fn` of SFTTrainer does it
    prompt_ids = _tokenize(tok, prompt, add_generation_prompt=True, **given)["input_ids"]
    all_ids = _tokenize(tok, prompt + completion, **given)["input_ids"]
    return [common_prefix_length(prompt_ids, all_ids), len(all_ids)]


def main():
    with open(f"{HERE}/conversations.json") as file:
        cases = json.load(file)
    del cases["snippets"]
    tok = PreTrainedTokenizerFast.from_pretrained(f"{HERE}/../token/smollm2")
    found = {}
    for path in sorted(glob.glob(f"{os.path.dirname(trl.__file__)}/chat_templates/*.jinja")):
        with open(path) as file:
            template = file.read()
        rows = found.setdefault(os.path.basename(path), {})
        for name, case in cases.items():
            places = [at for at, one in enumerate(case["messages"]) if one["role"] == "assistant" and at > 0]
            for at in sorted({places[0], places[-1]}):
                try:
                    rows[f"{name}, {at}"] = masked(tok, template, case["messages"], at, case.get("options", {}))
                except Exception as error:
                    rows[f"{name}, {at}"] = type(error).__name__
    with open(f"{HERE}/completions.json", "w") as file:
        json.dump(found, file, separators=(",", ":"))
        file.write("\n")


main()

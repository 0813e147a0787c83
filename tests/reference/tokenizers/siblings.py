"""Folders of `families.py` with one setting changed, and what transformers' AutoTokenizer makes of them.

    python siblings.py > tests/data/token/siblings.jsonl         (from the repository's root; transformers 5.24)

A line is {"base": folder, "change": name, "files": {name: what is put into that JSON file}, "ids": of each text}; the first line
has the texts. A change that AutoTokenizer does not open is left out.
"""

import json
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
warnings.filterwarnings("ignore")

from transformers import AutoTokenizer

FAMILIES = Path("tests/data/token/families")
BASES = ["qwen3", "llama3", "gemma", "llama2", "bert-json", "roberta-json", "gpt2-json", "plain-json", "phi3", "neox", "roberta", "gpt2"]
TEXTS = ["a<new> <new>b<new2>  <new> c", "CAFÉ NewTok newtok newtokens.", " x<mask> y [MASK]z", "naïve é, <s>the</s> <|im_end|> end <tool>"]
CONFIG, MAP, ADDED = "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"


def token(content, **flags):
    plain = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": False}
    return {"content": content, **plain, **flags}


def typed(content, **flags):
    return {"__type": "AddedToken", **token(content, special=True, **flags)}


def changes(size):
    """By name, what is put into which file of a tokenizer of so many tokens."""
    listed = lambda *tokens, gap=0: {CONFIG: {"added_tokens_decoder": {str(size + gap + i): one for i, one in enumerate(tokens)}}}
    config = lambda **keys: {CONFIG: keys}
    return {
        "plain": listed(token("<new>")),
        "normalized": listed(token("NewTok", normalized=True)),
        "both strips": listed(token("<new>", lstrip=True, rstrip=True)),
        "left strip, special": listed(token("<new>", lstrip=True, special=True)),
        "single word": listed(token("newtok", single_word=True)),
        "two": listed(token("<new>"), token("<new2>", rstrip=True, special=True)),
        "gap": listed(token("<new>"), gap=3),
        "added_tokens.json": {ADDED: {"<new>": size, "<new2>": size + 1}},
        "special tokens map": {MAP: {"pad_token": "<new>", "additional_special_tokens": ["<new2>"]}},
        "special tokens map's end": {MAP: {"eos_token": token("<new>")}},
        "extra list": config(extra_special_tokens=["<new>", "<new2>"]),
        "extra map": config(extra_special_tokens={"image_token": "<new>", "boi_token": "<new2>"}),
        "additional": config(additional_special_tokens=["<new>", "<new2>"]),
        "additional with flags": config(additional_special_tokens=[typed("<new>", lstrip=True)]),
        "mask with flags": config(mask_token=typed("<mask>", lstrip=True, normalized=True)),
        "other cls and sep": config(cls_token="<new>", sep_token="<new2>"),
        "other bos": config(bos_token="<new>"),
        "other eos": config(eos_token="<new>", add_eos_token=True),
        "other unk": config(unk_token="<new>"),
        "bos and eos": config(add_bos_token=True, add_eos_token=True),
        "no bos": config(add_bos_token=False),
        "prefix": config(add_prefix_space=True),
        "no prefix": config(add_prefix_space=False),
        "legacy": config(legacy=True),
        "not legacy": config(legacy=False),
        "lower case": config(do_lower_case=True),
        "cased": config(do_lower_case=False),
        "without accents": config(strip_accents=True, do_lower_case=False),
        "with accents": config(strip_accents=False),
        "split special tokens": config(split_special_tokens=True),
        "as it is": config(tokenizer_class="PreTrainedTokenizerFast"),
    }


def main():
    print(json.dumps({"texts": TEXTS}, ensure_ascii=False))
    for base in BASES:
        size = len(AutoTokenizer.from_pretrained(FAMILIES / base))
        for change, files in changes(size).items():
            with tempfile.TemporaryDirectory() as folder:
                shutil.copytree(FAMILIES / base, folder, dirs_exist_ok=True)
                for name, keys in files.items():
                    path = Path(folder) / name
                    known = json.loads(path.read_text()) if path.exists() else {}
                    path.write_text(json.dumps(known | keys, ensure_ascii=False))
                try:
                    tok = AutoTokenizer.from_pretrained(folder)
                    ids = [tok(text)["input_ids"] for text in TEXTS]
                except Exception as error:
                    print(f"{base}, {change}: {error}"[:120], file=sys.stderr)
                    continue
            line = {"base": base, "change": change, "files": files, "ids": ids}
            print(json.dumps(line, ensure_ascii=False, separators=(",", ":")))


main()

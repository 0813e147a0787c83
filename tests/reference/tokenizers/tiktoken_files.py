"""Writes tests/data/token/ranks: files of tiktoken and Mistral's tekken.json, and the ids that tiktoken and mistral_common give.

    pip install tiktoken mistral-common tokenizers
    python tests/reference/tokenizers/tiktoken_files.py

The ranks are those of a small byte-level BPE over the texts of ../families; patterns and special tokens are the published ones.
"""

import base64
import json
import unicodedata
from pathlib import Path

import tiktoken
from mistral_common.tokens.tokenizers.tekken import Tekkenizer
from tiktoken_ext import openai_public
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

ROOT = Path(__file__).parents[2] / "data/token"
OUT = ROOT / "ranks"
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""


def byte_of():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {chr(byte): byte for byte in printable}
    rest = [byte for byte in range(256) if byte not in printable]
    return {**letters, **{chr(256 + at): byte for at, byte in enumerate(rest)}}


def learn(texts, count):
    """Ranks of bytes and of what BPE merges, in order."""
    tokenizer = Tokenizer(models.BPE())
    steps = [pre_tokenizers.Split(Regex(TEKKEN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Sequence(steps), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=count, initial_alphabet=alphabet, show_progress=False))
    letters = byte_of()
    merged = sorted(tokenizer.get_vocab().items(), key=lambda two: two[1])
    tokens = [bytes(letters[letter] for letter in token) for token, _ in merged]
    return [bytes([byte]) for byte in range(256)] + [token for token in tokens if len(token) > 1]


def main():
    texts = json.loads((ROOT / "families/expect.json").read_text())["texts"]
    # mistral_common takes special tokens in a text for text
    texts = [text for text in texts if "<s>" not in text]
    tokens = learn(texts * 2, 700)
    ranks = {token: rank for rank, token in enumerate(tokens)}
    lines = "".join(f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ranks.items())
    end = len(ranks)
    patterns = {}
    openai_public.load_tiktoken_bpe = lambda *_, **__: ranks
    for name in ["r50k_base", "cl100k_base", "o200k_base"]:
        patterns[name] = getattr(openai_public, name)()
    first = {"r50k_base": 50256, "cl100k_base": 100256, "o200k_base": 199998}
    OUT.mkdir(exist_ok=True)
    expect = {"texts": texts, "files": {}}
    for name, known in patterns.items():
        specials = {token: at - first[name] + end for token, at in known["special_tokens"].items()}
        encoding = tiktoken.Encoding(name, pat_str=known["pat_str"], mergeable_ranks=ranks, special_tokens=specials)
        expect["files"][f"{name}.tiktoken"] = {
            "specials": specials, "ids": [encoding.encode(text, allowed_special="all") for text in texts],
        }
    qwen = tiktoken.Encoding("qwen", pat_str=QWEN, mergeable_ranks=ranks, special_tokens={})
    expect["files"]["qwen.tiktoken"] = {
        "specials": {"<|endoftext|>": end, "<|im_start|>": end + 1, "<|im_end|>": end + 2, "<|extra_204|>": end + 207},
        "ids": [qwen.encode(unicodedata.normalize("NFC", text)) for text in texts],
    }
    for name in expect["files"]:
        (OUT / name).write_text(lines)

    def text_of(token):
        try:
            return token.decode()
        except UnicodeDecodeError:
            return None

    vocab = [{"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": text_of(token)} for token, rank in ranks.items()]
    names = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "<pad>", "[THINK]"]
    listed = [{"rank": rank, "token_str": name, "is_control": True} for rank, name in enumerate(names)]
    of = lambda specials, version: {
        "pattern": TEKKEN, "num_vocab_tokens": len(vocab), "default_num_special_tokens": specials,
        "default_vocab_size": specials + len(vocab) - 40, "version": version,
    }
    forms = {
        "tekken.json": {"config": of(30, "v3"), "vocab": vocab},
        "tekken-v11.json": {"config": of(12, "v11"), "vocab": vocab, "version": 11, "type": "Tekken", "special_tokens": listed,
                            "image": {"image_patch_size": 16, "max_image_size": 1024}},
    }
    for name, form in forms.items():
        (OUT / name).write_text(json.dumps(form, ensure_ascii=False))
        own = Tekkenizer.from_file(OUT / name)
        expect["files"][name] = {
            "specials": {own.id_to_piece(id): id for id in range(own.num_special_tokens)},
            "ids": [own.encode(text, bos=True, eos=False) for text in texts],
        }
    (OUT / "expect.json").write_text(json.dumps(expect, ensure_ascii=False))


main()

"""Folders of tokenizers as they lie on disk, a few for each family, and what transformers' AutoTokenizer makes of them.

    python families.py build FOLDER              writes the folders and `expect.json` (tests/data/token/families)
    python families.py lines OUT [REAL]   writes the folders too, 10,000 lines of six scripts and more, and the ids of each folder
                                          for them; REAL holds real vocabularies (gpt2, qwen3, llama2, bert-base-chinese).
    python families.py begins FOLDER OUT  texts that begin with what each tokenizer adds (tests/data/token/begins.json)
    python families.py compare OUT LEVAIN encodes the lines with the binary LEVAIN, and says where ids differ

Vocabularies are trained here, on the sentences below: a few hundred tokens in the shape of each family, with the settings
that its published `tokenizer_config.json` has. Needs transformers 5.24, tokenizers, sentencepiece, tiktoken.
"""

import base64
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

SENTENCES = [
    "The patent of the applicant is the right of the patentee, and the patentee's heirs hold it.",
    "Don't they've I'll we're it's HE'S 12345 + 67 = 12412, 3.14% of $100 (or 5 €) [x] {y} <z>!",
    "def main(args): return [x ** 2 for x in range(10) if x % 2 == 0]  # comment\n\n\tindented",
    "Größe naïve café Ångström façade São Tomé, señor; l'été où ça va œuvre",
    "为了保护专利权人的合法权益，鼓励发明创造，推动发明创造的应用，制定本法。第一条 第二条",
    "日本語のトークナイザは、ひらがなとカタカナと漢字を区切る。東京2020年。",
    "한국어 문장은 띄어쓰기를 합니다. 안녕하세요 세계, 서울특별시!",
    "Привет, мир! Как дела сегодня? Права патентообладателя охраняются законом.",
    "مرحبا بالعالم، كيف حالك اليوم؟ حقوق صاحب البراءة محمية بالقانون ٢٠٢٤",
    "नमस्ते दुनिया, आप कैसे हैं? पेटेंट के अधिकार कानून द्वारा संरक्षित हैं १२३",
    "Γειά σου Κόσμε, τι κάνεις σήμερα; Τα δικαιώματα προστατεύονται.",
    "สวัสดีชาวโลก สิทธิบัตรได้รับความคุ้มครอง ๒๕๖๗  שלום עולם, מה שלומך היום?",
    "emoji 👩‍👩‍👧 🇩🇪 😀😀 and signs … — “quoted” ½ ² ³ Ⅳ ﬁ ﬂ ™ № ㎏ ｆｕｌｌ　ｗｉｄｔｈ",
]

# what tokenizers stumble over
NASTY = [
    "Hello world, this isn't 1234 test's  end \n\n  next\tline",
    "  leading and trailing   ",
    "I'LL we've 'Re 'ſ\r\nCR\r LF\n \n\t x",
    "x²³ ½ Ⅳ ٣٤٥ 一二三 12345678 \u00a0\u2009\u3000wide\u3000",
    "e\u0301 combining a\u0308\u0323 \u0301 n\u0303 ﬁne ﬀ Å \u212b ｱｲｳ ㍍",
    "\u0001\u007f control \u200b zero\u200dwidth \u200cjoiner \ufeff bom",
    "🤗 👩‍👩‍👧 🇩🇪 family ☺️ \U0010ffff \ue000",
    "▁ under▁line ▁▁two",
    " ",
    "",
    "\n",
    "\t\t",
    "a",
    "ǅ ǈ İstanbul ıssız ẞ ß straße ΣΑΣ ς",
    "##a ##b [CLS] [SEP] <s> </s> <unk> <pad> <mask> <|endoftext|> <|im_end|>",
    "text<|im_end|>  more <tool> and<tool>inside </s>end <s> start",
    "https://example.org/path?q=1&r=2#frag user@example.org $100,000.50",
    "`` quotes '' and \"double\" «guillemets» 「括弧」（全角）",
    "don't can't . , ! ? n't 's i'm you're he ' s",
    "snake_case camelCase SCREAMING_CASE kebab-case 3rd 2nd v1.2.3 0x1F",
]


def save(folder, name, value):
    folder.mkdir(parents=True, exist_ok=True)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    (folder / name).write_text(text, encoding="utf-8")


def train(tokenizer, size, specials=(), **more):
    alphabet = pre_tokenizers.ByteLevel.alphabet() if more.pop("bytes", True) else []
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(specials), initial_alphabet=alphabet, show_progress=False, **more
    )
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    return tokenizer


def byte_bpe(pre, size=420, specials=(), normalizer=None):
    """A byte-level BPE that is cut by `pre`, a list of steps before the bytes."""
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(pre) if len(pre) > 1 else pre[0]
    tokenizer.decoder = decoders.ByteLevel()
    return train(tokenizer, size, specials)


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def plain_bytes():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
QWEN35 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
DEEPSEEK = [
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
]


def token(content, special=True, **flags):
    base = {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": special}
    return {**base, **flags}


def spec(tokenizer):
    return json.loads(tokenizer.to_str())


def pair(folder, tokenizer):
    model = spec(tokenizer)["model"]
    save(folder, "vocab.json", model["vocab"])
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    save(folder, "merges.txt", "#version: 0.2\n" + "\n".join(merges) + "\n")
    return len(model["vocab"])


def sp(folder, kind, size, name="tokenizer.model", **options):
    folder.mkdir(parents=True, exist_ok=True)
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(line.replace("\n", " ") for line in SENTENCES * 3), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(folder / "m"), vocab_size=size, model_type=kind, hard_vocab_limit=False,
        minloglevel=2, num_threads=1, character_coverage=0.98, **options,
    )
    corpus.unlink()
    (folder / "m.vocab").unlink()
    (folder / "m.model").rename(folder / name)


# a few of the replacements that SentencePiece's own rules have, which are long
RULES = {
    "ﬁ": "fi", "ﬂ": "fl", "²": "2", "³": "3", "½": "1/2", "Ⅳ": "IV", "™": "TM", "㎏": "kg", "№": "No", "\u3000": " ", "\u00a0": " ", "\t": " ",
    "\n": " ", "\u200b": "", "e\u0301": "é", "a\u0308": "ä", "ｆ": "f", "ｕ": "u", "ｌ": "l", "ｗ": "w", "ｉ": "i", "ｄ": "d", "ｔ": "t", "ｈ": "h",
    "ｱ": "ア", "ｲ": "イ", "…": "...",
}
FULL = False


def rules(root, name):
    """SentencePiece's own rules, or the short ones."""
    if FULL:
        return {"normalization_rule_name": name}
    path = root / "rules.tsv"
    code = lambda text: " ".join(f"{ord(one):X}" for one in text)
    path.write_text("".join(f"{code(one)}\t{code(other)}\n" for one, other in RULES.items()), encoding="utf-8")
    return {"normalization_rule_tsv": str(path)}


LLAMA = dict(normalization_rule_name="identity", byte_fallback=True, remove_extra_whitespaces=False, split_digits=True)


def llama2(root):
    config = {
        "tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "bos_token": "<s>",
        "eos_token": "</s>", "unk_token": "<unk>", "pad_token": None, "clean_up_tokenization_spaces": False, "legacy": False,
        "model_max_length": 4096, "sp_model_kwargs": {},
        "added_tokens_decoder": {"0": token("<unk>"), "1": token("<s>"), "2": token("</s>")},
    }
    model = root / "llama2-model"
    sp(model, "bpe", 660, **LLAMA)
    save(model, "tokenizer_config.json", config)
    # as the published tokenizer.json is written
    vocab, merges = llama_vocab(model / "tokenizer.model")
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s> $B:1", [("<s>", 1)])
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in ("<unk>", "<s>", "</s>")])
    text = spec(tokenizer)
    save(root / "llama2", "tokenizer.json", text)
    save(root / "llama2", "tokenizer_config.json", config)
    save(root / "llama2-legacy", "tokenizer.json", text)
    save(root / "llama2-legacy", "tokenizer_config.json", {**config, "legacy": True})
    save(root / "llama2-no-prefix", "tokenizer.json", text)
    save(root / "llama2-no-prefix", "tokenizer_config.json", {**config, "add_prefix_space": False})
    # as a pipeline of its own, without a class
    save(root / "llama2-as-it-is", "tokenizer.json", text)
    # Phi-3: more tokens in the config, some of which take the white space after them
    size = len(vocab)
    names = ["<|endoftext|>", "<|assistant|>", "<|user|>", "<|end|>"]
    more = {str(size + at): token(name, rstrip=at > 0) for at, name in enumerate(names)}
    decoder = {"0": token("<unk>"), "1": token("<s>"), "2": token("</s>", special=False, rstrip=True), **more}
    phi = {**config, "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "added_tokens_decoder": decoder}
    save(root / "phi3", "tokenizer.json", text)
    save(root / "phi3", "tokenizer_config.json", phi)
    save(root / "phi3", "config.json", {"model_type": "phi3"})
    shutil.copy(model / "tokenizer.model", mkdir(root / "phi3-model") / "tokenizer.model")
    save(root / "phi3-model", "tokenizer_config.json", phi)
    save(root / "phi3-model", "config.json", {"model_type": "phi3"})


def mkdir(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def llama_vocab(path):
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    vocab = {processor.id_to_piece(at): at for at in range(processor.get_piece_size())}
    merges = []
    for piece in vocab:
        cuts = [(piece[:at], piece[at:]) for at in range(1, len(piece))]
        merges += sorted((cut for cut in cuts if cut[0] in vocab and cut[1] in vocab), key=lambda two: (vocab[two[0]], vocab[two[1]]))
    merges.sort(key=lambda two: vocab[two[0] + two[1]])
    return vocab, merges


def llama3(root):
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    tokenizer = byte_bpe([split(LLAMA3), plain_bytes()])
    size = tokenizer.get_vocab_size()
    tokenizer.add_special_tokens(names)
    text = spec(tokenizer)
    text["model"]["ignore_merges"] = True
    bos = {"id": names[0], "ids": [size], "tokens": [names[0]]}
    mark, part = {"SpecialToken": {"id": names[0], "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    text["post_processor"] = {
        "type": "Sequence",
        "processors": [
            {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
            {"type": "TemplateProcessing", "single": [mark, part], "pair": [mark, part], "special_tokens": {names[0]: bos}},
        ],
    }
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": names[0], "eos_token": names[4],
        "clean_up_tokenization_spaces": True, "model_input_names": ["input_ids", "attention_mask"],
        "added_tokens_decoder": {str(size + at): token(name) for at, name in enumerate(names)},
    }
    save(root / "llama3", "tokenizer.json", text)
    save(root / "llama3", "tokenizer_config.json", config)
    # Llama 3 as it was first published: lines of tiktoken under SentencePiece's name
    decode = {letter: byte for byte, letter in byte_letters().items()}
    lines = [
        f"{base64.b64encode(bytes(decode[letter] for letter in name)).decode()} {at}"
        for name, at in sorted(text["model"]["vocab"].items(), key=lambda two: two[1])
        if at < size
    ]
    save(root / "llama3-tiktoken", "tokenizer.model", "\n".join(lines) + "\n")
    save(root / "llama3-tiktoken", "tokenizer_config.json", {**config, "add_bos_token": True})


def byte_letters():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in printable}
    rest = [byte for byte in range(256) if byte not in letters]
    return {**letters, **{byte: chr(256 + at) for at, byte in enumerate(rest)}}


def mistral(root):
    tokenizer = byte_bpe([split(TEKKEN), plain_bytes()], specials=["<unk>", "<s>", "</s>", "[INST]", "[/INST]"])
    text = spec(tokenizer)
    text["model"]["ignore_merges"] = True
    bos = {"id": "<s>", "ids": [1], "tokens": ["<s>"]}
    mark, part = {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    text["post_processor"] = {
        "type": "TemplateProcessing", "single": [mark, part], "pair": [mark, part], "special_tokens": {"<s>": bos},
    }
    config = {
        "tokenizer_class": "GPT2Tokenizer", "add_prefix_space": False, "add_bos_token": True, "bos_token": "<s>", "eos_token": "</s>",
        "unk_token": "<unk>", "clean_up_tokenization_spaces": False,
        "added_tokens_decoder": {str(at): token(name) for at, name in enumerate(["<unk>", "<s>", "</s>", "[INST]", "[/INST]"])},
    }
    save(root / "mistral-nemo", "tokenizer.json", text)
    save(root / "mistral-nemo", "tokenizer_config.json", config)
    save(root / "mistral-nemo", "config.json", {"model_type": "mistral"})


def qwen(root):
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    config = {
        "tokenizer_class": "Qwen2Tokenizer", "add_prefix_space": False, "bos_token": None, "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>", "unk_token": None, "errors": "replace", "split_special_tokens": False,
        "additional_special_tokens": names[1:],
    }
    tokenizer = byte_bpe([split(QWEN), plain_bytes()], normalizer=normalizers.NFC())
    size = pair(root / "qwen2-pair", tokenizer)
    more = {str(size + at): token(text) for at, text in enumerate(names)}
    more[str(size + 3)] = token("<tool>", special=False)
    save(root / "qwen2-pair", "tokenizer_config.json", {**config, "added_tokens_decoder": more})
    tokenizer = byte_bpe([split(QWEN35), plain_bytes()], normalizer=normalizers.NFC())
    tokenizer.add_special_tokens(names)
    save(root / "qwen3_5", "tokenizer.json", spec(tokenizer))
    save(root / "qwen3_5", "tokenizer_config.json", {**config, "tokenizer_class": "Qwen3_5Tokenizer"})
    tokenizer = byte_bpe([split(QWEN), plain_bytes()], normalizer=normalizers.NFC())
    size = tokenizer.get_vocab_size()
    tokenizer.add_special_tokens(names)
    tokenizer.add_tokens([AddedToken("<think>", normalized=False), AddedToken("<tool>", normalized=False)])
    more = {str(size + at): token(text) for at, text in enumerate(names)}
    more[str(size + 3)] = token("<think>", special=False)
    more[str(size + 4)] = token("<tool>", special=False)
    save(root / "qwen3", "tokenizer.json", spec(tokenizer))
    save(root / "qwen3", "tokenizer_config.json", {**config, "added_tokens_decoder": more})
    save(root / "qwen3", "config.json", {"model_type": "qwen3"})


def gemma(root):
    model = root / "gemma-model"
    sp(model, "bpe", 670, pad_id=0, eos_id=1, bos_id=2, unk_id=3, user_defined_symbols=["<start_of_turn>", "<end_of_turn>"],
       add_dummy_prefix=False, **LLAMA)
    config = {
        "tokenizer_class": "GemmaTokenizer", "add_bos_token": True, "add_eos_token": False, "bos_token": "<bos>", "eos_token": "<eos>",
        "pad_token": "<pad>", "unk_token": "<unk>", "clean_up_tokenization_spaces": False, "spaces_between_special_tokens": False,
    }
    rename_pieces(model / "tokenizer.model", {"<s>": "<bos>", "</s>": "<eos>"})
    save(model, "tokenizer_config.json", config)
    json_of(model, root / "gemma", config)


def rename_pieces(path, names):
    from transformers.convert_slow_tokenizer import import_protobuf

    proto = import_protobuf().ModelProto()
    proto.ParseFromString(path.read_bytes())
    for piece in proto.pieces:
        piece.piece = names.get(piece.piece, piece.piece)
    proto.trainer_spec.bos_piece = names.get("<s>", "<s>")
    proto.trainer_spec.eos_piece = names.get("</s>", "</s>")
    path.write_bytes(proto.SerializeToString())


def json_of(source, folder, config):
    """The tokenizer.json that transformers writes for a folder, with that folder's config."""
    AutoTokenizer.from_pretrained(str(source)).save_pretrained(str(mkdir(folder)))
    for name in ("special_tokens_map.json", "added_tokens.json", "tokenizer.model", "spiece.model", "vocab.txt", "vocab.json", "merges.txt"):
        (folder / name).unlink(missing_ok=True)
    save(folder, "tokenizer.json", json.loads((folder / "tokenizer.json").read_text(encoding="utf-8")))
    save(folder, "tokenizer_config.json", config)


def gpt2(root):
    end = "<|endoftext|>"
    tokenizer = byte_bpe([pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.add_special_tokens([end])
    text = spec(tokenizer)
    text["model"]["vocab"][end] = len(text["model"]["vocab"])
    whole = Tokenizer.from_str(json.dumps(text))
    pair(root / "gpt2", whole)
    save(root / "gpt2", "tokenizer_config.json", {"tokenizer_class": "GPT2Tokenizer", "model_max_length": 1024})
    # a space before the text, another end, a padding token and more in the older files
    size = pair(root / "gpt2-prefix", whole)
    save(root / "gpt2-prefix", "tokenizer_config.json", {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True})
    save(root / "gpt2-prefix", "added_tokens.json", {"<|im_end|>": size, "<tool>": size + 1, "[PAD]": size + 2})
    specials = {"bos_token": end, "eos_token": "<|im_end|>", "unk_token": end, "pad_token": "[PAD]"}
    save(root / "gpt2-prefix", "special_tokens_map.json", specials)
    # OPT: GPT-2's class with a beginning
    pair(root / "opt", byte_bpe([pre_tokenizers.ByteLevel(add_prefix_space=False)], specials=["<s>", "<pad>", "</s>", "<unk>"]))
    opt = {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True, "bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}
    save(root / "opt", "tokenizer_config.json", opt)
    # a tokenizer.json whose config has another flag, and an end that is nowhere else
    save(root / "gpt2-json", "tokenizer.json", spec(whole))
    config = {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True, "bos_token": end, "eos_token": "<|done|>", "unk_token": end}
    save(root / "gpt2-json", "tokenizer_config.json", {**config, "additional_special_tokens": ["<tool>", "the patent"]})
    save(root / "plain-json", "tokenizer.json", spec(whole))
    plain = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>", "extra_special_tokens": {"image_token": "<image>"}}
    more = {str(size): token("<|im_end|>"), str(size + 1): token("<tool>", special=False, single_word=True)}
    save(root / "plain-json", "tokenizer_config.json", {**plain, "added_tokens_decoder": more})
    # GPT-NeoX, and text whose special tokens are ordinary text
    pair(root / "neox", byte_bpe([pre_tokenizers.ByteLevel(add_prefix_space=False)], specials=[end, "<|padding|>"], normalizer=normalizers.NFC()))
    save(root / "neox", "tokenizer_config.json", {"tokenizer_class": "GPTNeoXTokenizer", "add_bos_token": True})
    pair(root / "split-special", whole)
    save(root / "split-special", "tokenizer_config.json", {"tokenizer_class": "GPT2Tokenizer", "split_special_tokens": True})


def roberta(root):
    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = byte_bpe([pre_tokenizers.ByteLevel(add_prefix_space=False)], specials=names)
    pair(root / "roberta", tokenizer)
    save(root / "roberta", "tokenizer_config.json", {"tokenizer_class": "RobertaTokenizer", "model_max_length": 512})
    mask = {"content": "<mask>", "lstrip": True, "normalized": False, "rstrip": False, "single_word": False}
    save(root / "roberta", "special_tokens_map.json", {"mask_token": mask})
    json_of(root / "roberta", root / "roberta-json", {"tokenizer_class": "RobertaTokenizerFast", "add_prefix_space": True})


def clip(root):
    words = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(words), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    train(tokenizer, 700, ["<|startoftext|>", "<|endoftext|>"], end_of_word_suffix="</w>")
    pair(root / "clip", tokenizer)
    save(root / "clip", "tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer"})


def deepseek(root):
    names = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"]
    tokenizer = byte_bpe([*map(split, DEEPSEEK), plain_bytes()], specials=names)
    config = {
        "tokenizer_class": "LlamaTokenizerFast", "add_bos_token": True, "add_eos_token": False, "legacy": True,
        "clean_up_tokenization_spaces": False, "sp_model_kwargs": {}, "unk_token": None,
        "bos_token": {"__type": "AddedToken", **token(names[0], normalized=True)},
        "eos_token": {"__type": "AddedToken", **token(names[1], normalized=True)},
        "pad_token": {"__type": "AddedToken", **token(names[1], normalized=True)},
    }
    tokenizer.post_processor = processors.TemplateProcessing(f"{names[0]} $A", f"{names[0]} $A $B", [(names[0], 0)])
    save(root / "deepseek", "tokenizer.json", spec(tokenizer))
    save(root / "deepseek", "tokenizer_config.json", config)


def bert(root):
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    named = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
    for name, lower, flags in [
        ("bert", True, {"do_lower_case": True}),
        ("bert-cased", False, {"do_lower_case": False}),
        ("bert-accents", True, {"do_lower_case": True, "strip_accents": False}),
        ("bert-no-chinese", True, {"do_lower_case": True, "tokenize_chinese_chars": False, "strip_accents": None}),
        ("bert-silent", True, {}),
    ]:
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        strip = flags.get("strip_accents")
        chinese = flags.get("tokenize_chinese_chars", True)
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower, strip_accents=strip, handle_chinese_chars=chinese)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=520, special_tokens=names, show_progress=False)
        tokenizer.train_from_iterator(SENTENCES * 3, trainer)
        vocab = sorted(tokenizer.get_vocab().items(), key=lambda two: two[1])
        save(root / name, "vocab.txt", "\n".join(text for text, _ in vocab) + "\n")
        save(root / name, "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", **(named if flags else {}), **flags})
    # the flag of the config against that of the file
    json_of(root / "bert", root / "bert-json", {"tokenizer_class": "BertTokenizerFast", "do_lower_case": False, "strip_accents": True})
    json_of(root / "bert", root / "distilbert-json", {"tokenizer_class": "DistilBertTokenizer", "do_lower_case": True, "clean_up_tokenization_spaces": True})


def unigrams(root):
    nmt = rules(mkdir(root), "nmt_nfkc")
    t5 = root / "t5-model"
    sp(t5, "unigram", 420, name="spiece.model", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, **nmt)
    config = {"tokenizer_class": "T5Tokenizer", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "extra_ids": 4}
    save(t5, "tokenizer_config.json", config)
    json_of(t5, root / "t5", {**config, "additional_special_tokens": [f"<extra_id_{at}>" for at in range(4)]})
    xlmr = root / "xlm-roberta-model"
    sp(xlmr, "unigram", 420, name="sentencepiece.bpe.model", **nmt)
    save(xlmr, "tokenizer_config.json", {"tokenizer_class": "XLMRobertaTokenizer"})
    json_of(xlmr, root / "xlm-roberta", {"tokenizer_class": "XLMRobertaTokenizerFast"})
    albert = root / "albert-model"
    sp(albert, "unigram", 420, name="spiece.model", pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]"],
       user_defined_symbols=["[MASK]"], **nmt)
    save(albert, "tokenizer_config.json", {"tokenizer_class": "AlbertTokenizer", "do_lower_case": True})
    json_of(albert, root / "albert", {"tokenizer_class": "AlbertTokenizer", "do_lower_case": False, "keep_accents": True})
    # SentencePiece alone: no settings but those in the file
    sp(root / "sp-unigram", "unigram", 640, byte_fallback=True, user_defined_symbols=["<tool>", "▁the patent"], control_symbols=["<ctl>"], **nmt)
    sp(root / "sp-bpe", "bpe", 680, byte_fallback=True, user_defined_symbols=["<tool>", "<tool>x"], control_symbols=["<ctl>"], **nmt)
    sp(root / "sp-bpe-plain", "bpe", 440, add_dummy_prefix=False, remove_extra_whitespaces=False, normalization_rule_name="identity")
    sp(root / "sp-unigram-case", "unigram", 380, **rules(root, "nmt_nfkc_cf"))
    (root / "rules.tsv").unlink(missing_ok=True)


def expressions(root):
    """Regular expressions that other engines read in another way than Oniguruma."""
    for name, patterns in {
        "regex-possessive": [r"\p{N}{1,3}+|\p{L}++| ?[^\s\p{L}\p{N}]{2}?|\s+"],
        "regex-posix": [r"[[:alpha:]]+|[[:digit:]]+|[[:punct:]]+|[[:space:]]+|[[:^ascii:]]"],
        "regex-words": [r"\b\w+\b|\W+?|\h{2}", r"[^\w\s]"],
        "regex-lines": [r"^.+$|\n", r"(?m:a.b)|\p{Lu}(?i)[a-z]+|\p{^L}+"],
        "regex-signs": [r"[!--]|[~~a]|[a-c&&[^b]]|\p{Punct}|\x{4E00}|\u00E9|\R", r"[^\p{Alnum}\p{Han}_-]+|[\d.-]+|\p{Greek}{2,}"],
    }.items():
        tokenizer = byte_bpe([*map(split, patterns), plain_bytes()], size=380)
        save(root / name, "tokenizer.json", spec(tokenizer))
        save(root / name, "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})


FAMILIES = [llama2, llama3, mistral, qwen, gemma, gpt2, roberta, clip, deepseek, bert, unigrams, expressions]


def make(root):
    shutil.rmtree(root, ignore_errors=True)
    for family in FAMILIES:
        family(root)


def build(root):
    make(root)
    texts = SENTENCES + NASTY
    expect = {"texts": texts, "folders": {}}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        tokenizer = AutoTokenizer.from_pretrained(str(folder))
        ids = [tokenizer(text)["input_ids"] for text in texts]
        expect["folders"][folder.name] = {
            "len": len(tokenizer),
            "special": {name: getattr(tokenizer, f"{name}_token_id") for name in ["bos", "eos", "pad", "unk", "mask", "cls", "sep"]},
            "ids": ids,
            "decoded": [tokenizer.decode(one, skip_special_tokens=True) for one in ids],
        }
        print(folder.name, type(tokenizer).__name__, len(tokenizer))
    save(root, "expect.json", expect)


def begins(root, out):
    """Texts that begin with the token that is put in front of them, of each folder that puts one there."""
    folders = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        tokenizer = AutoTokenizer.from_pretrained(str(folder))
        added = tokenizer("the")["input_ids"][: -len(tokenizer("the", add_special_tokens=False)["input_ids"])]
        if not added or added[0] not in tokenizer.all_special_ids:
            continue
        begin = tokenizer.convert_ids_to_tokens(added[0])
        texts = [f"{begin}the patent", f"{begin} the patent", f"{begin}{begin}a", f" {begin}a", begin, "the patent"]
        folders[folder.name] = {text: tokenizer(text)["input_ids"] for text in texts}
    out.write_text(json.dumps(folders, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def sampled(seed, count):
    """Lines in scripts of which there are no texts here: letters of each block, in words of a plausible length."""
    draws = random.Random(seed)
    blocks = {
        "arabic": (0x621, 0x64A), "hebrew": (0x5D0, 0x5EA), "devanagari": (0x905, 0x94D), "thai": (0xE01, 0xE4E),
        "greek": (0x391, 0x3C9), "georgian": (0x10D0, 0x10FA), "tamil": (0xB85, 0xBCD), "hangul": (0xAC00, 0xD7A3),
        "latin": (0xC0, 0x24F), "cyrillic": (0x410, 0x44F), "kana": (0x3041, 0x30FA), "han": (0x4E00, 0x9FA5),
    }
    words = {name: ["".join(chr(draws.randint(*block)) for _ in range(draws.randint(1, 8))) for _ in range(300)] for name, block in blocks.items()}
    extra = ["123", "4,567.89", "(x)", "—", "…", "😀", "👩‍👩‍👧", "!", "?", "٣٤", "१२", "a/b", "don't", "<s>", "</s>", "<tool>", "<|im_end|>", "\t", "  ", "ﬁ", "²"]
    lines = []
    for at in range(count):
        name = list(blocks)[at % len(blocks)]
        line = " ".join(draws.choice(extra) if draws.random() < 0.1 else draws.choice(words[name]) for _ in range(draws.randint(3, 20)))
        if draws.random() < 0.1:
            line = draws.choice([" ", "  ", "\t", "\n", "\u3000"]) + line + draws.choice(["", " ", "\n\n", "  \n"])
        lines.append(line)
    return lines


def catalogs():
    """Messages of programs on this machine, in many languages (gettext)."""
    import gettext

    lines = {}
    for path in sorted(Path("/usr/share").rglob("*.mo")):
        language = next((part for part in path.parts if part.split("_")[0] in {"ru", "uk", "sr", "ja", "ko", "zh", "de", "fr", "pl", "tr", "vi", "cs"}), None)
        if language is None or "UTF-8" not in str(path) and "." in language:
            continue
        try:
            with open(path, "rb") as file:
                catalog = gettext.GNUTranslations(file)._catalog
        except (UnicodeDecodeError, OSError):
            continue
        key = language.split("_")[0].split(".")[0]
        lines.setdefault(key, []).extend(text for text in catalog.values() if isinstance(text, str) and 0 < len(text) < 400)
    return lines


def lines_of(count=10_000):
    draws = random.Random(16)
    lines = list(SENTENCES + NASTY)
    for language, texts in sorted(catalogs().items()):
        draws.shuffle(texts)
        lines += texts[: count // 16]
    lines = lines[: count * 6 // 10]
    lines += sampled(16, count - len(lines))
    return lines


def real(root, source):
    """The real vocabularies that are at hand, with the config that each model is published with."""
    for name in ["gpt2", "qwen3", "llama2", "bert-base-chinese"]:
        shutil.copytree(source / name, root / f"real-{name}", copy_function=shutil.copyfile)
        (root / f"real-{name}").chmod(0o755)
    save(root / "real-gpt2", "tokenizer_config.json", {"tokenizer_class": "GPT2Tokenizer", "model_max_length": 1024})
    save(root / "real-qwen3", "tokenizer_config.json", {"tokenizer_class": "Qwen2Tokenizer", "bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": None, "add_prefix_space": False})
    llama = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "legacy": False}
    save(root / "real-llama2", "tokenizer_config.json", llama)
    save(root / "real-bert-base-chinese", "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "do_lower_case": False})


def lines(out, source):
    global FULL
    FULL = True
    root = mkdir(out) / "families"
    make(root)
    texts = lines_of()
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    if source:
        shutil.rmtree(out / "real", ignore_errors=True)
        real(mkdir(out / "real"), source)
        folders += sorted((out / "real").iterdir())
    with open(out / "lines.jsonl", "w", encoding="utf-8") as file:
        for text in texts:
            file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
    expect = []
    for folder in folders:
        tokenizer = AutoTokenizer.from_pretrained(str(folder))
        ids = tokenizer(texts)["input_ids"]
        name = f"{folder.name}.ids.jsonl"
        with open(out / name, "w") as file:
            for one in ids:
                file.write(json.dumps({"ids": one}) + "\n")
        expect.append({"name": folder.name, "folder": str(folder.resolve()), "ids": str((out / name).resolve())})
        print(folder.name, sum(map(len, ids)), "tokens")
    (out / "folders.jsonl").write_text("".join(json.dumps(one) + "\n" for one in expect), encoding="utf-8")


COMPARE = """
let out = options(#{ out: "" }, args()).out;
let texts = dataset(out + "/lines.jsonl").column("text");
for folder in dataset(out + "/folders.jsonl") {
    let got = tokenizer(folder.folder).encode(texts);
    let want = dataset(folder.ids).column("ids");
    let differ = 0;
    for (ids, at) in got {
        if ids == want[at] { continue; }
        if differ == 0 { print(`${folder.name}: line ${at}: ${texts[at].to_debug()}\n    here ${ids}\n    want ${want[at]}`); }
        differ += 1;
    }
    print(`${folder.name}: ${texts.len() - differ} of ${texts.len()} lines equal`);
}
"""


def compare(out, levain):
    script = out / "compare.rhai"
    script.write_text(COMPARE, encoding="utf-8")
    sys.exit(subprocess.run([levain, "run", str(script), f"out={out}"]).returncode)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build", root]:
            build(Path(root))
        case ["lines", out, *source]:
            lines(Path(out), Path(source[0]) if source else None)
        case ["begins", root, out]:
            begins(Path(root), Path(out))
        case ["compare", out, levain]:
            compare(Path(out), levain)
        case _:
            sys.exit(__doc__)

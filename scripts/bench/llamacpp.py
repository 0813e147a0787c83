"""Measures a GGUF file in llama.cpp, as gguf.rhai does in levain.

    npm pack @node-llama-cpp/linux-x64 && tar xzf *.tgz        # llama.cpp as shared libraries, one for each CPU type
    LD_LIBRARY_PATH=LIBRARIES python llamacpp.py LIBRARIES FILE.gguf THREADS ROUNDS
"""

import ctypes
import json
import resource
import statistics
import sys
import time
from pathlib import Path

start = time.perf_counter()


class Params(ctypes.Structure):
    """Parameters of a model or a context: the fields that are set, and padding for the others."""

    _fields_ = [("words", ctypes.c_uint32 * 128)]


class Batch(ctypes.Structure):
    _fields_ = [("n_tokens", ctypes.c_int32), ("token", ctypes.POINTER(ctypes.c_int32)), ("embd", ctypes.c_void_p),
                ("pos", ctypes.POINTER(ctypes.c_int32)), ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
                ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))), ("logits", ctypes.POINTER(ctypes.c_int8))]


def library(folder):
    for name in ["libggml-base.so", "libggml.v*.so", "libllama.v*.so"]:
        lib = ctypes.CDLL(str(next(folder.glob(name))), mode=ctypes.RTLD_GLOBAL)
        if name.startswith("libggml.v"):
            lib.ggml_backend_load_all_from_path(str(folder).encode())
    silent = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda *_: None)
    lib.llama_log_set(silent, None)
    lib.silent = silent
    for name in ["llama_model_default_params", "llama_context_default_params"]:
        getattr(lib, name).restype = Params
    for name in ["llama_model_load_from_file", "llama_init_from_model", "llama_get_memory", "llama_model_get_vocab"]:
        getattr(lib, name).restype = ctypes.c_void_p
    lib.llama_batch_init.restype = Batch
    lib.llama_get_logits_ith.restype = ctypes.POINTER(ctypes.c_float)
    lib.llama_model_load_from_file.argtypes = [ctypes.c_char_p, Params]
    lib.llama_init_from_model.argtypes = [ctypes.c_void_p, Params]
    lib.llama_decode.argtypes = [ctypes.c_void_p, Batch]
    return lib


class Net:
    def __init__(self, lib, path, threads):
        self.lib, self.threads = lib, threads
        self.model = lib.llama_model_load_from_file(path.encode(), lib.llama_model_default_params())
        self.open(1)

    def open(self, sequences):
        """A context for the given number of sequences."""
        lib, threads = self.lib, self.threads
        params = lib.llama_context_default_params()
        # n_ctx, n_batch, n_ubatch, n_seq_max
        params.words[0:4] = (640 * sequences, 512, 512, sequences)
        self.context = lib.llama_init_from_model(self.model, params)
        lib.llama_set_n_threads(ctypes.c_void_p(self.context), threads, threads)
        self.size = lib.llama_vocab_n_tokens(ctypes.c_void_p(lib.llama_model_get_vocab(ctypes.c_void_p(self.model))))
        self.batch = lib.llama_batch_init(512, 0, 1)

    def decode(self, tokens):
        """Tokens as (id, position, sequence, whether logits are requested)."""
        self.batch.n_tokens = len(tokens)
        for i, (token, at, sequence, asked) in enumerate(tokens):
            self.batch.token[i], self.batch.pos[i], self.batch.n_seq_id[i] = token, at, 1
            self.batch.seq_id[i][0], self.batch.logits[i] = sequence, asked
        assert self.lib.llama_decode(self.context, self.batch) == 0

    def best(self, i):
        import numpy
        logits = self.lib.llama_get_logits_ith(ctypes.c_void_p(self.context), i)
        return int(numpy.ctypeslib.as_array(logits, (self.size,)).argmax())

    def take(self, prompts, tokens):
        """Seconds to generate `tokens` new tokens after each prompt."""
        memory = ctypes.c_void_p(self.lib.llama_get_memory(ctypes.c_void_p(self.context)))
        self.lib.llama_memory_clear(memory, True)
        begin = time.perf_counter()
        last = []
        for row, prompt in enumerate(prompts):
            self.decode([(token, at, row, at + 1 == len(prompt)) for at, token in enumerate(prompt)])
            last.append(self.best(len(prompt) - 1))
        for step in range(tokens - 1):
            self.decode([(token, len(prompts[row]) + step, row, 1) for row, token in enumerate(last)])
            last = [self.best(row) for row in range(len(prompts))]
        return time.perf_counter() - begin


if __name__ == "__main__":
    lib, path, threads, rounds = library(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    net = Net(lib, path, threads)

    def ids(seed, count):
        return [(i * 7919 + seed * 31) % 40000 + 100 for i in range(count)]

    net.take([ids(0, 16)], 1)
    to_first = time.perf_counter() - start

    def median(prompts, tokens):
        return statistics.median([net.take(prompts, tokens) for _ in range(rounds)][1:])

    out = {"prompt": 512 / median([ids(0, 512)], 1), "decode": 64 / median([ids(0, 16)], 64), "to_first": to_first}
    out["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1048576
    net.open(8)
    out["together"] = 512 / median([ids(seed, 16) for seed in range(8)], 64)
    print(json.dumps(out))

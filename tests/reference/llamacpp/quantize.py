"""Compares the blocks that levain writes with those of llama.cpp's own quantizer, byte by byte.

    pip install gguf; npm pack @node-llama-cpp/linux-x64        # llama.cpp as shared libraries
    levain run tests/reference/llamacpp/kinds.rhai out=FOLDER
    LD_LIBRARY_PATH=LIBRARIES python tests/reference/llamacpp/quantize.py LIBRARIES FOLDER
"""

import ctypes
import sys
from pathlib import Path

from gguf import GGUFReader

# llama_ftype of each pure kind; of the mixtures only the tensors of the same type are compared
KINDS = {"q4_0": 2, "q4_1": 3, "q5_0": 8, "q5_1": 9, "q8_0": 7, "q6_k": 18, "q5_k": 16, "q4_k": 14, "q3_k": 11, "q2_k": 10,
         "q3_k_m": 12, "q4_k_s": 14, "q4_k_m": 15, "q5_k_m": 17}


class Params(ctypes.Structure):
    # the fields that are set, and room for the others
    _fields_ = [("threads", ctypes.c_int32), ("ftype", ctypes.c_int32), ("rest", ctypes.c_uint8 * 248)]


def library(folder):
    for name in ["libggml-base.so", "libggml.v*.so", "libllama.v*.so"]:
        lib = ctypes.CDLL(str(next(folder.glob(name))), mode=ctypes.RTLD_GLOBAL)
        if name.startswith("libggml.v"):
            lib.ggml_backend_load_all_from_path(str(folder).encode())
    lib.llama_backend_init()
    lib.llama_model_quantize_default_params.restype = Params
    return lib


if __name__ == "__main__":
    lib, folder = library(Path(sys.argv[1])), Path(sys.argv[2])
    wrong = 0
    for kind, ftype in KINDS.items():
        params = lib.llama_model_quantize_default_params()
        params.threads, params.ftype = 2, ftype
        theirs = folder / f"llamacpp-{kind}.gguf"
        code = lib.llama_model_quantize(str(folder / "f32.gguf").encode(), str(theirs).encode(), ctypes.byref(params))
        tensors = {tensor.name: tensor for tensor in GGUFReader(theirs).tensors} if code == 0 else {}
        ours = {tensor.name: tensor for tensor in GGUFReader(folder / f"{kind}.gguf").tensors}
        alike = [name for name in ours if name in tensors and ours[name].tensor_type == tensors[name].tensor_type]
        same = [name for name in alike if ours[name].data.tobytes() == tensors[name].data.tobytes()]
        print(f"{kind}: {len(same)} of {len(alike)} tensors of the same type have the same bytes ({len(ours)} in all)")
        wrong += not alike or same != alike or (kind.count("_") == 2 and len(alike) != len(ours))
    sys.exit(bool(wrong))

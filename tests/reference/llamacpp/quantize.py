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


class Columns(ctypes.Structure):
    # llama_model_imatrix_data
    _fields_ = [("name", ctypes.c_char_p), ("data", ctypes.POINTER(ctypes.c_float)), ("size", ctypes.c_size_t)]


class Params(ctypes.Structure):
    # the fields that are set, and room for the others
    _fields_ = [("threads", ctypes.c_int32), ("ftype", ctypes.c_int32), ("before", ctypes.c_uint8 * 16),
                ("imatrix", ctypes.POINTER(Columns)), ("rest", ctypes.c_uint8 * 224)]


def importance(path):
    """What llama-quantize makes of a file of llama-imatrix."""
    tensors = {tensor.name: tensor.data for tensor in GGUFReader(path).tensors}
    names = [name.removesuffix(".in_sum2") for name in tensors if name.endswith(".in_sum2")]
    columns = []
    for name in names:
        means = (tensors[f"{name}.in_sum2"] / tensors[f"{name}.counts"].item()).astype("float32").ravel()
        columns.append(Columns(name.encode(), (ctypes.c_float * len(means))(*means), len(means)))
    return (Columns * (len(columns) + 1))(*columns)


def library(folder):
    for name in ["libggml-base.so", "libggml.v*.so", "libllama.v*.so"]:
        lib = ctypes.CDLL(str(next(folder.glob(name))), mode=ctypes.RTLD_GLOBAL)
        if name.startswith("libggml.v"):
            lib.ggml_backend_load_all_from_path(str(folder).encode())
    lib.llama_backend_init()
    lib.llama_model_quantize_default_params.restype = Params
    return lib


def compare(lib, folder, name, kind, columns=None):
    """Quantizes the file `name`f32.gguf, and says whether `name`kind.gguf has the same bytes."""
    params = lib.llama_model_quantize_default_params()
    params.threads, params.ftype = 2, KINDS[kind]
    if columns:
        params.imatrix = columns
    theirs = folder / f"llamacpp-{name}{kind}.gguf"
    source = folder / f"{name.removeprefix('weighted-')}f32.gguf"
    code = lib.llama_model_quantize(str(source).encode(), str(theirs).encode(), ctypes.byref(params))
    tensors = {tensor.name: tensor for tensor in GGUFReader(theirs).tensors} if code == 0 else {}
    ours = {tensor.name: tensor for tensor in GGUFReader(folder / f"{name}{kind}.gguf").tensors}
    alike = [own for own in ours if own in tensors and ours[own].tensor_type == tensors[own].tensor_type]
    same = [own for own in alike if ours[own].data.tobytes() == tensors[own].data.tobytes()]
    print(f"{name}{kind}: {len(same)} of {len(alike)} tensors of the same type have the same bytes ({len(ours)} in all)")
    return bool(alike) and same == alike and (kind.count("_") < 2 or len(alike) == len(ours))


if __name__ == "__main__":
    lib, folder = library(Path(sys.argv[1])), Path(sys.argv[2])
    mixtures = [kind for kind in KINDS if kind.count("_") == 2]
    columns = importance(folder / "imatrix.gguf")
    alike = [compare(lib, folder, "", kind) for kind in KINDS]
    alike += [compare(lib, folder, "fused-", kind) for kind in mixtures]
    alike += [compare(lib, folder, "weighted-", kind, columns) for kind in KINDS if kind not in mixtures or kind == "q4_k_m"]
    sys.exit(not all(alike))

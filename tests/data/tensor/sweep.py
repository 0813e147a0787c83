"""PyTorch's answers for tests/suite/tensor/sweep.rs: every tensor verb over edge values, values and gradients.

    python tests/data/tensor/sweep.py > tests/data/tensor/sweep.jsonl       (with PyTorch 2.15 on a CPU)

A line is an input, {"input": "edge.f32", "shape": [16], "numbers": "0 -0 1 …"}, or a call in levain with its cases, [inputs,
dtype, shape, numbers, gradients]: x, y, z are the inputs, in this order. A case that PyTorch refuses has the numbers "error".
Gradients are of the result weighted with 1, 2, -0.5, 3, 0.25, 1, 2, …; an input that gets none has null, and a result that
carries none has no list.
"""

import json
import math
import sys
import warnings

import numpy as np
import torch
import torch.nn.functional as F

warnings.filterwarnings("ignore")
torch.manual_seed(0)
torch.set_num_threads(1)

INF, NAN = math.inf, math.nan
DTYPES = {
    "f32": torch.float32,
    "f64": torch.float64,
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "i64": torch.int64,
    "u8": torch.uint8,
    "u32": torch.uint32,
}
FLOATS = ["f32", "f64", "f16", "bf16"]
# of u32 PyTorch has a part of all functions: the others are left out
INTS = ["i64", "u8", "u32"]
ALL = FLOATS + INTS
NAMES = {dtype: name for name, dtype in DTYPES.items()} | {torch.bool: "u8"}

inputs = {}


def declare(name, numbers, shape=None, dtypes=FLOATS):
    """An input in these dtypes. What a dtype cannot hold exactly it holds rounded, on both sides."""
    for dtype in dtypes:
        kind = torch.float64 if dtype in FLOATS else torch.int64
        tensor = torch.tensor(numbers(dtype) if callable(numbers) else numbers, dtype=kind).to(DTYPES[dtype])
        inputs[f"{name}.{dtype}"] = tensor if shape is None else tensor.reshape(shape)


def limits(dtype):
    info = torch.finfo(DTYPES[dtype])
    return [info.max, -info.max, info.tiny, info.smallest_normal * info.eps, -info.smallest_normal * info.eps * 2]


# numbers at the edge of a dtype, ordinary ones, equal ones, one, none
declare("edge", lambda d: [0.0, -0.0, 1.0, -1.0, INF, -INF, NAN, 0.5, -2.5, 3.0, -100.0] + limits(d))
declare("plain", [0.5, -1.25, 2.0, 1.5, 0.25, -0.75], [2, 3])
declare("tails", [-1e4, -200.0, -90.0, -60.0, -20.0, -10.0, -6.0, -5.0, -3.0, -0.1, 0.1, 3.0, 6.0, 20.0, 90.0, 200.0, 1e4])
declare("unit", [-1.0, -0.75, -0.5, -0.125, 0.0, 0.125, 0.5, 0.75, 1.0])
declare("ties", [1.0, 2.0, 2.0, -1.0, -1.0, 2.0], [2, 3])
declare("zeros", [0.0, -0.0, 0.0, 3.0, 0.0, 2.0], [2, 3])
declare("same", [3.0, 3.0, 3.0, 3.0, 3.0, 3.0], [2, 3])
declare("holes", [1.0, NAN, 2.0, INF, -3.0, 0.5], [2, 3])
declare("ends", [1.0, INF, 2.0, -INF, -3.0, -INF], [2, 3])
declare("low", [-INF, -INF, -INF, -INF, 0.0, 1.0], [2, 3])
declare("one", [0.75])
declare("cell", [-1.5], [1, 1])
declare("none", [], [0])
declare("empty", [], [2, 0])
declare("scalar", 1.5)
declare("cube", [0.5, -1.0, 2.0, 1.25, -0.5, 3.0, -2.0, 0.75, 1.5, -0.25, 4.0, -3.5], [2, 3, 2])
declare("big", lambda d: [torch.finfo(DTYPES[d]).max / 2] * 6, [2, 3])
declare("edge", [0, 1, -1, 2, -7, 7, 3, 2**24 + 1, 2**53 + 1, 2**62, 2**63 - 1, -(2**63)], dtypes=["i64"])
declare("edge", [0, 1, 2, 7, 100, 128, 200, 255], dtypes=["u8"])
declare("plain", [3, 1, 2, 5, 4, 9], [2, 3], INTS)
declare("ties", [1, 2, 2, 7, 7, 2], [2, 3], INTS)
declare("zeros", [0, 0, 0, 3, 0, 2], [2, 3], INTS)
declare("large", [2**24 + 1, 2**53 + 1, 2**31 - 1, -(2**31), 2**32 + 3, 94906267], [2, 3], ["i64"])
declare("large", [200, 100, 255, 3, 128, 77], [2, 3], ["u8"])
declare("edge", [0, 1, 2, 7, 2**24 + 1, 2**31 - 1, 2**31, 2**32 - 1], dtypes=["u32"])
declare("large", [2**31, 70000, 2**32 - 1, 3, 2**16, 77], [2, 3], ["u32"])
declare("one", [5], None, INTS)
declare("none", [], [0], INTS)
declare("empty", [], [2, 0], INTS)
declare("scalar", 4, None, INTS)
declare("cube", [5, 1, 2, 1, 5, 3, 2, 7, 1, 2, 4, 3], [2, 3, 2], INTS)
# pairs: each special number with each
special = lambda d: [0.0, -0.0, 1.0, -2.5, INF, -INF, NAN, 3.0, limits(d)[3], limits(d)[0]]
declare("left", lambda d: [a for a in special(d) for _ in special(d)])
declare("right", lambda d: [b for _ in special(d) for b in special(d)])
whole = {"i64": [1, -1, 2, -7, 3, 2**53 + 1, 2**63 - 1, -(2**63)], "u8": [1, 2, 7, 128, 255], "u32": [1, 2, 7, 2**31, 2**32 - 1]}
for d in INTS:
    declare("left", [a for a in whole[d] for _ in whole[d]], None, [d])
    declare("right", [b for _ in whole[d] for b in whole[d]], None, [d])
declare("other", [2.0, 0.5, -1.5, 4.0, -0.25, 1.0], [2, 3])
declare("other", [2, 4, 1, 3, 5, 2], [2, 3], INTS)
declare("column", [2.0, -0.5], [2, 1])
declare("column", [2, 3], [2, 1], INTS)
declare("row", [1.5, -2.0, 0.25], [3])
declare("row", [3, 1, 2], [3], INTS)
declare("square", [1.0, -2.0, 0.5, 3.0, 0.0, 1.5, -1.0, 2.5, 0.25], [3, 3])
declare("square", [1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 3], INTS)
declare("share", [0.0, 0.25, 0.5, 0.75, 1.0, 0.125], [2, 3])
declare("mask", [1, 0, 1, 0, 0, 1], [2, 3], ["u8"])
declare("mask16", [1, 0] * 8, None, ["u8"])
declare("ids", [1, 0], None, ["i64"])
declare("ids2", [[2, 0], [1, 1]], None, ["i64"])
declare("ids3", [[0, 2, 1], [1, 1, 0]], None, ["i64"])
declare("classes", [2, 0], None, ["i64"])
declare("ignored", [2, -100], None, ["i64"])
declare("pair", [10.0, -4.0, 2.0, 0.5], [2, 2])
declare("pair", [9, 4, 2, 6], [2, 2], INTS)
declare("wide", [0.5, 1.0, -1.0, 2.0, 0.25, -0.5, 1.5, 3.0, -2.0, 0.125, 4.0, -3.0], [1, 2, 6])
declare("kernel", [1.0, -0.5, 2.0, 0.25, -1.0, 0.5, 1.5, -2.0], [2, 2, 2])
declare("weight", [1.0, 2.0, -0.5, 0.25, 0.75, -1.0], [2, 3])
declare("bias", [0.5, -1.0], [2])
declare("scale", [0.5, 1.5, -1.0], [3])
declare("shift", [0.1, 0.2, 0.3], [3])

MATRICES = ["plain", "ties", "zeros", "same", "holes", "ends", "low", "cell", "empty", "big"]
calls = []


def text(tensor, exact=False):
    """The numbers, the shortest that read back as the same; f64 that need not be exact to 15 digits."""
    if tensor.dtype == torch.bool:
        tensor = tensor.to(torch.uint8)
    if not tensor.dtype.is_floating_point:
        return " ".join(str(number) for number in tensor.flatten().tolist())
    written = []
    for number in tensor.detach().flatten().tolist():
        if math.isnan(number):
            written.append("nan")
        elif math.isinf(number):
            written.append("inf" if number > 0 else "-inf")
        elif tensor.dtype == torch.float64:
            short = f"{number:.15g}"
            written.append(repr(number) if exact or math.isinf(float(short)) else short)
        else:
            # halves to the digits that tell their neighbors apart
            digits = {torch.float32: 9, torch.float16: 5, torch.bfloat16: 4}[tensor.dtype]
            as_own = lambda text: torch.tensor(float(text), dtype=torch.float64).to(tensor.dtype).item()
            short = next(s for s in (f"{number:.{n}g}" for n in range(1, digits + 3)) if as_own(s) == number)
            written.append(short)
    return " ".join(s.replace("e+0", "e").replace("e-0", "e-").replace("e+", "e") for s in written)


def weights(tensor):
    pattern = [1.0, 2.0, -0.5, 3.0, 0.25]
    count = tensor.numel()
    return torch.tensor([pattern[i % 5] for i in range(count)], dtype=torch.float64).to(tensor.dtype).reshape(tensor.shape)


def ask(function, names):
    given = [inputs[name].clone() for name in names]
    for tensor in given:
        if tensor.dtype.is_floating_point:
            tensor.requires_grad_()
    # where PyTorch has no kernel for u32 it may still have an answer for nothing
    if any(tensor.dtype == torch.uint32 for tensor in given) and not any(tensor.numel() for tensor in given) and len(given) > 1:
        return None
    try:
        result = function(*given)
        case = [" ".join(names), NAMES[result.dtype], list(result.shape), text(result)]
        if result.requires_grad:
            result.backward(weights(result))
            grads = [None if tensor.grad is None else text(tensor.grad) for tensor in given]
            case.append(grads)
        return case
    except (RuntimeError, IndexError, ValueError) as error:
        if "not implemented for" in str(error) or any(tensor.dtype == torch.uint32 for tensor in given):
            return None
        return [" ".join(names), "", [], "error"]


def call(expression, function, *sets, dtypes=FLOATS):
    """A call over inputs: each set is one input's name, or the names of several, without their dtype."""
    cases = []
    for dtype in dtypes:
        for names in sets:
            names = [names] if isinstance(names, str) else list(names)
            names = [name if "." in name else f"{name}.{dtype}" for name in names]
            if all(name in inputs for name in names):
                case = ask(function, names)
                if case is not None:
                    cases.append(case)
    if cases:
        calls.append({"call": expression, "cases": cases})


def unary(name, function, *more, dtypes=ALL, call_as=None):
    call(call_as or f"x.{name}()", function, "edge", "plain", "one", "none", "scalar", *more, dtypes=dtypes)


# ---- functions of one number
unary("exp", torch.exp, "tails")
unary("exp2", torch.exp2, "tails")
unary("expm1", torch.expm1, "tails")
unary("log", torch.log)
unary("log2", torch.log2)
unary("log10", torch.log10)
unary("log1p", torch.log1p, "unit")
unary("sin", torch.sin)
unary("cos", torch.cos)
unary("tan", torch.tan)
unary("asin", torch.asin, "unit")
unary("acos", torch.acos, "unit")
unary("atan", torch.atan, "tails")
unary("sinh", torch.sinh, "unit")
unary("cosh", torch.cosh, "unit")
unary("tanh", torch.tanh, "tails")
unary("asinh", torch.asinh, "tails")
unary("acosh", torch.acosh, "tails")
unary("atanh", torch.atanh, "unit")
unary("sqrt", torch.sqrt)
unary("rsqrt", torch.rsqrt)
unary("reciprocal", torch.reciprocal)
unary("square", torch.square)
unary("erf", torch.erf, "tails")
unary("erfc", torch.erfc, "tails")
unary("sigmoid", torch.sigmoid, "tails")
unary("relu", torch.relu, "tails", dtypes=FLOATS)
unary("gelu", F.gelu, "tails", dtypes=FLOATS)
unary("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), "tails", dtypes=FLOATS, call_as='x.gelu(#{ approximate: "tanh" })')
unary("silu", F.silu, "tails", dtypes=FLOATS)
unary("softplus", F.softplus, "tails", dtypes=FLOATS)
unary("softplus2", lambda x: F.softplus(x, 2.0, 5.0), "tails", dtypes=FLOATS, call_as="x.softplus(#{ beta: 2, threshold: 5 })")
unary("logsigmoid", F.logsigmoid, "tails", dtypes=FLOATS)
unary("leaky_relu", F.leaky_relu, "tails", dtypes=FLOATS)
unary("leaky_relu2", lambda x: F.leaky_relu(x, 0.5), dtypes=FLOATS, call_as="x.leaky_relu(#{ negative_slope: 0.5 })")
unary("elu", F.elu, "tails", dtypes=FLOATS)
unary("elu2", lambda x: F.elu(x, 1.5), "unit", dtypes=FLOATS, call_as="x.elu(#{ alpha: 1.5 })")
unary("abs", torch.abs)
unary("neg", torch.neg, call_as="-x")
unary("floor", torch.floor, "unit")
unary("ceil", torch.ceil, "unit")
unary("round", torch.round, "unit")
unary("round1", lambda x: torch.round(x, decimals=1), "unit", dtypes=FLOATS, call_as="x.round(#{ decimals: 1 })")
unary("round_1", lambda x: torch.round(x, decimals=-1), "tails", dtypes=FLOATS, call_as="x.round(#{ decimals: -1 })")
unary("trunc", torch.trunc, "unit")
unary("frac", torch.frac, "unit", dtypes=FLOATS)
unary("sign", torch.sign)
unary("is_nan", torch.isnan)
unary("is_inf", torch.isinf)
unary("is_finite", torch.isfinite)
unary("nan_to_num", torch.nan_to_num)
unary("nan_to_num2", lambda x: torch.nan_to_num(x, 5.0, 9.0, -9.0), dtypes=FLOATS, call_as="x.nan_to_num(#{ nan: 5, posinf: 9, neginf: -9 })")
unary("clamp", lambda x: x.clamp(-1, 2), "ties", call_as="x.clamp(-1, 2)", dtypes=FLOATS + ["i64"])
unary("clamp", lambda x: x.clamp(0, 100), call_as="x.clamp(0, 100)")
unary("clamp", lambda x: x.clamp(-0.5, 2.5), call_as="x.clamp(-0.5, 2.5)")
unary("clamp", lambda x: x.clamp(min=1), call_as="x.clamp(1, ())")
unary("clamp", lambda x: x.clamp(max=1), call_as="x.clamp((), 1)")
unary("clamp", lambda x: x.clamp(-INF, 1.0), call_as="x.clamp(-1.0 / 0.0, 1.0)", dtypes=FLOATS)
unary("clamp", lambda x: x.clamp(NAN, 1.0), call_as="x.clamp(0.0 / 0.0, 1.0)", dtypes=FLOATS)
unary("clamp", lambda x: x.clamp(2.0, 1.0), call_as="x.clamp(2.0, 1.0)", dtypes=FLOATS)
call("x.clamp(y, z)", torch.clamp, ["plain", "column", "row"], ["ties", "same", "same"], ["left", "left", "right"], ["plain", "holes", "same"], ["plain", "same", "holes"])
call("x.clamp(y, ())", lambda x, y: torch.clamp(x, min=y), ["left", "right"], ["ties", "ties"], ["plain", "row"], dtypes=ALL)
call("x.clamp((), y)", lambda x, y: torch.clamp(x, max=y), ["left", "right"], ["ties", "ties"], ["plain", "row"], dtypes=ALL)

# ---- two sides
PAIRS = [["left", "right"], ["plain", "other"], ["plain", "row"], ["column", "row"], ["plain", "scalar"], ["none", "one"], ["one", "none"], ["scalar", "scalar"]]
SIDES = {
    "+": torch.add,
    "-": torch.sub,
    "*": torch.mul,
    "/": torch.div,
    "%": torch.remainder,
    "**": torch.pow,
    "==": torch.eq,
    "!=": torch.ne,
    "<": torch.lt,
    "<=": torch.le,
    ">": torch.gt,
    ">=": torch.ge,
}
for sign, function in SIDES.items():
    call(f"x {sign} y", function, *PAIRS, dtypes=ALL)
    mixed = [["plain.f32", "other.i64"], ["plain.i64", "other.f32"], ["plain.f16", "other.f32"], ["plain.f16", "other.bf16"], ["plain.f64", "other.f32"], ["plain.f32", "scalar.f64"], ["scalar.f64", "plain.f32"], ["plain.i64", "scalar.f32"], ["plain.u8", "other.i64"], ["plain.f16", "scalar.i64"]]
    call(f"x {sign} y", function, *mixed, dtypes=["-"])
    for number in ["2", "2.5", "0.0", "(-1.0)", "(1.0 / 0.0)", "(0.0 / 0.0)"]:
        value = eval(number.replace("1.0 / 0.0", "INF").replace("0.0 / 0.0", "NAN"))
        sets = ["edge", "plain"]
        if number in ("2", "2.5"):
            sets += ["none", "scalar"]
        call(f"x {sign} {number}", lambda x: function(x, value), *sets, dtypes=FLOATS + (INTS if number in ("2", "2.5") else []))
        turned = (lambda x: function(torch.tensor(value, dtype=x.dtype if x.dtype.is_floating_point or isinstance(value, int) else torch.float32), x)) if sign not in ("**",) else (lambda x: torch.pow(value, x))
        call(f"{number} {sign} x", turned, *sets, dtypes=FLOATS + (["i64"] if number == "2" and sign not in ("%", "**") else []))
for name, function in {"floor_divide": lambda x, y: torch.div(x, y, rounding_mode="floor"), "fmod": torch.fmod, "maximum": torch.maximum, "minimum": torch.minimum}.items():
    call(f"x.{name}(y)", function, *PAIRS, ["ties", "same"], dtypes=ALL)
    call(f"{name}(x, y)", function, ["plain.f32", "other.f64"], ["plain.f16", "other.f32"], ["plain.i64", "other.f32"], ["ties.f32", "ties.f32"], dtypes=["-"])
    for number in ["2", "2.5", "(0.0 / 0.0)"]:
        value = eval(number.replace("0.0 / 0.0", "NAN"))
        call(f"{name}(x, {number})", lambda x: function(x, torch.tensor(value, dtype=x.dtype) if name.endswith("imum") else value), "edge", "plain", dtypes=FLOATS + (["i64"] if number == "2" else []))
for power in ["0", "1", "3", "4", "-1", "-2", "-3", "0.5", "-0.5", "1.5", "64", "65", "-20"]:
    call(f"x ** ({power})", lambda x: x ** float(power) if "." in power or power.startswith("-") else x ** int(power), "edge", "plain", "tails", "scalar")
call("x ** 3", lambda x: x**3, "edge", "large", "none", dtypes=INTS)
call("x ** 63", lambda x: x**63, "edge", "large", dtypes=INTS)
call("x.pow(y)", torch.pow, ["plain", "other"], ["other", "plain"], ["zeros", "other"], dtypes=FLOATS)
call("x.pow(y)", torch.pow, ["plain", "other"], ["large", "plain"], dtypes=INTS)

# ---- masks
call("where(x, y, z)", lambda m, a, b: torch.where(m.bool(), a, b), ["mask.u8", "plain", "holes"], ["mask.u8", "holes", "plain"], ["mask.u8", "row", "column"], ["mask16.u8", "edge", "scalar"], ["mask.u8", "ends", "ends"], dtypes=FLOATS)
call("where(x, y, z)", lambda m, a, b: torch.where(m.bool(), a, b), ["mask.u8", "plain", "large"], dtypes=INTS)
call("where(x, y, 0.5)", lambda m, a: torch.where(m.bool(), a, 0.5), ["mask.u8", "holes"], ["mask16.u8", "edge"])
call("where(x, 2, 3)", lambda m: torch.where(m.bool(), 2, 3), "mask.u8", dtypes=["-"])
call("where(x, 2.0, 3)", lambda m: torch.where(m.bool(), 2.0, 3.0), "mask.u8", dtypes=["-"])
call("where(x > 0, x, y)", lambda x, y: torch.where(x > 0, x, y), ["left", "right"], ["plain", "row"])
call("x.masked_fill(y, 7)", lambda x, m: x.masked_fill(m.bool(), 7), ["plain", "mask.u8"], ["holes", "mask.u8"], ["edge", "mask16.u8"], dtypes=FLOATS)
call("x.masked_fill(y, 7)", lambda x, m: x.masked_fill(m.bool(), 7), ["plain", "mask.u8"], ["large", "mask.u8"], dtypes=INTS)
call("x.masked_fill(y, -1.0 / 0.0)", lambda x, m: x.masked_fill(m.bool(), -INF), ["plain", "mask.u8"], ["holes", "mask.u8"], dtypes=FLOATS)
call("x.masked_fill(y, 300)", lambda x, m: x.masked_fill(m.bool(), 300), ["plain", "mask.u8"], dtypes=INTS)
call("x & y", lambda x, y: x.bool() & y.bool(), ["mask", "mask"], ["zeros", "mask"], dtypes=["u8"])
call("x | y", lambda x, y: x.bool() | y.bool(), ["mask", "mask"], ["zeros", "mask"], dtypes=["u8"])
call("!x", lambda x: ~x.bool(), "mask", "zeros", "none", dtypes=INTS)
for name in ["all", "any"]:
    function = getattr(torch, name)
    call(f"x.{name}(1)", lambda x: function(x.bool(), 1), "zeros", "plain", "mask", "empty", dtypes=INTS)
    call(f"x.{name}(0, #{{ keepdim: true }})", lambda x: function(x.bool(), 0, keepdim=True), "zeros", "plain", "empty", dtypes=INTS)

# ---- reductions
REDUCED = MATRICES + ["one", "none", "scalar", "cube"]


def reduction(name, function, sets=REDUCED, dtypes=FLOATS, lists=True, options="", keywords={}, alone=True):
    """All numbers, one dimension, several, kept."""
    given = "" if not options else f"#{{ {options} }}"
    keep = f"#{{ {', '.join(filter(None, ['keepdim: true', options]))} }}"
    if alone and not options:
        call(f"x.{name}()", lambda x: function(x, **keywords), *sets, dtypes=dtypes)
    flat = [s for s in sets if s not in ("one", "none", "scalar")]
    comma = f", {given}" if given else ""
    call(f"x.{name}(0{comma})", lambda x: function(x, dim=0, **keywords), *flat, "one", dtypes=dtypes)
    call(f"x.{name}(-1{comma})", lambda x: function(x, dim=-1, **keywords), *flat, dtypes=dtypes)
    call(f"x.{name}(1, {keep})", lambda x: function(x, dim=1, keepdim=True, **keywords), *flat, dtypes=dtypes)
    if lists:
        call(f"x.{name}([0, 1]{comma})", lambda x: function(x, dim=(0, 1), **keywords), *flat, dtypes=dtypes)


def values(function):
    def found(x, dim=None, keepdim=False):
        return function(x) if dim is None else function(x, dim=dim, keepdim=keepdim).values

    return found


def product(x, dim=None, keepdim=False):
    if dim is None:
        return torch.prod(x)
    if isinstance(dim, tuple):
        return x.flatten(0, 1).prod(0)
    return torch.prod(x, dim=dim, keepdim=keepdim)


reduction("sum", torch.sum)
reduction("sum", torch.sum, ["plain", "large", "none", "empty", "scalar", "cube"], INTS)
reduction("mean", torch.mean)
reduction("max", values(torch.max), lists=False)
reduction("min", values(torch.min), lists=False)
reduction("max", values(torch.max), ["plain", "ties", "large", "none", "empty", "scalar", "cube"], INTS, lists=False)
reduction("min", values(torch.min), ["plain", "ties", "large", "none", "empty", "scalar", "cube"], INTS, lists=False)
reduction("argmax", torch.argmax, lists=False, dtypes=ALL)
reduction("argmin", torch.argmin, lists=False, dtypes=ALL)
reduction("variance", torch.var, ["plain", "ties", "same", "holes", "ends", "cube", "one", "cell", "none"])
reduction("std", torch.std, ["plain", "ties", "same", "holes", "ends", "cube", "one", "cell", "none"])
reduction("variance", torch.var, ["plain", "same", "cube"], options="correction: 0", keywords={"correction": 0})
reduction("std", torch.std, ["plain", "same", "cube"], options="correction: 0", keywords={"correction": 0})
reduction("prod", product)
reduction("prod", product, ["plain", "zeros", "large", "none", "empty", "scalar", "cube"], INTS)
norm = torch.linalg.vector_norm
reduction("norm", norm)
for p in ["1", "3", "0", "0.5", "1.5"]:
    reduction("norm", norm, ["plain", "zeros", "holes", "ends", "empty", "cube", "cell"], options=f"p: {p}", keywords={"ord": float(p)})
reduction("norm", norm, ["plain", "zeros", "ties", "holes", "ends", "empty", "cube"], options="p: 1.0 / 0.0", keywords={"ord": INF})
reduction("norm", norm, ["plain", "zeros", "ties", "holes", "ends", "empty", "cube"], options="p: -1.0 / 0.0", keywords={"ord": -INF})
call("x.norm((), #{ p: 1 })", lambda x: norm(x, 1), "plain", "zeros", "none", "scalar", "cube")
reduction("logsumexp", torch.logsumexp, [s for s in REDUCED if s not in ("scalar", "none")], alone=False)
reduction("median", values(torch.median), lists=False)
reduction("median", values(torch.median), ["plain", "large", "cube", "scalar"], INTS, lists=False)
for q in ["0", "0.3", "0.5", "1"]:
    call(f"x.quantile({q})", lambda x: torch.quantile(x, float(q)), *REDUCED, dtypes=["f32", "f64"])
    call(f"x.quantile({q}, #{{ dim: 1 }})", lambda x: torch.quantile(x, float(q), dim=1), *MATRICES, "cube", dtypes=["f32", "f64"])
call("x.quantile([0.25, 0.5], #{ dim: 0, keepdim: true })", lambda x: torch.quantile(x, torch.tensor([0.25, 0.5], dtype=x.dtype), dim=0, keepdim=True), *MATRICES, dtypes=["f32", "f64"])
for how in ["lower", "higher", "midpoint", "nearest"]:
    call(f'x.quantile(0.3, #{{ interpolation: "{how}" }})', lambda x: torch.quantile(x, 0.3, interpolation=how), *MATRICES, "one", dtypes=["f32", "f64"])

# ---- along a dimension
for name in ["softmax", "log_softmax"]:
    function = getattr(torch, name)
    for dim in [0, -1]:
        call(f"x.{name}({dim})", lambda x: function(x, dim), *MATRICES, "one", "none", "cube", "edge")
for name in ["cumsum", "cumprod"]:
    function = getattr(torch, name)
    for dim in [0, -1]:
        call(f"x.{name}({dim})", lambda x: function(x, dim), *MATRICES, "one", "none", "cube", "edge")
        call(f"x.{name}({dim})", lambda x: function(x, dim), "plain", "large", "zeros", "none", "empty", "cube", dtypes=INTS)

# ---- order
for dim in [0, -1]:
    ORDERED = ["plain", "ties", "holes", "ends", "zeros", "cell", "empty", "cube", "none", "edge", "large"]
    call(f"x.sort({dim})", lambda x: torch.sort(x, dim=dim, stable=True).values, *ORDERED, dtypes=ALL)
    call(f"x.sort({dim}, #{{ descending: true }})", lambda x: torch.sort(x, dim=dim, descending=True, stable=True).values, *ORDERED, dtypes=ALL)
    call(f"x.argsort({dim})", lambda x: torch.argsort(x, dim=dim, stable=True), *ORDERED, dtypes=ALL)
    call(f"x.argsort({dim}, #{{ descending: true }})", lambda x: torch.argsort(x, dim=dim, descending=True, stable=True), *ORDERED, dtypes=ALL)
    call(f"x.top_k(2, #{{ dim: {dim} }}).values", lambda x: torch.topk(x, 2, dim).values, "plain", "holes", "ends", "cube", "edge", "large", "one", dtypes=ALL)
    call(f"x.top_k(1, #{{ dim: {dim} }}).indices", lambda x: torch.topk(x, 1, dim).indices, "plain", "holes", "cube", "edge", "large", dtypes=ALL)
    call(f"x.top_k(1, #{{ dim: {dim}, largest: false }}).values", lambda x: torch.topk(x, 1, dim, largest=False).values, "plain", "holes", "ends", "cube", "edge", "large", dtypes=ALL)
call("x.top_k(0).values", lambda x: torch.topk(x, 0).values, "plain", "none", dtypes=ALL)
call("x.unique()", lambda x: torch.unique(x.detach()), "ties", "plain", "zeros", "large", "one", "none", "cube", "holes", "ends", dtypes=ALL)
call("x.unique_counts().counts", lambda x: torch.unique(x.detach(), return_counts=True)[1], "ties", "zeros", "large", "none", "cube", "holes", dtypes=ALL)
call("x.unique_counts().inverse", lambda x: torch.unique(x.detach(), return_inverse=True)[1], "ties", "zeros", "large", "none", "cube", dtypes=ALL)
call("x.nonzero()", torch.nonzero, "zeros", "plain", "holes", "none", "empty", "cube", "edge", dtypes=ALL)

# ---- shapes and places
SOME = ["f32", "f16", "i64", "u8"]


def shaped(expression, function, *sets, dtypes=SOME):
    call(expression, function, *(sets or ["plain", "holes", "ties", "large"]), dtypes=dtypes)


shaped("x.reshape([3, 2])", lambda x: x.reshape(3, 2), "plain", "holes", "empty")
shaped("x.reshape([-1])", lambda x: x.reshape(-1), "plain", "empty", "scalar", "cube")
shaped("x.flatten()", lambda x: x.flatten(), "plain", "empty", "scalar", "cube")
shaped("x.transpose(0, -1)", lambda x: x.transpose(0, -1), "plain", "holes", "cube", "empty")
shaped("x.t()", lambda x: x.mT if x.dim() > 1 else x, "plain", "cube", "one", "empty")
shaped("x.permute([2, 0, 1])", lambda x: x.permute(2, 0, 1), "cube")
shaped("x.squeeze()", lambda x: x.squeeze(), "plain", "cell", "one", "column")
shaped("x.squeeze(1)", lambda x: x.squeeze(1), "column", "cell")
shaped("x.unsqueeze(1)", lambda x: x.unsqueeze(1), "plain", "one", "none")
shaped("x.unsqueeze(-1)", lambda x: x.unsqueeze(-1), "plain", "scalar", "empty")
shaped("x.expand([2, 2, -1])", lambda x: x.expand(2, 2, -1), "plain", "row", "column", "none")
shaped("x.narrow(1, 1, 2)", lambda x: x.narrow(1, 1, 2), "plain", "cube", "holes", "empty")
shaped("x.narrow(0, -1, 1)", lambda x: x.narrow(0, -1, 1), "plain", "cube", "one")
shaped("x.chunks(2, 1)[0]", lambda x: x.split(2, 1)[0], "plain", "cube")
shaped("x.chunks(2, 1)[1]", lambda x: x.split(2, 1)[1], "plain", "cube")
shaped("cat([x, y], 0)", lambda x, y: torch.cat([x, y], 0), ["plain", "other"], ["holes", "plain"], ["one", "none"], ["none", "none"])
shaped("cat([x, y], -1)", lambda x, y: torch.cat([x, y], -1), ["plain", "column"], ["plain", "empty"], ["cube", "cube"])
call("cat([x, y], 0)", lambda x, y: torch.cat([x, y], 0), ["plain.f32", "other.i64"], ["plain.f16", "other.bf16"], ["plain.u8", "other.i64"], ["plain.f32", "other.f64"], dtypes=["-"])
shaped("stack([x, y], 0)", lambda x, y: torch.stack([x, y], 0), ["plain", "other"], ["scalar", "scalar"], ["none", "none"])
shaped("stack([x, y], -1)", lambda x, y: torch.stack([x, y], -1), ["plain", "other"], ["holes", "plain"])
shaped("x.index_select(0, y)", lambda x, i: x.index_select(0, i), ["plain", "ids.i64"], ["holes", "ids.i64"], ["cube", "ids.i64"])
shaped("x.index_select(1, y)", lambda x, i: x.index_select(1, i), ["plain", "ids.i64"], ["cube", "ids.i64"], ["empty", "ids.i64"])
shaped("x.gather(1, y)", lambda x, i: x.gather(1, i), ["plain", "ids2.i64"], ["holes", "ids3.i64"], ["square", "ids3.i64"], ["pair", "ids3.i64"])
shaped("x.gather(0, y)", lambda x, i: x.gather(0, i), ["square", "ids3.i64"], ["square", "ids2.i64"])
shaped("x.scatter(1, y, z)", lambda x, i, s: x.scatter(1, i, s), ["square", "ids2.i64", "pair"], ["plain", "ids2.i64", "holes"])
shaped("x.scatter(1, y, 7)", lambda x, i: x.scatter(1, i, 7), ["square", "ids2.i64"], ["holes", "ids3.i64"])
shaped("x.scatter_add(1, y, z)", lambda x, i, s: x.scatter_add(1, i, s), ["square", "ids2.i64", "pair"], ["plain", "ids2.i64", "other"], ["square", "ids3.i64", "other"])
shaped("x.scatter_add(0, y, z)", lambda x, i, s: x.scatter_add(0, i, s), ["square", "ids3.i64", "other"])
shaped("x.index_add(0, y, z)", lambda x, i, s: x.index_add(0, i, s), ["square", "ids.i64", "plain"], ["plain", "ids.i64", "other"])
shaped("x.index_add(1, y, z)", lambda x, i, s: x.index_add(1, i, s), ["plain", "ids.i64", "pair"], ["plain", "ids.i64", "holes"])
shaped("x.flip(0)", lambda x: x.flip(0), "plain", "one", "none", "cube", "holes")
shaped("x.flip([0, -1])", lambda x: x.flip([0, -1]), "plain", "cube", "empty")
shaped("x.roll(1)", lambda x: x.roll(1), "plain", "one", "none", "cube", "scalar")
shaped("x.roll(-4)", lambda x: x.roll(-4), "plain", "edge", "cube")
shaped("x.roll(2, 1)", lambda x: x.roll(2, 1), "plain", "cube", "empty")
shaped("x.roll([1, -1], [0, 1])", lambda x: x.roll([1, -1], [0, 1]), "plain", "cube")
shaped("x.repeat([2, 3])", lambda x: x.repeat(2, 3), "plain", "one", "none", "scalar", "holes")
shaped("x.repeat([2, 1, 2])", lambda x: x.repeat(2, 1, 2), "plain", "cube", "row")
shaped("x.repeat([0, 2])", lambda x: x.repeat(0, 2), "plain")
shaped("x.repeat_interleave(2, 0)", lambda x: x.repeat_interleave(2, 0), "plain", "one", "none", "cube")
shaped("x.repeat_interleave([0, 3], 0)", lambda x: x.repeat_interleave(torch.tensor([0, 3]), 0), "plain", "cube")
for name in ["tril", "triu"]:
    function = getattr(torch, name)
    shaped(f"x.{name}()", function, "square", "plain", "holes", "ends", "empty", "cube")
    shaped(f"x.{name}(#{{ diagonal: 1 }})", lambda x: function(x, 1), "square", "plain")
    shaped(f"x.{name}(#{{ diagonal: -1 }})", lambda x: function(x, -1), "square", "plain")
shaped("x.diagonal()", lambda x: x.diagonal(dim1=-2, dim2=-1), "square", "plain", "empty", "cube", "holes")
shaped("x.diagonal(#{ offset: 1 })", lambda x: x.diagonal(1), "square", "plain")
shaped("x.diagonal(#{ offset: -1, dim1: 0, dim2: 2 })", lambda x: x.diagonal(-1, 0, 2), "cube")
shaped("x.diag_embed()", torch.diag_embed, "row", "plain", "one", "none", "holes")
shaped("x.diag_embed(#{ offset: -1 })", lambda x: torch.diag_embed(x, -1), "row", "plain")
shaped("outer(x, y)", torch.outer, ["row", "row"], ["row", "one"], ["none", "row"], ["edge", "row"], dtypes=ALL)
shaped("x.pad([1, 2])", lambda x: F.pad(x, [1, 2]), "plain", "one", "none", "cube", "holes")
shaped("x.pad([0, 1, 2, 0], #{ value: 9 })", lambda x: F.pad(x, [0, 1, 2, 0], value=9), "plain", "cube", "holes")
shaped("x[1]", lambda x: x[1], "plain", "cube", "holes", "edge")
shaped("x[-1]", lambda x: x[-1], "plain", "cube", "one")
shaped("x[0..1]", lambda x: x[0:1], "plain", "cube", "none")
shaped("x[[(), 1]]", lambda x: x[:, 1], "plain", "cube", "empty")
shaped("x[[0..2, [2, 0]]]", lambda x: x[0:2][:, [2, 0]], "plain", "cube")
shaped("x[y]", lambda x, i: x[i], ["plain", "ids.i64"], ["cube", "ids.i64"], ["plain", "classes.i64"])
shaped("x[y]", lambda x, m: x[m.bool()], ["plain", "mask.u8"], ["holes", "mask.u8"], ["edge", "mask16.u8"])
def put(x, place, value):
    x[place] = value
    return x


shaped("{ let z = x * 1; z[0] = y; z }", lambda x, y: put(x * 1, 0, y), ["plain", "row"], ["plain", "scalar"], ["holes", "row"], ["cube", "scalar"])
shaped("{ let z = x * 1; z[z > 1] = 0; z }", lambda x: put(x * 1, x > 1, 0), "plain", "ties", "holes")
call("one_hot(x, 3).to(\"i64\")", lambda x: F.one_hot(x, 3), "ids", "ids2", "none", "classes", dtypes=["i64"])
call("one_hot(x).to(\"i64\")", lambda x: F.one_hot(x), "ids", "ids2", "classes", "none", dtypes=["i64"])

# ---- conversions
CAST = ["plain", "edge", "none", "scalar", "large"]
for to in FLOATS:
    call(f'x.to("{to}")', lambda x: x.to(DTYPES[to]), *CAST, dtypes=ALL)
for to in INTS:
    call(f'x.to("{to}")', lambda x: x.to(DTYPES[to]), "zeros", "ties", "large", "cube", "none", dtypes=ALL)

# ---- products
MATRIX = [["plain", "square"], ["square", "square"], ["plain", "row"], ["row", "square"], ["row", "row"], ["cube", "pair"], ["holes", "square"], ["square", "ends"], ["big", "square"], ["empty", "empty"]]
call("x @ y", torch.matmul, *MATRIX, dtypes=FLOATS)
call("x @ y", torch.matmul, ["plain", "square"], ["square", "square"], ["row", "row"], ["plain", "row"], ["cube", "pair"], dtypes=INTS)
call("x @ y.t()", lambda x, y: x @ y.mT, ["large", "large"], ["large", "plain"], ["empty", "empty"], dtypes=INTS)
call("x @ y.t()", lambda x, y: x @ y.mT, ["plain", "other"], ["empty", "empty"], ["holes", "ends"], dtypes=FLOATS)
call("x.reshape([2, 1, 2, 3]) @ y.reshape([3, 2])", lambda x, y: x.reshape(2, 1, 2, 3) @ y.reshape(3, 2), ["cube", "plain"], dtypes=["f32", "f64", "i64"])
EINSUMS = [
    ("ij,kj->ik", ["plain", "other"]),
    ("ij,j", ["plain", "row"]),
    ("ij->ji", ["plain"]),
    ("ij->", ["plain"]),
    ("ii->i", ["square"]),
    ("ii", ["square"]),
    ("i,j->ij", ["row", "row"]),
    ("ij,ij->i", ["plain", "other"]),
    ("ij,ij->i", ["holes", "other"]),
    ("...j->...", ["plain"]),
    ("...j,j->...", ["cube", "column"]),
    ("...ij->...ji", ["cube"]),
    ("...ij,...jk", ["plain", "square"]),
    ("...ij,...jk->...ik", ["cube", "pair"]),
    ("b...,b...->...", ["plain", "other"]),
    ("...,...->...", ["plain", "row"]),
    ("...i,...i->i", ["plain", "other"]),
    ("i...->...", ["cube"]),
    ("ij,ij->ij", ["plain", "column"]),
    ("...", ["plain"]),
    ("...i->i", ["plain"]),
    ("...i,i->", ["plain", "row"]),
]
for formula, names in EINSUMS:
    operands = ", ".join("xyz"[: len(names)])
    call(f'einsum("{formula}", [{operands}])', lambda *given: torch.einsum(formula, *given), names, dtypes=FLOATS)
    call(f'einsum("{formula}", [{operands}])', lambda *given: torch.einsum(formula, *given), names, dtypes=["i64"])
call('einsum("ij,kj->ik", [x, y])', lambda x, y: torch.einsum("ij,kj->ik", x, y), ["large", "large"], dtypes=["i64"])

# ---- layers and losses
call("linear(x, y)", F.linear, ["plain", "weight"], ["holes", "weight"], ["ends", "weight"], ["row", "weight"])
call("linear(x, y, z)", F.linear, ["plain", "weight", "bias"], ["cell", "cell", "one"])
call("layer_norm(x, y, z)", lambda x, w, b: F.layer_norm(x, [3], w, b), ["plain", "scale", "shift"], ["same", "scale", "shift"], ["holes", "scale", "shift"], ["ends", "scale", "shift"])
call("layer_norm(x, y, z, #{ eps: 0.5 })", lambda x, w, b: F.layer_norm(x, [3], w, b, 0.5), ["plain", "scale", "shift"])
call("rms_norm(x, y)", lambda x, w: F.rms_norm(x, [3], w, 1e-5), ["plain", "scale"], ["zeros", "scale"], ["holes", "scale"], ["ends", "scale"])
call("embedding(x, y)", lambda table, ids: F.embedding(ids, table), ["plain", "ids.i64"], ["square", "ids3.i64"], ["holes", "ids.i64"], ["square", "ids2.i64"])
for options, keywords in [("", {}), (", #{ padding: 1 }", {"padding": 1}), (", #{ stride: 2, dilation: 2 }", {"stride": 2, "dilation": 2}), (", #{ padding: 2, stride: 3 }", {"padding": 2, "stride": 3})]:
    call(f"conv1d(x, y{options})", lambda x, w: F.conv1d(x, w, **keywords), ["wide", "kernel"], dtypes=["f32", "f64"])
call("conv1d(x, y, #{ bias: z })", lambda x, w, b: F.conv1d(x, w, b), ["wide", "kernel", "bias"], dtypes=["f32", "f64"])
for reduction_name in ["mean", "sum", "none"]:
    option = f'reduction: "{reduction_name}"'
    call(f"cross_entropy(x, y, #{{ {option} }})", lambda x, t: F.cross_entropy(x, t, reduction=reduction_name), ["plain", "classes.i64"], ["plain", "ignored.i64"], ["holes", "classes.i64"], ["ends", "classes.i64"], ["big", "classes.i64"], ["same", "ignored.i64"])
    call(f"cross_entropy(x, y, #{{ {option}, label_smoothing: 0.1 }})", lambda x, t: F.cross_entropy(x, t, reduction=reduction_name, label_smoothing=0.1), ["plain", "classes.i64"], ["plain", "ignored.i64"])
    call(f"mse(x, y, #{{ {option} }})", lambda x, y: F.mse_loss(x, y, reduction=reduction_name), ["plain", "other"], ["holes", "plain"], ["plain", "ends"], ["same", "same"], ["none", "none"], ["scalar", "scalar"])
    call(f"bce(x, y, #{{ {option} }})", lambda x, y: F.binary_cross_entropy(x, y, reduction=reduction_name), ["share", "share"], ["one", "one"])
    call(f"bce(x, y, #{{ logits: true, {option} }})", lambda x, y: F.binary_cross_entropy_with_logits(x, y, reduction=reduction_name), ["plain", "share"], ["holes", "share"], ["low", "share"], ["one", "one"], ["none", "none"])


def attention(q, k, v, causal):
    """Heads are the third dimension, as in levain."""
    turned = [t.reshape(1, 2, 1, 3).transpose(1, 2) for t in (q, k, v)]
    return F.scaled_dot_product_attention(*turned, is_causal=causal).transpose(1, 2)


heads = "attention(x.reshape([1, 2, 1, 3]), y.reshape([1, 2, 1, 3]), z.reshape([1, 2, 1, 3])"
call(f"{heads})", lambda q, k, v: attention(q, k, v, True), ["plain", "other", "ties"], ["plain", "holes", "other"], ["plain", "other", "holes"])
call(f"{heads}, #{{ causal: false }})", lambda q, k, v: attention(q, k, v, False), ["plain", "other", "ties"], ["same", "same", "same"])

for name, tensor in inputs.items():
    print(json.dumps({"input": name, "shape": list(tensor.shape), "numbers": text(tensor, True)}, separators=(",", ":")))
for entry in calls:
    print(json.dumps(entry, separators=(",", ":")))
print(sum(len(entry["cases"]) for entry in calls), "cases of", len(calls), "calls", file=sys.stderr)

"""attn-case/1 files: write one, read it back.

Letters in the shapes: B batch, Hq and Hkv heads of q and of k and v, Nq queries, Nk keys, D, Dk and Dv head dimensions
of q, k and v (Dk is D unless the score has matrices), A the width of an additive score.
"""

import json
import math
import numbers
import operator
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .truth import is_additive, positions

SCHEMA = "attn-case/1"
SCORES = ("scaled-dot", "general", "additive")
STORAGE = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "uint8": "U8",
    "bool": "BOOL",
}
# What is absent from the metadata is null.
ABSENT = dict.fromkeys(("scale", "causal", "align", "window", "softcap", "out", "tokens", "source"))
FLOATS = ("float64", "float32", "float16", "bfloat16")
WIDTHS = {"F64": 8, "I64": 8, "F32": 4, "F16": 2, "BF16": 2, "U8": 1, "BOOL": 1}


# ---- writing


def save(path, q, k, v, **case):
    """Write one problem with its tensors to `path`; the keywords are those of `encode`."""
    path = Path(path)
    data = encode(q, k, v, **case)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def encode(
    q,
    k,
    v,
    *,
    score="scaled-dot",
    w_q=None,
    w_k=None,
    w=None,
    mask=None,
    kv_len=None,
    alibi_slopes=None,
    sinks=None,
    out=None,
    lse=None,
    scale=None,
    causal=None,
    align=None,
    window=None,
    softcap=None,
    tolerance=None,
    arithmetic=None,
    lse_base=None,
    tokens=None,
    source=None,
):
    """The bytes of one file; the same input gives the same bytes.  ValueError says what does not fit.

    Tensors, each a NumPy array, a PyTorch tensor on any device, or nested lists:

    q, k, v        [B,Hq,Nq,D], [B,Hkv,Nk,Dk], [B,Hkv,Nk,Dv], of one float type (f64, f32, f16, bf16)
    w              of a general score [Hq or 1,D,Dk], of an additive one [Hq or 1,A]; of the type of q, as the next two
    w_q, w_k       of an additive score [Hq or 1,D,A], [Hq or 1,Dk,A]
    mask           boolean or u8 (true = attend) or float (added to the scores, -inf = not admitted; anything, NaN
                   too, where all keys are excluded by position); rank 1 to 4, right-aligned to [B,Hq,Nq,Nk] as in
                   PyTorch, each axis full or 1
    kv_len         [B], valid keys per batch; the rest is padding
    alibi_slopes   [Hq]
    sinks          [Hq], raw logits
    out            [B,Hq,Nq,Dv], to be judged; of the type of q or f32
    lse            [B,Hq,Nq], log of the sum of exp, natural unless lse_base says otherwise; f64 if q is, else f32; with
                   or without out

    Problem:

    score          "scaled-dot" q.k, "general" q^T w k, or "additive" w.tanh(w_q^T q + w_k^T k); an absent matrix is the
                   identity, an absent w of an additive score all ones
    scale          default 1/sqrt(D) for scaled-dot, 1 for the others
    causal         None, "top-left" (PyTorch's is_causal), "bottom-right" (FlashAttention >= 2.1), or the int n of keys
                   before the first query (a KV cache)
    align          the same for the diagonal of windows and ALiBi, where causal is None; default "top-left"
    window         (left, right), keys admitted on each side of the diagonal besides it; None = open
    softcap        c of c * tanh(x / c)

    About the file:

    tolerance      (rtol, atol) for `out`: |out - truth| <= atol + rtol * |truth|; default: the budget of its type
    arithmetic     how `out` and `lse` were computed, a dict with any of
                     scores   "f64", "f32", "tf32", "bf16", "f16", "int8" (q and k quantised)
                     weights  the same but "int8": of the softmax's weights as they multiply v
                     sums     "f64", "f32", "bf16", "f16"
                   default: weights as q is stored, all else in that type or in f32 for f16 and bf16
    lse_base       2 if lse is in base 2
    tokens         (labels of the queries, labels of the keys)
    source         free text: where the numbers come from
    """
    tensors = {name: _raw(name, x, FLOATS) for name, x in (("q", q), ("k", k), ("v", v))}
    kind, shapes, dims = _shapes(tensors)
    batch, heads, len_q, len_k, dim_v = shapes
    for name, shape in _weight_shapes(score, {"w_q": w_q, "w_k": w_k, "w": w}, dims).items():
        tensors[name] = _weight(name, {"w_q": w_q, "w_k": w_k, "w": w}[name], kind, heads, shape)
    if mask is not None:
        tensors["mask"] = _mask(mask, (batch, heads, len_q, len_k))
    if kv_len is not None:
        tensors["kv_len"] = _kv_len(kv_len, batch, len_k)
    for name, x in (("alibi_slopes", alibi_slopes), ("sinks", sinks)):
        if x is not None:
            tensors[name] = _per_head(name, x, heads)
    if out is not None:
        tensors["out"] = _fitting("out", out, (kind, "float32"), (batch, heads, len_q, dim_v))
    if lse is not None:
        kinds = ("float64",) if kind == "float64" else ("float32",)
        tensors["lse"] = _fitting("lse", lse, kinds, (batch, heads, len_q))
    case = {
        "schema": SCHEMA,
        "score": score,
        "scale": _number("scale", scale),
        "causal": _alignment("causal", causal),
        "align": _alignment("align", align),
        "window": _pair("window", window, ("left", "right"), lambda n: n if n is None else operator.index(n)),
        "softcap": _softcap(softcap),
        "out": _pair("tolerance", tolerance, ("rtol", "atol"), float),
        "tokens": _pair("tokens", tokens, ("q", "k"), list),
        "source": source,
    }
    # Absent unless given: files that were written before have the same bytes.
    if arithmetic is not None:
        case["arithmetic"] = _arithmetic(arithmetic)
    if lse_base is not None:
        if lse_base != 2:
            raise ValueError(f"lse_base is {lse_base!r}, expected 2, or None for natural logarithms")
        case["lse_base"] = 2
    if "mask" in tensors:
        read = {name: tensors[name] for name in ("mask", "kv_len") if name in tensors}
        arrays = {name: _array(STORAGE[raw.kind], raw.shape, raw.array.tobytes()) for name, raw in read.items()}
        _check_mask(Case(case, tensors | arrays))
    return _container(tensors, _json(case))


@dataclass(frozen=True)
class Raw:
    """A tensor apart from its library; `kind` is NumPy's name of its type, and bfloat16 is held as 16-bit integers."""

    kind: str
    array: np.ndarray

    @property
    def shape(self):
        """The sizes of its axes."""
        return self.array.shape


def raw(name, x):
    """A NumPy array, a PyTorch tensor on any device, nested lists, or what this function has returned, as Raw."""
    if isinstance(x, Raw):
        return x
    if hasattr(x, "detach"):
        return _torch_raw(name, x)
    x = np.asarray(x)
    kind = x.dtype.name
    x = x.view(np.uint16) if kind == "bfloat16" else x
    return Raw(kind, x.astype(x.dtype.newbyteorder("<")))


def _torch_raw(name, x):
    import torch

    if x.is_nested or x.layout != torch.strided:
        raise ValueError(f"{name} is nested or sparse, expected a dense tensor: pad it, and mask what is padding")
    x, kind = x.detach(), str(x.dtype).removeprefix("torch.")
    x = x.view(torch.int16) if kind == "bfloat16" else x
    # A copy, since the array shares the memory of a tensor that is on the CPU.
    return Raw(kind, np.array(x.cpu().numpy()))


def _raw(name, x, kinds):
    """`x` as Raw, which must have one of the types `kinds`."""
    x = raw(name, x)
    if x.kind not in kinds:
        raise ValueError(f"{name} is {x.kind}, expected {' or '.join(dict.fromkeys(kinds))}")
    return x


def _shapes(tensors):
    """The type of q, k and v, (B, Hq, Nq, Nk, Dv), and (D, Dk)."""
    kinds, dims = ([getattr(tensors[n], field) for n in "qkv"] for field in ("kind", "shape"))
    described = ", ".join(f"{n} {kind} {list(dim)}" for n, kind, dim in zip("qkv", kinds, dims))
    if len(set(kinds)) != 1:
        raise ValueError(f"{described}: expected one type")
    expected = "expected q [B,Hq,Nq,D], k [B,Hkv,Nk,Dk], v [B,Hkv,Nk,Dv], Hkv a divisor of Hq, no size 0"
    if any(len(dim) != 4 or 0 in dim for dim in dims):
        raise ValueError(f"{described}: {expected}")
    (batch, heads, len_q, dim), keys, values = dims
    if keys[0] != batch or heads % keys[1] or values[:3] != keys[:3]:
        raise ValueError(f"{described}: {expected}")
    return kinds[0], (batch, heads, len_q, keys[2], values[3]), (dim, keys[3])


def _weight_shapes(score, weights, dims):
    """The shape of each weight that is there, without its heads."""
    if score not in SCORES:
        raise ValueError(f"score is {score!r}, expected one of {', '.join(SCORES)}")
    given = [name for name, x in weights.items() if x is not None]
    allowed = {"scaled-dot": (), "general": ("w",), "additive": ("w_q", "w_k", "w")}[score]
    if strange := [name for name in given if name not in allowed]:
        raise ValueError(f"{strange[0]} is given, expected {' or '.join(allowed) or 'no weight'} for the score {score}")
    dim, dim_k = dims
    widths = [np.shape(weights[name])[-1] for name in given if np.ndim(weights[name]) > 1]
    width = widths[0] if score == "additive" and widths else dim
    for name, size in (("w_q", dim), ("w_k", dim_k)) if score == "additive" else (("w", dim_k),):
        if name not in given and size != width:
            raise ValueError(f"{name} is absent, expected a matrix between widths {size} and {width}")
    shapes = {"w_q": (dim, width), "w_k": (dim_k, width), "w": (dim, dim_k) if score == "general" else (width,)}
    return {name: shapes[name] for name in given}


def _weight(name, x, kind, heads, shape):
    """A weight of the score: one for all query heads or one for each."""
    x = _raw(name, x, (kind,))
    if x.shape not in ((1, *shape), (heads, *shape)):
        raise ValueError(f"{name} is {list(x.shape)}, expected {[heads, *shape]}, the first axis full or 1")
    return x


def _mask(x, full):
    """The mask at rank 4."""
    x = _raw("mask", x, ("bool", "uint8", *FLOATS))
    shape = (1,) * (4 - len(x.shape)) + x.shape
    if len(shape) != 4 or any(n not in (1, m) for n, m in zip(shape, full)):
        raise ValueError(f"mask is {list(x.shape)}, expected {list(full)}, each axis full or 1")
    return Raw(x.kind, x.array.reshape(shape))


def _check_mask(case):
    """A mask may hold NaN or +inf only where every row excludes its keys by position."""
    if not is_additive(case.tensors):
        return
    mask = case.tensors["mask"]
    strange = np.isnan(mask) | np.isposinf(mask)
    if not strange.any():
        return
    read = positions(case)
    for axis in (0, 2, 3):
        if mask.shape[axis] == 1:
            read = read.any(axis=axis, keepdims=True)
    if (strange & read).any():
        at = np.argwhere(strange & read)[0].tolist()
        raise ValueError(f"mask holds {mask[tuple(at)]} at {at}, where it is read, expected a finite number or -inf")


def _kv_len(x, batch, len_k):
    """Valid keys per batch as i64."""
    x = np.asarray(x.tolist() if hasattr(x, "detach") else x)
    if x.dtype.kind not in "iu" or x.shape != (batch,) or x.min() < 0 or x.max() > len_k:
        raise ValueError(f"kv_len is {x.tolist()}, expected {batch} integers from 0 to {len_k}")
    return _raw("kv_len", x.astype(np.int64), ("int64",))


def _per_head(name, x, heads):
    """One f32 per query head, from any type whose values fit."""
    x = np.asarray(x.tolist() if hasattr(x, "detach") else x, np.float64)
    if x.shape != (heads,) or not np.isfinite(x).all() or (x.astype(np.float32) != x).any():
        raise ValueError(f"{name} is {x.tolist()}, expected {heads} finite numbers that are exact in f32")
    return _raw(name, x.astype(np.float32), ("float32",))


def _fitting(name, x, kinds, shape):
    """A tensor of one shape."""
    x = _raw(name, x, kinds)
    if x.shape != shape:
        raise ValueError(f"{name} is {list(x.shape)}, expected {list(shape)}")
    return x


def _number(name, x):
    """A finite number or None."""
    if x is not None and not math.isfinite(x):
        raise ValueError(f"{name} is {x}, expected a finite number")
    return None if x is None else float(x)


def _softcap(x):
    """A positive number or None."""
    if x is not None and not x > 0:
        raise ValueError(f"softcap is {x}, expected a positive number")
    return _number("softcap", x)


def _alignment(name, x):
    """The JSON of an alignment."""
    if x in (None, "top-left", "bottom-right"):
        return x
    if isinstance(x, numbers.Integral) and not isinstance(x, bool):
        return {"offset": int(x)}
    raise ValueError(f'{name} is {x!r}, expected None, "top-left", "bottom-right" or an int')


def _pair(name, x, keys, convert):
    """The JSON of a pair; None stays None."""
    if x is None:
        return None
    if len(x) != 2:
        raise ValueError(f"{name} is {x!r}, expected ({', '.join(keys)})")
    return {key: convert(part) for key, part in zip(keys, x)}


def _arithmetic(x):
    """The JSON of an arithmetic."""
    sums = ("f64", "f32", "bf16", "f16")
    allowed = {"scores": (*sums, "tf32", "int8"), "weights": (*sums, "tf32"), "sums": sums}
    for key, value in x.items():
        if value not in allowed.get(key, ()):
            expected = "; ".join(f"{key}: {', '.join(values)}" for key, values in allowed.items())
            raise ValueError(f"arithmetic has {key} = {value!r}, expected any of {expected}")
    return dict(x)


def _container(tensors, case):
    """The safetensors container: length of the header, header, tensors (the widest type first, then by name)."""
    header, at = {"__metadata__": {"attn_case": case}}, 0
    order = sorted(tensors, key=lambda name: (-WIDTHS[STORAGE[tensors[name].kind]], name))
    for name in order:
        x = tensors[name]
        offsets = [at, at + x.array.nbytes]
        header[name] = {"dtype": STORAGE[x.kind], "shape": x.shape, "data_offsets": offsets}
        at = offsets[1]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *(tensors[name].array.tobytes() for name in order)])


def _json(x):
    """Compact JSON with sorted keys."""
    return json.dumps(x, sort_keys=True, separators=(",", ":"), allow_nan=False)


# ---- reading


@dataclass(frozen=True)
class Case:
    """A file's content: the metadata, and the tensors, those of a float type widened to float64."""

    meta: dict
    tensors: dict


def load(path):
    """The Case in a file."""
    return decode(Path(path).read_bytes())


def decode(data):
    """The Case in a file's bytes."""
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    meta = ABSENT | json.loads(header.pop("__metadata__")["attn_case"])
    tensors = {}
    for name, entry in header.items():
        start, end = (8 + length + at for at in entry["data_offsets"])
        tensors[name] = _array(entry["dtype"], entry["shape"], data[start:end])
    return Case(meta, tensors)


def _array(dtype, shape, data):
    """Bytes as an array; the four float types become float64, which holds all of their values."""
    if dtype == "BF16":
        x = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    elif dtype.startswith("F"):
        x = np.frombuffer(data, f"<f{WIDTHS[dtype]}").astype(np.float64)
    else:
        x = np.frombuffer(data, {"I64": "<i8", "U8": "u1", "BOOL": "?"}[dtype])
    return x.reshape(shape)

#!/usr/bin/env python3
r"""Write tests/golden/onnx: the conformance cases of the ONNX operator Attention.

The ONNX package generates its backend tests; each named case of Attention becomes one attn-case/1 file with the
operator's inputs as q, k, v, mask and kv_len, and its expected output Y as `out`.  tests/golden/onnx/README.md has the
mapping.

To regenerate the files, from the root of the repository (Python 3.11 or later):

    python3 -m venv target/onnx-cases && target/onnx-cases/bin/pip install --no-deps \
        numpy==2.4.6 onnx==1.23.2 ml_dtypes==0.6.0 protobuf==7.36.2 typing_extensions==4.16.0 ./scripts/attn-case
    target/onnx-cases/bin/python scripts/make-onnx-cases.py

Before anything is written, attention is computed in float64 from the bytes of every file, and must give `out` within
the file's tolerance.

Letters in the shapes: B batch, Hq and Hkv heads of q and of k and v, Nq queries, P past keys, Nk keys with the past,
D and Dv head dimensions.
"""

import argparse
import sys
import warnings
from collections import defaultdict
from pathlib import Path

import attn_case
import numpy as np
import onnx
from onnx.backend.test.case.node import collect_testcases

VERSION = "1.23.2"
COUNT = 93
DEFAULT_OUT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "onnx"

# type of Y -> (rtol, atol).  f32 as ONNX states it.  Y is computed in the type itself, rounded after every step, and
# for f16 and bf16 that takes it past the tolerance of ONNX (which is the same for all types).
TOLERANCES = {"float32": (1e-3, 1e-7), "float16": (2e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5)}

# What a case may have.  Anything else would be a part of the operator that the mapping does not know.
INPUTS = ("Q", "K", "V", "attn_mask", "past_key", "past_value", "nonpad_kv_seqlen")
ATTRIBUTES = {
    "is_causal",
    "kv_num_heads",
    "left_window_size",
    "q_num_heads",
    "qk_matmul_output_mode",  # says what an output other than Y holds
    "right_window_size",
    "scale",
    "softcap",
    "softmax_precision",  # how the softmax is computed, not what it is
}


def main():
    """Map and check all cases, then write them."""
    args = parse_args()
    if onnx.__version__ != VERSION:
        fail(f"onnx is {onnx.__version__}, expected {VERSION}")
    with warnings.catch_warnings(action="ignore"):  # the tests of other operators are generated too
        tests = [test for test in collect_testcases("Attention") if not test.name.endswith("_expanded")]
    if len(tests) != COUNT:
        fail(f"{len(tests)} named cases, expected {COUNT}")
    files, worst = {}, defaultdict(list)
    for test in tests:
        name = test.name.removeprefix("test_")
        case = mapped(test)
        files[name] = attn_case.encode(**case)
        worst[case["q"].dtype.name].append((check(name, files[name]), name))
    args.out.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (args.out / f"{name}.safetensors").write_bytes(data)
    print(f"{args.out}: {len(files)} files, {sum(map(len, files.values()))} bytes")
    for dtype, shares in worst.items():
        share, name = max(shares)
        print(f"{dtype}: {len(shares)} cases, the worst spends {share:.2g} of its tolerance ({name})")


def parse_args():
    """The command line."""
    parser = argparse.ArgumentParser(description="Write the ONNX Attention conformance cases as attn-case/1 files.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, metavar="DIR", help="default: tests/golden/onnx")
    return parser.parse_args()


# ---- the mapping


def mapped(test):
    """The arguments of `attn_case.encode` for one ONNX test."""
    (node,), ((inputs, outputs),) = test.model.graph.node, test.data_sets
    x = named(node.input, inputs)
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if unknown := (x.keys() - set(INPUTS)) | (attributes.keys() - ATTRIBUTES):
        fail(f"{test.name}: {', '.join(sorted(unknown))} has no mapping")
    q, k, v = heads_first(x, attributes)
    y = named(node.output, outputs)["Y"]
    if y.ndim == 3:
        y = split_heads(y, q.shape[1])
    if "past_key" in x:
        k = np.concatenate([x["past_key"], k], axis=2)
        v = np.concatenate([x["past_value"], v], axis=2)
    window = sliding_window(attributes)
    diagonal = alignment(x)
    causal = bool(attributes.get("is_causal"))
    (opset,) = test.model.opset_import
    return {
        "q": q,
        "k": k,
        "v": v,
        "mask": padded(x["attn_mask"], k.shape[2]) if "attn_mask" in x else None,
        "kv_len": x.get("nonpad_kv_seqlen"),
        "out": y,
        "scale": attributes.get("scale"),
        "causal": diagonal if causal else None,
        "align": diagonal if window and not causal else None,
        "window": window,
        "softcap": attributes.get("softcap") or None,
        "tolerance": TOLERANCES[y.dtype.name],
        "source": f"ONNX {VERSION} backend test {test.name}, Attention-{opset.version} (Apache-2.0)",
    }


def named(names, arrays):
    """Arrays by name; an empty name is an input or output that is left out."""
    return dict(zip(filter(None, names), arrays, strict=True))


def heads_first(x, attributes):
    """Q, K, V as [B,H,N,D]; 3-D inputs [B,N,H*D] hold their heads side by side."""
    q, k, v = x["Q"], x["K"], x["V"]
    if q.ndim == 4:
        return q, k, v
    heads, heads_kv = attributes["q_num_heads"], attributes["kv_num_heads"]
    return split_heads(q, heads), split_heads(k, heads_kv), split_heads(v, heads_kv)


def split_heads(x, heads):
    """[B,N,H*D] -> [B,H,N,D]."""
    return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def padded(mask, len_k):
    """The mask with as many keys as K: the missing ones are not admitted."""
    missing = [(0, 0)] * (mask.ndim - 1) + [(0, len_k - mask.shape[-1])]
    return np.pad(mask, missing, constant_values=False if mask.dtype == bool else -np.inf)


def alignment(x):
    """Where the diagonal lies: after the past, at the end of the valid keys, or at the first key."""
    if "past_key" in x:
        return x["past_key"].shape[2]
    return "bottom-right" if "nonpad_kv_seqlen" in x else "top-left"


def sliding_window(attributes):
    """(left, right) with None for an open side; None without a window."""
    sides = [attributes.get(f"{side}_window_size", -1) for side in ("left", "right")]
    return tuple(None if n < 0 else n for n in sides) if max(sides) >= 0 else None


# ---- checking


def check(name, data):
    """Stop unless `out` is the attention of the file's problem; the share of the tolerance that it spends."""
    case = attn_case.decode(data)
    truth, _ = attn_case.attention(case)
    out, tolerance = case.tensors["out"], (case.meta["out"]["rtol"], case.meta["out"]["atol"])
    empty = ~attn_case.admission(case).any(axis=-1)
    if np.any(out[empty]):
        fail(f"self-check: {name}: a query that admits no key gives {np.abs(out[empty]).max()}; nothing was written")
    share = attn_case.spent(out, truth, tolerance)
    if not share <= 1:
        fail(f"self-check: {name}: Y is {share:.3g} times the tolerance away from float64; nothing was written")
    return share


def fail(message):
    """One line for people, exit status 3."""
    print(f"make-onnx-cases: {message}", file=sys.stderr)
    sys.exit(3)


if __name__ == "__main__":
    main()

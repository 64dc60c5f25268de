#!/usr/bin/env python3
r"""Write tests/golden/keras: what Keras' attention layers compute with additive, general and plain dot scores.

Keras' AdditiveAttention is w . tanh(q + k); with bias-free Dense layers in front of it, as in its own documentation of
Bahdanau attention, it is w . tanh(W_q^T q + W_k^T k).  Attention with one bias-free Dense layer on the queries is
Luong's general score.  The two documented examples are here too, with the digits that the documentation prints.

To regenerate the files, from the root of the repository (Python 3.11 or later; Keras on NumPy imports JAX and uses it not):

    python3 -m venv target/keras-cases
    target/keras-cases/bin/pip install keras==3.15.1 numpy==2.4.6 scipy==1.17.1 jax==0.10.2 ./scripts/attn-case
    KERAS_BACKEND=numpy target/keras-cases/bin/python scripts/make-keras-cases.py

Before anything is written, attention is computed in float64 from the bytes of every file, and must give `out` within the
file's tolerance.
"""

import argparse
import sys
import zlib
from pathlib import Path

import attn_case
import keras
import numpy as np

VERSION = "3.15.1"
DEFAULT_OUT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "keras"
# Of the layers' results, which Keras on NumPy computes in f32 here and there whatever the policy says, and of the three
# digits in the documentation.
SINGLE, PRINTED = (1e-5, 1e-6), (0.0, 1e-3)


def main():
    """Compute and check all cases, then write them."""
    parser = argparse.ArgumentParser(description="Write results of Keras' attention layers as attn-case/1 files.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, metavar="DIR", help="default: tests/golden/keras")
    out = parser.parse_args().out
    if keras.__version__ != VERSION or keras.backend.backend() != "numpy":
        fail(f"Keras {keras.__version__} on {keras.backend.backend()}, expected {VERSION} on numpy (KERAS_BACKEND=numpy)")
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    files = {**documented(), **layers()}
    for name, data in files.items():
        check(name, data)
    out.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (out / f"{name}.safetensors").write_bytes(data)
    print(f"{out}: {len(files)} files, {sum(map(len, files.values()))} bytes")


def documented():
    """The examples of keras.io: unit scale, no projections."""
    q, k, v = (np.array([[x]]) for x in ([[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]], [[1.0, 2.0], [3.0, 4.0]]))
    additive = np.array([[[[1.727, 2.727], [2.272, 3.272]]]])
    dot = np.array([[[[2.462, 3.462], [1.538, 2.538]]]])
    source = "keras.io, the example of layers.{}, three digits"
    return {
        "documented-additive": attn_case.encode(
            q, k, v, score="additive", out=additive, tolerance=PRINTED, source=source.format("AdditiveAttention")
        ),
        "documented-dot": attn_case.encode(
            q, k, v, score="general", out=dot, tolerance=PRINTED, source=source.format("Attention")
        ),
    }


def layers():
    """Random problems: score, widths of q, k and the hidden layer, and what else the layer is asked."""
    problems = {
        "additive": ("additive", (7, 7, 7, 5), {}),
        "additive-w": ("additive", (9, 9, 9, 4), {"scale": True}),
        "additive-projected": ("additive", (6, 10, 8, 5), {"scale": True, "project": True}),
        "additive-projected-causal": ("additive", (6, 10, 8, 5), {"scale": True, "project": True, "causal": True}),
        "additive-projected-mask": ("additive", (10, 6, 8, 3), {"scale": True, "project": True, "mask": True}),
        "general": ("general", (6, 10, 10, 5), {"project": True}),
        "general-causal": ("general", (10, 6, 6, 5), {"project": True, "causal": True}),
        "general-mask": ("general", (8, 8, 8, 3), {"project": True, "mask": True}),
    }
    return {name: layer(name, *problem) for name, problem in problems.items()}


def layer(name, score, widths, asked):
    """One problem through Keras, two batches and one head: Keras' attention layers have no heads."""
    dim, dim_k, width, dim_v = widths
    random = np.random.default_rng(zlib.crc32(name.encode()))
    len_q, len_k = (11, 11) if asked.get("causal") else (7, 12)
    q, k, v = (random.normal(size=(2, *s)) for s in ((len_q, dim), (len_k, dim_k), (len_k, dim_v)))
    weights, queries, keys = {}, q, k
    if asked.get("project"):
        first = "w_q" if score == "additive" else "w"
        weights[first] = random.normal(size=(1, dim, width)) / np.sqrt(dim)
        queries = dense(q, weights[first][0])
        if score == "additive":
            weights["w_k"] = random.normal(size=(1, dim_k, width)) / np.sqrt(dim_k)
            keys = dense(k, weights["w_k"][0])
    if score == "additive":
        attention = keras.layers.AdditiveAttention(use_scale=bool(asked.get("scale")), dropout=0.0)
        attention.build([queries.shape, v.shape, keys.shape])
        if asked.get("scale"):
            weights["w"] = random.normal(size=(1, width))
            attention.scale.assign(weights["w"][0])
    else:
        attention = keras.layers.Attention(use_scale=False, score_mode="dot", dropout=0.0)
    mask = None
    if asked.get("mask"):
        mask = random.random((2, len_k)) < 0.6
        mask[:, 0] = True
    out = attention(
        [queries, v, keys], mask=[None, mask], use_causal_mask=bool(asked.get("causal")), training=False
    )
    heads = (x[:, np.newaxis] for x in (q, k, v))
    return attn_case.encode(
        *heads,
        score=score,
        **weights,
        mask=None if mask is None else mask[:, np.newaxis, np.newaxis],
        causal="top-left" if asked.get("causal") else None,
        out=np.asarray(out)[:, np.newaxis],
        tolerance=SINGLE,
        source=f"Keras {VERSION} on NumPy {np.__version__}, {type(attention).__name__}, {score} score",
    )


def dense(x, matrix):
    """Keras' bias-free Dense layer."""
    layer = keras.layers.Dense(matrix.shape[1], use_bias=False)
    layer.build(x.shape)
    layer.set_weights([matrix])
    return np.asarray(layer(x))


def check(name, data):
    """Compare the file's result with the definition."""
    case = attn_case.decode(data)
    tolerance = (case.meta["out"]["rtol"], case.meta["out"]["atol"])
    share = attn_case.spent(case.tensors["out"], attn_case.attention(case)[0], tolerance)
    print(f"{name}: {share:.2g} of its tolerance")
    if not share <= 1:
        fail(f"{name}: Keras and the definition differ by {share:.3g} times the tolerance")


def fail(message):
    """Stop."""
    sys.exit(f"error: {message}")


if __name__ == "__main__":
    main()

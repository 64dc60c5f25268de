#!/usr/bin/env python3
r"""Write tests/golden/torch: what PyTorch's scaled_dot_product_attention computes on the CPU, in f64 and f32.

Small problems with awkward shapes; each becomes one attn-case/1 file per type, with the result as `out` and, where
PyTorch's fused CPU kernel took the problem, that kernel's logsumexp as `lse`.

To regenerate the files, from the root of the repository (Python 3.11 or later; on Linux pip installs some gigabytes of
CUDA libraries with torch, which are not used):

    python3 -m venv target/torch-cases && target/torch-cases/bin/pip install numpy==2.4.6 torch==2.15.0 ./scripts/attn-case
    target/torch-cases/bin/python scripts/make-torch-cases.py

Before anything is written, attention is computed in float64 from the bytes of every file, and must give `out` and `lse`
within the file's tolerance.

Letters in the shapes: B batch, Hq and Hkv heads of q and of k and v, Nq queries, Nk keys, D and Dv head dimensions.
"""

import argparse
import itertools
import sys
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import attn_case
import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

VERSION = "2.15.0"
DEFAULT_OUT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "torch"
DTYPES = {"f64": torch.float64, "f32": torch.float32}

# Of `out`, and of `lse` in the self-check.
TOLERANCES = {"f64": (1e-13, 1e-14), "f32": (1e-5, 1e-6)}

FLASH, MATH = 1, 0  # what torch._fused_sdp_choice answers on the CPU


@dataclass(frozen=True)
class Problem:
    """One call, without its numbers."""

    shape: tuple  # B, Hq, Hkv, Nq, Nk, D, Dv
    arguments: dict = field(default_factory=dict)  # of scaled_dot_product_attention: is_causal, scale
    mask: callable = None  # (random generator, dtype) -> mask
    inputs: callable = None  # (random generator, shape) -> q or k; default: normal


def main():
    """Compute and check all cases, then write them."""
    args = parse_args()
    if torch.__version__.split("+")[0] != VERSION:
        fail(f"torch is {torch.__version__}, expected {VERSION}")
    torch.set_num_threads(1)
    files, worst = {}, defaultdict(list)
    for (name, problem), dtype in itertools.product(problems().items(), DTYPES):
        file = f"{name}-{dtype}"
        files[file] = computed(name, problem, dtype)
        worst[dtype].append((check(file, files[file]), file))
    args.out.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (args.out / f"{name}.safetensors").write_bytes(data)
    print(f"{args.out}: {len(files)} files, {sum(map(len, files.values()))} bytes")
    for dtype, shares in worst.items():
        share, name = max(shares)
        print(f"{dtype}: {len(shares)} cases, the worst spends {share:.2g} of its tolerance ({name})")


def parse_args():
    """The command line."""
    parser = argparse.ArgumentParser(description="Write results of PyTorch's attention as attn-case/1 files.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, metavar="DIR", help="default: tests/golden/torch")
    return parser.parse_args()


# ---- the problems


def problems():
    """name -> Problem.  The fused kernel takes 32 queries (64 from 192 on) and 512 keys at a time: see the "tiles"."""
    causal = {"is_causal": True}
    masked = (2, 3, 3, 5, 7, 3, 3)
    named = {
        "square": Problem((2, 3, 3, 7, 7, 5, 5)),
        "more-keys": Problem((2, 2, 2, 5, 11, 3, 3)),
        "more-queries": Problem((2, 2, 2, 11, 5, 3, 3)),
        "one-query": Problem((2, 3, 3, 1, 13, 4, 4)),
        "one-key": Problem((2, 3, 3, 7, 1, 4, 4)),
        "tiles": Problem((1, 2, 2, 33, 515, 1, 1)),
        "tiles-mask-bool": Problem((1, 2, 2, 3, 515, 1, 1), mask=tile_mask),
        "causal-square": Problem((2, 3, 3, 7, 7, 5, 5), causal),
        "causal-more-keys": Problem((2, 2, 2, 5, 11, 3, 3), causal),
        "causal-more-queries": Problem((2, 2, 2, 11, 5, 3, 3), causal),
        "causal-tiles": Problem((1, 1, 1, 515, 515, 1, 1), causal),
        "wide-values": Problem((2, 3, 3, 5, 7, 3, 9)),
        "narrow-values-causal": Problem((2, 3, 3, 5, 7, 5, 1), causal),
        "wide-values-mask-bool": Problem((2, 3, 3, 5, 7, 3, 9), mask=bool_mask((2, 3, 5, 7))),
        "wide-values-mask-float": Problem((2, 3, 3, 5, 7, 3, 9), mask=float_mask((2, 3, 5, 7))),
        "scale": Problem(masked, {"scale": 0.37}),
        "scale-negative": Problem(masked, {"scale": -0.8}),
        "scale-zero": Problem(masked, {"scale": 0.0}),
        "large-logits": Problem((2, 2, 2, 7, 9, 4, 4), {"scale": 20.0}),
        "large-logits-ties": Problem((2, 2, 2, 7, 9, 4, 4), {"scale": 128.0}, inputs=small_integers),
        "gqa-2": Problem((2, 4, 2, 5, 7, 3, 3)),
        "gqa-3-causal": Problem((2, 6, 2, 5, 7, 3, 3), causal),
        "gqa-3-mask-bool": Problem((2, 6, 2, 5, 7, 3, 3), mask=bool_mask((2, 6, 5, 7))),
        "gqa-2-wide-values-mask-float": Problem((2, 4, 2, 5, 7, 3, 5), mask=float_mask((1, 4, 5, 7))),
        "mqa": Problem((2, 5, 1, 5, 7, 3, 3)),
        "mask-bool-empty-rows": Problem(masked, mask=bool_mask((2, 3, 5, 7), empty_rows=True)),
        "mask-bool-all-false": Problem(masked, mask=lambda rng, dtype: np.zeros((1, 1, 1, 1), bool)),
        "mask-float-empty-rows": Problem(masked, mask=float_mask((2, 3, 5, 7), empty_rows=True)),
        "mask-float-lowest": Problem(masked, mask=lowest_mask((1, 1, 5, 7))),
        "mask-float-lowest-rows": Problem(masked, mask=lowest_mask((1, 1, 5, 7), whole_rows=True)),
    }
    for kind, mask in (("bool", bool_mask), ("float", float_mask)):
        for axes in itertools.product(*zip("bhqk", "1111")):
            shape = tuple(1 if axis == "1" else n for axis, n in zip(axes, (2, 3, 5, 7)))
            named[f"mask-{kind}-{''.join(axes)}"] = Problem(masked, mask=mask(shape))
    return named


def normal(rng, shape):
    """Standard normal numbers."""
    return rng.standard_normal(shape)


def small_integers(rng, shape):
    """Integers from -2 to 2: with a power of two as scale the logits are exact in f32, and some are equal."""
    return rng.integers(-2, 2, shape, endpoint=True).astype(np.float64)


def bool_mask(shape, empty_rows=False):
    """Masks that admit about two keys in three, at least one per row; where the keys share one entry and it is false,
    the query admits none."""

    def mask(rng, dtype):
        admitted = rng.random(shape) < 0.65
        admitted.reshape(-1)[[-1, 0]] = False, True
        return rows_as_wanted(rng, admitted, empty_rows)

    return mask


def float_mask(shape, empty_rows=False):
    """Masks of normal numbers in which about one key in three is -inf; where the keys share one entry, none is."""

    def mask(rng, dtype):
        values = rng.standard_normal(shape)
        admitted = rng.random(shape) < 0.65 if shape[3] > 1 else np.ones(shape, bool)
        return np.where(rows_as_wanted(rng, admitted, empty_rows), values, -np.inf)

    return mask


def rows_as_wanted(rng, admitted, empty_rows):
    """A random key more for every row of more than one entry; then, if wanted, none for two rows of each head."""
    if admitted.shape[3] > 1:
        some = rng.integers(0, admitted.shape[3], admitted.shape[:3])
        np.put_along_axis(admitted, some[..., np.newaxis], True, axis=3)
    if empty_rows:
        admitted[:, :, [0, 3]] = False
    return admitted


def tile_mask(rng, dtype):
    """Three rows: keys of the second tile only, keys of the first tile only, both."""
    admitted = rng.random((1, 1, 3, 515)) < 0.65
    admitted[:, :, 0, :512] = False
    admitted[:, :, 1, 512:] = False
    admitted[:, :, :, [511, 514]] = [[False, True], [True, False], [True, True]]
    return admitted


def lowest_mask(shape, whole_rows=False):
    """Zeros and the lowest finite number, which some frameworks use in place of -inf: a row of nothing else is even."""

    def mask(rng, dtype):
        admitted = bool_mask(shape, whole_rows)(rng, dtype)
        return np.where(admitted, 0.0, torch.finfo(dtype).min)

    return mask


# ---- computing


def computed(name, problem, dtype):
    """The bytes of one file: inputs drawn from a generator seeded with the name, and what PyTorch makes of them.

    Both types get the same numbers, rounded to the type.
    """
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    batch, heads, heads_kv, len_q, len_k, dim, dim_v = problem.shape
    draw = problem.inputs or normal
    q = torch.tensor(draw(rng, (batch, heads, len_q, dim)), dtype=DTYPES[dtype])
    k = torch.tensor(draw(rng, (batch, heads_kv, len_k, dim)), dtype=DTYPES[dtype])
    v = torch.tensor(normal(rng, (batch, heads_kv, len_k, dim_v)), dtype=DTYPES[dtype])
    mask = problem.mask and torch.tensor(problem.mask(rng, DTYPES[dtype]))
    if mask is not None and mask.is_floating_point():
        mask = mask.to(DTYPES[dtype])
    arguments = dict(problem.arguments, attn_mask=mask, enable_gqa=heads != heads_kv)
    out = scaled_dot_product_attention(q, k, v, **arguments)
    flash = torch._fused_sdp_choice(q, k, v, **arguments) == FLASH
    return attn_case.encode(
        q,
        k,
        v,
        mask=mask,
        out=out,
        lse=flash_lse(name, q, k, v, out, mask, problem.arguments) if flash else None,
        scale=problem.arguments.get("scale"),
        causal="top-left" if problem.arguments.get("is_causal") else None,
        tolerance=TOLERANCES[dtype],
        source=source(problem, mask, heads != heads_kv, flash),
    )


def flash_lse(name, q, k, v, out, mask, arguments):
    """The fused kernel's logsumexp [B,Hq,Nq]; None if some query admits no key: the kernel says 0 there, not -inf."""
    if mask is not None and mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape, dtype=q.dtype).masked_fill(~mask, -torch.inf)
    again, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, attn_mask=mask, **arguments)
    if not torch.equal(again, out):
        fail(f"{name}: the fused kernel does not give what scaled_dot_product_attention gives; nothing was written")
    empty = mask is not None and torch.isneginf(mask).all(-1).any()
    return None if empty else lse


def source(problem, mask, gqa, flash):
    """The call in words."""
    words = [f"{key}={value}" for key, value in problem.arguments.items()]
    if mask is not None:
        words.append(f"attn_mask={str(mask.dtype).removeprefix('torch.')} {list(mask.shape)}")
    if gqa:
        words.append("enable_gqa=True")
    path = "fused CPU kernel" if flash else "composed of other operators"
    return f"PyTorch {VERSION} scaled_dot_product_attention({', '.join(words)}), CPU, {path}"


# ---- checking


def check(name, data):
    """Stop unless `out` and `lse` are those of the file's problem; the share of the tolerance that they spend."""
    case = attn_case.decode(data)
    truth = dict(zip(("out", "lse"), attn_case.attention(case)))
    empty = ~attn_case.admission(case).any(axis=-1)
    if np.any(case.tensors["out"][empty] != 0):
        fail(f"self-check: {name}: a query that admits no key does not give 0; nothing was written")
    tolerance = case.meta["out"]["rtol"], case.meta["out"]["atol"]
    shares = [attn_case.spent(case.tensors[x], truth[x], tolerance) for x in truth if x in case.tensors]
    if not max(shares) <= 1:
        fail(f"self-check: {name}: {max(shares):.3g} times the tolerance away from float64; nothing was written")
    return max(shares)


def fail(message):
    """One line for people, exit status 3."""
    print(f"make-torch-cases: {message}", file=sys.stderr)
    sys.exit(3)


if __name__ == "__main__":
    main()

"""The attention of a case in float64, by the definition and nothing else."""

import math

import numpy as np


def attention(case):
    """out [B,Hq,Nq,Dv] and lse [B,Hq,Nq] of a Case in float64, by the definition and nothing else.

    Per query: scores scale * score(q, k), softcap, ALiBi and additive mask, admission, softmax (with the sink),
    weighted sum of values.  A query that admits no key gives 0; what no query admits, NaN included, never reaches the
    result.
    """
    t, meta = case.tensors, case.meta
    group = t["q"].shape[1] // t["k"].shape[1]
    k, v = (np.repeat(t[name], group, axis=1) for name in "kv")
    admitted = admission(case)
    used = admitted.any(axis=2)[..., np.newaxis]
    s = scores(case, np.where(used, k, 0.0))
    default = 1.0 / math.sqrt(k.shape[-1]) if meta["score"] == "scaled-dot" else 1.0
    s *= default if meta["scale"] is None else meta["scale"]
    if meta["softcap"] is not None:
        s = meta["softcap"] * np.tanh(s / meta["softcap"])
    if "alibi_slopes" in t:
        s -= t["alibi_slopes"][:, np.newaxis, np.newaxis] * np.abs(distance(case))
    if is_additive(t):
        s = s + t["mask"]
    s = np.where(admitted, s, -np.inf)
    sink = t.get("sinks", np.full(s.shape[1], -np.inf))[:, np.newaxis, np.newaxis]
    top = np.maximum(s.max(axis=-1, keepdims=True), sink)
    shift = np.where(np.isneginf(top), 0.0, top)
    p = np.exp(s - shift)
    total = p.sum(axis=-1, keepdims=True) + np.exp(sink - shift)
    out = p @ np.where(used, v, 0.0) / np.where(total == 0.0, 1.0, total)
    with np.errstate(divide="ignore"):
        return out, (shift + np.log(total))[..., 0]


def scores(case, k):
    """Raw scores [B,Hq,Nq,Nk] of keys k [B,Hq,Nk,Dk]."""
    t, kind = case.tensors, case.meta["score"]
    q = t["q"]
    if kind == "additive":
        q = q @ t["w_q"] if "w_q" in t else q
        k = k @ t["w_k"] if "w_k" in t else k
        hidden = np.tanh(q[:, :, :, np.newaxis] + k[:, :, np.newaxis])
        return (hidden * t["w"][:, np.newaxis, np.newaxis] if "w" in t else hidden).sum(axis=-1)
    return (q @ t["w"] if "w" in t else q) @ k.swapaxes(-1, -2)


def admission(case):
    """Which keys each query may see: bool [B,Hq,Nq,Nk]."""
    t = case.tensors
    shape = t["q"].shape[:3] + t["k"].shape[2:3]
    admitted = np.broadcast_to(positions(case), shape)
    if "mask" in t:
        admitted = admitted & (~np.isneginf(t["mask"]) if is_additive(t) else t["mask"] != 0)
    return admitted


def positions(case):
    """Which keys each query may see but for the mask: bool [B,1,Nq,Nk]."""
    t, meta = case.tensors, case.meta
    (batch, _, len_q, _), len_k = t["q"].shape, t["k"].shape[2]
    admitted = np.ones((batch, 1, len_q, len_k), bool)
    ahead = -distance(case)
    if meta["causal"] is not None:
        admitted &= ahead <= 0
    window = meta["window"] or {"left": None, "right": None}
    if window["left"] is not None:
        admitted &= ahead >= -window["left"]
    if window["right"] is not None:
        admitted &= ahead <= window["right"]
    if "kv_len" in t:
        admitted &= np.arange(len_k) < t["kv_len"][:, np.newaxis, np.newaxis, np.newaxis]
    return admitted


def distance(case):
    """Diagonal minus key, diag(b,i) - j: int [B,1,Nq,Nk]."""
    t, meta = case.tensors, case.meta
    (batch, _, len_q, _), len_k = t["q"].shape, t["k"].shape[2]
    align = meta["causal"] or meta["align"] or "top-left"
    if align == "top-left":
        offset = np.zeros(batch, np.int64)
    elif align == "bottom-right":
        offset = t.get("kv_len", np.full(batch, len_k)) - len_q
    else:
        offset = np.full(batch, align["offset"])
    return np.arange(len_q)[:, np.newaxis] - np.arange(len_k) + offset[:, np.newaxis, np.newaxis, np.newaxis]


def is_additive(tensors):
    """Whether there is a mask that is added."""
    return "mask" in tensors and tensors["mask"].dtype == np.float64


def spent(found, truth, tolerance):
    """The largest share of the tolerance that an element of `found` uses: at most 1 = within; NaN counts as inf."""
    rtol, atol = tolerance
    with np.errstate(invalid="ignore"):
        shares = np.abs(found - truth) / (atol + rtol * np.abs(truth))
    shares = np.where(found == truth, 0.0, shares)
    return float(np.where(np.isnan(shares), np.inf, shares).max())

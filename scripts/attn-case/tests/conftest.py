"""A function that is called as PyTorch's is, in NumPy; and where the program is."""

import os

import numpy as np
import pytest


def sdpa(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """Attention in float64, rounded to the type of query."""
    if enable_gqa:
        key, value = (np.repeat(x, query.shape[-3] // key.shape[-3], axis=-3) for x in (key, value))
    s = query.astype("float64") @ key.astype("float64").swapaxes(-1, -2)
    s *= query.shape[-1] ** -0.5 if scale is None else scale
    if is_causal:
        s = np.where(np.tri(*s.shape[-2:], dtype=bool), s, -np.inf)
    if attn_mask is not None:
        s = np.where(attn_mask, s, -np.inf) if attn_mask.dtype == bool else s + attn_mask
    p = np.exp(s - s.max(axis=-1, keepdims=True))
    return (p / p.sum(axis=-1, keepdims=True) @ value).astype(query.dtype)


@pytest.fixture
def attn():
    """The program, which CI names; a test that needs it is skipped without."""
    if "ATTN" not in os.environ:
        pytest.skip("the environment variable ATTN does not name the program")
    return os.environ["ATTN"]


@pytest.fixture(params=["numpy", "torch"])
def library(request):
    """A function and its arrays from NumPy's, once for each library."""
    if request.param == "numpy":
        return sdpa, lambda x: x
    torch = pytest.importorskip("torch")
    return torch.nn.functional.scaled_dot_product_attention, torch.from_numpy

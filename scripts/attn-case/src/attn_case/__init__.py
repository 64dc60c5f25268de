"""Record calls of attention, have `attn` judge what they returned, and read and write the files in between.

    import attn_case
    out = attn_case.record("x.safetensors", F.scaled_dot_product_attention, q, k, v, is_causal=True)

    $ attn verify x.safetensors

`record` calls a function and dumps the call, `recording` every call that a model makes, `assert_attention` and
`assert_verified` are for tests.  `save` and `encode` write any problem of the format attn-case/1, `load` and `decode`
read it, and `attention` computes it in float64.

Needs Python 3.11 or later and NumPy; PyTorch only if tensors of it are passed.
"""

from .files import Case, decode, encode, load, save
from .judge import assert_attention, assert_verified
from .recorder import record, recording
from .truth import admission, attention, spent

__all__ = [
    "Case",
    "admission",
    "assert_attention",
    "assert_verified",
    "attention",
    "decode",
    "encode",
    "load",
    "record",
    "recording",
    "save",
    "spent",
]

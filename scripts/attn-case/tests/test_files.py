"""Files: what is written is read back, and what does not fit is refused."""

import json
import struct

import numpy as np
import pytest

import attn_case
from attn_case.files import raw

RNG = np.random.default_rng(1)


def operands(kind="float32", shape=(2, 3, 5, 4)):
    """q, k and v of one shape."""
    return [RNG.standard_normal(shape).astype(kind) for _ in range(3)]


def header(data):
    """What a file says of itself."""
    (length,) = struct.unpack_from("<Q", data)
    return json.loads(data[8 : 8 + length])


@pytest.mark.parametrize(("kind", "name"), [("float64", "F64"), ("float32", "F32"), ("float16", "F16")])
def test_every_float_type_is_stored_as_it_is(kind, name):
    q, k, v = operands(kind)
    data = attn_case.encode(q, k, v)
    assert {header(data)[x]["dtype"] for x in "qkv"} == {name}
    for x, y in zip((q, k, v), map(attn_case.decode(data).tensors.get, "qkv")):
        assert np.array_equal(x.astype("float64"), y)


def test_bfloat16_is_stored_as_it_is():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    q, k, v = operands(bfloat16)
    data = attn_case.encode(q, k, v)
    assert header(data)["q"]["dtype"] == "BF16"
    assert np.array_equal(attn_case.decode(data).tensors["q"], q.astype("float64"))


def test_views_are_stored_in_their_own_order():
    q, k, v = (x.transpose(0, 2, 1, 3) for x in operands(shape=(2, 5, 3, 4)))
    tensors = attn_case.decode(attn_case.encode(q, k[..., ::-1], v)).tensors
    assert np.array_equal(tensors["q"], q) and np.array_equal(tensors["k"], k[..., ::-1])


def test_other_byte_orders_are_turned():
    q, k, v = operands()
    assert attn_case.encode(q.astype(">f4"), k.astype(">f4"), v) == attn_case.encode(q, k, v)


def test_the_safetensors_library_reads_it(tmp_path):
    safetensors = pytest.importorskip("safetensors")
    q, k, v = operands("float16")
    path = tmp_path / "new" / "case.safetensors"
    attn_case.save(path, q, k, v, mask=np.ones((5, 5), bool), kv_len=[5, 3], source="a test")
    with safetensors.safe_open(path, "np") as file:
        assert json.loads(file.metadata()["attn_case"])["source"] == "a test"
        assert np.array_equal(file.get_tensor("k"), k)
        assert file.get_tensor("mask").shape == (1, 1, 5, 5)


def test_a_copy_is_taken_of_tensors():
    x = np.zeros(3, np.float32)
    copy = raw("x", x)
    x += 1
    assert not copy.array.any()


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ({"mask": np.ones((2, 2), bool)}, "mask is [2, 2], expected [2, 3, 5, 5], each axis full or 1"),
        ({"mask": np.full((5, 5), np.nan, np.float32)}, "where it is read, expected a finite number or -inf"),
        ({"kv_len": [6, 1]}, "expected 2 integers from 0 to 5"),
        ({"sinks": [0.1, 0.2, 0.3]}, "exact in f32"),
        ({"causal": "left"}, 'expected None, "top-left", "bottom-right" or an int'),
        ({"softcap": 0}, "expected a positive number"),
        ({"out": np.zeros((2, 3, 5, 9), np.float32)}, "expected [2, 3, 5, 4]"),
        ({"lse_base": 10}, "expected 2"),
        ({"arithmetic": {"sums": "tf32"}}, "expected any of"),
    ],
)
def test_what_does_not_fit_is_refused(case, says):
    with pytest.raises(ValueError) as error:
        attn_case.encode(*operands(), **case)
    assert says in str(error.value)


def test_causal_attention_of_one_key_is_its_value():
    q, k, v = operands("float64")
    out, lse = attn_case.attention(attn_case.decode(attn_case.encode(q, k, v, causal="top-left")))
    assert np.array_equal(out[:, :, 0], v[:, :, 0])
    assert np.allclose(lse[:, :, 0], (q[:, :, 0] * k[:, :, 0]).sum(-1) / 2)

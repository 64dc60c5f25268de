"""One call: what is in the file is what was called, and what cannot be said is refused with what to say instead."""

import numpy as np
import pytest
from conftest import sdpa

import attn_case

RNG = np.random.default_rng(2)


def operands(q=(2, 4, 5, 8), k=None, kind="float32"):
    """q, and k and v of another shape."""
    return [RNG.standard_normal(shape).astype(kind) for shape in (q, k or q, k or q)]


def share(path):
    """The share of a tolerance of 1e-5 that the recorded output uses."""
    case = attn_case.load(path)
    return attn_case.spent(case.tensors["out"], attn_case.attention(case)[0], (1e-5, 1e-6))


def bools(*shape):
    """A mask in which each query admits the first key, and others."""
    mask = RNG.random(shape) < 0.6
    mask[..., 0] = True
    return mask


CALLS = {
    "plain": ((2, 4, 5, 8), None, dict),
    "more-keys": ((2, 4, 5, 8), (2, 4, 7, 8), dict),
    "causal": ((2, 4, 5, 8), None, lambda: {"is_causal": True}),
    "scale": ((2, 4, 5, 8), None, lambda: {"scale": 0.3}),
    "grouped": ((2, 4, 5, 8), (2, 2, 7, 8), lambda: {"enable_gqa": True}),
    "mask-2d": ((2, 4, 5, 8), None, lambda: {"attn_mask": bools(5, 5)}),
    "mask-3d": ((2, 4, 5, 8), None, lambda: {"attn_mask": bools(4, 5, 5)}),
    "mask-4d": ((2, 4, 5, 8), None, lambda: {"attn_mask": bools(2, 1, 1, 5)}),
    "mask-float": ((2, 4, 5, 8), None, lambda: {"attn_mask": RNG.standard_normal((5, 5)).astype("float32")}),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_file_is_the_call(name, library, tmp_path):
    function, own = library
    q, k, arguments = CALLS[name]
    arguments = {key: own(x) if isinstance(x, np.ndarray) else x for key, x in arguments().items()}
    path = tmp_path / "x.safetensors"
    given = [own(x) for x in operands(q, k)]
    out = attn_case.record(path, function, *given, **arguments)
    assert share(path) <= 1
    assert np.allclose(np.asarray(out), np.asarray(function(*given, **arguments)), atol=1e-6)
    meta = attn_case.load(path).meta
    assert meta["scale"] == arguments.get("scale")
    assert meta["causal"] == ("top-left" if arguments.get("is_causal") else None)


def test_positional_arguments_are_those_of_pytorch(tmp_path):
    mask = bools(5, 5)
    attn_case.record(tmp_path / "x", sdpa, *operands(), mask, 0.0, True)
    case = attn_case.load(tmp_path / "x")
    assert case.meta["causal"] == "top-left" and np.array_equal(case.tensors["mask"][0, 0], mask)
    assert share(tmp_path / "x") <= 1


def test_the_output_is_the_object_that_was_returned_and_inputs_are_those_before(tmp_path):
    q, k, v = operands()
    kept, answer = q.copy(), np.zeros_like(q)

    def spoils(query, key, value):
        query[:] = 0
        return answer

    assert attn_case.record(tmp_path / "x", spoils, q, k, v) is answer
    assert np.array_equal(attn_case.load(tmp_path / "x").tensors["q"], kept)


@pytest.mark.parametrize(
    ("layout", "shape", "move"),
    [
        ("BNHD", (2, 5, 4, 8), lambda x: x.transpose(0, 2, 1, 3)),
        ("BND", (2, 5, 8), lambda x: x[:, None]),
        ("HND", (2, 5, 8), lambda x: x[None]),
        ("NHD", (5, 2, 8), lambda x: x.transpose(1, 0, 2)[None]),
        ("ND", (5, 8), lambda x: x[None, None]),
    ],
)
def test_other_layouts_are_taken_when_they_are_said(layout, shape, move, tmp_path):
    q, k, v = operands(shape)

    def function(*operands, is_causal):
        out = sdpa(*map(move, operands), is_causal=is_causal)
        return {
            "BNHD": lambda: out.transpose(0, 2, 1, 3),
            "BND": lambda: out[:, 0],
            "HND": lambda: out[0],
            "NHD": lambda: out[0].transpose(1, 0, 2),
            "ND": lambda: out[0, 0],
        }[layout]()

    attn_case.record(tmp_path / "x", function, q, k, v, layout=layout, is_causal=True)
    assert share(tmp_path / "x") <= 1
    assert np.array_equal(attn_case.load(tmp_path / "x").tensors["k"], move(k))


@pytest.mark.parametrize("kind", ["int64", "bool"])
def test_padding_masks_are_taken_when_they_are_said(kind, tmp_path):
    padding = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]).astype(kind)

    def function(query, key, value, attn_mask):
        return sdpa(query, key, value, attn_mask[:, None, None] != 0)

    attn_case.record(tmp_path / "x", function, *operands(), attn_mask=padding, mask_axes="BK")
    case = attn_case.load(tmp_path / "x")
    assert case.tensors["mask"].shape == (2, 1, 1, 5) and case.tensors["mask"].dtype == bool
    assert share(tmp_path / "x") <= 1


def test_masks_follow_the_layout(tmp_path):
    mask = bools(3, 5, 5)
    attn_case.record(tmp_path / "x", sdpa, *operands((3, 5, 8)), mask, layout="BND")
    assert attn_case.load(tmp_path / "x").tensors["mask"].shape == (3, 1, 5, 5)
    assert share(tmp_path / "x") <= 1
    attn_case.record(tmp_path / "x", sdpa, *operands((3, 5, 8)), mask, layout="HND")
    assert attn_case.load(tmp_path / "x").tensors["mask"].shape == (1, 3, 5, 5)
    assert share(tmp_path / "x") <= 1


def test_what_the_arguments_do_not_say_is_said_in_case(tmp_path):
    states = {"causal": "bottom-right", "window": (2, 0), "source": "mine"}
    q, k, v = operands((1, 2, 3, 8), (1, 2, 5, 8))
    attn_case.record(tmp_path / "x", lambda q, k, v: q, q, k, v, case=states)
    meta = attn_case.load(tmp_path / "x").meta
    assert meta["causal"] == "bottom-right" and meta["window"] == {"left": 2, "right": 0} and meta["source"] == "mine"
    with pytest.raises(TypeError, match="causal"):
        attn_case.record(tmp_path / "x", sdpa, *operands(), is_causal=True, case=states)


REFUSED = [
    ((2, 4, 5, 8), {"dropout_p": 0.1}, ["dropout_p is 0.1, expected 0", "model.eval()"]),
    ((4, 5, 8), {}, ["query is [4, 5, 8], expected [B,H,N,D]", 'layout="BND"', '"HND"']),
    ((5, 8), {}, ['layout="ND"']),
    ((1, 1, 2, 5, 8), {}, ["a view with four axes"]),
    ((2, 4, 5, 8), {"layout": "BNHE"}, ["layout is 'BNHE', expected N, D and perhaps B and H"]),
    ((2, 4, 5, 8), {"layout": "BND"}, ["expected 3 axes, those of layout='BND'"]),
    ((2, 4, 5, 8), {"attn_mask": np.ones((2, 5), np.int64)}, ["attn_mask is int64, expected bool", 'mask_axes="BK"']),
    ((2, 4, 5, 8), {"attn_mask": np.full((2, 5), 2), "mask_axes": "BK"}, ["attn_mask is int64"]),
    (
        (2, 4, 5, 8),
        {"attn_mask": bools(2, 5)},
        ["attn_mask is [2, 5], expected the last of B 2, H 4, Q 5, K 5", '"BK"'],
    ),
    ((2, 4, 5, 8), {"attn_mask": bools(2, 5, 5)}, ['"BQK"']),
    ((2, 4, 5, 8), {"attn_mask": bools(2, 5), "mask_axes": "BX"}, ["mask_axes is 'BX', expected some of B, H, Q, K"]),
    ((2, 4, 5, 8), {"attn_mask": bools(5, 5), "mask_axes": "BK"}, ["expected the last of B 2, K 5"]),
    ((2, 4, 5, 8), {"window_size": (4, 0)}, ["window_size is given, expected attn_mask", "functools.partial"]),
]


@pytest.mark.parametrize(("shape", "arguments", "says"), REFUSED)
def test_what_cannot_be_said_is_refused_before_the_call(shape, arguments, says, tmp_path):
    with pytest.raises(ValueError) as error:
        attn_case.record(tmp_path / "x", pytest.fail, *operands(shape), **arguments)
    message = str(error.value)
    assert all(part in message for part in says) and "\n" not in message, message
    assert not list(tmp_path.iterdir())


def test_arguments_that_pytorch_takes_by_name_only_are_refused_without(tmp_path):
    with pytest.raises(ValueError, match="7 arguments without names are given, expected at most 6"):
        attn_case.record(tmp_path / "x", pytest.fail, *operands(), None, 0.0, False, 0.3)


def test_transposed_operands_are_guessed_from_their_lengths(tmp_path):
    with pytest.raises(ValueError, match='if they are .B,N,H,D., say layout="BNHD"'):
        attn_case.record(tmp_path / "x", pytest.fail, *operands((2, 5, 4, 8), (2, 7, 4, 8)))


def test_outputs_that_are_not_one_tensor_of_the_shape_are_refused(tmp_path):
    with pytest.raises(ValueError, match="returned a tuple, expected the output alone"):
        attn_case.record(tmp_path / "x", lambda *x: x, *operands())
    with pytest.raises(ValueError, match=r"out is \[2, 4, 5\], expected 4 axes"):
        attn_case.record(tmp_path / "x", lambda q, k, v: q[..., 0], *operands())
    with pytest.raises(ValueError, match="out is float16, expected float32"):
        attn_case.record(tmp_path / "x", lambda q, k, v: q.astype("float16"), *operands())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "bfloat16"])
def test_every_type_of_pytorch_is_recorded(kind, tmp_path):
    torch = pytest.importorskip("torch")
    q, k, v = (torch.from_numpy(x).to(getattr(torch, kind)).requires_grad_() for x in operands())
    out = attn_case.record(tmp_path / "x", torch.nn.functional.scaled_dot_product_attention, q, k, v, is_causal=True)
    assert out.requires_grad, "it is what the function returned"
    tensors = attn_case.load(tmp_path / "x").tensors
    assert np.array_equal(tensors["q"], q.detach().double().numpy())
    assert np.array_equal(tensors["out"], out.detach().double().numpy())


def test_nested_tensors_are_refused(tmp_path):
    torch = pytest.importorskip("torch")
    nested = torch.nested.nested_tensor([torch.zeros(2, 3, 4), torch.zeros(2, 5, 4)])
    with pytest.raises(ValueError, match="nested or sparse, expected a dense tensor"):
        attn_case.record(tmp_path / "x", pytest.fail, nested, nested, nested)

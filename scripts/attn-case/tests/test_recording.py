"""All calls: which are recorded, how their files are named, and that the function is put back."""

import conftest
import numpy as np
import pytest
from conftest import sdpa

import attn_case

RNG = np.random.default_rng(3)


def operands():
    """q, k and v."""
    return [RNG.standard_normal((1, 2, 3, 4)).astype("float32") for _ in range(3)]


def names(files):
    """Their names without what all have."""
    return [path.name.removesuffix(".safetensors") for path in files]


def test_every_name_of_the_function_is_replaced_and_put_back(tmp_path):
    before = sdpa
    with attn_case.recording(tmp_path, function=sdpa) as files:
        assert sdpa is not before and conftest.sdpa is sdpa and sdpa.__doc__ == before.__doc__
        held = sdpa
        sdpa(*operands())
        conftest.sdpa(*operands())
    assert sdpa is before and conftest.sdpa is before
    assert names(files) == ["0000", "0001"]
    held(*operands())
    assert len(files) == len(list(tmp_path.iterdir())) == 2, "nothing is recorded behind the block"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_it_is_put_back_whatever_happens(error, tmp_path):
    before = sdpa
    with pytest.raises(error), attn_case.recording(tmp_path, function=sdpa):
        sdpa(*operands())
        raise error
    assert sdpa is before and len(list(tmp_path.iterdir())) == 1


def test_a_call_that_cannot_be_recorded_leaves_no_file(tmp_path):
    before = sdpa
    with pytest.raises(ValueError, match="dropout_p is 0.5"), attn_case.recording(tmp_path, function=sdpa):
        sdpa(*operands(), dropout_p=0.5)
    assert sdpa is before and not list(tmp_path.iterdir())


def test_what_others_put_in_its_place_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(conftest, "sdpa", sdpa)
    with attn_case.recording(tmp_path, function=sdpa):
        sdpa(*operands())
        conftest.sdpa = "theirs"
    assert conftest.sdpa == "theirs"


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"limit": 2}, ["0000", "0001"]),
        ({"calls": {1, 4}}, ["0001", "0004"]),
        ({"calls": range(2, 9), "limit": 2}, ["0002", "0003"]),
    ],
)
def test_limits(limits, expected, tmp_path):
    with attn_case.recording(tmp_path, function=sdpa, **limits) as files:
        for _ in range(5):
            sdpa(*operands())
    assert names(files) == expected == sorted(names(tmp_path.iterdir()))


def test_no_file_is_overwritten(tmp_path):
    contents = {}
    for expected in ("0000", "0000-2", "0000-3"):
        with attn_case.recording(tmp_path, function=sdpa) as files:
            sdpa(*operands())
        assert names(files) == [expected]
        contents |= {path: path.read_bytes() for path in files}
        assert all(path.read_bytes() == data for path, data in contents.items())


def test_nothing_to_record_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="sdpa was not called, expected a call"):
        with attn_case.recording(tmp_path, function=sdpa):
            pass
    with pytest.raises(RuntimeError, match="none of 1 calls of sdpa was recorded"):
        with attn_case.recording(tmp_path, function=sdpa, calls={7}):
            sdpa(*operands())
    with pytest.raises(ValueError, match="layers is given without model"):
        with attn_case.recording(tmp_path, function=sdpa, layers="a"):
            pass


def test_options_are_those_of_record(tmp_path):
    with attn_case.recording(tmp_path, function=sdpa, layout="HND", case={"source": "mine"}) as files:
        sdpa(*(x[0] for x in operands()))
    case = attn_case.load(files[0])
    assert case.tensors["q"].shape == (1, 2, 3, 4) and case.meta["source"] == "mine"


def test_layers_of_a_model_of_pytorch(tmp_path):
    torch = pytest.importorskip("torch")
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    model = torch.nn.TransformerEncoder(layer, 3, enable_nested_tensor=False).train()
    before, x = torch.nn.functional.scaled_dot_product_attention, torch.randn(2, 5, 8)
    with attn_case.recording(tmp_path, model=model) as files:
        expected = model(x)
    assert names(files) == [f"000{n}-layers.{n}.self_attn" for n in range(3)]
    with attn_case.recording(tmp_path, model=model, layers="layers.[02].*") as files:
        assert torch.equal(model(x), expected), "hooks change nothing"
    assert names(files) == ["0000-layers.0.self_attn-2", "0002-layers.2.self_attn-2"]
    assert torch.nn.functional.scaled_dot_product_attention is before
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_the_fast_path_of_pytorch_is_named(tmp_path):
    torch = pytest.importorskip("torch")
    model = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    with torch.no_grad(), pytest.raises(RuntimeError, match="set_fastpath_enabled"):
        with attn_case.recording(tmp_path, model=model):
            model(torch.randn(2, 5, 8))

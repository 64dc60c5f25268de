"""`assert_attention`: it passes what is right, fails what is wrong with the words of attn, and says what is missing."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import sdpa

import attn_case

RNG = np.random.default_rng(4)


def operands(kind="float32"):
    """q, k and v."""
    return [RNG.standard_normal((2, 4, 9, 8)).astype(kind) for _ in range(3)]


@pytest.mark.parametrize("kind", ["float64", "float32", "float16"])
def test_what_is_right_passes(kind, attn):
    q, k, v = operands(kind)
    out = attn_case.assert_attention(sdpa, q, k, v, is_causal=True)
    assert np.array_equal(out, sdpa(q, k, v, is_causal=True))


def test_what_is_wrong_fails_with_the_words_of_attn(attn, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(AssertionError) as error:
        attn_case.assert_attention(lambda q, k, v: sdpa(q, k, v, is_causal=True), *operands())
    message = str(error.value)
    for part in ["out disagrees: ", "the worst [b ", "problem B2 H4 N9 D8 f32", 'hint: agrees if causal = "top-left"']:
        assert part in message, message
    again = re.search(r"again: attn verify --no-backends (.*)$", message)[1]
    assert Path(again).is_file(), "the file is kept"
    with pytest.raises(AssertionError):
        attn_case.assert_verified(again, attn=attn)


def test_a_wrong_file_among_right_ones_is_named(attn, tmp_path):
    for name, function in (("a", sdpa), ("b", lambda q, k, v: sdpa(q, k, v, scale=0.3)), ("c", sdpa)):
        attn_case.record(tmp_path / f"{name}.safetensors", function, *operands())
    with pytest.raises(AssertionError) as error:
        attn_case.assert_verified(tmp_path)
    assert "b.safetensors: out disagrees" in str(error.value) and "a.safetensors" not in str(error.value)
    attn_case.assert_verified(tmp_path / "a.safetensors", tmp_path / "c.safetensors")


def test_a_folder_without_files_is_no_success(attn, tmp_path):
    with pytest.raises(RuntimeError, match="a folder without any .safetensors file"):
        attn_case.assert_verified(tmp_path)
    with pytest.raises(ValueError, match="no path is given"):
        attn_case.assert_verified()


def test_a_missing_program_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ATTN", raising=False)
    for arguments, says in [
        ({}, "attn: not in PATH; build it with `cargo build --release`"),
        ({"attn": "/nowhere/attn"}, "/nowhere/attn: no such program, which the argument attn names"),
    ]:
        with pytest.raises(FileNotFoundError) as error:
            attn_case.assert_attention(pytest.fail, *operands(), **arguments)
        assert says in str(error.value)
    monkeypatch.setenv("ATTN", "elsewhere")
    with pytest.raises(
        FileNotFoundError, match="elsewhere: no such program, which the environment variable ATTN names"
    ):
        attn_case.assert_verified(tmp_path)


def test_another_program_of_that_name_is_no_verdict(monkeypatch, tmp_path):
    other = tmp_path / "attn"
    other.write_text("#!/bin/sh\necho 'attn: no such command: verify' >&2\nexit 2\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.environ["PATH"])
    monkeypatch.delenv("ATTN", raising=False)
    with pytest.raises(RuntimeError, match="exit code 2: attn: no such command: verify"):
        attn_case.assert_attention(sdpa, *operands())


def test_a_call_that_cannot_be_recorded_leaves_nothing(attn, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ValueError):
        attn_case.assert_attention(sdpa, *operands(), dropout_p=0.5)
    attn_case.assert_attention(sdpa, *operands())
    assert not list(tmp_path.iterdir())

"""For tests: is what a function returned attention?  `attn verify` answers."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .recorder import record


def assert_attention(function, query, key, value, *args, attn=None, **kwargs):
    """Call `function` as `record` does, and fail unless `attn verify` finds its output right; returns the output.

    attn    the program; default: what the environment variable ATTN names, or `attn` in PATH
    kwargs  those of PyTorch's function, and layout, mask_axes and case of `record`

    AssertionError has the verdict and the hints of attn, and keeps the file.  FileNotFoundError if there is no program,
    RuntimeError if it could not judge.
    """
    __tracebackhide__ = True
    program = _program(attn)
    folder = tempfile.mkdtemp(prefix="attn-case-")
    path = Path(folder) / "case.safetensors"
    try:
        out = record(path, function, query, key, value, *args, **kwargs)
    except BaseException:
        shutil.rmtree(folder)
        raise
    assert_verified(path, attn=program)
    shutil.rmtree(folder)
    return out


def assert_verified(*paths, attn=None):
    """Fail unless `attn verify` finds the results in all files and folders right; as `assert_attention` otherwise."""
    __tracebackhide__ = True
    if not paths:
        raise ValueError("no path is given, expected files or folders")
    command = [_program(attn), "verify", "--no-backends", *map(str, paths)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == 1:
        # Behind the table.
        findings = done.stdout.partition("\n\n")[2].strip()
        raise AssertionError(f"{findings}\n  again: attn {' '.join(command[1:])}")
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise RuntimeError(f"{command[0]} verify could not judge, exit code {done.returncode}: {said}")


def _program(attn):
    """Where the program is."""
    name, source = (attn, "the argument attn") if attn else (os.environ.get("ATTN"), "the environment variable ATTN")
    found = shutil.which(name or "attn")
    if found is None:
        where = f"{name}: no such program, which {source} names" if name else "attn: not in PATH"
        raise FileNotFoundError(
            f"{where}; build it with `cargo build --release` in a checkout of attn, and say its path in attn= or ATTN"
        )
    return found

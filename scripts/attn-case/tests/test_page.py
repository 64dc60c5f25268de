"""The examples of crates/docs/PYTHON.md: each section is a script."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "crates" / "docs" / "PYTHON.md"
SOURCE = ROOT / "scripts" / "attn-case" / "src"


def sections():
    """Those of the page that have Python: title -> [(language, code)]."""
    parts = re.split(r"^## (.*)$", PAGE.read_text(), flags=re.MULTILINE)
    found = {
        title: re.findall(r"```(python|sh)\n(.*?)```", text, re.DOTALL) for title, text in zip(parts[1::2], parts[2::2])
    }
    return {title: blocks for title, blocks in found.items() if "python" in dict(blocks)}


def test_every_section_is_found():
    assert len(sections()) == PAGE.read_text().count("```python\n") == 5


@pytest.fixture
def run(attn, tmp_path):
    """Runs the blocks of a section one after another, each as a process; gives what they printed."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "attn").symlink_to(Path(attn).resolve())
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(SOURCE), "TMPDIR": str(tmp_path)}
    environment.pop("ATTN")

    def run(title):
        printed = ""
        for language, code in sections()[title]:
            command = [sys.executable, "-c", code] if language == "python" else ["sh", "-ec", code]
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
            printed += done.stdout
        return printed

    return run


@pytest.mark.parametrize("title", sections())
def test_section(title, run):
    if any("import torch" in code for _, code in sections()[title]):
        pytest.importorskip("torch")
    printed = run(title)
    if title == "In tests":
        # The page leaves out folders, and the end of a long line.
        expected = re.search(r"```text\n(.*?)```", PAGE.read_text(), re.DOTALL)[1].splitlines()
        found = re.sub(r"/\S*/", "", printed).splitlines()
        assert [line.partition(", ...")[0] for line in expected] == [
            line[: len(page.partition(", ...")[0])] for line, page in zip(found, expected, strict=True)
        ]
    if title == "Every call of a model":
        files = re.findall(r"dumps/\S+safetensors", PAGE.read_text())
        assert printed.split()[: len(files)] == files
    if title != "In tests":
        assert "ok" in printed and "WRONG" not in printed

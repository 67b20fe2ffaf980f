"""The guide to the library does what it says."""

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[4] / "docs" / "guides" / "drift-library.md"


def test_the_guide_s_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert len(blocks) == 7
    exec("\n".join(blocks), {})  # noqa: S102 (our own page)
    said = capsys.readouterr().out
    assert said.startswith("True\nsize ")
    assert "psi" in said
    assert "mean + 3 sd" in said
    assert said.endswith("2000 2000\n")

"""What the README shows runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine import presets

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_notebook_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 1
    names: dict[str, object] = {}
    exec(compile(blocks[0], "README.md", "exec"), names)
    assert (tmp_path / "mine.gflow").stat().st_size > 1000
    assert names["trace"].audit().passed


def test_the_presets_that_it_names_exist() -> None:
    slugs = {p.slug for p in presets.load_all()}
    for named in re.findall(r"gradflow (?:render|check|trace) ([a-z-]+)", README):
        assert named in slugs


def test_the_pictures_that_it_shows_exist() -> None:
    for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (Path(__file__).parents[2] / name).is_file(), name

"""Data that are missing are found again in the file that they came from, and known by their hash alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from own_data import is_one_sentence

from engine.data import (
    SequencesChoices,
    SeriesChoices,
    TextChoices,
    import_sequences,
    import_series,
    import_text,
    look_at,
    store,
)
from engine.data.cells import finished
from engine.data.finding import finding
from engine.errors import DataError
from engine.spec import OwnTask

PRICES = "day,open,close\n" + "".join(
    f"2020-{1 + n // 28:02d}-{1 + n % 28:02d},{n}.5,{'' if n == 9 else n % 7}\n" for n in range(200)
)
REVIEWS = "label,text\n" + "".join(f"{'good' if n % 3 else 'bad'},word{n % 5} and word{n % 2}\n" for n in range(60))


def _gaps(path: Path) -> OwnTask:
    choices = SeriesChoices(columns=("open",), target="close", time="day", missing="last", steps=5, break_at_jumps=True)
    return import_series(look_at(path), choices)


WAYS: dict[str, tuple[str, str, Callable[[Path], OwnTask]]] = {
    "a series with gaps and a time": ("a.csv", PRICES, _gaps),
    "a series as it is": (
        "a.csv", PRICES, lambda path: import_series(look_at(path), SeriesChoices(columns=("open",), steps=5)),
    ),
    "a text": ("a.txt", "to be or not to be\n" * 40, lambda path: import_text(look_at(path), TextChoices(steps=5))),
    "sequences": (
        "a.csv", REVIEWS,
        lambda path: import_sequences(look_at(path), SequencesChoices(answer="label", order="shuffled")),
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "kept"))


def _lost(task: OwnTask) -> bytes:
    path = store.folder() / f"{task.data}.gfdata"
    content = path.read_bytes()
    path.unlink()
    assert not store.has(task.data)
    return content


@pytest.mark.parametrize("way", WAYS)
def test_the_file_that_was_imported_brings_the_same_data_back(tmp_path: Path, way: str) -> None:
    name, content, imported = WAYS[way]
    (tmp_path / name).write_text(content)
    task = imported(tmp_path / name)
    kept = _lost(task)
    (tmp_path / "moved").mkdir()
    moved = (tmp_path / name).rename(tmp_path / "moved" / name)
    assert finished(finding(moved, task)) == task
    assert store.read_bytes(task.data) == kept
    _lost(task)
    (tmp_path / "from another computer").write_bytes(kept)
    assert finished(finding(tmp_path / "from another computer", task)) == task
    assert store.read_bytes(task.data) == kept


@pytest.mark.parametrize("way", WAYS)
def test_other_data_are_refused_and_not_kept(tmp_path: Path, way: str) -> None:
    name, content, imported = WAYS[way]
    (tmp_path / name).write_text(content)
    task = imported(tmp_path / name)
    _lost(task)
    (tmp_path / name).write_text(content.replace("1", "2").replace("be", "bee"))
    other = store.to_bytes(store.from_bytes(store.to_bytes(_series())))
    (tmp_path / "other.gfdata").write_bytes(other)
    np.save(tmp_path / "other.npy", np.arange(9.0))
    for path in (name, "other.gfdata", "other.npy"):
        with pytest.raises(DataError) as caught:
            finished(finding(tmp_path / path, task))
        assert is_one_sentence(str(caught.value))
    assert list(store.folder().iterdir()) == []


def _series() -> store.SeriesData:
    return store.SeriesData(("x",), np.zeros((3, 1)))

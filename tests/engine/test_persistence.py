"""The naive forecast, repeating the last value that was read (Hyndman & Koehler 2006), from the raw numbers."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_cases import experiment

from engine.data import SeriesChoices, import_series, look_at
from engine.folders import presets
from engine.operations import run
from engine.spec import AddingTask, LayerSpec, ModelSpec, ReadoutSpec, SinesTask, SunspotsTask
from engine.training_requests import Judge, Judged


def judged(task: Any, at: Any, loss: Any = "mse", sequences: int | None = 1000) -> Judged:
    model = ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=2),), readout=ReadoutSpec(at=at), loss=loss)
    given = experiment(model=model, task=task, dtype="float64")
    found: Judged = run("judge", Judge(given, None, "validation", sequences=sequences, shown=1000))
    return found


@pytest.mark.parametrize("sequences", [5, 100])
def test_of_sunspots_it_is_of_the_very_years_that_are_judged(sequences: int) -> None:
    with (presets() / "data" / "sunspots.csv").open(encoding="ascii") as lines:
        numbers = {int(year): float(number) for year, number in list(csv.reader(lines))[1:]}
    size = np.std([numbers[year] for year in range(1700, 1916)])
    found = judged(SunspotsTask(steps=12, batch_size=5), "last", sequences=sequences)
    assert found.forecasts is not None
    years = found.forecasts.places.tolist()
    assert len(years) == (5 if sequences == 5 else 46), "1916 to 1961, or five of them evenly spread"
    expected = np.mean([((numbers[year] - numbers[year - 1]) / size) ** 2 for year in years])
    assert found.persistence == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("at", ["every", "last"])
def test_of_sines_it_is_the_number_read_with_its_noise(at: Any) -> None:
    found = judged(SinesTask(steps=10, batch_size=4, noise=0.3), at, sequences=8)
    read = found.inputs[..., 0] if at == "every" else found.inputs[:, -1]
    assert found.persistence == pytest.approx(np.mean((found.targets - read) ** 2), rel=1e-9)


def test_with_one_answer_some_rows_ahead_it_is_the_last_row_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "store"))
    rows = np.cumsum(np.cos(np.arange(200) ** 1.3))
    (tmp_path / "a.csv").write_text("\n".join(["level", *map(repr, rows.tolist())]))
    task = import_series(look_at(tmp_path / "a.csv"), SeriesChoices(target="level", steps=6, ahead=4, scaling="none"))
    found = judged(task, "last")
    assert found.forecasts is not None
    asked = found.forecasts.places - 1
    assert found.persistence == pytest.approx(np.mean((rows[asked] - rows[asked - 4]) ** 2), rel=1e-9)


def test_there_is_none_where_no_number_of_a_series_is_forecast() -> None:
    assert judged(AddingTask(steps=10, batch_size=4), "last", sequences=4).persistence is None
    assert judged(SinesTask(steps=10, batch_size=4), "last", "binary_cross_entropy", 1).persistence is None

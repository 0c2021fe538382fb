"""Anomaly scores and baselines of somebody's own data, from the file itself: read, split and scaled by hand."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from training_cases import OPTIMIZERS, experiment

from engine.data import SeriesChoices, TextChoices, import_series, import_text, look_at
from engine.network import Network
from engine.operations import run
from engine.parts import Part
from engine.spec import LayerSpec, ModelSpec, ReadoutSpec, Split
from engine.training_requests import Judge, Judged, Train

ROWS, SPIKE, STEPS = 240, 222, 8
SPLIT = Split(train=0.6, validation=0.2)
BEHIND = {"train": (0, 144), "validation": (144, 192), "test": (192, 240)}
"""0.6 and 0.2 of 240 rows."""


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "store"))


def table() -> np.ndarray:
    """(rows, 2): a load that follows a temperature, and one reading that fits to nothing."""
    t = np.arange(ROWS)
    temperature = 15 + 10 * np.sin(t / 9)
    load = 300 - 4 * temperature + 20 * np.cos(t / 4)
    load[SPIKE] += 500
    return np.stack((temperature, load), 1)


def scaled(column: np.ndarray, kind: str) -> tuple[float, float]:
    """Shift and size, by the training part alone."""
    learned = column[: BEHIND["train"][1]]
    if kind == "standard":
        return float(learned.mean()), float(learned.std())
    return (float(learned.min()), float(np.ptp(learned))) if kind == "range" else (0.0, 1.0)


def targets_of(start: int, ahead: int) -> range:
    """The rows that a window asks for, which starts at a row and reads STEPS of them."""
    return range(start + ahead, start + ahead + STEPS)


def windows(part: Part, ahead: int) -> list[int]:
    """Where windows start all of whose answers lie in a part."""
    first, behind = BEHIND[part]
    return [s for s in range(ROWS) if targets_of(s, ahead)[0] >= first and targets_of(s, ahead)[-1] < behind]


@pytest.mark.parametrize("scaling", ["standard", "range", "none"])
@pytest.mark.parametrize("ahead", [1, 3])
def test_anomaly_scores_are_squared_errors_of_each_step_in_the_units_of_the_file(
    tmp_path: Path, scaling: Any, ahead: int
) -> None:
    rows = table()
    text = "\n".join(["temperature,load", *(f"{a!r},{b!r}" for a, b in rows.tolist())])
    (tmp_path / "a.csv").write_text(text)
    choices = SeriesChoices(
        columns=("temperature", "load"), target="load", steps=STEPS, ahead=ahead, split=SPLIT, scaling=scaling
    )
    task = import_series(look_at(tmp_path / "a.csv"), choices)
    model = ModelSpec(layers=(LayerSpec(cell="gru", hidden_size=5),), readout=ReadoutSpec(at="every"))
    given = experiment(model=model, task=task, dtype="float64", optimizer=OPTIMIZERS["adam"], learning_rate=0.01)
    weights = run("train", Train(given, None, 0, 60)).weights
    shifts, sizes = np.array([scaled(column, scaling) for column in rows.T]).T
    gru, out = nn.GRU(2, 5, dtype=torch.float64), nn.Linear(5, 1, dtype=torch.float64)
    w = Network(given, {n: a for n, a in weights.items() if not n.startswith("optimizer.")}).weights
    gru.load_state_dict({n: one for n, one in w.items() if not n.startswith("readout")})
    out.load_state_dict({n.removeprefix("readout."): one for n, one in w.items() if n.startswith("readout")})
    for part in ("validation", "test"):
        found: Judged = run("judge", Judge(given, weights, part, sequences=1000, shown=100))
        starts = windows(part, ahead)
        assert found.sequences == len(starts)
        assert found.errors is not None
        squares, constants, repeated = [], [], []
        learned = np.concatenate(
            [(rows[list(targets_of(s, ahead)), 1] - shifts[1]) / sizes[1] for s in windows("train", ahead)]
        )
        for n, start in enumerate(starts):
            np.testing.assert_allclose(found.inputs[n], rows[start : start + STEPS], rtol=1e-10)
            read = torch.from_numpy((rows[start : start + STEPS] - shifts) / sizes)[:, None]
            said = out(gru(read)[0])[:, 0, 0].detach().numpy() * sizes[1] + shifts[1]
            due = rows[list(targets_of(start, ahead)), 1]
            np.testing.assert_allclose(found.predictions[n], said, rtol=1e-9)
            np.testing.assert_allclose(found.errors[n], (said - due) ** 2, rtol=1e-7, atol=1e-9)
            squares.append((said - due) ** 2)
            constants.append(((due - shifts[1]) / sizes[1] - learned.mean()) ** 2)
            repeated.append(((due - rows[start : start + STEPS, 1]) / sizes[1]) ** 2)
        assert found.value == pytest.approx(math.sqrt(np.mean(squares)), rel=1e-9)
        assert found.loss == pytest.approx(np.mean(squares) / sizes[1] ** 2, rel=1e-9)
        assert found.baseline == pytest.approx(np.mean(constants), rel=1e-9)
        assert found.persistence == pytest.approx(np.mean(repeated), rel=1e-9)
    # The reading that fits to nothing has the highest score in every window that asks for it.
    for n, start in enumerate(windows("test", ahead)):
        if SPIKE in targets_of(start, ahead):
            assert targets_of(start, ahead)[int(found.errors[n].argmax())] == SPIKE


def test_the_baseline_of_a_text_is_what_the_frequencies_of_its_training_part_cost(tmp_path: Path) -> None:
    """Laplace's rule: (n + 1) / (all + symbols)."""
    text = "".join("etaoin shrdlu"[(n * n + n // 7) % 13] for n in range(600)) + "the end is of other letters " * 10
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    task = import_text(look_at(tmp_path / "a.txt"), TextChoices(steps=6, batch_size=4, split=SPLIT, order="stream"))
    model = ModelSpec(
        layers=(LayerSpec(cell="rnn", hidden_size=3),), readout=ReadoutSpec(at="every"), loss="cross_entropy"
    )
    given = experiment(model=model, task=task, dtype="float64")
    found: Judged = run("judge", Judge(given, None, "validation", sequences=10_000, shown=10_000))
    learned = Counter(text[: int(0.6 * len(text))])
    other, *known = found.labels
    assert set(known) == set(learned), "what is read first knows the symbols; what comes later is one of the others"
    counts = dict(learned) | {other: 0}
    share = {symbol: (count + 1) / (sum(counts.values()) + len(counts)) for symbol, count in counts.items()}
    said = [found.labels[int(symbol)] for symbol in found.targets.flatten()]
    assert found.sequences == len(found.targets)
    assert len(said) > 100
    assert found.baseline == pytest.approx(-np.mean([math.log(share[letter]) for letter in said]), rel=1e-9)

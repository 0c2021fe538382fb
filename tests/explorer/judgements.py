"""Judgements made up, whose numbers can be told without computing."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.spec import Experiment, LayerSpec, ModelSpec, ReadoutSpec, ReberTask, SunspotsTask, TemporalOrderTask
from engine.training_requests import Judged
from explorer.evaluation.answers import Answers


def experiment(task: Any = None, at: Any = "every", loss: Any = "cross_entropy") -> Experiment:
    model = ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=3),), readout=ReadoutSpec(at=at), loss=loss)
    return Experiment(model=model, task=task or ReberTask(steps=16, batch_size=3))


SERIES = experiment(SunspotsTask(), "every", "mse")
CLASSES = experiment(TemporalOrderTask(), "last")


def judged(shape: Any, **more: Any) -> Judged:
    usual: dict[str, Any] = {
        "part": "validation",
        "loss": 0.5,
        "metric": "accuracy",
        "value": 0.75,
        "baseline": 2.0,
        "shape": shape,
        "inputs": np.zeros((1, 1)),
        "predictions": np.zeros((1, 1)),
        "probabilities": None,
        "targets": np.zeros((1, 1)),
        "lengths": np.array([1]),
        "confusion": None,
        "labels": (),
    }
    return Judged(**{**usual, **more})


def steps(truth: Any, chances: Any, labels: tuple[str, ...], kind: Any = "tags", **more: Any) -> Answers:
    """Of one sequence: classes (T,), and their probabilities (T, classes)."""
    truth, chances = np.array([truth], float), np.array([chances], float)
    answer = chances.argmax(-1).astype(float)
    counts = np.zeros((len(labels), len(labels)), np.int64)
    for t, a in zip(truth[0].astype(int), answer[0].astype(int), strict=True):
        counts[t, a] += 1
    found = judged(
        "symbol" if kind == "symbols" else "tag",
        inputs=more.pop("inputs", truth),
        predictions=answer,
        probabilities=chances,
        targets=truth,
        lengths=np.array([truth.shape[1]]),
        confusion=counts,
        labels=labels,
        **more,
    )
    return Answers(found, 12, kind, every=True, noun="the copy task")


def peaked(symbols: Any, classes: int, share: float) -> Any:
    """(T, classes): `share` for these symbols, the rest evenly for the others."""
    chances = np.full((len(symbols), classes), (1 - share) / (classes - 1))
    chances[np.arange(len(symbols)), symbols] = share
    return chances

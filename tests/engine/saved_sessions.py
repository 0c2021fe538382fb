"""Sessions for the tests of files, made of numpy alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.parameters import parameter_shapes
from engine.requests import Weights
from engine.session import Session, SessionView
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, TrainingSpec, WhatIf


def weights_of(experiment: Experiment, seed: int = 0) -> Weights:
    """Weights of the right shapes, with every kind of number that a diverged training can leave."""
    draw = np.random.default_rng(seed)
    dtype = np.dtype(experiment.dtype)
    made = {name: draw.normal(size=shape).astype(dtype) for name, shape in parameter_shapes(experiment).items()}
    special = made["weight_hh_l0"].reshape(-1)
    special[:5] = [np.nan, np.inf, -np.inf, -0.0, np.finfo(dtype).smallest_subnormal][: special[:5].size]
    return made


def small_session() -> Session:
    """A small LSTM, the same one every time; tests/golden/session-1.0.gflow was made from it."""
    experiment = Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="lstm", hidden_size=3),)),
        task=AddingTask(steps=6, batch_size=2),
        training=TrainingSpec(learning_rate=0.05),
        seed=7,
    )
    return Session(
        experiment=experiment,
        what_if=WhatIf(recurrent_scale=1.5, forget_bias=-0.1, clip_norm=2.5),
        iteration=12,
        history={0: weights_of(experiment, 1), 12: weights_of(experiment, 2)},
        view=SessionView(
            tracks=("network", "values.f", "grads.c", "norms"),
            position=9,
            sample=1,
            unit=2,
            heights={"network": 120, "grads.c": 80},
            time_range=(2, 5),
            theme="dark",
        ),
        preset="cell-state-carousel",
        title="Lecture 7 – ∂L/∂c",
        notes="first line\nsecond line",
        device="cpu",
        fingerprint={"grads.h": np.array([0.0, 1e-300, 0.1 + 0.2, np.inf, np.nan, 3.0])},
    )


def in_float64(session: Session) -> Session:
    experiment = replace_dtype(session.experiment)
    return replace(session, experiment=experiment, history={12: weights_of(experiment, 3)})


def replace_dtype(experiment: Experiment) -> Experiment:
    import msgspec

    return msgspec.structs.replace(experiment, dtype="float64")


def assert_same(a: Session, b: Session) -> None:
    """Equal to the bit; `written_with` is the file's own."""
    for name in ("experiment", "what_if", "iteration", "view", "preset", "title", "notes", "device"):
        assert getattr(a, name) == getattr(b, name), name
    assert sorted(a.history) == sorted(b.history)
    for iteration, weights in a.history.items():
        assert_same_arrays(weights, b.history[iteration])
    assert_same_arrays(a.fingerprint, b.fingerprint)


def assert_same_arrays(a: Weights, b: Weights) -> None:
    assert set(a) == set(b)
    for name, array in a.items():
        assert array.dtype == b[name].dtype, name
        assert array.shape == b[name].shape, name
        assert array.tobytes() == b[name].tobytes(), name

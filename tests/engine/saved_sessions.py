"""Sessions for the tests of files, made of numpy alone."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np

from engine.history import Evaluation, Log
from engine.parameters import parameter_shapes
from engine.requests import Weights
from engine.session import PinnedNorms, Recipe, Session, SessionView
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, OptimizerSpec, TrainingSpec, WhatIf
from engine.training_requests import Records
from engine.training_state import STEPS, optimizer_shapes


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


def trained_session() -> Session:
    """With all that a training leaves in a file; tests/golden/session-1.1.gflow was made from it."""
    before = small_session()
    training = TrainingSpec(learning_rate=0.002, optimizer=OptimizerSpec(kind="adam"), evaluate_every=5)
    experiment = msgspec.structs.replace(before.experiment, training=training)
    draw = np.random.default_rng(5)
    state = weights_of(experiment, 2)
    state |= {name: draw.normal(size=shape).astype(np.float32) for name, shape in optimizer_shapes(experiment).items()}
    state[STEPS] = np.array(4, np.float32)
    rows = draw.normal(size=(12, 6)).astype(np.float32)
    rows[3] = [-np.inf, np.inf, np.nan, 0, 1, 2]
    numbers = np.abs(draw.normal(size=(7, 12)))
    records = Records(
        first=0,
        losses=numbers[0],
        grad_norms=numbers[1],
        clipped_norms=numbers[2],
        clipped=numbers[3] > 1,
        layer_norms={"l0": numbers[4], "readout": numbers[5]},
        flow=rows,
        flow_bad=np.arange(12) == 3,
        learning_rates=np.full(12, 0.002),
        seconds=numbers[6],
    )
    return replace(
        before,
        experiment=experiment,
        history={0: weights_of(experiment, 1), 12: state},
        led=None,  # other states than before
        log=Log().appended(records),
        evaluations=tuple(Evaluation(iteration=k, loss=1 / k, metric="rmse", value=k**-0.5) for k in (5, 10)),
        recipes=(Recipe(until=8, experiment=before.experiment, what_if=before.what_if),),
        pins=(PinnedNorms(before.experiment, WhatIf(), 3, {"l0.grads.h": np.arange(6.0)}),),
    )


def in_float64(session: Session) -> Session:
    experiment = replace_dtype(session.experiment)
    return replace(session, experiment=experiment, history={12: weights_of(experiment, 3)})


def replace_dtype(experiment: Experiment) -> Experiment:
    import msgspec

    return msgspec.structs.replace(experiment, dtype="float64")


def assert_same(a: Session, b: Session) -> None:
    """Equal to the bit; `written_with` is the file's own."""
    whole = (
        "experiment",
        "what_if",
        "iteration",
        "view",
        "preset",
        "title",
        "notes",
        "device",
        "recipes",
        "evaluations",
    )
    for name in whole:
        assert getattr(a, name) == getattr(b, name), name
    assert sorted(a.history) == sorted(b.history)
    for iteration, weights in a.history.items():
        assert_same_arrays(weights, b.history[iteration])
    assert_same_arrays(a.fingerprint, b.fingerprint)
    assert_same_arrays(a.log.arrays(), b.log.arrays())
    assert len(a.pins) == len(b.pins)
    for one, other in zip(a.pins, b.pins, strict=True):
        assert (one.experiment, one.what_if, one.iteration) == (other.experiment, other.what_if, other.iteration)
        assert_same_arrays(one.norms, other.norms)


def assert_same_arrays(a: Weights, b: Weights) -> None:
    assert set(a) == set(b)
    for name, array in a.items():
        assert array.dtype == b[name].dtype, name
        assert array.shape == b[name].shape, name
        assert array.tobytes() == b[name].tobytes(), name

"""Copy memory: a network that cannot keep ten symbols settles where answers cost that remember nothing."""

from __future__ import annotations

import functools
import math

from benchmarks.findings.parts import Finding, Measured, Run, Tell
from benchmarks.findings.training import course
from engine.spec import (
    ClipSpec,
    CopyTask,
    Experiment,
    LayerSpec,
    ModelSpec,
    OptimizerSpec,
    ReadoutSpec,
    TrainingSpec,
)

ITERATIONS = {30: 300, 100: 800}
"""By delay. Where to answer, told by the marker, is learned on the way to the plateau."""
PUBLISHED = {30: "0.4159", 100: "0.1733"}


def experiment(delay: int) -> Experiment:
    return Experiment(
        model=ModelSpec(
            layers=(LayerSpec(cell="rnn", hidden_size=16),),
            readout=ReadoutSpec(at="every"),
            loss="cross_entropy",
        ),
        task=CopyTask(delay=delay, batch_size=8),
        training=TrainingSpec(
            learning_rate=0.02,
            optimizer=OptimizerSpec(kind="adam"),
            clip=ClipSpec(kind="norm", max_norm=1.0),
            evaluate_every=ITERATIONS[delay],
        ),
        device="cpu",
    )


def _plateau(delay: int, tell: Tell) -> tuple[Measured, ...]:
    plateau = 10 * math.log(8) / (delay + 20)
    went = course(experiment(delay), ITERATIONS[delay], None, tell)
    return (
        Measured(
            f"delay {delay}: mean loss of the last 100 of {ITERATIONS[delay]}",
            went.loss,
            PUBLISHED[delay],
            0.97 * plateau,
            1.03 * plateau,
            digits=4,
        ),
        Measured(f"delay {delay}: of the ten symbols right, at chance 1/8", went.value, "0.125", 0.08, 0.25),
    )


FINDING = Finding(
    "copy",
    "The plateau of copy memory",
    "Arjovsky, Shah & Bengio 2016, section 4.1: 10 ln 8/(T + 20)",
    "tanh, H = 16, Adam .02, clipped at norm 1, B = 8",
    tuple(Run(f"delay {delay}", functools.partial(_plateau, delay), 0.1, quick=True) for delay in PUBLISHED),
)

"""Temporal order: with the gradient's norm clipped a tanh network learns it, without it stays at chance."""

from __future__ import annotations

import functools

from benchmarks.findings.parts import Finding, Measured, Run, Tell
from benchmarks.findings.training import course
from engine.spec import (
    ClipSpec,
    Experiment,
    InitSpec,
    LayerSpec,
    ModelSpec,
    TemporalOrderTask,
    TrainingSpec,
)

SEEDS = (0, 1, 2)
CLIPPED = (1440, 1364, 1192)
MARGIN = 3
"""When the plateau ends differs that much from seed to seed, by itself."""
UNCLIPPED_ITERATIONS = 9000


def experiment(clip: ClipSpec, seed: int) -> Experiment:
    init = InitSpec(input="normal", recurrent="normal", std=0.14, bias="zero")
    return Experiment(
        model=ModelSpec(
            layers=(LayerSpec(cell="rnn", hidden_size=50, init=init),),
            loss="cross_entropy",
        ),
        task=TemporalOrderTask(steps=30, batch_size=20),
        training=TrainingSpec(learning_rate=0.1, clip=clip, evaluate_every=20),
        seed=seed,
        device="cpu",
    )


def _clipped(seed: int, tell: Tell) -> tuple[Measured, ...]:
    went = course(experiment(ClipSpec(kind="norm", max_norm=1.0), seed), MARGIN * max(CLIPPED), "accuracy>0.99", tell)
    low, high = min(CLIPPED) / MARGIN, max(CLIPPED) * MARGIN
    what = "clipped at norm 1: solved after"
    return (Measured(what, went.solved, f"{CLIPPED[seed]:,}", low, high, unit="updates"),)


def _unclipped(seed: int, tell: Tell) -> tuple[Measured, ...]:
    went = course(experiment(ClipSpec(), seed), UNCLIPPED_ITERATIONS, "accuracy>0.99", tell)
    published = f"chance, .25, after {UNCLIPPED_ITERATIONS:,}"
    return (Measured("unclipped: accuracy at the end", went.value, published, 0.0, 0.5),)


FINDING = Finding(
    "temporal-order",
    "Temporal order, clipped and unclipped",
    "Pascanu, Mikolov & Bengio 2013, section 4.1; numbers: reference runs",
    "tanh, H = 50, weights N(0, .14²), biases 0, SGD .1, B = 20, T = 30; solved: all of 80 held-back sequences right",
    (
        *(Run(f"with clipping, seed {seed}", functools.partial(_clipped, seed), 0.3) for seed in SEEDS),
        *(Run(f"without, seed {seed}", functools.partial(_unclipped, seed), 1.5) for seed in SEEDS),
    ),
    "Over seeds 0 to 7 it is solved after 500 to 2,180 updates: a factor of 3 counts as the same here, since 2 "
    "would leave the quickest seed out, whose held-back accuracy is 1 for good from update 600 on.",
)

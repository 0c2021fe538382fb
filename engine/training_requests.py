"""Requests to train and to judge, and their answers: plain data, no torch.

The state of a training is one flat mapping of arrays: the parameters by their names, and beside them what else the
next iteration depends on, "optimizer.exp_avg.weight_hh_l0" and "carried.l0.h" (engine.training_state). Whoever keeps it
keeps everything; whoever traces an iteration needs its parameters and what was carried into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.parts import Part
from engine.requests import Array, Weights
from engine.spec import Experiment, WhatIf
from engine.task_facts import Metric, Shape

USUAL_SEQUENCES = 300
"""Of data held back, what an evaluation takes where nobody asks for more, whatever the batch size: it must not take the
time that training would need. After every 50 iterations it is 3 to 10 % of the time with batches of 8 and more; only
large layers with a batch of 1 or 2 give it a third and more (evaluate_every is theirs to raise)."""
USUAL_BATCHES = 4
"""The same of what is generated; and of states that are carried on, from the beginning of the part."""
MOST_SEQUENCES = 10_000_000
"""Of an evaluation: whoever wants all of some data asks for more than they have."""
WHOLE_BATCHES = 40
"""Where states are carried on, a part of no more is evaluated whole."""


@dataclass(frozen=True, eq=False)
class Train:
    """A chunk of training: iterations iteration … iteration + count − 1."""

    experiment: Experiment
    weights: Weights | None
    """The state before it; None: as initialised by the seed."""
    iteration: int = 0
    count: int = 1
    what_if: WhatIf = field(default_factory=WhatIf)
    """The network on screen learns: the update is that of the effective weights, and the what-if stays on top."""
    halt: bool = False
    """Stop before the first iteration that would write a number that is not finite, instead of letting it travel on."""


@dataclass(frozen=True, eq=False)
class Records:
    """What is kept of every iteration, one row each. Everything before its update."""

    first: int
    """The iteration of row 0."""
    losses: NDArray[np.float64]
    """(n,)"""
    grad_norms: NDArray[np.float64]
    """(n,): of all parameters' gradients together, before clipping."""
    clipped_norms: NDArray[np.float64]
    """(n,): after it."""
    clipped: NDArray[np.bool_]
    """(n,): whether clipping changed anything."""
    layer_norms: Mapping[str, NDArray[np.float64]]
    """(n,) by layer as engine.clipping.layer_of names them: "l0", "l1_reverse", "readout"; before clipping."""
    flow: NDArray[np.float32]
    """(n, T): log₁₀ ‖∂L/∂h_t‖ of the layer that is read, forward: norm per sample, then the mean over the samples that
    have step t. −inf: exactly 0; +inf: infinite. NaN: not a number (`flow_bad`), or no sample has the step."""
    flow_bad: NDArray[np.bool_]
    """(n,): whether some of its gradients are not a number. (In files of format 1.0 infinite ones are NaN as well.)"""
    learning_rates: NDArray[np.float64]
    """(n,)"""
    seconds: NDArray[np.float64]
    """(n,): that each took."""

    def __len__(self) -> int:
        return len(self.losses)


def no_records(first: int = 0, steps: int = 0) -> Records:
    """Of no iteration. `first`: the one that the first row would be of; `steps`: T."""
    none = np.zeros(0)
    return Records(
        first=first,
        losses=none,
        grad_norms=none,
        clipped_norms=none,
        clipped=none.astype(np.bool_),
        layer_norms={},
        flow=np.zeros((0, steps), np.float32),
        flow_bad=none.astype(np.bool_),
        learning_rates=none,
        seconds=none,
    )


Phase: TypeAlias = Literal["forward", "loss", "backward", "clipping", "optimizer", "update"]
"""Of an iteration: up to the parameters' gradients; clipped; what the optimiser keeps; the parameters after it."""

RemedyKind: TypeAlias = Literal["radius", "steps", "float64", "clip"]
"""Initial recurrent weights of spectral radius 1; fewer steps; the wider type; clipping by norm."""


@dataclass(frozen=True)
class Remedy:
    """An experiment under which the iteration that was not finite is, with the weights that training begins with."""

    kind: RemedyKind
    experiment: Experiment


@dataclass(frozen=True)
class Diverged:
    """Where training met the first number that is not finite."""

    iteration: int
    tensor: str
    """ "a of layer 1", "loss", "∂L/∂h of layer 2", "gradient of weight_hh_l0", "weight_hh_l0"."""
    sentence: str
    phase: Phase = "loss"
    layer: str = ""
    """ "l0", where it is in a layer's pass; else ""."""
    step: int | None = None
    """t, where it is of one step."""
    untrained: bool = False
    """Whether the weights that training begins with meet it at this iteration too: then no update has led there, and no
    other learning rate leads elsewhere."""
    remedies: tuple[Remedy, ...] = ()
    """What does help then."""


@dataclass(frozen=True, eq=False)
class Trained:
    """What came of a `Train`."""

    weights: Weights
    """The state after it."""
    iteration: int
    """The next one."""
    losses: tuple[float, ...]
    """Of each iteration, before its update."""
    records: Records = field(default_factory=no_records)
    diverged: Diverged | None = None
    """Only where it was to halt: then `iteration` is the one that would have written the number, and `weights` are
    those before it."""


@dataclass(frozen=True, eq=False)
class Judge:
    """A request to judge what a training has learned."""

    experiment: Experiment
    weights: Weights | None
    part: Part = "validation"
    sequences: int | None = None
    """How many are judged. Of data held back: so many, or all where there are no more, evenly over the part, with its
    first and its last; whatever the batch size that training has, they are the same ones. Of what is generated, and
    where states are carried on: as many batches as have so many, the first ones. None: as usual, of data held back
    USUAL_SEQUENCES, and else USUAL_BATCHES."""
    shown: int = 8
    """Sequences whose answers come along."""
    free_running: int = 0
    """Steps that the network goes on by itself, reading its own answers, from the end of what it was given; 0: none. Of
    the Reber grammar, whose strings come to an end: symbols of a string that it writes by itself, at most."""
    what_if: WhatIf = field(default_factory=WhatIf)


@dataclass(frozen=True, eq=False)
class Forecasts:
    """What was said about places of a series, and what came, of everything judged; each place once, in order."""

    noun: str
    """What a place is called: "year", "row"."""
    places: NDArray[np.int64]
    """(m,): years, or rows of somebody's own series, from 1."""
    predictions: Array
    """(m,), in the units of the data."""
    targets: Array


@dataclass(frozen=True)
class Written:
    """Strings that a network has written by itself, begun with the first symbol of the grammar. Each symbol that it
    says is the next that it reads, up to an end or so many symbols. The first string takes the likeliest symbol at each
    step; those of the others are drawn from its probabilities, as the grammar draws its own."""

    words: tuple[tuple[int, ...], ...]
    """Symbols."""
    wrong: tuple[int | None, ...]
    """Of each, the place of the first symbol that no string of the language has there, from 0; None: there is none."""
    belong: tuple[bool, ...]
    """Whether it is a string of the language: nothing is wrong, and it has come to its end."""


@dataclass(frozen=True, eq=False)
class Judged:
    part: Part
    loss: float
    metric: Metric
    value: float
    """Of the metric, in the units of the data."""
    baseline: float | None
    """The loss of answers that have learned nothing: engine.task_facts, or of data the best constant of the training
    part; None where nobody knows."""
    shape: Shape
    inputs: Array
    """(n, T, D), or symbols (n, T), of the sequences shown."""
    predictions: Array
    """(n, T), or (n, 1) for one answer a sequence: numbers in the units of the data, or the likeliest class."""
    probabilities: Array | None
    """(n, T or 1, classes), where there are classes."""
    targets: Array
    """Like predictions."""
    lengths: NDArray[np.int64]
    """(n,)"""
    confusion: NDArray[np.int64] | None
    """(classes, classes): row the truth, column the answer; over everything judged. None for numbers, or more than 200
    classes."""
    labels: tuple[str, ...]
    """What symbols or classes are called; () for numbers."""
    errors: Array | None = None
    """(n, T): squared forecast error of each step, the anomaly score; of series alone."""
    free: Array | None = None
    """(n, free_running): what it said when it ran by itself; the first is its answer to the sequence itself, of numbers
    the same as its last prediction. None of the Reber grammar."""
    came: Array | None = None
    """(n, free_running): of a series of data that was to run free, what came at those steps, in the units of the data;
    NaN where the part has come to its end, something is missing, or the time jumps. None of everything else."""
    sequences: int = 0
    """That were judged."""
    there: int | None = None
    """That the part has; None: there is no end of them."""
    forecasts: Forecasts | None = None
    """Of a series of data with one forecast a window; None of everything else."""
    read_labels: tuple[str, ...] = ()
    """What the symbols are called that are read; () for numbers, and where they have no names."""
    written: Written | None = None
    """Of the Reber grammar alone, where it was to run free."""
    foreseen: int | None = None
    """Of the Reber grammar alone: strings of `sequences` at whose every step those symbols are the likeliest that may
    come next, one or two. So success is defined by Hochreiter & Schmidhuber (1997, experiment 1): which one comes, a
    coin has decided."""
    persistence: float | None = None
    """The loss, of the very answers that are judged, of repeating the last value that was read, the naive forecast
    (Hyndman & Koehler 2006, International Journal of Forecasting 22, 679-688); of series whose target is among what is
    read, forecast as numbers. None of everything else."""

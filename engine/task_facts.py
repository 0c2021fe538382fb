"""What is to be known of every task: its name, what it tests, its source, what it gives a model and what it wants back,
and what an answer costs that has learned nothing. Plain data, no torch: one entry a task.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from engine import reber
from engine.figures import figure, percent
from engine.spec import Loss, ModelSpec, ReadAt
from engine.task_specs import (
    AddingTask,
    CopyTask,
    DigitsTask,
    EchoTask,
    ParityTask,
    ReberTask,
    SequencesTask,
    SeriesTask,
    SinesTask,
    SunspotsTask,
    Task,
    TemporalOrderTask,
    TextTask,
)

Metric: TypeAlias = Literal["accuracy", "rmse"]
Shape: TypeAlias = Literal["class", "tag", "value", "symbol"]
METRIC_NAMES: dict[Metric, str] = {"accuracy": "accuracy", "rmse": "RMSE"}
"""As people read them, everywhere."""

ANY: tuple[ReadAt, ...] = ("last", "every", "mean", "attention")
WHOLE: tuple[ReadAt, ...] = ("last", "mean", "attention")
"""Read-outs that give one answer a sequence."""
EVERY: tuple[ReadAt, ...] = ("every",)
NUMBER_OR_QUESTION: tuple[Loss, ...] = ("mse", "cross_entropy", "binary_cross_entropy")
"""A number, or the answer to a yes-or-no question about it."""
CLASSES: tuple[Loss, ...] = ("cross_entropy",)


@dataclass(frozen=True)
class Form:
    """What a task gives a model at a step, and what it wants back."""

    numbers: int = 0
    """A step; 0: symbols."""
    symbols: int = 0
    """How many there are; 0: numbers."""
    classes: int = 0
    """Of cross-entropy."""
    losses: tuple[Loss, ...] = NUMBER_OR_QUESTION
    readouts: tuple[ReadAt, ...] = ANY
    shape: Shape = "value"
    """One class a sequence, one a step, a number, or the next symbol."""
    lengths: bool = False
    """Sequences end at steps of their own."""


@dataclass(frozen=True)
class TaskFacts:
    title: str
    noun: str
    """In a sentence: "the copy task"."""
    tests: str
    """One sentence: what it tests."""
    source: str
    """Of its definition; "" where it is somebody's own data."""
    form: Callable[[Any], Form]
    baseline: Callable[[Any, ModelSpec], float | None] = lambda task, model: None
    """The least mean loss of answers that do not depend on what was drawn; None where there is no formula for it."""


def facts(task: Task) -> TaskFacts:
    return FACTS[type(task)]


def form(task: Task) -> Form:
    return FACTS[type(task)].form(task)


def is_scaled(task: Task, model: ModelSpec) -> bool:
    """Whether the loss is of scaled numbers, while what is judged beside it is in the units of the data."""
    if model.loss != "mse":
        return False
    return isinstance(task, SunspotsTask) or getattr(task, "scaling", "none") != "none"


def quantity(task: Task) -> str:
    """What the numbers are that are to be forecast; "" where they have no name."""
    if isinstance(task, SunspotsTask):
        return "sunspot number"
    return task.target if isinstance(task, SeriesTask) else ""


def have_names(columns: Sequence[str]) -> bool:
    """Whether a person has named them: arrays have no names, and theirs are counted."""
    return tuple(columns) not in (("value",), tuple(f"x{at}" for at in range(len(columns))))


def target_name(task: Task) -> str:
    """What the answers are called by somebody's own data: the column that is forecast; "" where it has no name."""
    return task.target if isinstance(task, SeriesTask) and have_names(task.columns) else ""


def metric(task: Task, model: ModelSpec) -> Metric:
    """How answers are judged beside the loss: the share of right ones, or the root of the mean squared error."""
    return "rmse" if model.loss == "mse" else "accuracy"


def metric_words(name: Metric, value: float) -> str:
    """ "accuracy 93.1 %", "RMSE 0.183"."""
    return f"{METRIC_NAMES[name]} {percent(value) if name == 'accuracy' else figure(value)}"


def baseline(task: Task, model: ModelSpec) -> float | None:
    """The least mean loss of answers that do not depend on what was drawn; None where there is no formula for it."""
    return FACTS[type(task)].baseline(task, model)


def _adding(task: AddingTask, model: ModelSpec) -> float | None:
    """One answer a sequence, of whatever length: the best constant is the mean, and costs the variance of the sum of
    two U(0, 1), 1/6; whether the sum is above 1 is so in half of the cases, ln 2."""
    if model.readout.at == "every":
        return None
    return 1 / 6 if model.loss == "mse" else math.log(2)


def _copy(task: CopyTask, model: ModelSpec) -> float:
    """The blank is certain at delay + 10 steps, and each of 8 symbols as likely as the others at 10 (Arjovsky et al.
    2016, section 4.1)."""
    return 10 * math.log(8) / task.steps


def _echo(task: EchoTask, model: ModelSpec) -> float:
    """The first `delay` answers are certain; a fair bit costs its variance, 1/4, or its entropy, ln 2."""
    return (1 - min(task.delay, task.steps) / task.steps) * _fair(model)


def _fair(model: ModelSpec) -> float:
    return 0.25 if model.loss == "mse" else math.log(2)


def _sines(task: SinesTask, model: ModelSpec) -> float:
    """The mean, 0, costs the variance, which is 1: the target has no noise. Higher than now is as likely as lower, for
    half a period's shift of every phase changes all signs."""
    return 1.0 if model.loss == "mse" else math.log(2)


_SHAPES: dict[str, Shape] = {"class": "class", "tags": "tag", "value": "value"}
"""Of somebody's own sequences, by what their answers are."""


def _sequences(task: SequencesTask) -> Form:
    classes, losses = (0, ("mse",)) if task.answers == "value" else (task.classes, CLASSES)
    return Form(
        numbers=0 if task.symbols else task.inputs,
        symbols=task.symbols,
        classes=classes,
        losses=losses,
        readouts=EVERY if task.answers == "tags" else WHOLE,
        shape=_SHAPES[task.answers],
        lengths=True,
    )


FACTS: dict[type[Any], TaskFacts] = {
    AddingTask: TaskFacts(
        "Adding problem",
        "the adding problem",
        "Two numbers must be kept and added, far apart and among many that do not count.",
        "Hochreiter & Schmidhuber 1997, experiment 4; marks in each half as in Le et al. 2015",
        lambda task: Form(numbers=2, classes=2, lengths=task.shortest is not None),
        _adding,
    ),
    CopyTask: TaskFacts(
        "Copy memory",
        "the copy task",
        "Ten symbols must be kept exactly over a long blank, without anything to help.",
        "Hochreiter & Schmidhuber 1997, experiment 3; as in Arjovsky et al. 2016, section 4.1",
        lambda task: Form(symbols=10, classes=10, losses=CLASSES, readouts=EVERY, shape="tag"),
        _copy,
    ),
    TemporalOrderTask: TaskFacts(
        "Temporal order",
        "the temporal order task",
        "The order of two symbols must be kept over many that do not count.",
        "Hochreiter & Schmidhuber 1997, experiment 6a; steps as in Pascanu, Mikolov & Bengio 2013",
        lambda task: Form(symbols=6, classes=4, losses=CLASSES, readouts=WHOLE, shape="class"),
        lambda task, model: math.log(4),
    ),
    EchoTask: TaskFacts(
        "Delayed echo",
        "the delayed echo",
        "Every input must be kept for exactly so many steps, while new ones come in.",
        "The delay line of Jaeger 2001 (Short term memory in echo state networks, GMD Report 152), with bits",
        lambda task: Form(numbers=1, classes=2, readouts=EVERY, shape="tag"),
        _echo,
    ),
    ParityTask: TaskFacts(
        "Parity",
        "the parity task",
        "Every bit changes the answer, so that no step may be forgotten and none can be learned by itself.",
        "Minsky & Papert 1969; of sequences as in Bengio, Simard & Frasconi 1994",
        lambda task: Form(numbers=1, classes=2, shape="class"),
        lambda task, model: _fair(model),
    ),
    ReberTask: TaskFacts(
        "Embedded Reber grammar",
        "the embedded Reber grammar",
        "Symbols follow a grammar of short range, but the last one but one is decided by the second.",
        "Reber 1967; embedded as in Cleeremans, Servan-Schreiber & McClelland 1989, Fahlman 1991, and Hochreiter & "
        "Schmidhuber 1997, experiment 1",
        lambda task: Form(symbols=7, classes=7, losses=CLASSES, readouts=EVERY, shape="symbol", lengths=True),
        lambda task, model: reber.cost_by_step(task.steps + 1),
    ),
    SinesTask: TaskFacts(
        "Mixture of sines",
        "the mixture of sines",
        "Several periods must be followed at once to forecast the next value.",
        "A synthetic series of our own",
        lambda task: Form(numbers=1, classes=2, readouts=ANY),
        _sines,
    ),
    SunspotsTask: TaskFacts(
        "Sunspots",
        "the sunspot series",
        "A real series of about eleven years' period, with peaks of very different heights.",
        "NOAA National Geophysical Data Center, yearly numbers 1700-2008",
        lambda task: Form(numbers=1, classes=2, readouts=ANY),
    ),
    DigitsTask: TaskFacts(
        "Handwritten digits",
        "the digits",
        "A picture read in pieces: what the first rows showed must reach the end.",
        "Alpaydin & Kaynak 1998 (UCI), the 1,797 that scikit-learn ships; pixel by pixel as in Le et al. 2015",
        lambda task: Form(
            numbers=8 if task.by == "row" else 1, classes=10, losses=CLASSES, readouts=WHOLE, shape="class"
        ),
        lambda task, model: math.log(10),  # each digit is nearly as frequent as the others
    ),
    SeriesTask: TaskFacts(
        "Own series",
        "this series",
        "Somebody's own numbers: how far back does a forecast look?",
        "",
        lambda task: Form(numbers=len(task.columns), losses=("mse",), readouts=ANY),
    ),
    TextTask: TaskFacts(
        "Own text",
        "this text",
        "Somebody's own text: which symbols does the next one rest on?",
        "",
        lambda task: Form(symbols=task.symbols, classes=task.symbols, losses=CLASSES, readouts=EVERY, shape="symbol"),
    ),
    SequencesTask: TaskFacts(
        "Own sequences",
        "these sequences",
        "Somebody's own sequences with an answer to each, or to each step.",
        "",
        _sequences,
    ),
}

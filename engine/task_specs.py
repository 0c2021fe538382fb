"""Specs of the tasks: where the data come from. Plain data, no torch.

What a task gives a model and wants back, its source and what it tests stand in engine.task_facts; how its batches are
drawn, in engine.tasks. Every task has `steps`, the T of its sequences, and `batch_size`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from engine.spec_base import Spec

MAX_STEPS = 100_000
MAX_BATCH_SIZE = 4096


class AddingTask(Spec, tag="adding", tag_field="kind", frozen=True, kw_only=True):
    """The adding problem (Hochreiter & Schmidhuber 1997): add the two marked numbers of a sequence.

    Input (T, B, 2): a number in [0, 1) and a mark. The target is the sum of the marked numbers (so far, where the loss
    is taken at every step); for cross-entropy, whether that sum is above 1.
    """

    steps: int = 50
    batch_size: int = 16
    shortest: int | None = None
    """Sequences have lengths from this to `steps`, uniformly drawn; None: all have `steps`."""


class CopyTask(Spec, tag="copy", tag_field="kind", frozen=True, kw_only=True):
    """Copy memory (Hochreiter & Schmidhuber 1997; as in Arjovsky et al. 2016): say ten symbols again after a delay.

    Input (T, B), T = delay + 20: ten of the symbols 1 … 8, then the blank 0 until the marker 9 asks for them, which
    stands 10 steps before the end. The target of every step is 0 until then, and the ten symbols after it. Without
    memory the best cross-entropy is 10 ln 8/(delay + 20). Needs a loss at every step, and cross-entropy.
    """

    delay: int = 30
    batch_size: int = 16

    @property
    def steps(self) -> int:
        """T = delay + 20."""
        return self.delay + 20


class TemporalOrderTask(Spec, tag="temporal_order", tag_field="kind", frozen=True, kw_only=True):
    """Temporal order (Hochreiter & Schmidhuber 1997, experiment 6a; as in Pascanu et al. 2013): in which order did two
    marked symbols come?

    Input (T, B), symbols: distractors 0 … 3, and A = 4 or B = 5 at two steps, one in [T/10, 2T/10] and one in [4T/10,
    5T/10], counted from 1. The target is one of the classes AA, AB, BA, BB.
    """

    steps: int = 30
    batch_size: int = 20


class EchoTask(Spec, tag="echo", tag_field="kind", frozen=True, kw_only=True):
    """Delayed echo: say every bit again after `delay` steps.

    Input (T, B, 1): fair bits, 0 or 1. The target of step t is the bit of step t − delay, and 0 before there is one,
    which is not judged.
    """

    steps: int = 30
    delay: int = 5
    batch_size: int = 16


class ParityTask(Spec, tag="parity", tag_field="kind", frozen=True, kw_only=True):
    """Parity: is the number of ones odd? Every bit of the sequence decides the answer.

    Input (T, B, 1): fair bits, 0 or 1. The target is 1 where an odd number of ones has been read (so far, where the
    loss is taken at every step).
    """

    steps: int = 20
    batch_size: int = 16


class ReberTask(Spec, tag="reber", tag_field="kind", frozen=True, kw_only=True):
    """The embedded Reber grammar (Fahlman 1991; Hochreiter & Schmidhuber 1997, experiment 1): predict the next symbol.

    Input (T, B), symbols B T P S X V E as 0 … 6, of different lengths. The last symbol but one is the one that stood
    second: T or P, with a whole word of the grammar between them.
    """

    steps: int = 24
    """Of the longest string: all its symbols but the last. Longer ones are drawn anew."""
    batch_size: int = 16


class SinesTask(Spec, tag="sines", tag_field="kind", frozen=True, kw_only=True):
    """A mixture of sines with random periods and phases: forecast the next value.

    Input (T, B, 1): Σ √(2/waves) sin(2πt/p + φ), periods p log-uniform in [4, 40] steps, phases uniform, of variance 1,
    with N(0, noise²) on top. The target is the value of the next step, without its noise; for cross-entropy, whether
    that is higher than this step's.
    """

    steps: int = 60
    waves: int = 3
    noise: float = 0.0
    batch_size: int = 16


class SunspotsTask(Spec, tag="sunspots", tag_field="kind", frozen=True, kw_only=True):
    """Yearly sunspot numbers 1700-2008 in windows of `steps` years; forecast the year after.

    Input (T, B, 1), scaled to zero mean and unit variance of the years that are learned from, 1700-1915; what follows
    is held back (engine.tasks.sunspots). The target is the next year's number (at the last step, or at every step); for
    cross-entropy, whether it is higher than this year's.
    """

    steps: int = 44
    batch_size: int = 16


class DigitsTask(Spec, tag="digits", tag_field="kind", frozen=True, kw_only=True):
    """The 1,797 handwritten digits that scikit-learn ships (8 × 8 pixels; Alpaydin & Kaynak 1998), read row by row or
    pixel by pixel (as Le et al. 2015 read MNIST). Ten classes. Needs scikit-learn, which is an extra.
    """

    by: Literal["row", "pixel"] = "row"
    batch_size: int = 32

    @property
    def steps(self) -> int:
        """8 rows, or 64 pixels."""
        return 8 if self.by == "row" else 64


class Split(Spec, frozen=True, kw_only=True):
    """Which part of somebody's data is learned from, and which is held back, in the order of time."""

    train: float = 0.7
    validation: float = 0.15
    """What is left is the test part."""


class SeriesTask(Spec, tag="series", tag_field="kind", frozen=True, kw_only=True):
    """Somebody's own series, in windows: forecast a column.

    Input (T, B, columns), scaled. The target is `target` `ahead` steps after the step that it is read at.
    """

    data: str
    """SHA-256 of the data, by which engine.data finds it."""
    name: str = ""
    """Of the file that it came from, for people."""
    columns: tuple[str, ...]
    target: str
    steps: int = 50
    ahead: int = 1
    stride: int = 1
    """From the start of one window to that of the next."""
    split: Split = Split()
    scaling: Literal["standard", "range", "none"] = "standard"
    """Of each column: zero mean and unit variance, or 0 … 1, over the training part alone."""
    batch_size: int = 16


class TextTask(Spec, tag="text", tag_field="kind", frozen=True, kw_only=True):
    """Somebody's own text: predict the next character or word.

    Input (T, B), symbols. The most frequent ones have numbers of their own; 0 stands for every other one.
    """

    data: str
    name: str = ""
    level: Literal["character", "word"] = "character"
    symbols: int
    """Different ones, with the one that stands for the rest."""
    steps: int = 50
    split: Split = Split()
    order: Literal["shuffled", "stream"] = "shuffled"
    """Windows at random places, or each sequence of a batch goes on where that of the batch before ended."""
    batch_size: int = 16


class SequencesTask(Spec, tag="sequences", tag_field="kind", frozen=True, kw_only=True):
    """Somebody's own sequences, each with a class, a tag at every step, or a number.

    Input (T, B, inputs) or symbols (T, B), of lengths up to `steps`.
    """

    data: str
    name: str = ""
    answers: Literal["class", "tags", "value"] = "class"
    steps: int
    """Of the longest."""
    inputs: int = 0
    """Numbers a step; 0: symbols."""
    symbols: int = 0
    classes: int = 0
    """Of a class or tags."""
    split: Split = Split()
    scaling: Literal["standard", "range", "none"] = "none"
    batch_size: int = 16


Task: TypeAlias = (
    AddingTask
    | CopyTask
    | TemporalOrderTask
    | EchoTask
    | ParityTask
    | ReberTask
    | SinesTask
    | SunspotsTask
    | DigitsTask
    | SeriesTask
    | TextTask
    | SequencesTask
)
OwnTask: TypeAlias = SeriesTask | TextTask | SequencesTask
"""Those of somebody's own data."""

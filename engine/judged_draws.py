"""Which sequences an evaluation takes, and how many of them run through the network at once."""

from __future__ import annotations

from collections.abc import Iterator

from engine.parameters import class_count
from engine.parts import Part
from engine.spec import Experiment
from engine.task_facts import form
from engine.tasks import own
from engine.tasks.order import spread
from engine.tasks.part import Draw
from engine.training_requests import USUAL_BATCHES, USUAL_SEQUENCES, WHOLE_BATCHES
from engine.training_state import carried_shapes

_AT_ONCE = 256
"""Sequences: with more of them a pass takes longer in proportion."""
_NUMBERS = 2**23
"""Of a pass, which keeps the gates and states of all its steps."""
_A_UNIT = 8
"""Numbers of it that a unit makes at a step, at most nearly: gates before and after, and states."""


def draws(of: Experiment, part: Part, most: int | None) -> Iterator[Draw]:
    """Of a part of data held back, so many sequences (`most`; None: USUAL_SEQUENCES) evenly over all of it, with its
    first and its last, or all where there are no more: its first ones alone would be one stretch of time. Which these
    are, and what comes of them, does not depend on the batch size that training has. Of what is generated, as many
    batches as have so many (None: USUAL_BATCHES): a batch is drawn as a whole. Where states are carried on, likewise
    the first batches: they follow one another.

    Raises DataError where the data are not there.
    """
    there, batches = own.pieces(of.task, of.model, part), None if most is None else -(-most // of.task.batch_size)
    if there is None:
        for number in range(USUAL_BATCHES if batches is None else batches):
            yield Draw(of.seed, number, part)
    elif carried_shapes(of):
        there = own.batches(of.task, of.model, part) or 0
        if batches is None:
            batches = there if there <= WHOLE_BATCHES else USUAL_BATCHES
        for number in range(max(1, min(batches, there))):
            yield Draw(of.seed, number, part)
    elif not there:
        yield Draw(of.seed, 0, part)  # whoever draws it says why there is none
    else:
        taken = spread(there, USUAL_SEQUENCES if most is None else most).tolist()
        passes = -(-len(taken) // at_once(of))
        for number in range(passes):
            few = slice(number * len(taken) // passes, (number + 1) * len(taken) // passes)
            yield Draw(of.seed, number, part, tuple(taken[few]))


def at_once(of: Experiment) -> int:
    """Sequences of data that run through the network together: batch_size or more, as memory has room for them. Batch
    normalisation takes its means over those, so that it sees as many as in training."""
    layers, task = of.model.layers, of.task
    if any(layer.batch_norm for layer in layers):
        return task.batch_size
    wanted = form(task)
    step = sum(_A_UNIT * layer.hidden_size * (1 + layer.bidirectional) for layer in layers)
    step += max(wanted.numbers, wanted.symbols) + 3 * max(1, class_count(of.model, task))
    return max(task.batch_size, min(_AT_ONCE, _NUMBERS // (step * task.steps)))

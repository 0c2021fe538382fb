"""Parity (Minsky & Papert 1969) of a sequence, as in Bengio, Simard & Frasconi 1994: is the number of ones odd?"""

from __future__ import annotations

from engine.draws import whole
from engine.spec import ModelSpec, ParityTask
from engine.tasks.batch import Batch, targets
from engine.tasks.part import Draw


def batch(task: ParityTask, model: ModelSpec, draw: Draw) -> Batch:
    """x (T, B, 1): fair bits. The target is 1 where the ones so far are odd. Float64, CPU."""
    bits = whole((task.steps, task.batch_size), 0, 1, draw.generator("parity"))
    odd = bits.cumsum(0) % 2
    if model.readout.at != "every":
        odd = odd[-1]
    return Batch(bits.double()[..., None], targets(model, odd.double(), odd == 1))

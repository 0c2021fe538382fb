"""A network run forward one step at a time, so that a step can read what came out of the one before. For inputs that
are made while it runs: what is traced afterwards is a whole sequence again."""

from __future__ import annotations

from torch import Tensor

from engine import bptt
from engine.between import readout_of
from engine.network import Network
from engine.precision import arithmetic
from engine.step_pieces import StepByStep
from engine.tracing import Initial


class Stepper:
    """Of forward layers that are read at every step."""

    def __init__(self, network: Network, steps: int, batch: int, initial: Initial, iteration: int) -> None:
        """`steps`: as many as will be taken at most. `iteration` draws the dropout. Raises DataError."""
        self._network = network
        self._levels, self._last = network.levels((steps, batch), initial, iteration)
        self._effective = network.effective
        self._layers = [level.layers[0].recurrence(steps, None) for level in self._levels]
        self._states = [dict(level.layers[0].initial) for level in self._levels]
        self._t = 0

    def __call__(self, x: Tensor) -> Tensor:
        """The outputs (B, O) of the next step, which reads x (B, D), or symbols (B,)."""
        here = slice(self._t, self._t + 1)
        self._t += 1
        with arithmetic(self._effective["readout.weight"]):
            given: tuple[Tensor, ...] = (x[None],)
            for place, (level, layer) in enumerate(zip(self._levels, self._layers, strict=True)):
                enter = level.enter.part(here) if isinstance(level.enter, StepByStep) else level.enter
                stream = given[0] if enter is None else enter(*given)
                values = bptt.forward_stepwise(layer.part(here.start, here.stop), stream, self._states[place])
                self._states[place] = {state: values[state][0] for state in self._states[place]}
                given = (values["h"], stream)
            y = given[0] if self._last is None else self._last.part(here)(given[0], given[1])
            return readout_of(y, "every", self._effective, self._network.experiment.layer, None)[0].detach()

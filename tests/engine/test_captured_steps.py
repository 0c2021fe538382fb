"""Steps that are captured, many to a launch, give what the same steps give one by one.

Without a GPU the capture itself has a stand-in: a function that runs once more, over arrays that stay where they are.
Everything else is as it is there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from test_fast_road import VARIANTS, Case, case_of, variant
from torch import Tensor

import engine
from engine import bptt, fast
from engine.cells import Norm
from engine.fast import backwards, captured, chain, forwards, march
from engine.fast.captured import Captures, Made, Replay
from engine.layer_trace import LayerTrace
from engine.step_clipping import clipped_backward

GPUS = ["cuda"] if torch.cuda.is_available() else []
"""Where there is one, everything runs on it too, captured in earnest."""
DEVICES = ["cpu", *GPUS]
NORMED = ("tanh RNN, norm", "LSTM, norm, lengths", "GRU, norm, reverse, lengths", "LSTM, norm, held, fresh drop, cut",
          "GRU, norm, drop, cut, reverse")  # fmt: skip


class Again:
    """Instead of a capture: the function is run again each time, and what it makes is put where it was the first time.

    As in a graph, what is written into the arrays that stay in place is all that it sees of a later call.
    """

    def __init__(self) -> None:
        self.captures, self.replays = 0, 0

    def begin(self, device: torch.device) -> None:
        pass

    def capture(self, function: Callable[[], Made], device: torch.device) -> tuple[Replay, Made]:
        self.captures += 1
        first = function()
        made = tuple({name: array.clone() for name, array in given.items()} for given in first)

        def replay() -> None:
            self.replays += 1
            for own, new in zip(made, function(), strict=True):
                for name, array in own.items():
                    array.copy_(new[name])

        return replay, (made[0], made[1])

"""What stays of an earlier trace on screen: its norms, drawn behind those of the present one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.requests import ShownLayer


@dataclass(frozen=True, eq=False)
class Ghost:
    name: str
    """What it was, against what is there now: "LSTM, forget bias 1"."""
    steps: int
    layers: Mapping[str, ShownLayer]
    """By name, from the input on."""

"""The flow matrix of a long trace: a chosen range of losses and steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.errors import DataError
from engine.flow_matrix import ANSWER, flow_norms
from engine.long.room import bytes_shown
from engine.long.window import WindowLosses

if TYPE_CHECKING:
    from engine.long.flow import Progress
    from engine.long.trace import LongTrace

HELD = 1.5
"""A window whose losses are taken back, in units of what is recorded of it."""
ROWS = 1000
"""Losses that are followed one after the other; with more of them somebody waits for hours."""


def long_flow_norms(
    trace: LongTrace, name: str, losses: Sequence[int], steps: slice, progress: Progress | None = None
) -> Tensor:
    """(losses, steps) float64: N[s, k] = ‖∂L_s/∂h_k‖; see engine.flow_matrix.flow_norms. Raises DataError.

    Where all layers run forward, losses that are no further behind the steps than a window is long are taken back all
    at once, within that window. Otherwise each is followed by itself.
    """
    first, stop = steps.start, max(steps.stop, *(loss + 1 for loss in losses))
    size = 8 * len(losses) * (steps.stop - first)
    room = trace.model.room
    most = min(ANSWER, room.left // 2)
    if size > most:
        raise DataError(
            f"The flow matrix of {len(losses):,} losses and {steps.stop - first:,} steps takes {bytes_shown(size)}; "
            f"{bytes_shown(most)} is accepted: choose fewer losses or steps."
        )
    forward = not any(layer.reverse for layer in trace.model.layers.values())
    # Within the budget stand the window (and what its chains and its losses hold besides), the answer and the work.
    workspace = room.left - size - int(HELD * room.record) * (stop - first)
    if forward and stop - first <= trace.longest_window and workspace >= room.left // 8:
        flows = WindowLosses(trace.window(first + 1, stop), trace.model)
        found = flows.head.losses.new_full((len(losses), steps.stop - first), torch.nan, dtype=torch.float64)
        inside = [place for place, loss in enumerate(losses) if loss >= first]
        if inside:
            numbers = [losses[place] - first for place in inside]
            found[inside] = flow_norms(flows, name, numbers, (0, steps.stop - first), workspace)
        return found
    if len(losses) > ROWS:
        raise DataError(
            f"{len(losses):,} losses would be followed one after the other; up to {ROWS:,} are accepted, or, where all "
            f"layers run forward, any number within {_at_once(trace):,} steps."
        )
    rows = []
    for done, loss in enumerate(losses):
        rows.append(trace.single_loss(loss).row(name, steps))
        if progress is not None:
            progress(done + 1, len(losses))
    return torch.stack(rows)


def _at_once(trace: LongTrace) -> int:
    """Steps over which any number of losses is taken back at once."""
    room = trace.model.room
    return min(trace.longest_window, int(room.left * 7 // 8 / (HELD * room.record)))

"""At its peak a trace costs at most twice the arrays that it hands out."""

from __future__ import annotations

import pytest

from benchmarks.memory import measure, measure_stack

DEAREST = ("lengths", "batch norm, dropout, attention", "own loss, batch norm", "module, packed, dropout")
"""Of benchmarks.memory.STACKS, which shows all of them."""


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_a_trace_costs_at_most_twice_what_it_hands_out(cell: str) -> None:
    peak, handed_out = measure(cell, 500, 8, 256)
    assert handed_out <= peak <= 2 * handed_out  # and the measure sees the arrays at all


def test_so_does_one_that_is_computed_step_by_step() -> None:
    """In bfloat16, for which there is no fast road."""
    peak, handed_out = measure("LSTM", 100, 64, 256, "bfloat16")
    assert handed_out <= peak <= 2 * handed_out


@pytest.mark.parametrize("stack", DEAREST)
def test_so_does_a_stack_whatever_stands_around_its_layers(stack: str) -> None:
    """Of two bidirectional layers of the RNN, which hands out the least: of what is held besides, it sees most."""
    peak, handed_out = measure_stack(stack, "RNN", 1000, 8, 128)
    assert handed_out <= peak <= 2 * handed_out

"""At its peak a trace costs at most twice the arrays that it hands out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.memory import Measuring

DEAREST = ("lengths", "batch norm, dropout, attention", "own loss, batch norm", "module, packed, dropout")
"""Of benchmarks.memory.STACKS, which shows all of them."""


@pytest.fixture(scope="module")
def measuring() -> Iterator[Measuring]:
    with Measuring() as made:
        yield made


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_a_trace_costs_at_most_twice_what_it_hands_out(measuring: Measuring, cell: str) -> None:
    peak, handed_out = measuring.layer(cell, 500, 8, 256)
    assert handed_out <= peak <= 2 * handed_out  # and the measure sees the arrays at all


def test_so_does_one_that_is_computed_step_by_step(measuring: Measuring) -> None:
    """In bfloat16, for which there is no fast road."""
    peak, handed_out = measuring.layer("LSTM", 100, 64, 256, "bfloat16")
    assert handed_out <= peak <= 2 * handed_out


@pytest.mark.parametrize("stack", DEAREST)
def test_so_does_a_stack_whatever_stands_around_its_layers(measuring: Measuring, stack: str) -> None:
    """Of two bidirectional layers of the RNN, which hands out the least: of what is held besides, it sees most."""
    peak, handed_out = measuring.stack(stack, "RNN", 1000, 8, 128)
    assert handed_out <= peak <= 2 * handed_out

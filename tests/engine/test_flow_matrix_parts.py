"""Some losses and steps of the flow matrix: parts of the whole, within a budget, wrong choices named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from flow_layers import (
    two_levels,
)

import engine
from engine import flow_matrix


@pytest.mark.parametrize("name", ["l0", "l0_reverse", "l1", "l2"])
def test_some_losses_and_steps_are_a_part_of_the_whole(name: str) -> None:
    trace = two_levels()
    whole = trace.flow_matrix(name)
    for losses, same in (
        (range(2, 9, 3), [2, 5, 8]), (slice(-2, None), [9, 10]), ([7, -11, 3], [7, 0, 3]),
        (np.array([4]), [4]), (torch.tensor([6, 5]), [6, 5]), (None, list(range(11))),
    ):  # fmt: skip
        for t0, t1 in ((1, 11), (4, 7), (11, 11), (1, 1)):
            part = trace.flow_matrix(name, losses, (t0, t1))
            torch.testing.assert_close(part, whole[same, t0 - 1 : t1], rtol=1e-12, atol=1e-300, equal_nan=True)


def test_a_window_s_matrix_is_a_part_of_the_whole_one_with_all_losses() -> None:
    trace = two_levels()
    for name in trace.layers:
        whole = trace.flow_matrix(name)
        torch.testing.assert_close(
            trace.window(3, 9).flow_matrix(name), whole[:, 2:9], rtol=1e-12, atol=0, equal_nan=True
        )
        part = trace.window(3, 9).flow_matrix(name, [8], steps=(2, 4))
        torch.testing.assert_close(part, whole[[8], 3:6], rtol=1e-12, atol=0, equal_nan=True)


def test_what_is_taken_back_at_once_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = two_levels(37)
    whole = {name: trace.flow_matrix(name) for name in trace.layers}
    for numbers, workspace in ((1, flow_matrix.WORKSPACE), (700, flow_matrix.WORKSPACE), (1 << 18, 300_000)):
        monkeypatch.setattr(flow_matrix, "IN_CACHE", numbers)
        monkeypatch.setattr(flow_matrix, "WORKSPACE", workspace)
        for name in trace.layers:
            torch.testing.assert_close(trace.flow_matrix(name), whole[name], rtol=1e-12, atol=0.0, equal_nan=True)


def test_what_does_not_fit_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = two_levels()
    monkeypatch.setattr(flow_matrix, "ANSWER", 500)
    with pytest.raises(engine.DataError, match=r"11 losses and 11 steps takes 1 MiB; 1 MiB is accepted: choose"):
        trace.flow_matrix("l2")
    monkeypatch.undo()
    monkeypatch.setattr(flow_matrix, "WORKSPACE", 10_000)
    with pytest.raises(
        engine.DataError, match=r"through the layers above l0 to its steps 1 to 11 takes 1 MiB at a time"
    ):
        trace.flow_matrix("l0")


def test_the_memory_at_work_stays_near_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch's profiler saw allocated: the budget, and what does not grow with the losses (the layers' slopes)."""
    trace = two_levels(60)
    for name in trace.layers:
        trace.flow_matrix(name)  # what is found out once and for all is not the sweep's
    free = peak_of(lambda: trace.flow_matrix("l0"))
    monkeypatch.setattr(flow_matrix, "WORKSPACE", 1_500_000)
    for name in trace.layers:
        assert peak_of(lambda name=name: trace.flow_matrix(name)) < 2_000_000 < free


def peak_of(run: Callable[[], object]) -> int:
    """Bytes: the most that was allocated at once, beyond what was there before."""
    with torch.profiler.profile(profile_memory=True, activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        run()
    at_work = most = 0
    for event in sorted(profile.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            at_work += event.nbytes()
            most = max(most, at_work)
    return most


@pytest.mark.parametrize(
    ("losses", "steps", "says"),
    [
        ([11], None, r"losses has 11; .* from -11 to 10"),
        ([2, 2], None, "losses has one of them twice"),
        ([3, -8], None, "losses has one of them twice"),
        ([], None, "losses has none"),
        (slice(5, 5), None, "losses has none"),
        ("all", None, "losses is 'all'"),
        (3, None, "losses is 3"),
        ([1.5], None, r"losses is 1\.5"),
        (None, 5, "steps is 5; a pair"),
        (None, (0, 4), r"steps is \(0, 4\); .* within 1 to 11"),
        (None, (5, 4), r"steps is \(5, 4\)"),
        (None, (1, 12), r"steps is \(1, 12\)"),
        (None, (1, 2, 3), "steps is a tuple of 3"),
    ],
)
def test_wrong_choices_are_named(losses: object, steps: object, says: str) -> None:
    with pytest.raises(engine.DataError, match=says):
        two_levels().flow_matrix("l1", losses, steps)  # type: ignore[arg-type]


def test_an_unknown_layer_is_named() -> None:
    with pytest.raises(engine.DataError, match="'l3' is no layer of this trace; it has l0, l0_reverse, l1, l2"):
        two_levels().flow_matrix("l3")

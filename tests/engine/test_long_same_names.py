"""A long trace has every name that a trace has, and answers the same, or says in a sentence what it does not have."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import pytest
import torch
from long_and_whole import KINDS, STRETCH, B, D, T, ToTargets, both, drawn, long_within, model_of
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

import engine
from engine.layer_trace import LayerTrace
from engine.long import LongLayer
from engine.tracing import Trace


def public(of: type) -> set[str]:
    return {name for name in (*dir(of), *(one.name for one in fields(of))) if not name.startswith("_")}


CALLS: dict[str, Any] = {
    "flow_row": lambda trace: trace.flow_row(5),
    "flow_matrix": lambda trace: trace.flow_matrix("l0", range(3, 9), (2, 40)),
    "flow_gradient": lambda trace: trace.flow_gradient(5, "l0"),
    "verdict": lambda trace: trace.verdict(),
    "window": lambda trace: trace.window(3, 9)["l0"].values["h"],
    "audit": lambda trace: trace.audit().passed,
    "numpy": lambda trace: torch.from_numpy(trace.numpy()["l0.grads.h"].copy()),
    "layer": lambda trace: trace.layer.values["h"],
    "layers": lambda trace: [*trace.layers],
    "last_level": lambda trace: [*trace.last_level],
}
REFUSED = {
    "truncated": (lambda long: long.truncated(5, 10), "Truncated BPTT"),
    "save": (lambda long: long.save("a.gflow"), "cannot be saved as a whole"),
}
NOTHING = {"loss_grads"}
"""None, as its description says, and `flow_row` and the like ask for what would be in it."""


@pytest.mark.parametrize("name", sorted(public(Trace)))
def test_every_name_of_a_trace_answers_as_the_whole_trace_does(name: str) -> None:
    whole, long = both(model_of("lstm", 2, bidirectional=True))
    if name in REFUSED:
        call, words = REFUSED[name]
        with pytest.raises(engine.DataError, match=words):
            call(long)
        return
    if name in NOTHING:
        assert getattr(long, name) is None
        return
    ask = CALLS.get(name, lambda trace: getattr(trace, name))
    assert_alike(ask(long), ask(whole))


def assert_alike(found: Any, expected: Any) -> None:
    if isinstance(expected, Tensor):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12, equal_nan=True)
    elif hasattr(expected, "keys"):
        assert found.keys() == expected.keys()
        for key, one in expected.items():
            assert_alike(found[key], one)
    elif hasattr(expected, "log10_ratio"):
        assert (found.kind, found.first_step, found.last_step) == (
            expected.kind,
            expected.first_step,
            expected.last_step,
        )
        assert found.log10_ratio == pytest.approx(expected.log10_ratio, rel=1e-9)
    else:
        assert found == expected


def test_every_name_of_a_layer_is_there() -> None:
    _, long = both(model_of("rnn"))
    for name in public(LayerTrace) - {"from_parts"}:
        assert hasattr(long["l0"], name), name
    assert isinstance(long.last_level["l0"], LongLayer)


@pytest.mark.parametrize("scale", [0.3, 3.0])
@pytest.mark.parametrize("kind", KINDS)
def test_the_verdict_is_that_of_the_whole_trace_and_rests_on_the_last_loss_that_reads_anything(
    kind: str, scale: float
) -> None:
    """In both directions too, with padding, and where the last loss lies in the middle of a stretch; a window's own is
    that of a window of the whole trace."""
    model, x = model_of(kind, 2, bidirectional=scale > 1), drawn(T, B, D)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.mul_(scale if "weight_hh" in name else 1.0)
    lengths = torch.tensor([T, 40, 90])
    for given in (x, pack_padded_sequence(x, lengths, enforce_sorted=False)):
        for last in (T - STRETCH - 5, 3):
            targets = ToTargets(model.hidden_size * (1 + model.bidirectional))

            def loss(y: Tensor, steps: slice = slice(0, T), targets: Any = targets, last: int = last) -> Tensor:
                return targets(y, steps) * (torch.arange(steps.start, steps.stop) < last)

            whole = engine.trace(model, given, loss=loss)
            long = engine.trace_long(model, given, loss, stretch=STRETCH)
            assert long.judged == last - 1
            for layer in (None, "l0"):
                assert_alike(long.verdict(layer), whole.verdict(layer))
            ours, theirs = (trace.window(1, 50).verdict() for trace in (long, whole))
            assert (ours.kind, ours.last_step) == (theirs.kind, theirs.last_step)
    with pytest.raises(engine.DataError, match="'l7' is no layer"):
        long.verdict("l7")


def sizes(sentence: str) -> list[float]:
    units = {"bytes": 1, "KiB": 2**10, "MiB": 2**20}
    return [float(number) * units[unit] for number, unit in re.findall(r"([\d.]+) (bytes|KiB|MiB)", sentence)]


def test_what_is_refused_is_more_than_what_the_sentence_says_there_is() -> None:
    """And where there is room, nothing is refused."""
    refused = 0
    for budget in range(2 * 2**20, 22 * 2**20, 2 * 2**20):
        long = long_within(budget)
        room = long.model.room
        try:
            long.outputs  # noqa: B018
        except engine.DataError as error:
            takes, there_is, of = sizes(str(error))
            assert there_is < takes
            assert of == budget
            assert long.longest_window < long.steps
            refused += 1
        else:
            assert room.steps * room.record + room.kept + room.work * room.size <= budget
            continue
        with pytest.raises(engine.DataError) as wide:
            long.window(1, long.longest_window + 1)
        assert sizes(str(wide.value))[1] <= sizes(str(wide.value))[0]
    assert 2 < refused < 10

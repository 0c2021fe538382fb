"""An audit made in pieces says what the whole one says, and leaves room between them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch

from engine import auditing
from engine.layer_trace import LayerTrace
from engine.operations import forget, run
from engine.requests import Audit, Computed
from engine.sources import traced
from engine.spec import AddingTask, CellKind, Experiment, LayerSpec, ModelSpec
from engine.unrolled import Reference

KINDS = ("rnn", "lstm", "gru")


def layers_of(kind: CellKind, *, padded: bool) -> Iterable[LayerTrace]:
    layers = (LayerSpec(cell=kind, hidden_size=5, bidirectional=True),)
    task = AddingTask(steps=23, batch_size=4, shortest=5 if padded else None)
    made = traced(Computed(Experiment(model=ModelSpec(layers=layers), task=task)))[0]
    return made.audited.layers.values()


@pytest.mark.parametrize("at_once", [1, 7, 22])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_a_layer_make_the_reference_of_the_whole(kind: CellKind, padded: bool, at_once: int) -> None:
    for layer in layers_of(kind, padded=padded):
        found = []
        for steps in (layer.steps, at_once):
            reference = Reference(layer, steps)
            assert len(list(reference.parts())) == -(-layer.steps // steps)
            found.append(reference.whole())
        whole, parts = found
        assert whole.keys() == parts.keys()
        for name, array in whole.items():
            torch.testing.assert_close(parts[name], array, rtol=1e-5, atol=1e-6, msg=name)


def source(steps: int) -> Computed:
    layers = (LayerSpec(cell="lstm", hidden_size=6, bidirectional=True), LayerSpec(cell="gru", hidden_size=5))
    return Computed(
        Experiment(model=ModelSpec(layers=layers), task=AddingTask(steps=steps, batch_size=3, shortest=steps // 2))
    )


def test_pieces_come_to_the_audit_that_is_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    of = source(150)
    whole = run("audit", of)
    monkeypatch.setattr(auditing, "SECONDS", 0.002)
    asked, answer = 0, None
    while answer is None:
        answer = run("audit_on", of)
        asked += 1
    assert answer == whole
    assert whole.passed
    assert asked > 6  # the parts of three layers alone are nine


def test_another_trace_between_two_pieces_spoils_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    monkeypatch.setattr(auditing, "SECONDS", 0.0)
    first, second = source(80), source(90)
    assert run("audit_on", first) is None
    assert run("audit_on", second) is None
    monkeypatch.setattr(auditing, "SECONDS", 60.0)
    for of in (second, first):
        answer = run("audit_on", of)
        assert isinstance(answer, Audit)
        assert answer == run("audit", of)

"""What cannot clip, or cannot be clipped, is refused in one sentence that names it; nothing is clipped wrongly."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch

import engine
from engine import ClipSpec

GRADS = {"weight_hh_l0": torch.tensor([[3.0, -4.0]]), "bias_ih_l0": torch.tensor([12.0])}


@pytest.mark.parametrize("kind", ["norm", "layer", "parameter", "value", "agc"])
@pytest.mark.parametrize("limit", [-1.0, 0.0, math.nan, math.inf])
def test_a_limit_that_is_no_positive_number_is_named_and_turns_no_gradient_around(kind: Any, limit: float) -> None:
    field = {"value": "max_value", "agc": "ratio"}.get(kind, "max_norm")
    with pytest.raises(engine.SpecError, match=rf"^clip\.{field} is .*; a number from 1e-12 to 1e12 is accepted\.$"):
        engine.clipped(GRADS, ClipSpec(kind=kind, **{field: limit}), weights=GRADS)


@pytest.mark.parametrize(
    ("clip", "sentence"),
    [
        (ClipSpec(kind="foo"), r"^clip\.kind is \"?'?foo.*accepted\.$"),
        (ClipSpec(kind="norm", max_norm="1"), r"^clip\.max_norm is '1'; .*accepted\.$"),
        ("norm", r"^The clipping is 'norm'; an engine\.ClipSpec is accepted\.$"),
        (1.0, r"^The clipping is 1\.0; an engine\.ClipSpec is accepted\.$"),
    ],
)
def test_a_clipping_that_is_none_is_refused(clip: Any, sentence: str) -> None:
    with pytest.raises(engine.SpecError, match=sentence):
        engine.clipped(GRADS, clip)


@pytest.mark.parametrize(
    ("grads", "sentence"),
    [
        ([torch.ones(2)], r"^grads is a list; tensors by parameter name are accepted\.$"),
        (None, r"^grads is a NoneType; tensors by parameter name are accepted\.$"),
        ({"a": None}, r"^grads\['a'\] is None, which is no gradient; a tensor is accepted, and what has none is left"),
        ({"a": [1.0]}, r"^grads\['a'\] is a list; a tensor is accepted"),
        ({"a": torch.ones(2, dtype=torch.int64)}, r"^grads\['a'\] is of torch\.int64; a floating-point tensor is"),
        ({0: torch.ones(2)}, r"^grads has the name 0; the name of a parameter is accepted\.$"),
        ({"a": torch.ones(2).to_sparse()}, r"^grads\['a'\] is a sparse tensor; a dense one is accepted\.$"),
    ],
)
@pytest.mark.parametrize("kind", ["none", "norm", "value"])
def test_gradients_that_are_none_are_refused(kind: Any, grads: Any, sentence: str) -> None:
    with pytest.raises(engine.DataError, match=sentence):
        engine.clipped(grads, ClipSpec(kind=kind))


def test_weights_that_are_none_are_refused() -> None:
    with pytest.raises(engine.DataError, match=r"^weights is a list; tensors by parameter name are accepted\.$"):
        engine.clipped(GRADS, ClipSpec(kind="agc"), weights=[torch.ones(1)])  # type: ignore[arg-type]
    with pytest.raises(engine.DataError, match=r"^weights\['bias_ih_l0'\] is None"):
        engine.clipped(GRADS, ClipSpec(kind="agc"), weights=GRADS | {"bias_ih_l0": None})  # type: ignore[dict-item]


def test_the_refusal_of_a_clipping_at_every_step_names_what_does_it() -> None:
    clip = ClipSpec(kind="step", max_norm=0.01)
    with pytest.raises(engine.DataError, match=r"; engine\.(\w+) does it, of a trace\.$") as refused:
        engine.clipped(GRADS, clip)
    named = re.search(r"engine\.(\w+) does it", str(refused.value))
    assert named is not None
    assert named[1] in engine.__all__
    model, x = torch.nn.GRU(2, 3, 2, dtype=torch.float64), torch.randn(5, 2, 2, dtype=torch.float64)
    trace = engine.trace(model, x, loss=lambda y: y.pow(2).sum((1, 2)))
    found = getattr(engine, named[1])(trace, 0.01)
    assert found.grads.keys() == trace.weight_grads.keys()
    one = engine.clipped_backward(trace["l1"], 0.01)  # the layer that nothing clipped stands above
    torch.testing.assert_close(found.grads["weight_hh_l1"], one.weight_grads["weight_hh"])


def test_what_is_clipped_at_every_step_is_a_layer_and_else_a_sentence_says_so() -> None:
    x = torch.zeros(2, 1, 2)
    trace = engine.trace(torch.nn.GRU(2, 3), x, loss=lambda y: y.sum())
    wrong: list[tuple[Any, str]] = [
        (lambda: engine.clipped_backward(trace, 1.0), r"layer is a Trace; .* trace\['l0'\]"),
        (lambda: engine.clipped_backward(None, 1.0), "layer is nothing"),
        (lambda: engine.clipped_backward(trace["l0"], None), "max_norm is nothing"),
        (lambda: engine.clipped_backward(trace["l0"], 1.0, [1.0]), "output_grads is a list of 1"),
        (lambda: engine.clipped_contributions(trace, "weight_hh", 1.0), "layer is a Trace"),
        (lambda: engine.clipped_contributions(trace["l0"], ["weight_hh"], 1.0), "name is a list of 1"),
        (lambda: engine.clipped_trace(trace["l0"], 1.0), "trace is a LayerTrace"),
        (lambda: engine.clipped_trace(trace, "1"), "max_norm is '1'"),
        (lambda: trace.flow_matrix(["l0"]), "layer is a list of 1; .*: l0"),
        (lambda: trace.flow_row(layer={}), "layer is a dict"),
        (lambda: trace[0], "layer is 0"),
        (lambda: trace["l1"], "'l1' is no layer of this trace; it has l0"),
        (lambda: trace["l0"].weight_grad_share({}), "name is a dict"),
        (lambda: engine.trace_long(torch.nn.GRU(2, 3), x), "loss is missing"),
        (lambda: engine.trace_long(torch.nn.GRU(2, 3), loss=lambda y, _: y.sum((1, 2))), "x is missing"),
    ]
    long = engine.trace_long(torch.nn.GRU(2, 3), x, lambda y, _: y.sum((1, 2)))
    wrong += [
        (lambda: long.flow_row(layer=["l0"]), "layer is a list of 1"),
        (lambda: long["l0"].weight_grad_share(["a"]), "name is a list of 1"),
    ]
    for call, words in wrong:
        with pytest.raises(engine.DataError, match=words) as refused:
            call()
        assert "\n" not in str(refused.value)
        assert str(refused.value).endswith(".") or str(refused.value).endswith("…")

"""What cannot clip, or cannot be clipped, is refused in one sentence that names it; nothing is clipped wrongly."""

from __future__ import annotations

import math
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

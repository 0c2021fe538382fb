"""Clipping by value, by layer, by parameter and adaptively: torch's bits where torch has it, else the paper's equation.

What it reports is true for every kind, also where a gradient is inf or NaN or its norm overflows.
"""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from engine.clipping import clip_grads, clipped, layer_of
from engine.errors import DataError
from engine.events import clip_events
from engine.spec import ClipKind, ClipSpec

SHAPES: dict[str, tuple[int, ...]] = {
    "embedding.weight": (5, 3),
    "weight_ih_l0": (8, 3),
    "weight_hh_l0": (8, 8),
    "bias_ih_l0": (8,),
    "weight_ih_l0_reverse": (8, 1),
    "weight_hh_l0_reverse": (8, 8),
    "readout.weight": (2, 8),
    "readout.bias": (2,),
}
LAYERS = {
    "embedding": ["embedding.weight"],
    "l0": ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0"],
    "l0_reverse": ["weight_ih_l0_reverse", "weight_hh_l0_reverse"],
    "readout": ["readout.weight", "readout.bias"],
}
DTYPES = [torch.float32, torch.float64]
ON_GRADIENTS: list[ClipKind] = [kind for kind in get_args(ClipKind) if kind != "step"]


def tensors(scale: float, seed: int = 1, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=source).to(dtype) * scale for name, shape in SHAPES.items()}


def with_entry(value: float, dtype: torch.dtype = torch.float32, scale: float = 1.0) -> dict[str, Tensor]:
    found = tensors(scale, dtype=dtype)
    found["weight_hh_l0"][2, 3] = value
    return found


def same_bits(one: Tensor, other: Tensor) -> bool:
    """NaN counts as NaN whatever its payload; a zero's sign counts."""
    nan = torch.equal(one.isnan(), other.isnan())
    return nan and torch.equal(one.nan_to_num(7.0).view(torch.uint8), other.nan_to_num(7.0).view(torch.uint8))


def parameters(grads: dict[str, Tensor]) -> dict[str, torch.nn.Parameter]:
    made = {name: torch.nn.Parameter(torch.zeros_like(grad)) for name, grad in grads.items()}
    for name, parameter in made.items():
        parameter.grad = grads[name].clone()
    return made


CASES: list[Any] = [
    pytest.param(made, id=f"{name}-{str(dtype).removeprefix('torch.')}")
    for dtype in DTYPES
    for name, made in {
        "below": tensors(1e-3, dtype=dtype),
        "around": tensors(0.3, dtype=dtype),
        "above": tensors(30.0, dtype=dtype),
        "zero": tensors(0.0, dtype=dtype),
        "minus zero": tensors(-0.0, dtype=dtype),
        "overflows": tensors(1e30 if dtype == torch.float32 else 1e200, dtype=dtype),
        "underflows": tensors(1e-42 if dtype == torch.float32 else 1e-310, dtype=dtype),
        "inf": with_entry(math.inf, dtype),
        "minus inf": with_entry(-math.inf, dtype),
        "NaN": with_entry(math.nan, dtype),
        "NaN and inf": with_entry(math.nan, dtype) | {"weight_ih_l0": torch.full((8, 3), math.inf, dtype=dtype)},
    }.items()
]


@pytest.mark.parametrize("found", CASES)
@pytest.mark.parametrize("limit", [0.1, 1.0, 1e-12, 1e12])
def test_the_bits_are_those_of_clip_grad_value(found: dict[str, Tensor], limit: float) -> None:
    expected = parameters(found)
    torch.nn.utils.clip_grad_value_(expected.values(), limit)
    copies = {name: grad.clone() for name, grad in found.items()}
    made = clipped(found, ClipSpec(kind="value", max_value=limit))
    for name, grad in made.grads.items():
        assert same_bits(grad, expected[name].grad), name
        assert same_bits(found[name], copies[name]), "the gradients given are left alone"


@pytest.mark.parametrize("found", CASES)
@pytest.mark.parametrize("limit", [0.01, 1.0])
@pytest.mark.parametrize("kind", ["layer", "parameter"])
def test_layers_and_parameters_have_the_bits_of_clip_grad_norm_on_each(
    found: dict[str, Tensor], limit: float, kind: ClipKind
) -> None:
    expected = parameters(found)
    for names in LAYERS.values() if kind == "layer" else [[name] for name in found]:
        torch.nn.utils.clip_grad_norm_([expected[name] for name in names], limit)
    made = clipped(found, ClipSpec(kind=kind, max_norm=limit))
    assert list(made.grads) == list(found)
    for name, grad in made.grads.items():
        assert same_bits(grad, expected[name].grad), name


def test_a_parameter_belongs_to_the_layer_that_its_name_says() -> None:
    for layer, names in LAYERS.items():
        assert {layer_of(name) for name in names} == {layer}
    assert layer_of("encoder.rnn.weight_hh_l1_reverse") == "encoder.rnn.l1_reverse"
    assert layer_of("encoder.rnn.bias_ih_l11") == "encoder.rnn.l11"
    assert layer_of("layers.0.weight") == "layers.0"
    assert layer_of("weight_ih") == layer_of("bias_hh") == "", "a cell's own: one layer"
    assert layer_of("head.weight_l0x") == "head"


def by_the_paper(grad: Tensor, weight: Tensor, ratio: float) -> Tensor:
    """Brock et al. 2021, eq. 3, row by row with Python's own numbers."""
    rows, weights = (t.reshape(len(t) if t.dim() > 1 else 1, -1).tolist() for t in (grad, weight))
    found = []
    for g, w in zip(rows, weights, strict=True):
        size, limit = math.hypot(*g), ratio * max(math.hypot(*w), 1e-3)
        found.append([x / size * limit for x in g] if size > limit else g)
    return torch.tensor(found, dtype=torch.float64).reshape(grad.shape)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e30])
@pytest.mark.parametrize("weight_scale", [0.0, 1e-5, 0.5])
def test_adaptive_clipping_is_the_equation_of_the_paper(dtype: torch.dtype, scale: float, weight_scale: float) -> None:
    grads, weights = tensors(scale, dtype=dtype), tensors(weight_scale, 2, dtype)
    made = clipped(grads, ClipSpec(kind="agc", ratio=0.02, readout=True), weights)
    for name, grad in made.grads.items():
        expected = by_the_paper(grads[name], weights[name], 0.02)
        torch.testing.assert_close(grad.double(), expected, rtol=4 * torch.finfo(dtype).eps, atol=0)
        assert grad.dtype == dtype


def test_adaptive_clipping_judges_rows_of_matrices_and_vectors_whole() -> None:
    weights = {"w": torch.tensor([[3.0, 4.0], [3.0, 4.0]]), "column": torch.ones(2, 1), "b": torch.tensor([3.0, 4.0])}
    grads = {"w": torch.tensor([[30.0, 40.0], [0.0, 0.5]]), "column": torch.tensor([[4.0], [0.5]]), "b": torch.ones(2)}
    made = clipped(grads, ClipSpec(kind="agc", ratio=0.5), weights)
    torch.testing.assert_close(made.grads["w"], torch.tensor([[1.5, 2.0], [0.0, 0.5]]), rtol=1e-6, atol=0)
    torch.testing.assert_close(made.grads["column"], torch.tensor([[0.5], [0.5]]), rtol=1e-6, atol=0)
    assert torch.equal(made.grads["b"], grads["b"]), "‖(1, 1)‖ is below ½ ‖(3, 4)‖, though each entry is not below ½"
    assert made.factors["w"].tolist() == [0.05, 1.0]
    assert made.factors["column"].tolist() == [0.125, 1.0]
    by_name = {row.parameter: row for row in made.report.rows}
    assert [(row.units, row.clipped) for row in by_name.values()] == [(2, 1), (2, 1), (1, 0)]
    assert (made.report.units, made.report.clipped) == (5, 2)
    assert math.isnan(by_name["w"].factor)
    assert by_name["b"].factor == 1.0


def test_adaptive_clipping_leaves_the_readout_alone_unless_told() -> None:
    grads, weights = tensors(3.0), tensors(0.5, 2)
    alone = clipped(grads, ClipSpec(kind="agc"), weights)
    too = clipped(grads, ClipSpec(kind="agc", readout=True), weights)
    for name in grads:
        assert torch.equal(alone.grads[name], grads[name]) == (name in LAYERS["readout"])
        assert not torch.equal(too.grads[name], grads[name])
    only = {"readout.weight": grads["readout.weight"]}
    assert not clipped(only, ClipSpec(kind="agc"), weights).report.fired


def test_adaptive_clipping_survives_what_the_dtype_cannot_square() -> None:
    grads, weights = tensors(1e30), tensors(0.5, 2)
    made = clipped(grads, ClipSpec(kind="agc"), weights)
    assert math.isinf(made.report.norm_in_dtype)
    assert math.isfinite(made.report.norm)
    assert all(bool(grad.isfinite().all()) and bool(grad.any()) for grad in made.grads.values())


def test_an_inf_ruins_its_own_row_and_a_nan_is_left_where_it_is() -> None:
    weights = tensors(0.5, 2)
    infinite = clipped(with_entry(math.inf), ClipSpec(kind="agc"), weights)
    row = infinite.grads["weight_hh_l0"][2]
    assert row[3].isnan()
    assert not torch.cat([row[:3], row[4:]]).any()
    assert sum(int(grad.isnan().sum()) for grad in infinite.grads.values()) == 1
    assert "its row becomes NaN there and 0 elsewhere" in infinite.report.sentence
    given = with_entry(math.nan)
    nan = clipped(given, ClipSpec(kind="agc"), weights)
    assert same_bits(nan.grads["weight_hh_l0"][2], given["weight_hh_l0"][2])
    assert sum(int(grad.isnan().sum()) for grad in nan.grads.values()) == 1
    assert "left as it is" in nan.report.sentence


def test_one_overflowing_layer_leaves_the_others_alone_and_is_named() -> None:
    grads = tensors(0.01)
    grads["weight_hh_l0"] *= 1e32
    made = clipped(grads, ClipSpec(kind="layer"))
    assert not any(made.grads[name].any() for name in LAYERS["l0"])
    assert torch.equal(made.grads["weight_hh_l0_reverse"], grads["weight_hh_l0_reverse"])
    assert "of l0 is finite" in made.report.sentence
    assert "overflows float32" in made.report.sentence
    assert [layer.parameter for layer in made.report.layers] == list(LAYERS)
    assert [layer.factor for layer in made.report.layers] == [1.0, 0.0, 1.0, 1.0]
    assert (made.report.units, made.report.clipped) == (4, 1)
    assert made.report.fired


def test_each_layer_keeps_its_direction_and_the_whole_does_not() -> None:
    grads = tensors(0.05)
    grads["weight_hh_l0"] *= 100
    report = clipped(grads, ClipSpec(kind="layer", max_norm=0.5)).report
    for layer in report.layers:
        assert layer.cosine == pytest.approx(1.0, abs=1e-9)
        assert layer.before == pytest.approx(math.hypot(*(flat(grads, LAYERS[layer.parameter]))), rel=1e-12)
    assert report.cosine < 0.999
    assert f"the direction changed, cosine {report.cosine:.4g}" in report.sentence


def flat(grads: dict[str, Tensor], names: list[str] | None = None) -> list[float]:
    return [x for name in names or grads for x in grads[name].double().flatten().tolist()]


@pytest.mark.parametrize("kind", ON_GRADIENTS)
@pytest.mark.parametrize("scale", [1e-25, 0.2, 40.0])
def test_the_report_has_the_numbers_of_the_definition(kind: ClipKind, scale: float) -> None:
    grads = tensors(scale)
    made = clipped(grads, ClipSpec(kind=kind, max_norm=0.7, max_value=0.3), tensors(0.5, 2))
    report = made.report
    for row in report.rows:
        a, b = flat(grads, [row.parameter]), flat(made.grads, [row.parameter])
        assert row.before == pytest.approx(math.hypot(*a), rel=1e-13)
        assert row.after == pytest.approx(math.hypot(*b), rel=1e-13)
        assert row.cosine == pytest.approx(cosine(a, b), abs=1e-12)
        if not math.isnan(row.factor):
            assert row.after == pytest.approx(row.factor * row.before, rel=1e-6)
    assert report.norm == pytest.approx(math.hypot(*flat(grads)), rel=1e-13)
    assert report.norm_after == pytest.approx(math.hypot(*flat(made.grads)), rel=1e-13)
    assert report.cosine == pytest.approx(cosine(flat(grads), flat(made.grads)), abs=1e-12)
    assert report.fired == any(not torch.equal(made.grads[name], grads[name]) for name in grads)
    assert report.fired == (kind != "none" and scale > 1e-25)
    assert math.isnan(report.factor) == (kind not in ("none", "norm"))
    assert report.is_gradient
    assert report.sentence.endswith(".")
    assert len(clip_events(report, 9)) == int(report.fired)


def cosine(a: list[float], b: list[float]) -> float:
    x, y = math.hypot(*a), math.hypot(*b)
    return math.fsum(p / x * (q / y) for p, q in zip(a, b, strict=True))


def test_by_value_the_direction_changes_and_the_sentence_says_by_how_much() -> None:
    made = clipped({"w": torch.tensor([3.0, 0.4])}, ClipSpec(kind="value", max_value=0.4)).report
    expected = (3.0 + 0.4) / (math.hypot(3, 0.4) * math.sqrt(2))
    assert made.cosine == pytest.approx(expected, rel=1e-6)
    assert made.sentence == (
        "Clipped 1 of 2 entries to ±0.4, each by itself; the direction changed, cosine " + f"{expected:.4g}."
    )
    assert (made.units, made.clipped) == (2, 1)


def test_by_value_an_overflow_vanishes_from_sight_and_nan_does_not() -> None:
    infinite = clipped(with_entry(-math.inf, scale=0.01), ClipSpec(kind="value"))
    assert float(infinite.grads["weight_hh_l0"][2, 3]) == -1.0
    assert "1 of them had overflowed to inf" in infinite.report.sentence
    assert infinite.report.fired
    assert math.isnan(infinite.report.cosine)
    nan = clipped(with_entry(math.nan, scale=0.01), ClipSpec(kind="value"))
    assert not nan.report.fired
    assert "1 entry is NaN" in nan.report.sentence


@pytest.mark.parametrize("kind", ON_GRADIENTS)
@pytest.mark.parametrize("value", [math.inf, math.nan, 1e30])
def test_equal_clippings_have_equal_reports_whatever_they_met(kind: ClipKind, value: float) -> None:
    clip, weights = ClipSpec(kind=kind), tensors(0.5, 2)
    assert clipped(with_entry(value), clip, weights).report == clipped(with_entry(value), clip, weights).report


@pytest.mark.parametrize("kind", ON_GRADIENTS)
def test_the_gradients_alone_are_the_same(kind: ClipKind) -> None:
    clip, weights = ClipSpec(kind=kind, max_norm=0.5), tensors(0.5, 2)
    made = clipped(tensors(1.0), clip, weights).grads
    for name, grad in clip_grads(tensors(1.0), clip, weights).items():
        assert same_bits(grad, made[name])


@pytest.mark.parametrize("kind", ON_GRADIENTS)
def test_the_callers_modes_change_nothing(kind: ClipKind) -> None:
    clip, weights = ClipSpec(kind=kind, max_norm=0.5), tensors(0.5, 2)
    expected = clipped(tensors(1.0), clip, weights)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        inside = clipped(tensors(1.0), clip, weights)
    tracked = {name: grad.requires_grad_() for name, grad in tensors(1.0).items()}
    outside = clipped(tracked, clip, weights)
    for made in (inside, outside):
        assert made.report == expected.report
        assert all(same_bits(made.grads[name].detach(), expected.grads[name]) for name in expected.grads)


@pytest.mark.parametrize(
    ("grads", "clip", "weights", "says"),
    [
        ({}, ClipSpec(kind="norm"), None, "There are no gradients to clip"),
        (tensors(1.0), ClipSpec(kind="agc"), None, "weights is missing"),
        (tensors(1.0), ClipSpec(kind="agc"), {"weight_ih_l0": torch.ones(8, 3)}, "weights has no 'embedding.weight'"),
        ({"w": torch.ones(2)}, ClipSpec(kind="agc"), {"w": torch.ones(3)}, "weights['w'] has shape (3,)"),
        (tensors(1.0), ClipSpec(kind="step"), None, "within the backward pass"),
        ({"w": torch.ones(2).half()}, ClipSpec(kind="value", max_value=1e6), None, "max_value is 1e6; float16"),
    ],
)
def test_what_cannot_be_clipped_is_refused(
    grads: dict[str, Tensor], clip: ClipSpec, weights: dict[str, Tensor] | None, says: str
) -> None:
    with pytest.raises(DataError) as caught:
        clipped(grads, clip, weights)
    assert says in str(caught.value)
    assert str(caught.value).endswith(".")

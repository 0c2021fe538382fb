"""Jacobians by route, of each step: against torch's jacrev, and one step back with them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from route_layers import (
    CLOSE,
    KINDS,
    by_jacrev,
    draw,
    gap,
    layer_of,
    of_any_layer,
    states,
)
from torch import Tensor
from unrolled import module

import engine
from engine import routes
from engine.quantities import ROUTES
from engine.routes import jacobians, step_back, vjp


@of_any_layer(most_steps=4)
def test_every_route_s_jacobian_is_jacrev_s(
    kind: str, T: int, B: int, H: int, dtype: torch.dtype, **drawn: Any
) -> None:
    layer = layer_of(kind, T, B, H, dtype=dtype, **drawn)
    found = jacobians(layer)
    S = H * len(states(kind))
    assert list(found) == [*ROUTES[layer.cell], "total"]
    assert all(part.shape == (T, B, S, S) and part.dtype == dtype for part in found.values())
    for t in range(1, T + 1):
        for b in range(B):
            expected = by_jacrev(layer, t, b)
            total = sum(expected.values())
            for route, part in (expected | {"total": total}).items():
                assert gap(found[route][t - 1, b], part, total) <= CLOSE[dtype], (route, t, b)


@pytest.mark.parametrize("kind", KINDS)
def test_the_total_is_the_jacobian_of_the_plain_step(kind: str) -> None:
    """Against torch's own module, which knows no routes."""
    layer = layer_of(kind, T=1, B=1, H=5, seed=3)
    model = module(kind, 3, 5, seed=3)
    names = states(kind)

    def stepped(flat: Tensor) -> Tensor:
        given = flat.view(len(names), 1, 1, 5)
        _, last = torch.func.functional_call(
            model, dict(model.named_parameters()), (layer.x, tuple(given) if kind == "lstm" else given[0])
        )
        return torch.cat([state.flatten() for state in last]) if kind == "lstm" else last.flatten()

    start = torch.cat([layer.initial[s].flatten() for s in names])
    expected = torch.autograd.functional.jacobian(stepped, start)
    torch.testing.assert_close(jacobians(layer, 1)["total"][0, 0], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", list(CLOSE), ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_unit_gradients_and_slopes_make_the_same_jacobians(
    kind: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the cells whose units mix within a step there is only the first way."""
    layer = layer_of(kind, T=7, B=3, H=6, dtype=dtype)
    quick = jacobians(layer)
    monkeypatch.setattr(routes, "_units_keep_apart", lambda rules: False)
    whole = jacobians(layer)
    monkeypatch.setattr(routes, "WORKING", 6 * 12 * 4)
    in_pieces = jacobians(layer)
    for route, part in quick.items():
        torch.testing.assert_close(whole[route], part, rtol=8 * torch.finfo(dtype).eps, atol=0.0)
        torch.testing.assert_close(in_pieces[route], part, rtol=8 * torch.finfo(dtype).eps, atol=0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_steps_and_samples_are_slices_of_the_whole(kind: str) -> None:
    layer = layer_of(kind, T=6, B=3)
    whole = jacobians(layer)
    for steps, at in (
        (2, [1]), ((2, 4), [1, 2, 3]), ((5, 5), [4]), ([6, 1, 1], [5, 0, 0]), (range(1, 7, 2), [0, 2, 4]),
        (torch.tensor(3), [2]), (torch.tensor([3, 2]), [2, 1]),
    ):  # fmt: skip
        for sample, rows in ((None, slice(None)), (0, slice(0, 1)), (2, slice(2, 3))):
            for route, part in jacobians(layer, steps, sample).items():
                assert torch.equal(part, whole[route][at][:, rows]), (steps, sample, route)
    for route, part in jacobians(layer.window(3, 5)).items():
        assert torch.equal(part, whole[route][2:5])


def test_a_dead_relu_has_an_empty_row() -> None:
    layer = layer_of("relu", T=8, B=2, H=6, gain=2.0)
    dead = layer.values["a"] <= 0
    assert dead.any()
    assert not dead.all()
    rows = jacobians(layer)["total"]
    assert (rows[dead] == 0).all()
    assert (rows[~dead].abs().amax(-1) > 0).all()


def test_an_lstm_of_one_unit_has_the_textbook_s_two_by_two() -> None:
    layer = layer_of("lstm", T=3, B=1, H=1)
    found = {route: part[1, 0] for route, part in jacobians(layer).items()}
    v = {name: float(value[1, 0, 0]) for name, value in layer.values.items()}
    c_before, U = float(layer.values["c"][0, 0, 0]), layer.weights["weight_hh"].flatten().tolist()
    i, f, g, o, tanh_c = v["i"], v["f"], v["g"], v["o"], math.tanh(v["c"])
    u = o * (1 - tanh_c**2)
    P = {"i": g * i * (1 - i) * U[0], "f": c_before * f * (1 - f) * U[1], "g": i * (1 - g * g) * U[2]}
    expected = {"carousel": [[0, u * f], [0, f]], "o": [[tanh_c * o * (1 - o) * U[3], 0], [0, 0]]}
    expected |= {route: [[u * p, 0], [p, 0]] for route, p in P.items()}
    for route, block in expected.items():
        torch.testing.assert_close(found[route], torch.tensor(block, dtype=torch.float64), rtol=1e-13, atol=1e-15)


def test_jacobians_that_would_fill_the_memory_are_refused_with_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = layer_of("lstm", T=400, B=4, H=64)
    size = 400 * 4 * (2 * 64) ** 2 * 8 * 6

    def never(*_: object) -> None:
        raise AssertionError("it was tried")

    with monkeypatch.context() as patch:
        patch.setattr(routes, "_by_slopes", never)
        with pytest.raises(engine.DataError, match=rf"{size / 2**30:.1f} GiB.*fewer steps or one sample\.$") as refused:
            jacobians(layer)
    assert "400 × 4" in str(refused.value)
    small = layer_of("lstm", T=5, B=2, H=3)
    monkeypatch.setattr(routes, "LIMIT", 5 * 2 * 6 * 6 * 8 * 6)
    assert jacobians(small)["total"].shape == (5, 2, 6, 6)
    monkeypatch.setattr(routes, "LIMIT", 5 * 2 * 6 * 6 * 8 * 6 - 1)
    with pytest.raises(engine.DataError):
        jacobians(small)
    assert jacobians(small, (1, 4))["total"].shape == (4, 2, 6, 6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_routes_add_up_to_what_bptt_hands_back(kind: str) -> None:
    layer = layer_of(kind, T=5, B=3)
    parts = step_back(layer.rules, layer.weights["weight_hh"], layer.values, layer.before, layer.grads)
    expected = layer.recurrence.handed_back(layer.values, layer.grads)
    assert sorted(parts) == sorted(ROUTES[layer.cell])
    for s in states(kind):
        total = sum(part[s] for part in parts.values() if s in part)
        torch.testing.assert_close(total, expected[s], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_a_vjp_is_the_product_with_the_jacobian(kind: str) -> None:
    layer = layer_of(kind, T=4, B=3, H=5)
    S = 5 * len(states(kind))
    rows = draw(7, S)
    for t, b in ((1, 0), (4, 2)):
        found = jacobians(layer, t, b)
        torch.testing.assert_close(vjp(layer, t, rows, b), rows @ found["total"][0, 0], rtol=1e-12, atol=1e-14)
        for open_ in ([ROUTES[layer.cell][0]], ROUTES[layer.cell][-2:]):
            expected = rows @ sum(found[route][0, 0] for route in open_)
            torch.testing.assert_close(vjp(layer, t, rows, b, open_), expected, rtol=1e-12, atol=1e-14)
    assert vjp(layer, 2, rows[:0]).shape == (0, S)


def test_a_vjp_is_computed_in_the_type_of_its_cotangents() -> None:
    layer = layer_of("lstm", T=3, B=1, dtype=torch.float32)
    rows = draw(2, 8)
    expected = rows @ sum(by_jacrev(layer, 3, 0).values())
    assert vjp(layer, 3, rows.float()).dtype == torch.float32
    # Not to float64's precision: the recorded gates were rounded to float32.
    torch.testing.assert_close(vjp(layer, 3, rows), expected, rtol=1e-5, atol=1e-6)

"""The share of each route in the gradient that passes, whatever its size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from route_layers import (
    CLOSE,
    KINDS,
    by_jacrev,
    draw,
    every_step,
    layer_of,
    logs,
    of_any_layer,
    states,
)
from torch import Tensor
from unrolled import module, unrolled

import engine
from engine.cell_series import _extras
from engine.layer_trace import LayerTrace
from engine.quantities import ROUTES
from engine.route_products import carried, product
from engine.route_shares import RouteShares, route_shares
from engine.routes import jacobians, vjp


def with_grads(layer: LayerTrace, change: Callable[[Tensor], Tensor]) -> LayerTrace:
    """The same trace, as if BPTT had recorded other total gradients."""
    return LayerTrace.from_parts(
        layer.cell, layer.activation, layer.x, layer.weights, layer.initial, layer.values, layer.output_grads,
        grads={s: change(g) for s, g in layer.grads.items()}, initial_grads=layer.initial_grads,
    )  # fmt: skip


@of_any_layer(most_steps=6)
def test_shares_are_those_of_the_jacobians_parts(
    kind: str, T: int, B: int, H: int, dtype: torch.dtype, **drawn: Any
) -> None:
    layer = layer_of(kind, T, B, H, dtype=dtype, **drawn)
    found = route_shares(layer)
    names = states(kind)
    for t in range(1, T + 1):
        for b in range(B):
            d = {s: layer.grads[s][t - 1, b].double() for s in names}
            reaching = dict(d)
            if kind == "lstm":  # what reaches c through h is in the Jacobian, ∂h/∂c₋, so it must not come in twice
                o, c = layer.values["o"][t - 1, b].double(), layer.values["c"][t - 1, b].double()
                reaching["c"] = d["c"] - d["h"] * o * (1 - c.tanh() ** 2)
            row = torch.cat([reaching[s] for s in names])
            parts = {route: row @ J for route, J in by_jacrev(layer, t, b).items()}
            check(found, t, b, parts, torch.cat(list(d.values())), CLOSE[dtype])
            for s, part in zip(names, range(0, H * len(names), H), strict=True):
                own = {route: v[part : part + H] for route, v in parts.items() if route in found.by_state[s].shares}
                assert all((v[part : part + H] == 0).all() for r, v in parts.items() if r not in own)
                check(found.by_state[s], t, b, own, None, CLOSE[dtype])


def check(found, t: int, b: int, parts: dict[str, Tensor], delta: Tensor | None, tolerance: float) -> None:
    v = sum(parts.values())
    size, largest = float(v.norm()), max(float(part.norm()) for part in parts.values())
    seen = {route: float(share[t - 1, b]) for route, share in found.shares.items()}
    norms = {route: float(norm[t - 1, b]) for route, norm in found.log10_norms.items()}
    assert set(seen) == set(parts)
    assert set(norms) == {*parts, "total"}
    if size <= 1e-14 * largest:
        assert largest > 0 or all(math.isnan(share) for share in seen.values())
        return
    assert sum(seen.values()) == pytest.approx(1.0, abs=1e-12 * (largest / size) ** 2)
    off = 4 * tolerance * (largest / size) ** 2
    for route, part in parts.items():
        assert seen[route] == pytest.approx(float(part @ v) / size**2, abs=off), route
        assert 10 ** norms[route] == pytest.approx(float(part.norm()), rel=tolerance, abs=tolerance * largest), route
    assert 10 ** norms["total"] == pytest.approx(size, rel=off)
    if delta is not None:
        assert float(found.ratio[t - 1, b]) == pytest.approx(size / float(delta.norm()), rel=off)


@pytest.mark.parametrize("kind", KINDS)
def test_what_passes_is_what_autograd_finds_one_step_earlier(kind: str) -> None:
    """The gradient that passes is the total of the states before, less what their own step's loss brings."""
    model, x = module(kind, 3, 4), draw(6, 2, 3)
    layer, reference = engine.trace(model, x, loss=every_step)["l0"], unrolled(model, x, every_step)
    found = route_shares(layer)
    total = {s: torch.cat([reference.initial_grads[s][None], reference.grads[s][:-1]]) for s in states(kind)}
    direct = torch.cat([torch.zeros_like(layer.output_grads[:1]), layer.output_grads[:-1]])
    passed = {**total, "h": total["h"] - direct}
    if kind == "lstm":  # autograd's total of c₋ has what comes from h₋ at the same step
        o, c = (torch.cat([torch.zeros_like(reference.values[s][:1]), reference.values[s][:-1]]) for s in "oc")
        passed["c"] = total["c"] - total["h"] * o * (1 - c.tanh() ** 2)
    for s in states(kind):
        torch.testing.assert_close(found.by_state[s].log10_norms["total"], logs(passed[s]), rtol=1e-10, atol=1e-10)
    joint = logs(torch.cat([passed[s] for s in states(kind)], -1))
    torch.testing.assert_close(found.log10_norms["total"], joint, rtol=1e-10, atol=1e-10)


def same(found: RouteShares, expected: RouteShares, shift: float) -> None:
    for ours, theirs in ((found, expected), *((found.by_state[s], expected.by_state[s]) for s in found.by_state)):
        for route, share in theirs.shares.items():
            torch.testing.assert_close(ours.shares[route], share, rtol=1e-9, atol=1e-11, equal_nan=True)
            torch.testing.assert_close(ours.log10_norms[route], theirs.log10_norms[route] + shift, rtol=0, atol=1e-9)
    torch.testing.assert_close(found.ratio, expected.ratio, rtol=1e-10, atol=0, equal_nan=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("dtype", "powers"), [(torch.float64, (-990, -300, 990)), (torch.float32, (-100, 100))], ids=["float64", "float32"]
)
def test_shares_do_not_hang_on_how_large_the_gradients_are(kind: str, dtype: torch.dtype, powers: tuple) -> None:
    """1e-298, 1e298; in float32 1e-30 and 1e30. A power of two leaves the gradients' digits as they are."""
    layer = layer_of(kind, T=5, B=2, dtype=dtype)
    expected = route_shares(layer)
    for power in powers:
        scaled = with_grads(layer, lambda g, by=2.0**power: g * by)
        same(route_shares(scaled), expected, power * math.log10(2))


@pytest.mark.parametrize("kind", KINDS)
def test_steps_taken_in_pieces_are_the_same_steps(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = layer_of(kind, T=7, B=3)
    whole, one = route_shares(layer), route_shares(layer, sample=1)
    ways = {"all": None, "some": ROUTES[layer.cell][:2]}
    back = {name: carried(layer, only) for name, only in ways.items()}
    monkeypatch.setattr("engine.route_shares.WORKING", 2 * 3 * 4)
    monkeypatch.setattr("engine.route_products.WORKING", 2 * 3 * 4)
    pieces = route_shares(layer)
    for route, share in whole.shares.items():
        torch.testing.assert_close(pieces.shares[route], share, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(one.shares[route], share[:, 1:2], rtol=1e-12, atol=1e-14)
    for name, only in ways.items():
        for state, curve in carried(layer, only).items():
            assert torch.equal(curve, back[name][state])
            alone = carried(layer, only, sample=1)[state]
            torch.testing.assert_close(alone, curve[:, 1:2], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_share_is_nan_and_nothing_raises(kind: str) -> None:
    layer = layer_of(kind, T=4, B=3)

    def spoilt(g: Tensor) -> Tensor:
        g = g.clone()
        g[0, 0], g[1, 0], g[2, 0], g[3, 0] = 0.0, math.inf, math.nan, 1e-320
        return g

    found, untouched = route_shares(with_grads(layer, spoilt)), route_shares(layer)
    for route, share in found.shares.items():
        assert share[:3, 0].isnan().all()
        assert share[3, 0].isfinite()
        torch.testing.assert_close(share[:, 1:], untouched.shares[route][:, 1:], rtol=1e-12, atol=1e-14)
    total = found.log10_norms["total"]
    assert total[0, 0] == -math.inf
    assert not total[1, 0].isfinite()
    assert total[2, 0].isnan()
    assert -322 < total[3, 0] < -318
    assert found.ratio[:3, 0].isnan().all()
    assert all(array.isnan().any() for array in carried(with_grads(layer, spoilt), start=3).values())
    for t in range(1, 5):
        bad = torch.full((1, 4 * len(states(kind))), (0.0, math.inf, math.nan, 1e-320)[t - 1], dtype=torch.float64)
        vjp(layer, t, bad)


def test_a_state_that_nothing_reaches_has_no_shares_and_changes_none() -> None:
    """Every forget gate of step 3 is exactly shut: nothing comes to c₋, and what comes to h₋ is all there is."""
    layer = layer_of("lstm", T=5, B=2)
    values = {**layer.values, "f": layer.values["f"].clone()}
    values["f"][2] = 0.0
    shut = LayerTrace.from_parts(
        layer.cell, layer.activation, layer.x, layer.weights, layer.initial, values, layer.output_grads
    )
    found = route_shares(shut)
    assert (found.shares["carousel"][2] == 0).all()
    assert (found.log10_norms["carousel"][2] == -math.inf).all()
    assert found.by_state["c"].shares["carousel"][2].isnan().all()
    for route in "ifgo":
        assert torch.equal(found.shares[route][2], found.by_state["h"].shares[route][2])
    torch.testing.assert_close(sum(found.shares.values()), torch.ones(5, 2, dtype=torch.float64), rtol=1e-10, atol=0)


def test_shares_are_undefined_where_one_state_alone_ran_away() -> None:
    """h's gradient at step 2 is infinite, that of c is not: c₋ by itself has a share, h and c together have none."""
    layer = layer_of("lstm", T=4, B=1, H=1)
    grads = {s: g.clone() for s, g in layer.grads.items()}
    grads["h"][1] = math.inf
    parts = (layer.cell, layer.activation, layer.x, layer.weights, layer.initial, layer.values, layer.output_grads)
    found = route_shares(LayerTrace.from_parts(*parts, grads=grads, initial_grads=layer.initial_grads))
    assert all(share[1].isnan().all() for share in found.shares.values())
    assert all(share[1].isnan().all() for share in found.by_state["h"].shares.values())
    assert found.by_state["c"].shares["carousel"][1] == pytest.approx(1.0, rel=1e-12)
    assert found.log10_norms["carousel"][1].isfinite()
    assert found.log10_norms["total"][1] == math.inf


@pytest.mark.parametrize("kind", KINDS)
def test_values_that_are_not_finite_spoil_their_own_step(kind: str) -> None:
    """A unit that ran away at step 3: the Jacobians of the other steps and samples stay as they are."""
    layer = layer_of(kind, T=5, B=2)
    values = {name: value.clone() for name, value in layer.values.items()}
    for name, value in values.items():
        value[2, 0, 1] = math.nan if name != "h" or kind == "tanh" else math.inf
    bad = LayerTrace.from_parts(
        layer.cell, layer.activation, layer.x, layer.weights, layer.initial, values, layer.output_grads
    )
    good, found = jacobians(layer)["total"], jacobians(bad)["total"]
    for t in (0, 1, 4):
        assert torch.equal(found[t], good[t])
    assert torch.equal(found[:, 1], good[:, 1])
    if kind != "relu":  # whose slope is 1 there
        assert not found[2, 0, 1].isfinite().all()
    assert torch.equal(found[2, 0, 0], good[2, 0, 0]), "the rows of other units stay"
    route_shares(bad)
    product(bad, 5, 0)
    carried(bad)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_as_traced_a_subnormal_part_is_what_the_traces_own_arithmetic_makes_of_it(
    kind: str, dtype: torch.dtype
) -> None:
    """Gradients of a few of the smallest numbers that there are: what is exact and what is rounded differ by half."""
    tiny = torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps
    layer = layer_of(kind, T=6, B=2, dtype=dtype)
    direct = torch.full_like(layer.output_grads, 9 * tiny)
    layer = LayerTrace.from_parts(
        layer.cell, layer.activation, layer.x, layer.weights, layer.initial, layer.values, direct
    )
    found, exact = route_shares(layer, 1, as_traced=True), route_shares(layer, 1)
    past = {"lstm": ("carousel", "c", "f"), "gru": ("leak", "h", "z")}.get(layer.cell)
    if past is None:  # an RNN's only route: as the cell panel has it, step by step
        route, product = "a", _extras(layer, 1, slice(None))["sent.h"].numpy()
    else:
        route, state, gate = past
        product = layer.grads[state][:, 1].numpy() * layer.values[gate][:, 1].numpy()
    assert product.dtype == str(dtype).removeprefix("torch.")
    sizes = np.linalg.norm(product.astype(np.float64) / tiny, axis=-1)  # in units of the smallest number there is
    size = found.log10_norms[route][:, 0]
    expected = torch.from_numpy(sizes).log10() + math.log10(tiny)
    torch.testing.assert_close(size, expected, rtol=0, atol=1e-9)
    away = (exact.log10_norms[route][:, 0] - size)[size.isfinite()].abs()
    assert float(away.max()) > 1e-3, "the exact ones are others"


def test_as_traced_what_is_not_subnormal_is_the_same_to_the_bit() -> None:
    layer = layer_of("lstm", T=5, B=2, dtype=torch.float32)
    found, exact = route_shares(layer, as_traced=True), route_shares(layer)
    for route in ROUTES["lstm"]:
        assert torch.equal(found.shares[route], exact.shares[route])
        assert torch.equal(found.log10_norms[route], exact.log10_norms[route])

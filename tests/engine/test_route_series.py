"""Where the gradient goes: the series of the cell panel, against autograd, in both directions of a layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import engine
from engine import operations
from engine.cell_series import route_series
from engine.quantities import GATES, ROUTES
from engine.requests import Computed, Excerpt, Look
from engine.sources import traced
from engine.spec import AddingTask, CellKind, Cut, Experiment, LayerSpec, ModelSpec, ReadoutSpec, WhatIf

T, B, D, H = 7, 2, 3, 5
SAMPLE = 1


def parts_by_autograd(module: nn.Module, cell: CellKind, x: Tensor, weight: Tensor, *, reverse: bool) -> list[dict]:
    """Of each step, what each route hands to the states before it: gradients of noughts that are added to the states
    where a gate (or the way past the weights) reads them. The loss is Σ weight ⊙ h."""
    suffix = "_l0_reverse" if reverse else "_l0"
    W, U, b, c = (getattr(module, name + suffix) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    h = state = torch.zeros(H, dtype=x.dtype)
    loss, noughts = torch.zeros((), dtype=x.dtype), [dict[str, Tensor]() for _ in range(T)]
    for t in range(T - 1, -1, -1) if reverse else range(T):
        own = noughts[t]
        for route in ROUTES[cell]:
            own[route] = torch.zeros(H, dtype=x.dtype, requires_grad=True)
        side = (W @ x[t] + b).chunk(len(GATES[cell]))
        blocks, shifts = U.chunk(len(GATES[cell])), c.chunk(len(GATES[cell]))
        gates = [
            block @ (h + own[gate or "a"]) + shift
            for gate, block, shift in zip(GATES[cell], blocks, shifts, strict=True)
        ]
        if cell == "rnn":
            h = torch.tanh(side[0] + gates[0])
        elif cell == "lstm":
            i, f, g, o = (a + s for a, s in zip(gates, side, strict=True))
            state = f.sigmoid() * (state + own["carousel"]) + i.sigmoid() * g.tanh()
            h = o.sigmoid() * state.tanh()
        else:
            r, z = (side[0] + gates[0]).sigmoid(), (side[1] + gates[1]).sigmoid()
            n = torch.tanh(side[2] + r * gates[2])
            h = (1 - z) * n + z * (h + own["leak"])
        loss = loss + (weight[t] * h).sum()
    loss.backward()
    return [{route: nought.grad for route, nought in own.items()} for own in noughts]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_shares_and_norms_are_autograds_and_the_shares_add_up_to_the_whole(cell: CellKind, reverse: bool) -> None:
    torch.manual_seed(3)
    make = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell]
    module = make(D, H, bidirectional=True).double()
    x, weight = torch.randn(T, B, D, dtype=torch.float64), torch.randn(T, B, 2 * H, dtype=torch.float64)
    trace = engine.trace(module, x, loss=lambda y: (y * weight).sum())
    found = route_series(trace["l0_reverse" if reverse else "l0"], SAMPLE)
    half = slice(H, None) if reverse else slice(0, H)
    expected = parts_by_autograd(module, cell, x[:, SAMPLE], weight[:, SAMPLE, half], reverse=reverse)
    past = "carousel" if cell == "lstm" else None
    for t in range(T):
        # h and c before the step as one vector: every route but the carousel reaches h alone.
        whole_h = sum(part for route, part in expected[t].items() if route != past)
        whole = torch.cat([whole_h, expected[t][past]]) if past else whole_h
        total = float(whole.norm())
        assert 10 ** float(found["route_log10.total"][t]) == pytest.approx(total, rel=1e-10)
        shares = {route: float(found[f"route.{route}"][t]) for route in ROUTES[cell]}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-12)
        for route, part in expected[t].items():
            along = whole[H:] if route == past else whole[:H]
            assert shares[route] == pytest.approx(float(part @ along) / total**2, rel=1e-9, abs=1e-12)
            assert 10 ** float(found[f"route_log10.{route}"][t]) == pytest.approx(float(part.norm()), rel=1e-10)


def experiment() -> Experiment:
    layer = LayerSpec(cell="lstm", hidden_size=4, bidirectional=True)
    model = ModelSpec(layers=(layer, layer), readout=ReadoutSpec(at="every"))
    return Experiment(model=model, task=AddingTask(steps=6, batch_size=3), dtype="float64", device="cpu", seed=1)


def looked(**wanted: object) -> Excerpt:
    source = Computed(experiment(), what_if=WhatIf(cuts=(Cut(route="carousel", layer="l1_reverse"),)))
    found = operations.run("excerpt", Look(source, (), sample=2, **wanted))  # type: ignore[arg-type]
    assert isinstance(found, Excerpt)
    return found


def test_an_excerpt_has_the_routes_of_the_layer_on_screen_whichever_unit_is_looked_at() -> None:
    source = Computed(experiment(), what_if=WhatIf(cuts=(Cut(route="carousel", layer="l1_reverse"),)))
    for layer in ("l0_reverse", "l1_reverse"):
        expected = route_series(traced(source)[0].trace.layers[layer], 2)
        for unit in (None, 3):
            series = looked(layer=layer, unit=unit).cell_series
            for key, array in expected.items():
                np.testing.assert_array_equal(series[key], array.numpy())
    shown = looked(layer="l1_reverse")
    assert shown.focus.cuts == {"carousel"}
    assert shown.of("l1").cuts == frozenset()
    assert np.all(shown.cell_series["route.carousel"][:-1] == 0)


def test_without_being_wanted_they_are_not_computed() -> None:
    assert not any(key.startswith("route") for key in looked(routes=False).cell_series)

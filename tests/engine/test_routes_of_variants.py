"""Routes of layers that normalise, drop, hold gates, run the other way, or have padding."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

import engine
from engine.layer_trace import LayerTrace
from engine.network import Network
from engine.quantities import GATES, ROUTES, STATES
from engine.routes import vjp
from engine.spec import (
    AddingTask,
    Clamp,
    Cut,
    Experiment,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    RecurrentDropoutSpec,
    WhatIf,
)

CELLS = ("rnn", "lstm", "gru")
HELD = {"lstm": ("f", "g"), "gru": ("z", "n"), "rnn": ()}


def trace_of(
    cell: str, what_if: WhatIf | None = None, shortest: int | None = None, H: int = 4, **layer: object
) -> engine.Trace:
    spec = LayerSpec(cell=cell, hidden_size=H, **layer)  # type: ignore[arg-type]
    model = ModelSpec(layers=(spec,), readout=ReadoutSpec(at="every"))
    task = AddingTask(steps=7, batch_size=3, shortest=shortest)
    return Network(Experiment(model=model, task=task, dtype="float64", seed=5), None, what_if or WhatIf()).trace()


def held(cell: str) -> WhatIf:
    return WhatIf(clamps=tuple(Clamp(gate=gate, value=0.3, first=2, last=5, units=(1, 3)) for gate in HELD[cell]))


def one_step(layer: LayerTrace, t: int, b: int, state: Tensor) -> Tensor:
    """(h, c) of sample b before step t → after it: the equations of the book in plain torch, t from 1."""
    H, w, gates = layer.hidden_size, layer.weights, GATES[layer.cell]
    h = state[:H]
    met = h if layer.drop is None else h * layer.drop[t - 1 if len(layer.drop) > 1 else 0, b]
    of_x = linear(layer.x[t - 1, b], w["weight_ih"], w["bias_ih"]).chunk(len(gates))
    of_h = linear(met, w["weight_hh"], w["bias_hh"]).chunk(len(gates))

    def normed(place: int, s: Tensor) -> Tensor:
        if "norm_weight" not in w:
            return s
        gamma, beta = (w[name].chunk(len(gates))[place] for name in ("norm_weight", "norm_bias"))
        return layer_norm(s, (H,), gamma, beta, layer.norm_eps)

    def gate(name: str, value: Tensor) -> Tensor:
        if name not in layer.held:
            return value
        return torch.where(layer.held[name].where[t - 1, 0], layer.held[name].value[t - 1, 0], value)

    if layer.cell == "rnn":
        return normed(0, of_x[0] + of_h[0]).tanh()
    if layer.cell == "lstm":
        i, f, g, o = (normed(k, x + u) for k, (x, u) in enumerate(zip(of_x, of_h, strict=True)))
        c = gate("f", f.sigmoid()) * state[H:] + gate("i", i.sigmoid()) * gate("g", g.tanh())
        return torch.cat([gate("o", o.sigmoid()) * c.tanh(), c])
    r, z = (gate(name, normed(k, of_x[k] + of_h[k]).sigmoid()) for k, name in enumerate("rz"))
    n = gate("n", normed(2, of_x[2] + r * of_h[2]).tanh())
    return (1 - z) * n + z * h


def state_before(layer: LayerTrace, t: int, b: int) -> Tensor:
    return torch.cat([layer.before[s][t - 1, b] for s in STATES[layer.cell]])


VARIANTS = {
    "layer normalisation": {"layer_norm": True},
    "fresh masks": {"recurrent_dropout": RecurrentDropoutSpec(p=0.4, mask="step")},
    "one mask": {"recurrent_dropout": RecurrentDropoutSpec(p=0.4)},
    "normalised and dropped": {"layer_norm": True, "recurrent_dropout": RecurrentDropoutSpec(p=0.4)},
}


@pytest.mark.parametrize("holding", [False, True], ids=["free", "held"])
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
@pytest.mark.parametrize("cell", CELLS)
def test_the_jacobians_are_those_of_the_step(cell: str, variant: dict[str, object], holding: bool) -> None:
    trace = trace_of(cell, held(cell) if holding else None, shortest=4, bidirectional=True, **variant)
    for layer in trace.layers.values():
        found = layer.jacobians()
        assert layer.mask is not None
        for t in range(1, layer.steps + 1):
            for b in range(layer.batch_size):
                if not layer.mask[t - 1, b]:
                    assert all(part[t - 1, b].isnan().all() for part in found.values())
                    continue
                expected = torch.func.jacrev(lambda s, t=t, b=b, layer=layer: one_step(layer, t, b, s))(
                    state_before(layer, t, b)
                )
                torch.testing.assert_close(found["total"][t - 1, b], expected, rtol=1e-10, atol=1e-12)
                rows = torch.eye(len(expected), dtype=torch.float64)
                torch.testing.assert_close(vjp(layer, t, rows, b), expected, rtol=1e-10, atol=1e-12)
        parts = sum(part for route, part in found.items() if route != "total")
        torch.testing.assert_close(parts, found["total"], rtol=1e-12, atol=1e-14, equal_nan=True)


@pytest.mark.parametrize("cell", CELLS)
def test_what_passes_is_what_the_next_step_s_total_is_made_of(cell: str) -> None:
    """In both directions, with padding: δh_{t−1} less its direct part is the norm of what the routes carry in all."""
    trace = trace_of(cell, shortest=4, bidirectional=True)
    for layer in trace.layers.values():
        shares = layer.route_shares()
        total = sum(part for part in shares.shares.values())
        assert layer.mask is not None
        for b in range(layer.batch_size):
            own = range(int(layer.mask[:, b].sum()))
            for t in own:
                earlier = t + 1 if layer.reverse else t - 1
                assert float(total[t, b]) == pytest.approx(1.0, abs=1e-12)
                if earlier not in own:
                    continue
                passed = layer.grads["h"][earlier, b] - layer.output_grads[earlier, b]
                log_norm = math.log10(float(torch.linalg.vector_norm(passed)))
                assert float(shares.by_state["h"].log10_norms["total"][t, b]) == pytest.approx(log_norm, abs=1e-9)
        assert total[~layer.mask].isnan().all()


@pytest.mark.parametrize("cell", CELLS)
def test_carried_starts_at_each_sample_s_own_end(cell: str) -> None:
    """The gradient of the last state alone, carried back, is autograd's on the unrolled steps."""
    trace = trace_of(cell, shortest=4, bidirectional=True)
    for layer in trace.layers.values():
        carried = layer.carried()
        assert layer.mask is not None
        for b in range(layer.batch_size):
            steps = [t for t in range(1, layer.steps + 1) if layer.mask[t - 1, b]]
            steps = steps[::-1] if layer.reverse else steps
            end = steps[-1]
            states = [state_before(layer, steps[0], b).requires_grad_()]
            for t in steps:
                states.append(one_step(layer, t, b, states[-1]))
            H = layer.hidden_size
            sent = torch.cat([layer.grads[s][end - 1, b] for s in STATES[layer.cell]])
            if layer.cell == "lstm":  # ∂L/∂c is total: what comes through h is counted at c
                v = {name: value[end - 1, b] for name, value in layer.values.items()}
                sent[H:] -= sent[:H] * v["o"] * (1 - v["c"].tanh() ** 2)
            for at, t in enumerate(steps[:-1]):
                (grad,) = torch.autograd.grad(states[-1], states[at + 1], sent, retain_graph=True)
                expected = math.log10(float(torch.linalg.vector_norm(grad[:H])))
                assert float(carried["h"][t - 1, b]) == pytest.approx(expected, abs=1e-9)
        assert carried["h"][~layer.mask].isnan().all()


def test_products_run_the_layer_s_own_way_and_within_the_sample() -> None:
    trace = trace_of("gru", shortest=4, bidirectional=True)
    for layer in trace.layers.values():
        assert layer.lengths is not None
        n = int(layer.lengths[0])
        t1, t0 = (1, n + 1) if layer.reverse else (n, 0)
        found = layer.product(t1, t0)
        steps = range(n, 0, -1) if layer.reverse else range(1, n + 1)
        expected = torch.eye(layer.hidden_size, dtype=torch.float64)
        for t in steps:
            expected = layer.jacobians(t, 0)["total"][0, 0] @ expected
        torch.testing.assert_close(found.matrix * math.exp(found.log_scale), expected, rtol=1e-10, atol=1e-12)
        short = int(layer.lengths.argmin())
        beyond = (1, layer.steps + 1) if layer.reverse else (layer.steps, 0)
        with pytest.raises(engine.DataError, match=f"≤ {int(layer.lengths[short]) + layer.reverse} is"):
            layer.product(*beyond, sample=short)


@pytest.mark.parametrize("cell", CELLS)
def test_a_route_that_is_cut_carries_nothing_back_and_is_there_forward(cell: str) -> None:
    for route in ROUTES[cell]:
        layer = trace_of(cell, WhatIf(cuts=(Cut(route=route),)))["l0"]
        shares = layer.route_shares()
        assert (shares.log10_norms[route] == -math.inf).all()
        if cell == "rnn":
            continue
        assert (shares.shares[route] == 0).all()
        assert (layer.jacobians()[route] != 0).any()
        for t in range(1, layer.steps):
            passed = layer.grads["h"][t - 1] - layer.output_grads[t - 1]
            expected = torch.linalg.vector_norm(passed, dim=1).log10()
            torch.testing.assert_close(shares.by_state["h"].log10_norms["total"][t], expected, rtol=1e-9, atol=1e-9)

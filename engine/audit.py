"""The error of a trace against autograd, quantity by quantity, computed afresh and without engine.cells.

Two right computations of a chaotic forward pass differ by 1e-3 after 100 steps, and two of a saturated gate's
derivative by one part in a few. So the forward pass is checked one step at a time, each from the recorded states, and
the backward pass is autograd AT THE RECORDED VALUES: every activation of the unrolled graph is set to what the trace
recorded, before the next one is made of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import linear

from engine.measure import TOLERANCE, worst_step
from engine.precision import arithmetic
from engine.quantities import GATES, QUANTITIES, STATES
from engine.requests import Audit, AuditRow

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace
    from engine.tracing import Trace


def audit_trace(trace: Trace) -> Audit:
    """Every quantity of every layer, by the names that `Trace.numpy()` has: "l0.grads.h"."""
    audits = {name: layer.audit() for name, layer in trace.layers.items()}
    rows = [replace(row, quantity=f"{name}.{row.quantity}") for name, audit in audits.items() for row in audit.rows]
    return Audit(tuple(rows), next(iter(audits.values())).tolerance)


def audit_layer(layer: LayerTrace) -> Audit:
    """Every quantity of one layer: "values.f", "grads.a_f", "initial_grads.h", "weight_grads.weight_hh", …"""
    with arithmetic(layer.x, grad=True):
        graph = _Unrolled(layer)
        reference = graph.differentiate()
    symbols = [q.symbol for q in QUANTITIES[layer.cell]]
    rows = [_row(f"values.{s}", layer.values[s], reference[f"values.{s}"]) for s in symbols]
    rows += [_row(f"grads.{s}", layer.grads[s], reference[f"grads.{s}"]) for s in symbols]
    for state in STATES[layer.cell]:
        ours_0, reference_0 = layer.initial_grads[state], reference[f"initial_grads.{state}"]
        rows.append(replace(_row(f"initial_grads.{state}", ours_0[None], reference_0[None]), step=0))
    for name in layer.weights:
        # Each gate's block by itself: a quiet gate must not hide behind a loud one.
        count = len(GATES[layer.cell])
        pair = (g.reshape(count, -1) for g in (layer.weight_grads[name], reference[f"weight_grads.{name}"]))
        rows.append(replace(_row(f"weight_grads.{name}", *pair), step=0))
    rows.append(_row("input_grad", layer.input_grad, reference["input_grad"]))
    return Audit(tuple(rows), TOLERANCE[layer.x.dtype])


def _row(quantity: str, ours: Tensor, reference: Tensor) -> AuditRow:
    return AuditRow(quantity, *worst_step(ours, reference))


class _Unrolled:
    """The layer as a loop of plain torch operations, pinned to the recorded values."""

    def __init__(self, layer: LayerTrace) -> None:
        self._layer = layer
        self._weights = {name: w.detach().clone().requires_grad_() for name, w in layer.weights.items()}
        self._initial = {s: h.detach().clone().requires_grad_() for s, h in layer.initial.items()}
        self._inputs = [x_t.detach().clone().requires_grad_() for x_t in layer.x]
        self._nodes: dict[str, list[Tensor]] = defaultdict(list)
        self._computed: dict[str, list[Tensor]] = defaultdict(list)
        state: Mapping[str, Tensor] = self._initial
        for t in range(layer.steps):
            state = getattr(self, f"_{layer.cell}")(t, state)

    def differentiate(self) -> dict[str, Tensor]:
        """The reference for every quantity."""
        layer, nodes = self._layer, self._nodes
        inputs: dict[str, list[Tensor]] = {f"grads.{symbol}": made for symbol, made in nodes.items()}
        inputs |= {f"initial_grads.{s}": [leaf] for s, leaf in self._initial.items()}
        inputs |= {f"weight_grads.{name}": [leaf] for name, leaf in self._weights.items()}
        inputs["input_grad"] = self._inputs
        outputs, arriving = list(nodes["h"]), list(layer.output_grads)
        arriving[-1] = arriving[-1] + layer.final_grads["h"]
        if "c" in nodes:
            outputs.append(nodes["c"][-1])
            arriving.append(layer.final_grads["c"])
        flat = [node for made in inputs.values() for node in made]
        found = iter(torch.autograd.grad(outputs, flat, arriving))
        reference: dict[str, Tensor] = {}
        for name, made in inputs.items():
            grads = [next(found) for _ in made]
            reference[name] = torch.stack(grads) if name.startswith(("grads.", "input_grad")) else grads[0]
        return reference | {f"values.{symbol}": torch.stack(made) for symbol, made in self._computed.items()}

    def _pin(self, t: int, symbol: str, node: Tensor, computed: Tensor | None = None) -> Tensor:
        """Keeps what was computed, for comparison, and sets the node to what was recorded.

        Through `.data`, so that autograd takes the recorded value for the one that it saved.
        """
        self._computed[symbol].append((node if computed is None else computed).detach().clone())
        node.data.copy_(self._layer.values[symbol][t])
        self._nodes[symbol].append(node)
        return node

    def _sides(self, t: int, h: Tensor) -> tuple[Tensor, Tensor]:
        w = self._weights
        return (
            linear(self._inputs[t], w["weight_ih"], w.get("bias_ih")),
            linear(h, w["weight_hh"], w.get("bias_hh")),
        )

    def _own(self, t: int) -> list[Tensor | None]:
        """The parameters as torch's own cells take them."""
        return [self._layer.weights.get(name) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]

    def _rnn(self, t: int, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x_side, h_side = self._sides(t, state["h"])
        a = self._pin(t, "a", x_side + h_side)
        relu = self._layer.activation == "relu"
        own_cell = torch.rnn_relu_cell if relu else torch.rnn_tanh_cell
        own = own_cell(self._inputs[t].detach(), state["h"].detach(), *self._own(t))  # type: ignore[arg-type]
        return {"h": self._pin(t, "h", a.relu() if relu else a.tanh(), own)}

    def _lstm(self, t: int, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x_side, h_side = self._sides(t, state["h"])
        a_i, a_f, a_g, a_o = (
            self._pin(t, f"a_{gate}", a) for gate, a in zip("ifgo", (x_side + h_side).chunk(4, -1), strict=True)
        )
        i, f = self._pin(t, "i", a_i.sigmoid()), self._pin(t, "f", a_f.sigmoid())
        g, o = self._pin(t, "g", a_g.tanh()), self._pin(t, "o", a_o.sigmoid())
        before = [state["h"].detach(), state["c"].detach()]
        own_h, own_c = torch.lstm_cell(self._inputs[t].detach(), before, *self._own(t))  # type: ignore[arg-type]
        c = self._pin(t, "c", f * state["c"] + i * g, own_c)
        return {"h": self._pin(t, "h", o * c.tanh(), own_h), "c": c}

    def _gru(self, t: int, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x_side, h_side = self._sides(t, state["h"])
        (x_r, x_z, x_n), (h_r, h_z, q) = x_side.chunk(3, -1), h_side.chunk(3, -1)
        q = self._pin(t, "q", q)
        a_r, a_z = self._pin(t, "a_r", x_r + h_r), self._pin(t, "a_z", x_z + h_z)
        r, z = self._pin(t, "r", a_r.sigmoid()), self._pin(t, "z", a_z.sigmoid())
        n = self._pin(t, "n", self._pin(t, "a_n", x_n + r * q).tanh())
        own = torch.gru_cell(self._inputs[t].detach(), state["h"].detach(), *self._own(t))  # type: ignore[arg-type]
        # lerp is (1 − z)⊙n + z⊙h₋, and its derivatives are the textbook's: δz = δh ⊙ (h₋ − n), δn = δh ⊙ (1 − z).
        return {"h": self._pin(t, "h", torch.lerp(n, state["h"], z), own)}

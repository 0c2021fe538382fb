"""A recorded layer's reference: the same layer as a loop of plain torch operations, differentiated by autograd.

Two right computations of a chaotic forward pass differ by 1e-3 after 100 steps, and two of a saturated gate's
derivative by one part in a few. So the forward pass is compared one step at a time, each from the recorded states, and
the backward pass is autograd AT THE RECORDED VALUES: every activation of the unrolled graph is set to what the trace
recorded, before the next one is made of it. Nothing of engine.cells is used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import linear

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace


class Unrolled:
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

    def _own(self, t: int) -> list[Any]:
        """The parameters as torch's own cells take them (None for a bias that is not there, which their stubs deny)."""
        return [self._layer.weights.get(name) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]

    def _rnn(self, t: int, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x_side, h_side = self._sides(t, state["h"])
        a = self._pin(t, "a", x_side + h_side)
        relu = self._layer.activation == "relu"
        own_cell = torch.rnn_relu_cell if relu else torch.rnn_tanh_cell
        own = own_cell(self._inputs[t].detach(), state["h"].detach(), *self._own(t))
        return {"h": self._pin(t, "h", a.relu() if relu else a.tanh(), own)}

    def _lstm(self, t: int, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x_side, h_side = self._sides(t, state["h"])
        a_i, a_f, a_g, a_o = (
            self._pin(t, f"a_{gate}", a) for gate, a in zip("ifgo", (x_side + h_side).chunk(4, -1), strict=True)
        )
        i, f = self._pin(t, "i", a_i.sigmoid()), self._pin(t, "f", a_f.sigmoid())
        g, o = self._pin(t, "g", a_g.tanh()), self._pin(t, "o", a_o.sigmoid())
        before = [state["h"].detach(), state["c"].detach()]
        own_h, own_c = torch.lstm_cell(self._inputs[t].detach(), before, *self._own(t))
        c = self._pin(t, "c", f * state["c"] + i * g, own_c)
        return {"h": self._pin(t, "h", o * c.tanh(), own_h), "c": c}

    def _gru(self, t: int, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x_side, h_side = self._sides(t, state["h"])
        (x_r, x_z, x_n), (h_r, h_z, q) = x_side.chunk(3, -1), h_side.chunk(3, -1)
        q = self._pin(t, "q", q)
        a_r, a_z = self._pin(t, "a_r", x_r + h_r), self._pin(t, "a_z", x_z + h_z)
        r, z = self._pin(t, "r", a_r.sigmoid()), self._pin(t, "z", a_z.sigmoid())
        n = self._pin(t, "n", self._pin(t, "a_n", x_n + r * q).tanh())
        own = torch.gru_cell(self._inputs[t].detach(), state["h"].detach(), *self._own(t))
        # lerp is (1 − z)⊙n + z⊙h₋, and its derivatives are the textbook's: δz = δh ⊙ (h₋ − n), δn = δh ⊙ (1 − z).
        return {"h": self._pin(t, "h", torch.lerp(n, state["h"], z), own)}

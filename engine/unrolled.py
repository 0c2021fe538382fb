"""A recorded layer's reference: the same layer as a loop of plain torch operations, differentiated by autograd.

Two right computations of a chaotic forward pass differ by 1e-3 after 100 steps, and two of a saturated gate's
derivative by one part in a few. So the forward pass is compared one step at a time, each from the recorded states, and
the backward pass is autograd AT THE RECORDED VALUES: every activation of the unrolled graph is set to what the trace
recorded, before the next one is made of it. Nothing of engine.cells is used.

Since every value is pinned, a long layer need not be unrolled as a whole: it is taken some steps at a time, from the
end of its way, each part from the recorded states, and what arrives at its first state goes on into the part before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, leaky_relu, linear

from engine.quantities import GATES

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace

STEPS_AT_ONCE = 64
"""Of a layer that are unrolled together: a part takes some 50 ms, and its graph little memory."""

_OWN_CELLS: dict[str, Any] = {"tanh": torch.rnn_tanh_cell, "relu": torch.rnn_relu_cell}


class Reference:
    """What autograd says of a layer, part by part."""

    def __init__(self, layer: LayerTrace, at_once: int = STEPS_AT_ONCE) -> None:
        self._layer = layer
        way = range(layer.steps)[::-1] if layer.reverse else range(layer.steps)
        self._parts = [way[start : start + at_once] for start in range(0, layer.steps, at_once)]
        self._found: dict[str, list[Tensor]] = defaultdict(list)

    def parts(self) -> Iterator[None]:
        """Makes one with each step of the iterator; `whole` when it has ended."""
        layer, mask = self._layer, self._layer.mask
        arriving: Mapping[str, Tensor] = layer.final_grads
        for steps in reversed(self._parts):
            start = layer.initial
            if steps is not self._parts[0]:
                start = {s: before[steps[0]] for s, before in layer.before.items()}
                if mask is not None:  # in the padding before a reverse layer's first step its state waits
                    there = mask[steps[0]][:, None]
                    start = {s: torch.where(there, state, layer.initial[s]) for s, state in start.items()}
            found = Unrolled(layer, steps, start).differentiate(arriving)
            arriving = {s: found.pop(f"initial_grads.{s}") for s in layer.initial}
            for name, array in found.items():
                self._found[name].append(array)
            yield
        self._arrived = arriving

    def whole(self) -> dict[str, Tensor]:
        """The reference for every quantity."""
        reference = {f"initial_grads.{s}": grad for s, grad in self._arrived.items()}
        for name, parts in self._found.items():
            if name.startswith("weight_grads."):
                reference[name] = sum(parts[1:], parts[0])
            else:
                reference[name] = torch.cat(parts if self._layer.reverse else parts[::-1])
        return reference


class Unrolled:
    """Some steps of the layer as a loop of plain torch operations, pinned to the recorded values. `steps`: from 0, in
    the order in which the layer runs; `start`: the states that the first of them starts from."""

    def __init__(self, layer: LayerTrace, steps: Sequence[int], start: Mapping[str, Tensor]) -> None:
        self._layer = layer
        self._steps = sorted(steps)
        self._weights = {name: w.detach().clone().requires_grad_() for name, w in layer.weights.items()}
        self._initial = {s: h.detach().clone().requires_grad_() for s, h in start.items()}
        self._inputs = {t: layer.x[t].detach().clone().requires_grad_() for t in self._steps}
        self._nodes: dict[str, dict[int, Tensor]] = defaultdict(dict)
        self._computed: dict[str, dict[int, Tensor]] = defaultdict(dict)
        self._mask = layer.mask
        self._plain = "norm_weight" not in layer.weights and layer.drop is None and not layer.held
        self._plain &= layer.rounded is None  # of the gates as they were rounded, torch's cell knows nothing
        state: Mapping[str, Tensor] = self._initial
        for t in steps:
            made = getattr(self, f"_{layer.cell}")(t, state)
            if self._mask is not None:  # in the padding the state waits
                made = {s: torch.where(self._mask[t][:, None], new, state[s]) for s, new in made.items()}
            state = made
        self._final = state

    def differentiate(self, final_grads: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The reference for every quantity at these steps. `final_grads`: what arrives at the last state."""
        layer, nodes = self._layer, self._nodes
        inputs: dict[str, list[Tensor]] = {f"grads.{symbol}": _in_order(made) for symbol, made in nodes.items()}
        inputs |= {f"initial_grads.{s}": [leaf] for s, leaf in self._initial.items()}
        inputs |= {f"weight_grads.{name}": [leaf] for name, leaf in self._weights.items()}
        inputs["input_grad"] = _in_order(self._inputs)
        outputs, arriving = _in_order(nodes["h"]), [layer.output_grads[t] for t in self._steps]
        last = 0 if layer.reverse else -1
        if self._final["h"] is outputs[last]:
            arriving[last] = arriving[last] + final_grads["h"]
        else:
            outputs.append(self._final["h"])
            arriving.append(final_grads["h"])
        if layer.cell_grads is not None:
            outputs += _in_order(nodes["c"])
            arriving += [layer.cell_grads[t] for t in self._steps]
        if "c" in self._final:
            # Twice the same output is one too many for autograd.
            same = next((place for place, node in enumerate(outputs) if node is self._final["c"]), None)
            if same is None:
                outputs.append(self._final["c"])
                arriving.append(final_grads["c"])
            else:
                arriving[same] = arriving[same] + final_grads["c"]
        flat = [node for made in inputs.values() for node in made]
        found = torch.autograd.grad(outputs, flat, arriving, allow_unused=True)
        grads_of = iter(torch.zeros_like(node) if g is None else g for node, g in zip(flat, found, strict=True))
        reference: dict[str, Tensor] = {}
        for name, made in inputs.items():
            grads = [next(grads_of) for _ in made]
            reference[name] = torch.stack(grads) if name.startswith(("grads.", "input_grad")) else grads[0]
        values = {f"values.{symbol}": torch.stack(_in_order(made)) for symbol, made in self._computed.items()}
        if self._mask is not None:  # nothing is computed there
            padding = ~self._mask[self._steps[0] : self._steps[-1] + 1, :, None]
            values = {name: made.masked_fill(padding, 0.0) for name, made in values.items()}
        return reference | values

    def _pin(self, t: int, symbol: str, node: Tensor, computed: Tensor | None = None) -> Tensor:
        """Keeps what was computed, for comparison, and sets the node to what was recorded.

        Through `.data`, so that autograd takes the recorded value for the one that it saved.
        """
        self._computed[symbol][t] = (node if computed is None else computed).detach().clone()
        node.data.copy_(self._layer.values[symbol][t])
        self._nodes[symbol][t] = node
        return node

    def _gate(self, t: int, gate: str, made: Tensor) -> Tensor:
        """A gate as it goes on: held at a value, where a what-if holds it."""
        held = self._layer.held.get(gate)
        return self._pin(t, gate, made if held is None else torch.where(held.where[t], held.value[t], made))

    def _sum(self, t: int, gate: str, made: Tensor) -> Tensor:
        """The pre-activation of a gate from the sum of its sides: normalised, where the layer normalises."""
        name = f"a_{gate}" if gate else "a"
        if "norm_weight" not in self._weights:
            return self._pin(t, name, made)
        s = self._pin(t, "s" + name[1:], made)
        block = slice((place := GATES[self._layer.cell].index(gate)) * s.shape[-1], (place + 1) * s.shape[-1])
        if self._mask is not None:  # the padding is no constant: where ε is 0 that would be 0/0, and 0 · NaN is NaN
            s = torch.where(self._mask[t][:, None], s, torch.arange(s.shape[-1], device=s.device).to(s))
        weight, bias = self._weights["norm_weight"][block], self._weights["norm_bias"][block]
        return self._pin(t, name, layer_norm(s, (s.shape[-1],), weight, bias, self._layer.norm_eps))

    def _sides(self, t: int, h: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Both sides of every gate. A route that is cut sees a state that nothing flows back to."""
        w, drop, gates = self._weights, self._layer.drop, GATES[self._layer.cell]
        if drop is not None:
            h = h * drop[t if len(drop) > 1 else 0]
        of_x = linear(self._inputs[t], w["weight_ih"], w.get("bias_ih")).chunk(len(gates), -1)
        of_h = linear(h, w["weight_hh"], w.get("bias_hh")).chunk(len(gates), -1)
        cut = [(gate or "a") in self._layer.cuts for gate in gates]
        if any(cut):
            blind = linear(h.detach(), w["weight_hh"], w.get("bias_hh")).chunk(len(gates), -1)
            of_h = tuple(b if closed else open_ for b, open_, closed in zip(blind, of_h, cut, strict=True))
        return of_x, of_h

    def _kept(self, route: str, state: Tensor) -> Tensor:
        return state.detach() if route in self._layer.cuts else state

    def _own(self, cell: Any, t: int, *before: Any) -> Tensor | tuple[Tensor, Tensor] | None:
        """What torch's own cell makes of the recorded state; None where it has no such cell, or not in this type."""
        if not self._plain or cell is None:
            return None
        weights: list[Any] = [self._layer.weights.get(n) for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        made: Tensor | tuple[Tensor, Tensor] = cell(self._inputs[t].detach(), *before, *weights)
        return made

    def _rnn(self, t: int, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        (x_side,), (h_side,) = self._sides(t, state["h"])
        a = self._sum(t, "", x_side + h_side)
        activation = self._layer.activation
        own = self._own(_OWN_CELLS.get(activation), t, state["h"].detach())
        assert not isinstance(own, tuple)
        if activation == "identity":
            h = a * 1.0
        elif activation == "leaky_relu":
            h = leaky_relu(a)
        else:
            h = getattr(torch, activation)(a)
        return {"h": self._pin(t, "h", h, own)}

    def _lstm(self, t: int, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        sums = [x + h for x, h in zip(*self._sides(t, state["h"]), strict=True)]
        a_i, a_f, a_g, a_o = (self._sum(t, gate, s) for gate, s in zip("ifgo", sums, strict=True))
        i, f = self._gate(t, "i", a_i.sigmoid()), self._gate(t, "f", a_f.sigmoid())
        g, o = self._gate(t, "g", a_g.tanh()), self._gate(t, "o", a_o.sigmoid())
        own = self._own(torch.lstm_cell, t, [state["h"].detach(), state["c"].detach()])
        own_h, own_c = own if isinstance(own, tuple) else (None, None)
        c = self._pin(t, "c", f * self._kept("carousel", state["c"]) + i * g, own_c)
        return {"h": self._pin(t, "h", o * c.tanh(), own_h), "c": c}

    def _gru(self, t: int, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        (x_r, x_z, x_n), (h_r, h_z, q) = self._sides(t, state["h"])
        q = self._pin(t, "q", q)
        a_r, a_z = self._sum(t, "r", x_r + h_r), self._sum(t, "z", x_z + h_z)
        r, z = self._gate(t, "r", a_r.sigmoid()), self._gate(t, "z", a_z.sigmoid())
        n = self._gate(t, "n", self._sum(t, "n", x_n + r * q).tanh())
        own = self._own(torch.gru_cell, t, state["h"].detach())
        assert not isinstance(own, tuple)
        # lerp is (1 − z)⊙n + z⊙h₋, and its derivatives are the textbook's: δz = δh ⊙ (h₋ − n), δn = δh ⊙ (1 − z).
        return {"h": self._pin(t, "h", torch.lerp(n, self._kept("leak", state["h"]), z), own)}


def _in_order(made: Mapping[int, Tensor]) -> list[Tensor]:
    return [made[t] for t in sorted(made)]

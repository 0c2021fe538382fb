"""An independent reference for whole stacks: plain torch operations, step by step, differentiated by autograd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, leaky_relu, linear

from engine.stack import Layer, Level

Losses = Callable[..., tuple[Tensor | None, Tensor]]


@dataclass
class Unrolled:
    states: dict[str, list[Tensor]]
    """By layer, h (B, H) of every step, as nodes of the graph."""
    losses: Tensor
    """(S,) or ()."""

    def flow(self, name: str) -> Tensor:
        """∂L_s/∂h_k (S, T, B, H), one backward pass for each loss."""
        rows = []
        for loss in self.losses.reshape(-1):
            found = torch.autograd.grad(loss, self.states[name], retain_graph=True, allow_unused=True)
            states = zip(found, self.states[name], strict=True)
            rows.append(torch.stack([torch.zeros_like(h) if g is None else g for g, h in states]))
        return torch.stack(rows)


def depends(
    name: str, steps: Sequence[int], levels: Sequence[Level], x: Tensor, head: Losses,
    lengths: Tensor | None = None, reads: bool = False,
) -> Tensor:  # fmt: skip
    """(S, K) bool: whether loss s depends on a layer's h at step k, found forward: h_k becomes NaN, and who notices?"""
    each = [unrolled(levels, x, head, lengths, reads, (name, k)).losses.reshape(-1).isnan() for k in steps]
    return torch.stack(each, 1)


def unrolled(
    levels: Sequence[Level],
    x: Tensor,
    head: Losses,
    lengths: Tensor | None = None,
    reads_stream: bool = False,
    poisoned: tuple[str, int] = ("", -1),
    cut: int = 0,
) -> Unrolled:
    """x (T, B, D); padding stands for no step: the state waits there, and the output is 0. `poisoned`: a layer and a
    step at which its h becomes NaN. `cut`: the step whose states before it are detached, in all (forward) layers."""
    T = len(x)
    mask = None if lengths is None else torch.arange(T)[:, None, None] < lengths[:, None]
    states: dict[str, list[Tensor]] = {}
    stream = joined = x
    for number, level in enumerate(levels):
        if level.enter is not None:
            joined = level.enter(x) if number == 0 else level.enter(joined, stream)
        stream = joined if mask is None else torch.where(mask, joined, 0.0)
        outputs = []
        for layer in level.layers:
            states[layer.name] = _run(layer, stream, mask, poisoned[1] if poisoned[0] == layer.name else -1, cut)
            h = torch.stack(states[layer.name])
            outputs.append(h if mask is None else torch.where(mask, h, 0.0))
        joined = torch.cat(outputs, 2)
    losses = head(joined, stream)[1] if reads_stream else head(joined)[1]
    return Unrolled(states, losses)


def _run(layer: Layer, x: Tensor, mask: Tensor | None, poisoned: int, cut: int) -> list[Tensor]:
    found: dict[int, Tensor] = {}
    # What reaches an initial state is not looked at, but a node that requires a gradient makes one of every step.
    h = layer.initial["h"].clone().requires_grad_()
    c = layer.initial.get("c", h)
    for t in range(len(x) - 1, -1, -1) if layer.reverse else range(len(x)):
        h, c = (h.detach(), c.detach()) if cut and t == cut else (h, c)
        new_h, new_c = _step(layer, x[t], h, c, t)
        new_h = new_h * torch.nan if t == poisoned else new_h
        h = new_h if mask is None else torch.where(mask[t], new_h, h)
        c = new_c if mask is None else torch.where(mask[t], new_c, c)
        # A node of its own, so that in the padding it is not the step's before.
        h = found[t] = h.clone() if h.requires_grad else h.detach().requires_grad_()
    return [found[t] for t in range(len(x))]


def _step(layer: Layer, x: Tensor, h: Tensor, c: Tensor, t: int) -> tuple[Tensor, Tensor]:
    w, H = layer.weights, h.shape[1]
    gates = {"rnn": ("a",), "lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n")}[layer.cell]
    met = h if layer.drop is None else h * layer.drop[t if len(layer.drop) > 1 else 0]

    def sides(gate: str) -> tuple[Tensor, Tensor]:
        rows = slice(gates.index(gate) * H, (gates.index(gate) + 1) * H)
        bias_ih, bias_hh = (None if w.get(b) is None else w[b][rows] for b in ("bias_ih", "bias_hh"))
        seen = met.detach() if gate in layer.cuts else met
        return linear(x, w["weight_ih"][rows], bias_ih), linear(seen, w["weight_hh"][rows], bias_hh)

    def normed(gate: str, s: Tensor) -> Tensor:
        if "norm_weight" not in w:
            return s
        rows = slice(gates.index(gate) * H, (gates.index(gate) + 1) * H)
        return layer_norm(s, (H,), w["norm_weight"][rows], w["norm_bias"][rows], layer.norm_eps)

    def held(gate: str, value: Tensor) -> Tensor:
        if gate not in layer.held:
            return value
        return torch.where(layer.held[gate].where[t], layer.held[gate].value[t], value)

    def gate(name: str, squash: Callable[[Tensor], Tensor] = torch.sigmoid) -> Tensor:
        return held(name, squash(normed(name, sum(sides(name)))))

    if layer.cell == "rnn":
        a = normed("a", sum(sides("a")))
        squashed = {"identity": lambda: a * 1.0, "leaky_relu": lambda: leaky_relu(a, 0.01)}
        return squashed.get(layer.activation, lambda: getattr(torch, layer.activation)(a))(), c
    if layer.cell == "lstm":
        past = c.detach() if "carousel" in layer.cuts else c
        c = gate("f") * past + gate("i") * gate("g", torch.tanh)
        return gate("o") * c.tanh(), c
    r, z = gate("r"), gate("z")
    x_n, q = sides("n")
    n = held("n", normed("n", x_n + r * q).tanh())
    return (1 - z) * n + z * (h.detach() if "leak" in layer.cuts else h), c

"""One recurrent layer of the independent reference: plain torch operations, a loop over the steps, and retain_grad().

A sample that has ended takes part in nothing any more, so that there is no padding here, and every step is a node of
its own, so that a way from a loss to a step exists exactly where autograd finds one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu, linear

BLOCKS = {"rnn": ("",), "lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n")}
STATES = {"rnn": ("h",), "lstm": ("h", "c"), "gru": ("h",)}
RECORDED = {
    "rnn": ("h", "a"),
    "lstm": ("i", "f", "g", "o", "c", "h", "a_i", "a_f", "a_g", "a_o"),
    "gru": ("r", "z", "n", "h", "q", "a_r", "a_z", "a_n"),
}
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": leaky_relu,
    "sigmoid": torch.sigmoid,
    "identity": torch.clone,
}

Steps = list[Tensor]
"""One tensor a step, (n_t, W): a row for each sample that has this step, in their order."""


@dataclass
class LayerSetup:
    """One layer in one direction."""

    cell: str
    weights: Mapping[str, Tensor]
    """Without the suffix: "weight_ih", …"""
    initial: Mapping[str, Tensor]
    activation: str = "tanh"
    reverse: bool = False
    norm_eps: float = 1e-5
    drop: Tensor | None = None
    """(T or 1, B, H): what h₋ is multiplied with where it meets W_hh."""
    held: Mapping[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """By gate: where (T, H) bool, and the value (T, H)."""
    cuts: frozenset[str] = frozenset()

    @property
    def hidden_size(self) -> int:
        return self.weights["weight_hh"].shape[1]


class UnrolledLayer:
    """A layer as it has run, step by step. After a backward pass, what autograd left in every node."""

    def __init__(self, setup: LayerSetup, stream: Steps, rows: list[list[int]], batch: int) -> None:
        self.setup, self.rows, self.batch = setup, rows, batch
        self.steps = len(stream)
        # A copy of the weights for every step, so that each step's contribution can be read by itself.
        self.weights = [{n: leaf_of(w) for n, w in setup.weights.items()} for _ in stream]
        self.initial = {s: leaf_of(state) for s, state in setup.initial.items()}
        self.read = [kept(x.clone()) for x in stream]
        self.nodes: list[dict[str, Tensor]] = [{} for _ in stream]
        self.started: list[dict[str, Tensor]] = [{} for _ in stream]
        """The states that each step starts from."""
        self.met: list[Tensor | None] = [None] * self.steps
        """h₋ as W_hh meets it."""
        self.outputs: Steps = [stream[0].new_zeros(0, setup.hidden_size)] * self.steps
        """h as others read it."""
        state = {s: list(leaf) for s, leaf in self.initial.items()}
        for t in reversed(range(self.steps)) if setup.reverse else range(self.steps):
            if not rows[t]:
                continue
            self.started[t] = {s: kept(torch.stack([of[b] for b in rows[t]])) for s, of in state.items()}
            self.nodes[t] = getattr(self, f"_{setup.cell}")(t, self.started[t])
            self.outputs[t] = kept(self.nodes[t]["h"].clone())
            for s, of in state.items():
                for b, one in zip(rows[t], self.nodes[t][s].clone(), strict=True):
                    of[b] = one

    def _sums(self, t: int, h: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """W_ih x + b_ih and W_hh h₋ + b_hh by gate."""
        setup, w = self.setup, self.weights[t]
        gates = BLOCKS[setup.cell]
        if setup.drop is not None:
            h = h * setup.drop[t if len(setup.drop) > 1 else 0][self.rows[t]]
        self.met[t] = h
        of_x = linear(self.read[t], w["weight_ih"], w.get("bias_ih")).chunk(len(gates), 1)
        of_h = linear(h, w["weight_hh"], w.get("bias_hh")).chunk(len(gates), 1)
        if setup.cuts:
            blind = linear(h.detach(), w["weight_hh"], w.get("bias_hh")).chunk(len(gates), 1)
            of_h = tuple(b if (gate or "a") in setup.cuts else o for gate, o, b in zip(gates, of_h, blind, strict=True))
        return dict(zip(gates, of_x, strict=True)), dict(zip(gates, of_h, strict=True))

    def _preactivation(self, t: int, gate: str, s: Tensor, v: dict[str, Tensor]) -> Tensor:
        """a, layer-normalised where the layer is; recorded in v."""
        name = f"_{gate}" if gate else ""
        w = self.weights[t]
        if "norm_weight" in w:
            v[f"s{name}"] = s
            H, place = s.shape[1], BLOCKS[self.setup.cell].index(gate)
            gamma, beta = (w[n][place * H : (place + 1) * H] for n in ("norm_weight", "norm_bias"))
            centred = s - s.mean(1, keepdim=True)
            s = gamma * centred / (centred.pow(2).mean(1, keepdim=True) + self.setup.norm_eps).sqrt() + beta
        v[f"a{name}"] = s
        return s

    def _gate(self, t: int, gate: str, made: Tensor) -> Tensor:
        if gate not in self.setup.held:
            return made
        where, value = self.setup.held[gate]
        return torch.where(where[t], value[t], made)

    def _rnn(self, t: int, before: dict[str, Tensor]) -> dict[str, Tensor]:
        v: dict[str, Tensor] = {}
        x, h = self._sums(t, before["h"])
        a = self._preactivation(t, "", x[""] + h[""], v)
        return all_kept({**v, "h": ACTIVATIONS[self.setup.activation](a)})

    def _lstm(self, t: int, before: dict[str, Tensor]) -> dict[str, Tensor]:
        v: dict[str, Tensor] = {}
        x, h = self._sums(t, before["h"])
        for gate, squash in (("i", torch.sigmoid), ("f", torch.sigmoid), ("g", torch.tanh), ("o", torch.sigmoid)):
            v[gate] = self._gate(t, gate, squash(self._preactivation(t, gate, x[gate] + h[gate], v)))
        c = before["c"].detach() if "carousel" in self.setup.cuts else before["c"]
        v["c"] = v["f"] * c + v["i"] * v["g"]
        return all_kept({**v, "h": v["o"] * torch.tanh(v["c"])})

    def _gru(self, t: int, before: dict[str, Tensor]) -> dict[str, Tensor]:
        v: dict[str, Tensor] = {}
        x, h = self._sums(t, before["h"])
        for gate in ("r", "z"):
            v[gate] = self._gate(t, gate, torch.sigmoid(self._preactivation(t, gate, x[gate] + h[gate], v)))
        v["q"] = h["n"]
        v["n"] = self._gate(t, "n", torch.tanh(self._preactivation(t, "n", x["n"] + v["r"] * v["q"], v)))
        old = before["h"].detach() if "leak" in self.setup.cuts else before["h"]
        return all_kept({**v, "h": (1 - v["z"]) * v["n"] + v["z"] * old})

    def whole(self, rows_of: Callable[[int], Tensor | None], width: int, like: Tensor) -> Tensor:
        """(T, B, width) of what each step has, 0 where a sample has no such step."""
        found = like.new_zeros(self.steps, self.batch, width)
        for t in range(self.steps):
            made = rows_of(t)
            if made is not None and self.rows[t]:
                found[t, self.rows[t]] = made.detach()
        return found


@dataclass
class LayerReference:
    """Arrays (T, B, …), 0 where a sample has no such step."""

    x: Tensor
    """What the layer read."""
    met: Tensor
    """h₋ as W_hh meets it."""
    values: dict[str, Tensor]
    grads: dict[str, Tensor]
    initial_grads: dict[str, Tensor]
    weight_parts: dict[str, Tensor]
    """(T, …): what each step contributes to each parameter's gradient."""
    input_grad: Tensor
    output_grads: Tensor
    """The direct ∂L/∂h_t, without recurrence."""
    before: dict[str, Tensor]
    handed_back: dict[str, Tensor]
    """What each step sends to the states that it starts from."""
    mask: Tensor
    """(T, B) bool."""
    normed: dict[str, Tensor] = field(default_factory=dict)
    """By sum s: Σ|x| of what layer normalisation makes ∂L/∂s of, a sum Σx of which next to nothing is left where the
    units lie far apart: a shift and a factor of all of them change no a."""
    flows: Tensor = field(default_factory=lambda: torch.empty(0))
    """(losses, T, B, H): ∂L_s/∂h_t of each single loss."""
    reach: Tensor = field(default_factory=lambda: torch.empty(0))
    """(losses, T) bool: whether there is a way from the loss to that step's h."""

    def weight_grad(self, name: str) -> Tensor:
        return self.weight_parts[name].sum(0)


def recorded(layer: UnrolledLayer) -> LayerReference:
    setup, H, like = layer.setup, layer.setup.hidden_size, layer.outputs[0]
    symbols = [*RECORDED[setup.cell]]
    if "norm_weight" in setup.weights:
        symbols += ["s" + symbol[1:] for symbol in symbols if symbol.startswith("a")]
    mask = torch.zeros(layer.steps, layer.batch, dtype=torch.bool)
    for t, here in enumerate(layer.rows):
        mask[t, here] = True
    return LayerReference(
        x=layer.whole(lambda t: layer.read[t], layer.read[0].shape[1], like),
        met=layer.whole(lambda t: layer.met[t], H, like),
        values={s: layer.whole(lambda t, s=s: layer.nodes[t].get(s), H, like) for s in symbols},
        grads={s: layer.whole(lambda t, s=s: grad_or_none(layer.nodes[t].get(s)), H, like) for s in symbols},
        initial_grads={s: grad_of(leaf) for s, leaf in layer.initial.items()},
        weight_parts={n: torch.stack([grad_of(w[n]) for w in layer.weights]) for n in setup.weights},
        input_grad=layer.whole(lambda t: grad_or_none(layer.read[t]), layer.read[0].shape[1], like),
        output_grads=layer.whole(lambda t: grad_or_none(layer.outputs[t]), H, like),
        before={s: layer.whole(lambda t, s=s: layer.started[t].get(s), H, like) for s in layer.initial},
        handed_back={
            s: layer.whole(lambda t, s=s: grad_or_none(layer.started[t].get(s)), H, like) for s in layer.initial
        },
        mask=mask,
        normed={s: layer.whole(lambda t, s=s: normed(layer, t, s), H, like) for s in symbols if s.startswith("s")},
    )


def normed(layer: UnrolledLayer, t: int, symbol: str) -> Tensor | None:
    """(|γδa| + mean|γδa| + |ŝ| mean|γδa ŝ|)/√(σ² + ε): the terms of math.md's formula for ∂L/∂s."""
    s, a = layer.nodes[t].get(symbol), layer.nodes[t].get("a" + symbol[1:])
    if s is None or a is None:
        return None
    setup, H = layer.setup, layer.setup.hidden_size
    place = BLOCKS[setup.cell].index(symbol[2:])
    centred = s.detach() - s.detach().mean(1, keepdim=True)
    spread = (centred.pow(2).mean(1, keepdim=True) + setup.norm_eps).sqrt()
    sent = (setup.weights["norm_weight"].detach()[place * H : (place + 1) * H] * grad_of(a)).abs()
    size = (centred / spread).abs()
    return (sent + sent.mean(1, keepdim=True) + size * (sent * size).mean(1, keepdim=True)) / spread


def leaf_of(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_()


def kept(node: Tensor) -> Tensor:
    if node.requires_grad:
        node.retain_grad()
    return node if node.requires_grad else node.detach().requires_grad_()


def all_kept(nodes: dict[str, Tensor]) -> dict[str, Tensor]:
    for node in nodes.values():
        node.retain_grad()
    return nodes


def grad_of(tensor: Tensor) -> Tensor:
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


def grad_or_none(node: Tensor | None) -> Tensor | None:
    return None if node is None else grad_of(node)

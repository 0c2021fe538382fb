"""The independent reference of whole networks: plain torch operations in a loop over the steps, with retain_grad().

Written from PyTorch's equations and the docstrings of engine.spec. Of the engine it uses the plain data, the initial
weights, the batches, and, since they are random draws, the dropout masks. A sample that has ended takes part in nothing
any more, so that there is no padding here, and every step is a node of its own, so that a way from a loss to a step
exists exactly where autograd finds one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu, linear

from engine.between import dropout_mask
from engine.parameters import Place, places
from engine.spec import NO_WHAT_IF, Experiment, LayerSpec, WhatIf
from engine.tasks import Batch

BLOCKS = {"rnn": ("",), "lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n")}
STATES = {"rnn": ("h",), "lstm": ("h", "c"), "gru": ("h",)}
RECORDED = {
    "rnn": ("h", "a"),
    "lstm": ("i", "f", "g", "o", "c", "h", "a_i", "a_f", "a_g", "a_o"),
    "gru": ("r", "z", "n", "h", "q", "a_r", "a_z", "a_n"),
}
TORCHS = {
    "float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16,
}  # fmt: skip
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
        self.weights = [{n: _leaf(w) for n, w in setup.weights.items()} for _ in stream]
        self.initial = {s: _leaf(state) for s, state in setup.initial.items()}
        self.read = [_kept(x.clone()) for x in stream]
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
            self.started[t] = {s: _kept(torch.stack([of[b] for b in rows[t]])) for s, of in state.items()}
            self.nodes[t] = getattr(self, f"_{setup.cell}")(t, self.started[t])
            self.outputs[t] = _kept(self.nodes[t]["h"].clone())
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
        return _all_kept({**v, "h": ACTIVATIONS[self.setup.activation](a)})

    def _lstm(self, t: int, before: dict[str, Tensor]) -> dict[str, Tensor]:
        v: dict[str, Tensor] = {}
        x, h = self._sums(t, before["h"])
        for gate, squash in (("i", torch.sigmoid), ("f", torch.sigmoid), ("g", torch.tanh), ("o", torch.sigmoid)):
            v[gate] = self._gate(t, gate, squash(self._preactivation(t, gate, x[gate] + h[gate], v)))
        c = before["c"].detach() if "carousel" in self.setup.cuts else before["c"]
        v["c"] = v["f"] * c + v["i"] * v["g"]
        return _all_kept({**v, "h": v["o"] * torch.tanh(v["c"])})

    def _gru(self, t: int, before: dict[str, Tensor]) -> dict[str, Tensor]:
        v: dict[str, Tensor] = {}
        x, h = self._sums(t, before["h"])
        for gate in ("r", "z"):
            v[gate] = self._gate(t, gate, torch.sigmoid(self._preactivation(t, gate, x[gate] + h[gate], v)))
        v["q"] = h["n"]
        v["n"] = self._gate(t, "n", torch.tanh(self._preactivation(t, "n", x["n"] + v["r"] * v["q"], v)))
        old = before["h"].detach() if "leak" in self.setup.cuts else before["h"]
        return _all_kept({**v, "h": (1 - v["z"]) * v["n"] + v["z"] * old})

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
    flows: Tensor = field(default_factory=lambda: torch.empty(0))
    """(losses, T, B, H): ∂L_s/∂h_t of each single loss."""
    reach: Tensor = field(default_factory=lambda: torch.empty(0))
    """(losses, T) bool: whether there is a way from the loss to that step's h."""

    def weight_grad(self, name: str) -> Tensor:
        return self.weight_parts[name].sum(0)


@dataclass
class Attended:
    """What attention made of one sample's steps."""

    steps: Tensor
    hidden: Tensor
    """tanh(W h + b)."""
    alpha: Tensor


@dataclass
class Reference:
    layers: dict[str, LayerReference]
    outputs: Tensor
    losses: Tensor
    loss: Tensor
    head_grads: dict[str, Tensor]
    head_terms: dict[str, Tensor]
    """Σ|x| of attention's gradients, which are sums Σx: a shift of all scores changes no α, and so next to nothing is
    left of them where the steps are much alike."""

    @property
    def input_grad(self) -> Tensor:
        """Of what the first layer reads, both directions together."""
        return sum((layer.input_grad for name, layer in self.layers.items() if name in ("l0", "l0_reverse")), 0.0)


def reference(
    experiment: Experiment,
    weights: Mapping[str, Tensor],
    batch: Batch,
    what_if: WhatIf = NO_WHAT_IF,
    iteration: int = 0,
    initial: Mapping[str, Mapping[str, Tensor]] | None = None,
    loss: Callable[[Tensor], Tensor] | None = None,
) -> Reference:
    """Everything by autograd. `loss`: of the read-out, instead of the task's own; then the targets are not used."""
    model = experiment.model
    dtype = TORCHS[what_if.dtype or experiment.dtype]
    T, B = batch.x.shape[:2]
    rows = rows_of(T, B, batch.lengths)
    effective = {n: w.to(dtype) for n, w in with_what_if(experiment, weights, what_if).items()}
    around = {n: _leaf(w) for n, w in effective.items() if "." in n}
    stream = [batch.x[t, at] for t, at in enumerate(rows)]
    if model.embedding is not None:
        stream = [around["embedding.weight"][symbols] for symbols in stream]
    layers: dict[str, UnrolledLayer] = {}
    found = list(places(experiment))
    for depth, spec in enumerate(model.layers):
        here = [place for place in found if place.depth == depth]
        for place in here:
            setup = setup_of(experiment, place, effective, what_if, T, B, iteration, dtype, (initial or {}))
            layers[place.name] = UnrolledLayer(setup, stream, rows, B)
        outputs = [torch.cat([layers[p.name].outputs[t] for p in here], 1) for t in range(T)]
        stream = _after_layer(experiment, depth, spec, outputs, stream, rows, around, iteration)
    attended: list[Attended] = []
    outputs, losses = _head(experiment, stream, rows, around, attended, batch, loss)
    return differentiated(layers, outputs, losses, around, attended)


def differentiated(
    layers: Mapping[str, UnrolledLayer],
    outputs: Tensor,
    losses: Sequence[Tensor],
    around: Mapping[str, Tensor],
    attended: Sequence[Attended] = (),
) -> Reference:
    """The total of all losses sent back, and each of them by itself."""
    total = torch.stack([*losses]).sum()
    total.backward(retain_graph=True)
    found = {name: _recorded(layer) for name, layer in layers.items()}
    head_grads, head_terms = {name: _grad(leaf).clone() for name, leaf in around.items()}, _terms(attended, around)
    for name, (flows, reach) in _single(layers, losses).items():
        found[name].flows, found[name].reach = flows, reach
    return Reference(
        layers=found,
        outputs=outputs.detach(),
        losses=torch.stack([one.detach() for one in losses]),
        loss=total.detach(),
        head_grads=head_grads,
        head_terms=head_terms,
    )


def rows_of(steps: int, batch: int, lengths: Tensor | None) -> list[list[int]]:
    """The samples that have each step."""
    ends = [steps] * batch if lengths is None else lengths.tolist()
    return [[b for b in range(batch) if t < ends[b]] for t in range(steps)]


def with_what_if(experiment: Experiment, weights: Mapping[str, Tensor], what_if: WhatIf) -> dict[str, Tensor]:
    """The weights that compute."""
    found = {name: weight.clone() for name, weight in weights.items()}
    shifts = [(bias.gate, bias.shift) for bias in what_if.gate_biases] + [("f", what_if.forget_bias)]
    for place in places(experiment):
        H, gates = place.spec.hidden_size, BLOCKS[place.spec.cell]
        W = found[f"weight_hh_{place.name}"]
        for k in range(len(gates)):
            block = W[k * H : (k + 1) * H]
            if what_if.spectral_radius is None:
                block *= what_if.recurrent_scale
            else:
                block *= what_if.spectral_radius / float(torch.linalg.eigvals(block.double()).abs().max())
        side = "norm_bias" if place.spec.layer_norm else "bias_ih"
        for gate, shift in shifts:
            if gate in gates:
                k = gates.index(gate)
                found[f"{side}_{place.name}"][k * H : (k + 1) * H] += shift
    return found


def setup_of(
    experiment: Experiment, place: Place, effective: Mapping[str, Tensor], what_if: WhatIf, T: int, B: int,
    iteration: int, dtype: torch.dtype, initial: Mapping[str, Mapping[str, Tensor]],
) -> LayerSetup:  # fmt: skip
    spec, like = place.spec, torch.zeros((), dtype=dtype)
    drop = None
    if spec.recurrent_dropout is not None:
        dropped, shape = spec.recurrent_dropout, (T, B, spec.hidden_size)
        purpose = f"recurrent dropout {place.name}"
        drop = dropout_mask(dropped.p, shape, dropped.mask == "step", experiment.seed, purpose, iteration, like)
    held: dict[str, tuple[Tensor, Tensor]] = {}
    for clamp in what_if.clamps:
        if clamp.layer == place.name:
            nothing = torch.zeros(T, spec.hidden_size, dtype=torch.bool), torch.zeros(T, spec.hidden_size, dtype=dtype)
            where, value = held.setdefault(clamp.gate, nothing)
            for t in range(clamp.first, (clamp.last or T) + 1):
                for unit in range(spec.hidden_size) if clamp.units is None else clamp.units:
                    where[t - 1, unit], value[t - 1, unit] = True, clamp.value
    given = initial.get(place.name, {})
    states = {s: given.get(s, like.new_zeros(B, spec.hidden_size)) for s in STATES[spec.cell]}
    weights = {n.removesuffix(f"_{place.name}"): w for n, w in effective.items() if n.endswith(f"_{place.name}")}
    cuts = frozenset(cut.route for cut in what_if.cuts if cut.layer == place.name)
    return LayerSetup(spec.cell, weights, states, spec.activation, place.reverse, spec.norm_eps, drop, held, cuts)


def _after_layer(
    experiment: Experiment, depth: int, spec: LayerSpec, outputs: Steps, read: Steps, rows: list[list[int]],
    around: Mapping[str, Tensor], iteration: int,
) -> Steps:  # fmt: skip
    """Normalised over the batch, then dropped, then what the layer read is added."""
    T, B = len(outputs), max(len(at) for at in rows)
    if spec.batch_norm:
        gamma, beta = (around[f"batch_norm_l{depth}.{name}"] for name in ("weight", "bias"))
        outputs = [y if len(y) == 0 else _batch_norm(y, gamma, beta, spec.norm_eps) for y in outputs]
    if spec.dropout:
        fresh, purpose = spec.dropout_mask == "step", f"dropout l{depth}"
        mask = dropout_mask(
            spec.dropout, (T, B, spec.width), fresh, experiment.seed, purpose, iteration, outputs[0].detach()
        )
        outputs = [y * mask[t if fresh else 0][rows[t]] for t, y in enumerate(outputs)]
    if spec.residual:
        outputs = [y + x for y, x in zip(outputs, read, strict=True)]
    return outputs


def _batch_norm(y: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    """Over the samples (n, W) of one step."""
    mean = y.sum(0) / len(y)
    variance = (y - mean).pow(2).sum(0) / len(y)
    return gamma * (y - mean) / (variance + eps).sqrt() + beta


def _head(
    experiment: Experiment, y: Steps, rows: list[list[int]], around: Mapping[str, Tensor],
    attended: list[Attended], batch: Batch, loss: Callable[[Tensor], Tensor] | None,
) -> tuple[Tensor, list[Tensor]]:  # fmt: skip
    """(outputs, single losses)."""
    at, B = experiment.model.readout.at, batch.x.shape[1]
    weight, bias = around["readout.weight"], around["readout.bias"]
    if at == "every" or (at == "last" and loss is not None):
        padded = [_padded(one, here, B) for one, here in zip(y, rows, strict=True)]
        outputs = [one @ weight.T + bias for one in padded]
        if loss is not None:
            found = loss(torch.stack(outputs))
            return torch.stack(outputs), [found] if found.dim() == 0 else list(found)
        count = sum(len(here) for here in rows)
        losses = [
            _each_loss(experiment, one[here], batch.targets[t][here]).sum() / count
            for t, (one, here) in enumerate(zip(outputs, rows, strict=True))
        ]
        return torch.stack(outputs), losses
    own = [[one[here.index(b)] for one, here in zip(y, rows, strict=True) if b in here] for b in range(B)]
    read = torch.stack([_read(experiment, steps, around, attended) for steps in own])
    outputs_at_once = read @ weight.T + bias
    if loss is not None:
        return outputs_at_once, [loss(outputs_at_once)]
    return outputs_at_once, [_each_loss(experiment, outputs_at_once, batch.targets).mean()]


def _read(experiment: Experiment, steps: Steps, around: Mapping[str, Tensor], attended: list[Attended]) -> Tensor:
    """(W,): of one sample's steps (W,) each."""
    at, layer = experiment.model.readout.at, experiment.layer
    if at == "last":
        H = layer.hidden_size
        return torch.cat([steps[-1][:H], steps[0][H:]]) if layer.bidirectional else steps[-1]
    if at == "mean":
        return torch.stack(steps).sum(0) / len(steps)
    W, b, v = (around[f"attention.{name}"] for name in ("weight", "bias", "query"))
    hidden = torch.stack([torch.tanh(W @ h + b) for h in steps])
    scores = hidden @ v
    alpha = _kept((scores - scores.logsumexp(0)).exp())
    attended.append(Attended(torch.stack(steps), hidden, alpha))
    return (alpha[:, None] * attended[-1].steps).sum(0)


def _terms(attended: Sequence[Attended], around: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A score's gradient is α(g − Σαg), g = ∂L/∂α."""
    if not attended:
        return {}
    query = around["attention.query"].detach().double().abs()
    names = ("bias", "weight", "query")
    found = {name: torch.zeros_like(around[f"attention.{name}"], dtype=torch.float64) for name in names}
    for one in attended:
        alpha, hidden, steps = (t.detach().double() for t in (one.alpha, one.hidden, one.steps))
        sent = alpha * _grad(one.alpha).double().abs()
        sent = sent + alpha * sent.sum()
        before = sent[:, None] * query * (1 - hidden**2)
        found["query"] += (sent[:, None] * hidden.abs()).sum(0)
        found["bias"] += before.sum(0)
        found["weight"] += before.T @ steps.abs()
    return {f"attention.{name}": terms for name, terms in found.items()}


def _each_loss(experiment: Experiment, outputs: Tensor, targets: Tensor) -> Tensor:
    """(n,): one loss for each row of the outputs (n, O)."""
    if experiment.model.loss == "mse":
        return (outputs - targets).pow(2).mean(1)
    if experiment.model.loss == "binary_cross_entropy":  # −y·log σ(s) − (1 − y)·log σ(−s) = log(1 + eˢ) − y·s
        return (torch.logaddexp(outputs, torch.zeros_like(outputs)) - targets * outputs).mean(1)
    return outputs.logsumexp(1) - outputs[torch.arange(len(outputs)), targets]


def _single(layers: Mapping[str, UnrolledLayer], losses: Sequence[Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """By layer, each loss's ∂L_s/∂h (S, T, B, H), and which steps it has a way to (S, T)."""
    flows: dict[str, list[Tensor]] = {name: [] for name in layers}
    reach: dict[str, list[list[bool]]] = {name: [] for name in layers}
    for one in losses:
        targets = [(name, t) for name, layer in layers.items() for t in range(layer.steps) if layer.nodes[t]]
        grads: Sequence[Tensor | None] = [None] * len(targets)
        if one.requires_grad:
            nodes = [layers[name].nodes[t]["h"] for name, t in targets]
            grads = torch.autograd.grad(one, nodes, retain_graph=True, allow_unused=True)
        by_place = dict(zip(targets, grads, strict=True))
        for name, layer in layers.items():
            like = layer.outputs[0]
            flow = layer.whole(
                lambda t, name=name, by_place=by_place: by_place.get((name, t)), layer.setup.hidden_size, like
            )
            flows[name].append(flow)
            reach[name].append([by_place.get((name, t)) is not None for t in range(layer.steps)])
    return {name: (torch.stack(flows[name]), torch.tensor(reach[name])) for name in layers}


def _recorded(layer: UnrolledLayer) -> LayerReference:
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
        grads={s: layer.whole(lambda t, s=s: _grad_of(layer.nodes[t].get(s)), H, like) for s in symbols},
        initial_grads={s: _grad(leaf) for s, leaf in layer.initial.items()},
        weight_parts={n: torch.stack([_grad(w[n]) for w in layer.weights]) for n in setup.weights},
        input_grad=layer.whole(lambda t: _grad_of(layer.read[t]), layer.read[0].shape[1], like),
        output_grads=layer.whole(lambda t: _grad_of(layer.outputs[t]), H, like),
        before={s: layer.whole(lambda t, s=s: layer.started[t].get(s), H, like) for s in layer.initial},
        handed_back={s: layer.whole(lambda t, s=s: _grad_of(layer.started[t].get(s)), H, like) for s in layer.initial},
        mask=mask,
    )


def _padded(one: Tensor, here: list[int], batch: int) -> Tensor:
    if len(here) == batch:
        return one
    found = one.new_zeros(batch, one.shape[1])
    return found.index_put((torch.tensor(here, dtype=torch.long),), one) if here else found


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_()


def _kept(node: Tensor) -> Tensor:
    if node.requires_grad:
        node.retain_grad()
    return node if node.requires_grad else node.detach().requires_grad_()


def _all_kept(nodes: dict[str, Tensor]) -> dict[str, Tensor]:
    for node in nodes.values():
        node.retain_grad()
    return nodes


def _grad(tensor: Tensor) -> Tensor:
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


def _grad_of(node: Tensor | None) -> Tensor | None:
    return None if node is None else _grad(node)

"""The independent reference of whole networks: plain torch operations in a loop over the steps, with retain_grad().

Written from PyTorch's equations and the docstrings of engine.spec. Of the engine it uses the plain data, the batches
and, since they are random draws, the dropout masks. How a layer is unrolled is reference_layer's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from reference_layer import (
    BLOCKS,
    STATES,
    LayerReference,
    LayerSetup,
    Steps,
    UnrolledLayer,
    grad_of,
    kept,
    leaf_of,
    recorded,
)
from torch import Tensor

from engine.between import dropout_mask
from engine.parameters import Place, places
from engine.spec import NO_WHAT_IF, Experiment, LayerSpec, WhatIf
from engine.tasks import Batch

TORCHS = {
    "float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16,
}  # fmt: skip


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
    input_grad: Tensor
    """(T, B, D): of what the first level reads, on all ways through the network."""


def reference(
    experiment: Experiment,
    weights: Mapping[str, Tensor],
    batch: Batch,
    what_if: WhatIf = NO_WHAT_IF,
    iteration: int = 0,
    initial: Mapping[str, Mapping[str, Tensor]] | None = None,
    loss: Callable[[Tensor], Tensor] | None = None,
) -> Reference:
    """Everything by autograd. `loss`: of the read-out, instead of the task's own; then the targets say nothing."""
    model = experiment.model
    dtype = TORCHS[what_if.dtype or experiment.dtype]
    T, B = batch.x.shape[:2]
    rows = rows_of(T, B, batch.lengths)
    effective = {n: w.to(dtype) for n, w in with_what_if(experiment, weights, what_if).items()}
    around = {n: leaf_of(w) for n, w in effective.items() if "." in n}
    stream = [batch.x[t, at].clone() for t, at in enumerate(rows)]
    if model.embedding is not None:
        stream = [around["embedding.weight"][symbols] for symbols in stream]
    stream = first = [kept(vectors) for vectors in stream]
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
    return differentiated(layers, outputs, losses, around, first, attended)


def differentiated(
    layers: Mapping[str, UnrolledLayer],
    outputs: Tensor,
    losses: Sequence[Tensor],
    around: Mapping[str, Tensor],
    first: Steps,
    attended: Sequence[Attended] = (),
) -> Reference:
    """The total of all losses sent back, and each of them by itself. `first`: what the first level reads, as nodes that
    keep their gradients."""
    total = torch.stack([*losses]).sum()
    total.backward(retain_graph=True)
    found = {name: recorded(layer) for name, layer in layers.items()}
    lowest = layers["l0"]
    input_grad = lowest.whole(lambda t: grad_of(first[t]).clone(), first[0].shape[1], first[0])
    head_grads, head_terms = {name: grad_of(leaf).clone() for name, leaf in around.items()}, _terms(attended, around)
    for name, (flows, reach) in _single(layers, losses).items():
        found[name].flows, found[name].reach = flows, reach
    return Reference(
        layers=found,
        outputs=outputs.detach(),
        losses=torch.stack([one.detach() for one in losses]),
        loss=total.detach(),
        head_grads=head_grads,
        head_terms=head_terms,
        input_grad=input_grad,
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
    alpha = kept((scores - scores.logsumexp(0)).exp())
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
        sent = alpha * grad_of(one.alpha).double().abs()
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
            sent = [by_place.get((name, t)) for t in range(layer.steps)]
            flows[name].append(layer.whole(sent.__getitem__, layer.setup.hidden_size, like))
            reach[name].append([grad is not None for grad in sent])
    return {name: (torch.stack(flows[name]), torch.tensor(reach[name])) for name in layers}


def _padded(one: Tensor, here: list[int], batch: int) -> Tensor:
    if len(here) == batch:
        return one
    found = one.new_zeros(batch, one.shape[1])
    return found.index_put((torch.tensor(here, dtype=torch.long),), one) if here else found

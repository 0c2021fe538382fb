"""How clipped gradients become new parameters. torch.optim computes the step, by its functions of tensors (without the
classes around them): everything that it keeps between two steps comes in and goes out by name, so that chunks of any
size, in any process, give the same bits.

With a what-if the effective weights step, and the what-if stays on top: with W_eff = s·W the base W moves by the step
divided by s (and stays where s is 0), and a shifted bias moves as the effective one does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

from engine.parameters import places
from engine.schedule import learning_rate
from engine.spec import NO_WHAT_IF, Experiment, TrainingSpec, WhatIf
from engine.training_state import OPTIMIZER, STEPS, counts_steps, kept_of_each
from engine.what_if import base_step, effective_weights

Tensors = Mapping[str, Tensor]


def stepped(
    experiment: Experiment,
    base: Tensors,
    kept: Tensors,
    grads: Tensors,
    iteration: int,
    what_if: WhatIf = NO_WHAT_IF,
    effective: Tensors | None = None,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The base weights after the step of an iteration, and what the optimiser keeps: new tensors.

    `grads` are those of the effective weights, clipped already. `kept`: what the optimiser kept after the iteration
    before, by flat names (engine.training_state); empty: it starts anew. `effective`: the effective weights in the
    base's type, where they are known.
    """
    training = experiment.training
    with torch.no_grad():
        if effective is None:
            effective = effective_weights(experiment, base, what_if)
        grads = {name: grads[name].to(weight.dtype) for name, weight in base.items()}
        if training.l1:
            grads = {n: grad.add(effective[n].sign(), alpha=training.l1) for n, grad in grads.items()}
        changed = [name for name, weight in base.items() if effective[name] is not weight]
        if changed and training.l2 and training.optimizer.kind != "adamw":
            # Those step from 0, where torch would find no weight to decay.
            grads |= {name: grads[name].add(effective[name], alpha=training.l2) for name in changed}
        after = {
            name: torch.zeros_like(weight) if effective[name] is not weight else weight.clone()
            for name, weight in base.items()
        }
        keeps: dict[str, Tensor] = {}
        lr = learning_rate(training, iteration)
        for names, decay in (([name for name in base if name not in changed], training.l2), (changed, 0.0)):
            if names:
                keeps |= _torch_step(training, names, after, grads, kept, lr, decay)
        if changed:
            _onto_base(experiment, base, effective, after, changed, lr, what_if)
        return after, keeps


def _onto_base(
    experiment: Experiment,
    base: Tensors,
    effective: Tensors,
    after: dict[str, Tensor],
    changed: Iterable[str],
    lr: float,
    what_if: WhatIf,
) -> None:
    """`after` holds bare steps of what the what-if has changed."""
    training, rows = experiment.training, {f"weight_hh_{place.name}": place for place in places(experiment)}
    for name in changed:
        step = after[name]
        if training.optimizer.kind == "adamw" and training.l2:
            step = step.add(effective[name], alpha=-lr * training.l2)
        if name in rows:
            step = base_step(rows[name], base[name], step, what_if)
        after[name] = base[name] + step


def _torch_step(
    training: TrainingSpec,
    names: list[str],
    after: Tensors,
    grads: Tensors,
    kept: Tensors,
    lr: float,
    decay: float,
) -> dict[str, Tensor]:
    """One step of these parameters, written into `after`; returns what is kept of them."""
    optimizer = training.optimizer
    weights, given = [after[name] for name in names], [grads[name] for name in names]
    lists: dict[str, list[Tensor | None]] = {
        what: [_copy(kept.get(f"{OPTIMIZER}{what}.{name}")) for name in names] for what in kept_of_each(optimizer)
    }
    if optimizer.kind == "sgd":
        buffers = lists.get("momentum_buffer", [None] * len(names))
        sgd(
            weights, given, buffers, foreach=False, weight_decay=decay, momentum=optimizer.momentum, lr=lr,
            dampening=0.0, nesterov=optimizer.nesterov, maximize=False,
        )  # fmt: skip
        return _flat(lists, names)
    filled = {
        what: [torch.zeros_like(w) if one is None else one for one, w in zip(tensors, weights, strict=True)]
        for what, tensors in lists.items()
    }
    made = kept.get(STEPS, torch.zeros((), device="cpu")).to("cpu", torch.float32)
    steps = [made.clone() for _ in names]  # as torch has them, one of each parameter
    if optimizer.kind == "rmsprop":
        rmsprop(
            weights, given, filled["square_avg"], [], filled.get("momentum_buffer", []), steps, foreach=False, lr=lr,
            alpha=optimizer.alpha, eps=optimizer.epsilon, weight_decay=decay, momentum=optimizer.momentum,
            centered=False,
        )  # fmt: skip
    else:
        adam(
            weights, given, filled["exp_avg"], filled["exp_avg_sq"], [], steps, foreach=False, fused=False,
            decoupled_weight_decay=optimizer.kind == "adamw", amsgrad=False, beta1=optimizer.beta1,
            beta2=optimizer.beta2, lr=lr, weight_decay=decay, eps=optimizer.epsilon, maximize=False,
        )  # fmt: skip
    found = _flat(filled, names)
    if counts_steps(optimizer):
        found[STEPS] = steps[0].to(weights[0])
    return found


def _copy(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.clone()


def _flat(lists: Mapping[str, Sequence[Tensor | None]], names: list[str]) -> dict[str, Tensor]:
    return {
        f"{OPTIMIZER}{what}.{name}": tensor
        for what, tensors in lists.items()
        for name, tensor in zip(names, tensors, strict=True)
        if tensor is not None
    }

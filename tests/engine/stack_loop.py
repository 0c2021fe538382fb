"""The reference of recorded stacks: torch's own cells in a plain loop, every state's gradient retained."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class Loop:
    output: Tensor
    """(T, B, W), 0 in the padding."""
    last: dict[str, Tensor]
    """h_n and c_n, (layers · directions, B, H)."""
    states: dict[str, dict[str, list[Tensor]]]
    """By layer and state: T tensors (B, H)."""
    weights: dict[str, Tensor]
    initial: dict[str, Tensor]
    x: Tensor

    def grads(self, layer: str, state: str) -> Tensor:
        """(T, B, H)."""
        return torch.stack([grad_of(h) for h in self.states[layer][state]])


def grad_of(tensor: Tensor) -> Tensor:
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


def stack_loop(
    module: nn.RNNBase,
    x: Tensor,
    initial: dict[str, Tensor] | None = None,
    lengths: Tensor | None = None,
    masks: list[Tensor] | None = None,
) -> Loop:
    """x (T, B, D), with a gradient of its own if it requires none."""
    step = getattr(torch, f"{module.mode.lower()}_cell")
    names = ("h", "c") if isinstance(module, nn.LSTM) else ("h",)
    T, B = x.shape[:2]
    both = (False, True) if module.bidirectional else (False,)
    shape = (module.num_layers * len(both), B, module.hidden_size)
    start = {s: (initial[s] if initial else x.new_zeros(shape)).detach().clone().requires_grad_() for s in names}
    weights = {name: w.detach().clone().requires_grad_() for name, w in module.named_parameters()}
    if not x.requires_grad:
        x = x.detach().clone().requires_grad_()
    if x.is_leaf is False:
        x.retain_grad()
    there = torch.ones(T, B, 1, dtype=torch.bool)
    if lengths is not None:
        there = (torch.arange(T)[:, None] < lengths)[:, :, None]
    states: dict[str, dict[str, list[Tensor]]] = {}
    last: dict[str, list[Tensor]] = {s: [] for s in names}
    stream = x
    for depth in range(module.num_layers):
        outputs = []
        for reverse in both:
            layer = f"l{depth}{'_reverse' if reverse else ''}"
            w = [weights.get(f"{n}_{layer}") for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            state = tuple(start[s][len(last[s])] for s in names)
            made: dict[int, tuple[Tensor, ...]] = {}
            for t in range(T - 1, -1, -1) if reverse else range(T):
                new = step(stream[t], state if len(names) == 2 else state[0], *w)
                made[t] = new if isinstance(new, tuple) else (new,)
                for tensor in made[t]:
                    tensor.retain_grad()
                state = tuple(torch.where(there[t], a, b) for a, b in zip(made[t], state, strict=True))
            for s, final in zip(names, state, strict=True):
                last[s].append(final)
            states[layer] = {s: [made[t][i] for t in range(T)] for i, s in enumerate(names)}
            outputs.append(torch.stack([torch.where(there[t], made[t][0], 0.0) for t in range(T)]))
        stream = torch.cat(outputs, 2)
        if masks and depth < module.num_layers - 1:
            stream = stream * masks[depth]
    return Loop(stream, {s: torch.stack(found) for s, found in last.items()}, states, weights, start, x)

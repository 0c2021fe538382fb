"""Torch's own kernel of a whole layer: forward, and, asked in the right way, the whole chain back in one call."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor

from engine.fast.chain import Stretch
from engine.fast.scan import scan
from engine.recurrence import Recurrence

Tensors: TypeAlias = Mapping[str, Tensor]

AGREEMENT = {torch.float32: 1e-6, torch.float64: 1e-13}
"""How far, relative to its step's largest, what the kernel makes may be from what our rules make of it."""


def outputs(
    layer: Recurrence, x: Tensor, start: Tensors, weights: Tensors, train: bool = False
) -> tuple[Tensor, dict[str, Tensor]]:
    """h (T, B, H), and the last states (1, B, H). Everything in the order in which the layer runs."""
    flat = [weights[name] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if name in weights]
    kernel, lstm = getattr(torch, str(layer.kernel)), layer.kernel == "lstm"
    states: Any = tuple(start[s].unsqueeze(0) for s in layer.rules.state_names)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "RNN module weights are not part of single contiguous chunk")
        h, *last = kernel(x, states if lstm else states[0], flat, "bias_ih" in weights, 1, 0.0, train, False, False)
    return h, dict(zip(layer.rules.state_names, last, strict=True))


def can_go_back(layer: Recurrence) -> bool:
    """Whether the layer is the kernel's, without interventions."""
    return layer.kernel is not None and layer.drop is None and not layer.held and not layer.cuts and layer.plain


def chain_by_kernel(whole: Stretch, values: Tensors, before: Tensors, direct: Tensor) -> bool:
    """What engine.fast.chain does, of all steps at once; False where the kernel and our rules part ways, and then it
    has to be done by those.

    The kernel is given W_ih x + b_ih for its input and the identity for W_ih: so what reaches its input is ∂L/∂a, of
    every step. From that follow δh (one product, and for the GRU's leak a scan) and δc (a scan), and from those, by our
    slopes, ∂L/∂a once more: that is what is recorded.
    """
    layer, slopes, d, h_side = whole.layer, whole.slopes, whole.d, whole.h_side
    course, carried, into = layer.course, whole.carried, whole.into
    sent = _sent_back(layer, values, before, direct, carried)
    of_gates = sent
    if layer.kind == "gru":
        of_gates = torch.cat([sent[:, :, :2], (sent[:, :, 2] * values["r"]).unsqueeze(2)], 2)
    torch.matmul(of_gates.flatten(2), layer.weights["weight_hh"], out=into)
    into.add_(whole.arriving)
    back, first = whole.backwards, 0 if course.reverse else -1
    if slopes.kept is not None and slopes.c_to_h is None:
        scan(slopes.kept, into, d["h"][first], back)
    if slopes.c_to_h is not None:
        assert slopes.kept is not None
        # f of the step after: what it hands back of its δc.
        ones = torch.ones_like(slopes.kept[:1])
        parts = [ones, slopes.kept[:-1]] if course.reverse else [slopes.kept[1:], ones]
        scan(torch.cat(parts), torch.mul(d["h"], slopes.c_to_h, out=d["c"]), carried["c"], back)
        last = -1 if course.reverse else 0
        carried["c"] = d["c"][last] * slopes.kept[last]
    on_c = slopes.blocks_on_c
    if on_c:
        torch.mul(d["c"].unsqueeze(2), slopes.h_side[:, :, :on_c], out=h_side[:, :, :on_c])
    torch.mul(d["h"].unsqueeze(2), slopes.h_side[:, :, on_c:], out=h_side[:, :, on_c:])
    apart, size = (array.abs().flatten(1).amax(1) for array in (h_side - of_gates, h_side))
    return bool((apart <= AGREEMENT[direct.dtype] * size).all())  # NaN does not agree


def _sent_back(layer: Recurrence, values: Tensors, before: Tensors, direct: Tensor, final: Tensors) -> Tensor:
    """(T, B, G, H): ∂L/∂(W_ih x + b_ih), by the kernel. 0 in the padding."""
    course, cell = layer.course, layer.rules
    weights = {"weight_ih": torch.eye(len(layer.weights["weight_hh"]), dtype=direct.dtype, device=direct.device)}
    weights["weight_hh"] = layer.weights["weight_hh"]
    from_h = before["h"] @ weights["weight_hh"].T
    if "bias_hh" in layer.weights:
        weights["bias_hh"], weights["bias_ih"] = layer.weights["bias_hh"], torch.zeros_like(layer.weights["bias_hh"])
        from_h = from_h + weights["bias_hh"]
    sums = torch.stack([values[name] for name in cell.gate_names], 2)
    if layer.kind == "gru":  # q is multiplied with r before it comes in
        H = from_h.shape[2] // 3
        from_h = torch.cat([from_h[:, :, : 2 * H], values["r"] * values["q"]], 2)
    x_side = course.along(course.zeroed(sums.flatten(2) - from_h))
    start = {s: course.along(state)[0] for s, state in before.items()}
    with torch.enable_grad():
        leaf = x_side.requires_grad_()
        h, last = outputs(layer, leaf, start, weights, train=True)
        made, reaching = [h, *last.values()], [course.along(direct), *(final[s].unsqueeze(0) for s in last)]
        (found,) = torch.autograd.grad(made, [leaf], reaching)
    return course.zeroed(course.along(found)).view(sums.shape)

"""From the consecutive calls of a cell in somebody's own loop to the trace of one sequence.

What is heard at a step's states is their TOTAL gradient δ_t: autograd adds what the step after hands back to what comes
from everywhere else, e_t, and any other node in between would change the order of that sum, and so their bits. So e_t
is a difference: δ_t minus what step t + 1 hands back, for which torch's own cell is run and differentiated once more,
at the same numbers. It comes to the same bits, so that e_t is exactly 0 where nothing else arrived. Elsewhere it is as
exact as the sum was, |error| ≤ (n + 1)·u·(|e_t| + Σ|what was handed back|) for n numbers that were added (Higham 2002,
eq. 4.4): where δ_t is 1e8 times as large as e_t, float32 has lost e_t in the user's own gradient already.

Likewise for c, of which δ holds the way through h of the same step. What reaches c_t from elsewhere (a loss on every
c_t, another loop that went on from there) is in the layer's `cell_grads`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from engine.errors import DataError
from engine.intake import check_sequence, with_initial_states
from engine.listening import Run
from engine.precision import arithmetic
from engine.replay import ROUNDING, apart, one_step, recorded, without_autocast
from engine.stack import Layer
from engine.tracing import Trace

Tensors: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class _Direct:
    """What reached each step's states, (T, B, H) each. Of a cell without c, what is said of c is 0."""

    h: Tensor
    """e_t: besides what the next step handed back."""
    c: Tensor
    """The same of c, and besides the way through h of the same step."""
    all_h: Tensor
    """With what the next step handed back."""
    all_c: Tensor
    rounding: Tensor
    """|c| up to here is no gradient, but what was lost in the sum."""

    @property
    def of_c(self) -> Tensor:
        return self.c.masked_fill(self.c.abs() <= self.rounding, 0.0)  # not NaN


def trace_of_loop(run: Run, called: str) -> Trace:
    """Raises DataError, with a sentence in which the cell is `called` so, where the replay is not what ran."""
    assert run.copies is not None
    casting = run.casting
    (layer,) = casting.layers(run.copies.layers)
    like = layer.weights["weight_hh"]
    with arithmetic(like):
        x = casting.rounded(torch.stack([_rows(call.x) for call in run.calls]))
        check_sequence(x, layer.weights["weight_ih"].shape[1], like)
        initial = {s: _rows(state) for s, state in casting.initial(run.initial).items()} if run.initial else None
        (layer,) = with_initial_states([layer], initial, x.shape[1], like)
        had = {s: torch.stack([_rows(call.outputs[s]) for call in run.calls]) for s in layer.initial}
        values = one_step(layer.recurrence(len(x), None), x, layer.initial, had, casting)
        error = max(apart(values[s], had[s]) for s in had)
        if not error <= ROUNDING[casting.narrowest]:
            far = f"{error:.0e} apart, and {ROUNDING[casting.narrowest]:.0e} would be rounding"
            if run.low is not None:
                raise DataError(without_autocast(run, called, far))
            raise DataError(
                f"What {called} answered is not what its weights make of its input ({far}), so a trace would show what "
                "did not run."
            )
        values |= had
    passes = list(dict.fromkeys(number for call in run.calls for number in call.arrived))
    with torch.inference_mode(False), torch.no_grad():
        found = [_direct(run, number) for number in passes]
    with arithmetic(like):
        direct = _Direct(*(sum(vars(one)[part] for one in found) for part in vars(found[0])))
        e, of_c = direct.h.clone(), direct.of_c
        final = {s: {"h": direct.all_h, "c": direct.all_c}[s][-1] for s in layer.initial}
        e[-1] = 0.0  # it is in what reaches the last states
        of_c[-1] = 0.0
        there = "c" in final and bool((of_c != 0).any())
        traced = layer.run_back(x, None, values, e, final, of_c if there else None)
        return recorded({layer.name: casting.marked(traced)}, values["h"])


def _direct(run: Run, backward_pass: int) -> _Direct:
    """Of one backward pass, in the arithmetic in which it ran."""
    assert run.copies is not None
    (layer,), calls = run.copies.layers, run.calls
    # As they were given, and not as the steps of a stack, which lie in memory in another way.
    states = list(calls[0].outputs)
    nothing = torch.zeros_like(_rows(calls[0].outputs["h"]))
    started = [run.initial or dict.fromkeys(states, nothing.to(calls[0].x)), *(call.outputs for call in calls)]
    handed, through_h = dict.fromkeys(states, nothing), nothing
    steps: list[tuple[Tensor, ...]] = []
    for t in range(len(calls) - 1, -1, -1):
        arrived = {s: _rows(grad) for s, grad in calls[t].arrived.get(backward_pass, {}).items()}
        total = {s: arrived.get(s, nothing) for s in states}
        earlier, through_h = dict.fromkeys(states, nothing), nothing
        if arrived:
            before = {s: _rows(started[t][s]) for s in states}
            earlier, through_h = _handed_back(layer, _rows(calls[t].x), before, total, run.low)
        steps.append((total["h"], handed["h"], total.get("c", nothing), handed.get("c", nothing), through_h))
        handed = earlier
    all_h, handed_h, all_c, handed_c, through_h = (torch.stack(parts[::-1]) for parts in zip(*steps, strict=True))
    return _Direct(
        h=_difference(all_h, handed_h),
        c=_difference(all_c, through_h + handed_c),
        all_h=all_h,
        all_c=_difference(all_c, through_h),
        rounding=4 * torch.finfo(all_h.dtype).eps * (through_h.abs() + handed_c.abs()),
    )


def _handed_back(
    layer: Layer, x: Tensor, before: Tensors, total: Tensors, low: torch.dtype | None
) -> tuple[dict[str, Tensor], Tensor]:
    """What a step hands back to the states before it, from the total gradients of its own, by autograd through torch's
    own cell; and what of δc came through h (0 where torch keeps that inside)."""
    weights: list[Any] = [layer.weights.get(n) for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    cell = getattr(torch, f"{layer.kernel}_cell")
    through_h: list[Tensor] = []
    # In their own precision, which `arithmetic` would change: the same bits are wanted.
    theirs = torch.autocast(x.device.type, dtype=low, enabled=low is not None)
    with torch.inference_mode(False), torch.enable_grad(), theirs:
        leaves = {s: state.detach().requires_grad_() for s, state in before.items()}
        if "c" not in leaves:
            h = cell(x, leaves["h"], *weights)
            (found,) = torch.autograd.grad(h, [leaves["h"]], total["h"])
            return {"h": found}, torch.zeros_like(found)

        def instead(grad: Tensor) -> Tensor:
            through_h.append(grad)
            return total["c"]

        h, c = cell(x, (leaves["h"], leaves["c"]), *weights)
        c.register_hook(instead)
        to_h, to_c = torch.autograd.grad([h, c], [leaves["h"], leaves["c"]], [total["h"], torch.zeros_like(c)])
    return {"h": to_h, "c": to_c}, through_h[0]


def _difference(total: Tensor, known: Tensor) -> Tensor:
    """total − known; 0 where they are the same, inf and NaN too: then nothing else has arrived."""
    same = (total == known) | (total.isnan() & known.isnan())
    return (total - known).masked_fill(same, 0.0)


def _rows(tensor: Tensor) -> Tensor:
    """(B, …), also from a single sample's (…)."""
    return tensor.unsqueeze(0) if tensor.dim() == 1 else tensor

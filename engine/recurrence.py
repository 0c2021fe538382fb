"""How one layer goes from step to step: its equations, its weights, its way through the sequence, and interventions."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from engine.cells import Cell, Norm
from engine.course import Course
from engine.quantities import GATES, ROUTES
from engine.spec import CellKind

Tensors: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Held:
    """A gate held at values in some places."""

    where: Tensor
    """Bool, (T, 1 or B, H)."""
    value: Tensor
    """Of the layer's type, (T, 1 or B, H)."""


@dataclass(frozen=True, eq=False)
class Recurrence:
    """Shapes: T steps, B samples, D inputs, H units, G row blocks of the weight matrices (the gates)."""

    kind: CellKind
    rules: Cell
    weights: Tensors
    """"weight_ih" (G·H, D), "weight_hh" (G·H, H), and where the layer has them "bias_ih", "bias_hh"."""
    course: Course
    kernel: str | None = None
    """Torch's function for the whole layer, "lstm", "gru", "rnn_tanh", "rnn_relu"; None: it has none."""
    drop: Tensor | None = None
    """(T or 1, B, H): what h₋ is multiplied with before it meets W_hh (recurrent dropout)."""
    held: Mapping[str, Held] = field(default_factory=dict)
    """By gate."""
    cuts: frozenset[str] = frozenset()
    """Routes that the gradient cannot take."""

    @property
    def plain(self) -> bool:
        """Whether a step back is the elementwise slopes and one product."""
        return self.rules.norm is None

    @cached_property
    def weight_back(self) -> Tensor:
        """W_hh (G·H, H) as the gradient finds it on its way back: without the blocks of routes that are cut."""
        weight: Tensor = self.weights["weight_hh"]
        gates = GATES[self.kind]
        cut = [place for place, gate in enumerate(gates) if (gate or "a") in self.cuts]
        if not cut:
            return weight
        blocks = weight.clone().view(len(gates), -1, weight.shape[1])
        blocks[cut] = 0.0
        return blocks.view_as(weight)

    @property
    def carries(self) -> bool:
        """Whether the way past the weights (carousel, leak) is there and open."""
        past = ROUTES[self.kind][0]
        return past in ("carousel", "leak") and past not in self.cuts

    def before(self, values: Tensors, initial: Tensors) -> dict[str, Tensor]:
        """(T, B, H) each: the states that each step starts from."""
        return {s: self.course.before(values[s], initial[s]) for s in self.rules.state_names}

    def dropped(self, h_before: Tensor, step: int | None = None) -> Tensor:
        """h₋ as W_hh meets it: (T, B, H), or of one step (B, H)."""
        mask = self.mask_of(step)
        return h_before if mask is None else h_before * mask

    def mask_of(self, step: int | None) -> Tensor | None:
        """The mask of one step (B, H), or of all; None: nothing is dropped."""
        if self.drop is None or step is None:
            return self.drop
        return self.drop[step if len(self.drop) > 1 else 0]

    def hold(self, gate: str, value: Tensor, step: int | None = None) -> Tensor:
        """The gate's values (B, H) of a step, or (T, B, H) of all, with those that are held."""
        if gate not in self.held:
            return value
        held = self.held[gate]
        if step is None:
            return torch.where(held.where, held.value, value)
        return torch.where(held.where[step], held.value[step], value)

    def with_held(self, values: Tensors, step: int | None = None) -> Tensors:
        """What the rules' `back` and `slopes` take: the values, and where gates are held."""
        if not self.held:
            return values
        masks = {f"held_{gate}": h.where if step is None else h.where[step] for gate, h in self.held.items()}
        return {**values, **masks}

    def handed_back(
        self,
        v: Tensors,
        d: Tensors,
        step: int | None = None,
        direct: Tensor | None = None,
        product: Callable[[Tensor, Tensor], Tensor] = torch.matmul,
    ) -> Tensors:
        """What reaches the states before a step, or before all of them: past the weights, through them, and for h the
        direct part as well."""
        past = self.rules.carry(v, d) if self.carries else {}
        to_h = self._through_weights(d, product)
        mask = self.mask_of(step)
        if mask is not None:
            to_h = to_h * mask
        if "h" in past:
            to_h = (past["h"] if direct is None else direct + past["h"]) + to_h
        elif direct is not None:
            to_h = direct + to_h
        if "c" in self.rules.state_names and "c" not in past:
            past = {"c": torch.zeros_like(to_h)}
        return {**past, "h": to_h}

    def _through_weights(self, d: Tensors, product: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """W_hhᵀ·(what reached each gate), without the routes that are cut: not even NaN comes through those."""
        side = self.rules.h_side(d)
        kept = [place for place, gate in enumerate(GATES[self.kind]) if (gate or "a") not in self.cuts]
        if len(kept) == side.shape[-2]:
            return product(side.flatten(-2), self.weights["weight_hh"])
        if not kept:
            return product(side[..., :0, :].flatten(-2), self.weights["weight_hh"][:0])
        # No list as an index: on a GPU that would be a copy to it, which has no place in a captured step.
        parts, blocks = side.unbind(-2), self.weights["weight_hh"].chunk(side.shape[-2])
        return product(torch.cat([parts[place] for place in kept], -1), torch.cat([blocks[place] for place in kept]))

    def norm_terms(self, values: Tensors, grads: Tensors) -> dict[str, Tensor]:
        """(T, B, G·H) each: what every step and sample contributes to the gradients of γ and β."""
        assert self.rules.norm is not None
        gamma, beta = self.rules.norm.terms(values, grads, self.rules.gate_names)
        # In the padding ŝ of zeros is 0/√ε, which is no number where ε is 0.
        return {"norm_weight": self.course.zeroed(gamma.flatten(-2)), "norm_bias": beta.flatten(-2)}

    @property
    def key(self) -> Hashable:
        """Everything about it that is no tensor, but the number of steps."""
        norm = self.rules.norm
        rules: Any = replace(cast(Any, self.rules), norm=None)
        return self.kind, rules, None if norm is None else norm.eps, self.course.reverse, self.cuts

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Those that it has beside its weights."""
        found = {f"{gate} {part}": getattr(h, part) for gate, h in self.held.items() for part in ("where", "value")}
        if self.drop is not None:
            found["drop"] = self.drop
        if self.course.lengths is not None:
            found["lengths"] = self.course.lengths
        return found

    def over(self, steps: int, weights: Tensors, tensors: Tensors) -> Recurrence:
        """The same layer over other numbers, which lie there by the names of `weights` and `tensors`."""
        rules = self.rules
        if rules.norm is not None and "norm_weight" in weights:
            gamma, beta = (weights[name].view_as(rules.norm.weight) for name in ("norm_weight", "norm_bias"))
            rules = replace(cast(Any, rules), norm=Norm(gamma, beta, rules.norm.eps))
        held = {gate: Held(tensors[f"{gate} where"], tensors[f"{gate} value"]) for gate in self.held}
        course = Course(steps, self.course.reverse, tensors.get("lengths"))
        return Recurrence(self.kind, rules, weights, course, self.kernel, tensors.get("drop"), held, self.cuts)

    def part(self, first: int, stop: int) -> Recurrence:
        """Of steps first … stop − 1, from 0."""
        cut = slice(first, stop)
        drop = self.drop if self.drop is None or len(self.drop) == 1 else self.drop[cut]
        held = {gate: Held(h.where[cut], h.value[cut]) for gate, h in self.held.items()}
        return Recurrence(
            self.kind, self.rules, self.weights, self.course.cut(first, stop), self.kernel, drop, held, self.cuts
        )

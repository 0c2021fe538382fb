"""What is added up over the stretches of a long trace, and what is kept of every step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.layer_trace import LayerTrace
from engine.norms import mean_over_samples, norm


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums are taken in float64 on the CPU: those of 100,000 float32 numbers lose digits."""

    steps: int
    weight_grads: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    """By layer and parameter."""
    head_grads: dict[str, Tensor] = field(default_factory=dict)
    """By name."""
    norms: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    """(T,) float64 by layer and key, "values.h", "grads.a_f"."""
    shares: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    """(T,) float64 by layer and parameter; empty until somebody has asked."""

    def add_layer(self, name: str, steps: slice, layer: LayerTrace) -> None:
        add(self.weight_grads.setdefault(name, {}), layer.weight_grads)
        kept = self.norms.setdefault(name, {})
        for part, arrays in (("values", layer.values), ("grads", layer.grads)):
            for symbol, array in arrays.items():
                row = kept.setdefault(f"{part}.{symbol}", torch.empty(self.steps, dtype=torch.float64, device="cpu"))
                row[steps] = mean_over_samples(norm(array, dim=2), layer.mask)

    def rounded(self, like: Mapping[str, Tensor], of_head: Mapping[str, Tensor]) -> Sums:
        """The sums in the parameters' own types: `like` by layer, `of_head` by name."""
        return Sums(
            self.steps,
            {name: {key: g.to(like[name]) for key, g in grads.items()} for name, grads in self.weight_grads.items()},
            {name: g.to(of_head[name]) for name, g in self.head_grads.items()},
            self.norms,
            self.shares,
        )


def add(sums: dict[str, Tensor], more: Mapping[str, Tensor]) -> None:
    for name, grad in more.items():
        part = grad.detach().to("cpu", torch.float64)
        sums[name] = sums[name] + part if name in sums else part

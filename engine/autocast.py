"""What torch.autocast makes of a recurrent layer, and in which type a trace of it is.

Autocast rounds weights and input to its own type, `low`, and lets the products run there. What is left of the layer
depends on the device. On a GPU all of it is in `low`, and so is nn.RNN and nn.RNNCell everywhere: then it is the layer
of that type, and the trace is in `low` too. On the CPU, nn.GRU, nn.GRUCell and nn.LSTMCell keep their states in the
type that they came in, float32, and add to them what the gates in `low` come to. A trace in `low` would lose what the
states had, and one that leaves out the rounding of the gates would have other ones: a leak z of 0.98 is 0.9805 in
bfloat16, and after 400 steps that is a fifth of the gradient. So that trace is in float32, and its values are those
that autocast came to, each gate as it was rounded. The gradients are those at these values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.layer_trace import LayerTrace
from engine.stack import Layer


def type_under_autocast(x: Tensor) -> torch.dtype | None:
    """What a module that is given x is cast to now; None where it is left alone, as everything in float64 is."""
    kind = x.device.type
    if not torch.is_autocast_enabled(kind) or x.dtype == torch.float64:
        return None
    return torch.get_autocast_dtype(kind)


@dataclass(frozen=True)
class Casting:
    """How the numbers of a call are taken."""

    low: torch.dtype | None
    """What weights and input are rounded to; None: to nothing."""
    states: torch.dtype
    """What the module's states are in, and the trace."""

    @property
    def mixed(self) -> bool:
        """Whether the states were in another type than the products."""
        return self.low is not None and self.low != self.states

    @property
    def narrowest(self) -> torch.dtype:
        return self.states if self.low is None else self.low

    def multiplied(self, tensor: Tensor) -> Tensor:
        """As it stood in the product: the input, a state, a weight, a bias."""
        return tensor if self.low is None else tensor.to(self.low)

    def rounded(self, tensor: Tensor) -> Tensor:
        """The same number in the trace's type."""
        return self.state(self.multiplied(tensor))

    def state(self, tensor: Tensor) -> Tensor:
        return tensor if self.low is None else tensor.to(self.states)

    def initial(self, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {s: self.state(state) for s, state in given.items()}

    def layers(self, layers: Iterable[Layer]) -> list[Layer]:
        if self.low is None:
            return list(layers)
        return [replace(one, weights={n: self.rounded(w) for n, w in one.weights.items()}) for one in layers]

    def marked(self, layer: LayerTrace) -> LayerTrace:
        """A layer's trace that says what was rounded in between."""
        return replace(layer, rounded=self.low) if self.mixed else layer

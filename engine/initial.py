"""Initial weights: what an experiment's seed and InitSpec make of every parameter.

Every parameter has a random stream of its own, so changing how one is initialised leaves all others as they are.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.draws import generator, orthogonal, uniform
from engine.parameters import parameter_shapes
from engine.quantities import GATES
from engine.spec import Experiment

DTYPES: dict[str, torch.dtype] = {"float32": torch.float32, "float64": torch.float64}


def initial_weights(experiment: Experiment) -> dict[str, Tensor]:
    """Parameters by name, on the CPU in the experiment's dtype.

    Torch's default for recurrent layers and for a linear read-out of H units is U(−1/√H, 1/√H) everywhere.
    """
    layer = experiment.layer
    H, gates = layer.hidden_size, GATES[layer.cell]
    bound = 1.0 / math.sqrt(H)

    weights = {
        name: uniform(shape, -bound, bound, generator(experiment.seed, name))
        for name, shape in parameter_shapes(experiment).items()
    }
    if layer.init.recurrent == "orthogonal":
        source = generator(experiment.seed, "weight_hh_l0 orthogonal")
        weights["weight_hh_l0"] = torch.cat([orthogonal(H, source) for _ in gates])
    weights["weight_hh_l0"] *= layer.init.gain
    for gate, bias in (("f", layer.init.forget_bias), ("z", layer.init.update_bias)):
        if bias is not None:
            # Both biases enter as their sum: one carries it, the other is zero.
            rows = gate_rows(gates, gate, H)
            weights["bias_ih_l0"][rows] = bias
            weights["bias_hh_l0"][rows] = 0.0
    return {name: weight.to(DTYPES[experiment.dtype]) for name, weight in weights.items()}


def gate_rows(gates: tuple[str, ...], gate: str, hidden_size: int) -> slice:
    """The rows of one gate in the stacked weight matrices and biases."""
    start = gates.index(gate) * hidden_size
    return slice(start, start + hidden_size)

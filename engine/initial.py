"""Initial weights: what an experiment's seed and InitSpec make of every parameter.

Every parameter has a random stream of its own, and every way to draw it another one, so changing how one is initialised
leaves all others as they are. Everything is drawn in float64 on the CPU and rounded afterwards.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from engine import draws
from engine.checks import checked, checked_layer
from engine.draws import generator
from engine.given import whole
from engine.parameters import Place, parameter_shapes, places
from engine.precision import arithmetic
from engine.quantities import GATES
from engine.spec import Experiment
from engine.spectral_radius import scaled_to_radius

DTYPES: dict[str, torch.dtype] = {"float32": torch.float32, "float64": torch.float64}


def initial_weights(experiment: Experiment) -> dict[str, Tensor]:
    """Parameters by name, as in engine.parameters, on the CPU in the experiment's dtype.

    The recurrent layers as `layer_weights` says. Around them torch's defaults: the embedding N(0, 1); linear maps of n
    numbers (read-out, attention and its query) U(±1/√n); batch normalisation γ = 1, β = 0.
    Raises SpecError for a wrong experiment, and DataError for a spectral radius that the weights cannot have.
    """
    seed, width = checked(experiment).seed, experiment.layer.width
    found: dict[str, Tensor] = {}
    for place in places(experiment):
        found |= {f"{name}_{place.name}": weight for name, weight in layer_weights(place, seed).items()}
    shapes = parameter_shapes(experiment)
    with _exact():
        found |= {name: _around(name, shape, width, seed) for name, shape in shapes.items() if name not in found}
        return {name: found[name].to(DTYPES[experiment.dtype]) for name in shapes}


def layer_weights(place: Place, seed: int) -> dict[str, Tensor]:
    """The parameters of one recurrent layer in one direction, "weight_ih" (G·H, D), "weight_hh" (G·H, H), … as its
    LayerSpec says; float64, CPU. Rows are stacked by gate, in torch's order.

    What its InitSpec does not name is torch's default, U(±1/√H). A gate's bias is the sum of both: bias_ih carries it
    and bias_hh is zero. With layer normalisation β of that gate carries it, since the normalisation takes out what
    stands before it (a shift of all units wholly).
    Raises SpecError for a wrong layer, and DataError for a spectral radius that the weights cannot have.
    """
    layer, seed = checked_layer(place.spec, place.input_size), whole("seed", seed)
    with _exact():
        found = {
            "weight_ih": _weight(place, seed, "weight_ih", layer.init.input),
            "weight_hh": _weight(place, seed, "weight_hh", layer.init.recurrent) * layer.init.gain,
            "bias_ih": _bias(place, seed, "bias_ih"),
            "bias_hh": _bias(place, seed, "bias_hh"),
        }
        if layer.init.spectral_radius is not None:
            name = f"weight_hh_{place.name}"
            found["weight_hh"] = scaled_to_radius(found["weight_hh"], layer.init.spectral_radius, layer.cell, name)
        if layer.layer_norm:
            found["norm_weight"] = torch.ones_like(found["bias_ih"])
            found["norm_bias"] = torch.zeros_like(found["bias_ih"])
        for gate, bias in _gate_biases(place, seed).items():
            rows = gate_rows(GATES[layer.cell], gate, layer.hidden_size)
            if layer.layer_norm:
                found["norm_bias"][rows] = bias
            else:
                found["bias_ih"][rows] = bias
                found["bias_hh"][rows] = 0.0
        return found


def gate_rows(gates: tuple[str, ...], gate: str, hidden_size: int) -> slice:
    """The rows of one gate in the stacked weight matrices and biases."""
    start = gates.index(gate) * hidden_size
    return slice(start, start + hidden_size)


def _exact() -> AbstractContextManager[None]:
    """The caller's autocast, gradients and inference mode do not reach the weights."""
    return arithmetic(torch.empty(0, device="cpu"))


def _weight(place: Place, seed: int, name: str, way: str) -> Tensor:
    """One weight matrix, each gate's block (H, fan_in) by itself; `way` as in InitSpec."""
    shape, H = place.shapes[name], place.spec.hidden_size
    fan_in = shape[1]
    stream = f"{name}_{place.name}"
    source = generator(seed, stream if way == "default" else f"{stream} {way}")
    if way == "xavier":
        bound = math.sqrt(6.0 / (fan_in + H))
        return draws.uniform(shape, -bound, bound, source)
    if way == "he":
        return draws.normal(shape, math.sqrt(2.0 / fan_in), source)
    if way == "normal":
        assert place.spec.init.std is not None, "checked"
        return draws.normal(shape, place.spec.init.std, source)
    if way == "orthogonal":
        return torch.cat([draws.orthogonal(H, fan_in, source) for _ in GATES[place.spec.cell]])
    if way == "identity":
        return torch.eye(H, dtype=torch.float64, device="cpu").repeat(len(GATES[place.spec.cell]), 1)
    return _linear(shape, H, source)


def _bias(place: Place, seed: int, name: str) -> Tensor:
    shape = place.shapes[name]
    if place.spec.init.bias == "zero":
        return torch.zeros(shape, dtype=torch.float64, device="cpu")
    return _linear(shape, place.spec.hidden_size, generator(seed, f"{name}_{place.name}"))


def _gate_biases(place: Place, seed: int) -> dict[str, float | Tensor]:
    """By gate, the biases that InitSpec asks for.

    Chrono (Tallec & Ollivier 2018, eq. 16): b_f = log(u), u ~ U(1, T_max − 1) for each unit, and b_i = −b_f. Their
    leaky unit (eq. 10) is the GRU's h = (1 − z)⊙n + z⊙h₋ with g = 1 − z, so their b_g = −log(u) is b_z = log(u). Of
    the other biases they say nothing: those stay.
    """
    init = place.spec.init
    if init.chrono is not None:
        source = generator(seed, f"bias_ih_{place.name} chrono")
        keep = draws.uniform((place.spec.hidden_size,), 1.0, init.chrono - 1.0, source).log()
        return {"f": keep, "i": -keep} if place.spec.cell == "lstm" else {"z": keep}
    asked = {"f": init.forget_bias, "z": init.update_bias}
    return {gate: bias for gate, bias in asked.items() if bias is not None}


def _around(name: str, shape: tuple[int, ...], width: int, seed: int) -> Tensor:
    """A parameter that is none of a recurrent layer's. `width`: what the read-out and attention read at a step."""
    if name.startswith("batch_norm"):
        value = 1.0 if name.endswith("weight") else 0.0
        return torch.full(shape, value, dtype=torch.float64, device="cpu")
    source = generator(seed, name)
    if name == "embedding.weight":
        return draws.normal(shape, 1.0, source)
    return _linear(shape, shape[0] if name == "attention.query" else width, source)


def _linear(shape: tuple[int, ...], fan_in: int, source: torch.Generator) -> Tensor:
    """Torch's default for linear maps of `fan_in` numbers and, with H, for recurrent layers."""
    bound = 1.0 / math.sqrt(fan_in)
    return draws.uniform(shape, -bound, bound, source)

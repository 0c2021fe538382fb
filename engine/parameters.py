"""The parameters of an experiment's network: names and shapes. Plain data, no torch, so that a file's weights can be
checked before anybody builds anything from them.

The recurrent layers' names are torch's: "weight_ih_l0", "weight_hh_l1_reverse". Torch has no name for what it does not
have; these follow its manner: "norm_weight_l0" and "norm_bias_l0" (γ and β inside a cell), "batch_norm_l0.weight" and
"batch_norm_l0.bias" (between layers), "embedding.weight", "attention.weight", "attention.bias", "attention.query",
"readout.weight", "readout.bias".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from engine.quantities import GATES
from engine.spec import Experiment, LayerSpec, ModelSpec, Task
from engine.task_facts import form

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Place:
    """One recurrent layer in one direction, and where it stands in the stack."""

    depth: int
    reverse: bool
    spec: LayerSpec
    input_size: int

    @property
    def name(self) -> str:
        """Torch's suffix: "l0", "l1_reverse"."""
        return f"l{self.depth}{'_reverse' if self.reverse else ''}"

    @property
    def shapes(self) -> Shapes:
        """Its parameters without the suffix: "weight_ih" (G·H, D), …"""
        H = self.spec.hidden_size
        rows = len(GATES[self.spec.cell]) * H
        found: Shapes = {
            "weight_ih": (rows, self.input_size),
            "weight_hh": (rows, H),
            "bias_ih": (rows,),
            "bias_hh": (rows,),
        }
        return found | ({"norm_weight": (rows,), "norm_bias": (rows,)} if self.spec.layer_norm else {})


def places(experiment: Experiment) -> Iterator[Place]:
    """The recurrent layers from the input to the read-out; of a bidirectional one, forward first, as in torch."""
    width = input_size(experiment.model, experiment.task)
    for depth, layer in enumerate(experiment.model.layers):
        for reverse in (False, True) if layer.bidirectional else (False,):
            yield Place(depth, reverse, layer, width)
        width = layer.width


def input_size(model: ModelSpec, task: Task) -> int:
    """What the first layer reads at a step: the embedding's vector, a one-hot vector of the task's symbols, or its
    numbers."""
    if model.embedding is not None:
        return model.embedding.size
    given = form(task)
    return given.symbols or given.numbers


def class_count(model: ModelSpec, task: Task) -> int:
    """Classes for cross-entropy: the task's own, or yes and no; 0 where the target is a number."""
    return form(task).classes if model.loss == "cross_entropy" else 0


def output_size(model: ModelSpec, task: Task) -> int:
    """Outputs of the read-out: one number (for binary cross-entropy, a logit), or one logit for each class."""
    return class_count(model, task) or 1


def parameter_shapes(experiment: Experiment) -> Shapes:
    """Every parameter's name and shape: the embedding, the recurrent layers, the read-out."""
    model = experiment.model
    found: Shapes = {}
    if model.embedding is not None:
        found["embedding.weight"] = (model.embedding.symbols, model.embedding.size)
    for place in places(experiment):
        found |= {f"{name}_{place.name}": shape for name, shape in place.shapes.items()}
    for depth, layer in enumerate(model.layers):
        if layer.batch_norm:
            found |= {f"batch_norm_l{depth}.weight": (layer.width,), f"batch_norm_l{depth}.bias": (layer.width,)}
    width, outputs = model.layers[-1].width, output_size(model, experiment.task)
    if model.readout.at == "attention":
        size = model.readout.attention_size
        found |= {"attention.weight": (size, width), "attention.bias": (size,), "attention.query": (size,)}
    return found | {"readout.weight": (outputs, width), "readout.bias": (outputs,)}


def layer_of(parameter: str) -> str:
    """The layer that a parameter belongs to, from its name.

    In a recurrent module the layer and direction that torch writes at the end: "weight_ih_l0_reverse" → "l0_reverse",
    "encoder.rnn.weight_hh_l1" → "encoder.rnn.l1". Elsewhere the module that owns the tensor: "readout.weight" →
    "readout". A bare name is one of a cell's own, which is one layer: "weight_ih" → "".
    """
    module, _, name = parameter.rpartition(".")
    suffix = re.search(r"_(l\d+(?:_reverse)?)$", name)
    if suffix is None:
        return module
    return f"{module}.{suffix[1]}" if module else suffix[1]

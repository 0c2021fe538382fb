"""Small experiments that are trained, and a training in plain torch to hold them against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from engine.network import Network
from engine.requests import Weights
from engine.spec import (
    AddingTask,
    CellKind,
    ClipSpec,
    Experiment,
    LayerSpec,
    ModelSpec,
    OptimizerSpec,
    TrainingSpec,
)

OPTIMIZERS = {
    "sgd": OptimizerSpec(),
    "momentum": OptimizerSpec(momentum=0.9),
    "nesterov": OptimizerSpec(momentum=0.8, nesterov=True),
    "rmsprop": OptimizerSpec(kind="rmsprop", alpha=0.95, epsilon=1e-6),
    "rmsprop momentum": OptimizerSpec(kind="rmsprop", momentum=0.5),
    "adam": OptimizerSpec(kind="adam"),
    "adamw": OptimizerSpec(kind="adamw", beta1=0.8, beta2=0.99),
}
TORCHS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def experiment(cell: CellKind = "lstm", hidden_size: int = 4, **of: Any) -> Experiment:
    """Of the adding problem; the rest are fields of the experiment, or of its training."""
    training = {name: of.pop(name) for name in list(of) if name in TrainingSpec.__struct_fields__}
    model = ModelSpec(layers=(LayerSpec(cell=cell, hidden_size=hidden_size),))
    given = {"model": model, "task": AddingTask(steps=6, batch_size=3), "training": TrainingSpec(**training)}
    return Experiment(**(given | of))


def torchs(optimizer: OptimizerSpec, parameters: list[nn.Parameter], lr: float, l2: float = 0.0) -> Any:
    """The class of torch.optim that the spec speaks of."""
    shared = {"lr": lr, "weight_decay": l2}
    if optimizer.kind == "sgd":
        return torch.optim.SGD(parameters, momentum=optimizer.momentum, nesterov=optimizer.nesterov, **shared)
    if optimizer.kind == "rmsprop":
        of = {"alpha": optimizer.alpha, "eps": optimizer.epsilon, "momentum": optimizer.momentum}
        return torch.optim.RMSprop(parameters, **of, **shared)
    made = torch.optim.Adam if optimizer.kind == "adam" else torch.optim.AdamW
    return made(parameters, betas=(optimizer.beta1, optimizer.beta2), eps=optimizer.epsilon, **shared)


class PlainTorch(nn.Module):
    """A recurrent module of torch's own and a linear read-out of its last step, with an experiment's first weights."""

    def __init__(self, given: Experiment) -> None:
        super().__init__()
        network = Network(given)
        layer = given.layer
        dtype = network.weights["readout.weight"].dtype
        self.recurrent = TORCHS[layer.cell](network.places[0].input_size, layer.hidden_size, dtype=dtype)
        self.readout = nn.Linear(layer.hidden_size, len(network.weights["readout.bias"]), dtype=dtype)
        self.load_state_dict({self.name(name): weight for name, weight in network.weights.items()})

    @staticmethod
    def name(parameter: str) -> str:
        return parameter if parameter.startswith("readout") else f"recurrent.{parameter}"

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.recurrent(x)[0][-1])


def same_bits(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)


def as_parameters(weights: Mapping[str, Tensor]) -> dict[str, nn.Parameter]:
    return {name: nn.Parameter(weight.clone()) for name, weight in weights.items()}


CLIP = ClipSpec(kind="norm", max_norm=0.3)

"""The parameters of an experiment's network: names and shapes. Plain data, no torch, so that a file's weights can be
checked before anybody builds anything from them."""

from __future__ import annotations

from engine.quantities import GATES
from engine.spec import AddingTask, Experiment, ModelSpec, Task


def input_size(task: Task) -> int:
    """Inputs a step: the adding problem has a number and a mark, the sunspots have a number."""
    return 2 if isinstance(task, AddingTask) else 1


def class_count(model: ModelSpec) -> int:
    """Two classes for cross-entropy; 0 where the target is a number."""
    return 2 if model.loss == "cross_entropy" else 0


def output_size(model: ModelSpec) -> int:
    """Outputs of the read-out: one number, or one logit for each class."""
    return class_count(model) or 1


def parameter_shapes(experiment: Experiment) -> dict[str, tuple[int, ...]]:
    """Every parameter's name, as in torch.nn, and shape; the recurrent layer first, then the read-out."""
    H, D = experiment.layer.hidden_size, input_size(experiment.task)
    outputs = output_size(experiment.model)
    rows = len(GATES[experiment.layer.cell]) * H
    return {
        "weight_ih_l0": (rows, D),
        "weight_hh_l0": (rows, H),
        "bias_ih_l0": (rows,),
        "bias_hh_l0": (rows,),
        "readout.weight": (outputs, H),
        "readout.bias": (outputs,),
    }

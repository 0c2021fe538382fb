"""The parameters of an experiment's network: names and shapes. Plain data, no torch, so that a file's weights can be
checked before anybody builds anything from them."""

from __future__ import annotations

from engine.quantities import GATES
from engine.spec import AddingTask, Experiment


def parameter_shapes(experiment: Experiment) -> dict[str, tuple[int, ...]]:
    """Every parameter's name, as in torch.nn, and shape; the recurrent layer first, then the read-out."""
    H = experiment.layer.hidden_size
    D = 2 if isinstance(experiment.task, AddingTask) else 1
    rows = len(GATES[experiment.layer.cell]) * H
    outputs = 2 if experiment.model.loss == "cross_entropy" else 1
    return {
        "weight_ih_l0": (rows, D),
        "weight_hh_l0": (rows, H),
        "bias_ih_l0": (rows,),
        "bias_hh_l0": (rows,),
        "readout.weight": (outputs, H),
        "readout.bias": (outputs,),
    }

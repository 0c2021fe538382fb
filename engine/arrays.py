"""A trace as read-only numpy arrays, for views and for export.

NumPy has no bfloat16: such numbers come out as float32, which holds each of them exactly. What they were computed in is
said beside them (`layer.x.dtype`, `Excerpt.dtype`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from engine.tracing import Trace


def arrays_of(trace: Trace) -> dict[str, NDArray[np.floating]]:
    """By name: "l0.values.f" (T, B, H), "l0.weight_grads.weight_hh", "l0.x", "outputs", "losses", "loss", …"""
    found: dict[str, Tensor] = {}
    for name, layer in trace.layers.items():
        for part, arrays in (
            ("values", layer.values),
            ("grads", layer.grads),
            ("initial", layer.initial),
            ("initial_grads", layer.initial_grads),
            ("final_grads", layer.final_grads),
            ("weights", layer.weights),
            ("weight_grads", layer.weight_grads),
        ):
            found |= {f"{name}.{part}.{key}": array for key, array in arrays.items()}
        found |= {
            f"{name}.x": layer.x,
            f"{name}.output_grads": layer.output_grads,
            f"{name}.input_grad": layer.input_grad,
        }
        if layer.cell_grads is not None:
            found[f"{name}.cell_grads"] = layer.cell_grads
    found |= {f"head_grads.{key}": array for key, array in trace.head_grads.items()}
    found |= {"outputs": trace.outputs, "losses": trace.losses, "loss": trace.loss, "input_grad": trace.input_grad}
    return {name: read_only(tensor) for name, tensor in found.items()}


def read_only(tensor: Tensor) -> NDArray[Any]:
    """Contiguous: a view where the tensor is that and in the machine's own memory, else a copy; bfloat16 as float32.
    Writing to it raises ValueError."""
    wide = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    array: NDArray[Any] = wide.detach().contiguous().cpu().numpy()
    array.flags.writeable = False
    return array


def on_device(arrays: Mapping[str, NDArray[Any]], device: torch.device) -> dict[str, Tensor]:
    """Copies as tensors: torch warns of read-only arrays, which is what crosses between processes."""
    return {name: torch.from_numpy(array.copy()).to(device) for name, array in arrays.items()}

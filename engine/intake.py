"""What a trace takes in: a torch module, its input and its initial state, checked, and copied so that they stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine import given
from engine.cells import Activation, Cell, cell_of
from engine.errors import DataError
from engine.spec import CellKind

_KINDS: dict[str, tuple[CellKind, Activation]] = {
    "RNN_TANH": ("rnn", "tanh"),
    "RNN_RELU": ("rnn", "relu"),
    "LSTM": ("lstm", "tanh"),
    "GRU": ("gru", "tanh"),
}


_TORCHS: dict[str, type[nn.RNNBase]] = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
_HOOKS = {
    "_forward_pre_hooks": "a forward pre-hook",
    "_forward_hooks": "a forward hook",
    "_backward_pre_hooks": "a backward pre-hook",
    "_backward_hooks": "a backward hook",
}


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer, ready to run: snapshots that nobody else holds."""

    cell: CellKind
    kernel: str
    """Torch's function for the whole layer: "lstm", "gru", "rnn_tanh", "rnn_relu"."""
    activation: Activation
    x: Tensor
    weights: dict[str, Tensor]
    initial: dict[str, Tensor]

    @property
    def rules(self) -> Cell:
        return cell_of(self.cell, self.activation)


def refuse(module: Any) -> None:
    """Raises DataError, with a sentence, for what cannot be traced for now."""
    if not isinstance(module, nn.RNNBase):
        raise DataError(f"A {type(module).__name__} cannot be traced; nn.RNN, nn.LSTM and nn.GRU are accepted for now.")
    if module.num_layers > 1:
        raise DataError(f"num_layers is {module.num_layers}; exactly 1 layer is accepted for now.")
    if module.bidirectional:
        raise DataError("bidirectional is True; one direction is accepted for now.")
    if module.proj_size > 0:
        raise DataError(f"proj_size is {module.proj_size}; 0 (no projection) is accepted for now.")
    if module.dropout > 0:
        raise DataError(f"dropout is {module.dropout:g}; 0 (no dropout) is accepted for now.")
    _refuse_other_computation(module)


def _refuse_other_computation(module: nn.RNNBase) -> None:
    """The equations of a trace are those of torch's own forward, and of nothing that somebody put before or after."""
    name, own = type(module).__name__, _TORCHS[module.mode.partition("_")[0]]
    for method in ("forward", "__call__"):
        if getattr(type(module), method) is not getattr(own, method) or method in vars(module):
            raise DataError(f"{name} has a {method} of its own, which a trace would not follow; torch's is accepted.")
    for kind, words in _HOOKS.items():
        if getattr(module, kind):
            raise DataError(f"This {name} has {words}, which a trace would not follow; remove it before tracing.")


def layer(module: nn.Module, x: Tensor, initial: Any = None) -> Layer:
    """The module's one layer with its input (T, B, D) and initial state, all copied. Raises DataError."""
    refuse(module)
    assert isinstance(module, nn.RNNBase)
    cell, activation = _KINDS[module.mode]
    weights = {
        name: getattr(module, f"{name}_l0").detach().clone()
        for name in ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if module.bias else ()))
    }
    like = weights["weight_hh"]
    _check_input(x, module.input_size, like)
    shape = (x.shape[1], module.hidden_size)
    states = cell_of(cell, activation).state_names
    given_states = given.states(initial, states)
    start = {s: _state(s, given_states.get(s), shape, like) for s in states}
    return Layer(
        cell, module.mode.lower(), activation, x.detach().clone(memory_format=torch.contiguous_format), weights, start
    )


def _check_input(x: Tensor, features: int, like: Tensor) -> None:
    given.with_numbers("The layer", like)
    given.with_numbers("x", x)
    if like.dtype not in (torch.float32, torch.float64):
        raise DataError(f"The weights are {like.dtype}; float32 and float64 are accepted for now.")
    if x.dim() != 3 or 0 in x.shape:
        raise DataError(f"x has shape {tuple(x.shape)}; (time, batch, feature) is accepted, none of them 0.")
    if x.shape[2] != features:
        raise DataError(f"x has {x.shape[2]} features a step; the layer's input_size is {features}.")
    _check_like("x", x, like)


def _state(name: str, start: Tensor | None, shape: tuple[int, int], like: Tensor) -> Tensor:
    if start is None:
        return like.new_zeros(shape)
    if tuple(start.shape) not in (shape, (1, *shape)):
        raise DataError(f"initial.{name} has shape {tuple(start.shape)}; (batch, hidden) = {shape} is accepted.")
    _check_like(f"initial.{name}", start, like)
    return start.detach().reshape(shape).clone()


def _check_like(name: str, array: Tensor, like: Tensor) -> None:
    if array.dtype != like.dtype:
        raise DataError(f"{name} is {array.dtype}; the weights are {like.dtype}, and both must agree.")
    if array.device != like.device:
        raise DataError(f"{name} is on {array.device}; the weights are on {like.device}, and both must agree.")

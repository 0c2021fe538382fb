"""What `LayerTrace.from_parts` accepts: plain data that somebody hands in, or that comes out of a file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, get_args

import torch
from torch import Tensor

from engine.cells import Activation, Cell, cell_of
from engine.errors import DataError
from engine.given import one_of
from engine.quantities import ROUTES, quantities
from engine.recurrence import Held
from engine.spec import CellKind
from engine.spec_reading import shown

Tensors = Mapping[str, Tensor]

KINDS = ("reverse", "lengths", "norm_eps", "drop", "held", "cuts", "rounded", "cell_grads")
"""What else there may be, by name."""
_TYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def checked_rules(cell: CellKind, activation: Activation) -> Cell:
    """The cell's equations. Raises DataError."""
    one_of("cell", cell, get_args(CellKind), "cell")
    return cell_of(cell, one_of("activation", activation, get_args(Activation), "activation"))  # type: ignore[arg-type]


def symbols_of(cell: CellKind, weights: Any) -> list[str]:
    """Of all values that there have to be. Raises DataError."""
    return [q.symbol for q in quantities(cell, "norm_weight" in _mapping("weights", weights))]


def check_layer(rules: Cell, x: Any, weights: Tensors) -> None:
    """x and the weights. Raises DataError."""
    if not isinstance(x, Tensor):
        raise DataError(f"x is {shown(x)}; a tensor (time, batch, feature) is accepted.")
    if x.dtype not in _TYPES:
        raise DataError(f"x is {x.dtype}; float32, float64, bfloat16 and float16 are accepted.")
    if x.dim() != 3 or 0 in x.shape:
        raise DataError(f"x has shape {tuple(x.shape)}; (time, batch, feature) is accepted, none of them 0.")
    weight_hh = weights.get("weight_hh")
    if not isinstance(weight_hh, Tensor) or weight_hh.dim() != 2:
        raise DataError("The weights have no matrix weight_hh; (gates · hidden, hidden) is needed.")
    H = weight_hh.shape[1]
    rows = len(rules.gate_names) * H
    biases = [name for name in ("bias_ih", "bias_hh") if "bias_ih" in weights or "bias_hh" in weights]
    check_all("weights", weights, ["weight_ih"], (rows, x.shape[2]), x)
    check_all("weights", weights, ["weight_hh"], (rows, H), x)
    normed = [name for name in ("norm_weight", "norm_bias") if "norm_weight" in weights or "norm_bias" in weights]
    check_all("weights", weights, biases + normed, (rows,), x)


def check_kind(cell: CellKind, kind: Mapping[str, Any], shape: tuple[int, int, int], x: Tensor) -> None:
    """What else there is; `shape` (T, B, H). Raises DataError."""
    T, B, H = shape
    for name in kind:
        one_of("A part", name, KINDS, "part of a layer's trace")
    _check_settings(cell, kind)
    lengths, drop = kind.get("lengths"), kind.get("drop")
    if lengths is not None and (not _is(lengths, torch.int64) or tuple(lengths.shape) != (B,)):
        raise DataError(f"lengths is {_described(lengths)}; {(B,)} of torch.int64 is needed.")
    if lengths is not None and not bool(((lengths >= 0) & (lengths <= T)).all()):
        raise DataError(f"lengths has {int(lengths.min())} to {int(lengths.max())}; 0 to {T} are accepted.")
    if drop is not None and (not _is(drop, x.dtype) or tuple(drop.shape) not in ((T, B, H), (1, B, H))):
        raise DataError(f"drop is {_described(drop)}; {(T, B, H)} or {(1, B, H)} of {x.dtype} is needed.")
    for gate, held in _mapping("held", kind.get("held", {})).items():
        if not isinstance(held, Held):
            raise DataError(f"held.{gate} is {shown(held)}; an engine.recurrence.Held is accepted.")
        for array in (held.where, held.value):
            if array.dim() != 3 or len(array) != T or array.shape[1] not in (1, B) or array.shape[2] != H:
                raise DataError(f"held.{gate} has shape {tuple(array.shape)}; {(T, B, H)} or {(T, 1, H)} is needed.")
    if (cell_grads := kind.get("cell_grads")) is not None:
        if cell != "lstm":
            raise DataError(f"cell_grads is given, and the {cell.upper()} has no c; an LSTM has.")
        check_all("cell_grads", {"c": cell_grads}, ["c"], (T, B, H), x)


def _check_settings(cell: CellKind, kind: Mapping[str, Any]) -> None:
    if not isinstance(reverse := kind.get("reverse", False), bool):
        raise DataError(f"reverse is {shown(reverse)}; true and false are accepted.")
    eps = kind.get("norm_eps", 1e-5)
    if isinstance(eps, bool) or not isinstance(eps, (int, float)) or not eps >= 0:
        raise DataError(f"norm_eps is {shown(eps)}; a number from 0 is accepted.")
    cuts = kind.get("cuts", frozenset())
    if isinstance(cuts, str) or not isinstance(cuts, Collection):
        raise DataError(f"cuts is {shown(cuts)}; a set of routes is accepted, of {', '.join(ROUTES[cell])}.")
    for route in cuts:
        one_of("A route in cuts", route, ROUTES[cell], f"route of the {cell.upper()}")
    if (rounded := kind.get("rounded")) not in (None, torch.float16, torch.bfloat16):
        raise DataError(f"rounded is {shown(rounded)}; torch.float16, torch.bfloat16 and None are accepted.")


def check_all(part: str, found: Any, names: Sequence[str], shape: tuple[int, ...], x: Tensor) -> None:
    """Tensors of these names, all of one shape and of x's type. Raises DataError."""
    for name in names:
        if name not in _mapping(part, found):
            raise DataError(f"The trace has no {part}.{name}; shape {shape} is needed.")
        array = found[name]
        if not _is(array, x.dtype) or tuple(array.shape) != shape:
            raise DataError(f"{part}.{name} is {_described(array)}; {shape} of {x.dtype} is needed.")


def _mapping(part: str, found: Any) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise DataError(f"{part} is {shown(found)}; tensors by name are accepted.")
    return found


def _is(array: Any, dtype: torch.dtype) -> bool:
    return isinstance(array, Tensor) and array.dtype == dtype


def _described(array: Any) -> str:
    return f"{tuple(array.shape)} of {array.dtype}" if isinstance(array, Tensor) else shown(array)

"""What a trace takes in: a torch module, its input and its initial state, checked, and copied so that they stay."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torchs_module
from torch.nn.utils import parametrize
from torch.nn.utils.rnn import PackedSequence

from engine import given
from engine.cells import Activation, cell_of
from engine.errors import DataError
from engine.layout import Layout
from engine.parametrised import weights_now
from engine.precision import arithmetic
from engine.spec import CellKind
from engine.spec_reading import shown, with_article
from engine.stack import Layer, Level

_KINDS: dict[str, tuple[CellKind, Activation]] = {
    "RNN_TANH": ("rnn", "tanh"),
    "RNN_RELU": ("rnn", "relu"),
    "LSTM": ("lstm", "tanh"),
    "GRU": ("gru", "tanh"),
}
TORCHS: dict[str, type[nn.Module]] = {
    "RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU,
    "RNNCell": nn.RNNCell, "LSTMCell": nn.LSTMCell, "GRUCell": nn.GRUCell,
}  # fmt: skip
_HOOKS = {
    "_forward_pre_hooks": "a forward pre-hook",
    "_forward_hooks": "a forward hook",
    "_backward_pre_hooks": "a backward pre-hook",
    "_backward_hooks": "a backward hook",
}
_REGISTERED = {
    "_forward_pre_hooks": "register_module_forward_pre_hook",
    "_forward_hooks": "register_module_forward_hook",
    "_backward_pre_hooks": "register_module_full_backward_pre_hook",
    "_backward_hooks": "register_module_full_backward_hook",
}
"""What registers such a hook for all modules."""
_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


@dataclass(frozen=True, eq=False)
class Taken:
    """A module and its input, ready to run."""

    x: Tensor
    """(T, B, D), a copy."""
    lengths: Tensor | None
    levels: tuple[Level, ...]


def mode_of(module: nn.Module) -> str:
    """ "LSTM", "GRU", "RNN_TANH" or "RNN_RELU", of a layer or a cell."""
    if isinstance(module, nn.RNNBase):
        return module.mode
    if isinstance(module, nn.RNNCell):
        return f"RNN_{module.nonlinearity.upper()}"
    return "LSTM" if isinstance(module, nn.LSTMCell) else "GRU"


def refuse(module: Any) -> None:
    """Raises DataError, with a sentence, for what cannot be traced."""
    if not isinstance(module, tuple(TORCHS.values())):
        raise DataError(_no_layer(module))
    refuse_other_equations(module)
    for kind, words in _HOOKS.items():
        if not all(_does_nothing(hook) for hook in getattr(module, kind).values()):
            name = type(module).__name__
            raise DataError(f"This {name} has {words}, which a trace would not follow; remove it before tracing.")
        if getattr(torchs_module, f"_global{kind}"):
            raise DataError(
                f"All modules have {words} (torch.nn.modules.module.{_REGISTERED[kind]}), which a trace would not "
                "follow; remove it before tracing."
            )


def _no_layer(module: Any) -> str:
    accepted = "nn.RNN, nn.LSTM, nn.GRU and their cells are accepted"
    inside = getattr(module, "_orig_mod", None)
    if isinstance(inside, tuple(TORCHS.values())):
        return (
            f"A module that torch.compile has made cannot be traced; the nn.{type(inside).__name__} inside it, its "
            "_orig_mod, is accepted."
        )
    kind = type(module)
    # One of torch's own relatives is called LSTM, too.
    name = f"{kind.__module__}.{kind.__name__}" if kind.__name__ in TORCHS else kind.__name__
    called = with_article(name)
    return (
        f"{called[0].upper()}{called[1:]} cannot be traced; {accepted}, and engine.record for a model that has some of "
        "them inside."
    )


def _does_nothing(hook: Any) -> bool:
    """A recording's own (engine.listener.Hook), and what a copy of a module that is being recorded has of it."""
    return getattr(hook, "only_listens", False) or isinstance(getattr(hook, "__self__", None), nullcontext)


def refuse_other_equations(module: Any, called: str = "") -> None:
    """The equations of a trace are those of torch's own forward. Raises DataError, in which `called` stands for the
    module."""
    if getattr(module, "proj_size", 0) > 0:
        of = f" of {called}" if called else ""
        raise DataError(f"proj_size{of} is {module.proj_size}; 0 (no projection) is accepted.")
    own = next(torchs for torchs in TORCHS.values() if isinstance(module, torchs))
    for method in ("forward", "__call__"):
        if getattr(type(module), method) is not getattr(own, method) or method in vars(module):
            name = called or type(module).__name__
            raise DataError(f"{name} has a {method} of its own, which a trace would not follow; torch's is accepted.")


def take(module: nn.Module, x: Any, initial: Any = None) -> Taken:
    """The module's layers with their input and initial state, all copied. x (T, B, D), (B, T, D) with batch_first, or
    packed. Weights and, in training mode, dropout between the layers are what the module's own forward would make and
    draw now; module and random state are left alone. Raises DataError."""
    refuse(module)
    if isinstance(x, PackedSequence) and isinstance(module, nn.RNNBase):
        data = given.with_numbers("x", x.data)
    else:
        data = given.sequence(x)
        if data.dim() != 3:
            raise DataError(f"x has shape {tuple(data.shape)}; (time, batch, feature) is accepted, none of them 0.")
    layout = Layout.of(module, x)
    x = layout.time_first(data)
    dropping = Dropping.of(module)
    masks: list[Tensor] = []
    draws = dropping is not None or parametrize.is_parametrized(module)
    with _random_state_kept(x.device) if draws else nullcontext():
        weights = weights_now(module, weight_names(module))
        _check_weights(module, weights)
        layers = layers_of(module, {name: weight.detach().clone() for name, weight in weights.items()})
        like = layers[0].weights["weight_hh"]
        check_sequence(x, module.input_size, like)  # type: ignore[arg-type]
        layers = with_initial_states(layers, initial, x.shape[1], like)
        if dropping is not None:
            with arithmetic(x):
                masks = dropping.masks(data, layout)
    levels = tuple(
        Level(tuple(level), _dropping(masks[depth - 1]) if depth and masks else None)
        for depth, level in enumerate(by_level(layers))
    )
    return Taken(x.detach().clone(memory_format=torch.contiguous_format), layout.lengths, levels)


def _check_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Raises DataError where somebody has put a weight in that does not go with the others."""
    cell, activation = _KINDS[mode_of(module)]
    H: int = module.hidden_size  # type: ignore[assignment]
    D: int = module.input_size  # type: ignore[assignment]
    rows, whose = len(cell_of(cell, activation).gate_names) * H, f"this {type(module).__name__}"
    first, like = next(iter(weights.items()))
    for name, weight in weights.items():
        given.with_numbers(name, weight)
        if weight.dtype != like.dtype:
            raise DataError(f"{name} of {whose} is {weight.dtype}, and {first} is {like.dtype}; one type is accepted.")
        if weight.device != like.device:
            raise DataError(
                f"{name} of {whose} is on {weight.device}, and {first} is on {like.device}; one device is accepted."
            )
        shape: tuple[int, ...] = (rows,)
        if name.startswith("weight_hh"):
            shape = (rows, H)
        elif name.startswith("weight_ih"):
            lowest = not isinstance(module, nn.RNNBase) or "_l0" in name
            shape = (rows, D if lowest else H * (2 if module.bidirectional else 1))
        if tuple(weight.shape) != shape:
            raise DataError(f"{name} of {whose} has shape {tuple(weight.shape)}; {shape} is accepted.")


def _random_state_kept(device: torch.device) -> AbstractContextManager[None]:
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def weight_names(module: nn.Module) -> list[str]:
    """Torch's full names: "weight_ih_l0", of a cell "weight_ih"."""
    if isinstance(module, nn.RNNBase):
        return [name for level in module._all_weights for name in level]
    return ["weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if module.bias else ())]


def layers_of(module: nn.Module, weights: Mapping[str, Tensor]) -> list[Layer]:
    """The module's layers with these weights (by torch's full names; taken as they are), without initial states."""
    mode = mode_of(module)
    cell, activation = _KINDS[mode]
    layers = []
    for depth in range(getattr(module, "num_layers", 1)):
        for reverse in (False, True) if getattr(module, "bidirectional", False) else (False,):
            name = f"l{depth}{'_reverse' if reverse else ''}"
            suffix = f"_{name}" if isinstance(module, nn.RNNBase) else ""
            own = {
                key: weights[key + suffix]
                for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                if key + suffix in weights
            }
            layers.append(Layer(name, cell, activation, own, {}, mode.lower(), reverse))
    return layers


def by_level(layers: list[Layer]) -> list[list[Layer]]:
    """One list a level: a layer, or its two directions."""
    each = 2 if any(layer.reverse for layer in layers) else 1
    return [layers[at : at + each] for at in range(0, len(layers), each)]


def with_initial_states(layers: list[Layer], initial: Any, batch: int, like: Tensor) -> list[Layer]:
    """The layers with their initial states: from what torch takes, or {"h": …} for a single layer, or by layer
    {"l0": {"h": …}}; zeros where nothing is given. Raises DataError."""
    names = [cell_of(layer.cell, layer.activation).state_names for layer in layers]
    sizes = [(batch, layer.weights["weight_hh"].shape[1]) for layer in layers]
    if initial is None:
        found: list[dict[str, Tensor]] = [{} for _ in layers]
    elif isinstance(initial, Mapping) and initial and all(str(key).startswith("l") for key in initial):
        known = [layer.name for layer in layers]
        for key in initial:
            if key not in known:
                raise DataError(f"initial has {shown(key)}; the layers are {', '.join(known)}.")
        found = [given.states(initial.get(name), own) for name, own in zip(known, names, strict=True)]
    elif len(layers) == 1:
        found = [given.states(initial, names[0])]
    else:
        found = _unstacked(given.states(initial, names[0]), names, sizes)
    return [
        replace(layer, initial={s: _state(_where(layer, layers, s), one.get(s), size, like) for s in own})
        for layer, one, own, size in zip(layers, found, names, sizes, strict=True)
    ]


def _unstacked(
    found: dict[str, Tensor], names: list[tuple[str, ...]], sizes: list[tuple[int, int]]
) -> list[dict[str, Tensor]]:
    """As torch has them: (layers · directions, B, H) in one tensor."""
    if len(set(sizes)) > 1 or len(set(names)) > 1:
        raise DataError("initial is one tensor for layers of different kinds or sizes; states by layer are accepted.")
    shape = (len(sizes), *sizes[0])
    for s, state in found.items():
        if tuple(state.shape) != shape:
            raise DataError(
                f"initial.{s} has shape {tuple(state.shape)}; (layers · directions, batch, hidden) = {shape} is "
                "accepted, or states by layer."
            )
    return [{s: state[place] for s, state in found.items()} for place in range(len(sizes))]


def _where(layer: Layer, layers: list[Layer], state: str) -> str:
    return state if len(layers) == 1 else f"{layer.name}.{state}"


@dataclass(frozen=True)
class Dropping:
    """What torch's own forward draws between the layers of one module."""

    p: float
    gaps: int
    """Between one layer and the next."""
    width: int
    """Of what a layer hands on: hidden size · directions."""

    @classmethod
    def of(cls, module: nn.Module) -> Dropping | None:
        """None where it would draw nothing now."""
        p, layers = getattr(module, "dropout", 0.0), getattr(module, "num_layers", 1)
        if p == 0 or not module.training or layers == 1:
            return None
        assert isinstance(module, nn.RNNBase)
        return cls(p, layers - 1, (2 if module.bidirectional else 1) * module.hidden_size)

    def masks(self, data: Tensor, layout: Layout) -> list[Tensor]:
        """(T, B, W) for each gap, drawn from the random state as it is: what is multiplied with. `data` as the module
        was given it; of a packed sequence torch draws for the steps that there are."""
        ones = data.new_ones(*layout.steps(data), self.width)
        drawn = [nn.functional.dropout(ones, self.p) for _ in range(self.gaps)]
        return drawn if layout.packing is None else [layout.time_first(mask) for mask in drawn]


def _dropping(mask: Tensor) -> Any:
    return _Dropped(mask != 0, mask.amax())


@dataclass(frozen=True, eq=False)
class _Dropped:
    """engine.step_pieces.StepByStep. Of a mask of 0 and 1/(1 − p), which takes four times as much."""

    keep: Tensor
    """(T, B, W) bool."""
    factor: Tensor
    """()."""
    reads_stream: ClassVar[bool] = False

    def part(self, steps: slice) -> _Dropped:
        return _Dropped(self.keep[steps], self.factor)

    def __call__(self, outputs: Tensor, read: Tensor) -> Tensor:
        return outputs * (self.keep.to(outputs) * self.factor)


def check_sequence(x: Tensor, features: int, like: Tensor) -> None:
    given.with_numbers("The layer", like)
    given.with_numbers("x", x)
    if like.dtype not in _DTYPES:
        raise DataError(f"The weights are {like.dtype}; float32, float64, bfloat16 and float16 are accepted.")
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

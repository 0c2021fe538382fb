"""Weights of a model in and out: state dicts, .safetensors files, and torch's own .pt files.

A file is a stranger's: nothing in it is run (a .pt is read with weights_only), names that stand twice are refused (the
safetensors library takes the last), and sizes are checked against the file before anything is read from it. A module is
built only when all of its tensors are there, one after the other without a gap, in the shapes that belong together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import safetensors.torch
import torch
from torch import Tensor, nn

from engine import atomic
from engine.errors import DataError, SessionError
from engine.given import with_numbers
from engine.network import checked_weights
from engine.parameters import parameter_shapes
from engine.plaintext import one_line
from engine.spec import Experiment
from engine.spec_reading import shown, with_article
from engine.strictjson import parse

State = Mapping[str, Tensor]

MAX_HEADER_BYTES = 64 * 2**20
_NESTS = ("state_dict", "model_state_dict", "model")
"""Under which a checkpoint commonly keeps its state dict."""
MAX_LAYERS = 1000
"""That `module_of` builds."""
_RECURRENT = re.compile(r"(weight_ih|weight_hh|bias_ih|bias_hh|weight_hr)(?:_l([0-9]+)(_reverse)?)?")
_MADE = re.compile(r"parametrizations\.((?:weight_ih|weight_hh|bias_ih|bias_hh)(?:_l[0-9]+)?(?:_reverse)?)\.")
_FOREIGN = re.compile(r"GLOBAL ([\w.]+)")
"""How torch names what it refuses to make of a file."""
_MODULES: dict[int, type[nn.RNN | nn.GRU | nn.LSTM]] = {1: nn.RNN, 3: nn.GRU, 4: nn.LSTM}
"""By row blocks of their matrices."""


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of a state dict that torch.save wrote, by name, on the CPU.

    Raises DataError with one sentence: a file that is not there, damaged, or holds anything but tensors.
    """
    path = _path(path)
    where = f"'{one_line(path.name, 80)}'"
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise DataError(f"The weights {where} cannot be read ({error.strerror}).") from None
    if path.suffix == ".safetensors":
        return _from_safetensors(path, where, start)
    return _from_torch(path, where)


def write_weights(path: str | Path, weights: State) -> None:
    """A .safetensors file of these tensors, whole or not at all. Raises DataError; an old file is then as it was."""
    path = _path(path)
    if not isinstance(weights, Mapping):
        raise DataError(
            f"The weights are {shown(weights)}; tensors by name are accepted, as model.state_dict() gives them."
        )
    for name, weight in weights.items():
        if not isinstance(name, str):
            raise DataError(f"The weights have the name {shown(name)}; a text is accepted.")
        _tensor(name, weight)
    # Copies: tensors that share memory (views of one parameter) are refused by the format.
    own = {name: weight.detach().cpu().contiguous().clone() for name, weight in weights.items()}
    try:
        data = safetensors.torch.save(own)
    except Exception as error:  # the library's own kinds are not public
        raise DataError(f"The weights cannot be written ({one_line(str(error), 120).rstrip('.')}).") from None
    try:
        atomic.write(path, [data])
    except SessionError as error:
        raise DataError(str(error)) from None


def _path(path: object) -> Path:
    if not isinstance(path, (str, os.PathLike)) or isinstance(os.fspath(path), bytes):
        raise DataError(f"The path is {shown(path)}; a text or a pathlib.Path is accepted.")
    return Path(path)


def _tensor(name: str, weight: Any) -> Tensor:
    """The weight, if it is a tensor with numbers in it."""
    called = f"'{one_line(name, 80)}'"
    if not isinstance(weight, Tensor):
        raise DataError(f"{called} is {shown(weight)}; a tensor is accepted.")
    return with_numbers(called, weight)


def state_of(model: nn.Module | State, prefix: str = "") -> dict[str, Tensor]:
    """The tensors of a module or a state dict whose names begin with `prefix` ("encoder.rnn."), without it.

    Raises DataError where there is none, with the prefixes that hold recurrent layers.
    """
    state: State = model.state_dict() if isinstance(model, nn.Module) else model
    if not isinstance(state, Mapping):
        raise DataError(f"The state is {shown(model)}; a module or a state dict is accepted.")
    if not isinstance(prefix, str):
        raise DataError(f"prefix is {shown(prefix)}; a text that names begin with is accepted.")
    for name in state:
        if not isinstance(name, str):
            raise DataError(f"The state has the name {shown(name)}; a text is accepted.")
    found = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    if not found:
        near = sorted({name[: m.start()] for name in state if (m := _RECURRENT.search(name))})
        known = ", ".join(f"'{one_line(one, 60)}'" for one in near[:8]) or "none"
        raise DataError(f"No tensor's name begins with {shown(prefix)}; recurrent layers are at {known}.")
    return found


def module_of(state: State, prefix: str = "", nonlinearity: str = "tanh", batch_first: bool = False) -> nn.RNNBase:
    """torch's own module with these weights, whose names and shapes tell its kind, sizes, layers and directions.

    `nonlinearity`, "tanh" or "relu", is the RNN's, which its weights do not tell. Names and shapes are all checked
    before anything is built. Raises DataError where they make no such module.
    """
    if not isinstance(nonlinearity, str) or nonlinearity not in ("tanh", "relu"):
        raise DataError(f"nonlinearity is {shown(nonlinearity)}; 'tanh' and 'relu' are accepted.")
    if not isinstance(batch_first, bool):
        raise DataError(f"batch_first is {shown(batch_first)}; true and false are accepted.")
    own = {name: tensor for name, tensor in state_of(state, prefix).items() if _RECURRENT.fullmatch(name)}
    for name, tensor in own.items():
        if not _tensor(name, tensor).is_floating_point():
            raise DataError(f"'{one_line(name, 80)}' is {tensor.dtype}; a floating-point tensor is accepted.")
    if any(name.startswith("weight_hr") for name in own):
        raise DataError("The weights have a projection (weight_hr); proj_size 0 is accepted.")
    _refuse_parametrised(state_of(state, prefix))
    first = own.get("weight_hh_l0", own.get("weight_hh"))
    reads = own.get("weight_ih_l0", own.get("weight_ih"))
    if first is None or reads is None or first.dim() != 2 or reads.dim() != 2:
        raise DataError(
            f"There are no weight_ih_l0 and weight_hh_l0 under {shown(prefix)}; a recurrent layer has them."
        )
    rows, H = first.shape
    kind = _MODULES.get(rows // H if H and rows % H == 0 else 0)
    if kind is None:
        raise DataError(
            f"weight_hh_l0 has shape {tuple(first.shape)}; (H, H) of an RNN, (3H, H) of a GRU or (4H, H) of an LSTM is "
            "accepted, H 1 or more."
        )
    named = {name if "_l" in name else f"{name}_l0": tensor for name, tensor in own.items()}
    if len(named) < len(own):
        _make_no(kind, "a cell's weight_hh and a layer's weight_hh_l0 stand beside each other")
    directions = ("", "_reverse") if any(name.endswith("_reverse") for name in named) else ("",)
    layers = _layers(kind, named)
    _check_shapes(kind, named, layers, directions)
    options: dict[str, Any] = {"nonlinearity": nonlinearity} if kind is nn.RNN else {}
    module: nn.RNNBase = kind(
        reads.shape[1],
        H,
        num_layers=layers,
        bias="bias_ih_l0" in named,
        bidirectional=len(directions) == 2,
        batch_first=batch_first,
        dtype=first.dtype,
        device=first.device,
        **options,
    )
    module.load_state_dict(named)
    return module


def _make_no(kind: type[nn.RNN | nn.GRU | nn.LSTM], problem: str) -> NoReturn:
    raise DataError(f"The weights make no {kind.__name__}: {problem}.")


def _layers(kind: type[nn.RNN | nn.GRU | nn.LSTM], named: State) -> int:
    """How many there are: as many as have tensors, and no more than that whatever their names say."""
    depths = {match[2]: name for name in named if (match := _RECURRENT.fullmatch(name))}
    expected = {str(depth) for depth in range(len(depths))}
    if beyond := sorted(depths.keys() - expected):
        missing = min(int(depth) for depth in expected - depths.keys())
        name = one_line(depths[beyond[0]], 40)
        _make_no(kind, f"there is {name}, and no layer l{missing}; layers from l0 on without a gap are accepted")
    if len(depths) > MAX_LAYERS:
        _make_no(kind, f"there are {len(depths):,} layers; at most {MAX_LAYERS:,} are accepted")
    return len(depths)


def _check_shapes(
    kind: type[nn.RNN | nn.GRU | nn.LSTM], named: State, layers: int, directions: tuple[str, ...]
) -> None:
    """Raises DataError where a tensor is missing, is one too many or has another shape than its module gives it."""
    (rows, H), features = named["weight_hh_l0"].shape, named["weight_ih_l0"].shape[1]
    if not features:
        _make_no(kind, f"weight_ih_l0 has shape {tuple(named['weight_ih_l0'].shape)}; 1 feature or more is accepted")
    biases = ("bias_ih", "bias_hh") if "bias_ih_l0" in named else ()
    left = dict(named)
    for depth in range(layers):
        read = features if depth == 0 else H * len(directions)
        shapes = {"weight_ih": (rows, read), "weight_hh": (rows, H), **dict.fromkeys(biases, (rows,))}
        for direction in directions:
            for part, shape in shapes.items():
                name = f"{part}_l{depth}{direction}"
                tensor = left.pop(name, None)
                if tensor is None:
                    _make_no(kind, f"{name} is missing; shape {shape} is accepted")
                if tuple(tensor.shape) != shape:
                    _make_no(kind, f"{name} has shape {tuple(tensor.shape)}; {shape} is accepted")
    if left:
        _make_no(kind, f"there is {min(left)}, and no such bias of l0")


def fitted(experiment: Experiment, state: State, prefix: str = "") -> dict[str, Tensor]:
    """The experiment's initial weights with those of a state dict in their places: what `Network(experiment, …)` takes.

    Names are engine.parameters'; the state dict of an nn.LSTM has those of its layers. Tensors of other names are left
    out. Numbers are brought to the experiment's dtype. Raises DataError where none fits, or one has the wrong shape.
    """
    from engine.initial import DTYPES, initial_weights

    expected = parameter_shapes(experiment)
    given = {name: tensor for name, tensor in state_of(state, prefix).items() if name in expected}
    if not given:
        raise DataError(f"None of the tensors is a parameter of this experiment; it has {', '.join(expected)}.")
    for name, tensor in given.items():
        if not _tensor(name, tensor).is_floating_point():
            raise DataError(f"'{name}' is {tensor.dtype}; a floating-point tensor is accepted.")
    dtype = DTYPES[experiment.dtype]
    return checked_weights(
        experiment,
        initial_weights(experiment) | {name: tensor.detach().to("cpu", dtype) for name, tensor in given.items()},
    )


def _from_safetensors(path: Path, where: str, start: bytes) -> dict[str, Tensor]:
    size = path.stat().st_size
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(MAX_HEADER_BYTES, size - 8):
        raise DataError(f"The weights {where} are damaged: the header is longer than the file.")
    with path.open("rb") as file:
        file.seek(8)
        header = file.read(length)
    try:
        parse(header, "The header", MAX_HEADER_BYTES)  # a name that stands twice is refused here
        return safetensors.torch.load_file(path, device="cpu")
    except SessionError as error:
        raise DataError(f"The weights {where} are damaged. {error}") from None
    except Exception as error:  # the library's own kinds are not public
        raise DataError(f"The weights {where} cannot be read ({one_line(str(error), 120).rstrip('.')}).") from None


def _from_torch(path: Path, where: str) -> dict[str, Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle's, zip's and torch's own, whose texts are pages long
        accepted = "a state dict is accepted, as torch.save(model.state_dict(), path) writes it"
        if found := _FOREIGN.search(str(error)):
            kind = f"{with_article(one_line(found[1], 80))}, which a file's own code would have to make"
            raise DataError(f"The weights {where} cannot be read safely: they hold {kind}; {accepted}.") from None
        raise DataError(
            f"The weights {where} cannot be read safely: they are damaged, or none of torch.save's; {accepted}."
        ) from None
    if isinstance(found, Mapping):
        nested = [found[name] for name in _NESTS if isinstance(found.get(name), Mapping)]
        found = nested[0] if nested and not any(isinstance(value, Tensor) for value in found.values()) else found
    if not isinstance(found, Mapping) or not found:
        raise DataError(f"The weights {where} hold {shown(found)}; a state dict, tensors by name, is accepted.")
    for name, value in found.items():
        if not isinstance(value, Tensor) or not isinstance(name, str):
            raise DataError(
                f"The weights {where} hold {shown(name)}, which is {shown(value)}; only tensors are accepted."
            )
    return dict(found)


def _refuse_parametrised(state: State) -> None:
    """What torch.nn.utils.parametrize makes a weight of is not the weight, and a state dict does not tell how."""
    for name in state:
        if found := _MADE.match(name):
            raise DataError(
                f"Instead of {found[1]} there is '{one_line(name, 80)}', of which a parametrisation makes it; the "
                f"state after torch.nn.utils.parametrize.remove_parametrizations(module, '{found[1]}') is accepted."
            )

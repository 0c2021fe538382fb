"""Specs: the frozen, validated description of an experiment. Plain data, no torch.

A spec determines the numbers. `checked(experiment)` returns it or raises `SpecError` with one sentence that names the
field, the value and what would be accepted; `experiment_from(data)` does the same for plain dicts (TOML, JSON).
"""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import msgspec

from engine import spec_reading
from engine.errors import SpecError
from engine.figures import figure

CellKind: TypeAlias = Literal["rnn", "lstm", "gru"]
Dtype: TypeAlias = Literal["float32", "float64"]
Device: TypeAlias = Literal["auto", "cpu", "cuda", "mps"]

MAX_STEPS = 100_000
MAX_HIDDEN_SIZE = 4096
MAX_BATCH_SIZE = 4096
MAX_RECORDED_VALUES = 500_000_000  # T·B·H of one trace; some 20 arrays of that size are recorded


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all specs: immutable, keyword-only, unknown fields refused when read.

    Specs repeat frozen and kw_only, which msgspec inherits and type checkers do not.
    """


class InitSpec(Spec, frozen=True, kw_only=True):
    """Initial weights of a recurrent layer. Everything that is not named here is torch's default, U(±1/√H)."""

    recurrent: Literal["default", "orthogonal"] = "default"
    """W_hh: torch's default, or a random orthogonal matrix (each gate's block by itself)."""
    gain: float = 1.0
    """Factor on W_hh after that."""
    forget_bias: float | None = None
    """LSTM: the sum of both forget-gate biases (Jozefowicz et al. 2015). None leaves torch's default."""
    update_bias: float | None = None
    """GRU: the sum of both biases of z. Positive values keep the old state, since h = (1 − z)⊙n + z⊙h₋."""


class LayerSpec(Spec, frozen=True, kw_only=True):
    """One recurrent layer, one direction."""

    cell: CellKind
    hidden_size: int = 16
    activation: Literal["tanh", "relu"] = "tanh"
    """Of the RNN; the LSTM and the GRU have tanh only."""
    init: InitSpec = InitSpec()


class ReadoutSpec(Spec, frozen=True, kw_only=True):
    """A linear read-out of h, and the steps at which the loss is taken."""

    at: Literal["last", "every"] = "last"


class ModelSpec(Spec, frozen=True, kw_only=True):
    layers: tuple[LayerSpec, ...]
    """From the input to the read-out."""
    readout: ReadoutSpec = ReadoutSpec()
    loss: Literal["mse", "cross_entropy"] = "mse"


class AddingTask(Spec, tag="adding", tag_field="kind", frozen=True, kw_only=True):
    """The adding problem (Hochreiter & Schmidhuber 1997): add the two marked numbers of a sequence.

    Input (T, B, 2): a number in [0, 1) and a mark. The target is the sum of the marked numbers (so far, where the loss
    is taken at every step); for cross-entropy, whether that sum is above 1.
    """

    steps: int = 50
    batch_size: int = 16


class SunspotsTask(Spec, tag="sunspots", tag_field="kind", frozen=True, kw_only=True):
    """Yearly sunspot numbers 1700-2008 in windows of `steps` years; forecast the year after.

    Input (T, B, 1), scaled to zero mean and unit variance. The target is the next year's number (at the last step, or
    at every step); for cross-entropy, whether it is higher than this year's.
    """

    steps: int = 44
    batch_size: int = 16


Task: TypeAlias = AddingTask | SunspotsTask


ClipKind: TypeAlias = Literal["none", "norm", "value", "layer", "parameter", "agc", "step"]


class ClipSpec(Spec, frozen=True, kw_only=True):
    """Clipping of the gradients. What each kind does is told, with its source, in engine.clipping."""

    kind: ClipKind = "none"
    """"norm": the norm of all parameters' gradients together, as torch's clip_grad_norm_.  "value": every entry by
    itself, as torch's clip_grad_value_.  "layer": the norm of each layer, and "parameter" of each tensor, by itself.
    "agc": each row of a matrix against the norm of its weights.  "step": what goes back through each time step."""
    max_norm: float = 1.0
    """Of "norm", "layer", "parameter" and "step": there of one sample's ∂L/∂(states), all states together."""
    max_value: float = 1.0
    """Of "value": entries are cut to ±max_value."""
    ratio: float = 0.01
    """Of "agc", λ: the largest norm of a row's gradient, as a multiple of the norm of the row."""
    readout: bool = False
    """Of "agc": whether the read-out is clipped too. In the paper the final linear layer is not."""


class TrainingSpec(Spec, frozen=True, kw_only=True):
    learning_rate: float = 0.1
    """Of plain SGD."""
    clip: ClipSpec = ClipSpec()
    iterations: int = 0
    """Iterations that are done before the experiment is shown (with progress)."""


class Experiment(Spec, frozen=True, kw_only=True):
    """Everything that determines the numbers. Same experiment, same device: the same bits."""

    model: ModelSpec
    task: Task
    training: TrainingSpec = TrainingSpec()
    seed: int = 0
    dtype: Dtype = "float32"
    device: Device = "auto"

    @property
    def layer(self) -> LayerSpec:
        """The recurrent layer (there is one)."""
        return self.model.layers[0]


class WhatIf(Spec, frozen=True, kw_only=True):
    """An intervention on top of the weights. It changes the computation, never the weights that are kept."""

    recurrent_scale: float = 1.0
    """Factor on every weight_hh."""
    forget_bias: float = 0.0
    """Shift of the LSTM's forget-gate bias; other cells have none."""
    clip_norm: float | None = None
    """Clip at this global norm instead of what the training spec says."""


NO_WHAT_IF = WhatIf()

RECURRENT_SCALE_RANGE = (0.0, 3.0)
FORGET_BIAS_RANGE = (-8.0, 8.0)
CLIP_NORM_RANGE = (1e-3, 1e3)


def clip_of(experiment: Experiment, what_if: WhatIf = NO_WHAT_IF) -> ClipSpec:
    """The clipping in force: the what-if's threshold where there is one, else the training spec's."""
    if what_if.clip_norm is not None:
        return ClipSpec(kind="norm", max_norm=what_if.clip_norm)
    return experiment.training.clip


def checked(experiment: Experiment) -> Experiment:
    """The experiment itself, if every field is in its range. Raises SpecError. (msgspec validates only what it reads.)

    The types are checked by a round trip through plain data, so a spec that was built in code is held to the same
    rules as one that was read from a file.
    """
    if not isinstance(experiment, Experiment):
        raise SpecError(f"The experiment is {spec_reading.shown(experiment)}; an engine.Experiment is accepted.")
    _convert(experiment, Experiment)
    if len(experiment.model.layers) != 1:
        raise SpecError(
            f"model.layers has {len(experiment.model.layers)} entries; exactly 1 recurrent layer is accepted."
        )
    layer, task, training = experiment.layer, experiment.task, experiment.training
    where = "model.layers[0]."
    _whole(where + "hidden_size", layer.hidden_size, 1, MAX_HIDDEN_SIZE)
    _real(where + "init.gain", layer.init.gain, 0.0, 1e6)
    if layer.activation != "tanh" and layer.cell != "rnn":
        raise SpecError(f"{where}activation is '{layer.activation}'; the {layer.cell.upper()} accepts only 'tanh'.")
    if layer.init.forget_bias is not None:
        if layer.cell != "lstm":
            raise SpecError(f"{where}init.forget_bias is set, but the {layer.cell.upper()} has no forget gate.")
        _real(where + "init.forget_bias", layer.init.forget_bias, -100.0, 100.0)
    if layer.init.update_bias is not None:
        if layer.cell != "gru":
            raise SpecError(f"{where}init.update_bias is set, but the {layer.cell.upper()} has no update gate.")
        _real(where + "init.update_bias", layer.init.update_bias, -100.0, 100.0)
    _whole("task.steps", task.steps, 2 if isinstance(task, AddingTask) else 1, _max_steps(task))
    _whole("task.batch_size", task.batch_size, 1, MAX_BATCH_SIZE)
    _real("training.learning_rate", training.learning_rate, 0.0, 1e6)
    _check_clip(training.clip)
    _whole("training.iterations", training.iterations, 0, 1_000_000)
    _whole("seed", experiment.seed, 0, 2**31 - 1)
    size = task.steps * task.batch_size * layer.hidden_size
    if size > MAX_RECORDED_VALUES:
        raise SpecError(
            f"task.steps × task.batch_size × hidden_size is {size:,}, too large to record; "
            f"at most {MAX_RECORDED_VALUES:,} is accepted."
        )
    return experiment


def _check_clip(clip: ClipSpec) -> None:
    for field in ("max_norm", "max_value", "ratio"):
        _real(f"training.clip.{field}", getattr(clip, field), 1e-12, 1e12)


def checked_what_if(what_if: WhatIf) -> WhatIf:
    """The what-if itself, if every field is in its range. Raises SpecError."""
    if not isinstance(what_if, WhatIf):
        raise SpecError(f"The what-if is {spec_reading.shown(what_if)}; an engine.WhatIf is accepted.")
    _convert(what_if, WhatIf)
    _real("what_if.recurrent_scale", what_if.recurrent_scale, *RECURRENT_SCALE_RANGE)
    _real("what_if.forget_bias", what_if.forget_bias, *FORGET_BIAS_RANGE)
    if what_if.clip_norm is not None:
        _real("what_if.clip_norm", what_if.clip_norm, 1e-12, 1e12)
    return what_if


def experiment_from(data: Any, where: str = "") -> Experiment:
    """An experiment from plain dicts, checked. `where` stands before the sentence, for example a file's name."""
    try:
        return checked(_convert(data, Experiment))
    except SpecError as error:
        raise SpecError(f"{where}{error}") from None


def _max_steps(task: Task) -> int:
    return 308 if isinstance(task, SunspotsTask) else MAX_STEPS  # 309 years, and one of them is the target


def _convert(data: Any, kind: type[Any]) -> Any:
    field = "what_if" if kind is WhatIf else ""
    try:
        return spec_reading.read(
            spec_reading.plain(data) if isinstance(data, msgspec.Struct) else data, kind, "the experiment", field
        )
    except ValueError as error:
        raise SpecError(str(error)) from None


def _whole(field: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not low <= value <= high:
        raise SpecError(f"{field} is {spec_reading.shown(value)}; a whole number from {low} to {high:,} is accepted.")


def _real(field: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise SpecError(f"{field} is {figure(value, 6)}; a number from {figure(low)} to {figure(high)} is accepted.")

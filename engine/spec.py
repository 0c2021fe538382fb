"""Specs: the frozen, validated description of an experiment. Plain data, no torch.

A spec determines the numbers. engine.checks holds them to their ranges.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from engine.spec_base import Spec as Spec
from engine.task_specs import AddingTask as AddingTask
from engine.task_specs import CopyTask as CopyTask
from engine.task_specs import DigitsTask as DigitsTask
from engine.task_specs import EchoTask as EchoTask
from engine.task_specs import OwnTask as OwnTask
from engine.task_specs import ParityTask as ParityTask
from engine.task_specs import ReberTask as ReberTask
from engine.task_specs import SequencesTask as SequencesTask
from engine.task_specs import SeriesTask as SeriesTask
from engine.task_specs import SinesTask as SinesTask
from engine.task_specs import Split as Split
from engine.task_specs import SunspotsTask as SunspotsTask
from engine.task_specs import Task as Task
from engine.task_specs import TemporalOrderTask as TemporalOrderTask
from engine.task_specs import TextTask as TextTask

CellKind: TypeAlias = Literal["rnn", "lstm", "gru"]
Activation: TypeAlias = Literal["tanh", "relu", "leaky_relu", "sigmoid", "identity"]
Dtype: TypeAlias = Literal["float32", "float64"]
Arithmetic: TypeAlias = Literal["float64", "float32", "bfloat16", "float16"]
Device: TypeAlias = Literal["auto", "cpu", "cuda", "mps"]
ReadAt: TypeAlias = Literal["last", "every", "mean", "attention"]
Loss: TypeAlias = Literal["mse", "cross_entropy", "binary_cross_entropy"]

MAX_LAYERS = 16
MAX_HIDDEN_SIZE = 4096
MAX_RECORDED_VALUES = 500_000_000  # T·B·H of one trace, all layers together; some 20 arrays of that size are recorded


class InitSpec(Spec, frozen=True, kw_only=True):
    """Initial weights of a recurrent layer. Everything that is not named here is torch's default, U(±1/√H)."""

    input: Literal["default", "xavier", "he", "orthogonal", "normal"] = "default"
    """W_ih, each gate's block by itself; as for `recurrent`."""
    recurrent: Literal["default", "xavier", "he", "orthogonal", "identity", "normal"] = "default"
    """W_hh, each gate's block by itself: torch's default; Xavier's U(±√(6/(fan_in + fan_out))) (Glorot & Bengio 2010,
    eq. 16); He's N(0, 2/fan_in) (He et al. 2015, eq. 10); a random orthogonal matrix (Saxe et al. 2014); the identity
    (Le et al. 2015); or N(0, std²)."""
    std: float | None = None
    """Of "normal"; needed there and nowhere else."""
    bias: Literal["default", "zero"] = "default"
    """Both biases: torch's default, or 0 (as the identity's authors have them)."""
    gain: float = 1.0
    """Factor on W_hh after that."""
    spectral_radius: float | None = None
    """Of each gate's block of W_hh, which is scaled to it after everything else."""
    forget_bias: float | None = None
    """LSTM: the sum of both forget-gate biases (Jozefowicz et al. 2015). None leaves torch's default. With layer
    normalisation, which takes a shift before it out again, this and the next two go into its β."""
    update_bias: float | None = None
    """GRU: the sum of both biases of z. Positive values keep the old state, since h = (1 − z)⊙n + z⊙h₋."""
    chrono: int | None = None
    """LSTM and GRU: the longest dependency T_max, in steps. The sum of the biases of f is log(u), u ~ U(1, T_max − 1),
    that of i the negative of it; of the GRU's z, log(u) (Tallec & Ollivier 2018, section 2.2)."""


class RecurrentDropoutSpec(Spec, frozen=True, kw_only=True):
    """Dropout of h₋ where it meets the recurrent weights. What passes them by (carousel, leak) is never dropped."""

    p: float = 0.25
    """Probability that a unit is dropped; what is left is scaled by 1/(1 − p)."""
    mask: Literal["sequence", "step"] = "sequence"
    """One mask for the whole sequence (Gal & Ghahramani 2016), or a fresh one at every step."""


class LayerSpec(Spec, frozen=True, kw_only=True):
    """One recurrent layer, and what is done to its output before somebody else reads it.

    The output is normalised over the batch, then dropped, then what the layer read is added to it, as far as each is
    asked for.
    """

    cell: CellKind
    hidden_size: int = 16
    activation: Activation = "tanh"
    """Of the RNN; the LSTM and the GRU have tanh only."""
    bidirectional: bool = False
    """A second set of weights runs from the last step to the first; the output holds both, one beside the other."""
    init: InitSpec = InitSpec()
    layer_norm: bool = False
    """Each gate's pre-activation is normalised by itself over its units, a = γ⊙(s − μ)/√(σ² + ε) + β."""
    norm_eps: float = 1e-5
    """ε of both normalisations."""
    recurrent_dropout: RecurrentDropoutSpec | None = None
    batch_norm: bool = False
    """The output is normalised over the batch, step by step (over time it would leak the future into the past)."""
    dropout: float = 0.0
    """Probability that a number of the output is dropped; what is left is scaled by 1/(1 − p)."""
    dropout_mask: Literal["step", "sequence"] = "step"
    """A fresh mask at every step (as torch), or one for the whole sequence."""
    residual: bool = False
    """What the layer reads is added to its output."""

    @property
    def width(self) -> int:
        """Numbers a step in the output."""
        return self.hidden_size * (2 if self.bidirectional else 1)


class EmbeddingSpec(Spec, frozen=True, kw_only=True):
    """Symbols become vectors, by a table of weights (symbols, size)."""

    symbols: int
    size: int = 8


class ReadoutSpec(Spec, frozen=True, kw_only=True):
    """A linear read-out of h, and what it reads: the last step, every step, their mean, or additive attention over all
    of them, Σ α_t h_t with α = softmax(vᵀ tanh(W h_t + b)) (Bahdanau et al. 2015, without a query).

    "last" is the last state of each direction, as in torch's h_n: of a forward layer that after step T (of a sample
    with a length, after its own last one), of a reverse layer that after step 1, where its way ends. Side by side they
    have both read the whole sequence; the output at step T would hold a reverse state that has read one step.
    """

    at: ReadAt = "last"
    attention_size: int = 16
    """Rows of W; only of attention."""


class ModelSpec(Spec, frozen=True, kw_only=True):
    """What is built: an embedding, recurrent layers, a read-out and its loss."""

    layers: tuple[LayerSpec, ...]
    """From the input to the read-out."""
    embedding: EmbeddingSpec | None = None
    """For symbols, which are read one-hot without one; None where the input is numbers."""
    readout: ReadoutSpec = ReadoutSpec()
    loss: Loss = "mse"


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


class TruncationSpec(Spec, frozen=True, kw_only=True):
    """Truncated BPTT: every k1 steps, k2 steps back (engine.truncation). What it leaves is shown and trained."""

    k1: int
    """At most k2, or some losses would go back nowhere."""
    k2: int


class OptimizerSpec(Spec, frozen=True, kw_only=True):
    """How a gradient becomes a step: torch.optim's of that name, with its defaults."""

    kind: Literal["sgd", "rmsprop", "adam", "adamw"] = "sgd"
    momentum: float = 0.0
    """Of "sgd" and "rmsprop"."""
    nesterov: bool = False
    """Of "sgd" with momentum."""
    alpha: float = 0.99
    """Of "rmsprop": how slowly the mean of squares follows."""
    beta1: float = 0.9
    """Of "adam" and "adamw"; so are the next."""
    beta2: float = 0.999
    epsilon: float = 1e-8
    """Of all but "sgd"."""


class ScheduleSpec(Spec, frozen=True, kw_only=True):
    """What the learning rate is multiplied with at iteration i, from 0 (engine.schedule)."""

    kind: Literal["constant", "step", "exponential", "linear", "cosine"] = "constant"
    warmup: int = 0
    """Iterations over which it rises to 1 first; the rest counts from there."""
    every: int = 100
    """Of "step": ·factor after so many iterations."""
    factor: float = 0.5
    """Of "step", and of "exponential" for every `every` iterations, without the steps."""
    length: int = 1000
    """Of "linear" and "cosine": iterations down to `floor`."""
    floor: float = 0.0


class SamplingSpec(Spec, frozen=True, kw_only=True):
    """Scheduled sampling (Bengio et al. 2015): with probability 1 − ε an input is what the network itself said at the
    step before, instead of the truth. ε falls with the iteration i. What is sampled is data: no gradient goes through
    the choice. Without it the truth is always read (teacher forcing)."""

    decay: Literal["linear", "exponential", "inverse_sigmoid"] = "linear"
    """ε = max(floor, k − c·i), k^i, or k/(k + exp(i/k)): section 2.4."""
    k: float = 1.0
    c: float = 1e-3
    floor: float = 0.0


class EarlyStopSpec(Spec, frozen=True, kw_only=True):
    """Stop where the validation loss has not fallen for a while."""

    patience: int = 5
    """Evaluations without a new least loss."""
    least: float = 0.0
    """By how much it has to fall to count."""


class TrainingSpec(Spec, frozen=True, kw_only=True):
    """How it is trained: by plain SGD, its gradients clipped and truncated as asked for."""

    learning_rate: float = 0.1
    optimizer: OptimizerSpec = OptimizerSpec()
    schedule: ScheduleSpec = ScheduleSpec()
    l1: float = 0.0
    """λ sign(w) is added to the clipped gradient of every parameter."""
    l2: float = 0.0
    """Torch's weight_decay: λ w is added likewise; with "adamw" the weights shrink by lr·λ instead."""
    clip: ClipSpec = ClipSpec()
    truncation: TruncationSpec | None = None
    """None: full BPTT."""
    carry: bool = False
    """Each batch begins with the states that the one before ended with (no gradient goes there), where the task's
    sequences go on from batch to batch."""
    sampling: SamplingSpec | None = None
    """Of tasks that predict what they read next; None: teacher forcing."""
    evaluate_every: int = 50
    """Iterations from one evaluation on the validation part to the next, while training runs."""
    early_stop: EarlyStopSpec | None = None
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
        """The last recurrent layer, the one that the read-out reads."""
        return self.model.layers[-1]


class GateBias(Spec, frozen=True, kw_only=True):
    """A shift of one gate's bias, and so of its pre-activation, in every layer that has such a gate."""

    gate: str
    """ "i", "f", "g", "o"; "r", "z", "n"; "" for the RNN's one bias. With layer normalisation its β is shifted."""
    shift: float


class Clamp(Spec, frozen=True, kw_only=True):
    """A gate (or candidate) held at a value, forward; no gradient passes through it there."""

    gate: str
    """The LSTM's "i", "f", "g", "o"; the GRU's "r", "z", "n"."""
    value: float
    """What the gate's own function can come to: 0 to 1, of the candidates "g" and "n" −1 to 1, ends included."""
    layer: str = "l0"
    """Torch's suffix: "l0", "l1_reverse"."""
    first: int = 1
    """First and last step, t from 1; `last` None: to the end."""
    last: int | None = None
    units: tuple[int, ...] | None = None
    """From 0; None: all."""


class Cut(Spec, frozen=True, kw_only=True):
    """A route that the gradient cannot take, backward only: the forward pass is what it was."""

    route: str
    """As in `layer.jacobians()`: "carousel", "f", "leak", "a"."""
    layer: str = "l0"


class WhatIf(Spec, frozen=True, kw_only=True):
    """An intervention on top of the weights. It changes the computation, never the weights that are kept."""

    recurrent_scale: float = 1.0
    """Factor on every weight_hh."""
    spectral_radius: float | None = None
    """Each gate's block of every weight_hh is scaled to this spectral radius, instead of by the factor."""
    forget_bias: float = 0.0
    """Shift of the LSTM's forget-gate bias; other cells have none."""
    gate_biases: tuple[GateBias, ...] = ()
    clamps: tuple[Clamp, ...] = ()
    cuts: tuple[Cut, ...] = ()
    dtype: Arithmetic | None = None
    """The type that everything is computed in, instead of the experiment's."""
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

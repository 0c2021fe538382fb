"""What crosses between the window and the engine: plain data both ways, no torch.

Every request is a pure function of plain data. It is submitted as `executor.submit(run, operation, request)`, where
`run` is `engine.operations.run` and `operation` one of `OPERATIONS`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.spec import Activation, CellKind, ClipKind, Experiment, Loss, ReadAt, TruncationSpec, WhatIf
from engine.tape import Moment, Phase, Tape
from engine.tracks import LayerKind, TrackSpec, read_layer

Array: TypeAlias = NDArray[np.floating]
Weights: TypeAlias = Mapping[str, Array]
"""Parameters by name: the recurrent layer's as in torch.nn ("weight_ih_l0", …), the read-out's as "readout.weight" and
"readout.bias"."""

Operation: TypeAlias = Literal[
    "excerpt", "train", "judge", "audit", "audit_on", "arrays", "analysis", "look_at", "peek", "bring", "let_go"
]
"""excerpt: Look → Excerpt.  train: Train → Trained.  judge: Judge → Judged.  audit: Source → Audit.
audit_on: Source → Audit, or None: a piece of it has been made, ask again.
arrays: Source → dict of arrays.  analysis: one of engine.analysis_requests → its part.
look_at: LookAt → Preview.  peek: Peek → Lines.  bring: Bring → the task over somebody's own data
(engine.data_requests)."""


@dataclass(frozen=True, eq=False)
class Computed:
    """A trace that is computed from an experiment. `weights` None: the experiment's own, as initialised by its seed
    (only for iteration 0, which is before all training)."""

    experiment: Experiment
    weights: Weights | None = None
    iteration: int = 0
    """Also chooses the batch: batches come from seed and iteration."""
    what_if: WhatIf = field(default_factory=WhatIf)


@dataclass(frozen=True, eq=False)
class Recorded:
    """A trace of somebody's own model, from a file: it can be looked at, nothing can be recomputed."""

    path: str
    sha256: str
    """Of the file when it was opened; a file that has changed since is refused."""


Source: TypeAlias = Computed | Recorded


@dataclass(frozen=True, eq=False)
class Look:
    """What of a trace is on screen."""

    source: Source
    keys: tuple[str, ...]
    """Wanted as whole arrays (engine.shown): "values.f", "l1_reverse.grads.c", "l0.share.weight_hh". What the network
    does not have is left out of the answer."""
    sample: int = 0
    """From 0; beyond the batch: the last."""
    unit: int | None = None
    """For the cell panel: the series of one unit, or None for norms over all units."""
    layer: str = ""
    """For the cell panel: whose cell. "" is the layer that the read-out reads, forward."""
    routes: bool = True
    """For the cell panel: the shares of the routes of that layer. Without them a long trace is sooner there."""


LEVELS = (-20, 2)
"""log₁₀ of the norms between which a gradient is drawn as one: the ends of the scale that magnitudes usually have."""


@dataclass(frozen=True)
class Verdict:
    """How the gradient of one loss (the last that there is) fares from its last step back to its first.

    The last loss is the last that reads anything, and k_last the last step that it reads (a masked end is not there).
    ratio = N[s, k_first] / N[s, k_last], the flow-matrix row of that loss: norm of ∂L_s/∂h_k per sample, then the mean
    over the batch. Vanishing below 1e-6, exploding above 1e6. "undefined": k_last = 1, or a norm of 0/0, inf or NaN
    (but inf/finite is exploding, 0/finite is vanishing). Where going back the norm first overflows to inf and only then
    turns NaN, it is exploding, with +inf. What leaves these bounds on its way and comes back is not healthy: then
    `first_step` is the step at which it is farthest out. And where it ends in subnormal numbers, which stand still or
    jump where the gradient goes on, `first_step` is the last step, going back, whose norm is a normal number.
    """

    kind: Literal["vanishing", "healthy", "exploding", "undefined"]
    log10_ratio: float
    """May be −inf, +inf or NaN."""
    first_step: int
    last_step: int
    loss_step: int
    subnormal_from: int = 0
    """Of a norm that ends in subnormal numbers or goes through them to 0: the first step, going back, at which it is
    subnormal. 0: none is."""
    log10_normal: float = 0.0
    """Then log₁₀ of the ratio just before that, at step `subnormal_from` + 1."""
    log10_level: float | None = None
    """log₁₀ of the largest norm on the way, of which the ratio knows nothing: what neither grows nor shrinks may be far
    too large, or next to nothing, all along. −inf: all are 0. None: nobody knows, or some are NaN or inf."""

    @property
    def off_level(self) -> Literal["", "above", "below"]:
        """Whether the largest norm lies outside of LEVELS."""
        if self.log10_level is None:
            return ""
        low, high = LEVELS
        return "above" if self.log10_level > high else "below" if self.log10_level < low else ""


@dataclass(frozen=True)
class ClipRow:
    """One parameter's gradient norm (float64) before and after clipping."""

    parameter: str
    before: float
    after: float
    factor: float = math.nan
    """What the whole parameter was multiplied with; NaN where there is not one factor."""
    cosine: float = math.nan
    """Between before and after; NaN where either is zero or not finite."""
    units: int = 0
    """How many pieces were judged by themselves: entries by value, rows by AGC, else the parameter (0: none was)."""
    clipped: int = 0
    """So many of them were clipped."""


@dataclass(frozen=True)
class ClipReport:
    """What clipping did to the parameter gradients."""

    kind: ClipKind
    max_norm: float
    norm: float
    """Global norm before clipping, in float64."""
    norm_in_dtype: float
    """The same as the trace's own dtype computes it: a finite gradient can overflow here."""
    factor: float
    """By norm: what torch's clip_grad_norm_ multiplies with, from norm_in_dtype; 1 where nothing was clipped. NaN for
    the kinds that have no single factor."""
    cosine: float
    """Between the gradient before and after (1: direction kept); NaN where either is zero or not finite."""
    rows: tuple[ClipRow, ...]
    sentence: str
    """What happened, in one sentence, the bad cases included (norm overflowed: every gradient times 0)."""
    norm_after: float = math.nan
    """Global norm after clipping, in float64."""
    layers: tuple[ClipRow, ...] = ()
    """Per layer, by its name ("l0", "readout"), where each is clipped by itself."""
    units: int = 0
    """How many pieces were judged by themselves: 1 by norm, layers, parameters, entries by value, rows by AGC, samples
    times steps where every step is clipped; 0: not counted, `factor` tells."""
    clipped: int = 0
    """So many of them were clipped."""
    is_gradient: bool = True
    """Whether what an update gets has come out of the gradient of the loss by clipping it at the end. False where every
    step of the backward pass was clipped: that is no longer a gradient of the loss."""

    @property
    def fired(self) -> bool:
        """Whether anything was clipped."""
        return self.clipped > 0 or (self.kind == "norm" and self.factor != 1.0)


EventKind: TypeAlias = Literal["underflow", "overflow", "nan", "clip", "saturated", "dead"]


@dataclass(frozen=True)
class Event:
    """Something on the tape worth a tick."""

    kind: EventKind
    phase: Literal["forward", "loss", "backward", "clip"]
    step: int
    """t, from 1; for the loss and clip T."""
    sentence: str
    layer: str = ""
    """Whose: "l0"; "": of the whole network."""
    reverse: bool = False
    """That layer runs from T to 1: the playhead is at it where a forward one would have come to step T + 1 − t."""

    def position(self, steps: int) -> int:
        """On the tape of a trace with so many steps."""
        tape = Tape(steps)
        step = steps + 1 - self.step if self.reverse else self.step
        return tape.position(Moment(Phase(self.phase), step))


@dataclass(frozen=True, eq=False)
class ShownLayer:
    """A layer, in one direction, as far as everybody has to know it."""

    name: str
    """ "l0", "l1_reverse"."""
    cell: CellKind
    activation: Activation
    hidden_size: int
    input_size: int
    reverse: bool
    """It runs from step T to step 1."""
    layer_norm: bool
    norms: Mapping[str, Array]
    """(T,) float64 for every key: Euclidean norm over units, per sample, then the mean over the samples that
    have the step; NaN behind the longest one."""
    input_norms: Array
    """(T,) float64, likewise: ‖∂L/∂x_t‖ of what this layer reads, as far as it comes through this layer (of two
    directions each has its part)."""
    direct_norms: Array
    """(T,) float64, likewise: ‖e_t‖, the direct ∂L/∂h_t, from the layer above or the loss, without recurrence."""
    initial: Mapping[str, Array]
    """{"h": (H,)} and, for the LSTM, "c": the state before its first step, of the chosen sample."""
    cuts: frozenset[str] = frozenset()
    """Routes that a what-if closes to the gradient."""
    longest: int = 0
    """Steps of the longest sample; behind them there is padding alone. 0: all have all of them."""
    crossing_norms: Mapping[str, Array] = field(default_factory=dict)
    """Under truncation, (T,) float64 by state, likewise: of what comes to it at each step from the step after."""


@dataclass(frozen=True, eq=False)
class Excerpt:
    """What of a trace is shown. Arrays are read-only, time first, in the order of the sequence."""

    layers: Mapping[str, ShownLayer]
    """By name, from the input on: "l0", "l0_reverse", "l1"."""
    layer: str
    """The one that the cell panel shows; its `unit`, `cell_series` and `cell_inputs`."""
    steps: int
    batch_size: int
    dtype: str
    device: str
    """Where it was computed: "cpu", "cuda:0"."""
    device_note: str
    """One sentence if that is not the device that was asked for, else ""."""
    sample: int
    unit: int | None
    length: int
    """Steps of the chosen sample; what comes after is padding."""
    arrays: Mapping[str, Array]
    """By the keys that were wanted, time first; a quantity of the chosen sample is (T, H) in the trace's dtype
    (bfloat16 as float32)."""
    cell_series: Mapping[str, Array]
    """(T,) float64, for the cell panel, of the chosen sample: for every key, the value of the chosen unit, or the norm
    over units. Also "values.h_prev", "values.c_prev", "grads.h_direct" (the loss's own ∂L/∂h_t, before recurrence),
    "grads.c_direct" (its own ∂L/∂c_t; only where a recorded loss reads a c),
    "grads.h_hidden" (what comes to h_t through W_hh from step t + 1; 0 at T), "sent.h" (what t sends that way), of a
    GRU "sent.all" (with the leak), where truncation stops some of it "sent.c" or "sent.leak" and "ahead.c" or "ahead.h"
    (what of the δ of t + 1 goes on to t), and per pre-activation "input.a_f" (W_ih x + b_ih) and "recurrent.a_f" (W_hh
    h₋ + b_hh). With layer normalisation "gamma.a_f", "normed.a_f", "beta.a_f", "spread.a_f", "centre.a_f" and
    "along.a_f" (engine.cell_series); where a what-if holds a gate, "held.f" and "held_value.f". Where they were wanted,
    of all units whatever the unit is, "route.carousel" and the others of engine.quantities.ROUTES: each route's share
    of what goes to the step before; and "route_log10.carousel" and "route_log10.total", the logarithms of the norms
    (engine.route_shares)."""
    cell_inputs: Array
    """(T, D): what that layer reads, of the chosen sample."""
    inputs: Array
    """(T, D) of the chosen sample; symbols as numbers, (T, 1)."""
    outputs: Array
    """Read-out of the chosen sample: (T, O), or (1, O) where it is read at the last step only; (0, 0): unknown."""
    targets: Array
    """Like outputs; class numbers for cross-entropy, as (n, 1)."""
    loss: float
    losses: Array
    """(T,) float64: each step's part of the loss; NaN at steps without one (see has_loss), and where all samples have
    ended. A single loss stands at the last step of the longest sample."""
    clip: ClipReport | None
    """None for a recorded trace."""
    update_rows: tuple[ClipRow, ...]
    """Per parameter: norm of the weights before the update, and norm of the change."""
    verdict: Verdict
    events: tuple[Event, ...]
    """In the order of the tape."""
    seconds: float
    """How long the trace took to compute, which may have been before: a remembered one says the same each time."""
    weights: Weights | None
    """The weights it was computed from, where the source left them open (None otherwise)."""
    title: str = ""
    """Of a recorded trace."""
    symbols: int = 0
    """How many symbols the inputs are drawn from; 0: they are numbers."""
    readout: ReadAt | Literal[""] = ""
    """Where the read-out reads; "": nobody knows."""
    loss_kind: Loss | Literal[""] = ""
    longest: int = 0
    """Steps of the longest sample; 0: all have all of them."""
    truncation: TruncationSpec | None = None
    """Of the gradients that are shown, routes included; what a loss sends by itself (flow matrix) knows none."""
    read_labels: Mapping[int, str] = field(default_factory=dict)
    """What the symbols are called that the network reads; of somebody's own data, those of the sample, or where
    `symbols` is 0 the columns of `inputs` by number from 0. {} where they have no names, or of a recorded trace."""
    labels: Mapping[int, str] = field(default_factory=dict)
    """What all classes are called, or where there are many the sample's targets and likeliest answers; of one answer
    with a probability, 0 and 1. {} where the answers are numbers."""
    target_name: str = ""
    """What the targets are called: a column of somebody's own data (engine.task_facts); "" where they have no name."""
    loss_steps: int | None = None
    """How many steps have a loss, up to the last of the longest sample; None: those whose loss is a number."""

    @cached_property
    def has_loss(self) -> NDArray[np.bool_]:
        """(T,): the steps that have a loss, also one that is NaN."""
        if self.loss_steps is None:
            return np.logical_not(np.isnan(self.losses))
        last, at = self.longest or self.steps, np.arange(1, self.steps + 1)
        return np.logical_and(at > last - self.loss_steps, at <= last)

    def of(self, layer: str = "") -> ShownLayer:
        """A layer by name; "" is the one that the read-out reads, forward. Raises KeyError."""
        return self.layers[layer or read_layer(tuple(self.layers))]

    def kinds(self) -> dict[str, LayerKind]:
        """What tracks have to know of the layers."""
        return {n: LayerKind(layer.cell, layer.hidden_size, layer.layer_norm) for n, layer in self.layers.items()}

    def shown(self, track: TrackSpec) -> Array | None:
        """What a track shows; None: it is not there (yet)."""
        return self.arrays.get(track.key_of(tuple(self.layers)))

    @property
    def focus(self) -> ShownLayer:
        """The layer of the cell panel."""
        return self.layers[self.layer]

    @property
    def cell(self) -> CellKind:
        """Of the layer that the read-out reads; so are the next three."""
        return self.of().cell

    @property
    def activation(self) -> Activation:
        return self.of().activation

    @property
    def hidden_size(self) -> int:
        return self.of().hidden_size

    @property
    def norms(self) -> Mapping[str, Array]:
        return self.of().norms

    @property
    def fingerprint(self) -> dict[str, Array]:
        """Every layer's norms; those of the layer that the read-out reads without its name."""
        last = self.of().name
        return {
            key if name == last else f"{name}.{key}": norm
            for name, layer in self.layers.items()
            for key, norm in layer.norms.items()
        }


@dataclass(frozen=True)
class AuditRow:
    """Error of one quantity against autograd: the largest over the steps (design: "Exactness")."""

    quantity: str
    error: float
    """Relative, dimensionless; inf where inf or NaN stand in different places. Where terms have almost cancelled it is
    relative to their size (engine.measure)."""
    step: int
    """Where it is largest, t from 1; 0 for quantities without steps."""


@dataclass(frozen=True)
class Audit:
    """A trace held to autograd, quantity by quantity."""

    rows: tuple[AuditRow, ...]
    tolerance: float
    """1e-10 in float64, 1e-4 in float32, eight roundings in float16 (8e-3) and bfloat16 (6e-2)."""
    gradients: int = 0
    """How many gradients of states, gates and pre-activations were compared; 0: not counted."""
    finite: int = 0
    """How many of them are finite: an error can only be that of these. The others were compared by their places."""

    @property
    def worst(self) -> AuditRow:
        """The row with the largest error."""
        return max(self.rows, key=lambda row: row.error)

    @property
    def passed(self) -> bool:
        """Whether no error is above the tolerance."""
        return all(row.error <= self.tolerance for row in self.rows)

"""How it is trained: every field of a TrainingSpec, the rarely used ones below "more". And in what arithmetic, where,
from which seed it runs."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QWidget

from explorer.dock.block import Rows
from explorer.dock.fields import ChoiceField, NumberField, Segments, by, times
from explorer.dock.flag import Flag
from explorer.dock.rows import RowPair, Sentence
from explorer.dock.training_edits import (
    OPTIMIZER_FIELDS,
    OPTIMIZER_NAMES,
    SCHEDULE_FIELDS,
    rate_words,
)

_CLIPS = [
    ("none", "none"),
    ("norm", "by norm"),
    ("value", "by value"),
    ("layer", "by layer's norm"),
    ("parameter", "by tensor's norm"),
    ("agc", "adaptive (AGC)"),
    ("step", "at every step"),
]
_NORM_TIPS = {
    "norm": "Of the whole parameter gradient, as torch's clip_grad_norm_",
    "layer": "Of each layer's gradient by itself",
    "parameter": "Of each tensor's gradient by itself",
    "step": "Of what goes back through each time step, one sample's ∂L/∂(states)",
}
_OPTIMIZERS = list(OPTIMIZER_NAMES.items())
_SCHEDULES = [
    ("constant", "constant"),
    ("step", "in steps"),
    ("exponential", "exponential"),
    ("linear", "linear"),
    ("cosine", "cosine"),
]
_OF_SCHEDULE = ("factor", "length")
_TRUTH = "truth"
"""What the chooser has for teacher forcing, since None is no choice there."""
_SAMPLINGS = [
    (_TRUTH, "teacher forcing"),
    ("linear", "sampled, ε linear"),
    ("exponential", "sampled, ε exponential"),
    ("inverse_sigmoid", "sampled, ε inverse sigmoid"),
]
_SAMPLING = (
    "Of tasks that predict what they read next: the truth (teacher forcing), or with probability 1 − ε what the "
    "network itself has said (scheduled sampling, Bengio et al. 2015)"
)
_K = "ε = max(floor, k − c·i), kⁱ, or k/(k + exp(i/k)) at iteration i"
_CARRY = "Each batch begins with the states that the one before ended with; for a text that is read as one stream"
_ALPHA = "How slowly the mean of squares follows"
_L2 = "λ·w is added to the gradient (torch's weight_decay)"
_DECAY = "Weight decay: the weights shrink by rate·λ (Loshchilov & Hutter 2019)"
_RARE: tuple[tuple[str, str, object], ...] = (
    ("nesterov", "Nesterov", False),
    ("alpha", "α", 0.99),
    ("beta1", "β₁", 0.9),
    ("beta2", "β₂", 0.999),
    ("epsilon", "ε", 1e-8),
    ("warmup", "warm-up", 0),
    ("l1", "L1", 0.0),
    ("carry", "carried states", False),
    ("sampling", "scheduled sampling", None),
    ("evaluate_every", "evaluations", 50),
    ("patience", "early stop", None),
    ("iterations", "iterations before", 0),
)
"""Below "more": the field, a word for it, and what is usual."""


class RunRows(Rows):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        dtypes = Segments("Number type", [("float32", "float32"), ("float64", "float64")])
        devices = [("auto", "auto"), ("cpu", "CPU"), ("cuda", "CUDA"), ("mps", "MPS")]
        self.add(
            self.row("dtype", "dtype", dtypes, "Underflow and overflow are the arithmetic's, not the theory's"),
            RowPair(
                self.row("seed", "seed", NumberField("Seed", whole=True, step=by(1, 0)), "Of weights and data"),
                self.row("device", "device", ChoiceField("Device", devices), "Where the trace is computed"),
                (2, 3),
            ),
        )


class TrainingRows(Rows):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.note = Sentence("clip", "clip")
        self.rate_note = Sentence("warning", "text")
        self._add_usual()
        self.rate_note.set_about(self.rows["learning_rate"].field)
        self._add_rare()
        self.fill({})

    def _add_usual(self) -> None:
        whole, share = by(1, 1), by(0.05, 0.0)
        self.add(
            self.row("optimizer", "optimizer", ChoiceField("Optimizer", _OPTIMIZERS)),
            self.row(
                "learning_rate",
                "learning rate",
                NumberField("Learning rate", step=times),
                "Usual: 0.1 or less with SGD, 1e-3 with the others",
            ),
            self.rate_note,
            self.row("momentum", "momentum", NumberField("Momentum", step=share), "From 0 to below 1"),
            self.row("schedule", "schedule", ChoiceField("Schedule of the learning rate", _SCHEDULES)),
            self.pair(
                self.row("factor", "×", NumberField("Factor of the schedule", step=share), "What the rate falls by"),
                self.row(
                    "schedule_every",
                    "every",
                    NumberField("Schedule, every so many iterations", whole=True, step=by(10, 1)),
                    "After so many iterations",
                ),
            ),
            self.pair(
                self.row(
                    "schedule_floor",
                    "to ×",
                    NumberField("Floor of the schedule", step=share),
                    "What the rate is multiplied with in the end",
                ),
                self.row(
                    "length",
                    "over",
                    NumberField("Length of the schedule", whole=True, step=by(100, 1)),
                    "Iterations until then",
                ),
            ),
            self.row(
                "l2",
                "L2",
                NumberField("L2, weight decay", step=times),
                "λ·w is added to the gradient (torch's weight_decay); with AdamW the weights shrink by rate·λ instead",
            ),
            self.pair(
                self.row(
                    "truncation",
                    "truncation",
                    NumberField("Truncation, steps back", whole=True, empty="none", step=whole),
                    "k2 of truncated BPTT: how many steps back a loss goes. Empty: full BPTT",
                ),
                self.row(
                    "truncation_every",
                    "every",
                    NumberField("Truncation, every so many steps", whole=True, empty="", step=whole),
                    "k1 of truncated BPTT: after how many steps the losses go back",
                ),
                (3, 2),
            ),
            self.note,
            self.row("clip", "clip", ChoiceField("Clipping", _CLIPS)),
            self.row("max_norm", "norm ≤", NumberField("Largest norm", step=times)),
            self.row("max_value", "entries ≤ ±", NumberField("Largest entry", step=times), "Every entry by itself"),
            self.row(
                "ratio",
                "λ",
                NumberField("Largest ratio", step=times),
                "Largest norm of a row's gradient, as a multiple of the norm of the row (Brock et al. 2021)",
            ),
            self.row("clip_readout", "", Flag("Clip the read-out too", "the read-out too")),
        )

    def _add_rare(self) -> None:
        share, tens = by(0.05, 0.0), by(10, 1)
        self.add_more(
            self.row("nesterov", "", Flag("Nesterov's momentum", "Nesterov's momentum")),
            self.row("alpha", "α", NumberField("Alpha of RMSprop", step=by(0.01, 0.0)), _ALPHA),
            self.pair(
                self.row("beta1", "β₁", NumberField("Beta 1", step=by(0.01, 0.0)), "Decay of the mean of gradients"),
                self.row("beta2", "β₂", NumberField("Beta 2", step=by(0.001, 0.0)), "Decay of the mean of squares"),
            ),
            self.row("epsilon", "ε", NumberField("Epsilon of the optimizer", step=times), "Added to the root"),
            self.row(
                "warmup",
                "warm-up",
                NumberField("Warm-up", whole=True, step=by(10, 0)),
                "Iterations over which the rate rises first; the schedule counts from there",
            ),
            self.row("l1", "L1", NumberField("L1", step=times), "λ·sign(w) is added to the gradient"),
            self.row("carry", "", Flag("Carry the states on", "carry the states on"), _CARRY),
            self.row("sampling", "reads", ChoiceField("What is read at the next step", _SAMPLINGS), _SAMPLING),
            self.pair(
                self.row("sampling_k", "k", NumberField("k of scheduled sampling", step=share), _K),
                self.row("sampling_c", "c", NumberField("c of scheduled sampling", step=times), "What ε falls by"),
            ),
            self.row("sampling_floor", "ε ≥", NumberField("Least ε of scheduled sampling", step=share)),
            self.row(
                "evaluate_every",
                "evaluate every",
                NumberField("Evaluate every so many iterations", whole=True, step=tens),
                "Iterations from one evaluation on the validation part to the next",
            ),
            self.pair(
                self.row(
                    "patience",
                    "early stop",
                    NumberField("Early stop, patience", whole=True, empty="off", step=by(1, 1)),
                    "Stops after so many evaluations without a new least loss. Empty: it does not",
                ),
                self.row("least", "by", NumberField("Early stop, least fall", step=times), "What counts as a fall"),
                (3, 2),
            ),
            self.row(
                "iterations",
                "iterations before",
                NumberField("Iterations before", whole=True, step=by(10, 0)),
                "Training iterations that are done before the experiment is shown",
            ),
        )

    def fill(self, values: dict[str, Any]) -> None:
        super().fill(values)
        kind, back = values.get("clip"), values.get("truncation")
        optimizer, schedule = values.get("optimizer") or "sgd", values.get("schedule") or "constant"
        sampling = values.get("sampling")
        self.rows["max_norm"].setToolTip(_NORM_TIPS.get(kind or "", ""))
        there = {
            "max_norm": kind in _NORM_TIPS,
            "max_value": kind == "value",
            "ratio": kind == "agc",
            "clip_readout": kind == "agc",
            "truncation_every": back is not None,
            "nesterov": optimizer == "sgd" and bool(values.get("momentum")),
            "sampling_k": sampling is not None,
            "sampling_c": sampling == "linear",
            "sampling_floor": sampling == "linear",
            "least": values.get("patience") is not None,
        }
        there |= {name: name in OPTIMIZER_FIELDS[optimizer] for name in ("momentum", "alpha", "beta1", "beta2")}
        there["epsilon"] = "epsilon" in OPTIMIZER_FIELDS[optimizer]
        for spec, name in (("every", "schedule_every"), ("floor", "schedule_floor"), *((n, n) for n in _OF_SCHEDULE)):
            there[name] = spec in SCHEDULE_FIELDS[schedule]
        for name, shown in there.items():
            self.rows[name].setVisible(shown)
        self.show_pairs()
        self.rows["sampling"].set_value(sampling or _TRUTH)
        self.rows["l2"].setToolTip(_DECAY if optimizer == "adamw" else _L2)
        self.note.set_text(truncation_words(values["truncation_every"], back) if back is not None else "")
        self.rate_note.set_text(rate_words(optimizer, values.get("learning_rate") or 0.0))
        self.disclosure.set_note(_unusual(values, there))

    def _wanted(self, name: str, value: object) -> None:
        self.edited.emit(name, None if value == _TRUTH else value)


def _unusual(values: dict[str, Any], there: dict[str, bool]) -> str:
    """What is set of the rarely used ones: "L1, carried states"."""
    said = [word for name, word, usual in _RARE if values.get(name, usual) != usual and there.get(name, True)]
    return ", ".join(said)


def truncation_words(every: int, back: int) -> str:
    return (
        f"Truncated BPTT({back}; {every}): what is shown and trained is the truncated gradient, not the gradient of "
        "the loss."
    )

"""How it is trained: rate, truncation, clipping. And in what arithmetic, where, from which seed it runs."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from explorer.dock.fields import ChoiceField, NumberField, Segments, by, times
from explorer.dock.flag import Flag
from explorer.dock.problems import Problem
from explorer.dock.rows import Field, FieldRow, RowPair, Sentence

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


class Rows(QWidget):
    """A block of rows outside of the cards."""

    edited = Signal(str, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: dict[str, FieldRow] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(2)

    def row(self, name: str, label: str, field: Field, tip: str = "") -> FieldRow:
        made = FieldRow(name, label, field, tip)
        made.edited.connect(self.edited)
        self.rows[name] = made
        return made

    def add(self, *rows: QWidget) -> None:
        for row in rows:
            self._column.addWidget(row)

    def fill(self, values: dict[str, Any]) -> None:
        for name, row in self.rows.items():
            row.set_value(values.get(name))

    def show_problem(self, found: Problem | None) -> None:
        for name, row in self.rows.items():
            row.show_problem(found.sentence if found is not None and found.field == name else "")


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
        whole = by(1, 1)
        self.note = Sentence("clip", "clip")
        self.add(
            self.row("learning_rate", "learning rate", NumberField("Learning rate", step=times), "Of plain SGD"),
            RowPair(
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
            self.row(
                "iterations",
                "iterations before",
                NumberField("Iterations before", whole=True, step=by(10, 0)),
                "Training iterations that are done before the experiment is shown",
            ),
        )
        self.fill({})

    def fill(self, values: dict[str, Any]) -> None:
        super().fill(values)
        kind, back = values.get("clip"), values.get("truncation")
        self.rows["max_norm"].setVisible(kind in _NORM_TIPS)
        self.rows["max_norm"].setToolTip(_NORM_TIPS.get(kind or "", ""))
        self.rows["max_value"].setVisible(kind == "value")
        self.rows["ratio"].setVisible(kind == "agc")
        self.rows["clip_readout"].setVisible(kind == "agc")
        self.rows["truncation_every"].setVisible(back is not None)
        self.note.set_text(truncation_words(values["truncation_every"], back) if back is not None else "")


def truncation_words(every: int, back: int) -> str:
    return (
        f"Truncated BPTT({back}; {every}): what is shown and trained is the truncated gradient, not the gradient of "
        "the loss."
    )

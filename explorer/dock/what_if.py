"""What if…: sliders on top of the weights. They change the computation, never the weights that are kept."""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec.structs import replace
from PySide6.QtCore import Signal
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from engine.checks import checked_what_if
from engine.errors import SpecError
from engine.quantities import CELL_TITLES
from engine.spec import (
    CLIP_NORM_RANGE,
    FORGET_BIAS_RANGE,
    NO_WHAT_IF,
    RECURRENT_SCALE_RANGE,
    CellKind,
    ClipSpec,
    WhatIf,
)
from explorer.dock.edits import said_at_the_field
from explorer.dock.fields import NumberField, by, plain, times
from explorer.dock.rows import Sentence
from explorer.dock.slider import DragSlider
from explorer.theme.tokens import TIGHT
from explorer.widgets.buttons import FlatButton
from explorer.widgets.elided import ElidedLabel
from explorer.widgets.numbers import MINUS, exact, short

HUNDREDTHS = 100
_DECADES = tuple(round(math.log10(end)) for end in CLIP_NORM_RANGE)


def two_decimals(value: float) -> str:
    """At least two decimals, and all that there are: "1.20", "1.2345"."""
    text = exact(abs(value))
    whole, _, rest = text.partition(".")
    sign = MINUS if value < 0 else ""
    return f"{sign}{text}" if "e" in text or len(rest) > 2 else f"{sign}{whole}.{rest.ljust(2, '0')}"


def scale_text(value: float) -> str:
    return f"× {two_decimals(value)}"


def shift_text(value: float) -> str:
    return two_decimals(value) if value <= 0 else f"+{two_decimals(value)}"


def clip_position(norm: float | None) -> int:
    """On the slider: 0 is off, then a hundred positions to the decade."""
    if norm is None:
        return 0
    return 1 + min(max(round((math.log10(norm) - _DECADES[0]) * HUNDREDTHS), 0), clip_last() - 1)


def clip_norm(position: int) -> float | None:
    """Three significant digits."""
    return None if position <= 0 else float(f"{10 ** (_DECADES[0] + (position - 1) / HUNDREDTHS):.3g}")


def clip_last() -> int:
    return 1 + (_DECADES[1] - _DECADES[0]) * HUNDREDTHS


def short_norm(norm: float) -> str:
    """ "1", "0.25", "1.23e-9"."""
    text = plain(norm)
    return text if len(text) <= 6 else short(norm)


class SliderRow(QWidget):
    """A word, the exact value as a field, ↺, and the slider below."""

    dragged = Signal(object)
    edited = Signal(object)

    def __init__(
        self,
        label: str,
        field: NumberField,
        slider: DragSlider,
        default: float | None,
        to_value: Callable[[int], float | None],
        to_position: Callable[[float | None], int],
        field_width: int = 62,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.field, self.slider = field, slider
        self._default, self._to_value, self._to_position = default, to_value, to_position
        self.word = ElidedLabel(label, least=56)
        self._field_width = field_width
        self.reset = FlatButton("reset", f"{label}: back to the default")
        self.error = Sentence("warning", "exploding")
        head = QHBoxLayout()
        head.setSpacing(2)
        head.addWidget(self.word, 1)
        head.addWidget(field)
        head.addWidget(self.reset)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, TIGHT)
        column.setSpacing(2)
        column.addLayout(head)
        column.addWidget(slider)
        column.addWidget(self.error)
        slider.dragged.connect(self._dragged)
        slider.released.connect(self._released)
        slider.resetRequested.connect(self._reset)
        self.reset.clicked.connect(self._reset)
        field.edited.connect(self._typed)
        field.refused.connect(self.show_error)
        self.set_value(default)

    def fit_field(self) -> None:
        """As wide as its text, so that the word beside it has the rest; it does not shrink while it is dragged."""
        text = self.field.text() or self.field.placeholderText()
        wanted = max(self._field_width, int(QFontMetricsF(self.field.font()).horizontalAdvance(text)) + 16)
        if wanted > self.field.width() or not self.slider.is_busy():
            self.field.setFixedWidth(wanted)

    def set_value(self, value: float | None) -> None:
        """Leaves alone what is being dragged."""
        if self.slider.is_busy():
            return
        self.field.set_value(value)
        self.fit_field()
        self.slider.set_position(self._to_position(value))
        self.reset.setEnabled(value != self._default)
        if not self.field.is_invalid():
            self.error.set_text("")

    def show_error(self, sentence: str) -> None:
        self.error.set_text(sentence)
        self.field.set_invalid(bool(sentence))

    def _dragged(self, position: int) -> None:
        value = self._to_value(position)
        self.show_error("")
        self.field.set_value(value)
        self.fit_field()
        self.reset.setEnabled(value != self._default)
        self.dragged.emit(value)

    def _released(self, position: int) -> None:
        self.edited.emit(self._to_value(position))

    def _typed(self, value: object) -> None:
        self.error.set_text("")
        self.edited.emit(value)
        if not self.field.is_invalid():
            assert value is None or isinstance(value, int | float)
            self.slider.set_position(self._to_position(value))
            self.reset.setEnabled(value != self._default)

    def _reset(self) -> None:
        self.show_error("")
        self.field.set_value(self._default)
        self.slider.set_position(self._to_position(self._default))
        self.reset.setEnabled(False)
        self.edited.emit(self._default)


def _to_hundredths(value: float | None) -> int:
    return round((value or 0.0) * HUNDREDTHS)


def _from_hundredths(position: int) -> float:
    return position / HUNDREDTHS


class WhatIfPanel(QWidget):
    """`dragged`: live, while a slider moves; `edited`: committed, one undo step."""

    dragged = Signal(object)
    edited = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._what_if = NO_WHAT_IF
        low, high = (round(end * HUNDREDTHS) for end in RECURRENT_SCALE_RANGE)
        name = "Recurrent weights"
        self.scale = SliderRow(
            name,
            NumberField(name, show=scale_text, step=by(0.01, RECURRENT_SCALE_RANGE[0])),
            DragSlider(name, low, high, 10, HUNDREDTHS),
            NO_WHAT_IF.recurrent_scale,
            _from_hundredths,
            _to_hundredths,
        )
        self.scale.setToolTip("Multiplies every recurrent weight (weight_hh); the weights themselves are kept.")
        low, high = (round(end * HUNDREDTHS) for end in FORGET_BIAS_RANGE)
        name = "Forget-gate bias"
        self.bias = SliderRow(
            name,
            NumberField(name, show=shift_text, step=by(0.01)),
            DragSlider(name, low, high, 50, 0),
            NO_WHAT_IF.forget_bias,
            _from_hundredths,
            _to_hundredths,
        )
        name = "Clip threshold"
        self.clip = SliderRow(
            name,
            NumberField(name, empty="off", show=plain, step=times),
            DragSlider(name, 0, clip_last(), 25, 0),
            NO_WHAT_IF.clip_norm,
            clip_norm,
            clip_position,
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(TIGHT)
        for row in (self.scale, self.bias, self.clip):
            column.addWidget(row)
        self.scale.dragged.connect(self._drag_scale)
        self.scale.edited.connect(self._edit_scale)
        self.bias.dragged.connect(self._drag_bias)
        self.bias.edited.connect(self._edit_bias)
        self.clip.dragged.connect(self._drag_clip)
        self.clip.edited.connect(self._edit_clip)
        self.set_what_if(NO_WHAT_IF, "rnn", ClipSpec())

    def set_what_if(self, what_if: WhatIf, cell: CellKind, trained_with: ClipSpec) -> None:
        """`trained_with`: the clipping that holds while the what-if has none."""
        self._what_if = what_if
        self.scale.set_value(what_if.recurrent_scale)
        self.bias.set_value(what_if.forget_bias)
        self.clip.set_value(what_if.clip_norm)
        self.bias.setEnabled(cell == "lstm")
        self.bias.setToolTip(
            "Shifts the bias of the forget gate: to the right it stays open and keeps the cell state."
            if cell == "lstm"
            else f"The {CELL_TITLES[cell]} has no forget gate. Choose the LSTM to shift its bias."
        )
        if trained_with.kind == "norm":
            self.clip.field.set_empty(f"training: ≤ {short_norm(trained_with.max_norm)}")
            rest = f"At the left end the training's own threshold holds, {plain(trained_with.max_norm)}."
        else:
            self.clip.field.set_empty("off")
            rest = "At the left end nothing is clipped."
        self.clip.fit_field()
        self.clip.setToolTip(f"Clips the whole parameter gradient to this norm. {rest}")

    def _commit(self, row: SliderRow, what_if: WhatIf) -> None:
        try:
            self.edited.emit(checked_what_if(what_if))
        except SpecError as error:
            row.show_error(said_at_the_field(str(error)))

    def _drag_scale(self, value: float) -> None:
        self.dragged.emit(replace(self._what_if, recurrent_scale=value))

    def _edit_scale(self, value: float) -> None:
        self._commit(self.scale, replace(self._what_if, recurrent_scale=float(value)))

    def _drag_bias(self, value: float) -> None:
        self.dragged.emit(replace(self._what_if, forget_bias=value))

    def _edit_bias(self, value: float) -> None:
        self._commit(self.bias, replace(self._what_if, forget_bias=float(value)))

    def _drag_clip(self, value: float | None) -> None:
        self.dragged.emit(replace(self._what_if, clip_norm=value))

    def _edit_clip(self, value: float | None) -> None:
        self._commit(self.clip, replace(self._what_if, clip_norm=value))

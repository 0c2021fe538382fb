"""A slider of the dock with its exact value, and how values and positions go together."""

from __future__ import annotations

import math
from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from engine.spec import CLIP_NORM_RANGE
from explorer.dock.fields import NumberField, plain
from explorer.dock.rows import Sentence
from explorer.dock.slider import DragSlider
from explorer.theme.tokens import TIGHT
from explorer.widgets.buttons import FlatButton
from explorer.widgets.elided import ElidedLabel
from explorer.widgets.frames import bring_into_view
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
        self._rest: float | None = None
        self.reset = FlatButton("reset", f"{label}: back to the default")
        self.error = Sentence("warning", "exploding")
        self.error.set_about(field)
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

    def set_rest(self, value: float | None) -> None:
        """What holds while this has no value: the slider stands there."""
        self._rest = value
        self.slider.set_default(self._position(self._default))

    def _position(self, value: float | None) -> int:
        return self._to_position(self._rest if value is None else value)

    def set_value(self, value: float | None) -> None:
        """Leaves alone what is being dragged."""
        if self.slider.is_busy():
            return
        self.field.set_value(value)
        self.fit_field()
        self.slider.set_position(self._position(value))
        self.reset.setEnabled(value != self._default)
        if not self.field.is_invalid():
            self.error.set_text("")

    def show_error(self, sentence: str) -> None:
        self.error.set_text(sentence)
        self.field.set_invalid(bool(sentence))
        if sentence and self.field.hasFocus():
            bring_into_view(self.error)

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
            self.slider.set_position(self._position(value))
            self.reset.setEnabled(value != self._default)

    def _reset(self) -> None:
        self.show_error("")
        self.field.set_value(self._default)
        self.slider.set_position(self._position(self._default))
        self.reset.setEnabled(False)
        self.edited.emit(self._default)


def to_hundredths(value: float | None) -> int:
    return round((value or 0.0) * HUNDREDTHS)


def from_hundredths(position: int) -> float:
    return position / HUNDREDTHS


def radius_position(value: float | None) -> int:
    """0 is off, then a hundred positions to one."""
    return 0 if value is None else 1 + round(value * HUNDREDTHS)


def radius(position: int) -> float | None:
    return None if position <= 0 else (position - 1) / HUNDREDTHS

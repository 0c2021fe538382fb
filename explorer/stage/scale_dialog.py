"""Set the scale: its two ends (and its linear zone), typed; what is no scale is said in one sentence."""

from __future__ import annotations

import math

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QFormLayout, QLabel, QLineEdit, QWidget

from explorer.stage.scales import MOST_BANDS, Scale, magnitude, number
from explorer.theme.tokens import GAP
from explorer.widgets.numbers import parse
from explorer.widgets.question import Question

FIRST, LAST = -320, 308
"""The decades that there are."""
_BEYOND = "What lies beyond is marked as above or below the scale, and counted beside it."


def fields(scale: Scale) -> tuple[tuple[str, str], ...]:
    """Name and present text of what can be typed."""
    if scale.kind == "signed":
        zone = (("Linear within ±", number(scale.linear)),) if scale.linear else ()
        return (("Up to ±", number(scale.high)), *zone)
    low, high = scale.ends
    return (("From", low), ("To", high))


def read(scale: Scale, texts: list[str]) -> Scale:
    """The scale of that kind that the texts of its fields say. Raises ValueError with one sentence."""
    names = [name for name, _ in fields(scale)]
    values = [_number(name, text) for name, text in zip(names, texts, strict=True)]
    if scale.kind == "magnitude":
        low, high = (_decade(name, value, text) for name, value, text in zip(names, values, texts, strict=True))
        if high <= low:
            raise ValueError(f"From is {texts[0]} and To is {texts[1]}; To must be larger.")
        if high - low > 2 * MOST_BANDS - 1:
            raise ValueError(f"From {texts[0]} to {texts[1]} are {high - low} decades; up to {2 * MOST_BANDS - 1} fit.")
        return magnitude(low, high)
    if scale.kind == "signed":
        if values[0] <= 0:
            raise ValueError(f"Up to is {texts[0]}; a number above 0 is accepted.")
        linear = values[1] if len(values) > 1 else 0.0
        if len(values) > 1 and not 0 < linear < values[0]:
            raise ValueError(f"Linear within is {texts[1]}; a number above 0 and below {texts[0]} is accepted.")
        return Scale("signed", -values[0], values[0], linear)
    if values[0] >= values[1]:
        raise ValueError(f"From is {texts[0]} and To is {texts[1]}; To must be larger.")
    return Scale("gate", values[0], values[1])


def bands_words(scale: Scale, low: str) -> str:
    """How many bands a magnitude gets, and where its low end goes so that they are whole ones; "" for others."""
    if scale.kind != "magnitude":
        return ""
    words = f"{scale.bands} colours, {scale.band_words}."
    if not math.isclose(parse(low), scale.low, rel_tol=1e-2):
        words += f" It begins at {scale.ends[0]}, so that the last band below is whole."
    return words


def _number(name: str, text: str) -> float:
    try:
        value = parse(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name.rstrip(' ±')} is '{text.strip()[:20]}'; a number such as 1e-20 or 0.5 is accepted.")
    return value


def _decade(name: str, value: float, text: str) -> int:
    exponent = round(math.log10(value)) if value > 0 else 0
    if value <= 0 or not FIRST <= exponent <= LAST or not math.isclose(value, float(f"1e{exponent}"), rel_tol=1e-3):
        raise ValueError(f"{name} is {text.strip()[:20]}; a power of ten such as 1e-20 is accepted.")
    return exponent


class ScaleDialog(Question):
    """Accepted, `chosen` is the scale; `track` is the text of the track it was asked for."""

    def __init__(self, track: str, title: str, note: str, scale: Scale, parent: QWidget | None = None) -> None:
        super().__init__(title, parent, lines=2)
        self.track = track
        self.chosen: Scale | None = None
        self._scale = scale
        form = QFormLayout()
        form.setVerticalSpacing(GAP)
        self._texts: list[QLineEdit] = []
        for name, text in fields(scale):
            field = QLineEdit(text)
            field.setAccessibleName(name)
            field.textEdited.connect(self._look)
            form.addRow(name, field)
            self._texts.append(field)
        self.add(form)
        if note:
            said = QLabel(note)
            said.setProperty("role", "muted")
            said.setWordWrap(True)
            self.add(said)
        self._texts[0].selectAll()
        self._look()

    @Slot()
    def _look(self) -> None:
        texts = [field.text() for field in self._texts]
        try:
            self.chosen = read(self._scale, texts)
            self.say(bands_words(self.chosen, texts[0]) or _BEYOND)
        except ValueError as error:
            self.chosen = None
            self.say(str(error), good=False)

"""Paints the equations of a cell: each symbol, and under it its number at the moment."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QHelpEvent, QImage, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from engine.requests import Excerpt
from explorer.cell import typeset
from explorer.cell.equations import Equation, Section, Token, sections
from explorer.cell.ink import colour_of, draw_fitted
from explorer.cell.layout import Layout, Measures, lay_out
from explorer.cell.quantity import Number, Reading, read
from explorer.theme import current as theme
from explorer.theme.tokens import SMALL_PX, TIGHT
from explorer.widgets import numbers

EM = 16.0
NORMS_NOTE = (
    "Under each symbol stands its norm over the units; a bar marks the mean, for gates and slopes. "
    "Neither needs to add or multiply up."
)
_FORWARD_ROOM = "−0.888"
_BACKWARD_ROOM = "−8.8e-88"


@dataclass(frozen=True, slots=True)
class Shown:
    """An equation as it stands on the screen; no readings where the tape has not reached it."""

    section: Section
    equation: Equation
    readings: tuple[Reading | None, ...]
    """One for each token; None under operators, and everywhere in what is not reached."""


class EquationsView(QWidget):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Equations of the cell with their numbers")
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self._excerpt: Excerpt | None = None
        self._sections: tuple[Section, ...] = ()
        self._layout: Layout | None = None
        self._layout_for: tuple[int, bool] | None = None
        self._still: QImage | None = None
        self._still_for: tuple[object, ...] | None = None
        self._step = 1
        self._reached = {"forward": False, "backward": False}
        self._readings: dict[int, Reading] = {}
        self._numbers: tuple[tuple[str, tuple[Number, ...]], ...] = ()
        theme.notifier().changed.connect(self._theme_changed)

    # -- what is shown

    def set_excerpt(self, excerpt: Excerpt | None) -> None:
        self._excerpt = excerpt
        new = () if excerpt is None else sections(excerpt.focus.cell, excerpt.focus.activation)
        if new is not self._sections:
            self._sections = new
            self._layout_for = None
            every = ((s.phase, [t.number for e in s.equations for t in e.tokens if t.number is not None]) for s in new)
            self._numbers = tuple((phase, tuple({id(n): n for n in found}.values())) for phase, found in every)
            self.updateGeometry()
        self._read()

    def set_moment(self, step: int, *, forward: bool, backward: bool) -> None:
        """Show step t (from 1); `forward`, `backward`: whether the tape has reached it on either way."""
        self._step = step
        self._reached = {"forward": forward, "backward": backward}
        self._read()

    def shown(self) -> list[Shown]:
        result: list[Shown] = []
        for section in self._sections:
            for equation in section.equations:
                found = tuple(self._reading(section, token) for token in equation.tokens)
                result.append(Shown(section, equation, found))
        return result

    def _reading(self, section: Section, token: Token) -> Reading | None:
        if token.number is None or not self._reached[section.phase]:
            return None
        return self._readings.get(id(token.number))

    def _read(self) -> None:
        readings: dict[int, Reading] = {}
        excerpt = self._excerpt
        if excerpt is not None and 1 <= self._step <= excerpt.steps:
            for phase, found in self._numbers:
                if self._reached[phase]:
                    for number in found:
                        if id(number) not in readings:
                            readings[id(number)] = read(number, excerpt, self._step)
        self._readings = readings
        self.update()

    # -- geometry

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return round(self._laid_out(width).height) + TIGHT

    def sizeHint(self) -> QSize:
        return QSize(296, self.heightForWidth(max(self.width(), 240)))

    def minimumSizeHint(self) -> QSize:
        return QSize(200, self.heightForWidth(max(self.width(), 240)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()

    def _laid_out(self, width: int) -> Layout:
        key = (width, self._norms)
        if self._layout is None or self._layout_for != key:
            self._layout, self._layout_for = lay_out(self._with_warning(), width, self._measures()), key
        return self._layout

    def _with_warning(self) -> list[Section]:
        """The sections as they are laid out: with norms under the symbols, the first says what that means."""
        found = list(self._sections)
        if found and self._norms:
            note = f"{NORMS_NOTE} {found[0].note}".strip()
            found[0] = replace(found[0], note=note)
        return found

    @property
    def _norms(self) -> bool:
        return self._excerpt is not None and self._excerpt.unit is None

    def _measures(self) -> Measures:
        metrics = QFontMetricsF(theme.small())
        norms = self._norms

        def number_room(token: Token) -> float:
            if token.number is None:
                return 0.0 if norms else metrics.horizontalAdvance(token.operator)
            room = _BACKWARD_ROOM if is_gradient(token) else _FORWARD_ROOM
            return metrics.horizontalAdvance(room.removeprefix(numbers.MINUS) if norms else room)

        def note_height(text: str, width: float) -> float:
            flags = Qt.TextFlag.TextWordWrap
            return metrics.boundingRect(QRectF(0, 0, width, 1000), flags, text).height() + TIGHT

        return Measures(
            symbol=_symbol_width,
            number=number_room,
            em=EM,
            number_height=metrics.height(),
            heading_height=metrics.height() + TIGHT,
            note_height=note_height,
        )

    # -- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        layout, t = self._laid_out(self.width()), theme.current()
        painter.drawImage(0, 0, self._still_picture(layout, painter.device().devicePixelRatioF()))
        small = theme.small()
        metrics = QFontMetricsF(small)
        height = metrics.height()
        painter.setFont(small)
        seen = event.rect()
        pens: dict[str, QPen] = {}
        for placed in layout.placed:
            reading = self._readings.get(id(placed.token.number))
            outside = placed.number_top + height < seen.top() or placed.number_top > seen.bottom()
            if reading is None or outside or not self._reached[self._sections[placed.section].phase]:
                continue
            colour = colour_of(reading, t.backward if is_gradient(placed.token) else t.forward)
            pen = pens.get(colour)
            if pen is None:
                pen = pens[colour] = QPen(QColor(colour))
            painter.setPen(pen)
            box = QRectF(placed.left, placed.number_top, placed.width, height)
            draw_fitted(painter, box, reading.text, metrics, bar=reading.mean)
        painter.end()

    def _still_picture(self, layout: Layout, ratio: float) -> QImage:
        """Everything but the numbers: painted once, and again when the tape reaches something else."""
        key = (id(layout), self.size(), ratio, theme.current().name, tuple(self._reached.items()), self._scope())
        if self._still is None or self._still_for != key:
            self._still = QImage(self.size() * ratio, QImage.Format.Format_ARGB32_Premultiplied)
            self._still.setDevicePixelRatio(ratio)
            self._still.fill(0)
            painter = QPainter(self._still)
            self._paint_symbols(painter, layout)
            self._paint_headings(painter, layout)
            painter.end()
            self._still_for = key
        return self._still

    def _paint_symbols(self, painter: QPainter, layout: Layout) -> None:
        t, metrics = theme.current(), QFontMetricsF(theme.small())
        painter.setFont(theme.small())
        painter.setPen(QPen(QColor(t.muted)))
        for placed in layout.placed:
            token, reached = placed.token, self._reached[self._sections[placed.section].phase]
            colour = t.muted if not reached else t.backward if token.emphasis else t.text
            if reached and token.is_operator:
                colour = t.muted
            typeset.draw(painter, token.latex, placed.symbol_left, placed.baseline, EM, colour)
            if reached and token.is_operator and not self._norms:
                box = QRectF(placed.left, placed.number_top, placed.width, metrics.height())
                draw_fitted(painter, box, token.operator, metrics)

    def _paint_headings(self, painter: QPainter, layout: Layout) -> None:
        t = theme.current()
        heading = theme.font(SMALL_PX, bold=True)
        heading.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 1)
        for h in layout.headings:
            section = self._sections[h.section]
            colour = t.forward if section.phase == "forward" else t.backward
            box = QRectF(0, h.top, self.width(), h.bottom - h.top)
            reached = self._reached[section.phase]
            painter.setFont(heading)
            painter.setPen(QPen(QColor(colour if reached else t.muted)))
            painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, section.title.upper())
            painter.setFont(theme.small())
            painter.setPen(QPen(QColor(t.muted)))
            text = self._scope() if reached else "not reached yet"
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
        painter.setFont(theme.small())
        painter.setPen(QPen(QColor(t.muted)))
        for note in layout.notes:
            box = QRectF(0, note.top, self.width(), note.bottom - note.top)
            painter.drawText(box, Qt.TextFlag.TextWordWrap, note.text)

    def _scope(self) -> str:
        excerpt = self._excerpt
        if excerpt is None:
            return ""
        if excerpt.unit is not None:
            return f"unit {excerpt.unit}"
        return "the only unit" if excerpt.focus.hidden_size == 1 else f"over {excerpt.focus.hidden_size} units"

    @Slot()
    def _theme_changed(self) -> None:
        self._layout_for = None
        self.updateGeometry()
        self.update()

    # -- exact numbers

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            text = self.exact_at(event.pos().x(), event.pos().y())
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)

    def exact_at(self, x: float, y: float) -> str:
        """The exact number under the symbol at a place of the widget, or ""."""
        excerpt = self._excerpt
        if excerpt is None:
            return ""
        for placed in self._laid_out(self.width()).placed:
            inside = placed.left <= x <= placed.left + placed.width
            if inside and placed.baseline - EM <= y <= placed.number_top + SMALL_PX + TIGHT:
                reading = self._reading(self._sections[placed.section], placed.token)
                if reading is None:
                    return ""
                return f"{placed.token.plain} = {exact_text(reading, excerpt)}"
        return ""

    def as_text(self) -> str:
        """Every equation that is reached with its exact numbers, a line each."""
        if self._excerpt is None:
            return ""
        lines: list[str] = []
        for shown in self.shown():
            if not self._reached[shown.section.phase]:
                continue
            lines.append(shown.equation.plain)
            seen: set[str] = set()
            for token, reading in zip(shown.equation.tokens, shown.readings, strict=True):
                if reading is not None and token.plain not in seen:
                    seen.add(token.plain)
                    lines.append(f"\t{token.plain}\t{exact_text(reading, self._excerpt)}")
        return "\n".join(lines)


def exact_text(reading: Reading, excerpt: Excerpt) -> str:
    if reading.bound:
        return f"less than {numbers.exact(reading.bound)} (lost in rounding)"
    if reading.value is None:
        if reading.beyond:
            return "none: there is no step after the last"
        return "not kept: the gradient of the state before step 1" if reading.before else "unknown"
    if reading.mean:
        return f"{numbers.exact(reading.value)} (mean over the units)"
    # A norm is float64 whatever the trace is; one unit's value is the trace's own number.
    return numbers.exact(reading.value, "float64" if excerpt.unit is None else excerpt.dtype)


def is_gradient(token: Token) -> bool:
    return token.number is not None and any(key.startswith("grads.") for key in token.number.keys)


def _symbol_width(token: Token) -> float:
    return typeset.width(token.latex, EM)

"""Paints the equations of a cell: each symbol, and under it its number at the moment."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from engine.requests import Excerpt
from explorer.cell import typeset
from explorer.cell.equations import sections
from explorer.cell.exact import digits, exact_text, marked_symbol, over_units, value_text
from explorer.cell.figures import Figures
from explorer.cell.ink import colour_of, draw_fitted, text_scale
from explorer.cell.interventions import Interventions
from explorer.cell.kept import KeptPictures, SameAs
from explorer.cell.layout import Layout, Measures, Placed, lay_out
from explorer.cell.numbers_view import NumbersView
from explorer.cell.picking import Pick
from explorer.cell.quantity import Number, Reading
from explorer.cell.reach import NOTHING_REACHED, Reached
from explorer.cell.readings import Readings
from explorer.cell.tokens import Equation, Section, Token
from explorer.stage import borders
from explorer.stage.classes import SUBNORMAL
from explorer.theme import current as theme
from explorer.theme.tokens import SMALL_PX, TIGHT
from explorer.widgets import numbers

EM = 16.0
"""Of a symbol, beside small text of the usual size."""
_SHRINK = 0.92
NORMS_NOTE = (
    "Under each symbol stands its norm over the units; a bar marks the mean, for gates and slopes. "
    "Neither needs to add or multiply up."
)
_NORMS_COPIED = "Equations hold for each unit; the numbers are norms ‖·‖ or means over the units, and need not add up."
_FORWARD_ROOM = "−0.888"
_BACKWARD_ROOM = "−8.8e-88"
_GLOW = 70
_LAYOUTS = 8
"""Kept at once: while a panel finds its width, several are asked for."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An equation as it stands on the screen; no readings where the tape has not reached it."""

    section: Section
    equation: Equation
    readings: tuple[Reading | None, ...]
    """One for each token; None under operators, and everywhere in what is not reached."""
    struck: tuple[bool, ...] = ()
    """One for each token: it does not count, since a what-if holds the gate or cuts the route."""


class EquationsView(NumbersView):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Equations of the cell with their numbers", parent)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self._excerpt: Excerpt | None = None
        self._sections: tuple[Section, ...] = ()
        self._layouts: dict[tuple[object, ...], tuple[Layout, float]] = {}
        self._em = EM
        self._stills = KeptPictures()
        self._step = 1
        self._reached = NOTHING_REACHED
        self._source = Readings(None)
        self._figures: tuple[float, Figures] | None = None
        theme.notifier().changed.connect(self._theme_changed)

    # -- what is shown

    def set_excerpt(self, excerpt: Excerpt | None, source: Readings | None = None) -> None:
        """`source`: what others of the same excerpt read from as well."""
        self._excerpt, self._source = excerpt, source or Readings(excerpt)
        new: tuple[Section, ...] = ()
        if excerpt is not None:
            focus, of_c = excerpt.focus, "grads.c_direct" in excerpt.cell_series
            new = sections(focus.cell, focus.activation, focus.layer_norm, focus.reverse, of_c)
        if new is not self._sections:
            self._sections = new
            self._layouts.clear()
            self.updateGeometry()
        self.update()

    def set_moment(self, step: int, reached: Reached) -> None:
        """Show step t (from 1), as far as the tape has reached it. The numbers are read when they are painted."""
        self._step, self._reached = step, reached
        self.update()

    def shown(self) -> list[Shown]:
        result: list[Shown] = []
        for section in self._sections:
            for equation in section.equations:
                found = tuple(self._reading(section, token) for token in equation.tokens)
                struck = tuple(self._struck(equation, k) for k in range(len(equation.tokens)))
                result.append(Shown(section, equation, found, struck))
        return result

    def _reading(self, section: Section, token: Token) -> Reading | None:
        if token.number is None or not self._reached.has(token.number, section.phase):
            return None
        return self._source.of(token.number, self._step) if self._source.there(self._step) else None

    def _struck(self, equation: Equation, place: int) -> bool:
        """Whether a token does not count: right of the equals sign of a held gate, or on a route that is cut."""
        return (place > 1 and self._held.whole(equation.gate)) or equation.tokens[place].route in self._held.cuts

    @property
    def _held(self) -> Interventions:
        return self._source.interventions(self._step) if self._source.there(self._step) else Interventions()

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
        """As large as the text; smaller where the longest equation would not fit even in several lines."""
        key = (width, self._norms, borders.equations_note(self._excerpt))
        if key not in self._layouts:
            em = EM * text_scale()
            found = lay_out(self._with_warning(), width, self._measures(em))
            while found.width > width and em > EM * _SHRINK**4:
                em *= _SHRINK
                found = lay_out(self._with_warning(), width, self._measures(em))
            if len(self._layouts) > _LAYOUTS:
                self._layouts.clear()
            self._layouts[key] = found, em
        layout, em = self._layouts[key]
        if width == self.width():
            self._em = em
        return layout

    def _with_warning(self) -> list[Section]:
        """The sections as they are laid out: with norms under the symbols, the first says what that means, and under
        truncation the first of the way back says what stops at a border."""
        found = list(self._sections)
        if found and self._norms:
            note = f"{NORMS_NOTE} {found[0].note}".strip()
            found[0] = replace(found[0], note=note)
        said = borders.equations_note(self._excerpt)
        for place, section in enumerate(found):
            if said and section.phase == "backward":
                found[place] = replace(section, note=f"{said} {section.note}".strip())
                break
        return found

    @property
    def _norms(self) -> bool:
        return self._excerpt is not None and self._excerpt.unit is None

    def _font(self, em: float) -> QFont:
        """Of the numbers: the small one, and in step with symbols that had to shrink."""
        return theme.font(max(1, round(SMALL_PX * em / EM)))

    def _measures(self, em: float) -> Measures:
        metrics, small = QFontMetricsF(self._font(em)), QFontMetricsF(theme.small())
        norms = self._norms

        def symbol(token: Token) -> float:
            return typeset.width(token.latex, em)

        def number_room(token: Token) -> float:
            if token.number is None:
                return 0.0 if norms else metrics.horizontalAdvance(token.operator)
            room = _BACKWARD_ROOM if is_gradient(token) else _FORWARD_ROOM
            return metrics.horizontalAdvance(room.removeprefix(numbers.MINUS) if norms else room)

        def note_height(text: str, width: float) -> float:
            flags = Qt.TextFlag.TextWordWrap
            return small.boundingRect(QRectF(0, 0, width, 1000), flags, text).height() + TIGHT

        return Measures(
            symbol=symbol,
            number=number_room,
            em=em,
            number_height=metrics.height(),
            heading_height=small.height() + TIGHT,
            note_height=note_height,
        )

    # -- painting

    def _numbers_font(self) -> Figures:
        if self._figures is None or self._figures[0] != self._em:
            self._figures = self._em, Figures(self._font(self._em))
        return self._figures[1]

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        layout = self._laid_out(self.width())
        painter.drawImage(0, 0, self._still_picture(layout, painter.device().devicePixelRatioF()))
        figures = self._numbers_font()
        painter.setFont(figures.font)
        reached = [self._reached.phase(section.phase) for section in self._sections]
        seen, height = event.rect(), figures.height
        top, bottom = seen.top() - height, seen.bottom()
        for placed in layout.placed:
            if placed.token.number is not None and reached[placed.section] and top <= placed.number_top <= bottom:
                self._paint_number(painter, placed, placed.token.number, figures)
        self.paint_focus(painter)
        painter.end()

    def _paint_number(self, painter: QPainter, placed: Placed, number: Number, figures: Figures) -> None:
        t, phase, token = theme.current(), self._sections[placed.section].phase, placed.token
        box = self._box(placed, figures)
        reading = self._reading(self._sections[placed.section], token)
        if reading is None:
            self._paint_blank(painter, box)
            return
        if self._reached.way == phase and self._reached.is_now(number):
            glow = QColor(t.backward if phase == "backward" else t.forward)
            glow.setAlpha(_GLOW)
            painter.fillRect(box.adjusted(-2, 0, 2, 0), glow)
        painter.setPen(QColor(colour_of(reading, t.backward if is_gradient(token) else t.forward)))
        draw_fitted(painter, box, reading.text, figures, bar=reading.mean)

    def _paint_blank(self, painter: QPainter, box: QRectF) -> None:
        """The outline of a number that the operations inside the step have not made yet."""
        pen = QPen(QColor(theme.current().border), 1)
        pen.setDashPattern([2, 2])
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        middle = QRectF(0, 0, min(24.0, box.width()), box.height() * 0.6)
        middle.moveCenter(box.center())
        painter.drawRect(middle)

    def _box(self, placed: Placed, figures: Figures) -> QRectF:
        return QRectF(placed.left, placed.number_top, placed.width, figures.height)

    def _still_picture(self, layout: Layout, ratio: float) -> QImage:
        """Everything but the numbers: painted once for each of what the tape has reached."""
        whole, held = (self._reached.forward, self._reached.backward), self._held
        holds = tuple(gate for gate in held.holds if held.whole(gate))
        key = (SameAs(layout), self.size(), ratio, theme.current().name, whole, held.cuts, holds, self._scope())
        return self._stills.of(key, lambda: self._paint_still(layout, ratio))

    def _paint_still(self, layout: Layout, ratio: float) -> QImage:
        still = QImage(self.size() * ratio, QImage.Format.Format_ARGB32_Premultiplied)
        still.setDevicePixelRatio(ratio)
        still.fill(0)
        painter = QPainter(still)
        self._paint_symbols(painter, layout)
        self._paint_headings(painter, layout)
        painter.end()
        return still

    def _paint_symbols(self, painter: QPainter, layout: Layout) -> None:
        t, figures = theme.current(), self._numbers_font()
        painter.setFont(figures.font)
        for placed in layout.placed:
            token, section = placed.token, self._sections[placed.section]
            equation, reached = section.equations[placed.equation], self._reached.phase(section.phase)
            colour = t.muted if not reached else t.backward if token.emphasis else t.text
            if reached and token.is_operator:
                colour = t.muted
            typeset.draw(painter, token.latex, placed.symbol_left, placed.baseline, self._em, colour)
            if not reached:
                continue
            painter.setPen(QPen(QColor(t.muted)))
            place = next(k for k, one in enumerate(equation.tokens) if one is token)
            held = token.operator == "=" and self._held.whole(equation.gate)
            if token.is_operator and (held or not self._norms):
                draw_fitted(painter, self._box(placed, figures), ":=" if held else token.operator, figures)
            if self._struck(equation, place):
                y = placed.baseline - 0.3 * self._em
                painter.setPen(QPen(QColor(t.text), 1.4))
                painter.drawLine(QPointF(placed.left - 3, y), QPointF(placed.left + placed.width + 3, y))

    def _paint_headings(self, painter: QPainter, layout: Layout) -> None:
        t = theme.current()
        heading = QFont(theme.font(SMALL_PX, bold=True))
        heading.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 1)
        for h in layout.headings:
            section = self._sections[h.section]
            colour = t.forward if section.phase == "forward" else t.backward
            box = QRectF(0, h.top, self.width(), h.bottom - h.top)
            reached = self._reached.phase(section.phase)
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
        self._layouts.clear()
        self._figures = None
        self.updateGeometry()
        self.update()

    # -- exact numbers

    def picks(self) -> list[Pick]:
        excerpt = self._excerpt
        if excerpt is None:
            return []
        found: list[Pick] = []
        layout = self._laid_out(self.width())
        figures = self._numbers_font()
        for number, placed in enumerate(layout.placed):
            reading = self._reading(self._sections[placed.section], placed.token)
            if reading is not None:
                exact = digits(reading, excerpt)
                name = marked_symbol(placed.token.plain, reading, excerpt)
                found.append(Pick(str(number), self._box(placed, figures), name, exact, reading.subnormal))
        return found

    def exact_at(self, x: float, y: float) -> str:
        """The exact number under the symbol at a place of the widget, or ""."""
        excerpt = self._excerpt
        if excerpt is None:
            return ""
        layout = self._laid_out(self.width())
        height = self._numbers_font().height
        for placed in layout.placed:
            inside = placed.left <= x <= placed.left + placed.width
            if inside and placed.baseline - self._em <= y <= placed.number_top + height:
                reading = self._reading(self._sections[placed.section], placed.token)
                if reading is None:
                    return ""
                return f"{placed.token.plain} = {exact_text(reading, excerpt)}"
        return ""

    def as_text(self) -> str:
        """Every equation that is reached with its exact numbers, a line each."""
        if self._excerpt is None:
            return ""
        lines = [_NORMS_COPIED] if self._norms and any(self._reached.phase(s.phase) for s in self._sections) else []
        for shown in self.shown():
            if not any(reading is not None for reading in shown.readings):
                continue
            held = self._held.words(shown.equation.gate)
            cut = any(struck and token.route for struck, token in zip(shown.struck, shown.equation.tokens, strict=True))
            mark = f"\t[{held}]" if held else "\t[a route of it is cut]" if cut else ""
            lines.append(shown.equation.plain + mark)
            seen: set[str] = set()
            for token, reading in zip(shown.equation.tokens, shown.readings, strict=True):
                if reading is not None and token.plain not in seen:
                    seen.add(token.plain)
                    lines.append("\t".join(self._copied(token, reading, self._excerpt)))
        return "\n".join(lines)

    @staticmethod
    def _copied(token: Token, reading: Reading, e: Excerpt) -> list[str]:
        """A symbol and its number; over all units marked as what it is, since equations hold for neither."""
        what, count = over_units(reading, e), e.focus.hidden_size
        how = [f"{what} over {count:,} unit{'s' if count != 1 else ''}"] if what else []
        if reading.subnormal:
            how.append(SUBNORMAL)
        return ["", marked_symbol(token.plain, reading, e), value_text(reading, e), *how]


def is_gradient(token: Token) -> bool:
    return token.number is not None and any(key.startswith("grads.") for key in token.number.keys)

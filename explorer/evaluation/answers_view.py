"""The sequences that came along, a line each: what was due, what was answered, and how sure of it the network is."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from explorer.analysis.plot import Plot, width
from explorer.evaluation import chances
from explorer.evaluation.answers import Answers
from explorer.evaluation.words import at_class, percent
from explorer.stage.margins import LINE
from explorer.theme import current as theming
from explorer.widgets.labels import label_of, lettered, written

ROW = 20
_NUMBER, _BAR, _PERCENT, _MARK = 20, 30, 46, 16
_APART = 5

_ROOMY = 220
_BRIEF = {"truth": "true", "answer": "said", "probability": "prob."}
"""Heads of narrow columns."""


class AnswersView(Plot[int]):
    """A place is a sequence."""

    sequencePicked = Signal(int)
    moved_to = Signal(QRectF)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Sequences and their answers", ROW, parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding)
        self._answers: Answers | None = None
        self._n = 0

    def minimumSizeHint(self) -> QSize:
        return QSize(150, self.sizeHint().height())

    def set_answers(self, answers: Answers | None, n: int) -> None:
        self._answers, self._n = answers, n
        count = 0 if answers is None else answers.count
        if self.place is not None and self.place >= count:
            self.place = None
        self.set_height((count + 1) * ROW)
        self.setMinimumHeight((count + 1) * ROW)
        self.update()

    def row_box(self, place: int) -> QRectF:
        return QRectF(0, (place + 1) * ROW, self.width(), ROW)

    def place_at(self, at: QPointF) -> int | None:
        place = int(at.y() // ROW) - 1
        return place if self._answers is not None and 0 <= place < self._answers.count else None

    def moved(self, place: int | None, right: int, down: int) -> int | None:
        if self._answers is None:
            return None
        return self._n if place is None else min(max(0, place + right + down), self._answers.count - 1)

    def go(self, place: int | None) -> None:
        super().go(place)
        if place is not None and self.hasFocus():
            self.moved_to.emit(self.row_box(place))

    def picked(self, place: int) -> None:
        self.sequencePicked.emit(place)

    def words_at(self, place: int) -> str:
        return "" if self._answers is None else at_class(self._answers, place, 0)

    def paint(self, painter: QPainter) -> None:
        theme, a = theming.current(), self._answers
        painter.fillRect(self.rect(), QColor(theme.plot))
        if a is None:
            return
        columns = self._columns()
        labels = [written(one) for one in a.judged.labels]
        if max(map(width, labels), default=0) > columns[1][2]:
            labels = list(lettered(a.judged.labels))
        for name, x, wide in columns:
            head = name if width(name) <= wide else _BRIEF.get(name, name)
            self.text(painter, QRectF(x, 0, wide, ROW), head, "muted", "right" if name == "#" else "left")
        dirty = self.dirty.boundingRect()
        for n in range(max(0, dirty.top() // ROW - 1), min(a.count, dirty.bottom() // ROW + 1)):
            self._paint_row(painter, n, columns, labels)
        if self.place is not None:
            rows = chances.chances_of(a.judged.labels, a.probabilities(self.place)[0], a.truth(self.place)[0])
            room = QRectF(self.visibleRegion().boundingRect()) if self.isVisible() else QRectF(self.rect())
            beside = self.row_box(self.place).adjusted(0, 0, -self.width() * 0.35, 0)
            chances.draw(painter, beside, room, f"sequence {self.place + 1:,}", rows)

    def _bar(self) -> float:
        """Where truth and answer would be cut, the number alone says how probable it was."""
        return _BAR if self.width() >= _ROOMY else 0.0

    def _columns(self) -> list[tuple[str, float, float]]:
        names = (self.width() - _NUMBER - self._bar() - _PERCENT - _MARK - 4 * _APART - 8) / 2
        at, found = 4.0, []
        widths = {"#": _NUMBER, "truth": names, "answer": names, "": _MARK, "probability": self._bar() + _PERCENT}
        for name, wide in widths.items():
            found.append((name, at, float(wide)))
            at += wide + _APART
        return found

    def _paint_row(self, painter: QPainter, n: int, columns: list[tuple[str, float, float]], labels: list[str]) -> None:
        theme, a, box = theming.current(), self._answers, self.row_box(n)
        assert a is not None
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        if n == self._n:
            painter.fillRect(box, QColor(theme.raised))
            painter.fillRect(QRectF(0, box.top(), 2, ROW), QColor(theme.accent))
        if n == self.place:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.cursor), 1))
            painter.drawRect(box.adjusted(0.5, 0.5, -1.5, -0.5))
        truth, said = float(a.truth(n)[0]), float(a.answer(n)[0])
        share = float(a.probabilities(n)[0][int(said)])
        texts = (f"{n + 1:,}", label_of(labels, truth), label_of(labels, said))
        for text, (name, x, wide) in zip(texts, columns[:3], strict=True):
            tone = "muted" if name == "#" else "text"
            painter.save()
            painter.setClipRect(QRectF(x, box.top(), wide, ROW))
            self.text(painter, QRectF(x, box.top(), wide, ROW), text, tone, "right" if name == "#" else "left")
            painter.restore()
        _, x, _ = columns[3]
        mark(painter, QRectF(x, box.top(), _MARK, ROW), right=truth == said)
        _, x, _ = columns[4]
        bar = QRectF(x, box.top() + 6, self._bar(), ROW - 12)
        painter.fillRect(bar, QColor(theme.line))
        painter.fillRect(QRectF(x, bar.top(), bar.width() * share, bar.height()), QColor(theme.forward))
        self.text(
            painter,
            QRectF(bar.right() + 2, box.top() + (ROW - LINE) / 2, _PERCENT, LINE),
            percent(share),
            "text",
            "right",
        )


def mark(painter: QPainter, box: QRectF, *, right: bool) -> None:
    """A tick, or a cross."""
    theme, x, y = theming.current(), box.center().x(), box.center().y()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(theme.healthy if right else theme.exploding), 1.8))
    if right:
        painter.drawPolyline([QPointF(x - 4.5, y), QPointF(x - 1.5, y + 3), QPointF(x + 4.5, y - 4)])
    else:
        painter.drawLine(QPointF(x - 3.5, y - 3.5), QPointF(x + 3.5, y + 3.5))
        painter.drawLine(QPointF(x - 3.5, y + 3.5), QPointF(x + 3.5, y - 3.5))

"""Two vertical marks over the tracks: the step of a loss, and a step that it sends its gradient back to.

They are small widgets over the canvas, so that a step of the tape costs them nothing.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRect, QRectF, Qt, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from explorer.stage import marked
from explorer.stage.canvas import Canvas
from explorer.stage.margins import LINE
from explorer.theme import current as theming

_WIDTH = 5


class _Line(QWidget):
    def __init__(self, tone: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._tone = tone
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = theming.current()
        painter = QPainter(self)
        x = self.width() / 2
        halo = QColor(theme.ground)
        halo.setAlpha(170)
        painter.fillRect(QRectF(x - 2, 0, 4, self.height()), halo)
        painter.setPen(QPen(QColor(getattr(theme, self._tone)), 2, Qt.PenStyle.DashLine))
        painter.drawLine(QRectF(x, 0, 0, self.height()).topLeft(), QRectF(x, 0, 0, self.height()).bottomLeft())


class _Label(QWidget):
    def __init__(self, tone: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._tone, self.text = tone, ""
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = theming.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(QColor(theme.raised))
        painter.setPen(QPen(QColor(getattr(theme, self._tone)), 1))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        painter.setPen(QColor(theme.text))
        marked.draw(painter, QRectF(self.rect()), self.text, theming.small(), Qt.AlignmentFlag.AlignHCenter)


class Marks(QObject):
    """Of a loss step and a source step, both from 1; None: none."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self._steps: tuple[int, int] | None = None
        self._lines = [_Line(tone, canvas.viewport()) for tone in ("loss", "backward")]
        self._labels = [_Label(tone, canvas.viewport()) for tone in ("loss", "backward")]
        canvas.viewport().installEventFilter(self)
        canvas.viewChanged.connect(self.place)
        canvas.verticalScrollBar().rangeChanged.connect(self.place)
        canvas.scrolled.connect(self.place)  # what is moved on screen takes its children along
        theming.notifier().changed.connect(self.place)

    def set_steps(self, loss_step: int | None, source_step: int | None) -> None:
        both = loss_step is not None and source_step is not None
        self._steps = (loss_step, source_step) if both else None  # type: ignore[assignment]
        self.place()

    @property
    def steps(self) -> tuple[int, int] | None:
        return self._steps

    @Slot()
    def place(self) -> None:
        view, height = self._canvas.view, self._canvas.viewport().height()
        data = self._canvas.data_box
        taken = QRect()
        for number, (line, label) in enumerate(zip(self._lines, self._labels, strict=True)):
            step = None if self._steps is None else self._steps[number]
            shown = step is not None and view is not None and view.shows(step)
            line.setVisible(shown)
            label.setVisible(shown)
            if step is None or view is None or not shown:
                continue
            x = data.left() + round(view.centre(step) / view.ratio)
            line.setGeometry(x - _WIDTH // 2, 0, _WIDTH, height)
            label.text = f"loss t = {step:,}" if number == 0 else f"source k = {step:,}"
            wide = round(marked.width(label.text, theming.small())) + 12
            left = min(max(data.left(), x - wide // 2), data.right() + 1 - wide)
            box = QRect(left, height - LINE - 8, wide, LINE + 4)
            if box.intersects(taken):
                box.moveTop(taken.top() - box.height() - 2)
            label.setGeometry(box)
            taken = box
            label.raise_()
            line.update()
            label.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self.place()
        return False

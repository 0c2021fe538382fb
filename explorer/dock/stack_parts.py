"""Small parts of the stack: the buttons that add a layer, where the first will stand, where a dragged one would."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QPushButton, QWidget

from engine.quantities import CELL_TITLES
from engine.spec import CellKind
from explorer.dock import assembly
from explorer.theme.current import current, small
from explorer.theme.tokens import GAP, PAD, RADIUS
from explorer.widgets.elided import paragraph

NOTHING_YET = "No layer yet. Add one:\u2028+\u00a0RNN, +\u00a0LSTM or +\u00a0GRU."
_LINES = 2


class AddButton(QPushButton):
    """ "+ LSTM"."""

    asked = Signal(str)

    def __init__(self, cell: CellKind) -> None:
        super().__init__(f"+ {CELL_TITLES[cell]}")
        self._cell = cell
        self.setProperty("role", "add")
        self.setAccessibleName(f"Add {assembly.ARTICLES[cell]} {CELL_TITLES[cell]} layer")
        self.clicked.connect(self._clicked)

    def _clicked(self) -> None:
        self.asked.emit(self._cell)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return as well as Space: a card opens by it too."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)


class Empty(QWidget):
    """Where the first layer will stand."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(" ".join(NOTHING_YET.split()))
        self.setFixedHeight(2 * GAP + int(QFontMetricsF(small()).height() * 1.1 * _LINES))

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.border), 1, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS + 2, RADIUS + 2)
        painter.setPen(QColor(theme.muted))
        paragraph(painter, QRectF(self.rect()).adjusted(PAD, GAP, -PAD, 0), NOTHING_YET, small(), _LINES)


class DropLine(QWidget):
    """Where a dragged layer would come to stand."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.gap = 0
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def show_at(self, gap: int, y: int) -> None:
        self.gap = gap
        parent = self.parentWidget()
        self.setGeometry(0, y - 3, parent.width() if parent is not None else 0, 6)
        self.show()
        self.raise_()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(current().accent))
        painter.drawRoundedRect(QRectF(0, 1.5, self.width(), 3), 1.5, 1.5)

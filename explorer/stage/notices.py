"""Lines above the tracks: a prompt, a failure's sentence, and how far a long computation is."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QSizePolicy, QWidget

from explorer.theme import current as theming
from explorer.theme.tokens import GAP, PAD

_ONE, _TWO = 36, 54
"""Heights with one line of text and with two."""
_ACTIONS = 24
"""Of a row of actions below them."""
_WRAPPED = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap


def _font() -> QFont:
    return theming.font(14, bold=True)


class Notice(QWidget):
    """One sentence with a coloured edge, and what can be done about it; hidden while it is empty. `tone` names the
    theme's colour."""

    chosen = Signal(int)
    """Which of the actions."""

    def __init__(self, name: str, tone: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name, self._tone, self._text = name, tone, ""
        self.buttons: tuple[QPushButton, ...] = ()
        self._below = False
        self._group = QButtonGroup(self)
        self._group.setExclusive(False)
        self._group.idClicked.connect(self.chosen)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, PAD, 1)
        self._row.setSpacing(GAP)
        self._row.addStretch(1)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_ONE)
        self.set_text("")

    def text(self) -> str:
        return self._text

    def set_text(self, text: str) -> None:
        self._text = text
        self.setAccessibleName(f"{self._name}: {text}" if text else self._name)
        self.setToolTip(text)
        self.setVisible(bool(text))
        self._fit()
        self.update()

    def set_actions(self, actions: Sequence[tuple[str, str]]) -> None:
        """In words, with a tooltip each; in place of those that were there."""
        for button in self.buttons:
            self._group.removeButton(button)
            button.hide()
            button.deleteLater()
        self.buttons = tuple(self._button(index, *words) for index, words in enumerate(actions))
        self._fit()
        self.update()

    def _button(self, index: int, text: str, tip: str) -> QPushButton:
        made = QPushButton(text, self)
        made.setProperty("role", "small")
        made.setAccessibleName(text)
        made.setToolTip(tip)
        made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._group.addButton(made, index)
        self._row.addWidget(made)
        return made

    def sizeHint(self) -> QSize:
        return QSize(200, self.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _room(self) -> QRect:
        """Of the text: beside the actions, or above them where it is too long for that."""
        room = self.rect().adjusted(PAD + 2, 0, -PAD, -1)
        return room.adjusted(0, 0, 0, -_ACTIONS) if self._below else room.adjusted(0, 0, -self._taken, 0)

    @property
    def _taken(self) -> int:
        return sum(button.sizeHint().width() + GAP for button in self.buttons)

    def _fit(self) -> None:
        """Two lines where one is too short."""
        needed = QFontMetrics(_font()).horizontalAdvance(self._text)
        self._below = bool(self.buttons) and needed > self.width() - 2 * PAD - 2 - self._taken
        lines = _ONE if needed <= self._room().width() else _TWO
        self._row.setContentsMargins(0, lines - GAP if self._below else 0, PAD, 1)
        self.setFixedHeight(lines + (_ACTIONS if self._below else 0))

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = theming.current()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.raised))
        painter.fillRect(QRect(0, 0, 3, self.height()), QColor(getattr(theme, self._tone)))
        painter.fillRect(QRect(0, self.height() - 1, self.width(), 1), QColor(theme.line))
        painter.setPen(QColor(theme.text))
        painter.setFont(_font())
        painter.drawText(self._room(), _WRAPPED, self.drawn())

    def drawn(self) -> str:
        """As much of the text as two lines hold."""
        box, metrics = self._room(), QFontMetrics(_font())
        text, room = self._text, 2 * box.width()
        # Two lines may be a pixel higher than twice the one.
        while metrics.boundingRect(box, _WRAPPED, text).height() > 2.5 * metrics.lineSpacing() and room > 40:
            room -= 20  # words break early: what fits two lines is found by trying
            text = metrics.elidedText(self._text, Qt.TextElideMode.ElideRight, room)
        return text


class Progress(QWidget):
    """A thin line that fills; hidden while there is nothing to wait for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._done, self._total = 0, 0
        self.setFixedHeight(3)
        self.set_progress(0, 0)

    def set_progress(self, done: int, total: int) -> None:
        self._done, self._total = done, total
        self.setAccessibleName(f"{done} of {total} done" if total else "Progress")
        self.setVisible(total > 0)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = theming.current()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.line))
        if self._total:
            share = min(1.0, self._done / self._total)
            painter.fillRect(QRect(0, 0, round(self.width() * share), self.height()), QColor(theme.accent))

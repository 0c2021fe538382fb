"""Why there is nothing to be seen of a file, what can be done, and the lines that it is about as they stand in it."""

from __future__ import annotations

import re

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette, QTextCursor, QTextFormat
from PySide6.QtWidgets import QFrame, QLabel, QPlainTextEdit, QTextEdit, QVBoxLayout, QWidget

from engine.data.peeking import Lines
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, PAD

_READ_OTHERWISE = "Choose above how it is to be read, or another file."
_ANOTHER = "Choose another file."
_LINE = re.compile(r"', line ([0-9,]+)")


class Failure(QWidget):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._named = 0
        card = QFrame()
        card.setProperty("role", "card")
        self.text, self.advice = wrapped("What is wrong", role=""), wrapped("What can be done")
        self.lines = QPlainTextEdit()
        self.lines.setReadOnly(True)
        self.lines.setAccessibleName("Lines of the file")
        self.lines.setTabChangesFocus(True)
        self.lines.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        inside = QVBoxLayout(card)
        inside.setContentsMargins(PAD, PAD, PAD, PAD)
        inside.setSpacing(GAP)
        inside.addWidget(self.text)
        inside.addWidget(self.advice)
        self._column = column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addStretch(0)
        column.addWidget(card)
        column.addWidget(self.lines, 1)
        column.addStretch(0)
        self.hide()

    def say(self, sentence: str) -> None:
        """ "" takes it away."""
        self.text.setText(sentence)
        self.show_lines(Lines(1))
        self.setVisible(bool(sentence))

    def around(self) -> int:
        """The line that the sentence names; the first one where it names none."""
        found = _LINE.search(self.text.text())
        return int(found.group(1).replace(",", "")) if found else 1

    def show_lines(self, lines: Lines) -> None:
        """Without lines there is no text to be read in any way, and what is said stands in the middle of the room."""
        there = bool(lines.texts)
        self.advice.setText(_READ_OTHERWISE if there else _ANOTHER)
        self.lines.setVisible(there)
        for stretch in (0, self._column.count() - 1):
            self._column.setStretch(stretch, 0 if there else 1)
        width = len(f"{lines.first + len(lines.texts):,}")
        # Figures of one width, which a figure space has too, so that the numbers stand under each other.
        numbers = [f"{lines.first + at:,}".rjust(width, "\u2007") for at in range(len(lines.texts))]
        self.lines.setPlainText("\n".join(f"{n}   {text}" for n, text in zip(numbers, lines.texts, strict=True)))
        self._named = self.around() - lines.first if _LINE.search(self.text.text()) and there else -1
        self._mark()

    def _mark(self) -> None:
        if not 0 <= self._named < self.lines.blockCount():
            self.lines.setExtraSelections([])
            return
        marked = QTextEdit.ExtraSelection()
        block = self.lines.document().findBlockByNumber(self._named)
        marked.cursor = QTextCursor(block)
        marked.format.setBackground(QColor(theming.current().raised))
        marked.format.setForeground(self.lines.palette().color(QPalette.ColorRole.Text))
        marked.format.setProperty(QTextFormat.Property.FullWidthSelection, True)
        self.lines.setExtraSelections([marked])


def wrapped(name: str, role: str = "muted") -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setProperty("role", role)
    label.setAccessibleDescription(name)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label

"""Help ▸ Words: what the words, symbols and marks of the program mean. It stays open beside the window."""

from __future__ import annotations

import re
from html import escape

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Slot
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QScrollArea,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from explorer.help.entries import GROUPS, Entry
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, PAD, ROOM
from explorer.widgets.finder import score, tokens, words_in

_KEYS = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 8, Qt.Key.Key_PageUp: -8}
_ENTRY = Qt.ItemDataRole.UserRole


class Glossary(QDialog):
    """A field to search in, the words that it finds, and the text of the chosen one. The arrow keys choose from within
    the field."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Words")
        self.field = QLineEdit()
        self.field.setPlaceholderText("Find a word or a mark: decade, 0*, carousel …")
        self.field.setAccessibleName("Find a word")
        self.field.setClearButtonEnabled(True)
        self.list = QListWidget()
        self.list.setAccessibleName("Words")
        self.text = QLabel()
        self.text.setAccessibleName("What it means")
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.text.setWordWrap(True)
        self.text.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.text.setContentsMargins(PAD, PAD, PAD, PAD)
        flags = Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        self.text.setTextInteractionFlags(flags)
        area = QScrollArea()
        area.setWidget(self.text)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setMinimumWidth(150)
        self.list.setMinimumWidth(110)
        self.list.setSpacing(2)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        halves = QSplitter()
        halves.setChildrenCollapsible(False)
        halves.addWidget(self.list)
        halves.addWidget(area)
        for half, share in enumerate((3, 5)):
            halves.setStretchFactor(half, share)
        halves.setSizes([270, 450])
        column = QVBoxLayout(self)
        column.setContentsMargins(PAD, PAD, PAD, PAD)
        column.setSpacing(GAP)
        column.addWidget(self.field)
        column.addWidget(halves, 1)
        self.field.textChanged.connect(self._fill)
        self.field.installEventFilter(self)
        self.list.currentItemChanged.connect(self._show)
        theming.notifier().changed.connect(self._show)
        self._fill("")
        self.resize(self.sizeHint())  # by itself it would take no more than two thirds of a small screen

    def sizeHint(self) -> QSize:
        screen = self.screen().availableSize()
        return QSize(min(760, screen.width() - 2 * ROOM), min(520, screen.height() - 3 * ROOM))

    def show_it(self, word: str = "") -> None:
        """In front, with the field ready to type in."""
        self.field.setText(word)
        self.show()
        self.raise_()
        self.activateWindow()
        self.field.setFocus()
        self.field.selectAll()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.field and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            step = _KEYS.get(Qt.Key(event.key()))
            if step is not None:
                self._go(step)
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):  # there is nothing to accept: it is shown already
                return True
            if event.matches(QKeySequence.StandardKey.Copy) and not self.field.hasSelectedText():
                QApplication.clipboard().setText(self.plain())
                return True
        return super().eventFilter(watched, event)

    def plain(self) -> str:
        """The chosen entry, to paste."""
        entry = self.entry()
        return "" if entry is None else "\n".join(part for part in (entry.word, entry.text, entry.formula) if part)

    def entry(self) -> Entry | None:
        item = self.list.currentItem()
        entry = item.data(_ENTRY) if item is not None else None
        return entry if isinstance(entry, Entry) else None

    def _go(self, step: int) -> None:
        rows = [n for n in range(self.list.count()) if self.list.item(n).data(_ENTRY) is not None]
        if rows:
            here = rows.index(self.list.currentRow()) if self.list.currentRow() in rows else 0
            self.list.setCurrentRow(rows[min(max(0, here + step), len(rows) - 1)])

    @Slot(str)
    def _fill(self, typed: str) -> None:
        """By group while nothing is typed; else what fits best first."""
        self.list.clear()
        if not typed.strip():
            for group, entries in GROUPS.items():
                self._add(group, None)
                for entry in entries:
                    self._add(entry.word, entry)
        else:
            for entry in found(typed):
                self._add(entry.word, entry)
        if not self.list.count():
            self._add("No word here is called that.", None)
        self.list.setCurrentRow(-1)
        self._go(0)
        if self.entry() is None:
            self._show()

    def _add(self, words: str, entry: Entry | None) -> None:
        item = QListWidgetItem(words.replace("_r", "ᵣ"))
        item.setData(_ENTRY, entry)
        item.setToolTip(words)
        if entry is None:
            item.setFlags(Qt.ItemFlag.NoItemFlags)
            item.setFont(theming.small(bold=True))
        self.list.addItem(item)

    @Slot()
    def _show(self) -> None:
        entry = self.entry()
        if entry is None:
            self.text.setText("")
            return
        muted = theming.current().muted
        parts = [f"<h3>{_typeset(entry.word)}</h3><p style='line-height: 135%'>{_typeset(entry.text)}</p>"]
        if entry.formula:
            parts.append(f"<p style='color: {muted}'>Formula</p><p><b>{_typeset(entry.formula)}</b></p>")
        self.text.setText("".join(parts))


_LOWERED = re.compile(r"_(?:\{([^}]*)\}|(hh|ih|hn|max|[A-Za-z0-9]))")
"""What stands below the line: h_t, a_{t+1}, W_hh."""


def _typeset(text: str) -> str:
    return _LOWERED.sub(lambda found: f"<sub>{found[1] or found[2]}</sub>", escape(text))


def found(typed: str) -> list[Entry]:
    """The entries that hold every typed word, in their name first, then in the words that they are found by, then in
    their text. A mark that has no letters ("0*", "Σ‖", "▽") is looked for as it is written."""
    bare = typed.strip().lower()
    ranked: list[tuple[int, int, Entry]] = []
    entries = [entry for group in GROUPS.values() for entry in group]
    for place, entry in enumerate(entries):
        written = f"{entry.word} {entry.find}".lower()
        if bare in entry.word.lower():
            rank = 0
        elif bare in written:
            rank = 1
        elif tokens(typed) and score(tokens(typed), words_in(written)):
            rank = 2
        elif bare in f"{entry.text} {entry.formula}".lower():
            rank = 3
        else:
            continue
        ranked.append((rank, place, entry))
    return [entry for *_, entry in sorted(ranked, key=lambda one: one[:2])]

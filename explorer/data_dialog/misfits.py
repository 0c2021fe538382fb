"""What does not fit into a column of numbers, at the top where nobody overlooks it, and the way on: to count it as
missing."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from engine.data.columns import MISSING
from engine.data.preview import Preview, TablePreview
from engine.plaintext import one_line
from explorer.dock.rows import Sentence
from explorer.theme.tokens import GAP, TIGHT
from explorer.widgets.elided import ElidedLabel

_MOST = 3
"""Columns of which the sentence is said."""


class Misfits(QWidget):
    missingChosen = Signal(object)
    """Cells that count as missing from now on, all of them; None: those that usually do."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sentences = [Sentence("warning", "exploding") for _ in range(_MOST)]
        self.counted = ElidedLabel(tone="muted")
        self.button = QPushButton()
        self.button.setAutoDefault(False)
        self.button.clicked.connect(self._choose)
        self._chosen: tuple[str, ...] | None = None
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self.counted, 1)
        row.addWidget(self.button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, TIGHT, 0, TIGHT)
        column.setSpacing(TIGHT)
        for sentence in self.sentences:
            column.addWidget(sentence)
        column.addLayout(row)
        self.hide()

    def show_preview(self, preview: Preview | None) -> None:
        """Nothing is said where everything fits."""
        wrong = [column for column in preview.columns if column.problem] if isinstance(preview, TablePreview) else []
        given = (preview.options.missing or ()) if isinstance(preview, TablePreview) else ()
        extra = [cell for cell in given if cell not in MISSING]
        for at, sentence in enumerate(self.sentences):
            sentence.set_text(wrong[at].problem if at < len(wrong) else "")
        misfits = list(dict.fromkeys(cell for column in wrong for cell in column.misfits))
        more = len(wrong) - _MOST
        said = [f"{more} more {'does' if more == 1 else 'do'} not fit"] if more > 0 else []
        if extra:
            said.append(f"{_cells(extra)} count{'s' if len(extra) == 1 else ''} as missing")
        self.counted.set_text("; ".join(said))
        self._chosen = (*given, *misfits) if misfits else None
        self.button.setText(f"Count {_cells(misfits)} as &Missing" if misfits else "As &Before")
        self.button.setAccessibleDescription(" ".join(column.problem for column in wrong[:_MOST]))
        self.button.setVisible(bool(misfits or extra))
        self.setVisible(bool(wrong or extra))

    def _choose(self) -> None:
        self.missingChosen.emit(self._chosen)


def _cells(cells: list[str]) -> str:
    if len(cells) > 2:
        return f"{len(cells):,} different cells"
    return " and ".join(f"'{one_line(cell, 20)}'" for cell in cells).replace("&", "&&")

"""The start page: the presets as cards, and beside them new, open and the recent files."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from explorer.start.card import Card, CardData
from explorer.start.curve import HIGH, LOW
from explorer.start.recent import RecentData, RecentRow
from explorer.theme.current import current
from explorer.theme.tokens import GAP, PAD, ROOM, TIGHT
from explorer.widgets.elided import ElidedLabel, section_label, small_label
from explorer.widgets.flow import FlowGrid
from explorer.widgets.numbers import decade

__all__ = ["CardData", "RecentData", "StartPage"]

CARD_LEAST, CARD_MOST, COLUMNS = 270, 400, 4
SIDE_WIDTH, SIDE_NARROW = 268, 200
NARROW = 900


class _Side(QWidget):
    """The panel at the right, with its own ground and a line to the left."""

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(current().surface))
        painter.fillRect(0, 0, 1, self.height(), QColor(current().line))


class _Ground(QWidget):
    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), QColor(current().window))


class StartPage(QWidget):
    """Shows what there is to open, and says what was chosen."""

    presetChosen = Signal(str)
    newRequested = Signal()
    openRequested = Signal()
    openDataRequested = Signal()
    recentChosen = Signal(str)
    backRequested = Signal()
    """To what is open behind the page."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Start page")
        self.cards: list[Card] = []
        self.rows: list[RecentRow] = []

        ground = _Ground()
        column = QVBoxLayout(ground)
        column.setContentsMargins(2 * ROOM, ROOM, 2 * ROOM, PAD)
        column.setSpacing(0)
        title = QLabel("Gradient Flow Explorer")
        title.setProperty("role", "title")
        self._sub = ElidedLabel("Pick a demonstration, or assemble a network of your own.", tone="muted", pixels=14)
        self._empty = small_label("No presets were found.")
        self._empty.hide()
        column.addWidget(title)
        column.addSpacing(TIGHT)
        column.addWidget(self._sub)
        self._legend = small_label(
            f"Curves: ‖∂L/∂hₜ‖ from t = 1 to T on one scale, {decade(int(LOW))} … {decade(int(HIGH))}; "
            "dashed: 1; ▲ above it, with a bar ∞; ✕ NaN."
        )
        column.addSpacing(TIGHT)
        column.addWidget(self._legend)
        column.addSpacing(PAD)
        self._grid_holder = QWidget()
        self._grid = FlowGrid(CARD_LEAST, CARD_MOST, 16, COLUMNS, self._grid_holder)
        column.addWidget(self._grid_holder)
        column.addWidget(self._empty)
        column.addStretch(1)
        self._column = column

        self.area = QScrollArea()
        self.area.setWidget(ground)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)

        side = _Side()
        self._side = side
        beside = QVBoxLayout(side)
        beside.setContentsMargins(ROOM, ROOM + TIGHT, ROOM, ROOM)
        beside.setSpacing(GAP)
        self.new_button = QPushButton("New experiment…")
        self.new_button.setProperty("role", "primary")
        self.open_button = QPushButton("Open…")
        self.data_button = QPushButton("Open Data…")
        self.data_button.setToolTip("A table, a text or arrays of your own (Ctrl+Shift+O)")
        self.back_button = QPushButton()
        self.back_button.hide()
        for button in (self.back_button, self.new_button, self.open_button, self.data_button):
            button.setMinimumHeight(32)
            button.setAutoDefault(True)
            beside.addWidget(button)
        beside.addSpacing(PAD)
        self._recent_title = section_label("Recent")
        beside.addWidget(self._recent_title)
        self._nothing = small_label("Nothing opened yet.")
        beside.addWidget(self._nothing)
        holder = QWidget()
        self._recent = QVBoxLayout(holder)
        self._recent.setContentsMargins(0, 0, 0, 0)
        self._recent.setSpacing(2)
        self._recent.addStretch(1)
        recent_area = QScrollArea()
        recent_area.setWidget(holder)
        recent_area.setWidgetResizable(True)
        recent_area.setFrameShape(QFrame.Shape.NoFrame)
        recent_area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        recent_area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        recent_area.viewport().setAutoFillBackground(False)
        holder.setAutoFillBackground(False)
        beside.addWidget(recent_area, 1)

        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.area, 1)
        row.addWidget(side)
        side.setFixedWidth(SIDE_WIDTH)

        self.new_button.clicked.connect(self.newRequested)
        self.open_button.clicked.connect(self.openRequested)
        self.data_button.clicked.connect(self.openDataRequested)
        self.back_button.clicked.connect(self.backRequested)

    # -- data down ----------------------------------------------------------------------------------------------------

    def set_back(self, title: str) -> None:
        """Offer the way back to what is open; "" where nothing is."""
        words = f"Back to {title}"
        room = SIDE_WIDTH - 2 * ROOM - 2 * PAD - GAP
        self.back_button.setText(self.back_button.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, room))
        self.back_button.setToolTip(f"{words} (Esc)")
        self.back_button.setAccessibleName(words)
        self.back_button.setVisible(bool(title))

    def set_presets(self, presets: Iterable[CardData]) -> None:
        presets = list(presets)
        if presets == [card.data for card in self.cards]:
            return
        for card in self.cards:
            self._grid.removeWidget(card)
            card.hide()
            card.deleteLater()
        self.cards = [Card(data) for data in presets]
        for card in self.cards:
            card.chosen.connect(self.presetChosen)
            self._grid.addWidget(card)
        self._empty.setVisible(not self.cards)
        self._legend.setVisible(bool(self.cards))
        before: QWidget = self.area
        for card in self.cards:
            QWidget.setTabOrder(before, card)
            before = card
        self.setFocusProxy(self.cards[0] if self.cards else self.new_button)

    def set_recent(self, recent: Iterable[RecentData]) -> None:
        for row in self.rows:
            self._recent.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.rows = [RecentRow(data) for data in recent]
        for i, row in enumerate(self.rows):
            row.chosen.connect(self.recentChosen)
            self._recent.insertWidget(i, row)
        self._nothing.setVisible(not self.rows)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        narrow = self.width() < NARROW
        self._side.setFixedWidth(SIDE_NARROW if narrow else SIDE_WIDTH)
        margin = ROOM if narrow else 2 * ROOM
        self._column.setContentsMargins(margin, ROOM, margin, PAD)

"""How the tape plays: a small button that opens a slider, in moments per second, and what happens at its end."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QActionGroup, QWheelEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QSizePolicy, QSlider, QToolButton, QWidget, QWidgetAction

from explorer.theme.tokens import GAP, PAD
from explorer.transport.ending import ENDINGS, AtEnd
from explorer.widgets.elided import small_label

SLOWEST, FASTEST = 1, 60
USUAL = (1, 2, 5, 8, 15, 30, 60)


class SpeedButton(QToolButton):
    """Shows "10 / s". Click: slider and usual speeds; Up and Down: one of those more or less."""

    speedChanged = Signal(float)
    atEndPicked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._speed = 8.0
        self.setToolTip("Speed in moments per second, and what playing does at the end")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        menu = QMenu(self)
        self.setMenu(menu)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(SLOWEST, FASTEST)
        self.slider.setFixedWidth(180)
        self.slider.setAccessibleName("Moments per second")
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(PAD, GAP, PAD, GAP)
        row.addWidget(small_label("slow"))
        row.addWidget(self.slider)
        row.addWidget(small_label("fast"))
        action = QWidgetAction(menu)
        action.setDefaultWidget(holder)
        menu.addAction(action)
        menu.addSeparator()
        usual = QActionGroup(menu)
        usual.setExclusionPolicy(QActionGroup.ExclusionPolicy.ExclusiveOptional)
        self._usual: dict[int, QAction] = {}
        for speed in USUAL:
            entry = menu.addAction(f"{speed} per second")
            entry.setData(speed)
            entry.setCheckable(True)
            usual.addAction(entry)
            self._usual[speed] = entry
        menu.addSeparator()
        group = QActionGroup(menu)
        self._endings: dict[AtEnd, QAction] = {}
        for at_end, words in ENDINGS.items():
            entry = menu.addAction(f"At the end: {words[0].lower()}{words[1:]}")
            entry.setData(at_end)
            entry.setCheckable(True)
            group.addAction(entry)
            self._endings[at_end] = entry
        self.set_at_end("stop")
        menu.triggered.connect(self._chosen)
        self.slider.valueChanged.connect(self._slid)
        self.set_speed(self._speed)
        self.setFixedWidth(self.fontMetrics().horizontalAdvance("60 / s") + 30)

    def speed(self) -> float:
        return self._speed

    def set_speed(self, speed: float) -> None:
        self._speed = min(max(float(speed), float(SLOWEST)), float(FASTEST))
        self.setText(f"{self._speed:.3g} / s")
        self.setAccessibleName(f"Speed: {self._speed:.3g} moments per second")
        for usual, entry in self._usual.items():
            entry.setChecked(usual == self._speed)
        self.slider.blockSignals(True)
        self.slider.setValue(round(self._speed))
        self.slider.blockSignals(False)

    def step(self, up: bool) -> None:
        """To the next of the usual speeds."""
        others = [s for s in USUAL if (s > self._speed if up else s < self._speed)]
        if others:
            self._slid(others[0] if up else others[-1])

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()

    def set_at_end(self, at_end: AtEnd) -> None:
        """Show it, without a signal."""
        self._endings[at_end].setChecked(True)

    def _chosen(self, action: QAction) -> None:
        chosen = action.data()
        if isinstance(chosen, str):
            self.atEndPicked.emit(chosen)
        else:
            self._slid(chosen)

    def _slid(self, speed: int) -> None:
        if speed != self._speed:
            self.set_speed(speed)
            self.speedChanged.emit(float(speed))

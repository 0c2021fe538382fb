"""How fast the tape plays: a small button that opens a slider, in moments per second."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QSizePolicy, QSlider, QToolButton, QWidget, QWidgetAction

from explorer.theme.tokens import GAP, PAD
from explorer.widgets.elided import small_label

SLOWEST, FASTEST = 1, 60
USUAL = (1, 2, 5, 10, 20, 30, 60)


class SpeedButton(QToolButton):
    """Shows "10 / s". Click: slider and usual speeds; Up and Down: one of those more or less."""

    speedChanged = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._speed = 10.0
        self.setToolTip("Speed: moments per second")
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
        for speed in USUAL:
            menu.addAction(f"{speed} per second").setData(speed)
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

    def _chosen(self, action: object) -> None:
        self._slid(action.data())  # type: ignore[attr-defined]  # a QAction, which the signal's type does not say

    def _slid(self, speed: int) -> None:
        if speed != self._speed:
            self.set_speed(speed)
            self.speedChanged.emit(float(speed))

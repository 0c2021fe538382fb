"""Frames that say nothing themselves: a thin rule, and an area that scrolls what does not fit below."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from explorer.theme.tokens import GAP


def rule() -> QFrame:
    line = QFrame()
    line.setProperty("role", "rule")
    line.setFixedHeight(1)
    return line


def scrolled(content: QWidget, name: str = "") -> QScrollArea:
    """Downwards alone, as wide as it is; no stop of the Tab key by itself. `name`: for those who hear it."""
    area = QScrollArea()
    area.setAccessibleName(name)
    area.setWidget(content)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return area


def bring_into_view(part: QWidget) -> None:
    """Scroll the nearest area around it so that all of a part is seen that has just appeared in it."""
    area = part.parentWidget()
    while area is not None and not isinstance(area, QScrollArea):
        area = area.parentWidget()
    if isinstance(area, QScrollArea):
        # It has its place, and the area its length, only when the layouts around it have been told.
        QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)
        area.ensureWidgetVisible(part, 0, GAP)

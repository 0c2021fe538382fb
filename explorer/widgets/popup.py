"""Where the list of a drop-down stands: inside of the window that it belongs to, and as wide as its longest entry."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize
from PySide6.QtWidgets import QComboBox, QStyle

_BORDERS = 6
"""Of the list, on both sides of its entries."""


def widen(box: QComboBox) -> None:
    """Before it is shown: no entry of its list is cut."""
    view = box.view()
    wanted = view.sizeHintForColumn(0) + _BORDERS
    if box.count() > box.maxVisibleItems():
        wanted += view.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent, None, view)
    view.setMinimumWidth(max(view.minimumWidth(), min(wanted, box.window().width())))


def place(box: QComboBox) -> None:
    """Once it is shown: a list that would leave the window stands above its field, or is moved in."""
    window, shown = box.window(), box.view().window()
    room = QRect(window.mapToGlobal(QPoint(0, 0)), window.size())
    room &= box.screen().availableGeometry()  # the style has seen to it that the list is on the screen
    field = QRect(box.mapToGlobal(QPoint(0, 0)), box.size())
    at = standing(shown.frameGeometry().topLeft(), shown.size(), field, room)
    if at != shown.frameGeometry().topLeft():
        shown.move(at)


def standing(at: QPoint, size: QSize, field: QRect, room: QRect) -> QPoint:
    """Where a list of this size stands that was to stand `at`; one that fits neither below nor above its field covers
    it."""
    x = max(room.left(), min(at.x(), room.left() + room.width() - size.width()))
    below = room.top() + room.height() - size.height()
    if at.y() <= below:
        return QPoint(x, max(room.top(), at.y()))
    above = field.top() - size.height()
    return QPoint(x, above if above >= room.top() else max(room.top(), below))

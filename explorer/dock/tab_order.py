"""Tab goes as the eye does: in the order of the layouts, whatever was made first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLayout, QWidget


def set_tab_order(widgets: Iterable[QWidget]) -> None:
    """Each of them, then what takes the focus inside of it, then the next."""
    order = [one for widget in widgets for one in (widget, *_focusable(widget))]
    for one, other in pairwise(order):
        QWidget.setTabOrder(one, other)


def _focusable(part: QWidget | QLayout) -> Iterator[QWidget]:
    layout = part.layout() if isinstance(part, QWidget) else part
    for number in range(0 if layout is None else layout.count()):
        item = layout.itemAt(number) if layout is not None else None
        inside = item.widget() if item is not None else None
        within = item.layout() if item is not None else None
        if inside is not None:
            if inside.focusPolicy() & Qt.FocusPolicy.TabFocus:
                yield inside
            yield from _focusable(inside)
        elif within is not None:
            yield from _focusable(within)

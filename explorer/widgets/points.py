"""Many points at once, from arrays to Qt: a Python object for each of them would take longer than drawing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import shiboken6
from numpy.typing import NDArray
from PySide6.QtCore import QPointF
from PySide6.QtGui import QPainter, QPolygonF

_BYTES = 16
"""Of a QPointF: two doubles."""


def polygon(x: NDArray[np.float64], y: NDArray[np.float64]) -> QPolygonF:
    """The points (x, y), (n,) each, n > 0."""
    made = QPolygonF()
    made.resize(len(x))
    address = shiboken6.getCppPointer(made.data())[0]
    memory = cast(Any, shiboken6).VoidPtr(address, len(x) * _BYTES, True)
    points = np.frombuffer(memory, np.float64).reshape(-1, 2)
    points[:, 0], points[:, 1] = x, y
    return made


def draw_uprights(
    painter: QPainter, x: NDArray[np.float64], top: NDArray[np.float64], bottom: NDArray[np.float64]
) -> None:
    """Lines from (x, top) to (x, bottom), (n,) each, n > 0."""
    pairs = polygon(np.repeat(x, 2), np.stack((top, bottom), axis=1).ravel())
    painter.drawLines(cast("Sequence[QPointF]", pairs))

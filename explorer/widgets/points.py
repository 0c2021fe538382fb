"""Many points at once, from arrays to Qt: a Python object for each of them would take longer than drawing them."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import shiboken6
from numpy.typing import NDArray
from PySide6.QtGui import QPolygonF

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

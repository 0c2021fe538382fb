"""Our own icons (resources/icons/*.svg), tinted by a colour of the theme in force."""

from __future__ import annotations

from functools import cache, lru_cache

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from engine import folders
from explorer.theme.current import current

RATIOS = (1.0, 2.0)


@cache
def _source(name: str) -> str:
    return (folders.resources() / "icons" / f"{name}.svg").read_text(encoding="utf-8")


@lru_cache(maxsize=256)
def renderer(name: str, colour: str) -> QSvgRenderer:
    """The icon as a vector in one colour; kept, since reading one takes longer than drawing it. Raises
    FileNotFoundError."""
    return QSvgRenderer(QByteArray(_source(name).replace("currentColor", colour).encode()))


def pixmap(name: str, colour: str, size: int = 16, ratio: float = 1.0) -> QPixmap:
    """The icon in one colour, `size` logical pixels square."""
    made = QPixmap(round(size * ratio), round(size * ratio))
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    renderer(name, colour).render(painter, QRectF(0, 0, size * ratio, size * ratio))
    painter.end()
    made.setDevicePixelRatio(ratio)
    return made


@lru_cache(maxsize=256)
def kept_pixmap(name: str, colour: str, size: int, ratio: float) -> QPixmap:
    """As `pixmap`, for what is painted often: a vector takes several times as long."""
    return pixmap(name, colour, size, ratio)


def icon(name: str, tone: str = "text", size: int = 16) -> QIcon:
    """The icon in a colour of the theme in force (`tone` is the name of one of its fields); greyed where disabled."""
    theme = current()
    made = QIcon()
    for ratio in RATIOS:
        made.addPixmap(pixmap(name, getattr(theme, tone), size, ratio), QIcon.Mode.Normal)
        made.addPixmap(pixmap(name, theme.border, size, ratio), QIcon.Mode.Disabled)
    return made

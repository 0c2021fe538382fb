"""A picture in device pixels that is drawn once and then copied to the screen in parts. Its memory is reused."""

from __future__ import annotations

from typing import cast

import numpy as np
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QImage, QPainter

from explorer.stage.palette import Pixels


class Layer:
    def __init__(self) -> None:
        self.image = QImage()

    def sized(self, width: int, height: int) -> Layer:
        """Ready to be drawn anew; what was in it is undefined."""
        width, height = max(1, width), max(1, height)
        if self.image.width() != width or self.image.height() != height:
            self.image = QImage(width, height, QImage.Format.Format_RGB32)
        self.image.setDevicePixelRatio(1.0)
        return self

    def pixels(self) -> Pixels:
        """(height, width) 0xffRRGGBB; to be written at once, not to be kept."""
        image = self.image
        flat = np.frombuffer(cast(memoryview, image.bits()), np.uint32)
        return flat.reshape(image.height(), image.bytesPerLine() // 4)[:, : image.width()]

    def painter(self, ratio: float) -> QPainter:
        """A painter in logical pixels; end it before anything else."""
        self.image.setDevicePixelRatio(ratio)
        painter = QPainter(self.image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        return painter

    def blit(self, painter: QPainter, origin: QPoint, part: QRect, ratio: float) -> None:
        """Copy `part` (device pixels of this layer) to its place; the layer's corner is at `origin` (logical)."""
        part = part.intersected(self.image.rect())
        if part.isEmpty():
            return
        self.image.setDevicePixelRatio(1.0)
        if ratio == 1.0:
            painter.drawImage(origin + part.topLeft(), self.image, part)
            return
        painter.save()
        painter.scale(1 / ratio, 1 / ratio)
        corner = QPoint(round(origin.x() * ratio), round(origin.y() * ratio))
        painter.drawImage(corner + part.topLeft(), self.image, part)
        painter.restore()

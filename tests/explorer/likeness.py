"""Pictures held against those that have been looked at: tests/golden/pictures.

`GRADFLOW_NEW_PICTURES=1` writes them anew; look at each before it is committed. Where one differs, the picture found
and the difference lie in out/pictures.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PySide6.QtGui import QImage

GOLDEN = Path(__file__).parents[1] / "golden" / "pictures"
FOUND = Path(__file__).parents[2] / "out" / "pictures"
LEVELS = 24
"""Of 255, by which a pixel may differ: fonts are drawn a shade otherwise by another build of the font engine."""
SHARE = 0.003
"""Of the pixels that may differ by more: a digit that rounds otherwise on another processor."""


def pixels(image: QImage) -> np.ndarray:
    """(height, width, 3) uint8."""
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    flat = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return flat[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def difference(found: np.ndarray, golden: np.ndarray) -> np.ndarray:
    """(height, width) uint8: by how much the channels differ at most."""
    return np.abs(found.astype(np.int16) - golden.astype(np.int16)).max(2).astype(np.uint8)


def assert_looks_like(image: QImage, name: str) -> None:
    golden = GOLDEN / f"{name}.png"
    if os.environ.get("GRADFLOW_NEW_PICTURES") == "1":
        GOLDEN.mkdir(parents=True, exist_ok=True)
        assert image.save(str(golden), "PNG")
        return
    assert golden.exists(), f"{golden.name} has not been looked at yet; see {Path(__file__).name}."
    kept = pixels(QImage(str(golden)))
    found = pixels(image)
    if found.shape == kept.shape:
        apart = difference(found, kept)
        share = float(np.mean(apart > LEVELS))
        if share <= SHARE:
            return
        _write(apart, f"{name}.difference")
        why = f"{share:.2%} of the pixels differ by more than {LEVELS} levels, {SHARE:.2%} may"
    else:
        why = f"it is {found.shape[1]}×{found.shape[0]} pixels, not {kept.shape[1]}×{kept.shape[0]}"
    FOUND.mkdir(parents=True, exist_ok=True)
    image.save(str(FOUND / f"{name}.png"), "PNG")
    raise AssertionError(f"{name}: {why}. Look at out/pictures.")


def _write(apart: np.ndarray, name: str) -> None:
    FOUND.mkdir(parents=True, exist_ok=True)
    grey = np.ascontiguousarray(255 - apart)
    height, width = grey.shape
    QImage(grey.data, width, height, width, QImage.Format.Format_Grayscale8).save(str(FOUND / f"{name}.png"), "PNG")

"""The unrolled network on a stage of its own, for tests: its pixels, its places, what it says."""

from __future__ import annotations

import numpy as np
import synthetic_stack
from PySide6.QtCore import QPoint
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.requests import Excerpt
from engine.tape import Tape
from explorer.stage.margins import HEADER_WIDTH
from explorer.stage.stage import Stage
from explorer.stage.tracks.base import Readout
from explorer.stage.tracks.network import Unrolled
from explorer.theme import current as theming

BOTH = (("gru", True),)


def stage_of(qtbot: QtBot, e: Excerpt, size: tuple[int, int] = (1100, 420)) -> Stage:
    theming.apply("dark")
    stage = Stage()
    qtbot.addWidget(stage, before_close_func=lambda _, kept=stage: None)
    stage.resize(*size)
    stage.set_tracks(("network",))
    stage.set_excerpt(e)
    stage.show()
    QApplication.processEvents()
    return stage


def at(stage: Stage, moment: str) -> QImage:
    """The data of the track at a moment."""
    assert stage.canvas.view is not None
    tape = Tape(stage.canvas.view.steps)
    stage.set_position(tape.position(tape.parse(moment)))
    QApplication.processEvents()
    slot = stage.canvas.slots[0]
    box = stage.canvas.data_box
    box.setHeight(slot.height - 1)
    return stage.canvas.viewport().grab(box).toImage()


def pixels(image: QImage) -> np.ndarray:
    """(height, width) 0xffRRGGBB."""
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    return np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), image.bytesPerLine() // 4).copy()


def track(stage: Stage) -> Unrolled:
    found = stage.canvas.tracks[0]
    assert isinstance(found, Unrolled)
    return found


def middle_of(stage: Stage, place: int, t: int, share: float = 0.3) -> tuple[int, int]:
    """(y, x) in a cell's strip, beside its middle, where no cursor is."""
    a = track(stage)._anatomy
    row = a.rows[place]
    x = a.left(t) + round(share * (a.right(t) - a.left(t)))
    return (row.strip_top + row.strip_bottom) // 2, x


def flat(e: Excerpt, value: float = 0.5) -> Excerpt:
    """Every hidden unit of every layer at one value, so that a strip has one colour."""
    for name in e.layers:
        e = synthetic_stack.with_values(e, name, np.full((e.steps, 3), value, np.float32))
    return e


def point(stage: Stage, y: float, t: int, share: float = 0.5) -> QPoint:
    a = track(stage)._anatomy
    x = a.left(t) + share * (a.right(t) - a.left(t))
    return QPoint(HEADER_WIDTH + int(x), stage.canvas.slots[0].top - stage.canvas.offset + int(y))


def hover(stage: Stage, place: int, t: int) -> str:
    y, _ = middle_of(stage, place, t)
    said = stage.canvas.hover_at(point(stage, y, t))
    return said.text if said else ""


def number(said: Readout | None) -> float:
    """The last one that it tells."""
    assert said is not None
    return float(said.values[-1].partition(" = ")[2])

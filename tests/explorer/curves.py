"""Curve tracks by themselves, for tests: made, painted, and where their scale puts a number."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QColor, QImage, QPainter

from engine.quantities import ROUTES
from engine.requests import Excerpt
from engine.tape import Tape
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.tracks.curve import CurveTrack
from explorer.stage.tracks.curve_ink import edge_of
from explorer.stage.tracks.make import make

WIDTH, HEIGHT = 640, 160


def shown(key: str, e: Excerpt, book: ScaleBook | None = None) -> CurveTrack:
    track = make(key)
    assert isinstance(track, CurveTrack)
    track.set_excerpt(e, book or ScaleBook())
    return track


def painted(track: CurveTrack, e: Excerpt, position: int, span: tuple[int, int] | None = None) -> np.ndarray:
    """(HEIGHT, WIDTH, 3): the data's pixels."""
    view = TimeView(e.steps, *(span or (1, e.steps)), WIDTH)
    track.prepare(view, HEIGHT)
    image = QImage(WIDTH, HEIGHT, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    now = Now.at(Tape(e.steps), position)
    track.paint(painter, QPoint(0, 0), QRect(0, 0, WIDTH, HEIGHT), now)
    track.paint_over(painter, QPoint(0, 0), now)
    painter.end()
    flat = np.frombuffer(image.constBits(), np.uint8).reshape(HEIGHT, WIDTH, 4)
    return flat[:, :, 2::-1].astype(int)


def near(pixels: np.ndarray, colour: str, far: int = 40) -> np.ndarray:
    want = QColor(colour)
    return np.abs(pixels - [want.red(), want.green(), want.blue()]).sum(axis=2) < far


def row_of(value: float, track: CurveTrack) -> float:
    """Where the scale puts a number: a second time, from its ends alone."""
    assert track.plot is not None
    low, high = (float(end) for end in track.plot.axis.ends)
    share = math.log10(value / low) / math.log10(high / low)
    edge = edge_of(HEIGHT)
    return HEIGHT - edge - share * (HEIGHT - 2 * edge)


def end(e: Excerpt) -> int:
    return len(Tape(e.steps)) - 1


def reversed_(e: Excerpt, reverse: bool) -> Excerpt:
    return dataclasses.replace(e, layers={"l0": dataclasses.replace(e.of(), reverse=reverse)})


def with_series(e: Excerpt) -> Excerpt:
    """Series of the shapes that engine.columns tells, made up."""
    rng = np.random.default_rng(0)
    T, R = e.steps, len(ROUTES[e.cell])
    shares = rng.dirichlet(np.ones(R), T)
    found = {
        "share.weight_hh": np.stack([np.logspace(-6, 0, T), np.full(T, 1 / T)], 1),
        "growth.weight_hh": np.stack([np.linspace(1, 2, T), np.logspace(-6, 0, T), np.ones(T)], 1),
        "routes": np.concatenate([shares, np.full((T, R + 1), -2.0)], 1),
        "saturation": rng.random((T, 3)),
        "singular": np.concatenate([np.sort(rng.normal(-1, 1, (T, 4)))[:, ::-1], np.ones((T, 1))], 1),
    }
    return dataclasses.replace(e, arrays={**e.arrays, **{f"l0.{name}": array for name, array in found.items()}})

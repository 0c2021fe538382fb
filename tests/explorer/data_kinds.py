"""Every kind of data that a task has, and the tracks that show it painted by themselves, for tests."""

from __future__ import annotations

import dataclasses

import numpy as np
import synthetic
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QImage, QPainter

from engine.requests import Excerpt
from engine.tape import Tape
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.tracks.attention import Attention
from explorer.stage.tracks.data import Data

T = 10
RNG = np.random.default_rng(0)


def numbers(*, every: bool = True, D: int = 2, T: int = T) -> Excerpt:
    return synthetic.excerpt("rnn", T=T, H=3, D=D, loss_at="every" if every else "last")


def symbols(classes_: int = 4, *, every: bool = True) -> Excerpt:
    n = T if every else 1
    scores = RNG.normal(size=(n, classes_)).astype(np.float32)
    said = RNG.integers(0, classes_, (n, 1)).astype(np.float32)
    read = RNG.integers(0, classes_, (T, 1)).astype(np.float32)
    return dataclasses.replace(
        numbers(), inputs=read, symbols=classes_, outputs=scores, targets=said, loss_kind="cross_entropy",
        readout="every" if every else "attention",
    )  # fmt: skip


def binary() -> Excerpt:
    e = numbers()
    return dataclasses.replace(e, targets=(e.targets > 0.5).astype(np.float32), loss_kind="binary_cross_entropy")


def both_ways(e: Excerpt) -> Excerpt:
    back = dataclasses.replace(e.of(), name="l0_reverse", reverse=True)
    return dataclasses.replace(e, layers={**e.layers, "l0_reverse": back})


KINDS = {
    "every step": numbers(),
    "once": numbers(every=False),
    "one feature": numbers(D=1),
    "many features": numbers(D=9),
    "symbols": symbols(),
    "symbols once": symbols(every=False),
    "binary": binary(),
    "both ways": both_ways(numbers()),
    "shorter": dataclasses.replace(numbers(every=False), length=6),
    "shorter, every step": dataclasses.replace(numbers(), length=6),
    "no answer": dataclasses.replace(numbers(), outputs=np.zeros((0, 0)), targets=np.zeros((0, 0))),
    "one step": numbers(T=1),
}


def painted(track: Data | Attention, e: Excerpt, now: Now, width: int, height: int) -> QImage:
    view = TimeView(e.steps, 1, e.steps, e.steps * width)
    track.prepare(view, height)
    image = QImage(view.width, height, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    track.paint(painter, QPoint(0, 0), QRect(0, 0, view.width, height), now)
    track.paint_over(painter, QPoint(0, 0), now)
    painter.end()
    return image


def at(e: Excerpt, text: str) -> Now:
    tape = Tape(e.steps)
    return Now.at(tape, tape.position(tape.parse(text)))


def said(track: Data | Attention, t: int, y: int, now: Now) -> tuple[str, ...]:
    found = track.hover(20 * t - 10, y, now)
    assert found is not None
    return (*found.values, found.note)


def with_attention(e: Excerpt, weights: np.ndarray | None = None) -> Excerpt:
    if weights is None:
        weights = np.where(np.arange(e.steps) < e.length, np.exp(np.sin(np.arange(e.steps))), 0.0)
        weights /= weights.sum()
    return dataclasses.replace(e, arrays={**e.arrays, "attention": weights}, readout="attention")

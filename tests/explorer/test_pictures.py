"""The important pictures of the window, as somebody has looked at and liked them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from likeness import LEVELS, SHARE, assert_looks_like, difference, pixels
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine import presets
from engine.operations_of_cell import Way, operations
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, ReadoutSpec
from engine.within import Granularity, Within
from explorer.app import Explorer
from explorer.document import opening
from explorer.document.opening import Opening
from explorer.document.state import State, View
from explorer.settings import Settings
from explorer.theme.tokens import ThemeName
from explorer.widgets.rest import come_to_rest

STACK = "stack"
WAYS: tuple[Way, ...] = ("forward", "backward")
PICTURES: tuple[tuple[str, str, ThemeName, tuple[int, int]], ...] = (
    ("vanilla-rnn-forgets", "forward:T/2", "dark", (1280, 800)),
    ("vanilla-rnn-forgets", "backward:T/2", "dark", (1280, 800)),
    ("vanilla-rnn-forgets", "backward:T/2", "light", (1280, 800)),
    ("cell-state-carousel", "backward:T/2", "dark", (1600, 1000)),
    ("one-gate", "forward:T/2", "light", (1280, 800)),
    ("number-overflows", "backward:1", "dark", (1280, 800)),
    ("number-overflows", "clip", "light", (1280, 800)),
    (STACK, "backward:12", "dark", (1600, 1000)),
    (STACK, "backward:12", "light", (900, 700)),
)
"""None of a chaotic or a trained network: there another processor's last bit changes every number."""


@pytest.fixture
def explorer_settings(request: pytest.FixtureRequest) -> Settings:
    return Settings(theme=request.param)


@pytest.mark.parametrize(
    ("explorer_settings", "slug", "at", "theme", "size"),
    [(theme, slug, at, theme, size) for slug, at, theme, size in PICTURES],
    indirect=["explorer_settings"],
    ids=[f"{slug} {at} {theme}" for slug, at, theme, _ in PICTURES],
)
def test_the_window_looks_as_it_did(
    qtbot: QtBot, explorer: Explorer, slug: str, at: str, theme: ThemeName, size: tuple[int, int]
) -> None:
    explorer.window.resize(*size)
    found = _stack() if slug == STACK else opening.of_preset(presets.load(slug))
    explorer.show(found.at(at))
    qtbot.waitUntil(lambda: explorer.controller.settled and explorer.desk.settled, timeout=60_000)
    explorer.window.stage.set_prompt("")
    # What no two runs share: how long the trace took, and the last digits of its error.
    excerpt = explorer.controller.excerpt
    assert excerpt is not None
    explorer.window.status.set_excerpt(dataclasses.replace(excerpt, seconds=0.0))
    explorer.window.status.seconds.set_text("", tip="")
    explorer.window.status.set_audit(None)
    come_to_rest()
    assert_looks_like(explorer.window.grab().toImage(), f"{slug}-{at.replace(':', '-').replace('/', '-')}-{theme}")


def _stack(steps: int = 30) -> Opening:
    """Two bidirectional layers, read by attention; lengths differ."""
    layers = tuple(LayerSpec(cell="lstm", hidden_size=size, bidirectional=True) for size in (8, 6))
    experiment = Experiment(
        model=ModelSpec(layers=layers, readout=ReadoutSpec(at="attention")),
        task=AddingTask(steps=steps, batch_size=8, shortest=steps * 3 // 5),
        device="cpu",
    )
    norms = "norms?of=l0.grads.h,l0_reverse.grads.h,l1.grads.h,l1_reverse.grads.h"
    tracks = ("network", "data", "attention", "l1_reverse.grads.c", norms, "routes")
    return Opening(State(tracks=tracks, experiment=experiment), View(), title="stack")


def test_a_difference_that_can_be_seen_is_found() -> None:
    image = QImage(200, 100, QImage.Format.Format_RGB32)
    image.fill(QColor("white"))
    before = pixels(image)
    painter = QPainter(image)
    painter.fillRect(20, 20, 30, 4, QColor("black"))  # as large as a word
    painter.end()
    apart = difference(pixels(image), before)
    assert np.mean(apart > LEVELS) > SHARE
    assert (apart[20:24, 20:50] == 255).all()
    assert not apart[:20].any()


@pytest.mark.parametrize("explorer_settings", ["dark"], indirect=True)
@pytest.mark.parametrize(("granularity", "steps"), [("step", 30), ("layer", 6), ("gate", 5)])
def test_there_and_back_again_is_exactly_the_same_picture(
    qtbot: QtBot, explorer: Explorer, granularity: Granularity, steps: int
) -> None:
    """Eight tracks of two bidirectional layers: each step repaints only what changes, and every picture on the way back
    is the very one of the way there, and that of a stage painted from nothing."""
    explorer.window.resize(1500, 1300)
    found = _stack(steps)
    more = ("l0.values.f", "l0_reverse.grads.h", "losses")
    tracks = (*found.state.tracks[:5], *more)
    assert len(tracks) == 8
    explorer.show(dataclasses.replace(found, state=dataclasses.replace(found.state, tracks=tracks)))
    qtbot.waitUntil(lambda: explorer.controller.settled and explorer.desk.settled, timeout=60_000)
    document, stage = explorer.document, explorer.window.stage
    document.look(granularity=granularity)
    explorer.controller.go_to_start()
    pictures: dict[tuple[int, Within | None], bytes] = {}

    def here() -> tuple[int, Within | None]:
        return document.view.position, document.view.within

    def seen() -> bytes:
        """The stage as partial repaints have left it on the screen."""
        QApplication.processEvents()
        window = explorer.window
        image = window.screen().grabWindow(window.winId()).toImage()
        left = stage.mapTo(window, QPoint())
        return pixels(image.copy(QRect(left, stage.size()))).tobytes()

    def anew() -> bytes:
        seen()
        stage.canvas.viewport().update()
        return seen()

    wrong: list[object] = []
    pictures[here()] = seen()
    while document.view.position < len(document.tape) - 1:
        explorer.controller.step(1, granularity)
        pictures[here()] = seen()
        if len(pictures) % 16 == 0 and anew() != pictures[here()]:
            wrong.append(("partly painted", *here()))
    inside = sum(len(operations("lstm", way)) for way in WAYS)  # of the upper layer's cell
    assert len(pictures) == steps * {"step": 2, "layer": 4, "gate": inside + 2}[granularity] + 3
    assert len(set(pictures.values())) > steps
    first = next(iter(pictures))
    while here() != first:
        explorer.controller.step(-1, granularity)
        if seen() != pictures[here()]:
            wrong.append(("on the way back", *here()))
    assert wrong == []

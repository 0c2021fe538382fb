"""A scale that fits its numbers no more says so, and a click fits it; by itself no scale ever changes."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from explorer.stage.stage import Stage
from explorer.theme import current as theming

T = 10
LEFT, PLAIN = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def stage(qtbot: QtBot) -> Stage:
    """A cell state within ±0.5, at the end of its tape."""
    theming.apply("dark")
    stage = Stage()
    qtbot.addWidget(stage)
    stage.resize(900, 640)
    stage.set_tracks(("values.c", "grads.h"))
    stage.set_excerpt(times(0.5))
    stage.set_position(3 * T)
    stage.show()
    QApplication.processEvents()
    return stage


def times(size: float):  # type: ignore[no-untyped-def]
    """A cell state whose sizes are from nearly 0 to `size`, evenly."""
    values = np.linspace(-size, size, T * 4, dtype=np.float32).reshape(T, 4)
    return synthetic.replaced(synthetic.excerpt("lstm", T=T, H=4), {"values.c": values})


def on_scale(stage: Stage, key: str) -> QPoint:
    slot = next(one for one in stage.canvas.slots if one.track.key == key)
    return stage.canvas.scale_box(stage.canvas.place(slot)).center()


def high(stage: Stage, key: str = "values.c") -> float:
    scale = stage.track(key)._scale  # type: ignore[union-attr]
    return float(scale.high)


def test_what_goes_beyond_the_scale_leaves_it_as_it_is_until_somebody_clicks_on_it(qtbot: QtBot, stage: Stage) -> None:
    before = high(stage)
    at = on_scale(stage, "values.c")
    assert stage.canvas.misfit_at(at) is None
    QTest.mouseClick(stage.canvas.viewport(), LEFT, PLAIN, at)
    assert high(stage) == before, "a scale that fits is no button"
    stage.set_excerpt(times(4 * before))  # three quarters are beyond it
    assert high(stage) == before, "behind nobody's back"
    now = stage.canvas.now
    assert now is not None
    said = stage.track("values.c").hover_scale(now)  # type: ignore[union-attr]
    assert "A click fits the scale to what is shown." in said.values  # type: ignore[union-attr]
    assert stage.canvas.misfit_at(at) is not None
    QTest.mouseClick(stage.canvas.viewport(), LEFT, PLAIN, at)
    assert high(stage) >= 4 * before
    assert stage.canvas.misfit_at(at) is None


@pytest.mark.parametrize(("times_high", "offered"), [(1.0, False), (1.2, False), (1.5, True)])
def test_a_few_numbers_beyond_the_scale_are_no_misfit(stage: Stage, times_high: float, offered: bool) -> None:
    """Of numbers spread evenly to s times the end of the scale 1 − 1/s are beyond it: 0, 17 % and 33 %."""
    stage.set_excerpt(times(times_high * high(stage)))
    assert (stage.canvas.misfit_at(on_scale(stage, "values.c")) is not None) is offered


def test_it_is_said_in_the_picture_beside_the_scale(stage: Stage) -> None:
    fits = stage.grab().toImage()
    accent = theming.current().accent

    def in_accent(image) -> int:  # type: ignore[no-untyped-def]
        slot = next(one for one in stage.canvas.slots if one.track.key == "values.c")
        box = stage.canvas.scale_box(stage.canvas.place(slot))
        corner = stage.canvas.viewport().mapTo(stage, box.topLeft())
        colours = [
            image.pixelColor(x, y).name()
            for x in range(corner.x() + 20, corner.x() + box.width() - 2)
            for y in range(corner.y(), corner.y() + box.height())
        ]
        return colours.count(accent)

    assert in_accent(fits) == 0
    stage.set_excerpt(times(4 * high(stage)))
    QApplication.processEvents()
    assert in_accent(stage.grab().toImage()) > 5


def test_the_scale_of_gradients_is_there_to_show_what_lies_beyond_it(stage: Stage) -> None:
    e = times(0.5)
    stage.set_excerpt(synthetic.replaced(e, {"grads.h": np.full((T, 4), 1e9, np.float32)}))
    assert stage.canvas.misfit_at(on_scale(stage, "grads.h")) is None

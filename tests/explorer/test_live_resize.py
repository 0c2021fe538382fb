"""While the window is being resized its parts are shown from its last picture; when it rests, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from likeness import pixels
from PySide6.QtCore import QPoint, QRect
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec
from explorer import resizing
from explorer.app import Explorer
from explorer.document.opening import Opening
from explorer.document.state import State, View
from explorer.resizing import LiveResize, pieces
from explorer.widgets.rest import come_to_rest

TRACKS = ("network", "values.f", "grads.h", "norms")


@pytest.fixture
def shown(qtbot: QtBot, explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> Explorer:
    # However slow the machine is: what comes close behind is told by these tests, not by the clock.
    monkeypatch.setattr(resizing, "_CLOSE", 1e6)
    monkeypatch.setattr(resizing, "_LONGEST", 1e6)
    explorer.window.live._rest.setInterval(30_000)
    experiment = Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="lstm", hidden_size=4),)), task=AddingTask(steps=12, batch_size=1)
    )
    explorer.window.resize(1400, 900)
    explorer.window.show()
    explorer.show(Opening(State(tracks=TRACKS, experiment=experiment), View(position=15), title="resized"))
    qtbot.waitUntil(lambda: explorer.controller.settled and explorer.desk.settled, timeout=60_000)
    come_to_rest()
    return explorer


def _on_screen(explorer: Explorer, part: QWidget | None = None) -> np.ndarray:
    """What the backing store holds, as somebody would see it; of a part of the window alone."""
    window = explorer.window
    image = window.screen().grabWindow(window.winId()).toImage()
    if part is not None:
        image = image.copy(QRect(part.mapTo(window, QPoint()), part.size()))
    return pixels(image)


def _dragged(explorer: Explorer, *sizes: tuple[int, int]) -> LiveResize:
    """As a hand does it: one size close behind the other, each of them painted."""
    live = explorer.window.live
    live.end()
    live._last = -1e9
    assert live.rested()
    for size in sizes:
        explorer.window.resize(*size)
        for _ in range(3):
            QApplication.processEvents()
    return live


def test_one_change_of_size_is_painted_exactly_at_once(shown: Explorer) -> None:
    live = _dragged(shown, (1380, 890))
    assert live.still.isHidden()
    seen = _on_screen(shown)
    assert seen.shape[:2] == (890, 1380)
    shown.window.grab()
    assert (seen == pixels(shown.window.grab().toImage())).all()


def test_the_second_of_two_close_to_each_other_shows_the_picture_of_the_first(shown: Explorer) -> None:
    live = _dragged(shown, (1400, 900))
    cell = _on_screen(shown, shown.window.dock_area)
    painted = shown.window.stage.canvas.slots
    _dragged(shown, (1400, 899), (1410, 870))
    assert not live.still.isHidden()
    assert live.still.geometry() == shown.window.workbench.rect()
    # What has only become lower keeps its pixels from above, and every track has its new place already.
    now = _on_screen(shown, shown.window.dock_area)
    assert now.shape[0] < cell.shape[0]
    wide = shown.window.dock.width()
    assert (now[:, :wide] == cell[: len(now), :wide]).all()
    assert [slot.height for slot in shown.window.stage.canvas.slots] != [slot.height for slot in painted]


def test_at_rest_the_picture_is_that_of_a_window_that_was_never_resized(qtbot: QtBot, shown: Explorer) -> None:
    come_to_rest()
    fresh = _on_screen(shown)
    live = _dragged(shown, (1290, 830), (1310, 850), (1370, 890), (1400, 900))
    assert not live.still.isHidden()
    assert (_on_screen(shown) != fresh).any()
    live._rest.start(1)
    qtbot.waitUntil(live.still.isHidden, timeout=5000)
    come_to_rest()
    assert (_on_screen(shown) == fresh).all()


def test_panels_that_come_and_go_are_painted_exactly(shown: Explorer) -> None:
    live = _dragged(shown, (910, 700), (880, 700))  # the cell panel gives way
    assert not shown.window.side.isVisible()
    assert live.still.isHidden()


def test_an_exact_picture_comes_every_so_often_while_the_hand_still_moves(shown: Explorer) -> None:
    live = _dragged(shown, (1380, 890), (1390, 890))
    assert not live.still.isHidden()
    live._exact = -1e9
    shown.window.resize(1395, 895)
    assert live.still.isHidden()


def test_a_picture_that_is_taken_meanwhile_is_the_exact_one(shown: Explorer) -> None:
    live = _dragged(shown, (1300, 890), (1390, 880))
    assert not live.still.isHidden()
    come_to_rest()
    assert live.still.isHidden()


def test_every_piece_has_a_name_of_its_own(shown: Explorer) -> None:
    for tab in ("training", "evaluation"):
        shown.window.drawer.show_tab(tab)
        come_to_rest()
        names = [piece.name for piece in pieces(shown.window)]
        assert len(set(names)) == len(names)
        assert {"dock", "cell", "analysis", "norms data"} <= set(names)

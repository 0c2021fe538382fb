"""The unrolled network in the window, with the real engine: cells are chosen, and the tape plays over whole stacks."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.spec import AddingTask, EmbeddingSpec, Experiment, LayerSpec, ModelSpec
from engine.tape import Phase
from explorer.app import Explorer
from explorer.document.state import State, View
from explorer.stage.tracks.network import Unrolled

T = 12
STACK = ModelSpec(
    layers=(LayerSpec(cell="gru", hidden_size=4, bidirectional=True), LayerSpec(cell="lstm", hidden_size=3))
)


@pytest.fixture
def explorer(explorer: Explorer, qtbot: QtBot) -> Explorer:
    experiment = Experiment(model=STACK, task=AddingTask(steps=T, batch_size=2), device="cpu")
    explorer.document.open(State(tracks=("network",), experiment=experiment), View(position=T + 1), title="stack")
    explorer.window.show_workbench()
    explorer.window.show()
    settle(qtbot, explorer)
    return explorer


def settle(qtbot: QtBot, explorer: Explorer) -> None:
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    QApplication.processEvents()


def chosen(explorer: Explorer) -> str:
    assert explorer.controller.excerpt is not None
    return explorer.controller.excerpt.layer


def test_up_and_down_choose_the_layer_of_the_cell_panel(qtbot: QtBot, explorer: Explorer) -> None:
    stage = explorer.window.stage
    explorer.window.activateWindow()
    stage.setFocus()
    qtbot.waitUntil(stage.hasFocus)
    seen = [chosen(explorer)]
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Up):
        qtbot.keyClick(stage, key, Qt.KeyboardModifier.ControlModifier)
        settle(qtbot, explorer)
        seen.append(chosen(explorer))
    assert seen == ["l1", "l0_reverse", "l0", "l0", "l0_reverse"]


@pytest.mark.parametrize(("place", "name"), [(0, "l0"), (1, "l0_reverse"), (2, "l1")])
def test_a_click_on_a_cell_brings_it_to_the_cell_panel(qtbot: QtBot, explorer: Explorer, place: int, name: str) -> None:
    """And the tape to where its layer is there: a reverse one is at t when the tape is at T + 1 − t."""
    stage, document, t = explorer.window.stage, explorer.document, 4
    track = stage.canvas.tracks[0]
    assert isinstance(track, Unrolled)
    a = track._anatomy
    x = stage.canvas.columns.header + (a.left(t) + a.right(t)) // 2
    row = a.rows[place]
    y = stage.canvas.slots[0].top + (row.strip_top + row.strip_bottom) // 2
    QTest.mouseClick(stage.canvas.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(x, y))
    settle(qtbot, explorer)
    assert chosen(explorer) == name
    moment = document.tape.moment(document.view.position)
    assert (moment.phase, moment.step) == (Phase.BACKWARD, T + 1 - t if name == "l0_reverse" else t)
    assert explorer.window.cell.heading.endswith(f"AT t = {t}")


def test_motion_follows_the_player_and_is_off_where_it_is_not_wanted(
    qtbot: QtBot, explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulse = explorer.window.stage.canvas.pulse
    assert not pulse.wanted
    explorer.player.set_speed(4.0)
    explorer.player.play()
    assert pulse.wanted
    explorer.player.pause()
    assert not pulse.wanted
    assert not pulse.running
    monkeypatch.setenv("GRADFLOW_REDUCED_MOTION", "1")
    explorer.player.play()
    assert not pulse.wanted
    explorer.player.pause()


def test_symbols_of_an_embedding_are_the_inputs_that_are_shown(qtbot: QtBot, explorer: Explorer) -> None:
    from engine.spec import CopyTask, ReadoutSpec

    model = ModelSpec(
        layers=(LayerSpec(cell="gru", hidden_size=4),),
        embedding=EmbeddingSpec(symbols=10, size=3),
        readout=ReadoutSpec(at="every"),
        loss="cross_entropy",
    )
    experiment = Experiment(model=model, task=CopyTask(delay=1, batch_size=2), device="cpu")
    explorer.document.open(State(tracks=("network",), experiment=experiment), View(position=30), title="copy")
    settle(qtbot, explorer)
    excerpt = explorer.controller.excerpt
    assert excerpt is not None
    stage = explorer.window.stage
    track, view = stage.canvas.tracks[0], stage.canvas.view
    assert isinstance(track, Unrolled)
    assert view is not None
    for t in (1, 5, 20):
        y = stage.canvas.slots[0].top + round(track._anatomy.inputs_centre)
        said = stage.canvas.hover_at(QPoint(stage.canvas.columns.header + int(view.centre(t)), y))
        assert said is not None
        number = int(excerpt.inputs[t - 1, 0])
        named = {0: "‘blank’, ", 9: "‘marker’, "}.get(number, "")  # the others are called as they are numbered
        assert said.values == (f"{named}symbol {number}",)

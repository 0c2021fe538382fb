"""Tracks in the whole window, with the real engine: added, moved, collapsed, undone, saved; with keys alone as well."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from engine import presets, session
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec
from explorer.app import Explorer
from explorer.document import opening
from explorer.document.opening import Opening
from explorer.document.saving import session_of
from explorer.document.state import State, View
from explorer.document.tracks import offers
from explorer.widgets.picker import Picker

TRACKS = ("network", "values.f", "grads.c", "norms")


@pytest.fixture
def explorer(explorer: Explorer, qtbot: QtBot) -> Explorer:
    explorer.window.resize(1300, 850)
    layers = tuple(LayerSpec(cell="lstm", hidden_size=3, bidirectional=True) for _ in range(2))
    experiment = Experiment(model=ModelSpec(layers=layers), task=AddingTask(steps=12, batch_size=2))
    explorer.show(Opening(State(tracks=TRACKS, experiment=experiment), View(position=12), title="stack"))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    explorer.window.activateWindow()
    explorer.window.stage.setFocus()
    qtbot.waitUntil(explorer.window.stage.hasFocus)
    return explorer


def press(explorer: Explorer, *keys: Qt.Key | tuple[Qt.Key, Qt.KeyboardModifier]) -> None:
    for key in keys:
        code, modifiers = key if isinstance(key, tuple) else (key, Qt.KeyboardModifier.NoModifier)
        QTest.keyClick(explorer.window.stage, code, modifiers)


def picker() -> Picker:
    found = QApplication.activePopupWidget()
    assert isinstance(found, Picker)
    return found


def tracks(explorer: Explorer) -> tuple[str, ...]:
    assert explorer.window.stage.tracks() == explorer.document.state.tracks
    return explorer.document.state.tracks


def test_a_track_is_added_moved_collapsed_and_removed_with_keys_alone(qtbot: QtBot, explorer: Explorer) -> None:
    k, alt = Qt.Key, Qt.KeyboardModifier.AltModifier
    press(explorer, k.Key_Down, k.Key_Down)  # values.f
    press(explorer, k.Key_A)
    QTest.keyClicks(picker().field, "grad c 1 reverse")
    QTest.keyClick(picker().field, k.Key_Return)
    assert QApplication.activePopupWidget() is None
    assert tracks(explorer) == ("network", "values.f", "l0_reverse.grads.c", "grads.c", "norms")
    assert explorer.window.stage.handling.selected == "l0_reverse.grads.c"
    press(explorer, (k.Key_Up, alt), (k.Key_Up, alt), (k.Key_Up, alt))
    assert tracks(explorer)[0] == "l0_reverse.grads.c"
    press(explorer, (k.Key_Down, alt))
    assert tracks(explorer)[1] == "l0_reverse.grads.c"
    press(explorer, k.Key_C)
    assert explorer.document.view.collapsed == ("l0_reverse.grads.c",)
    press(explorer, k.Key_C)
    assert explorer.document.view.collapsed == ()
    press(explorer, (k.Key_Down, Qt.KeyboardModifier.ShiftModifier))
    assert set(explorer.document.view.heights) == {"l0_reverse.grads.c"}
    press(explorer, k.Key_Delete)
    assert tracks(explorer) == TRACKS
    assert explorer.window.stage.handling.selected == "values.f"


def test_every_edit_of_tracks_is_one_step_of_undo(explorer: Explorer) -> None:
    stage, document = explorer.window.stage, explorer.document
    explorer.bindings.tracks.add_track("values.o")
    stage.moveTrackRequested.emit("values.o", 0)
    stage.duplicateRequested.emit("values.f", "l0.values.f")
    stage.removeTrackRequested.emit("norms")
    after = tracks(explorer)
    assert after == ("values.o", "network", "values.f", "l0.values.f", "grads.c")
    assert document.undo_stack.count() == 4
    for _ in range(4):
        explorer.commands.actions["undo"].trigger()
    assert tracks(explorer) == TRACKS
    for _ in range(4):
        explorer.commands.actions["redo"].trigger()
    assert tracks(explorer) == after


def test_collapsing_and_heights_are_neither_undone_nor_dirty(explorer: Explorer) -> None:
    stage = explorer.window.stage
    stage.handling.select("values.f")
    stage.handling.grow(2)
    stage.toggle_collapsed("grads.c")
    assert not explorer.document.dirty
    assert not explorer.document.undo_stack.canUndo()


def test_the_list_ticks_what_is_shown_and_takes_it_away(qtbot: QtBot, explorer: Explorer) -> None:
    press(explorer, Qt.Key.Key_A)
    found = picker()
    QTest.keyClicks(found.field, "grad c 2")
    assert found.current == "l1.grads.c"  # shown as grads.c
    assert found.list.currentIndex().data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked
    QTest.keyClick(found.field, Qt.Key.Key_Delete)
    assert tracks(explorer) == ("network", "values.f", "norms")
    assert found.list.currentIndex().data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Unchecked
    QTest.mouseClick(
        found.list.viewport(), Qt.MouseButton.LeftButton, pos=found.list.visualRect(found.list.currentIndex()).center()
    )
    assert "l1.grads.c" in tracks(explorer)
    assert not found.isVisible()


def test_enter_on_a_track_that_is_shown_goes_there_and_removes_nothing(qtbot: QtBot, explorer: Explorer) -> None:
    before = tracks(explorer)
    stage = explorer.window.stage
    for modifiers in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier):
        stage.handling.select("network")
        press(explorer, Qt.Key.Key_A)
        found = picker()
        QTest.keyClicks(found.field, "grad c 2")
        QTest.keyClick(found.field, Qt.Key.Key_Return, modifiers)
        assert tracks(explorer) == before
        assert stage.handling.selected == "grads.c", "as it is shown"
        found.close()


def test_a_new_track_gets_its_numbers(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.bindings.tracks.add_track("l0_reverse.values.i")
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    table = explorer.window.stage.table("l0_reverse.values.i")
    assert table is not None
    assert table.title == "Input gate i · layer 1 · LSTM ←"
    assert table.blocks[0].values.shape == (12, 3)


def test_a_session_brings_tracks_heights_and_strips_back(qtbot: QtBot, explorer: Explorer, tmp_path: Path) -> None:
    stage = explorer.window.stage
    explorer.bindings.tracks.add_track("l0.values.o")
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    stage.handling.select("values.f")
    stage.handling.grow(1)
    stage.toggle_collapsed("norms")
    stage.toggle_collapsed("grads.c")
    stage.removeTrackRequested.emit("grads.c")  # what is gone is not saved as a strip
    session.save(session_of(explorer.document, explorer.controller.excerpt), tmp_path / "s.gflow")
    heights = dict(explorer.document.view.heights)
    explorer.show(opening.of_preset(presets.load("vanilla-rnn-forgets")))
    assert not stage.canvas.collapsed
    explorer.show(opening.of_path(tmp_path / "s.gflow"))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    assert tracks(explorer) == ("network", "values.f", "norms", "l0.values.o")
    assert explorer.document.view.collapsed == ("norms",)
    assert stage.canvas.collapsed == {"norms"}
    assert dict(explorer.document.view.heights) == heights
    assert stage.canvas.heights == heights


def test_a_session_from_before_strips_still_opens() -> None:
    golden = Path(__file__).parent.parent / "golden" / "session-1.0.gflow"
    assert session.load(golden).view.collapsed == ()
    assert "collapsed" in msgspec.structs.asdict(session.SessionView())


def test_the_menu_and_the_duplicates_open_by_key(qtbot: QtBot, explorer: Explorer) -> None:
    press(explorer, Qt.Key.Key_Down, Qt.Key.Key_Down)
    for key, entry in (
        (Qt.Key.Key_M, "Show as a &table"),
        (Qt.Key.Key_Return, "&Remove"),
        (Qt.Key.Key_D, "Layer 1 · LSTM"),
    ):
        press(explorer, key)
        menu = QApplication.activePopupWidget()
        assert isinstance(menu, QMenu)
        assert entry in [action.text() for action in menu.actions()]
        menu.close()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def test_a_table_opens_by_key_and_follows(qtbot: QtBot, explorer: Explorer) -> None:
    press(explorer, Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_T)
    window = explorer.bindings.tracks.tables.open("values.f")
    assert window is not None
    assert window.isVisible()
    assert window.windowTitle() == "Forget gate f · layer 2 · LSTM"
    explorer.bindings.tape.to_start()
    assert "t = 2…12 not reached yet" in window.said.text()
    explorer.show(opening.of_preset(presets.load("vanilla-rnn-forgets")))
    assert not window.isVisible()
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)


def test_no_more_tracks_than_a_session_holds(explorer: Explorer) -> None:
    many = [f"{q}?unit={u}" for q in ("values.f", "values.i", "values.c", "grads.c", "grads.h") for u in range(3)]
    many += [offer.key for offer in offers(explorer.document.state.layers) if offer.key.startswith(("l0", "l1_"))]
    explorer.document.edit_tracks((*TRACKS, *many)[: session.MAX_TRACKS], "many")
    explorer.bindings.tracks.add_track("values.o")
    assert len(explorer.document.state.tracks) == session.MAX_TRACKS
    assert "64 tracks" in explorer.window.statusBar().currentMessage()


def test_time_is_zoomed_moved_and_fitted_by_key(explorer: Explorer) -> None:
    stage = explorer.window.stage
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    press(explorer, Qt.Key.Key_Plus)
    first, last = stage.time_range.shown
    assert last - first + 1 == 6
    press(explorer, (Qt.Key.Key_Left, both))
    assert stage.time_range.shown == (first - 2, last - 2)
    press(explorer, (Qt.Key.Key_Right, both))
    assert stage.time_range.shown == (first, last)
    press(explorer, Qt.Key.Key_F)
    assert stage.time_range.shown == (1, 12)


# -- events -----------------------------------------------------------------------------------------------------------


def overflowing(qtbot: QtBot, explorer: Explorer) -> tuple[int, ...]:
    explorer.show(opening.of_preset(presets.load("number-overflows")))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    excerpt = explorer.controller.excerpt
    assert excerpt is not None
    return tuple(event.position(excerpt.steps) for event in excerpt.events)


def test_the_line_says_what_happens_at_the_playhead(qtbot: QtBot, explorer: Explorer) -> None:
    places = overflowing(qtbot, explorer)
    line, excerpt = explorer.window.stage.events, explorer.controller.excerpt
    assert excerpt is not None
    explorer.bindings.tape.to_start()
    assert line.isVisible()
    assert line.sentence.text() == "No event at this moment."
    assert line.count.text() == f"0 of {len(places)} events"
    height = line.height()
    press(explorer, Qt.Key.Key_N)
    assert explorer.document.view.position == places[0]
    assert line.sentence.text() == excerpt.events[0].sentence
    QTest.mouseClick(line.on, Qt.MouseButton.LeftButton)
    assert explorer.document.view.position == places[1]
    QTest.mouseClick(line.back, Qt.MouseButton.LeftButton)
    assert line.sentence.text() == excerpt.events[0].sentence
    press(explorer, (Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier))
    assert explorer.document.view.position == places[0]  # there is none before
    for place in places:
        explorer.bindings.tape.scrub(place)
        assert line.sentence.is_whole()
    assert line.height() == height
    assert all(button.accessibleName() for button in (line.back, line.on, line.all))


@pytest.mark.parametrize("way", ["next event", "step", "phase", "scrub", "play"])
def test_the_prompt_goes_with_the_first_move_and_moves_no_track(qtbot: QtBot, explorer: Explorer, way: str) -> None:
    overflowing(qtbot, explorer)
    stage, bindings = explorer.window.stage, explorer.bindings
    assert stage.events.prompt == presets.load("number-overflows").prompt
    place = stage.canvas.y()
    if way == "next event":
        press(explorer, Qt.Key.Key_N)
    elif way == "step":
        press(explorer, Qt.Key.Key_Right)
    elif way == "phase":
        explorer.commands.actions["next_phase"].trigger()
    elif way == "scrub":
        bindings.tape.scrub(60)
    else:
        bindings.tape.toggle_play()
        qtbot.waitUntil(lambda: explorer.document.view.position in range(1, 50))
        bindings.tape.toggle_play()
    assert stage.events.prompt == ""
    QApplication.processEvents()
    assert stage.canvas.y() == place


def test_the_list_of_events_goes_there_and_gives_nothing_away(qtbot: QtBot, explorer: Explorer) -> None:
    places = overflowing(qtbot, explorer)
    explorer.bindings.tape.scrub(places[0])
    explorer.window.stage.setFocus()
    press(explorer, Qt.Key.Key_E)
    found = picker()
    said = [found.model.index(n).data() for n in range(found.model.rowCount())]
    excerpt = explorer.controller.excerpt
    assert excerpt is not None
    assert said[0] == excerpt.events[0].sentence
    assert said[1:] == ["An event, not reached yet"] * (len(places) - 1)
    QTest.keyClick(found.field, Qt.Key.Key_Down)
    QTest.keyClick(found.field, Qt.Key.Key_Return)
    assert explorer.document.view.position == places[1]
    assert not found.isVisible()


def test_a_trace_without_events_says_so_and_has_no_list(explorer: Explorer) -> None:
    """The line keeps its room: a slider may bring an event, and the tracks stay where they are."""
    line = explorer.window.stage.events
    assert line.isVisible()
    assert line.sentence.text() == "This trace has no events."
    assert not line.all.isVisible()
    press(explorer, Qt.Key.Key_E)
    assert QApplication.activePopupWidget() is None
    assert "no events" in explorer.window.statusBar().currentMessage()


def test_a_track_is_dragged_in_the_window(explorer: Explorer) -> None:
    stage = explorer.window.stage
    view = stage.canvas.viewport()
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(70, 40))
    QTest.mouseMove(view, QPoint(70, 90))
    target = stage.canvas.slots[2].bottom - stage.canvas.offset - 20
    QTest.mouseMove(view, QPoint(70, target))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(70, target))
    assert tracks(explorer) == ("values.f", "grads.c", "network", "norms")
    explorer.commands.actions["undo"].trigger()
    assert tracks(explorer) == TRACKS


# -- another length of the sequence -----------------------------------------------------------------------------------


@pytest.mark.parametrize("position", [11, 14, 26], ids=["end of the forward pass", "backward", "update"])
@pytest.mark.parametrize("steps", [5, 30])
def test_a_sequence_of_another_length_is_shown_whole(
    qtbot: QtBot, explorer: Explorer, position: int, steps: int
) -> None:
    explorer.document.look(position=position)
    before = explorer.document.experiment
    explorer.document.edit_experiment(
        msgspec.structs.replace(before, task=AddingTask(steps=steps, batch_size=2)), "steps"
    )
    for wanted in (steps, 12):
        qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
        QApplication.processEvents()
        stage, moment = explorer.window.stage, explorer.document.tape.moment(explorer.document.view.position)
        assert explorer.controller.excerpt is not None
        assert explorer.controller.excerpt.steps == wanted
        assert stage.canvas.now is not None
        assert (explorer.document.tape.steps, stage.canvas.now.position) == (wanted, explorer.document.view.position)
        assert explorer.window.cell.moment == moment
        stage.grab()
        explorer.document.undo_stack.undo()


# -- a double click ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("track", ["values.f", "network"])
@pytest.mark.parametrize("position", [3, 12, 17, 25], ids=["forward", "loss", "backward", "clip"])
def test_a_double_click_fits_and_moves_no_playhead(explorer: Explorer, track: str, position: int) -> None:
    stage = explorer.window.stage
    explorer.document.look(position=position, time_range=(3, 9))
    stage.time_range.set(3, 9)
    QApplication.processEvents()
    place = stage.canvas.place(next(slot for slot in stage.canvas.slots if slot.track.key == track))
    at = QPoint(place.center().x(), place.center().y())  # step 6
    QTest.mouseClick(stage.canvas.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert explorer.document.view.position != position, "the first click moves it"
    QTest.mouseDClick(stage.canvas.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert stage.time_range.shown == (1, 12)
    assert explorer.document.view.position == position

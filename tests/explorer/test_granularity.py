"""A step of the tape is a time step, a layer, or one operation inside the cell: in the window, by keys, playing."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine import presets
from engine.operations_of_cell import operations
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, ReadoutSpec
from engine.tape import Phase, Tape
from engine.within import Within
from explorer.app import Explorer
from explorer.document import opening
from explorer.document.opening import Opening
from explorer.document.state import State, View
from explorer.evaluation import first
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.tracks.anatomy import RowKind
from explorer.stage.tracks.make import make
from explorer.stage.tracks.network import Unrolled

T = 6
FORWARD, BACKWARD = len(operations("lstm", "forward")), len(operations("lstm", "backward"))


@pytest.fixture
def explorer(explorer: Explorer, qtbot: QtBot) -> Explorer:
    layers = (
        LayerSpec(cell="gru", hidden_size=4),
        LayerSpec(cell="lstm", hidden_size=4, bidirectional=True),
    )
    model = ModelSpec(layers=layers, readout=ReadoutSpec(at="every"))
    experiment = Experiment(model=model, task=AddingTask(steps=T, batch_size=2), device="cpu")
    explorer.show(
        Opening(State(tracks=("l1.values.f", "l1_reverse.grads.c"), experiment=experiment), View(), title="two")
    )
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    return explorer


def place(explorer: Explorer) -> tuple[int, Within | None]:
    return explorer.document.view.position, explorer.document.view.within


def where(explorer: Explorer) -> str:
    return explorer.window.transport.where.full_words()


def press(qtbot: QtBot, explorer: Explorer, key: Qt.Key, *, shift: bool = False, times: int = 1) -> None:
    stage = explorer.window.stage
    stage.setFocus()
    modifier = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
    for _ in range(times):
        qtbot.keyClick(stage, key, modifier)


def test_shift_and_an_arrow_goes_gate_by_gate_whatever_is_chosen(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.document.look(position=1)
    press(qtbot, explorer, Qt.Key.Key_Right, shift=True)
    assert place(explorer) == (1, Within(0))  # inside the step that is on screen
    assert where(explorer) == "Forward · t = 2 · layer 1"
    press(qtbot, explorer, Qt.Key.Key_Right, shift=True, times=2)
    assert where(explorer) == "Forward · t = 2 · layer 2 · forget gate f"
    assert explorer.window.cell.operation_words == f"2 of {FORWARD}: forget gate f"
    press(qtbot, explorer, Qt.Key.Key_Left, shift=True, times=2)
    assert place(explorer) == (1, Within(0))
    press(qtbot, explorer, Qt.Key.Key_Right)  # the rest of the step at once
    assert place(explorer) == (1, None)
    assert where(explorer) == "Forward · t = 2"


def test_backward_the_top_layer_comes_first(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.document.look(position=T, granularity="layer")
    press(qtbot, explorer, Qt.Key.Key_Right)
    assert where(explorer) == f"Backward · t = {T} · layer 2"
    press(qtbot, explorer, Qt.Key.Key_Right)
    assert where(explorer) == f"Backward · t = {T} · layer 1"
    press(qtbot, explorer, Qt.Key.Key_Right)
    assert where(explorer) == f"Backward · t = {T - 1} · layer 2"


def test_the_arrows_follow_the_choice_and_the_buttons_say_it(qtbot: QtBot, explorer: Explorer) -> None:
    transport = explorer.window.transport
    transport.granularity.setFocus()
    qtbot.keyClick(transport.granularity, Qt.Key.Key_Down)
    qtbot.keyClick(transport.granularity, Qt.Key.Key_Down)
    assert explorer.document.view.granularity == "gate"
    assert transport.forward_button.text() == "gate"
    assert explorer.commands.actions["by_gate"].isChecked()
    press(qtbot, explorer, Qt.Key.Key_Right, times=3)
    assert place(explorer) == (0, Within(1, 1))
    explorer.commands.actions["by_step"].trigger()
    assert transport.granularity.value == "step"
    assert "time step" in transport.granularity.accessibleName()


def test_to_the_end_and_back_gate_by_gate_is_the_same_way_and_asks_the_engine_for_nothing(
    qtbot: QtBot, explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer.document.look(granularity="gate")

    def never(channel: str, *_: object) -> int:
        assert channel == first.CHANNEL, "the engine was asked while stepping"  # what was opened is evaluated once
        return 0

    monkeypatch.setattr(explorer.courier, "ask", never)
    count = T * (FORWARD + 1) + 1 + T * (BACKWARD + 1) + 2
    there = [place(explorer)]
    for _ in range(count):
        explorer.bindings.tape.step(1)
        there.append(place(explorer))
    assert len(set(there)) == count + 1
    assert there[-1] == (2 * T + 2, None)
    back = [place(explorer)]
    for _ in range(count):
        explorer.bindings.tape.step(-1)
        back.append(place(explorer))
    assert [p for p, _ in back] == [p for p, _ in there[::-1]]
    assert back[:-1] == there[:0:-1]


@pytest.mark.parametrize(("granularity", "first"), [("step", None), ("layer", Within(0)), ("gate", Within(0))])
def test_home_is_the_leftmost_moment_and_to_the_end_and_back_is_the_same_way(
    qtbot: QtBot, explorer: Explorer, granularity: str, first: Within | None
) -> None:
    explorer.document.look(granularity=granularity, position=T)
    press(qtbot, explorer, Qt.Key.Key_Home)
    assert place(explorer) == (0, first)
    there = [place(explorer)]
    while there[-1][0] < 2 * T + 2:
        explorer.bindings.tape.step(1)
        there.append(place(explorer))
    press(qtbot, explorer, Qt.Key.Key_End)
    assert place(explorer) == there[-1], "End is the rightmost"
    for expected in there[-2::-1]:
        explorer.bindings.tape.step(-1)
        assert place(explorer) == expected
    explorer.bindings.tape.step(-1)
    assert place(explorer) == there[0], "nothing is left of it"


def test_home_by_gate_is_the_first_operation_of_the_first_step(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.document.look(granularity="gate", layer="l0", position=T)
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    press(qtbot, explorer, Qt.Key.Key_Home)
    assert place(explorer) == (0, Within(0, 0))
    explorer.bindings.tape.to_end()
    explorer.bindings.tape.pick_at_end("repeat")
    explorer.bindings.tape.steps_due(1)
    assert place(explorer) == (0, Within(0, 0)), "playing begins there again"


def test_playing_goes_by_the_choice_too(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.document.look(granularity="gate")
    explorer.bindings.tape.steps_due(5)
    assert place(explorer) == (0, Within(1, 3))


def test_scrubbing_makes_the_step_whole_and_another_layer_keeps_the_place(qtbot: QtBot, explorer: Explorer) -> None:
    press(qtbot, explorer, Qt.Key.Key_Right, shift=True, times=4)
    explorer.window.cell.layerPicked.emit("l0")
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    assert explorer.window.cell.heading.startswith("LAYER 1 · GRU")
    assert explorer.window.cell.operation_words == "done in this step"
    explorer.bindings.tape.scrub(3)
    assert place(explorer) == (3, None)


def test_the_stage_shows_a_step_when_it_is_whole() -> None:
    tape = Tape(T)
    assert Now.at(tape, 3, whole=False).values() == (1, 3)
    assert Now.at(tape, 3).values() == (1, 4)
    assert Now.at(tape, T + 2, whole=False).grads() == (T, T)
    assert Now.at(tape, T + 2, whole=False).step == T - 1
    assert Now.at(tape, 0, whole=False).values() == (1, 0)


def test_inside_a_step_the_stage_has_not_reached_it(qtbot: QtBot, explorer: Explorer) -> None:
    stage = explorer.window.stage
    explorer.document.look(position=2, within=Within(0))
    assert stage.canvas._now == Now.at(Tape(T), 2, whole=False)
    explorer.document.look(position=2, within=Within(1, FORWARD - 1))
    assert stage.canvas._now == Now.at(Tape(T), 2)


def test_what_was_copied_is_said_in_the_status_bar(qtbot: QtBot, explorer: Explorer) -> None:
    view = explorer.window.cell.equations
    pick = next(one for one in view.picks() if one.exact)
    QGuiApplication.clipboard().setText("somebody's own")
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=pick.box.center().toPoint())
    assert QGuiApplication.clipboard().text() == "somebody's own", "a click chooses, it does not copy"
    qtbot.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == pick.exact
    assert explorer.window.statusBar().currentMessage() == f"copied {pick.exact}"


def test_a_reverse_layer_is_at_the_same_step_in_the_panel_on_the_stage_and_on_the_tape(
    qtbot: QtBot, explorer: Explorer
) -> None:
    """The frame on the stage stands at T + 1 − t; a step into the cell does not leave it."""
    explorer.document.look(layer="l1_reverse", position=2 * T + 1 - 4)  # backward, t = 4
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    own, cell = T + 1 - 4, explorer.window.cell
    track = make("network")
    assert explorer.controller.excerpt is not None
    track.set_excerpt(explorer.controller.excerpt, ScaleBook())
    assert isinstance(track, Unrolled)
    track.prepare(TimeView(T, 1, T, 600), 300)
    now = explorer.window.stage.canvas.now
    assert now is not None
    assert track._at(RowKind("l1_reverse", ("h", "c"), True), now) == own
    assert cell.heading == f"LAYER 2 · LSTM ← AT t = {own}"
    assert cell.circuit._reached.backward
    assert where(explorer) == f"Backward · t = 4 · layer 2 ← at t = {own}"
    press(qtbot, explorer, Qt.Key.Key_Right, shift=True)
    assert cell.heading == f"LAYER 2 · LSTM ← AT t = {own}"
    assert where(explorer).startswith("Backward · t = 4 · layer 2 ← · ")


def test_the_circuit_stays_where_it_is_when_a_gates_turn_begins(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.show(opening.of_preset(presets.load("cell-state-carousel")))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    cell = explorer.window.cell
    explorer.document.look(position=explorer.document.tape.span(Phase.BACKWARD)[3])
    QApplication.processEvents()

    def top() -> int:
        return cell.circuit.mapTo(cell, QPoint(0, 0)).y()

    before = top()
    for _ in range(4):
        explorer.bindings.tape.step_gates(1)
        QApplication.processEvents()
        assert cell.operation_words
        assert top() == before
    explorer.bindings.tape.step(1)
    QApplication.processEvents()
    assert top() == before


def test_where_stays_as_wide_while_the_tape_goes_through_a_step(qtbot: QtBot, explorer: Explorer) -> None:
    width = explorer.window.transport.where.width()
    explorer.document.look(granularity="gate")
    for _ in range(2 * (FORWARD + 1)):
        explorer.bindings.tape.step(1)
        assert explorer.window.transport.where.width() == width


def test_a_place_inside_a_layer_that_goes_is_one_of_the_stack_that_stays(qtbot: QtBot, explorer: Explorer) -> None:
    """Backward the layers below have not begun; what was shown as done there would be done once more."""
    layers = (LayerSpec(cell="lstm", hidden_size=4),)
    experiment = Experiment(model=ModelSpec(layers=layers), task=AddingTask(steps=T, batch_size=2), device="cpu")
    explorer.show(Opening(State(tracks=("grads.h",), experiment=experiment), View(), title="one"))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    explorer.commands.actions["add_gru"].trigger()
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    explorer.commands.actions["by_gate"].trigger()
    position = Tape(T).position(Tape(T).parse("backward:5"))
    explorer.document.look(position=position)
    press(qtbot, explorer, Qt.Key.Key_Right, times=4)
    assert place(explorer) == (position, Within(1, 3))
    explorer.commands.actions["undo"].trigger()
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    seen = [place(explorer)]
    for _ in range(BACKWARD):
        press(qtbot, explorer, Qt.Key.Key_Right)
        seen.append(place(explorer))
    assert seen == [(position, Within(0, number)) for number in range(BACKWARD)] + [(position + 1, Within(0, 0))]
    assert explorer.window.cell.operation_words.startswith(f"1 of {BACKWARD}: ")


def test_forward_a_step_whose_top_layer_goes_is_done(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.document.look(position=2, within=Within(1, 1), granularity="gate")
    model = ModelSpec(layers=(LayerSpec(cell="lstm", hidden_size=4),), readout=ReadoutSpec(at="every"))
    one = Experiment(model=model, task=AddingTask(steps=T, batch_size=2), device="cpu")
    explorer.document.edit_experiment(one)
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    assert place(explorer) == (2, Within(0, FORWARD - 1))
    assert where(explorer) == "Forward · t = 3 · hidden state h"
    press(qtbot, explorer, Qt.Key.Key_Right)
    assert place(explorer) == (3, Within(0, 0))

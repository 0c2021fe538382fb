"""What the unrolled network says of the place under the pointer, and what a click there means."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import synthetic_stack
from network_stage import BOTH, at, hover, middle_of, number, pixels, point, stage_of, track
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from engine.spec import TruncationSpec
from engine.tape import Tape
from explorer.stage import palette
from explorer.stage.now import Now
from explorer.theme import current as theming


def test_every_part_tells_its_exact_number(qtbot: QtBot) -> None:
    T, t = 20, 12
    e = synthetic_stack.stack((("gru", False), ("lstm", True)), T=T, loss_at="every")
    stage = stage_of(qtbot, e)
    at(stage, "update")
    a = track(stage)._anatomy
    names = list(e.layers)
    for place, row in enumerate(a.rows):
        layer = e.layers[names[place]]
        for symbol, (top, bottom) in row.lanes.items():
            said = stage.canvas.hover_at(point(stage, (top + bottom) / 2, t))
            assert np.float32(number(said)) == np.float32(layer.norms[f"grads.{symbol}"][t - 1])
            assert said is not None
            assert said.values[0].startswith(f"‖{symbol}‖ = ")
        unit = 1
        y = row.strip_top + (unit + 0.5) * (row.strip_bottom - row.strip_top) / 3
        said = stage.canvas.hover_at(point(stage, y, t))
        assert np.float32(number(said)) == e.arrays[f"{names[place]}.values.h"][t - 1, unit]
    for gap in a.gaps:
        for k, wire in enumerate(gap.wires):
            layer = e.layers[names[wire.row]]
            share = 0.5 if len(gap.wires) == 1 else (0.25, 0.75)[k]
            said = stage.canvas.hover_at(point(stage, (gap.top + gap.bottom) / 2, t, share))
            expected = layer.input_norms if wire.way == "input" else layer.direct_norms
            assert np.float32(number(said)) == np.float32(expected[t - 1])


def test_words_for_where_a_gradient_goes(qtbot: QtBot) -> None:
    e = synthetic_stack.stack((("gru", False), ("gru", False)), T=20, loss_at="every")
    stage = stage_of(qtbot, e)
    at(stage, "update")
    gaps = track(stage)._anatomy.gaps
    notes = []
    for gap in gaps:
        said = stage.canvas.hover_at(point(stage, (gap.top + gap.bottom) / 2, 5))
        assert said is not None
        notes.append((said.where, said.note))
    assert notes == [
        ("t = 5 · layer 1 · GRU", "from here down into the input"),
        ("t = 5 · layer 2 · GRU", "from here down into layer 1"),
        ("t = 5 · layer 2 · GRU", "the direct ∂L/∂h, from the loss"),
    ]


def test_a_reverse_rows_numbers_are_told_only_where_it_has_been(qtbot: QtBot) -> None:
    T = 20
    stage = stage_of(qtbot, synthetic_stack.stack(BOTH, T=T))
    at(stage, "forward:6")
    assert "not reached yet" in hover(stage, 1, 14)
    assert "h = " in hover(stage, 1, 15)
    assert "h = " in hover(stage, 0, 6)
    assert "not reached yet" in hover(stage, 0, 7)


def test_a_click_on_a_cell_picks_layer_and_step(qtbot: QtBot) -> None:
    stage = stage_of(qtbot, synthetic_stack.stack((("gru", True), ("lstm", False)), T=20))
    at(stage, "forward:10")
    for place, name in enumerate(("l0", "l0_reverse", "l1")):
        for t in (3, 17):
            y, _ = middle_of(stage, place, t)
            with qtbot.waitSignal(stage.cellPicked) as picked:
                QTest.mouseClick(stage.canvas.viewport(), Qt.MouseButton.LeftButton, pos=point(stage, y, t))
            assert picked.args == [name, t]


def test_a_click_on_the_inputs_picks_the_step_alone(qtbot: QtBot) -> None:
    stage = stage_of(qtbot, synthetic_stack.stack(BOTH, T=20))
    at(stage, "forward:10")
    with qtbot.waitSignal(stage.stepPicked) as picked, qtbot.assertNotEmitted(stage.cellPicked):
        QTest.mouseClick(
            stage.canvas.viewport(),
            Qt.MouseButton.LeftButton,
            pos=point(stage, track(stage)._anatomy.inputs_centre, 5),
        )
    assert picked.args == [5]


def test_no_gradient_is_drawn_where_truncation_cuts_the_wire(qtbot: QtBot) -> None:
    """Between t = 5 and 6 the ground is bare in the lane, as wide as the gap; a step further it is not."""
    T, found = 20, []
    e = synthetic_stack.stack((("lstm", False),), T=T, loss_at="every")
    for cut in (None, TruncationSpec(k1=5, k2=5), TruncationSpec(k1=4, k2=7)):
        stage = stage_of(qtbot, replace(e, truncation=cut, readout="every"))
        picture = pixels(at(stage, "backward:1"))
        a = track(stage)._anatomy
        ground = palette.packed(theming.current().ground)
        for top, bottom in a.rows[0].lanes.values():
            found.append(
                [bool((picture[top:bottom, a.right(t) + 1 : a.left(t + 1)] != ground).any()) for t in (4, 5, 6)]
            )
        said = [stage.canvas.hover_at(point(stage, (top + bottom) / 2, t)) for t in (4, 5)]
        told = [one is not None and "a window of the truncation begins" in one.note for one in said]
        assert told == [False, cut is not None]  # windows of 7 steps end at 8 and 12: they begin at 2 and 6
    assert found == [[True] * 3] * 2 + [[True, False, True]] * 2 + [[True] * 3] * 2


def test_no_pulse_goes_over_a_cut_wire(qtbot: QtBot) -> None:
    e = synthetic_stack.stack((("lstm", False),), T=20, loss_at="every")
    stage = stage_of(qtbot, replace(e, truncation=TruncationSpec(k1=5, k2=5), readout="every"))
    a, tape, found = track(stage)._anatomy, Tape(20), []
    for moment in ("backward:4", "backward:5", "forward:6"):
        image = QImage(a.view.width, a.height, QImage.Format.Format_RGB32)
        image.fill(0)
        painter = QPainter(image)
        now = Now.at(tape, tape.position(tape.parse(moment)))
        track(stage).paint_pulse(painter, QPoint(0, 0), now, 0.5)
        painter.end()
        rows = a.rows[0]
        found.append(bool((pixels(image)[rows.top : rows.bottom] & 0xFFFFFF).any()))
    assert found == [True, False, True]

"""The stage's picture: nothing that the tape has not reached, the same whichever way one came, small repaints."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import synthetic
from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QImage, QPaintEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.quantities import keys
from engine.requests import Excerpt
from engine.spec import CellKind
from engine.tape import Tape
from explorer.stage.stage import Stage
from explorer.theme import current as theming
from explorer.theme.tokens import ThemeName

TRACKS: dict[CellKind, tuple[str, ...]] = {
    "rnn": ("network", "values.h", "grads.h", "norms"),
    "lstm": ("network", "values.f", "values.c", "grads.c", "grads.a_f", "norms"),
    "gru": ("network", "values.z", "grads.h", "norms"),
}


def stage_with(qtbot: QtBot, excerpt: Excerpt, size: tuple[int, int] = (760, 620)) -> Stage:
    theming.apply("dark")
    stage = Stage()
    # Kept until the test is over: a visible window that the garbage collector deletes in the middle of another one's
    # paint event takes that one's painter along.
    qtbot.addWidget(stage, before_close_func=lambda _, kept=stage: None)
    stage.resize(*size)
    stage.set_tracks(TRACKS[excerpt.cell])
    stage.set_excerpt(excerpt)
    stage.set_position(0)
    stage.show()
    QApplication.processEvents()
    return stage


def picture(stage: Stage) -> QImage:
    QApplication.processEvents()
    return stage.grab().toImage()


class Painted(QObject):
    """How many pixels of a widget each paint event covers."""

    def __init__(self) -> None:
        super().__init__()
        self.pixels: list[int] = []

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QPaintEvent):
            region = event.region()
            box = region.boundingRect()
            whole = region.rectCount() == 1
            area = box.width() * box.height() if whole else sum(r.width() * r.height() for r in region)
            self.pixels.append(area)
        return False


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("T", [1, 5, 50, 900])
def test_to_the_end_and_back_is_the_same_picture_to_the_byte(qtbot: QtBot, cell: CellKind, T: int) -> None:
    stage = stage_with(qtbot, synthetic.excerpt(cell, T=T, H=7, zeros=True, inf=True, nan=True))
    length = len(Tape(T))
    stride = max(1, length // 25)
    way = [*range(0, length, stride), length - 1]
    seen = {}
    for position in way:
        stage.set_position(position)
        seen[position] = picture(stage)
    for position in reversed(way):
        stage.set_position(position)
        assert picture(stage) == seen[position], f"at {position}"


def _on_screen(stage: Stage) -> QImage:
    """What the window shows after partial repaints, without painting it anew."""
    QApplication.processEvents()
    screen = stage.screen()
    return screen.grabWindow(stage.winId()).toImage()


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_partial_repaints_leave_what_a_whole_repaint_would_paint(qtbot: QtBot, cell: CellKind) -> None:
    T = 40
    stage = stage_with(qtbot, synthetic.excerpt(cell, T=T, H=5, zeros=True, nan=True, loss_at="every"))
    for position in (0, 1, 2, 17, 39, 40, 41, 42, 60, 81, 82, 61, 60, 40, 3):
        stage.set_position(position)
        partial = _on_screen(stage)
        stage.update()
        stage.axis.update()
        stage.canvas.viewport().update()
        assert _on_screen(stage) == partial, f"at {position}"


def _changed(e: Excerpt, prefix: str, rows: slice) -> Excerpt:
    """The same excerpt with other numbers (not larger ones) at some steps."""
    arrays, norms = dict(e.arrays), dict(e.norms)
    for key in keys(e.cell):
        if key.startswith(prefix):
            arrays[f"l0.{key}"] = arrays[f"l0.{key}"].copy()
            arrays[f"l0.{key}"][rows] *= -0.001
            norms[key] = norms[key].copy()
            norms[key][rows] *= 0.001
    return synthetic.with_norms(dataclasses.replace(e, arrays=arrays), norms)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("T", [12, 50, 2000])
def test_what_the_forward_pass_has_not_reached_leaves_no_trace(qtbot: QtBot, cell: CellKind, T: int) -> None:
    e = synthetic.excerpt(cell, T=T, H=4)
    t = T // 3
    pictures = []
    for one in (e, _changed(_changed(e, "values.", slice(t, None)), "grads.", slice(None))):
        bare = dataclasses.replace(one, losses=one.losses * (1 + (one is not e)), loss=one.loss * (1 + (one is not e)))
        stage = stage_with(qtbot, e)
        stage.set_excerpt(bare)  # on the first one's scales
        stage.set_position(t - 1)
        pictures.append(picture(stage))
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("T", [12, 50, 2000])
def test_gradients_of_earlier_steps_leave_no_trace_before_the_tape_reaches_them(
    qtbot: QtBot, cell: CellKind, T: int
) -> None:
    e = synthetic.excerpt(cell, T=T, H=4, vanishing=False)
    t = T // 2
    tape = Tape(T)
    pictures = []
    for one in (e, _changed(e, "grads.", slice(0, t - 1))):
        stage = stage_with(qtbot, e)
        stage.set_excerpt(one)
        stage.set_position(tape.position(tape.parse(f"backward:{t}")))
        pictures.append(picture(stage))
    assert pictures[0] == pictures[1]
    assert pictures[0] != picture(_at_end(stage, T))


def _at_end(stage: Stage, T: int) -> Stage:
    stage.set_position(len(Tape(T)) - 1)
    return stage


def test_a_step_repaints_little(qtbot: QtBot) -> None:
    stage = stage_with(qtbot, synthetic.excerpt("lstm", T=200, H=8), size=(1200, 800))
    stage.set_position(250)
    QApplication.processEvents()
    painted = Painted()
    viewport = stage.canvas.viewport()
    viewport.installEventFilter(painted)
    for position in range(251, 281):
        stage.set_position(position)
        QApplication.processEvents()
    viewport.removeEventFilter(painted)
    whole = viewport.width() * viewport.height()
    assert len(painted.pixels) == 30
    assert max(painted.pixels) < 0.12 * whole


def test_tracks_out_of_sight_draw_nothing(qtbot: QtBot) -> None:
    stage = stage_with(qtbot, synthetic.excerpt("lstm", T=50, H=8), size=(700, 260))
    hidden = stage.canvas.slots[-1].track
    painted: list[int] = []
    original = type(hidden).paint

    def spy(self: object, *arguments: object) -> None:
        if self is hidden:
            painted.append(1)
        original(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(hidden), "paint", spy)
        for position in range(40, 70):
            stage.set_position(position)
            QApplication.processEvents()
        assert not painted
        stage.canvas.verticalScrollBar().setValue(stage.canvas.verticalScrollBar().maximum())
        QApplication.processEvents()
        assert painted


def test_thousands_of_steps_make_no_new_objects(qtbot: QtBot) -> None:
    import gc

    stage = stage_with(qtbot, synthetic.excerpt("rnn", T=30, H=4), size=(420, 300))
    length = len(Tape(30))

    def walk(steps: int) -> int:
        for i in range(steps):
            stage.set_position(i % length)
            if i % 10 == 0:
                QApplication.processEvents()
        gc.collect()
        return len(gc.get_objects())

    walk(300)
    children = len(stage.findChildren(QObject))
    before = walk(300)
    after = walk(2_500)
    assert after - before < 12, "one in two hundred steps makes one that stays"
    assert len(stage.findChildren(QObject)) == children


def test_layers_are_reused_from_one_trace_to_the_next(qtbot: QtBot) -> None:
    stage = stage_with(qtbot, synthetic.excerpt("rnn", T=50, H=8))
    heatmap = stage.canvas.tracks[1]
    memory = heatmap._full.image.constBits()
    address = np.frombuffer(memory, np.uint8).ctypes.data
    del memory
    stage.set_excerpt(synthetic.excerpt("rnn", T=50, H=8, seed=3))
    QApplication.processEvents()
    memory = heatmap._full.image.constBits()
    assert np.frombuffer(memory, np.uint8).ctypes.data == address


@pytest.mark.parametrize(("first", "second"), [("dark", "light"), ("light", "dark")])
def test_another_theme_repaints_everything(qtbot: QtBot, first: ThemeName, second: ThemeName) -> None:
    e = synthetic.excerpt("gru", T=20, H=4)
    stage = stage_with(qtbot, e)
    theming.apply(first)
    theming.apply(second)
    switched = picture(stage)
    fresh = stage_with(qtbot, e)
    theming.apply(second)
    assert picture(fresh) == switched


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize(("T", "H"), [(1, 1), (2, 1), (1, 300), (10_000, 1)])
def test_every_shape_can_be_shown(qtbot: QtBot, cell: CellKind, T: int, H: int) -> None:
    stage = stage_with(qtbot, synthetic.excerpt(cell, T=T, H=H, zeros=True, inf=True, nan=True, subnormal=True))
    for position in (0, T - 1, T, T + 1, 2 * T, 2 * T + 1, 2 * T + 2):
        stage.set_position(position)
        QApplication.processEvents()
    stage.time_range.zoom(2.0)
    stage.time_range.fit()
    assert not picture(stage).isNull()


def test_all_norms_that_are_not_numbers_can_be_shown(qtbot: QtBot) -> None:
    e = synthetic.excerpt("lstm", T=40, H=3)
    for value in (0.0, np.nan, np.inf):
        norms = {key: np.full(40, value) for key in e.norms}
        arrays = {key: np.full((40, 3), value, np.float32) for key in e.arrays}
        odd = dataclasses.replace(e, arrays=arrays, loss=value, losses=np.full(40, value))
        odd = synthetic.with_norms(odd, norms)
        stage = stage_with(qtbot, odd)
        for position in (0, 39, 40, 41, 60, 82):
            stage.set_position(position)
            QApplication.processEvents()
        assert not picture(stage).isNull()
